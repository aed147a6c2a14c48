//go:build withzip

package main

import _ "embed"

// `make standalone` puts the zip here.
//
//go:embed built-in.zip
var zipBuiltIn []byte

// builtInZip is the function's zip that this program carries.
func builtInZip() []byte { return zipBuiltIn }
