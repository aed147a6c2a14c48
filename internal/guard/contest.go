package guard

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Contests remembers which settings another system keeps writing over our repairs.
type Contests interface {
	// Of lists those of a trail. Who cannot be asked in a moment knows of none: then all is repaired.
	Of(ctx context.Context, a trail.ARN) []Contest
	// Keep puts a list in the place of the one that is known.
	Keep(ctx context.Context, a trail.ARN, list []Contest)
}

// Contest is a setting that one remediator gives one value, again and again, while the baseline wants another.
type Contest struct {
	Field  trail.Field `json:"field"`
	Value  string      `json:"value"` // as the field's row prints it
	Who    string      `json:"who"`
	Writes []Write     `json:"writes"` // within a day of the latest, oldest first
}

// Write is a call of the remediator that was repaired, or that came while the setting was frozen.
type Write struct {
	Event string    `json:"event"`
	At    time.Time `json:"at"`
}

const (
	// frozenAfter is how often a remediator may write a value over our repair until the setting is left to it.
	frozenAfter = 3
	// contestKept is for how long its writes are counted.
	contestKept = 24 * time.Hour
	// quiet is how long after its latest write the setting is repaired again.
	quiet = 6 * time.Hour
)

// frozen says whether the setting is left as it is, and until when.
func (c Contest) frozen(now time.Time) (until time.Time, ok bool) {
	if len(c.Writes) < frozenAfter {
		return time.Time{}, false
	}
	until = c.Writes[len(c.Writes)-1].At.Add(quiet)
	return until, now.Before(until)
}

// restable are the losses that a frozen setting may cost. What an attacker is after is none of them: a remediator's credentials freeze no stopped or deleted
// trail, no missing management events, Regions or accounts, and no log files that go elsewhere, or that others alone can read, or that prove nothing.
var restable = []string{"data", "network_activity", "insights", "log_group", "log_role", "topic", "tags", "aggregation", "enrichment", "event_size"}

func mayRest(d trail.Drift) bool {
	return d.Field != trail.FieldLogging && d.Field != trail.FieldExists &&
		!slices.ContainsFunc(d.Lost, func(l trail.Loss) bool { return !slices.Contains(restable, l.Name) })
}

// freeze takes out of the plan what is left to a remediator, by field and value: another value on the same field is repaired.
func (w *work) freeze(ctx context.Context, wanted trail.Baseline) {
	if w.guard.Contests == nil || len(w.guard.Remediators) == 0 || !slices.ContainsFunc(w.plan.Drifts, mayRest) {
		return
	}
	w.contests = w.guard.Contests.Of(ctx, w.arn)
	var left []trail.Left
	rest := w.baseline
	for _, d := range w.plan.Drifts {
		i := slices.IndexFunc(w.contests, func(c Contest) bool {
			_, frozen := c.frozen(w.seen)
			return frozen && c.Field == d.Field && c.Value == d.Got
		})
		if i < 0 || !mayRest(d) {
			continue
		}
		until, _ := w.contests[i].frozen(w.seen)
		at := until.UTC().Format(time.RFC3339)
		w.contested = fmt.Sprintf("%s has set %s to %s again and again, %d times within a day: trailwarden lets that setting rest until %s, and repairs everything else",
			w.contests[i].Who, d.Field, d.Got, len(w.contests[i].Writes), at)
		left = append(left, trail.Left{Drift: d, Reason: trail.Contested, Text: "It rests until " + at + ": two systems fight over it."})
		rest.Approved = append(slices.Clone(rest.Approved), trail.Approval{Fields: []trail.Field{d.Field}, Want: d.Got, Until: until})
	}
	if len(left) == 0 {
		return
	}
	plan := trail.Repair(rest.At(w.seen), w.state)
	w.plan.Actions, w.plan.Left = plan.Actions, append(left, plan.Left...)
	w.verdict = wanted.Verdict(w.state, w.plan)
}

// contend counts what a remediator wrote over our repairs, and says in the incidents when a setting is left to it.
func (w *work) contend(ctx context.Context, incidents []incident.Incident) {
	if w.guard.Contests == nil || !w.pinned {
		return
	}
	var last *event.Record
	for _, r := range append(slices.Clone(w.records), w.attributed...) {
		if r.Succeeded() && w.guard.remediator(r.Actor) != "" {
			last = &r
		}
	}
	if last != nil && w.count(*last) {
		w.guard.Contests.Keep(ctx, w.arn, w.contests)
	}
	if w.contested == "" {
		return
	}
	for i := range incidents {
		inc := &incidents[i]
		if inc.Outcome == incident.Confirmed || inc.Outcome == incident.Attempted || len(inc.Drifts) == 0 && len(inc.Actions) == 0 {
			continue
		}
		inc.Contested = w.contested
		inc.NextSteps = append([]incident.Step{
			{Text: "Decide which of the two sets it. If the other system does, accept what it wants into the baseline.", Command: "trailwarden baseline accept " + w.arn.String()},
			{Text: "If the baseline does, change the other system; then have it repaired at once.", Command: "trailwarden incidents ack " + inc.ID},
		}, inc.NextSteps...)
		if inc.Severity.Rank() < incident.High.Rank() {
			inc.Severity = incident.High
		}
		return
	}
}

// count adds a remediator's call to the settings that it wrote and that were repaired, or are left to it. It says whether anything has changed.
func (w *work) count(r event.Record) (changed bool) {
	who := w.guard.remediator(r.Actor)
	for _, d := range w.plan.Drifts {
		row, _ := trail.RowOf(d.Field)
		op := trail.Op(incident.CallName(r.Name))
		frozen := slices.ContainsFunc(w.plan.Left, func(l trail.Left) bool { return l.Reason == trail.Contested && l.Drift.Field == d.Field })
		if !mayRest(d) || row.Op != op && !(d.Field == trail.FieldTags && op == trail.RemoveTags) || !frozen && !slices.Contains(w.mended, d.Field) {
			continue
		}
		i := slices.IndexFunc(w.contests, func(c Contest) bool { return c.Field == d.Field && c.Value == d.Got && c.Who == who })
		if i < 0 {
			w.contests = append(w.contests, Contest{Field: d.Field, Value: d.Got, Who: who})
			i = len(w.contests) - 1
		}
		c := &w.contests[i]
		if slices.ContainsFunc(c.Writes, func(known Write) bool { return known.Event == r.ID }) {
			continue // told once more
		}
		c.Writes = slices.DeleteFunc(append(c.Writes, Write{r.ID, w.seen.UTC()}), func(old Write) bool { return w.seen.Sub(old.At) > contestKept })
		c.Writes = c.Writes[max(0, len(c.Writes)-10*frozenAfter):]
		changed = true
		if until, now := c.frozen(w.seen); now && !frozen {
			w.contested = fmt.Sprintf("%s has set %s to %s %d times within a day, each time after it was repaired: when it does so once more before %s, trailwarden lets that setting rest, and repairs everything else",
				who, d.Field, d.Got, len(c.Writes), until.UTC().Format(time.RFC3339))
		}
	}
	return changed
}

// remediator is the one of the configured principals that made a call, empty for none. What a caller says of itself, such as its user agent, makes nobody one.
func (g *Guard) remediator(a event.Actor) string {
	for _, known := range g.Remediators {
		if known == a.ARN || known == a.Issuer || isRole(known, a) {
			return known
		}
	}
	return ""
}

// isRole says whether the actor is a session of a role. The ARN of a session has no path.
func isRole(role string, a event.Actor) bool {
	account, name, ok := strings.Cut(role, ":role/")
	if !ok {
		return false
	}
	_, session, ok := strings.Cut(a.ARN, ":assumed-role/")
	of, _, _ := strings.Cut(session, "/")
	return ok && of == name[strings.LastIndex(name, "/")+1:] && a.Account == account[strings.LastIndex(account, ":")+1:]
}
