package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/guard"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Canary is a harmless change that must come back as an event: a tag of one trail is set anew, and the record of that has to reach us
// by the way that all events take. It proves that events arrive; that none arrives on a quiet day proves nothing.
type Canary struct {
	Trail  trail.ARN
	Every  time.Duration // from one to the next
	Within time.Duration // how long the record may take
}

// CanaryTag is the tag that is set. It is no drift, whatever its value.
const CanaryTag = "trailwarden:canary"

const canaryKey = "canary"

// flight is the canary that was sent out last.
type flight struct {
	ID   string    `json:"id"` // in place of an incident's
	Out  time.Time `json:"out"`
	Back time.Time `json:"back,omitzero"`
	Told bool      `json:"told"` // that it did not come back
}

// Fly sends a canary out when one is due, and tells when the last one did not come back.
func (e *Engine) Fly(ctx context.Context) error {
	if e.Keeper == nil || e.Canary.Trail == (trail.ARN{}) || e.Guard.Observe || e.Guard.Alarm != "" {
		return nil
	}
	f, err := e.flight(ctx)
	if err != nil {
		return err
	}
	now := e.now()
	if !f.Out.IsZero() && f.Back.IsZero() {
		if f.Told || now.Sub(f.Out) < e.Canary.Within {
			return nil
		}
		f.Told = true
		e.Send(ctx, e.announce(ctx, e.lost(f)))
		return e.setFlight(ctx, f)
	}
	if now.Sub(f.Out) < e.Canary.Every {
		return nil
	}
	next := flight{ID: incident.ID(e.Canary.Trail.String(), "canary "+now.UTC().Format(time.RFC3339)), Out: now}
	if err := e.setFlight(ctx, next); err != nil {
		return err
	}
	call := guard.Intent{Incident: next.ID, Op: trail.AddTags, Target: e.Canary.Trail, At: now}
	if err := e.Guard.Journal.Intend(ctx, call); err != nil {
		return fmt.Errorf("canary: %w", err)
	}
	action := trail.Action{Op: trail.AddTags, Target: e.Canary.Trail, Set: trail.Settings{Tags: map[string]string{CanaryTag: now.UTC().Format(time.RFC3339)}}}
	id, err := e.Guard.Cloud.Do(ctx, action, next.ID)
	if noted := e.Guard.Journal.Called(ctx, call, id, err); err == nil {
		err = noted
	}
	if err != nil {
		return fmt.Errorf("canary: %w", err)
	}
	return nil
}

// home takes the canary's own record out of what a batch found. Nobody is told of that.
func (e *Engine) home(ctx context.Context, arn trail.ARN, incidents []incident.Incident) []incident.Incident {
	if e.Keeper == nil || arn != e.Canary.Trail || arn == (trail.ARN{}) {
		return incidents
	}
	f, err := e.flight(ctx)
	if err != nil || f.ID == "" {
		return incidents
	}
	i := slices.IndexFunc(incidents, func(inc incident.Incident) bool { return inc.ID == f.ID && inc.Outcome == incident.Confirmed })
	if i < 0 {
		return incidents
	}
	if f.Back.IsZero() {
		f.Back = e.now()
		if f.Told {
			back := e.lost(f)
			back.Outcome, back.Findings[0].Text = incident.Restored, fmt.Sprintf("The canary came back after %s: events arrive again", f.Back.Sub(f.Out).Round(time.Second))
			e.Send(ctx, e.announce(ctx, back))
		}
		if err := e.setFlight(ctx, f); err != nil {
			e.Log.ErrorContext(ctx, "the ledger could not be written", "error", err.Error())
		}
	}
	return slices.Delete(incidents, i, i+1)
}

func (e *Engine) lost(f flight) incident.Incident {
	inc := incident.FromState(trail.ARN{}, []incident.Finding{{
		Rule: "own.canary", Title: "Events do not arrive", Severity: incident.High, Attack: "T1562.008",
		Text: fmt.Sprintf("A harmless change of trail %s was made, and no event told of it within %s: only the sweep finds what is done to trails", e.Canary.Trail.Name, e.Canary.Within),
	}}, "canary "+f.ID, f.Out, e.now())
	inc.Trail, inc.Source = incident.TrailRef{}, "canary"
	inc.NextSteps = []incident.Step{{Text: "Look at the rule, its targets and the queue. Events stop also when no trail of the Region logs write management events.", Command: "trailwarden doctor"}}
	return inc
}

func (e *Engine) flight(ctx context.Context) (f flight, err error) {
	value, ok, err := mark(ctx, e.Keeper.Store, canaryKey, e.now())
	if err != nil {
		return f, fmt.Errorf("canary: %w", err)
	}
	if ok {
		if err := json.Unmarshal([]byte(value), &f); err != nil {
			return f, fmt.Errorf("canary: %w", err)
		}
	}
	return f, nil
}

func (e *Engine) setFlight(ctx context.Context, f flight) error {
	value, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if _, err := e.Keeper.Store.Write(ctx, ledger.Batch{Marks: []ledger.Mark{{Key: canaryKey, Value: string(value)}}}); err != nil {
		return fmt.Errorf("canary: %w", err)
	}
	return nil
}
