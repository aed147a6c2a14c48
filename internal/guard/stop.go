package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// stops says whether a record tells of a trail that was stopped.
func stops(r event.Record) bool { return incident.CallName(r.Name) == "StopLogging" && r.Succeeded() }

// answerStop undoes a successful StopLogging. The state has to confirm it, so that a forged or an old hint
// cannot start a trail that was stopped on purpose before. One exception: when AWS does not say within
// patience, or refuses to say, StartLogging goes out unread: it is idempotent and can only restore.
func (w *work) answerStop(ctx context.Context, stop event.Record) error {
	if w.pinned && !w.wantsLogging() {
		return nil // pinned as stopped, approved, or not opened for repair: the full read says which
	}
	settled, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for pause := 500 * time.Millisecond; ; pause = min(2*pause, 4*time.Second) {
		status, err := w.quickStatus(ctx)
		if ctx.Err() != nil {
			w.failed, w.why = true, "the time for this run was over before the trail's state could be read"
			return fmt.Errorf("answer StopLogging on %s: %w", w.arn, context.Cause(ctx))
		}
		if err != nil {
			switch trail.ClassOf(err) {
			case trail.ClassGone, trail.ClassWrongPlace, trail.ClassOrg, trail.ClassLogin:
				return w.unanswerable(err)
			}
			if err := w.do(ctx, trail.Start(w.arn), true); err != nil {
				return err
			}
			return w.verify(ctx, isLogging, "logging")
		}
		if !w.firstOK {
			w.first, w.firstOK = status, true
		}
		if !status.Logging {
			if !w.pinned && !w.confirmed(status) {
				w.why = refusal(stop, status)
				return nil
			}
			if err := w.do(ctx, trail.Start(w.arn), false); err != nil {
				return err
			}
			return w.verify(ctx, isLogging, "logging")
		}
		if !status.Stopped.Before(stop.Time.Add(-skew)) {
			return nil // started again since
		}
		if w.seen.Sub(stop.Time) > repeat {
			// Too old for AWS's answer to lag behind it: the record is late, and the trail was made anew since.
			w.why = "the record is old: the trail is logging, and its times do not reach back to this stop"
			return nil
		}
		// AWS says that the trail is logging and knows nothing of this stop: its answer is old, or
		// the record is forged. Ask again; forged it stays harmless.
		if !sleep(settled, pause) {
			w.failed = true
			w.why = fmt.Sprintf("the record says StopLogging at %s, and AWS says that the trail is logging and was not stopped then: "+
				"either AWS's answer is old or the record is forged", stop.Time.UTC().Format(time.RFC3339))
			return fmt.Errorf("answer StopLogging on %s: the state does not show it yet", w.arn)
		}
	}
}

// wantsLogging says whether the baseline, as it stands now, has a stopped trail started.
func (w *work) wantsLogging() bool {
	b := w.baseline.At(w.seen)
	return b.Want.Logging && !slices.Contains(b.Ignore, trail.FieldLogging) && slices.Contains(b.Repair, trail.GroupLogging)
}

// quickStatus asks once and waits no longer than patience.
func (w *work) quickStatus(ctx context.Context) (trail.Status, error) {
	quick, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return w.guard.Cloud.Status(quick, w.arn)
}

// confirmed says whether some StopLogging among the records explains that the trail is stopped: it was the
// latest stop, or the trail was not started between it and the latest stop soon after.
func (w *work) confirmed(s trail.Status) bool {
	if s.Stopped.IsZero() {
		return false
	}
	for _, r := range w.records {
		if !stops(r) || r.Time.IsZero() {
			continue
		}
		after := s.Stopped.Sub(r.Time)
		startedSince := s.Started.After(r.Time.Add(skew)) && s.Started.Before(s.Stopped)
		if after >= -skew && after <= skew || after > 0 && after <= repeat && !startedSince {
			return true
		}
	}
	return false
}

// refusal says why a stopped trail is not started.
func refusal(stop event.Record, s trail.Status) string {
	since := "was never started"
	if !s.Stopped.IsZero() {
		since = "has been stopped since " + s.Stopped.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("not started: the trail %s, which the StopLogging of %s does not explain, and no baseline says that it is to be logging",
		since, stop.Time.UTC().Format(time.RFC3339))
}

// unanswerable ends the short way where starting is of no use. A trail that is not there is a finding of the
// full read; the rest fails.
func (w *work) unanswerable(err error) error {
	if trail.ClassOf(err) == trail.ClassGone {
		return nil
	}
	w.failed, w.why = true, failure("GetTrailStatus", err)
	return errors.Join(fmt.Errorf("answer StopLogging on %s", w.arn), err)
}
