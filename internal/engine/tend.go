package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Tend does what is due besides repairing, for entrances that have no process which lasts: it sends what waits, reads evidence,
// tells that the guard lives, and removes what is old. Zero times leave the last two out.
func (e *Engine) Tend(ctx context.Context, heartbeat, keep time.Duration) error {
	if e.Keeper == nil {
		return nil
	}
	e.Again(ctx)
	errs := []error{e.Remind(ctx), e.Flush(ctx), e.Evidence(ctx), e.Listen(ctx)}
	if heartbeat > 0 {
		errs = append(errs, e.Heartbeat(ctx, heartbeat))
	}
	errs = append(errs, e.daily(ctx, keep))
	return errors.Join(errs...)
}

// daily does once a day what need not be done more often.
func (e *Engine) daily(ctx context.Context, keep time.Duration) error {
	now, key := e.now(), "daily"
	value, _, err := mark(ctx, e.Keeper.Store, key, now)
	if err != nil {
		return fmt.Errorf("read when the daily work was done: %w", err)
	}
	today := now.UTC().Format(time.DateOnly)
	if value == today {
		return nil
	}
	if _, err := e.Anchor(ctx); err != nil {
		return err // it is tried again, not tomorrow but soon
	}
	if _, err := e.Keeper.Store.Write(ctx, ledger.Batch{Marks: []ledger.Mark{{Key: key, Value: today}}}); err != nil {
		return err
	}
	if keep <= 0 {
		return nil
	}
	return e.Prune(ctx, keep)
}

// Fault is something that is wrong with trailwarden's own deployment.
type Fault struct {
	Rule      string
	Severity  incident.Severity
	Resource  string
	Text      string
	Want, Got string
	Mend      string // what to do
}

// Faults records what is wrong with trailwarden itself and tells of it; what was wrong before and is not any more is restored. Hidden
// says what nobody knows now, as it could not be read: that stays as it was. Nil when everything is known. Two functions that find
// the same have one incident.
func (e *Engine) Faults(ctx context.Context, faults []Fault, hidden func(rule, resource string) bool) error {
	now := e.now()
	open, err := e.Keeper.Store.Incidents(ctx, ledger.Query{Open: true})
	if err != nil {
		return fmt.Errorf("read what was wrong with the deployment: %w", err)
	}
	var incidents []incident.Incident
	for _, f := range faults {
		inc := incident.FromState(trail.ARN{}, []incident.Finding{{Rule: f.Rule, Title: "trailwarden itself was changed", Severity: f.Severity, Text: f.Text}},
			f.Rule+"\n"+f.Resource+"\n"+f.Got, time.Time{}, now)
		inc.Trail, inc.Source = incident.TrailRef{}, incident.SourceSelf
		inc.Drifts = []incident.Drift{{Field: f.Resource, Want: f.Want, Got: f.Got}}
		inc.Reason = "trailwarden does not repair itself: whoever could change it could change that too"
		inc.NextSteps = []incident.Step{step(f.Mend)}
		incidents = append(incidents, inc)
	}
	for _, inc := range open {
		if inc.Source != incident.SourceSelf || slices.ContainsFunc(incidents, func(found incident.Incident) bool { return found.ID == inc.ID }) {
			continue
		}
		rule, resource := inc.Findings[0].Rule, ""
		if len(inc.Drifts) > 0 {
			resource = inc.Drifts[0].Field
		}
		if hidden != nil && hidden(rule, resource) {
			continue
		}
		inc.Outcome, inc.Reason, inc.Drifts, inc.NextSteps = incident.Restored, "it is as deployed again", []incident.Drift{}, []incident.Step{}
		if slices.ContainsFunc(faults, func(f Fault) bool { return f.Resource == resource }) {
			inc.Reason = "something else is wrong with it now, which is an incident of its own"
		}
		incidents = append(incidents, inc)
	}
	if len(incidents) == 0 {
		return nil
	}
	_, messages, err := e.Keeper.Keep(ctx, ledger.System, incidents)
	if err != nil {
		return err
	}
	e.Send(ctx, messages)
	return nil
}

// step is what to do, as a command where it is one.
func step(mend string) incident.Step {
	if strings.HasPrefix(mend, "aws ") {
		return incident.Step{Text: "Find out in Event history who did it, then put it back.", Command: mend}
	}
	return incident.Step{Text: mend}
}
