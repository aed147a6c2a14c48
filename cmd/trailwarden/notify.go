package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/cloud/chain"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

func notifyCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "notify",
		Short: "Try out the channels: send a marked sample, or print what would be sent",
		Example: `  trailwarden notify test
  trailwarden notify test --channel slack
  trailwarden notify render --channel teams
  trailwarden incidents show -o json inc-0123456789abcdef | trailwarden notify render --channel email --incident -`,
	}
	group(c)
	c.AddCommand(notifyTest(a), notifyRender(a))
	return c
}

// channelFlag chooses a channel by its name.
func channelFlag(c *cobra.Command, name *string, help string) {
	c.Flags().StringVar(name, "channel", "", help)
	complete(c, "channel", channels.Names...)
}

func knownChannel(name string) error {
	if slices.Contains(channels.Names, name) {
		return nil
	}
	return usage(config.Suggest(name, "the channels are ", channels.Names), "there is no channel %q", name)
}

// sent is what came of a sample.
type sent struct {
	Channel string `json:"channel"`
	Sent    bool   `json:"sent"`
	Seconds string `json:"seconds"`
	Error   string `json:"error,omitempty"`
}

func notifyTest(a *app) *cobra.Command {
	var where cloud.Options
	var only string
	c := &cobra.Command{
		Use:   "test",
		Short: "Send a marked sample through the real channels, and say what came back",
		Long: `Sends a sample of a drill, which says so in its first line, through every channel that is configured, or through one. What came
back says whether the other side took it; whether somebody reads it, only that somebody can tell.

Exit code 5 when a channel did not take it.`,
		Example: `  trailwarden notify test
  trailwarden notify test --channel pagerduty`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.printable(c, formatTable, formatJSON, formatLines); err != nil {
				return err
			}
			if only != "" {
				if err := knownChannel(only); err != nil {
					return err
				}
			}
			cfg, err := a.configuration(c)
			if err != nil {
				return err
			}
			o, err := a.channelOptions(c.Context(), cfg, where)
			if err != nil {
				return err
			}
			all, _ := channels.Open(o) // what is wrong is what the channel answers
			var results []sent
			for _, ch := range all {
				if only == "" || ch.Name == only {
					results = append(results, trySample(c.Context(), ch, time.Now()))
				}
			}
			if len(results) == 0 {
				return usage("set its key: see docs/channels/README.md, and `trailwarden config init`", "no such channel is configured")
			}
			return a.sentReport(c, results)
		},
	}
	channelFlag(c, &only, "Only the `channel` of this name")
	awsFlags(c, &where)
	return c
}

// sample is a drill that says that it is one, with times of now and an id of its own, so that no receiver drops it.
func sample(now time.Time) incident.Incident {
	inc := notifytest.Repaired()
	shift := now.UTC().Truncate(time.Second).Sub(*inc.RepairedAt)
	move := func(t *time.Time) {
		if t != nil {
			*t = t.Add(shift)
		}
	}
	move(inc.RepairedAt)
	move(&inc.OpenedAt)
	move(&inc.SeenAt)
	move(&inc.Record.EventTime)
	move(&inc.BlindWindow.From)
	move(inc.BlindWindow.To)
	for i := range inc.Actions {
		move(inc.Actions[i].At)
	}
	for i := range inc.Tamperings { // their blind window is the incident's
		move(&inc.Tamperings[i].At)
	}
	inc.Drill, inc.Severity = true, incident.Info
	inc.Findings[0].Severity = incident.Info
	inc.Findings[0].Text = "This is a sample that `trailwarden notify test` has sent. No trail was touched"
	inc.ID = incident.ID("sample", now.UTC().Format(time.RFC3339Nano))
	inc.Ledger = nil
	inc.NextSteps = []incident.Step{{Text: "Nothing: whoever sent this sample wants to know that you have it."}}
	return inc
}

func trySample(ctx context.Context, ch notify.Channel, now time.Time) sent {
	inc := sample(now)
	err := ch.Notify(ctx, inc)
	if err == nil && ch.Name == "pagerduty" { // nobody is to be left with an alert of it
		inc.Stage, inc.Outcome = incident.StageConfirmed, incident.Confirmed
		err = ch.Notify(ctx, inc)
	}
	s := sent{Channel: ch.Name, Sent: err == nil, Seconds: fmt.Sprintf("%.2f", time.Since(now).Seconds())}
	if err != nil {
		s.Error = err.Error()
	}
	return s
}

func (a *app) sentReport(c *cobra.Command, results []sent) error {
	document := struct {
		head
		Channels []sent `json:"channels"`
	}{head: head{SchemaVersion: 1}, Channels: results}
	lines := []any{}
	var failed []error
	for _, s := range results {
		lines = append(lines, s)
		if !s.Sent {
			document.Partial = true
			failed = append(failed, fail(exitPartial, "see docs/channels/"+s.Channel+".md", fmt.Errorf("channel %s did not take the sample", s.Channel)))
		}
	}
	err := a.write(c, result{JSON: document, Lines: lines, Table: func(w io.Writer) {
		t := newTable(w, "CHANNEL", "TAKEN", "SECONDS", "WHAT CAME BACK")
		for _, s := range results {
			taken, back := "yes", "taken"
			if !s.Sent {
				taken, back = "NO", plain(s.Error)
			}
			t.row(s.Channel, taken, s.Seconds, back)
		}
		t.end()
	}})
	return errors.Join(append([]error{err}, failed...)...)
}

// channelOptions are what channels are made of where there is no engine.
func (a *app) channelOptions(ctx context.Context, cfg config.Config, where cloud.Options) (channels.Options, error) {
	where.Region = cfg.Region
	aws, err := chain.Load(ctx, where)
	if err != nil {
		return channels.Options{}, fail(exitError, "check the AWS profile and environment", err)
	}
	o, err := channelsOn(cfg, aws)
	if err != nil {
		return channels.Options{}, err
	}
	client := &cloud.Client{Config: aws, Version: o.Version}
	o.Output = a.stdout
	o.Account = func(ctx context.Context) (string, error) {
		self, err := client.Self(ctx)
		return cloud.AccountOf(self), err
	}
	return o, nil
}

func notifyRender(a *app) *cobra.Command {
	var name, from, stage string
	c := &cobra.Command{
		Use:   "render",
		Short: "Print exactly what a channel would send, and send nothing",
		Long: `Prints the payload that a channel would send about an incident: of the incident in a file, as ` + "`incidents show -o json`" + ` gives it,
or of a sample that is built in. A channel that is not configured is shown with settings that look like real ones. No secret is read or
printed.`,
		Example: `  trailwarden notify render --channel slack
  trailwarden notify render --channel email --stage escalated
  trailwarden notify render --channel webhook --incident incident.json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := knownChannel(name); err != nil {
				return err
			}
			cfg, err := a.configuration(c)
			if err != nil {
				return err
			}
			inc, err := a.incidentToShow(from, stage)
			if err != nil {
				return err
			}
			o, err := channelsOn(cfg, aws.Config{Region: cmp.Or(cfg.Region, "us-east-1")})
			if err != nil {
				return err
			}
			o.Vault, o.Output = nil, io.Discard // no secret is read
			payload, err := channels.Render(o, name, inc)
			if err != nil {
				return fail(exitUsage, "see docs/channels/"+name+".md", err)
			}
			return a.write(c, result{Text: append([]byte(strings.TrimRight(string(payload), "\n")), '\n')})
		},
	}
	channelFlag(c, &name, "The `channel` (required)")
	c.Flags().StringVar(&from, "incident", "", "`FILE` with an incident as JSON, or - for standard input")
	c.Flags().StringVar(&stage, "stage", "", "Which of the built-in samples: `"+strings.Join(sampleNames(), "|")+"`")
	complete(c, "stage", sampleNames()...)
	return c
}

func sampleNames() (names []string) {
	for _, s := range notifytest.Life() {
		names = append(names, s.Name)
	}
	return names
}

// incidentToShow is the one in a file, or a sample.
func (a *app) incidentToShow(from, stage string) (inc incident.Incident, err error) {
	if from == "" {
		if stage == "" {
			return notifytest.Repaired(), nil
		}
		for _, s := range notifytest.Life() {
			if s.Name == stage {
				return s.Incident, nil
			}
		}
		return inc, usage(config.Suggest(stage, "the samples are ", sampleNames()), "there is no sample %q", stage)
	}
	if stage != "" {
		return inc, usage("leave one of them out", "--stage is of a sample, and --incident of a file")
	}
	data, err := a.read(from)
	if err != nil {
		return inc, err
	}
	if err := json.Unmarshal(data, &inc); err != nil || inc.ID == "" {
		return inc, usage("`trailwarden incidents show -o json ID` prints one", "%s holds no incident", plain(from))
	}
	return inc, nil
}
