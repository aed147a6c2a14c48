package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/channels/heavy"
	"github.com/trailwarden/trailwarden/internal/config"
)

func configCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Write, check and show the configuration",
		Example: `  trailwarden config init --out trailwarden.yaml
  trailwarden config check
  trailwarden config show --origin`,
	}
	group(c)
	c.AddCommand(configInit(a), configCheck(a), configShow(a), configSchema(a))
	return c
}

func configInit(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Print a commented configuration file",
		Long: `Prints a commented configuration file. What the environment and the flags say stands in it already:
with the 2017 sample's SNSARN set, its topic does.`,
		Example: `  trailwarden config init --out trailwarden.yaml
  SNSARN=arn:aws:sns:eu-west-1:111122223333:trailwarden trailwarden config init`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if a.configFile != "" {
				return usage("name the file to write with --out", "config init reads no configuration file")
			}
			// The file that is there may be the broken one that this is to replace: it is not read.
			effective, err := config.Load(config.Env(a.env), flagLayer(c))
			if err != nil {
				return err
			}
			if _, err := os.Lstat(a.outFile); a.outFile != "" && err == nil && !a.yes {
				return fail(exitError, "name another file, or write over this one with --yes", fmt.Errorf("write %s: there is such a file", a.outFile))
			}
			if err := a.write(c, result{Text: config.YAML(effective)}); err != nil {
				return err
			}
			if a.outFile != "" {
				a.note("wrote %s; next: edit it, then `trailwarden config check -c %s`", a.outFile, a.outFile)
			}
			return nil
		},
	}
}

func configCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Say whether the configuration is valid, and all that is wrong with it",
		Long: `Reads the file, the environment and the flags, as every command does, and lists all that is wrong
with them, each with its place and what to do. Exits with 2 if anything is.`,
		Example: `  trailwarden config check
  trailwarden config check -c staging.yaml
  trailwarden config check -o json                 # for editors and pipelines`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := a.configuration(c)
			var problems config.Problems
			if errors.As(err, &problems); err == nil {
				if problems = a.checkChannels(cfg); len(problems) > 0 {
					err = problems
				}
			}
			subject := a.configPath()
			if subject == "" {
				subject = "environment"
			}
			document := struct {
				head
				Subject  string          `json:"subject"`
				Valid    bool            `json:"valid"`
				Problems config.Problems `json:"problems"`
			}{head{SchemaVersion: 1}, subject, err == nil, append(config.Problems{}, problems...)}
			lines := []any{}
			for _, p := range problems {
				lines = append(lines, p)
			}
			printed := a.write(c, result{
				JSON:  document,
				Lines: lines,
				Table: func(w io.Writer) {
					if err == nil {
						fmt.Fprintf(w, "%s: valid\n", plain(subject))
					}
				},
			})
			if printed != nil || err == nil {
				return printed
			}
			return err
		},
	}
}

// checkChannels holds channels and routes against each other, without calling anybody.
func (a *app) checkChannels(cfg config.Config) config.Problems {
	return channels.Check(channels.Options{Config: cfg, AWS: aws.Config{Region: cmp.Or(cfg.Region, "us-east-1")}, Output: a.stdout, Heavy: heavy.Channels()})
}

func configShow(a *app) *cobra.Command {
	var origin bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Show the configuration that is in force",
		Example: `  trailwarden config show
  trailwarden config show --origin                 # and where each value comes from
  trailwarden config show -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			effective, err := a.configuration(c)
			if err != nil {
				return err
			}
			type setting struct {
				Key    string `json:"key"`
				Value  any    `json:"value"`
				Source string `json:"source"`
				Place  string `json:"place,omitempty"`
			}
			document := struct {
				head
				Settings []setting `json:"settings"`
			}{head: head{SchemaVersion: 1}}
			lines := []any{}
			for _, k := range config.Keys {
				from := effective.Origins[k.Name]
				s := setting{k.Name, k.Of(effective), string(from.Source), from.Name}
				if list, ok := s.Value.([]string); ok {
					s.Value = append([]string{}, list...) // [] and not null
				}
				document.Settings = append(document.Settings, s)
				lines = append(lines, s)
			}
			return a.write(c, result{
				JSON:  document,
				Lines: lines,
				Table: func(w io.Writer) {
					headings := []string{"KEY", "VALUE", "ORIGIN"}
					columns := 2
					if origin {
						columns = 3
					}
					t := newTable(w, headings[:columns]...)
					for _, k := range config.Keys {
						row := []string{k.Name, config.Print(k.Of(effective)), effective.Origins[k.Name].String()}
						t.row(row[:columns]...)
					}
					t.end()
				},
			})
		},
	}
	c.Flags().BoolVar(&origin, "origin", false, "Show where each value comes from")
	return c
}

func configSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration file, for editors",
		Example: `  trailwarden config schema --out trailwarden.schema.json
  # then, in the first lines of trailwarden.yaml:
  # yaml-language-server: $schema=trailwarden.schema.json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.write(c, result{Text: config.Schema()}) },
	}
}
