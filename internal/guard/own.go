package guard

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Journal remembers the calls that were made and how trails were when they were last read. Own is the one of a
// single process; where there is a ledger, its journal outlives the process.
type Journal interface {
	// Intend records a call before it is made. The call is made also when that fails: the repair comes first.
	Intend(ctx context.Context, call Intent) error
	// Called records AWS's request id of the call, or why it failed.
	Called(ctx context.Context, call Intent, requestID string, failed error) error
	// Recent is Ours as far as it is known without asking anybody.
	Recent(requestID string) (incidentID string, ok bool)
	// Ours finds the incident whose repair a record of our own role tells of: by its request id, else by an intent of the
	// same operation on the same trail within five minutes. An error means that it could not be found out.
	Ours(ctx context.Context, r event.Record, a trail.ARN) (incidentID string, ok bool, err error)
	// Whole says that Ours knows every call that our role makes: what it does not know, somebody else has done.
	Whole() bool
	// See remembers how a trail is; Status is how it was when it was last seen. A journal that outlives the process may keep a sight
	// back until what it means for people is kept.
	See(ctx context.Context, a trail.ARN, s trail.Status)
	// An error means that it could not be found out: then it is not to be overwritten.
	Status(ctx context.Context, a trail.ARN) (s trail.Status, ok bool, err error)
}

// Intent is a call that is about to be made.
type Intent struct {
	Incident string // whose repair it is
	Op       trail.Op
	Target   trail.ARN
	At       time.Time
}

// Within is how far the time of a record may lie from that of the intent that explains it.
const Within = 5 * time.Minute

// Own remembers the latest calls of this process, by AWS's request id. It is safe for use by several goroutines. A nil
// Own remembers nothing.
type Own struct {
	mu    sync.Mutex
	calls map[string]string // request id -> incident id
	order []string
	last  map[trail.ARN]trail.Status
}

// Intend implements Journal: the call's request id is enough in one process.
func (o *Own) Intend(context.Context, Intent) error { return nil }

// Called implements Journal.
func (o *Own) Called(_ context.Context, call Intent, requestID string, _ error) error {
	o.Add(requestID, call.Incident)
	return nil
}

// Ours implements Journal.
func (o *Own) Ours(_ context.Context, r event.Record, _ trail.ARN) (string, bool, error) {
	id, ok := o.Recent(r.RequestID)
	return id, ok, nil
}

// Whole implements Journal: other processes make calls with the same role.
func (o *Own) Whole() bool { return false }

// See implements Journal.
func (o *Own) See(_ context.Context, a trail.ARN, s trail.Status) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last == nil {
		o.last = make(map[trail.ARN]trail.Status)
	}
	o.last[a] = s
}

// Status implements Journal.
func (o *Own) Status(_ context.Context, a trail.ARN) (s trail.Status, ok bool, err error) {
	if o == nil {
		return trail.Status{}, false, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok = o.last[a]
	return s, ok, nil
}

// ownCalls is how many calls are remembered: more than can be made while their records are on the way.
const ownCalls = 4096

// Add remembers a call.
func (o *Own) Add(requestID, incidentID string) {
	if o == nil || requestID == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.calls == nil {
		o.calls = make(map[string]string)
	}
	o.calls[requestID] = incidentID
	o.order = append(o.order, requestID)
	if len(o.order) > ownCalls {
		delete(o.calls, o.order[0])
		o.order = o.order[1:]
	}
}

// Recent implements Journal.
func (o *Own) Recent(requestID string) (id string, ok bool) {
	if o == nil || requestID == "" {
		return "", false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	id, ok = o.calls[requestID]
	return id, ok
}

// repairs says whether a record is of a call that a repair makes. Others are never ours, whoever made them.
func repairs(r event.Record) bool {
	return slices.Contains(trail.Ops, trail.Op(incident.CallName(r.Name))) && r.Succeeded()
}

// introduction is how long the question who we are may take: it is about a message, not about a repair.
const introduction = 3 * time.Second

// confirmOurs confirms the incidents of records that our own role's repairs made, and returns the other records. Without a
// journal that knows every call, which repair it was stands in the call's user agent. With one, a call of our role that it does
// not know is somebody else's, who has our credentials; and whatever the journal, our role makes no other calls than repairs.
func (g *Guard) confirmOurs(ctx context.Context, incidents []incident.Incident, hints []event.Record, a trail.ARN) []event.Record {
	whole := g.journal().Whole()
	suspect := func(r event.Record) bool { return repairs(r) || refusedRepair(r) || whole && r.Succeeded() }
	if !slices.ContainsFunc(hints, suspect) {
		return hints
	}
	bounded, cancel := context.WithTimeout(ctx, introduction)
	defer cancel()
	self, err := g.Cloud.Self(bounded)
	if err != nil {
		return hints // told as somebody's: rather once too often than not at all
	}
	var others []event.Record
	for _, r := range hints {
		if !suspect(r) || !sameRole(self, r.Actor) && !g.restores(r.Actor) {
			others = append(others, r)
			continue
		}
		i := slices.IndexFunc(incidents, func(inc incident.Incident) bool { return inc.Record != nil && inc.Record.EventID == r.ID })
		if i < 0 {
			continue
		}
		id, ours, err := g.journal().Ours(bounded, r, a)
		switch {
		case refusedRepair(r) && (ours || err != nil || !whole):
			incidents[i].Outcome = known
		case repairs(r) && ours:
			confirm(&incidents[i], id)
		case repairs(r) && (err != nil || !whole):
			confirm(&incidents[i], incidentIn(r.Actor.UserAgent))
		default:
			others = append(others, r)
			// A user's credentials may be in the hands of a person too; a role of trailwarden's own may not.
			if whole && strings.Contains(r.Actor.ARN, ":assumed-role/") {
				stolen(&incidents[i])
			}
		}
	}
	return others
}

// known is the outcome of our own call that AWS refused: the incident whose repair it was to be tells of it already.
const known incident.Outcome = "known"

// worthTelling leaves out what is known.
func worthTelling(incidents []incident.Incident) []incident.Incident {
	return slices.DeleteFunc(incidents, func(inc incident.Incident) bool { return inc.Outcome == known })
}

// refusedRepair says whether a record is of a call that a repair makes, and that AWS refused.
func refusedRepair(r event.Record) bool {
	return slices.Contains(trail.Ops, trail.Op(incident.CallName(r.Name))) && !r.Succeeded()
}

// stolen marks the incident of a call that our role made and trailwarden did not.
func stolen(inc *incident.Incident) {
	if slices.ContainsFunc(inc.Findings, func(f incident.Finding) bool { return f.Rule == "own.credentials" }) {
		return
	}
	inc.Severity = incident.Critical
	inc.Findings = append([]incident.Finding{{
		Rule: "own.credentials", Title: "Somebody uses trailwarden's credentials", Severity: incident.Critical, Attack: "T1078.004",
		Text: "The call was made by trailwarden's own role, and neither its request id nor an intent is in the journal: trailwarden did not make it",
	}}, inc.Findings...)
}

// confirm makes of the incident of our own call the confirmation of the repair that it was.
func confirm(inc *incident.Incident, id string) {
	inc.Outcome, inc.Severity = incident.Confirmed, incident.Info
	inc.Findings = []incident.Finding{{
		Rule: inc.Findings[0].Rule, Title: "Own repair recorded", Severity: incident.Info,
		Text: inc.Record.EventName + " by trailwarden itself: CloudTrail has recorded the repair",
	}}
	if id != "" {
		inc.ID = id
	}
	inc.NextSteps = incident.Steps(*inc)
}

// journal is never nil.
func (g *Guard) journal() Journal {
	if g.Journal == nil {
		return (*Own)(nil)
	}
	return g.Journal
}

// sameRole says whether a record's actor is the principal self. Sessions of one role are one principal.
func sameRole(self string, a event.Actor) bool {
	return self != "" && a.ARN != "" && principal(self) == principal(a.ARN)
}

// restores says whether the actor is the role that repairs are made with, where that is another than our own.
func (g *Guard) restores(a event.Actor) bool {
	return isRole(g.OwnRole, a)
}

// principal shortens "arn:…:assumed-role/ROLE/SESSION" to its role.
func principal(arn string) string {
	if i := strings.Index(arn, ":assumed-role/"); i >= 0 {
		if j := strings.LastIndex(arn, "/"); j > i+len(":assumed-role/") {
			return arn[:j]
		}
	}
	return arn
}

var incidentID = regexp.MustCompile(`\binc-[0-9a-f]{16}\b`)

// incidentIn finds the incident id that our calls carry in their user agent. The caller chooses that text: it
// is believed only of our own role, and only to join two messages.
func incidentIn(userAgent string) string { return incidentID.FindString(userAgent) }
