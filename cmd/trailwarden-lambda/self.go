package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/selfwatch"
)

// watcher is how a function looks at the deployment that it is part of. The sweep looks each time, react after an event now and then: whoever
// switches one of the two off is told of by the other.
type watcher struct {
	*selfwatch.Watch

	mu    sync.Mutex
	last  time.Time       // when react looked last
	known map[string]bool // refused reads that were told
}

const (
	// lookPause is how long react does not look again.
	lookPause = 5 * time.Minute
	// lookTime is how long react may look, and lookLeft how much time it leaves of its invocation.
	lookTime = 10 * time.Second
	lookLeft = 5 * time.Second
	// settleTime is how long a deployment takes for both functions.
	settleTime = 2 * time.Minute
)

// afterwards does what is due when an event was handled: it takes nothing from the event's own time, and its failure is none of the
// event's. Messages that could not be sent are not left to the sweep alone: that may be what somebody has switched off.
func (f *function) afterwards(ctx context.Context) {
	now := time.Now()
	if deadline, ok := ctx.Deadline(); ok {
		if deadline.Sub(now) < lookTime+2*lookLeft {
			return // the next event has more time
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-lookLeft))
		defer cancel()
	}
	if f.engine.Keeper == nil {
		return
	}
	due := f.self != nil && f.self.due(now)
	if due || f.engine.Owes() {
		if err := f.engine.Flush(ctx); err != nil {
			f.engine.Log.Warn("what is left to be sent is not known", "error", err.Error())
		}
	}
	if due {
		if err := f.look(ctx); err != nil {
			f.engine.Log.Warn("the deployment could not be looked at as a whole", "error", err.Error())
		}
	}
}

// due says whether react is to look now, and takes note that it does.
func (w *watcher) due(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.last.IsZero() && now.Sub(w.last) < lookPause {
		return false
	}
	w.last = now
	return true
}

// look holds the deployment against how it should be, and tells what is wrong, and what is not any more.
func (f *function) look(ctx context.Context) error {
	looking, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	found, err := f.self.Look(looking)
	faults := slices.Clone(f.faults)
	for _, x := range found {
		faults = append(faults, engine.Fault{Rule: x.Rule, Severity: x.Severity, Resource: x.Resource, Text: x.Text, Want: x.Want, Got: x.Got, Mend: x.Mend})
	}
	unread, some := errors.AsType[*selfwatch.Unread](err)
	if !some {
		unread = &selfwatch.Unread{}
	}
	for _, refused := range unread.Refused {
		if f.self.news(refused.Error()) {
			f.engine.Log.Warn("part of the deployment is not watched: this function's role may not read it", "error", refused.Error(),
				"hint", "deploy the template of this release: its roles may")
		}
	}
	const changed = "lambda.config"
	unlike := unread.Hides(changed, f.self.Expect.React.Name) || slices.ContainsFunc(found, func(x selfwatch.Finding) bool { return x.Rule == changed })
	hidden := func(rule, resource string) bool {
		// While the two functions may be set up differently, what one makes of its configuration says nothing of the other's.
		return unread.Hides(rule, resource) || unlike && resource == bothConfigured
	}
	return errors.Join(errors.Join(unread.Errs...), f.engine.Faults(ctx, faults, hidden))
}

// news says whether a text is told for the first time.
func (w *watcher) news(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known[text] {
		return false
	}
	if w.known == nil {
		w.known = make(map[string]bool)
	}
	w.known[text] = true
	return true
}
