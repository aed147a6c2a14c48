// Command lambdazip packs a Lambda function: internal/deploy/artifact, from the command line.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/baseline/file"
	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lambdazip:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 && len(args) != 3 {
		return errors.New("usage: lambdazip OUT.zip BOOTSTRAP [BASELINE.yaml]")
	}
	var a artifact.Artifact
	var err error
	if a.Bootstrap, err = os.ReadFile(args[1]); err != nil {
		return fmt.Errorf("read binary: %w", err)
	}
	if len(args) == 3 {
		pinned, err := file.Load(args[2], baseline.Used{})
		if err != nil {
			return err
		}
		a.Pinned = &pinned
	}
	packed, err := a.Pack()
	if err != nil {
		return err
	}
	if err := os.WriteFile(args[0], packed, 0o644); err != nil {
		return fmt.Errorf("write zip: %w", err)
	}
	return nil
}
