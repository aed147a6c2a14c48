package main

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/doctor"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// daemonChecks examine the daemon that this configuration is of.
func (a *app) daemonChecks(ctx context.Context, cfg config.Config, r reach, at *field) []doctor.Check {
	var checks []doctor.Check
	queue := ""
	if cfg.Watch.Listen != "" {
		checks = append(checks, doctor.Health(ctx, cfg.Watch.Listen))
	}
	if cfg.Watch.QueueURL == "" {
		checks = append(checks, doctor.Check{Name: "queue", Status: doctor.Waiting, Text: "none: only sweeps see what happens", Mend: "make a rule and a queue (deploy/cloudformation), and set watch.queue_url"})
	} else {
		check, arn := doctor.Queue(ctx, at.client.Config, cfg.Watch.QueueURL)
		checks = append(checks, check)
		if arn != "" {
			queue = arn
			checks = append(checks, doctor.Rules(ctx, at.client.Config, arn, cloud.AccountOf(at.self))...)
		}
	}
	store, err := a.ledger(ctx, cfg, r.aws, toRead)
	checks = append(checks, ledgerCheck(ctx, store, err, cmp.Or(cfg.Ledger, usualLedger)))
	pinned, err := a.pinned(ctx, cfg, r.aws)
	switch {
	case err != nil && (cfg.Baseline != "" || exists(usualBaseline)):
		checks = append(checks, doctor.Check{Name: "baseline", Status: doctor.Wrong, Text: "nothing is repaired: " + err.Error(), Mend: hintOf(err)})
	case err != nil:
		checks = append(checks, doctor.Check{Name: "baseline", Status: doctor.Waiting, Text: "no trail is pinned: only stopped trails are started again", Mend: "trailwarden baseline capture"})
	default:
		checks = append(checks, age(pinned, time.Now()))
	}
	checks = append(checks, a.channelChecks(ctx, cfg, r.aws, false)...)
	checks = append(checks, doctor.Allowed(ctx, at.client.Config, at.self, needs(cfg, at, queue)))
	every, err := time.ParseDuration(cfg.Watch.Sweep)
	if err != nil || every <= 0 {
		every = time.Minute
	}
	return append(checks, trailChecks(ctx, at, pinned, every)...)
}

// channelChecks ask every channel whether it would take a message. Nobody is told anything. Visiting are credentials that are not those of
// who tells.
func (a *app) channelChecks(ctx context.Context, cfg config.Config, where cloud.Options, visiting bool) []doctor.Check {
	o, err := a.channelOptions(ctx, cfg, where)
	if err != nil {
		return []doctor.Check{{Name: "channels", Status: doctor.Unknown, Text: err.Error(), Mend: hintOf(err)}}
	}
	if len(channels.Configured(cfg)) == 0 {
		return []doctor.Check{{Name: "channels", Status: doctor.Wrong, Text: "none is configured: nobody is told of anything", Mend: "set sns.topic_arn or another channel: docs/channels/README.md"}}
	}
	o.Visiting = visiting
	var checks []doctor.Check
	for _, v := range channels.Probe(ctx, o) {
		check := doctor.Check{Name: "channel " + v.Channel, Status: doctor.OK, Text: v.Text}
		switch {
		case !v.Good:
			check.Status, check.Mend = doctor.Wrong, cmp.Or(v.Hint, "see docs/channels/"+v.Channel+".md")
		case !v.Known && v.Hint != "": // without a hint it is one that nobody can ask
			check.Status, check.Mend = doctor.Unknown, v.Hint
		}
		checks = append(checks, check)
	}
	return checks
}

// needs are the calls that the daemon makes, by the table of permissions.
func needs(cfg config.Config, at *field, queue string) []doctor.Need {
	account := cloud.AccountOf(at.self)
	trails := doctor.Need{Resource: "arn:" + trail.PartitionOf(at.region) + ":cloudtrail:" + at.region + ":" + account + ":trail/any"}
	everything := doctor.Need{Resource: "*"}
	events := doctor.Need{Resource: queue}
	tell := doctor.Need{Resource: cfg.SNS.TopicARN, Actions: []string{"sns:Publish"}}
	wanted := map[string]bool{"watching": true, "pinned trails": true, "evidence": true, "events": true, "repair": !cfg.Observe}
	for _, p := range deploy.Permissions {
		if feature, _, _ := strings.Cut(p.Feature, ", "); !wanted[feature] {
			continue
		}
		switch p.On {
		case "trails of the account":
			trails.Actions = append(trails.Actions, p.Action)
		case "everything: the call knows no resources":
			everything.Actions = append(everything.Actions, p.Action)
		case "trailwarden's queue":
			events.Actions = append(events.Actions, p.Action)
		}
	}
	all := []doctor.Need{trails, everything}
	for _, n := range []doctor.Need{events, tell} {
		if n.Resource != "" {
			all = append(all, n)
		}
	}
	return all
}
