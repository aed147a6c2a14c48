package engine

import (
	"context"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// longestWork is how long one piece of work on a trail may take when nobody waits for it. What is not done by then is begun anew.
const longestWork = time.Minute

// patient says whether work on a trail may go on by itself: what is known of it is in the ledger, and its baseline says what is to be done.
func (e *Engine) patient(arn trail.ARN) bool {
	if e.Patience <= 0 || e.Keeper == nil || e.Guard.Baseline == nil {
		return false
	}
	_, pinned := e.Guard.Baseline(arn)
	return pinned
}

// patiently works on a claimed trail and waits no longer than Patience: an account or Region that does not answer keeps no receiver and no
// sweep from other trails. The work goes on by itself then, and the records are kept as they are.
func (r *run) patiently(ctx context.Context, arn trail.ARN, records []event.Record) error {
	own := &run{Engine: r.Engine, turn: r.turn}
	r.mu.Lock()
	own.open = map[trail.ARN][]incident.Incident{arn: r.open[arn]}
	r.mu.Unlock()
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestWork)
	done := make(chan error, 1)
	go func() {
		defer func() { r.claims.leave(arn, r.now()) }()
		done <- own.work(work, arn, records)
	}()
	enough := time.NewTimer(r.Patience)
	defer enough.Stop()
	select {
	case err := <-done:
		r.telling.Go(func() {
			defer cancel() // people are told within the same time
			report := own.done()
			r.mu.Lock()
			defer r.mu.Unlock()
			r.report.Incidents = append(r.report.Incidents, report.Incidents...)
			r.report.Failures = append(r.report.Failures, report.Failures...)
		})
		return err
	case <-enough.C:
	}
	r.byItself.Add(1)
	go func() {
		defer r.byItself.Add(-1)
		if err := <-done; err != nil {
			r.Log.WarnContext(ctx, "work on a trail took long and failed: it is begun anew", "trail", arn.String(), "error", err.Error())
			r.Retry(arn)
		}
		own.done()
		cancel()
	}()
	if len(records) > 0 {
		r.incidents(ctx, arn, records, r.Guard.Told(arn, records))
	}
	return nil
}

// Settle waits until work that goes on by itself has come to its end, or ctx has.
func (e *Engine) Settle(ctx context.Context) {
	for e.byItself.Load() > 0 && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}
