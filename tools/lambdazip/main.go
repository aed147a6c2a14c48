// Command lambdazip packs a Lambda function: internal/deploy/artifact, from the command line. Beside the program go the
// baseline and, with -config, what of a configuration file concerns a function; it prints the parameters of the template
// that this takes, as `trailwarden deploy` would set them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/trailwarden/trailwarden/internal/baseline"
	baselinefile "github.com/trailwarden/trailwarden/internal/baseline/file"
	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/config/file"
	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "lambdazip:", err)
		os.Exit(1)
	}
}

func run(args []string, says io.Writer) error {
	flags := flag.NewFlagSet("lambdazip", flag.ContinueOnError)
	settings := flags.String("config", "", "configuration `file` that travels in the zip")
	if err := flags.Parse(args); err != nil {
		return err
	}
	args = flags.Args()
	if len(args) != 2 && len(args) != 3 {
		return errors.New("usage: lambdazip [-config CONFIG.yaml] OUT.zip BOOTSTRAP [BASELINE.yaml]")
	}
	var a artifact.Artifact
	var err error
	if a.Bootstrap, err = os.ReadFile(args[1]); err != nil {
		return fmt.Errorf("read binary: %w", err)
	}
	if len(args) == 3 {
		pinned, err := baselinefile.Load(args[2], baseline.Used{})
		if err != nil {
			return err
		}
		a.Pinned = &pinned
	}
	if *settings != "" {
		if a.Config, err = configure(*settings, says); err != nil {
			return err
		}
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

// configure makes of a configuration file what travels, and says which parameters of the template belong to it.
func configure(name string, says io.Writer) ([]byte, error) {
	s, err := artifact.Configure(file.Read(name))
	if err != nil {
		return nil, err
	}
	cfg, err := artifact.Configuration(name, s.Document)
	if err != nil {
		return nil, err
	}
	if err := channels.CheckDeployed(cfg); err != nil {
		return nil, err
	}
	for _, x := range s.Stays {
		fmt.Fprintf(says, "%s of %s is not deployed: %s\n", x.Key, name, x.Why)
	}
	parameters := s.Parameters
	if s.Document != nil {
		parameters["Config"] = artifact.Config
	}
	for parameter, value := range deploy.Configured(cfg, deploy.Stack{Partition: "aws", Region: "REGION", Account: "ACCOUNT"}) {
		if value != "" && value != "no" {
			parameters[parameter] = value
		}
	}
	for _, parameter := range slices.Sorted(maps.Keys(parameters)) {
		fmt.Fprintf(says, "parameter for this configuration: %s=%s\n", parameter, parameters[parameter])
	}
	return s.Document, nil
}
