package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

const (
	// stormFrom is how many messages may wait for a channel until they are grouped.
	stormFrom = 25
	// stormMost is how many are grouped into one: every one of them is listed.
	stormMost = 100
)

// letter is a message on its way, and the ids of those whose place it takes.
type letter struct {
	ledger.Message
	instead []string
}

// letters groups the messages that wait for one channel when they are too many for anybody to read one by one. No
// trail and no principal is hidden by that: each incident is listed. Messages as the 2017 AWS sample sent them are never grouped.
func (e *Engine) letters(waiting []ledger.Message) []letter {
	var out []letter
	from := stormFrom
	if len(waiting) > 0 && e.grouped(waiting[0].Channel) {
		// Where people want groups, two are one. What is critical waits for nobody and stands alone, as long as it is no storm.
		from = 2
		if len(waiting) < stormFrom {
			waiting = slices.DeleteFunc(slices.Clone(waiting), func(m ledger.Message) bool {
				alone := m.Incident.Severity == incident.Critical
				if alone {
					out = append(out, letter{Message: m})
				}
				return alone
			})
		}
	}
	if len(waiting) < from || e.Keeper.Separate {
		for _, m := range waiting {
			out = append(out, letter{Message: m})
		}
		return out
	}
	for group := range slices.Chunk(waiting, stormMost) {
		out = append(out, grouped(group))
	}
	return out
}

// grouped is one message that lists the incidents of many.
func grouped(messages []ledger.Message) letter {
	first := messages[0]
	l := letter{Message: ledger.Message{ID: first.Channel + "/storm/" + first.ID, Channel: first.Channel, Created: first.Created, Due: first.Due, Tries: first.Tries}}
	var ids []string
	trails, principals := map[string]bool{}, map[string]bool{}
	inc := incident.Incident{
		SchemaVersion: incident.SchemaVersion, Outcome: incident.Noted, Severity: incident.Info,
		Drifts: []incident.Drift{}, Actions: []incident.Action{}, NextSteps: []incident.Step{},
		OpenedAt: first.Incident.OpenedAt, SeenAt: first.Incident.SeenAt, Source: first.Incident.Source, Stage: incident.StageOpened,
	}
	for _, m := range messages {
		one := m.Incident
		l.instead = append(l.instead, m.ID)
		ids = append(ids, m.ID)
		trails[one.Trail.ARN] = true
		if one.Severity.Rank() > inc.Severity.Rank() {
			inc.Severity = one.Severity
		}
		if !one.Well() {
			inc.Outcome = incident.Open
		}
		t := incident.Tampering{ID: one.ID, Trail: one.Trail.ARN, At: one.OpenedAt, Outcome: one.Outcome, BlindWindow: one.BlindWindow}
		if len(one.Findings) > 0 {
			t.Rule = one.Findings[0].Rule
		}
		if one.Actor != nil {
			t.Principal = one.Actor.Principal()
			principals[t.Principal] = true
		}
		inc.Tamperings = append(inc.Tamperings, t)
		inc.Count += max(one.Count, 1)
	}
	inc.ID = incident.ID("", strings.Join(ids, "\n"))
	inc.Findings = []incident.Finding{{
		Rule: "own.storm", Title: fmt.Sprintf("%d incidents at once", len(messages)), Severity: inc.Severity,
		Text: fmt.Sprintf("%d incidents on %d trails by %d principals waited to be told; each is listed, and kept in the ledger under its id", len(messages), len(trails), len(principals)),
	}}
	l.Incident = inc
	return l
}
