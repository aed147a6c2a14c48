package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/guard"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// claims are the trails that are worked on now, and those that are to be looked at again.
type claims struct {
	mu    sync.Mutex
	busy  map[trail.ARN]*[]event.Record // with what came in meanwhile
	again guard.Queue[trail.ARN]
	hints map[trail.ARN][]event.Record
}

func (c *claims) take(a trail.ARN) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy == nil {
		c.busy, c.hints = make(map[trail.ARN]*[]event.Record), make(map[trail.ARN][]event.Record)
	}
	if c.busy[a] != nil {
		return false
	}
	c.busy[a] = &[]event.Record{}
	return true
}

// follow notes that a trail which is worked on is to be looked at again. Of what came in, the latest stop is kept: the state
// tells all else.
func (c *claims) follow(a trail.ARN, records []event.Record, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if hints := c.busy[a]; hints != nil {
		*hints = latest(*hints, records)
		return
	}
	c.hints[a] = latest(c.hints[a], records) // it has become free meanwhile
	c.again.Add(a, now)
}

// latest is the last successful StopLogging, else the first record.
func latest(known, records []event.Record) []event.Record {
	for _, r := range records {
		if len(known) == 0 || stops(r) {
			known = []event.Record{r}
		}
	}
	return known
}

func stops(r event.Record) bool { return incident.CallName(r.Name) == "StopLogging" && r.Succeeded() }

func (c *claims) leave(a trail.ARN, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if hints := *c.busy[a]; len(hints) > 0 {
		c.hints[a] = latest(c.hints[a], hints)
		c.again.Add(a, now)
	}
	delete(c.busy, a)
}

// next is a trail that is to be looked at again now.
func (c *claims) next(now time.Time) (a trail.ARN, hints []event.Record, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a, ok = c.again.Next(now); !ok {
		return a, nil, false
	}
	hints = c.hints[a]
	delete(c.hints, a)
	return a, hints, true
}

func (c *claims) done(a trail.ARN, err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again.Done(a, err, now)
}

// Retry asks for a trail to be looked at again, after a rest: work on it failed.
func (e *Engine) Retry(a trail.ARN) {
	e.claims.mu.Lock()
	defer e.claims.mu.Unlock()
	e.claims.again.Add(a, e.now())
}

// Again looks at the trails that are to be looked at again: work on them failed, or more came in while they were worked on. One that
// fails again rests longer each time, and is never given up.
func (e *Engine) Again(ctx context.Context) Report {
	run := e.begin()
	var working sync.WaitGroup
	for {
		a, hints, ok := e.claims.next(e.now())
		if !ok {
			break
		}
		again := func() { e.claims.done(a, run.trail(ctx, a, hints), e.now()) }
		if e.Workers == 1 {
			again()
		} else {
			working.Go(again)
		}
	}
	working.Wait()
	return run.done()
}

// errBusy hands records back for a moment.
var errBusy = errors.New("the trail is being worked on: the records are handed back for a moment")

// follow keeps what records tell of a trail that is being worked on, so that they need not wait for it. Where nothing is kept, or
// nothing but a record says that the trail is to be logging, they are handed back.
func (r *run) follow(ctx context.Context, arn trail.ARN, records []event.Record) error {
	if len(records) == 0 {
		return nil // the next sweep comes
	}
	pinned := false
	if r.Guard.Baseline != nil {
		_, pinned = r.Guard.Baseline(arn)
	}
	if r.Keeper == nil || !pinned {
		r.fail(Failure{Err: errBusy, Trail: arn, Messages: messagesIn(records)})
		return errBusy
	}
	if r.incidents(ctx, arn, records, r.Guard.Told(arn, records)) {
		r.claims.follow(arn, records, r.now())
	}
	return nil
}

// courtesy is how long one process waits for another that is at the same trail. No repair waits longer.
const courtesy = 200 * time.Millisecond

// lease keeps two processes from repairing one trail at the same time, as far as that costs no time: a stop is answered at once.
func (r *run) lease(ctx context.Context, arn trail.ARN, records []event.Record) (release func()) {
	if r.Owner == "" || r.Keeper == nil || slices.ContainsFunc(records, stops) {
		return func() {}
	}
	name := "trail/" + arn.String()
	ctx, cancel := context.WithTimeout(ctx, courtesy)
	defer cancel()
	for pause := 25 * time.Millisecond; ; pause *= 2 {
		now := r.now()
		got, err := r.Keeper.Store.Lease(ctx, name, r.Owner, now, now.Add(time.Minute))
		if got {
			return func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), courtesy)
				defer cancel()
				now := r.now()
				_, _ = r.Keeper.Store.Lease(ctx, name, r.Owner, now, now) // else it ends by itself
			}
		}
		if err != nil {
			return func() {}
		}
		select {
		case <-ctx.Done():
			return func() {}
		case <-time.After(pause):
		}
	}
}
