package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// restore brings a pinned trail back to its baseline, as far as the baseline opens it for repair. Without one only the
// existence and the logging of the trail are judged, and nothing is repaired but a stop that no record told of.
func (w *work) restore(ctx context.Context) error {
	w.found = w.state
	if !w.pinned {
		w.drifts = trail.Compare(trail.Sampled(w.arn), w.state)
		w.plan.Drifts = w.drifts
		return w.resume(ctx)
	}
	w.excused = w.baseline.Excuses(w.state, w.seen)
	wanted := w.baseline.At(w.seen)
	if err := w.prove(ctx); err != nil {
		w.partial, w.why = true, failure("proving that the trail is deleted", err)
	}
	w.owner(ctx, wanted)
	w.plan = trail.Repair(wanted, w.state)
	w.drifts = w.plan.Drifts
	w.verdict = wanted.Verdict(w.state, w.plan)
	w.freeze(ctx, wanted)
	w.found = w.state // with the proof
	if len(w.records) == 0 && len(w.drifts) > 0 {
		first, _, _ := w.firstly()
		w.id = incident.ID(w.arn.String(), first) // the calls carry the id of the incident that is told
	}
	var errs []error
	w.mended = nil
	for _, action := range w.plan.Actions {
		if err := w.do(ctx, action, false); err != nil {
			errs = append(errs, err)
			if trail.ClassOf(err) == trail.ClassExists && !w.again && w.look(ctx) == nil && w.state.Exists {
				// It is there: made by a call of ours whose answer was lost, or by somebody else. Held against the
				// baseline like any other.
				w.again, w.failed, w.why = true, false, ""
				return w.restore(ctx)
			}
			if action.Op == trail.CreateTrail {
				break // nothing else can be done to a trail that is not there
			}
			continue
		}
		if w.guard.forbids(action.Op) != "" {
			if action.Op == trail.CreateTrail && w.guard.OnlyStart {
				break
			}
			continue
		}
		for _, d := range action.Fixes {
			w.mended = append(w.mended, d.Field)
		}
	}
	if len(w.plan.Actions) == 0 || w.guard.watchOnly() != "" {
		w.explain()
		return nil
	}
	// What failed calls were to mend cannot be read back; the rest can.
	if len(w.mended) > 0 {
		errs = append(errs, w.verify(ctx, func(s trail.State) bool {
			return s.Exists && !slices.ContainsFunc(trail.Compare(wanted, s), func(d trail.Drift) bool { return slices.Contains(w.mended, d.Field) })
		}, "pinned"))
	}
	w.drifts = trail.Compare(wanted, w.state)
	w.explain()
	return errors.Join(errs...)
}

// resume starts a trail that nobody pinned and that a sweep finds stopped, when the sweep before saw it logging: the event of its stop was lost, or is
// late. One that was not logging when it was first seen stays as it is. Until the start is read back, the trail counts as last seen
// logging, so that the next sweep tries again; what was stopped in observe mode is left to people, also when the mode has ended.
func (w *work) resume(ctx context.Context) error {
	if len(w.records) > 0 || !w.state.Exists || w.state.Logging || !slices.Contains(w.state.Read, trail.GroupLogging) {
		return nil
	}
	before, known, err := w.guard.journal().Status(ctx, w.arn)
	if err != nil {
		w.partial, w.owed = true, true
		w.why = "whether the trail was logging before could not be read from the ledger: " + err.Error()
		return nil
	}
	if !known || !trail.StoppedSince(before, w.state.Status) {
		return nil
	}
	first, _, _ := w.firstly()
	w.id = incident.ID(w.arn.String(), first)
	w.owed = !w.guard.Observe && w.guard.elsewhere == ""
	if err := w.do(ctx, trail.Start(w.arn), false); err != nil || w.guard.watchOnly() != "" {
		return err
	}
	err = w.verify(ctx, isLogging, "logging")
	w.drifts = trail.Compare(trail.Sampled(w.arn), w.state)
	w.owed = err != nil
	return err
}

// prove finds out whether a trail that was not found was deleted. A DeleteTrail among the records explains it.
func (w *work) prove(ctx context.Context) error {
	if w.state.Exists || !slices.Contains(w.baseline.Repair, trail.GroupRecreate) {
		return nil
	}
	explained := false
	for _, r := range w.records {
		explained = explained || incident.CallName(r.Name) == "DeleteTrail" && r.Succeeded()
	}
	if !explained {
		bounded, cancel := context.WithTimeout(ctx, aside)
		for _, r := range w.history(bounded, w.arn.Region, 24*time.Hour, "DeleteTrail") {
			named, err := trail.Resolve(r.Trail, r.Region, r.Account)
			explained = explained || err == nil && named == w.arn && r.Succeeded()
		}
		cancel()
	}
	deleted, err := w.guard.Cloud.Deleted(ctx, w.arn, explained)
	w.state.Deleted = deleted
	return err
}

// explain says why drifts were left, unless a worse reason is known already.
func (w *work) explain() {
	if w.why != "" || len(w.plan.Left) == 0 {
		return
	}
	left := w.plan.Left[0]
	w.why = fmt.Sprintf("%s is not as pinned: %s", left.Drift.Field, left.Text)
	if more := len(w.plan.Left) - 1; more > 0 {
		w.why += fmt.Sprintf(" (and %d more settings)", more)
	}
}

// coverage is what the drifts cost, nil when nothing is pinned or nothing is lost.
func (w *work) coverage() *incident.Coverage {
	if !w.pinned || len(w.verdict.Lost) == 0 {
		return nil
	}
	return &incident.Coverage{Lost: losses(w.verdict.Lost), Remaining: losses(w.verdict.Remaining)}
}

func losses(list []trail.Loss) []incident.Loss {
	out := make([]incident.Loss, 0, len(list))
	for _, l := range list {
		out = append(out, incident.Loss{Name: l.Name, Of: l.Of, Text: l.Text})
	}
	return out
}
