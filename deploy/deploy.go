// Package deploy is the files of this folder, as they travel in the binary: CloudFormation templates, sample policies.
package deploy

import "embed"

// Files holds cloudformation/*.yaml and scp/*.json.
//
//go:embed cloudformation/*.yaml scp/*.json
var Files embed.FS
