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

// work is one look at one trail: what was read, done and concluded.
type work struct {
	guard    *Guard
	arn      trail.ARN
	records  []event.Record
	seen     time.Time
	id       string
	baseline trail.Baseline // what the trail is pinned to be
	pinned   bool

	state      trail.State // the latest full read
	read       bool        // state holds
	found      trail.State // as it was before any repair of drift
	first      trail.Status
	firstOK    bool
	drifts     []trail.Drift   // what is not as wanted, at the latest read
	plan       trail.Plan      // what was to be done about it, at the first read
	verdict    trail.Verdict   // what it costs
	excused    []trail.Excused // what differs and is approved
	actions    []incident.Action
	verified   time.Time      // when the trail was read back as wanted after our calls
	why        string         // why the repair was not made, or did not work
	failed     bool           // a repair was tried, or wanted, and did not come to its end
	owed       bool           // it was seen logging, was stopped, and is not started yet
	again      bool           // the trail turned out to be there, and is repaired instead of created
	partial    bool           // something could not be read
	warning    string         // what is wrong with trailwarden itself
	mended     []trail.Field  // what calls that AWS accepted were to set
	contests   []Contest      // settings that a remediator keeps writing
	contested  string         // which of them is left to it, in a sentence
	attributed []event.Record // what Event history has of what a sweep found
	unasked    string         // why whose the pinned bucket is could not be found out
	owned      string         // the command line that asks it
}

// run reads and repairs. A successful StopLogging goes the short way: one read of the status, StartLogging, and
// everything else afterwards.
func (w *work) run(ctx context.Context) error {
	stop, stopped := w.lastStop()
	if stopped {
		if err := w.answerStop(ctx, stop); err != nil {
			return err
		}
		if w.partial && !w.read {
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
	return w.restore(ctx)
}

// lastStop is the latest successful StopLogging among the records.
func (w *work) lastStop() (event.Record, bool) {
	var last event.Record
	found := false
	for _, r := range w.records {
		if stops(r) {
			last, found = r, true
		}
	}
	return last, found
}

// look reads the state: everything where the trail is pinned, else no more than the 2017 sample's job asks for.
func (w *work) look(ctx context.Context) error {
	groups := []trail.Group{trail.GroupSettings, trail.GroupLogging}
	if w.pinned {
		groups = w.baseline.Compares()
	}
	s, err := w.guard.Cloud.Read(ctx, w.arn, groups...)
	if err != nil && len(s.Read) == 0 {
		return fmt.Errorf("read trail: %w", err)
	}
	if err != nil {
		// What could be read is compared; what could not is said.
		w.partial, w.why = true, failure("reading the trail", err)
	}
	s.Caller = w.guard.caller(w.arn)
	delete(s.Tags, w.guard.OwnTag)
	w.state, w.read = s, true
	return nil
}

// do makes one repair, or in observe mode only says that it would.
func (w *work) do(ctx context.Context, action trail.Action, unread bool) error {
	done := incident.Action{Op: string(action.Op), Target: action.Target.String(), Unread: unread}
	if why := w.guard.forbids(action.Op); why != "" {
		w.why = why
		if !slices.ContainsFunc(w.actions, func(a incident.Action) bool { return a.Op == done.Op }) {
			w.actions = append(w.actions, done)
		}
		return nil
	}
	if g := w.guard; g.Budget != nil {
		if ok, again := g.Budget.Take(ctx, action.Op, g.Now()); !ok {
			w.failed = true
			w.why = fmt.Sprintf("%s was not called: the budget of repairs of this hour is used up until %s; somebody may be making trailwarden work", action.Op, again.UTC().Format(time.RFC3339))
			return fmt.Errorf("repair trail: the budget of repairs is used up until %s", again.UTC().Format(time.RFC3339))
		}
	}
	if err := w.guard.Brake.Wait(ctx, w.arn, w.guard.Now); err != nil {
		w.failed, w.why = true, "the time for this run was over while the trail's repairs were slowed down"
		return fmt.Errorf("repair trail: %w", err)
	}
	journal, call := w.guard.journal(), Intent{Incident: w.id, Op: action.Op, Target: w.arn, At: w.guard.Now()}
	written := make(chan error, 1)
	if w.guard.StartFirst && action.Op == trail.StartLogging {
		go func() { written <- journal.Intend(ctx, call) }()
	} else {
		written <- journal.Intend(ctx, call)
	}
	requestID, err := w.guard.Cloud.Do(ctx, action, w.id)
	w.endangered(<-written)
	w.endangered(journal.Called(ctx, call, requestID, err))
	now := w.guard.Now().UTC()
	done.At, done.RequestID = &now, requestID
	if err != nil {
		done.Error = err.Error()
		w.actions = append(w.actions, done)
		w.failed, w.why = true, failure(action.Op, err)
		return fmt.Errorf("repair trail: %w", err)
	}
	w.actions = append(w.actions, done)
	return nil
}

// endangered says in the incident that the journal could not be written.
func (w *work) endangered(err error) {
	if err != nil && w.warning == "" {
		w.warning = fmt.Sprintf("the record of this incident is in danger: %v", err)
	}
}

// verify reads back until the trail is as it should be: CloudTrail's reads lag behind its writes. A trail that
// somebody stopped again after our call is the business of that call's own record.
func (w *work) verify(ctx context.Context, well func(trail.State) bool, wanted string) error {
	if w.guard.watchOnly() != "" {
		return nil
	}
	deadline, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := w.look(deadline)
		if err == nil && well(w.state) {
			w.verified = w.guard.Now()
			return nil
		}
		if err != nil && trail.ClassOf(err) == trail.ClassDenied {
			w.partial = true
			w.why = "the repair was accepted, and reading back was denied: allow cloudtrail:GetTrail and cloudtrail:GetTrailStatus"
			return nil
		}
		if !sleep(deadline, pause) {
			w.failed = true
			w.why = fmt.Sprintf("the repair was accepted, and %s later the trail could not be read back as %s", settle, wanted)
			return errors.Join(fmt.Errorf("verify repair of %s: not read back as %s within %s", w.arn, wanted, settle), err)
		}
	}
}

func isLogging(s trail.State) bool { return s.Exists && s.Logging }

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
func failure[T ~string](op T, err error) string {
	text := fmt.Sprintf("%s failed: %v", op, err)
	if call, ok := errors.AsType[*trail.CallError](err); ok && call.Hint != "" {
		text += "; " + call.Hint
	}
	return text
}
