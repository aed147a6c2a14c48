package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
	"github.com/trailwarden/trailwarden/internal/deploy/doctor"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

func doctorCommand(a *app) *cobra.Command {
	var r reach
	var name string
	var daemon bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Examine a deployment, or the daemon: is everything there that would save the trails?",
		Long: `Examines the stack that ` + "`trailwarden deploy`" + ` made: functions, rule, target, mapping, policies, timer, queues, who is told,
alarms, ledger, baseline, trails and whether they deliver, quotas, the clock. With --daemon, or where there is no stack and a
configuration file is, the daemon: its credentials, queue, ledger, baseline and health. It changes nothing.

Each thing that is wrong comes with the command that mends it. Exit codes: 0 all is well; 3 something is wrong, or waits for
somebody; 5 something could not be read.`,
		Example: `  trailwarden doctor
  trailwarden doctor -o json | jq '.checks[] | select(.status != "ok")'
  trailwarden doctor --daemon --config /etc/trailwarden/trailwarden.yaml`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := a.configuration(c)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), r.limit)
			defer cancel()
			checks, err := a.diagnose(ctx, cfg, r, name, daemon)
			if err != nil {
				return err
			}
			lines := []any{}
			partial := false
			for _, check := range checks {
				lines = append(lines, check)
				partial = partial || check.Status == doctor.Unknown
			}
			document := struct {
				head
				Checks []doctor.Check `json:"checks"`
			}{head{SchemaVersion: 1, Partial: partial}, checks}
			if err := a.write(c, result{JSON: document, Lines: lines, Table: func(w io.Writer) { checksTable(a, w, checks) }}); err != nil {
				return err
			}
			return verdict(checks, false)
		},
	}
	r.login(c)
	c.Flags().StringVar(&name, "stack-name", usualStack, "Name of the stack")
	c.Flags().BoolVar(&daemon, "daemon", false, "Examine the daemon of this configuration, not a stack")
	keyFlags(c, "queue-url", "ledger", "listen")
	return c
}

// verdict is what the checks come to. Just after a deployment it is no fault that something waits.
func verdict(checks []doctor.Check, deployed bool) error {
	var errs []error
	for _, check := range checks {
		switch {
		case check.Status == doctor.Wrong, check.Status == doctor.Waiting && !deployed:
			errs = append(errs, fail(exitFindings, "", nil))
		case check.Status == doctor.Unknown:
			errs = append(errs, fail(exitPartial, "", nil))
		}
	}
	return errors.Join(errs...)
}

func checksTable(a *app, w io.Writer, checks []doctor.Check) {
	style := map[doctor.Status]string{doctor.OK: green, doctor.Waiting: yellow, doctor.Wrong: red, doctor.Unknown: yellow}
	t := newTable(w, "CHECK", "STATUS", "HOW IT IS")
	bad := 0
	for _, check := range checks {
		t.row(check.Name, string(check.Status), check.Text)
		if check.Status != doctor.OK {
			bad++
		}
	}
	t.end()
	for _, check := range checks {
		if check.Mend != "" {
			fmt.Fprintf(w, "\n%s %s\n  %s\n", a.paint(w, style[check.Status], string(check.Status)+":"), plain(check.Name+": "+check.Text), plain(check.Mend))
		}
	}
	if bad == 0 {
		fmt.Fprintf(w, "\nAll is well: %s.\n", count(len(checks), "check"))
	}
}

// examine is diagnose of a stack, for deploy.
func (a *app) examine(ctx context.Context, c *cobra.Command, r reach, name string) ([]doctor.Check, error) {
	cfg, err := a.configuration(c)
	if err != nil {
		return nil, err
	}
	return a.diagnose(ctx, cfg, r, name, false)
}

func (a *app) diagnose(ctx context.Context, cfg config.Config, r reach, name string, daemon bool) ([]doctor.Check, error) {
	at, err := a.open(ctx, cfg, r)
	if err != nil {
		return nil, err
	}
	checks := []doctor.Check{{Name: "credentials", Status: doctor.OK, Text: at.self}, doctor.Clock(ctx, at.client.Config, time.Now)}
	if daemon {
		return append(checks, a.daemonChecks(ctx, cfg, r, at)...), nil
	}
	d := &stack.Deployer{Config: at.client.Config, Account: cloud.AccountOf(at.self), Name: name}
	view, found, err := d.Look(ctx)
	switch {
	case err != nil:
		return nil, err
	case !found && a.configPath() != "":
		a.note("there is no stack %s in %s: this is about the daemon of %s", name, at.region, plain(a.configPath()))
		return append(checks, a.daemonChecks(ctx, cfg, r, at)...), nil
	case !found:
		return nil, fail(exitUsage, "deploy it (trailwarden deploy), name it (--stack-name, --region), or examine the daemon (--daemon)", fmt.Errorf("there is no stack %s in %s, and no configuration file here", name, at.region))
	}
	parts, err := d.Parts(ctx, view.ID)
	if err != nil {
		return nil, err
	}
	checks = append(checks, doctor.Deployment{Config: at.client.Config, View: view, Name: name, Parts: parts, Now: time.Now()}.Examine(ctx)...)
	if table := view.Outputs["LedgerName"]; table != "" {
		store, err := openTable(at.client.Config, table, cfg)
		checks = append(checks, ledgerCheck(ctx, store, err, "dynamodb://"+table))
	}
	pinned, check := a.deployedBaseline(ctx, cfg, r, d, view)
	checks = append(checks, check...)
	return append(checks, trailChecks(ctx, at, pinned)...), nil
}

// deployedBaseline reads the baseline out of the zip that runs, and holds it against the file here.
func (a *app) deployedBaseline(ctx context.Context, cfg config.Config, r reach, d *stack.Deployer, view stack.View) (baseline.File, []doctor.Check) {
	const name = "baseline"
	if view.Parameters["Baseline"] == "" {
		return baseline.File{}, []doctor.Check{{Name: name, Status: doctor.Waiting, Text: "no trail is pinned: only stopped trails are started again", Mend: "trailwarden baseline capture, review the file, then: trailwarden deploy --update --baseline " + usualBaseline}}
	}
	p := view.Parameters
	packed, err := d.Download(ctx, stack.Object{Bucket: p["ArtifactBucket"], Key: p["ArtifactKey"], Version: p["ArtifactVersion"], SHA256: p["ArtifactSha256"]})
	var zip artifact.Artifact
	if err == nil {
		zip, err = artifact.Open(packed)
	}
	if err == nil && zip.Pinned == nil {
		err = errors.New("there is none in the zip")
	}
	if err != nil {
		return baseline.File{}, []doctor.Check{{Name: name, Status: doctor.Unknown, Text: err.Error(), Mend: hintOf(err)}}
	}
	checks := []doctor.Check{age(*zip.Pinned)}
	if here, err := a.pinned(ctx, cfg, r.aws); err == nil && here.Hash() != zip.Pinned.Hash() {
		checks = append(checks, doctor.Check{Name: name, Status: doctor.Wrong, Text: fmt.Sprintf("%s (serial %d) is not the one that is deployed (serial %d)", here.Name, here.Serial, zip.Pinned.Serial),
			Mend: "trailwarden deploy --update --baseline " + here.Name})
	}
	return *zip.Pinned, checks
}

// stale is the age from which on a baseline should be looked at again.
const stale = 180 * 24 * time.Hour

func age(f baseline.File) doctor.Check {
	old := time.Since(f.Captured.At)
	text := fmt.Sprintf("%s pinned, captured %d days ago by %s", count(len(f.Trails), "trail"), int(old.Hours()/24), f.Captured.By)
	if old > stale {
		return doctor.Check{Name: "baseline", Status: doctor.Waiting, Text: text + ": nobody has looked at it for long", Mend: "trailwarden baseline diff; then capture it again, or accept what changed"}
	}
	return doctor.Check{Name: "baseline", Status: doctor.OK, Text: text}
}

// trailsPerRegion is CloudTrail's quota, which cannot be raised.
const trailsPerRegion = 5

// trailChecks reads the trails: are they as pinned, do they deliver, and is there room for one that has to be made anew?
func trailChecks(ctx context.Context, at *field, pinned baseline.File) []doctor.Check {
	at.file = pinned
	s := at.survey(ctx, nil, arns(pinned))
	report := pinned.Assess(s)
	var checks []doctor.Check
	for _, t := range report.Trails {
		state, what := checkState(t)
		check := doctor.Check{Name: "trail " + t.ARN.Name, Status: doctor.OK, Text: "as pinned, and it delivers"}
		switch {
		case t.Delivery != "" && len(t.Drifts) == 0:
			check.Status, check.Text, check.Mend = doctor.Wrong, t.Delivery, "see what CloudTrail says: aws cloudtrail get-trail-status --name "+t.ARN.String()+"; mostly the bucket's policy or the key"
		case state != "as pinned" && state != "approved":
			check.Status, check.Text, check.Mend = doctor.Wrong, state+": "+what, "trailwarden plan, then trailwarden apply"
		}
		checks = append(checks, check)
	}
	for _, u := range report.Unpinned {
		checks = append(checks, doctor.Check{Name: "trail " + u.ARN.Name, Status: doctor.Waiting, Text: "not pinned: it is started when it stops, and what else changes is only told", Mend: "trailwarden baseline accept " + u.ARN.Name + ", then trailwarden deploy --update"})
	}
	for _, f := range report.Failures {
		checks = append(checks, doctor.Check{Name: "trails", Status: doctor.Unknown, Text: f.Error, Mend: f.Hint})
	}
	used := map[string]int{}
	for _, state := range s.States {
		if state.Exists {
			used[state.ARN.Region]++
		}
	}
	for _, region := range s.Regions {
		check := doctor.Check{Name: "quota " + region, Status: doctor.OK, Text: fmt.Sprintf("%d of %d trails used", used[region], trailsPerRegion)}
		if used[region] >= trailsPerRegion {
			check.Status, check.Text = doctor.Waiting, check.Text+": whoever deletes one and makes another keeps it from being made anew"
			check.Mend = "delete a trail that nobody needs: the quota cannot be raised"
		}
		checks = append(checks, check)
	}
	return checks
}

// ledgerCheck reads the heads of the ledger's chains.
func ledgerCheck(ctx context.Context, store ledger.Store, err error, where string) doctor.Check {
	var heads []ledger.Head
	if err == nil {
		defer store.Close()
		heads, err = store.Heads(ctx)
	}
	if err != nil {
		mend := hintOf(err)
		if mend == "" {
			mend = "see that it exists and that these credentials may read it; trailwarden incidents verify --ledger " + where
		}
		return doctor.Check{Name: "ledger", Status: doctor.Unknown, Text: err.Error(), Mend: mend}
	}
	return doctor.Check{Name: "ledger", Status: doctor.OK, Text: fmt.Sprintf("%s can be read: %s", where, count(len(heads), "chain"))}
}

// daemonChecks examine the daemon that this configuration is of.
func (a *app) daemonChecks(ctx context.Context, cfg config.Config, r reach, at *field) []doctor.Check {
	var checks []doctor.Check
	if cfg.Watch.Listen != "" {
		checks = append(checks, doctor.Health(ctx, cfg.Watch.Listen))
	}
	if cfg.Watch.QueueURL == "" {
		checks = append(checks, doctor.Check{Name: "queue", Status: doctor.Waiting, Text: "none: only sweeps see what happens", Mend: "make a rule and a queue (deploy/cloudformation), and set watch.queue_url"})
	} else {
		checks = append(checks, doctor.Queue(ctx, at.client.Config, cfg.Watch.QueueURL))
	}
	where := r.aws
	store, err := a.ledger(ctx, cfg, where, toRead)
	place := cfg.Ledger
	if place == "" {
		place = usualLedger
	}
	checks = append(checks, ledgerCheck(ctx, store, err, place))
	pinned, err := a.pinned(ctx, cfg, r.aws)
	switch {
	case err != nil && (cfg.Baseline != "" || exists(usualBaseline)):
		checks = append(checks, doctor.Check{Name: "baseline", Status: doctor.Wrong, Text: "nothing is repaired: " + err.Error(), Mend: hintOf(err)})
	case err != nil:
		checks = append(checks, doctor.Check{Name: "baseline", Status: doctor.Waiting, Text: "no trail is pinned: only stopped trails are started again", Mend: "trailwarden baseline capture"})
	default:
		checks = append(checks, age(pinned))
	}
	checks = append(checks, a.channelChecks(ctx, cfg, where)...)
	checks = append(checks, doctor.Allowed(ctx, at.client.Config, at.self, needed(cfg))...)
	return append(checks, trailChecks(ctx, at, pinned)...)
}

// channelChecks ask every channel whether it would take a message. Nobody is told anything.
func (a *app) channelChecks(ctx context.Context, cfg config.Config, where cloud.Options) []doctor.Check {
	o, err := a.channelOptions(ctx, cfg, where)
	if err != nil {
		return []doctor.Check{{Name: "channels", Status: doctor.Unknown, Text: err.Error(), Mend: hintOf(err)}}
	}
	if len(channels.Configured(cfg)) == 0 {
		return []doctor.Check{{Name: "channels", Status: doctor.Wrong, Text: "none is configured: nobody is told of anything", Mend: "set sns.topic_arn or another channel: docs/channels/README.md"}}
	}
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

// needed are the actions that the daemon's credentials need, by the table of permissions.
func needed(cfg config.Config) []string {
	var actions []string
	for _, p := range deploy.Permissions {
		switch p.Feature {
		case "watching", "pinned trails", "evidence":
			actions = append(actions, p.Action)
		case "repair":
			if !cfg.Observe {
				actions = append(actions, p.Action)
			}
		case "events":
			if cfg.Watch.QueueURL != "" {
				actions = append(actions, p.Action)
			}
		}
	}
	if cfg.SNS.TopicARN != "" {
		actions = append(actions, "sns:Publish")
	}
	return actions
}
