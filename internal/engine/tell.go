package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// told remembers what was sent, so that a record that is delivered again to this process is not told again.
// What could not be sent is not remembered: when its record comes again the message goes out.
type told struct {
	mu       sync.Mutex
	sent     map[string]bool // channel, incident id and outcome
	order    []string
	rejected map[string]time.Time // reason -> when it was last told
}

const (
	// toldMost is how many messages are remembered.
	toldMost = 8192
	// rejectedPause is how long one reason for rejecting records is not told again: whoever forges
	// events could otherwise send mail through us.
	rejectedPause = 10 * time.Minute
)

// tell logs an incident and sends it to every channel. A channel that fails does not keep it from the others.
func (e *Engine) tell(ctx context.Context, inc incident.Incident) error {
	e.log(ctx, inc)
	if inc.Outcome == incident.Rejected && !e.told.rejection(inc.Reason, e.Guard.Now()) {
		return nil
	}
	var errs []error
	routed := e.toTell(inc)
	for _, channel := range e.Channels {
		if !slices.Contains(routed, channel.Name) {
			continue
		}
		key := fmt.Sprintf("%s %s %s", channel.Name, inc.ID, inc.Outcome)
		if e.told.has(key) {
			continue
		}
		err := e.survive(ctx, "tell of "+inc.ID, func() error { return channel.Notify(ctx, inc) })
		if err != nil {
			e.Log.ErrorContext(ctx, "people could not be told", "incident_id", inc.ID, "trail", inc.Trail.ARN,
				"outcome", string(inc.Outcome), "error", err.Error())
			errs = append(errs, fmt.Errorf("notify of %s: %w", inc.ID, err))
			continue
		}
		e.told.add(key)
	}
	return errors.Join(errs...)
}

// log writes what an incident is, in a line; texts that come from records stay within their attributes, quoted.
func (e *Engine) log(ctx context.Context, inc incident.Incident) {
	attrs := []slog.Attr{
		slog.String("incident_id", inc.ID), slog.String("outcome", string(inc.Outcome)), slog.String("severity", string(inc.Severity)),
		slog.String("trail", inc.Trail.ARN),
	}
	if len(inc.Findings) > 0 {
		attrs = append(attrs, slog.String("rule", inc.Findings[0].Rule))
	}
	if inc.Reason != "" {
		attrs = append(attrs, slog.String("reason", inc.Reason))
	}
	if !e.LogIncidents {
		e.Log.LogAttrs(ctx, slog.LevelDebug, "incident", attrs...)
		return
	}
	e.Log.LogAttrs(ctx, level(inc), "incident", append(attrs, slog.Any("incident", inc))...)
}

func level(inc incident.Incident) slog.Level {
	switch {
	case inc.Outcome == incident.Failed:
		return slog.LevelError
	case inc.Severity.Rank() >= incident.Medium.Rank() && inc.Outcome != incident.Confirmed:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func (t *told) has(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent[key]
}

func (t *told) add(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent == nil {
		t.sent = make(map[string]bool)
	}
	t.sent[key] = true
	t.order = append(t.order, key)
	if len(t.order) > toldMost {
		delete(t.sent, t.order[0])
		t.order = t.order[1:]
	}
}

// rejection says whether a rejected record is to be told of now.
func (t *told) rejection(reason string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.rejected[reason]; ok && now.Sub(last) < rejectedPause {
		return false
	}
	if t.rejected == nil || len(t.rejected) > 1000 {
		t.rejected = make(map[string]time.Time)
	}
	t.rejected[reason] = now
	return true
}
