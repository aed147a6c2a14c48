package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// work is one look at one trail: what was read, done and concluded.
type work struct {
	guard   *Guard
	arn     trail.ARN
	records []event.Record
	seen    time.Time
	id      string

	state    trail.State // the latest full read
	read     bool        // state holds
	first    trail.Status
	firstOK  bool
	drifts   []trail.Drift
	actions  []incident.Action
	verified time.Time // when the trail was read back as logging after our call
	why      string    // why the repair was not made, or did not work
	failed   bool      // a repair was tried, or wanted, and did not come to its end
	partial  bool      // something could not be read
}

// run reads and repairs. A successful StopLogging goes the short way: one read of the status, StartLogging, and
// everything else afterwards.
func (w *work) run(ctx context.Context) error {
	stop, stopped := w.lastStop()
	if stopped {
		if err := w.answerStop(ctx, stop); err != nil {
			return err
		}
		if w.partial {
			return nil // started, and not allowed to read
		}
	}
	if !w.read {
		if err := w.look(ctx); err != nil {
			// What a record alone tells is worth telling also when AWS does not answer.
			w.partial, w.why = true, err.Error()
			return err
		}
	}
	return w.repairDrift(ctx)
}

// lastStop is the latest successful StopLogging among the records.
func (w *work) lastStop() (event.Record, bool) {
	var last event.Record
	found := false
	for _, r := range w.records {
		if incident.CallName(r.Name) == "StopLogging" && r.Succeeded() {
			last, found = r, true
		}
	}
	return last, found
}

// look reads the whole state.
func (w *work) look(ctx context.Context) error {
	s, err := w.guard.Cloud.Read(ctx, w.arn, w.groups()...)
	if err != nil {
		return fmt.Errorf("read trail: %w", err)
	}
	w.state, w.read = s, true
	return nil
}

// groups are what is read of the trail: everything where it is pinned, else no more than the 2017 sample's job asks for.
func (w *work) groups() []trail.Group {
	if w.guard.Baseline != nil {
		if _, pinned := w.guard.Baseline(w.arn); pinned {
			return nil
		}
	}
	return []trail.Group{trail.GroupSettings, trail.GroupLogging}
}

// repairDrift brings a trail with a pinned baseline back to it. Without one only the existence and the
// logging of the trail are judged, and nothing is repaired here.
func (w *work) repairDrift(ctx context.Context) error {
	baseline, pinned := trail.Baseline{}, false
	if w.guard.Baseline != nil {
		baseline, pinned = w.guard.Baseline(w.arn)
	}
	if !pinned {
		w.drifts = trail.Compare(trail.Sampled(w.arn), w.state)
		return nil
	}
	w.drifts = trail.Compare(baseline, w.state)
	for _, action := range trail.Repair(baseline, w.state).Actions {
		if err := w.do(ctx, action, false); err != nil {
			return err
		}
		if err := w.verify(ctx); err != nil {
			return err
		}
	}
	if w.read {
		w.drifts = trail.Compare(baseline, w.state)
	}
	return nil
}

// do makes one repair, or in observe mode only says that it would.
func (w *work) do(ctx context.Context, action trail.Action, unread bool) error {
	done := incident.Action{Op: string(action.Op), Target: action.Target.String(), Unread: unread}
	if w.guard.Observe {
		w.actions = append(w.actions, done)
		w.why = "observe mode: no call that changes anything is made"
		return nil
	}
	requestID, err := w.guard.Cloud.Do(ctx, action, w.id)
	now := w.guard.Now().UTC()
	done.At, done.RequestID = &now, requestID
	if err != nil {
		done.Error = err.Error()
		w.actions = append(w.actions, done)
		w.failed, w.why = true, failure(action.Op, err)
		return fmt.Errorf("repair trail: %w", err)
	}
	w.guard.Own.Add(requestID, w.id)
	w.actions = append(w.actions, done)
	return nil
}

// verify reads back until the trail is logging: CloudTrail's reads lag behind its writes. A trail that somebody
// stopped again after our call is the business of that call's own record.
func (w *work) verify(ctx context.Context) error {
	if w.guard.Observe {
		return nil
	}
	deadline, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := w.look(deadline)
		if err == nil && w.state.Exists && w.state.Logging {
			w.verified = w.guard.Now()
			return nil
		}
		if err != nil && trail.ClassOf(err) == trail.ClassDenied {
			w.partial = true
			w.why = "StartLogging was accepted, and reading back was denied: allow cloudtrail:GetTrail and cloudtrail:GetTrailStatus"
			return nil
		}
		if !sleep(deadline, pause) {
			w.failed = true
			w.why = fmt.Sprintf("StartLogging was accepted, and %s later the trail could not be read back as logging", settle)
			return errors.Join(fmt.Errorf("verify repair of %s: not read back as logging within %s", w.arn, settle), err)
		}
	}
}

// sleep waits, false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// failure says in a sentence why a repair failed, with what to do where that is known.
func failure(op trail.Op, err error) string {
	text := fmt.Sprintf("%s failed: %v", op, err)
	if call, ok := errors.AsType[*trail.CallError](err); ok && call.Hint != "" {
		text += "; " + call.Hint
	}
	return text
}
