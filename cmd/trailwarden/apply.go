package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/trail"
)

func applyCommand(a *app) *cobra.Command {
	var r reach
	c := &cobra.Command{
		Use:   "apply [PLANFILE]",
		Short: "Bring the trails back to the baseline",
		Long: `Makes the plan and, after a yes, its calls, then reads the trails back. With a file of ` + "`plan --out`" + ` it does exactly that
plan: the trails are read again, and if they or the baseline have changed since, nothing is done. What is sent to AWS always
comes from the baseline, never from the plan file.

Exit codes: 0 all is as pinned; 4 a call failed, or the plan was refused; 3 something is left that no call mends; 5 something could
not be read.`,
		Example: `  trailwarden apply
  trailwarden apply plan.json
  trailwarden apply --yes -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.apply(c, args, r) },
	}
	r.login(c)
	return c
}

// applied is the data that apply prints.
type applied struct {
	head
	Baseline baseline.Source    `json:"baseline"`
	Trails   []appliedTrail     `json:"trails"`
	Failures []baseline.Failure `json:"failures"`
}

type appliedTrail struct {
	ARN      trail.ARN        `json:"arn"`
	Calls    []appliedCall    `json:"calls"`
	Repaired bool             `json:"repaired"` // read back as pinned
	Drifts   []baseline.Drift `json:"drifts"`   // what is still not as pinned
}

type appliedCall struct {
	Op        trail.Op `json:"op"`
	Command   string   `json:"command"`
	RequestID string   `json:"request_id,omitempty"`
	Error     string   `json:"error,omitempty"`
}

func (a *app) apply(c *cobra.Command, args []string, r reach) error {
	cfg, err := a.configuration(c)
	if err != nil {
		return err
	}
	if err := a.printable(c, formatTable, formatJSON); err != nil {
		return err
	}
	pinned, err := a.pinned(c.Context(), cfg, r.aws)
	if err != nil {
		return err
	}
	if cfg.Observe {
		return fail(exitUnrepaired, "take observe out of the configuration to allow it", errors.New("apply: nothing may be changed in observe mode"))
	}
	trails, kept := arns(pinned), (*baseline.Plan)(nil)
	if len(args) == 1 {
		if kept, err = keptPlan(args[0]); err != nil {
			return err
		}
		trails = nil
		for _, t := range kept.Trails {
			trails = append(trails, t.ARN)
		}
	}
	ctx, cancel := context.WithTimeout(c.Context(), r.limit)
	defer cancel()
	f, err := a.open(ctx, cfg, r)
	if err != nil {
		return err
	}
	f.file = pinned
	p := pinned.Plan(f.pinned(ctx, trails))
	if kept != nil {
		if err := kept.Still(p); err != nil {
			return errors.Join(fail(exitUnrepaired, "nothing was done; look at a new one: trailwarden plan", fmt.Errorf("apply %s: %w", args[0], err)), unread(p.Failures))
		}
	}
	calls := 0
	for _, t := range p.Trails {
		calls += len(t.Actions)
	}
	if calls > 0 {
		planTable(a, a.stderr, p)
		if err := a.confirm(fmt.Sprintf("Make %s?", count(calls, "call"))); err != nil {
			return err
		}
		// Whoever had to think about the answer may have used up the time.
		cancel()
		ctx, cancel = context.WithTimeout(c.Context(), r.limit)
		defer cancel()
	}
	return a.carryOut(ctx, c, f, pinned, p)
}

func keptPlan(name string) (*baseline.Plan, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fail(exitUsage, "make one: trailwarden plan --out "+name, fmt.Errorf("read plan: %w", err))
	}
	p, err := baseline.DecodePlan(text)
	if err != nil {
		return nil, fail(exitUsage, "make it anew: trailwarden plan --out "+name, fmt.Errorf("%s: %w", name, err))
	}
	return &p, nil
}

// carryOut makes the calls of a plan, reads the trails back and says how they are.
func (a *app) carryOut(ctx context.Context, c *cobra.Command, f *field, pinned baseline.File, p baseline.Plan) error {
	out := applied{head: head{SchemaVersion: 1, Partial: p.Partial}, Baseline: p.Baseline, Trails: []appliedTrail{}, Failures: append([]baseline.Failure{}, p.Failures...)}
	var errs []error
	for _, t := range p.Trails {
		one := appliedTrail{ARN: t.ARN, Calls: []appliedCall{}, Drifts: []baseline.Drift{}}
		for i, action := range t.Calls() {
			call := appliedCall{Op: action.Op, Command: t.Actions[i].Command}
			id, err := f.client.Do(ctx, action, "apply")
			call.RequestID = id
			if err != nil {
				call.Error = err.Error()
				errs = append(errs, fail(exitUnrepaired, hintOf(err), err))
			}
			one.Calls = append(one.Calls, call)
			if err != nil && action.Op == trail.CreateTrail {
				break // the rest is about a trail that is not there
			}
		}
		left, err := f.readBack(ctx, pinned, t)
		switch {
		case err != nil:
			errs = append(errs, fail(exitUnrepaired, hintOf(err), fmt.Errorf("read back %s: %w", t.ARN, err)))
		case left != nil:
			one.Drifts = left.Drifts
			errs = append(errs, unrepaired(t, *left)...)
		default:
			one.Repaired = true
		}
		out.Trails = append(out.Trails, one)
	}
	written := a.write(c, result{JSON: out, Table: func(w io.Writer) { appliedTable(w, out) }})
	return errors.Join(append([]error{written}, append(errs, unread(p.Failures))...)...)
}

// unrepaired makes errors of what is still not as pinned: what was planned to be left, and what should have been mended.
func unrepaired(planned, now baseline.TrailPlan) []error {
	var left, failed []string
	for _, d := range now.Drifts {
		if slices.ContainsFunc(planned.Left, func(l baseline.Left) bool { return l.Drift.Field == d.Field }) {
			left = append(left, string(d.Field))
		} else {
			failed = append(failed, string(d.Field))
		}
	}
	var errs []error
	if len(failed) > 0 {
		errs = append(errs, fail(exitUnrepaired, "look at it again: trailwarden plan", fmt.Errorf("%s is still not as pinned: %s", planned.ARN, strings.Join(failed, ", "))))
	}
	if len(left) > 0 {
		errs = append(errs, fail(exitFindings, "", nil))
	}
	return errs
}

// readBack reads a trail until it is as pinned but for what the plan leaves, or changes have had time to spread. Nil means
// that nothing differs.
func (f *field) readBack(ctx context.Context, pinned baseline.File, t baseline.TrailPlan) (*baseline.TrailPlan, error) {
	const tries, pause = 5, 2 * time.Second
	for try := 1; ; try++ {
		s := f.pinned(ctx, []trail.ARN{t.ARN})
		if len(s.Failures) > 0 {
			return nil, errors.New(s.Failures[0].Error)
		}
		now := pinned.Plan(s)
		switch {
		case len(now.Trails) == 0:
			return nil, nil
		case len(now.Trails[0].Drifts) <= len(t.Left), try == tries:
			return &now.Trails[0], nil
		}
		select {
		case <-ctx.Done():
			return &now.Trails[0], nil
		case <-time.After(pause):
		}
	}
}

func appliedTable(w io.Writer, r applied) {
	if len(r.Trails) == 0 {
		fmt.Fprintf(w, "Nothing to do: the trails are as they are pinned in %s (serial %d).\n", plain(r.Baseline.File), r.Baseline.Serial)
		return
	}
	t := newTable(w, "TRAIL", "CALL", "RESULT")
	for _, one := range r.Trails {
		for _, call := range one.Calls {
			result := "done"
			if call.Error != "" {
				result = "failed: " + call.Error
			}
			t.row(one.ARN.String(), string(call.Op), result)
		}
		if one.Repaired {
			t.row(one.ARN.String(), "", "read back: as pinned")
			continue
		}
		var fields []string
		for _, d := range one.Drifts {
			fields = append(fields, string(d.Field))
		}
		t.row(one.ARN.String(), "", "read back: not as pinned: "+strings.Join(fields, ", "))
	}
	t.end()
}
