package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Trouble records that something is wrong with trailwarden itself, and tells of it by every channel: once for all the time since
// it began.
func (e *Engine) Trouble(ctx context.Context, rule, title, text, reason string, since time.Time) {
	inc := incident.FromState(trail.ARN{}, []incident.Finding{{Rule: rule, Title: title, Severity: incident.High, Text: text}},
		rule+" "+since.UTC().Format(time.RFC3339), since, e.now())
	inc.Trail, inc.Reason = incident.TrailRef{}, reason
	inc.NextSteps = []incident.Step{{Text: "Find out whether somebody did this on purpose, and mend it.", Command: "trailwarden doctor"}}
	e.Send(ctx, e.announce(ctx, inc))
}

// heartbeatKey is the mark of the latest heartbeat.
const heartbeatKey = "heartbeat"

// Heartbeat tells by every channel that the guard lives, once in every: silence is an alarm.
func (e *Engine) Heartbeat(ctx context.Context, every time.Duration) error {
	store, now := e.Keeper.Store, e.now()
	value, _, err := mark(ctx, store, heartbeatKey, now)
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	if last, err := time.Parse(time.RFC3339, value); err == nil && now.Sub(last) < every {
		return nil
	}
	open, err := store.Incidents(ctx, ledger.Query{Open: true})
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	ours := "All is as it should be on our side"
	if n := len(slices.DeleteFunc(slices.Clone(open), func(inc incident.Incident) bool { return inc.Trail.ARN != "" })); n > 0 {
		ours = fmt.Sprintf("On our side %d things are NOT as they should be: each was told as an incident", n)
		if n == 1 {
			ours = "On our side one thing is NOT as it should be: it was told as an incident"
		}
	}
	slot := now.UTC().Truncate(every)
	inc := incident.FromState(trail.ARN{}, []incident.Finding{{
		Rule: "own.heartbeat", Title: "trailwarden is watching", Severity: incident.Info,
		Text: fmt.Sprintf("%s; %d incidents are open. If this message does not come every %s, somebody has silenced the guard", ours, len(open), every),
	}}, "heartbeat "+slot.Format(time.RFC3339), now, now)
	inc.Trail, inc.Outcome = incident.TrailRef{}, incident.Noted
	_, messages, err := e.Keeper.Keep(ctx, ledger.System, []incident.Incident{inc})
	if err != nil {
		return err
	}
	e.Send(ctx, messages)
	_, err = store.Write(ctx, ledger.Batch{Marks: []ledger.Mark{{Key: heartbeatKey, Value: now.UTC().Format(time.RFC3339)}}})
	return err
}

// Prune removes from the ledger what is older than keep and well.
func (e *Engine) Prune(ctx context.Context, keep time.Duration) error {
	now := e.now()
	if _, err := e.Keeper.Store.Prune(ctx, now.Add(-keep), now); err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	return nil
}
