// Package guard is the engine's core: for one trail it reads the state, compares, repairs, reads back and
// says what it found, as incidents. Records are hints: they say which trail to look at and who did
// something, never what to write.
package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Cloud is the AWS that the guard reads and repairs. Failed calls are *trail.CallError.
type Cloud interface {
	// Status asks once, without a second try, whether the trail is logging.
	Status(ctx context.Context, a trail.ARN) (trail.Status, error)
	// Read reads groups of the trail's settings, all without groups named, trying until ctx ends. With an error the
	// state holds what could be read, nothing when not even the settings and the status could.
	Read(ctx context.Context, a trail.ARN, groups ...trail.Group) (trail.State, error)
	// Do makes the call, trying until ctx ends, and returns AWS's request id. The incident's id
	// travels with the call, so that the call's own record can be matched with it.
	Do(ctx context.Context, action trail.Action, incidentID string) (requestID string, err error)
	// Deleted proves that a trail which was not found was deleted; explained says that a record of the
	// deletion is at hand. False without an error means that it is not proven.
	Deleted(ctx context.Context, a trail.ARN, explained bool) (bool, error)
	// Self is the ARN of the principal that makes the calls.
	Self(ctx context.Context) (string, error)
}

// Guard watches over the trails of some accounts.
type Guard struct {
	Cloud Cloud
	Now   func() time.Time
	// Accounts whose trails may be read and repaired.
	Accounts []string
	// Observe forbids every call that changes something.
	Observe bool
	// OnlyStart makes StartLogging the only call that changes something: what else would have been repaired is told.
	OnlyStart bool
	// Alarm, when it is not empty, says why no baseline can be trusted although one is configured: everything is
	// watched and told, nothing is repaired.
	Alarm string
	// Baseline finds what a trail is pinned to be; nil, or false, where nothing is pinned.
	Baseline func(trail.ARN) (trail.Baseline, bool)
	// OwnRole is the ARN of the role that repairs are made with, where that is another than the one that reads.
	OwnRole string
	// OwnTag is a tag that trailwarden itself sets; it is no part of a trail's state.
	OwnTag string
	// Journal remembers the calls that were made; nil for nothing.
	Journal Journal
	// StartFirst makes a StartLogging while its intent is being written, not afterwards: it can only restore.
	StartFirst bool
	// Brake bounds the rate of repairs of one trail; nil for no bound.
	Brake *Brake
	// Budget says whether a call that changes something may be made in this hour, and else when; nil for no bound.
	Budget interface {
		Take(ctx context.Context, op trail.Op, now time.Time) (ok bool, again time.Time)
	}
	// Remediators are the ARNs of users and roles that other systems set trails with. Contests remembers what they write over our repairs; nil
	// where nothing is ever left to them.
	Remediators []string
	Contests    Contests
	// Around is what is asked besides the trail: our standing in the organization, whose a bucket is, Event history. Nil
	// for nothing.
	Around Surroundings

	standing  trail.Caller // who we are towards a trail of another account
	elsewhere string       // why that trail is repaired elsewhere
}

// watchOnly is why nothing may be changed, empty when it may.
func (g *Guard) watchOnly() string {
	switch {
	case g.Alarm != "":
		return "not repaired: " + g.Alarm
	case g.elsewhere != "":
		return g.elsewhere
	case g.Observe:
		return "observe mode: no call that changes anything is made"
	}
	return ""
}

// forbids is why a call may not be made, empty when it may.
func (g *Guard) forbids(op trail.Op) string {
	why := g.watchOnly()
	if why == "" && g.OnlyStart && op != trail.StartLogging {
		why = "only told: nothing but stopped trails is repaired here (`repair` in the configuration, RestoreTrailArns in the template)"
	}
	return why
}

// Times that the guard waits.
const (
	// patience is how long AWS may take to say whether a stopped trail is logging before it is
	// started unread: somebody may be burning the quota of reads.
	patience = time.Second
	// skew is how far the time of a record and the time of the trail's status may lie apart for one call.
	skew = 15 * time.Second
	// repeat is how much later than the record the latest stop may be: whoever stops a trail twice
	// leaves no second record when no trail is left to record it.
	repeat = 15 * time.Minute
	// settle is how long a state that contradicts a record, or a repair, is read again: CloudTrail's
	// reads are eventually consistent.
	settle = 12 * time.Second
)

// Reconcile looks at one trail because of some records (none for a sweep), repairs what is to be repaired and
// returns one incident for each watched record, the same whichever batch it came in. An error means
// that a repair failed or could not be proven: the records are to be handed in again.
func (g *Guard) Reconcile(ctx context.Context, a trail.ARN, records []event.Record) ([]incident.Incident, error) {
	seen := g.Now()
	var incidents []incident.Incident
	var hints []event.Record
	urgent := false
	for _, r := range unique(records) {
		findings := g.findings(a, r)
		if len(findings) == 0 {
			continue
		}
		inc := incident.FromRecord(findings, r, incident.RefOf(a), seen)
		copied(&inc, r, records)
		if id, ok := g.journal().Recent(r.RequestID); ok && repairs(r) {
			confirm(&inc, id)
		} else {
			hints = append(hints, r)
			urgent = urgent || stops(r)
		}
		incidents = append(incidents, inc)
	}
	on, ours := g.towards(ctx, a, len(records) == 0)
	if !ours {
		return g.foreign(a, incidents), nil
	}
	g = on
	// Nothing stands between a stopped trail and its repair, not even the question who we are.
	if !urgent {
		hints = g.confirmOurs(ctx, incidents, hints, a)
		incidents = worthTelling(incidents)
	}
	if len(hints) == 0 && len(records) > 0 {
		return incidents, nil // only our own calls, and calls that are nothing to us
	}

	w := work{guard: g, arn: a, records: hints, seen: seen, id: firstID(a, incidents, seen)}
	if g.Baseline != nil {
		if baseline, ok := g.Baseline(a); ok {
			w.baseline, w.pinned = baseline, true
		}
	}
	err := w.run(ctx)
	if urgent {
		g.confirmOurs(ctx, incidents, hints, a)
		incidents = worthTelling(incidents)
	}
	if len(records) == 0 {
		incidents = w.swept(ctx)
		w.attribute(ctx, incidents)
		incidents = append(incidents, w.unseen(err)...)
	}
	for i := range incidents {
		if incidents[i].Outcome != incident.Confirmed {
			w.tell(&incidents[i])
		}
	}
	w.unexplained(incidents)
	for i := range incidents {
		incidents[i].NextSteps = incident.Steps(incidents[i])
		g.addressed(&incidents[i], a)
	}
	w.contend(ctx, incidents)
	w.escalate(ctx, err, incidents)
	w.doubt(incidents)
	return incidents, err
}

// Told makes the incidents of records without a look at the trail: somebody else is at it.
func (g *Guard) Told(a trail.ARN, records []event.Record) (incidents []incident.Incident) {
	for _, r := range unique(records) {
		findings := g.findings(a, r)
		if len(findings) == 0 {
			continue
		}
		inc := incident.FromRecord(findings, r, incident.RefOf(a), g.Now())
		if id, ok := g.journal().Recent(r.RequestID); ok && repairs(r) {
			confirm(&inc, id)
		}
		inc.NextSteps = incident.Steps(inc)
		incidents = append(incidents, inc)
	}
	return incidents
}

// findings says what a record means for a trail, by what the trail is pinned to be.
func (g *Guard) findings(a trail.ARN, r event.Record) []incident.Finding {
	if g.Baseline != nil {
		if baseline, pinned := g.Baseline(a); pinned {
			return incident.Findings(r, &baseline.Want, baseline.Ignore...)
		}
	}
	return incident.Findings(r, nil)
}

// Reject makes the incident of a record that contradicts itself, or names no trail that can be told.
func (g *Guard) Reject(r event.Record, why error) incident.Incident {
	inc := incident.FromRecord(incident.Findings(r, nil), r, incident.TrailRef{Account: r.Account, Region: r.Region}, g.Now())
	inc.Outcome, inc.Reason = incident.Rejected, why.Error()
	inc.NextSteps = incident.Steps(inc)
	return inc
}

// Place finds the trail that a record is about, and holds what the record and its carrier say against each
// other: account, Region and ARN of a genuine record agree.
func Place(r event.Record) (trail.ARN, error) {
	c := r.Carrier
	if c.Kind == event.CarrierEventBridge {
		switch {
		case c.Source != "aws.cloudtrail":
			return trail.ARN{}, fmt.Errorf("the event claims to be CloudTrail's, yet its source is %q: forged", c.Source)
		case c.Account != r.Account:
			return trail.ARN{}, fmt.Errorf("the event is of account %q, the record in it of account %q", c.Account, r.Account)
		case c.Region != r.Region:
			return trail.ARN{}, fmt.Errorf("the event is of Region %q, the record in it of Region %q", c.Region, r.Region)
		}
	}
	if r.Trail == "" {
		return trail.ARN{}, errors.New("the record names no trail")
	}
	a, err := trail.Resolve(r.Trail, r.Region, r.Account)
	if err != nil {
		return trail.ARN{}, fmt.Errorf("the record names a trail that cannot exist: %w", err)
	}
	// A refused call may have named anything, and the trail of another account too.
	if r.Succeeded() {
		switch {
		case a.Region != r.Region:
			return trail.ARN{}, fmt.Errorf("the record is of Region %q and changes trail %s: a trail is changed in its home Region only", r.Region, a)
		case a.Account != r.Account && r.SharedID == "": // else a copy, for the account of whoever called
			return trail.ARN{}, fmt.Errorf("the record is of account %q and changes trail %s of another account", r.Account, a)
		}
	}
	return a, nil
}

// foreign ends incidents about a trail that this deployment does not guard.
func (g *Guard) foreign(a trail.ARN, incidents []incident.Incident) []incident.Incident {
	for i := range incidents {
		inc := &incidents[i]
		if inc.Outcome == incident.Confirmed {
			continue
		}
		if inc.Outcome != incident.Attempted {
			inc.Outcome = incident.Rejected
		}
		inc.Reason = fmt.Sprintf("trail %s belongs to account %s; this deployment guards %s: nothing was read or changed",
			a.Name, a.Account, strings.Join(g.Accounts, ", "))
		inc.NextSteps = append(incident.Steps(*inc), incident.Step{
			Text: "If this deployment is to guard that account, add it to `accounts` in the configuration; a trail of an organization is guarded from its management account."})
	}
	return incidents
}

// copied names the accounts that have a record of one call, where there is more than one.
func copied(inc *incident.Incident, r event.Record, records []event.Record) {
	for _, other := range records {
		if r.SharedID != "" && other.SharedID == r.SharedID && !slices.Contains(inc.Accounts, other.Account) {
			inc.Accounts = append(inc.Accounts, other.Account)
		}
	}
	slices.Sort(inc.Accounts)
	if len(inc.Accounts) > 1 {
		inc.Findings[0].Text += "; accounts " + strings.Join(inc.Accounts, " and ") + " each have a record of it"
	}
}

// unique drops the repetitions of a record, and the copies that other accounts have of it: at least one delivery also
// means more than one.
func unique(records []event.Record) []event.Record {
	var out []event.Record
	ids := make(map[string]bool, len(records))
	for _, r := range records {
		if r.ID != "" && ids[r.ID] || r.SharedID != "" && ids["shared "+r.SharedID] {
			continue
		}
		ids[r.ID], ids["shared "+r.SharedID] = true, true
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(x, y event.Record) int { return x.Time.Compare(y.Time) })
	return out
}

func firstID(a trail.ARN, incidents []incident.Incident, now time.Time) string {
	for _, inc := range incidents {
		if inc.Outcome != incident.Confirmed {
			return inc.ID
		}
	}
	return incident.ID(a.String(), now.UTC().Format(time.RFC3339Nano))
}
