package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
)

// usualZip is where `make lambda` leaves the function's zip.
const usualZip = "dist/trailwarden-lambda-arm64.zip"

// readZip reads the function's zip, and holds it against the hash that was given.
func (a *app) readZip(f deployFlags) (artifact.Artifact, error) {
	packed, from := builtInZip(), "the zip in this program"
	if f.zip != "" || packed == nil {
		from = f.zip
		if from == "" {
			from = usualZip
		}
		var err error
		if packed, err = os.ReadFile(from); err != nil {
			return artifact.Artifact{}, fail(exitUsage, "name it with --zip, or build it: make lambda", fmt.Errorf("read the function's zip: %w", err))
		}
	}
	sum := sha256.Sum256(packed)
	if want := f.zipSHA256; want != "" && want != hex.EncodeToString(sum[:]) && want != base64.StdEncoding.EncodeToString(sum[:]) {
		return artifact.Artifact{}, fail(exitUsage, "take the zip and its SHA-256 from the same release; nothing was deployed",
			fmt.Errorf("%s is not the zip that --zip-sha256 names: its SHA-256 is %s", from, hex.EncodeToString(sum[:])))
	}
	made, err := artifact.Open(packed)
	if err != nil {
		return made, fail(exitUsage, "build it: make lambda; the templates take "+usualZip, fmt.Errorf("%s: %w", from, err))
	}
	return made, nil
}
