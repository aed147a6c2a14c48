// Package engine joins decoding, guard and notification for every entrance: the Lambda function, the command line,
// the demo and the tests run the same code. Repairs come first; each trail is worked on by itself, so that
// none waits for another; people are told afterwards.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/guard"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/route"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Engine handles hints. It is safe for use by several goroutines.
type Engine struct {
	Guard *guard.Guard
	// Channels are told of each incident. None: the log is all there is.
	Channels []notify.Channel
	// Routing says which of them are told of what.
	Routing route.Plan
	// Keeper keeps incidents and the messages about them; nil where there is no ledger: then what could not be told is handed
	// back to its source.
	Keeper *Keeper
	// Trails lists the trails that a sweep looks at, besides those in Pinned.
	Trails func(context.Context) ([]trail.ARN, error)
	// Pinned are the trails of the baseline: one that was deleted is in no list any more.
	Pinned []trail.ARN
	// History reads what was done in blind windows, in the trail's home Region and in Regions; nil for nothing.
	History History
	Regions []string
	Log     *slog.Logger
	// LogIncidents puts each incident as a whole into the log, as JSON: where the log is what is read. Elsewhere a line
	// of each is there for whoever wants details.
	LogIncidents bool

	// Canary proves that events arrive; none with a zero trail.
	Canary Canary
	// Workers is how many trails are worked on at a time; 0 for as many as AWS likes. One makes the order of work
	// that of the hints, and tells people by one channel after the other, when the trails have been worked on.
	Workers int
	// Patience is how long records and the sweep wait for work on a pinned trail; it goes on by itself then. 0 for as long as it takes: for
	// a process that ends with its work.
	Patience time.Duration
	// Owner names this process where several share a ledger: two of them do not repair one trail at the same time, if that
	// can be had within a moment. Empty where no other process has the ledger.
	Owner string

	told    told
	outbox  outbox
	claims  claims
	anchors anchors
	seen    seen

	listening listening

	byItself atomic.Int64 // pieces of work that nobody waits for
}

func (e *Engine) now() time.Time { return e.Guard.Now() }

const (
	// workers is how many trails are worked on at a time: most of the time goes into waiting for AWS.
	workers = 64
	// inOnePlace is how many of them are of one account and Region: one that hangs keeps no other waiting.
	inOnePlace = 8
)

// Report is what came of some input.
type Report struct {
	Incidents []incident.Incident
	Bad       []event.Bad
	// Ignored counts records that are nothing to trailwarden: other services and calls that only read.
	Ignored int
	// Failures has, for each piece of work that did not come to its end, why.
	Failures []Failure
}

// Failure is work that is to be handed in again.
type Failure struct {
	Err      error
	Trail    trail.ARN // zero when it is not about one trail
	Messages []string  // ids of the SQS messages that carried the records
	Notify   bool      // the trail is well, and somebody could not be told
	Kept     bool      // the incident is in the ledger: nothing is lost when the records are not handed in again
}

func (f Failure) Error() string { return f.Err.Error() }

// Err joins the failures; nil when all is done.
func (r Report) Err() error {
	var errs []error
	for _, f := range r.Failures {
		errs = append(errs, f.Err)
	}
	for _, b := range r.Bad {
		errs = append(errs, fmt.Errorf("decode input: %w", b))
	}
	return errors.Join(errs...)
}

// Handle decodes input of any carrier and handles the records in it.
func (e *Engine) Handle(ctx context.Context, input []byte) Report {
	records, bad := event.Decode(input)
	report := e.Records(ctx, records)
	if bad = e.quarantine(ctx, input, bad); len(bad) == 0 {
		return report
	}
	report.Bad = bad
	for _, b := range bad {
		e.Log.ErrorContext(ctx, "input could not be decoded: it is kept by whoever sent it", "where", b.Where,
			"why", b.Why, "sha256", b.SHA256, "size", b.Size, "excerpt", b.Excerpt, "message_id", b.MessageID)
	}
	return report
}

// Records handles records of one batch.
func (e *Engine) Records(ctx context.Context, records []event.Record) Report {
	run := e.begin()
	hints, look := make(map[trail.ARN][]event.Record), make(map[trail.ARN]bool)
	var order []trail.ARN
	var rejected []incident.Incident
	for _, r := range records {
		if _, watched := incident.RuleFor(r); !watched {
			run.report.Ignored++
			continue
		}
		if e.seen.contradicts(r) {
			rejected = append(rejected, e.Guard.Reject(r, errTwin))
		}
		arn, err := guard.Place(r)
		if err != nil {
			rejected = append(rejected, e.Guard.Reject(r, err))
			for _, a := range e.near(r) {
				look[a] = true
			}
			continue
		}
		arn = e.meant(arn, r)
		if hints[arn] == nil {
			order = append(order, arn)
		}
		hints[arn] = append(hints[arn], r)
	}
	for _, a := range e.Pinned {
		switch {
		case !look[a] || hints[a] != nil:
		case e.Patience > 0:
			e.Retry(a) // soon, and once however many records ask for it
		default:
			order = append(order, a)
		}
	}
	run.trails(ctx, order, hints)
	for _, inc := range rejected {
		run.incidents(ctx, trail.ARN{}, records, []incident.Incident{inc})
	}
	return run.done()
}

// Sweep looks at every trail, whether or not an event told of it.
func (e *Engine) Sweep(ctx context.Context) Report {
	run := e.begin()
	if inc, alarmed := e.Guard.Alarmed(); alarmed {
		run.incidents(ctx, trail.ARN{}, nil, []incident.Incident{inc})
	}
	run.standing(ctx)
	trails, err := e.Trails(ctx)
	switch {
	case err == nil:
		run.vanished(ctx, trails)
	case !errors.Is(err, errSome): // that is in the log; and a trail in no list may be in another Region
		run.fail(Failure{Err: fmt.Errorf("sweep: %w", err)})
	}
	for _, a := range e.Pinned {
		if !slices.Contains(trails, a) {
			trails = append(trails, a)
		}
	}
	run.trails(ctx, trails, nil)
	return run.done()
}

type panicError struct{ value any }

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

func (e *Engine) reconcile(ctx context.Context, arn trail.ARN, records []event.Record) (incidents []incident.Incident, err error) {
	err = e.survive(ctx, "handle records of "+arn.String(), func() (err error) {
		incidents, err = e.Guard.Reconcile(ctx, arn, records)
		return err
	})
	return incidents, err
}

// survive makes an error of a panic: it costs the piece of work that it happened in, which is handed in again.
func (e *Engine) survive(ctx context.Context, work string, do func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			e.Log.ErrorContext(ctx, "panic: the work is handed in again", "work", work, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
			err = fmt.Errorf("%s: %w", work, &panicError{value})
		}
	}()
	return do()
}

// beforeDeadline leaves time before ctx's deadline to tell people how a repair went.
func beforeDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	left := time.Until(deadline)
	return context.WithDeadline(ctx, deadline.Add(-min(left/4, 10*time.Second)))
}

// messagesIn lists the SQS messages that carried records, each once.
func messagesIn(records []event.Record) []string {
	var ids []string
	for _, r := range records {
		if id := r.Carrier.MessageID; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// messagesOf lists the SQS messages that carried an incident's record.
func messagesOf(records []event.Record, inc incident.Incident) []string {
	if inc.Record == nil || inc.Record.EventID == "" {
		return messagesIn(records)
	}
	var own []event.Record
	for _, r := range records {
		if r.ID == inc.Record.EventID {
			own = append(own, r)
		}
	}
	return messagesIn(own)
}
