package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// listening is when this process last asked whether anybody would hear, and which channels were bad then.
type listening struct {
	mu   sync.Mutex
	next time.Time
	bad  map[string]bool
}

const (
	// listenEvery is how often channels are asked whether anybody would hear; listenAgain how soon again when one of them says that nobody would: it
	// is believed the second time.
	listenEvery = 24 * time.Hour
	listenAgain = 5 * time.Minute
)

// Listen asks the other side of each channel, when that is due, whether it would take a message and whether anybody would read it: when the process
// begins, and once a day. That nobody would is told by the other channels and in the log, as an incident that stands until somebody would. What may not be
// asked, or does not answer, is no alarm.
func (e *Engine) Listen(ctx context.Context) error {
	l := &e.listening
	l.mu.Lock()
	defer l.mu.Unlock()
	now := e.now()
	if now.Before(l.next) {
		return nil
	}
	l.next = now.Add(listenEvery)
	bad := map[string]bool{}
	var errs []error
	for _, c := range e.Channels {
		asked, can := c.Notifier.(interface {
			Probe(context.Context) notify.Verdict
		})
		if !can {
			continue
		}
		v := notify.Verdict{Good: true}
		if err := e.survive(ctx, "ask channel "+c.Name, func() error { v = asked.Probe(ctx); return nil }); err != nil || !v.Known && v.Good {
			continue // nothing is known
		}
		if !v.Good {
			bad[c.Name], l.next = true, now.Add(listenAgain)
			if !l.bad[c.Name] {
				continue
			}
			e.Log.ErrorContext(ctx, "nobody would hear", "channel", c.Name, "why", v.Text, "hint", v.Hint)
		}
		errs = append(errs, e.deaf(ctx, c.Name, v))
	}
	l.bad = bad
	return errors.Join(errs...)
}

// deaf tells that nobody would hear of a channel, or ends that.
func (e *Engine) deaf(ctx context.Context, name string, v notify.Verdict) error {
	if e.Keeper == nil {
		return nil // the log is all there is
	}
	now := e.now()
	inc := incident.FromState(trail.ARN{}, []incident.Finding{{
		Rule: "own.channel", Title: "Nobody would hear", Severity: incident.High,
		Text: "The channel " + name + " was asked whether a message would reach anybody: " + v.Text,
	}}, "deaf channel "+name, time.Time{}, now)
	inc.Trail = incident.TrailRef{}
	if v.Good {
		open, err := e.Keeper.Store.Incidents(ctx, ledger.Query{Open: true})
		if err != nil {
			return fmt.Errorf("read of which channels nobody would hear: %w", err)
		}
		if !slices.ContainsFunc(open, func(known incident.Incident) bool { return known.ID == inc.ID }) {
			return nil
		}
		inc.Outcome, inc.NextSteps = incident.Restored, []incident.Step{}
	} else {
		inc.Reason = v.Text
		inc.NextSteps = []incident.Step{{Text: "Have somebody hear: " + v.Hint, Command: "trailwarden notify test --channel " + name}}
		if v.Hint == "" {
			inc.NextSteps[0].Text = "Mend the channel " + name + "."
		}
	}
	e.Send(ctx, e.announce(ctx, inc))
	return nil
}
