package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/trail"
)

func planCommand(a *app) *cobra.Command {
	var r reach
	var detailed bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what would bring the trails back to the baseline",
		Long: `Reads the pinned trails and prints what differs, the exact calls that mend it, as lines of the AWS CLI, and the IAM actions
that they need; and what no call mends, with the reason. It covers everything that differs, whatever the file opens for the
guard. Changes nothing. With --out the plan is kept as JSON (schemas/plan.v1.json): trailwarden apply FILE does exactly that.

Exit codes: 0 planned, whether or not there is something to do; with --detailed-exitcode 0 nothing to do, 1 error, 2 there is;
5 something could not be read.`,
		Example: `  trailwarden plan
  trailwarden plan --out plan.json && trailwarden apply plan.json
  trailwarden plan --detailed-exitcode -q          # for pipelines`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.plan(c, r)
			if err == nil {
				err = a.keep(c, p)
			}
			if err == nil {
				err = unread(p.Failures)
			}
			switch {
			case !detailed:
				return err
			case err != nil:
				return fail(exitError, hintOf(err), err)
			case len(p.Trails) > 0:
				return fail(2, "", nil)
			}
			return nil
		},
	}
	r.login(c)
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "Exit as terraform plan does: 0 nothing to do, 1 error, 2 something to do")
	return c
}

// plan reads the pinned trails and makes the plan.
func (a *app) plan(c *cobra.Command, r reach) (baseline.Plan, error) {
	cfg, err := a.configuration(c)
	if err != nil {
		return baseline.Plan{}, err
	}
	pinned, err := a.pinned(c.Context(), cfg, r.aws)
	if err != nil {
		return baseline.Plan{}, err
	}
	ctx, cancel := context.WithTimeout(c.Context(), r.limit)
	defer cancel()
	f, err := a.open(ctx, cfg, r)
	if err != nil {
		return baseline.Plan{}, err
	}
	f.file = pinned
	return pinned.Plan(f.pinned(ctx, arns(pinned))), nil
}

// pinned reads the pinned trails alone.
func (f *field) pinned(ctx context.Context, trails []trail.ARN) baseline.Survey {
	s := baseline.Survey{Accounts: []string{cloud.AccountOf(f.self)}}
	f.gather(ctx, &s, trails, true)
	return s
}

// keep prints the plan; with --out it is written as a document, and printed for people.
func (a *app) keep(c *cobra.Command, p baseline.Plan) error {
	r := result{JSON: p, Table: func(w io.Writer) { planTable(a, w, p) }}
	if a.outFile == "" {
		return a.write(c, r)
	}
	var b bytes.Buffer
	if err := encode(&b, p, "  "); err != nil {
		return err
	}
	if err := replace(a.outFile, b.Bytes()); err != nil {
		return err
	}
	planTable(a, a.stdout, p)
	a.note("wrote %s; next: trailwarden apply %s", a.outFile, a.outFile)
	return nil
}

func planTable(a *app, w io.Writer, p baseline.Plan) {
	create, change, calls, left := 0, 0, 0, 0
	for _, t := range p.Trails {
		planTrail(a, w, t)
		calls += len(t.Actions)
		left += len(t.Left)
		switch {
		case len(t.Actions) == 0:
		case t.Exists:
			change++
		default:
			create++
		}
	}
	if len(p.Permissions) > 0 {
		fmt.Fprintf(w, "IAM actions needed: %s\n\n", strings.Join(p.Permissions, ", "))
	}
	switch {
	case len(p.Trails) > 0:
		fmt.Fprintf(w, "Plan: %d to create, %d to change, by %s; %s left to people.\n", create, change, count(calls, "call"), count(left, "difference"))
	case p.Partial:
		fmt.Fprintln(w, "Nothing to do for the trails that could be read.")
	default:
		fmt.Fprintf(w, "Nothing to do: the trails are as they are pinned in %s (serial %d).\n", plain(p.Baseline.File), p.Baseline.Serial)
	}
}

func planTrail(a *app, w io.Writer, t baseline.TrailPlan) {
	sign, what := "~", "is changed"
	switch {
	case len(t.Actions) == 0:
		sign, what = "!", "is left as it is"
	case !t.Exists:
		sign, what = "+", "is created again"
	}
	fmt.Fprintf(w, "%s %s\n", a.sign(w, sign), a.paint(w, bold, plain(t.ARN.String())+" "+what))
	for _, d := range t.Drifts {
		if len(t.Creates) == 0 {
			planDrift(a, w, t, d)
		}
	}
	for _, set := range t.Creates {
		if value(set.Value) != value("") {
			fmt.Fprintf(w, "    %s %s: %s\n", a.sign(w, "+"), set.Field, plain(set.Value))
		}
	}
	if len(t.Actions) > 0 {
		fmt.Fprintf(w, "\n  Calls:\n")
	}
	for i, action := range t.Actions {
		fmt.Fprintf(w, "  %2d. %s\n", i+1, plain(action.Command))
		for _, l := range action.Drops {
			fmt.Fprintf(w, "      which nobody pinned and ends: %s\n", plain(l.Text))
		}
	}
	if t.Unasked != "" {
		fmt.Fprintf(w, "\n  Not known: %s\n", plain(t.Unasked))
	}
	for _, l := range t.Left {
		fmt.Fprintf(w, "\n  Left: %s. %s\n", l.Drift.Field, plain(l.Text))
	}
	for i, l := range t.Remaining {
		if i == 0 {
			fmt.Fprintf(w, "\n  Not recorded even afterwards:\n")
		}
		fmt.Fprintf(w, "    %s\n", plain(l.Text))
	}
	fmt.Fprintln(w)
}

// planDrift prints a setting as it is and as it will be, or stays.
func planDrift(a *app, w io.Writer, t baseline.TrailPlan, d baseline.Drift) {
	for _, l := range t.Left {
		if l.Drift.Field == d.Field {
			fmt.Fprintf(w, "    ! %s: %s (pinned: %s)\n", d.Field, plain(value(d.Got)), plain(value(d.Want)))
			return
		}
	}
	sign := "~"
	switch {
	case value(d.Got) == value(""):
		sign = "+"
	case value(d.Want) == value(""):
		sign = "-"
	}
	fmt.Fprintf(w, "    %s %s: %s -> %s\n", a.sign(w, sign), d.Field, plain(value(d.Got)), plain(value(d.Want)))
}

// sign colours a sign of a plan.
func (a *app) sign(w io.Writer, sign string) string {
	return a.paint(w, map[string]string{"+": green, "-": red, "~": yellow, "!": bold}[sign], sign)
}
