package guard

import (
	"fmt"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// tell completes an incident that a record opened with what was read and done.
func (w *work) tell(inc *incident.Incident) {
	inc.Observe, inc.Warning = w.guard.Observe, w.warning
	inc.Partial = inc.Partial || w.partial
	if inc.Outcome == incident.Attempted || inc.Record == nil {
		return
	}
	inc.Actions = append(inc.Actions, w.actions...)
	inc.Drifts, inc.Coverage = driftsOf(w.drifts), w.coverage()
	inc.Reason = w.why
	switch {
	case w.failed:
		inc.Outcome = incident.Failed
	case !w.verified.IsZero():
		inc.Outcome = incident.Repaired
		at := w.verified.UTC()
		inc.RepairedAt = &at
	}
	switch inc.Record.EventName {
	case "StopLogging":
		w.tellStop(inc)
	case "DeleteTrail":
		w.tellDelete(inc)
	default:
		w.tellOther(inc)
	}
}

// unexplained adds what the state says and no record does to the first incident that tells of it: somebody else's
// call, whose record is late or lost, may have done more than the call that we were told of.
func (w *work) unexplained(incidents []incident.Incident) {
	if !w.pinned || len(w.records) == 0 {
		return
	}
	var to *incident.Incident
	named := map[string]bool{}
	for i := range incidents {
		inc := &incidents[i]
		if inc.Outcome == incident.Confirmed || inc.Outcome == incident.Attempted {
			continue
		}
		if to == nil {
			to = inc
		}
		for _, f := range inc.Findings {
			named[f.Rule] = true
		}
	}
	if to == nil {
		return
	}
	for _, f := range incident.Drifted(w.baseline, w.found, w.plan.Drifts) {
		if named[f.Rule] {
			continue
		}
		named[f.Rule] = true
		to.Findings = append(to.Findings, f)
		if f.Severity.Rank() > to.Severity.Rank() {
			to.Severity = f.Severity
		}
	}
}

func (w *work) tellStop(inc *incident.Incident) {
	if inc.Outcome == incident.Noted {
		switch {
		case w.read && !w.state.Exists:
			inc.Outcome, inc.Severity = incident.Open, incident.Critical
			inc.Reason = or(inc.Reason, "the trail does not exist any more: it was deleted after it was stopped")
		case w.read && w.state.Logging:
			inc.Outcome = incident.Restored
		case w.read && w.pinned && len(w.drifts) == 0 && len(w.excused) == 0:
			inc.Reason = "the baseline says that this trail is not logging"
			return
		case w.read && w.pinned && len(w.drifts) == 0:
			inc.Reason = approved(w.excused)
		default:
			inc.Outcome = incident.Open
		}
	}
	if inc.Outcome == incident.Failed && w.firstOK && w.first.Logging {
		return // AWS never saw the trail stopped: there is no window to speak of
	}
	from, certainty := w.lost(inc.OpenedAt)
	if s := w.state.Status; inc.Outcome == incident.Restored && (s.Started.Before(from) || s.Stopped.Sub(from) > repeat) {
		return // when recording came back cannot be told any more: the trail's times are of another stop
	}
	w.window(inc, from, certainty)
}

func (w *work) tellDelete(inc *incident.Incident) {
	if inc.Outcome == incident.Noted {
		switch {
		case !w.read:
			inc.Outcome = incident.Failed
			return
		case w.state.Exists:
			inc.Outcome = incident.Restored
			if !w.pinned {
				inc.Reason = "a trail of this name exists again; whether it is set as it was cannot be told without a pinned baseline"
			}
			return
		}
		inc.Outcome = incident.Open
		inc.Reason = or(inc.Reason, "trailwarden creates no trail without a pinned baseline")
	}
	w.window(inc, inc.OpenedAt, incident.FromRecords)
}

// tellOther completes the incident of a call that neither stops nor deletes. The drift of a trail that is not
// logging, or not there, is named; it is repaired only where a baseline says so.
func (w *work) tellOther(inc *incident.Incident) {
	if inc.Outcome != incident.Noted {
		return
	}
	switch {
	case !w.read:
		inc.Reason = "the trail's state could not be read: " + w.why
	case w.pinned && len(w.drifts) > 0:
		inc.Outcome = incident.Open
	case !w.state.Exists:
		inc.Reason = "the trail does not exist any more"
	case !w.state.Logging && inc.Record.EventName == string(trail.CreateTrail):
		inc.Reason = "the trail is not logging: CreateTrail does not start it"
	case !w.state.Logging:
		inc.Reason = "the trail is not logging"
	case len(w.excused) > 0:
		inc.Reason = approved(w.excused)
	}
}

// approved says that a difference is a change that people agreed to.
func approved(excused []trail.Excused) string {
	e := excused[0]
	return fmt.Sprintf("%s differs from the baseline, which %s approved until %s: %s",
		e.Drift.Field, e.Approval.Who, e.Approval.Until.UTC().Format(time.RFC3339), e.Approval.Why)
}

// window gives an incident its blind window, closed when recording is known to be back.
func (w *work) window(inc *incident.Incident, from time.Time, certainty string) {
	if inc.Outcome == incident.Repaired || inc.Outcome == incident.Restored {
		inc.BlindWindow = incident.Window(from, w.back(from), w.seen, certainty)
		return
	}
	inc.BlindWindow = incident.Window(from, time.Time{}, w.guard.Now(), certainty)
}

// lost is when recording was lost: the service's own time of the stop where it fits the record, else the
// record's time.
func (w *work) lost(recorded time.Time) (time.Time, string) {
	for _, stopped := range []time.Time{w.first.Stopped, w.state.Status.Stopped} {
		if d := stopped.Sub(recorded); d >= -skew && d <= skew {
			return stopped, incident.FromStatus
		}
	}
	return recorded, incident.FromRecords
}

// back is when recording came back: the service's own time of the start, else when it was read back.
func (w *work) back(from time.Time) time.Time {
	for _, started := range []time.Time{w.state.Status.Started, w.first.Started, w.verified} {
		if !started.Before(from) && !started.IsZero() {
			return started
		}
	}
	return w.seen
}

func driftsOf(drifts []trail.Drift) []incident.Drift {
	out := make([]incident.Drift, 0, len(drifts))
	for _, d := range drifts {
		out = append(out, incident.Drift{Field: string(d.Field), Want: d.Want, Got: d.Got})
	}
	return out
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
