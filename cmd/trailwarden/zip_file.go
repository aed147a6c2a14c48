//go:build !withzip

package main

// builtInZip is nil: the function's zip is a file beside this program.
func builtInZip() []byte { return nil }
