package guard

import (
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// tell completes an incident that a record opened with what was read and done.
func (w *work) tell(inc *incident.Incident) {
	inc.Observe = w.guard.Observe
	inc.Partial = inc.Partial || w.partial
	if inc.Outcome == incident.Attempted || inc.Record == nil {
		return
	}
	inc.Drifts = driftsOf(w.drifts)
	switch inc.Record.EventName {
	case "StopLogging":
		w.tellStop(inc)
	case "DeleteTrail":
		w.tellDelete(inc)
	default:
		w.tellOther(inc)
	}
}

func (w *work) tellStop(inc *incident.Incident) {
	inc.Actions = append(inc.Actions, w.actions...)
	from, certainty := w.lost(inc.OpenedAt)
	switch {
	case w.failed:
		inc.Outcome, inc.Reason = incident.Failed, w.why
	case !w.verified.IsZero():
		inc.Outcome = incident.Repaired
		at := w.verified.UTC()
		inc.RepairedAt = &at
	case w.why != "":
		inc.Outcome, inc.Reason = incident.Open, w.why
	case w.read && !w.state.Exists:
		inc.Outcome, inc.Severity = incident.Open, incident.Critical
		inc.Reason = "the trail does not exist any more: it was deleted after it was stopped"
	case w.read && w.state.Logging:
		inc.Outcome = incident.Restored
		inc.Drifts = []incident.Drift{}
	}
	switch {
	case inc.Outcome == incident.Failed && w.firstOK && w.first.Logging:
		// AWS never saw the trail stopped: there is no window to speak of.
	case inc.Outcome == incident.Repaired || inc.Outcome == incident.Restored:
		inc.BlindWindow = incident.Window(from, w.back(from), w.seen, certainty)
	default:
		inc.BlindWindow = incident.Window(from, time.Time{}, w.guard.Now(), certainty)
	}
}

func (w *work) tellDelete(inc *incident.Incident) {
	inc.Actions = append(inc.Actions, w.actions...)
	if !w.read {
		inc.Outcome, inc.Reason = incident.Failed, w.why
		return
	}
	if w.state.Exists {
		inc.Outcome, inc.Reason = incident.Restored, "a trail of this name exists again; whether it is set as it was cannot be told without a pinned baseline"
		return
	}
	inc.Outcome, inc.Reason = incident.Open, "trailwarden creates no trail without a pinned baseline"
	inc.BlindWindow = incident.Window(inc.OpenedAt, time.Time{}, w.guard.Now(), incident.FromRecords)
}

// tellOther completes the incident of a call that neither stops nor deletes. The drift of a trail that is not
// logging, or not there, is named; it is repaired only where a baseline says so.
func (w *work) tellOther(inc *incident.Incident) {
	inc.Actions = append(inc.Actions, w.actions...)
	switch {
	case w.failed:
		inc.Outcome, inc.Reason = incident.Failed, w.why
	case !w.verified.IsZero():
		inc.Outcome = incident.Repaired
		at := w.verified.UTC()
		inc.RepairedAt = &at
	case !w.read:
		inc.Reason = "the trail's state could not be read: " + w.why
	case !w.state.Exists:
		inc.Reason = "the trail does not exist any more"
	case !w.state.Logging && inc.Record.EventName == string(trail.CreateTrail):
		inc.Reason = "the trail is not logging: CreateTrail does not start it"
	case !w.state.Logging:
		inc.Reason = "the trail is not logging"
	}
}

// swept makes the incident of a look that no record asked for: nothing when all is well.
func (w *work) swept() []incident.Incident {
	if !w.read || len(w.drifts) == 0 && len(w.actions) == 0 {
		return nil
	}
	finding := incident.Finding{
		Rule: "trail.stop", Title: "Trail stopped", Severity: incident.Critical, Attack: "T1562.008",
		Text: "The sweep found the trail stopped: no event told of it",
	}
	stopped := w.state.Status.Stopped
	if !w.state.Exists {
		finding.Rule, finding.Title = "trail.delete", "Trail deleted"
		finding.Text = "The sweep found the trail gone: no event told of it"
	}
	inc := incident.FromState(w.arn, finding, stopped, w.seen)
	inc.Observe, inc.Partial = w.guard.Observe, w.partial
	inc.Drifts, inc.Actions = driftsOf(w.drifts), append(inc.Actions, w.actions...)
	switch {
	case w.failed:
		inc.Outcome, inc.Reason = incident.Failed, w.why
	case !w.verified.IsZero():
		inc.Outcome = incident.Repaired
		at := w.verified.UTC()
		inc.RepairedAt = &at
		inc.BlindWindow = incident.Window(inc.OpenedAt, w.back(inc.OpenedAt), w.seen, incident.FromStatus)
	case w.why != "":
		inc.Reason = w.why
	default:
		inc.Reason = "no baseline says that this trail is to be logging: a sweep without one starts no trail"
	}
	if inc.BlindWindow == nil && !stopped.IsZero() {
		inc.BlindWindow = incident.Window(stopped, time.Time{}, w.guard.Now(), incident.FromStatus)
	}
	return []incident.Incident{inc}
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
