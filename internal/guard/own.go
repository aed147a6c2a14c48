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

// Own is what this process remembers: the latest calls that it made, by AWS's request id, so that their own records do
// not alarm; and how each trail was when it was last read. It is safe for use by several goroutines. A nil Own remembers
// nothing.
type Own struct {
	mu    sync.Mutex
	calls map[string]string // request id -> incident id
	order []string
	last  map[trail.ARN]trail.Status
}

// See remembers how a trail is.
func (o *Own) See(a trail.ARN, s trail.Status) {
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

// Status is how a trail was when it was last seen.
func (o *Own) Status(a trail.ARN) (s trail.Status, ok bool) {
	if o == nil {
		return trail.Status{}, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok = o.last[a]
	return s, ok
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

// Incident finds the incident that a call of ours repaired.
func (o *Own) Incident(requestID string) (id string, ok bool) {
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

// confirmOurs confirms, in a process that has no memory of them, the incidents of records that our own role's repairs
// made, and returns the other records. Which repair it was stands in the call's user agent.
func (g *Guard) confirmOurs(ctx context.Context, incidents []incident.Incident, hints []event.Record) []event.Record {
	if !slices.ContainsFunc(hints, repairs) {
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
		if !repairs(r) || !sameRole(self, r.Actor) {
			others = append(others, r)
			continue
		}
		for i := range incidents {
			if incidents[i].Record.EventID == r.ID {
				confirm(&incidents[i], incidentIn(r.Actor.UserAgent))
			}
		}
	}
	return others
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

// sameRole says whether a record's actor is the principal self. Sessions of one role are one principal.
func sameRole(self string, a event.Actor) bool {
	return self != "" && a.ARN != "" && principal(self) == principal(a.ARN)
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
