package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// run is the work on one batch; its report is filled by several goroutines.
type run struct {
	*Engine
	mu     sync.Mutex
	report Report
	// telling are the goroutines that tell people, at most as many at a time as turn holds: a channel that is slow
	// keeps no trail waiting for its repair.
	telling sync.WaitGroup
	turn    chan struct{}
	later   []func() // in place of goroutines, with one worker
	// open are the incidents that are not well, by trail, at the begin of a sweep.
	open map[trail.ARN][]incident.Incident
}

func (e *Engine) begin() *run {
	return &run{Engine: e, turn: make(chan struct{}, cmp.Or(e.Workers, workers))}
}

func (r *run) fail(f Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Failures = append(r.report.Failures, f)
}

// incidents keeps the incidents of one trail, puts them into the report and tells people, in the background: a channel that is
// slow keeps no trail waiting for its repair.
func (r *run) incidents(ctx context.Context, arn trail.ARN, records []event.Record, incidents []incident.Incident) (kept bool) {
	if len(incidents) == 0 {
		return true
	}
	var send []ledger.Message
	if r.Keeper != nil {
		standing, messages, err := r.Keeper.Keep(ctx, chainOf(incidents[0]), incidents)
		if kept = err == nil; kept {
			incidents, send = standing, messages
			r.settle(arn, standing)
		} else {
			r.fail(Failure{Err: err, Trail: arn, Messages: messagesIn(records)})
			for i := range incidents {
				incidents[i].Warning = "the record of this incident is in danger: " + err.Error()
			}
		}
	}
	r.mu.Lock()
	r.report.Incidents = append(r.report.Incidents, incidents...)
	r.mu.Unlock()
	r.afterwards(func() {
		if kept {
			for _, inc := range incidents {
				r.log(ctx, inc)
			}
			r.Send(ctx, send)
			return
		}
		for _, inc := range incidents {
			if err := r.tell(ctx, inc); err != nil {
				r.fail(Failure{Err: err, Trail: arn, Messages: messagesOf(records, inc), Notify: true})
			}
		}
	})
	return kept
}

// afterwards tells people while other trails are worked on; with one worker when all of them have been.
func (r *run) afterwards(tell func()) {
	if r.Workers == 1 {
		r.later = append(r.later, tell)
		return
	}
	r.telling.Go(func() {
		r.turn <- struct{}{}
		defer func() { <-r.turn }()
		tell()
	})
}

// done waits until everybody was told.
func (r *run) done() Report {
	for _, tell := range r.later {
		tell()
	}
	r.telling.Wait()
	slices.SortStableFunc(r.report.Incidents, func(x, y incident.Incident) int {
		return cmp.Or(x.OpenedAt.Compare(y.OpenedAt), strings.Compare(x.ID, y.ID))
	})
	return r.report
}

// place is whose quota a call counts against, and what may hang as a whole.
type place struct{ account, region string }

// trails works on trails, several at a time, each place by itself.
func (r *run) trails(ctx context.Context, trails []trail.ARN, hints map[trail.ARN][]event.Record) {
	if r.Workers == 1 {
		for _, a := range trails {
			_ = r.trail(ctx, a, hints[a]) // it is in the report
		}
		return
	}
	places := make(map[place]chan trail.ARN)
	var order []place
	for _, a := range trails {
		at := place{a.Account, a.Region}
		if places[at] == nil {
			places[at] = make(chan trail.ARN, len(trails))
			order = append(order, at)
		}
		places[at] <- a
	}
	turn := make(chan struct{}, cmp.Or(r.Workers, workers))
	var wg sync.WaitGroup
	for _, at := range order {
		waiting := places[at]
		close(waiting)
		for range min(inOnePlace, len(waiting)) {
			wg.Go(func() {
				for arn := range waiting {
					turn <- struct{}{}
					_ = r.trail(ctx, arn, hints[arn])
					<-turn
				}
			})
		}
	}
	wg.Wait()
}

// trail repairs one trail, keeps what came of it and tells people. Another piece of work may be at the trail: then its
// records are kept, and the trail is looked at again when that is through.
func (r *run) trail(ctx context.Context, arn trail.ARN, records []event.Record) error {
	if !r.claims.take(arn) {
		return r.follow(ctx, arn, records)
	}
	if r.patient(arn) {
		return r.patiently(ctx, arn, records)
	}
	defer func() { r.claims.leave(arn, r.now()) }()
	defer r.lease(ctx, arn, records)()
	return r.work(ctx, arn, records)
}

func (r *run) work(ctx context.Context, arn trail.ARN, records []event.Record) error {
	repairing, cancel := beforeDeadline(ctx)
	defer cancel()
	incidents, err := r.reconcile(repairing, arn, records)
	if _, panicked := errors.AsType[*panicError](err); panicked && len(records) > 1 {
		// One record that brings the program down must not cost its neighbours.
		var errs []error
		for _, record := range records {
			errs = append(errs, r.work(ctx, arn, []event.Record{record}))
		}
		return errors.Join(errs...)
	}
	incidents = r.home(ctx, arn, incidents)
	kept := r.incidents(ctx, arn, records, incidents)
	if journal, lasting := r.Guard.Journal.(*Journal); lasting {
		journal.Seen(ctx, arn, kept)
	}
	if err != nil {
		r.fail(Failure{Err: err, Trail: arn, Messages: messagesIn(records), Kept: kept && len(incidents) > 0 && r.Keeper != nil})
		return err
	}
	if len(records) == 0 {
		r.resolve(ctx, arn, incidents)
	}
	return nil
}
