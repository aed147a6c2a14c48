package guard

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// swept makes the incidents of a look that no record asked for: none when all is well.
func (w *work) swept(ctx context.Context) []incident.Incident {
	var out []incident.Incident
	before, known, err := w.guard.journal().Status(ctx, w.arn)
	if w.read && w.state.Exists && !w.owed && err == nil {
		w.guard.journal().See(ctx, w.arn, w.state.Status)
	}
	switch {
	case len(w.drifts) > 0 || len(w.actions) > 0:
		out = append(out, w.drifted())
	case known && w.read && trail.Toggled(before, w.state.Status):
		out = append(out, w.toggled(before))
	}
	if !w.read || !w.state.Exists {
		return out
	}
	if problem, ok := trail.Delivery(w.state, w.seen); !ok && w.state.Logging {
		out = append(out, w.undelivered(problem))
	}
	if w.guard.Baseline != nil && !w.pinned && w.guard.elsewhere == "" {
		out = append(out, w.unpinned())
	}
	return out
}

// begin is an incident of this look. first makes its id.
func (w *work) begin(findings []incident.Finding, first string, opened time.Time) incident.Incident {
	inc := incident.FromState(w.arn, findings, first, opened, w.seen)
	inc.Observe, inc.Partial, inc.Warning = w.guard.Observe, w.partial, w.warning
	return inc
}

// drifted is the incident of a state that is not as wanted.
func (w *work) drifted() incident.Incident {
	first, opened, dark := w.firstly()
	inc := w.begin(incident.Drifted(w.wanted(), w.found, w.plan.Drifts), first, opened)
	inc.Drifts, inc.Coverage = driftsOf(w.drifts), w.coverage()
	inc.Actions, inc.Reason = append(inc.Actions, w.actions...), w.why
	switch {
	case w.failed:
		inc.Outcome = incident.Failed
	case !w.verified.IsZero():
		inc.Outcome = incident.Repaired
		at := w.verified.UTC()
		inc.RepairedAt = &at
	case inc.Reason == "" && !w.pinned:
		inc.Reason = "no baseline says that this trail is to be logging, and it was not when trailwarden began to guard it: a sweep leaves such a trail stopped"
	}
	if dark && !opened.IsZero() {
		w.window(&inc, opened, incident.FromStatus)
	}
	return inc
}

// firstly is what makes the id of the incident of a state that is not as wanted, since when it is so, and whether nothing is recorded: of a
// trail that records nothing its StopLoggingTime, or that it is gone, makes the id.
func (w *work) firstly() (first string, opened time.Time, dark bool) {
	var parts []string
	for _, d := range w.plan.Drifts {
		switch {
		case d.Field == trail.FieldLogging && w.wanted().Want.Logging:
			dark, opened = true, w.found.Status.Stopped
			parts = slices.Insert(parts, 0, opened.UTC().Format(time.RFC3339Nano))
		case d.Field == trail.FieldExists:
			dark = true
			parts = slices.Insert(parts, 0, "gone")
		default:
			parts = append(parts, string(d.Field)+"="+d.Got)
		}
	}
	if dark {
		parts = parts[:1]
	}
	return strings.Join(parts, "\n"), opened, dark
}

// wanted is what the trail is pinned to be; of one that nobody pinned, that it is there and logging.
func (w *work) wanted() trail.Baseline {
	if w.pinned {
		return w.baseline
	}
	return trail.Sampled(w.arn)
}

// toggled is the incident of a trail that was stopped, or started, and is well again: nobody told of it.
func (w *work) toggled(before trail.Status) incident.Incident {
	s := w.state.Status
	finding := incident.Finding{
		Rule: "trail.stop", Title: "Trail stopped and started", Severity: incident.High, Attack: "T1562.008",
		Text: "Found by reading the trail: it was stopped and started again since it was last read, and no event told of it",
	}
	if s.Stopped.Equal(before.Stopped) {
		finding = incident.Finding{Rule: "trail.start", Title: "Logging started", Severity: incident.Info,
			Text: "Found by reading the trail: StartLogging was called since it was last read, and no event told of it"}
	}
	inc := w.begin([]incident.Finding{finding}, s.Stopped.UTC().Format(time.RFC3339Nano)+" "+s.Started.UTC().Format(time.RFC3339Nano), s.Started)
	inc.Outcome = incident.Restored
	if !s.Stopped.Equal(before.Stopped) && s.Started.After(s.Stopped) {
		inc.OpenedAt = s.Stopped.UTC()
		inc.BlindWindow = incident.Window(s.Stopped, s.Started, w.seen, incident.FromStatus)
	}
	return inc
}

// undelivered is the incident of a trail that counts as logging, and delivers nothing.
func (w *work) undelivered(problem string) incident.Incident {
	inc := w.begin([]incident.Finding{{
		Rule: "trail.delivery", Title: "Log files are not delivered", Severity: incident.High, Text: problem,
	}}, "delivery "+w.state.Status.DeliveryError, time.Time{})
	inc.Reason = "what the trail delivers to has to be mended: CloudTrail delivers what is missing for 30 days, so long as the trail is not deleted"
	return inc
}

// unpinned is the incident of a trail that the baseline does not know.
func (w *work) unpinned() incident.Incident {
	inc := w.begin([]incident.Finding{{
		Rule: "trail.decoy", Title: "Trail that nobody pinned", Severity: incident.Low, Attack: "T1530, T1537",
		Text: "Found by reading the account: the baseline does not hold this trail",
	}}, "unpinned", time.Time{})
	inc.Reason = "people decide: pin it with `trailwarden baseline accept`, or delete it"
	return inc
}

// Alarmed is the incident of a baseline that is configured and cannot be used; false when there is nothing of the kind.
func (g *Guard) Alarmed() (incident.Incident, bool) {
	if g.Alarm == "" {
		return incident.Incident{}, false
	}
	inc := incident.FromState(trail.ARN{}, []incident.Finding{{
		Rule: "baseline.unusable", Title: "The baseline cannot be used", Severity: incident.Critical, Attack: "T1562.008",
		Text: "Everything is watched and told, and nothing is repaired, until the baseline can be used again",
	}}, g.Alarm, time.Time{}, g.Now())
	inc.Trail = incident.TrailRef{}
	inc.Observe, inc.Reason = true, g.Alarm
	inc.NextSteps = []incident.Step{{Text: "Restore the baseline from version control, and find out who took or changed it."}}
	return inc, true
}
