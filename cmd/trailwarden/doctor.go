package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/cloud/chain"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/deploy/doctor"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
)

func doctorCommand(a *app) *cobra.Command {
	var r reach
	var name string
	var daemon bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Examine a deployment, or the daemon: is everything there that would save the trails?",
		Long: `Examines the stack that ` + "`trailwarden deploy`" + ` made: functions, rules, target, mapping, timer, the last sweep, what the roles may do,
queues, who is told, alarms, ledger, baseline, configuration and channels, trails and whether they deliver, quotas, the clock. With
--daemon, or where there is no stack and a configuration file is, the daemon: its health, queue, rule, ledger, baseline, channels,
permissions, and the trails. It changes nothing, and sends nobody a message.

Each thing that is wrong comes with the command that mends it. JSON: schemas/doctor.v1.json. Exit codes: 0 all is well; 3 something is wrong, or waits for
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
			report, err := a.diagnose(ctx, cfg, r, name, daemon)
			if err != nil {
				return err
			}
			lines := []any{}
			for _, check := range report.Checks {
				lines = append(lines, check)
			}
			if err := a.write(c, result{JSON: report, Lines: lines, Table: func(w io.Writer) { checksTable(a, w, report.Checks) }}); err != nil {
				return err
			}
			return verdict(report.Checks, false)
		},
	}
	r.login(c)
	c.Flags().StringVar(&name, "stack-name", usualStack, "Name of the stack")
	c.Flags().BoolVar(&daemon, "daemon", false, "Examine the daemon of this configuration, not a stack")
	keyFlags(c, "queue-url", "ledger", "listen")
	return c
}

// examined is what doctor prints: schemas/doctor.v1.json.
type examined struct {
	head
	Of      string         `json:"of"`      // what was examined: "stack" or "daemon"
	Stack   string         `json:"stack"`   // name of the stack; "" for a daemon
	Account string         `json:"account"` // 12 digits; "" where nobody could be asked
	Region  string         `json:"region"`  // where
	Checks  []doctor.Check `json:"checks"`  // one for each thing that was looked at
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

// examine is diagnose of a stack, for deploy.
func (a *app) examine(ctx context.Context, c *cobra.Command, r reach, name string) ([]doctor.Check, error) {
	cfg, err := a.configuration(c)
	if err != nil {
		return nil, err
	}
	report, err := a.diagnose(ctx, cfg, r, name, false)
	return report.Checks, err
}

// introduction is how long AWS has for its first answer: without it there is nothing to examine.
const introduction = 20 * time.Second

func (a *app) diagnose(ctx context.Context, cfg config.Config, r reach, name string, daemon bool) (examined, error) {
	report := examined{head: head{SchemaVersion: 1}, Of: "stack", Stack: name}
	first, end := context.WithTimeout(ctx, introduction)
	defer end()
	at, err := a.open(first, cfg, r)
	if err != nil {
		return report, a.noIntroduction(ctx, cfg, r, err)
	}
	report.Account, report.Region = cloud.AccountOf(at.self), at.region
	var notes []string
	at.note = func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	checks := []doctor.Check{{Name: "credentials", Status: doctor.OK, Text: at.self}, doctor.Clock(ctx, at.client.Config, time.Now)}
	d := &stack.Deployer{Config: at.client.Config, Account: report.Account, Name: name}
	var view stack.View
	found := false
	if !daemon {
		if view, found, err = d.Look(ctx); err != nil {
			return report, err
		}
	}
	switch {
	case found:
		var of []doctor.Check
		if of, err = a.stackChecks(ctx, cfg, r, at, d, view); err != nil {
			return report, err
		}
		checks = append(checks, of...)
	case !daemon && a.configPath() == "":
		return report, fail(exitUsage, "deploy it (trailwarden deploy), name it (--stack-name, --region), or examine the daemon (--daemon)", fmt.Errorf("there is no stack %s in %s, and no configuration file here", name, at.region))
	default:
		if !daemon {
			a.note("there is no stack %s in %s: this is about the daemon of %s", plain(name), at.region, plain(a.configPath()))
		}
		report.Of, report.Stack = "daemon", ""
		checks = append(checks, a.daemonChecks(ctx, cfg, r, at)...)
	}
	for _, note := range notes {
		a.note("%s", note)
	}
	for i := range checks {
		checks[i].Mend = a.reaching(checks[i].Mend, r, cfg)
		report.Partial = report.Partial || checks[i].Status == doctor.Unknown
	}
	report.Checks = checks
	return report, nil
}

// noIntroduction is why AWS did not say who we are, and whether it is for this machine's clock.
func (a *app) noIntroduction(ctx context.Context, cfg config.Config, r reach, err error) error {
	where := r.aws
	where.Region = cfg.Region
	config, failed := chain.Load(ctx, where)
	if failed != nil || config.Region == "" {
		return err
	}
	if clock := doctor.Clock(ctx, config, time.Now); clock.Status == doctor.Wrong {
		return errors.Join(err, fail(exitError, clock.Mend, errors.New(clock.Text)))
	}
	return err
}

// reaching gives a command that is printed the flags that say which AWS it is about, as they were given here.
func (a *app) reaching(mend string, r reach, cfg config.Config) string {
	flags := ""
	for _, f := range []struct{ name, value string }{{"profile", r.aws.Profile}, {"region", r.region(cfg, a)}, {"endpoint-url", cmp.Or(r.aws.Endpoint, a.getenv("AWS_ENDPOINT_URL"))}} {
		if f.value != "" {
			flags += " --" + f.name + " " + doctor.Quote(f.value)
		}
	}
	if flags == "" {
		return mend
	}
	commands := strings.Split(mend, " && ")
	for i, command := range commands {
		if strings.HasPrefix(command, "aws ") || strings.HasPrefix(command, "trailwarden ") {
			command, rest, more := strings.Cut(command, "; ")
			if commands[i] = strings.ReplaceAll(command, "$(aws ", "$(aws"+flags+" ") + flags; more {
				commands[i] += "; " + rest
			}
		}
	}
	return strings.Join(commands, " && ")
}

// region is the Region that somebody named for this run; empty where the AWS environment says it, as it will for the next command.
func (r reach) region(cfg config.Config, a *app) string {
	if cfg.Region == cmp.Or(a.getenv("AWS_REGION"), a.getenv("AWS_DEFAULT_REGION")) {
		return ""
	}
	return cfg.Region
}
