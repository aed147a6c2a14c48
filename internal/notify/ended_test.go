package notify

import (
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// TestEnded: what was told as open is at its end when it is well, by whoever's call, and what Event history says of it afterwards opens it no more.
func TestEnded(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	found := func(o incident.Outcome) incident.Incident {
		return incident.Incident{ID: "inc-1", Trail: incident.TrailRef{ARN: "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"}, Outcome: o, Severity: incident.High,
			Findings: []incident.Finding{{Rule: "trail.stop", Severity: incident.High}}, OpenedAt: at, SeenAt: at}
	}
	with := func(inc incident.Incident, stage incident.Stage) incident.Incident { inc.Stage = stage; return inc }
	joined := func(first, next incident.Outcome) incident.Incident {
		inc, _ := incident.Begin(found(first)).Join(found(next))
		return inc
	}
	for _, c := range []struct {
		name string
		inc  incident.Incident
		want bool
	}{
		{"open", incident.Begin(found(incident.Open)), false},
		{"failed", incident.Begin(found(incident.Failed)), false},
		{"repaired", joined(incident.Failed, incident.Repaired), false},
		{"repaired and confirmed", joined(incident.Repaired, incident.Confirmed), true},
		{"open, and mended by somebody else", joined(incident.Open, incident.Restored), true},
		{"failed, and mended by somebody else", joined(incident.Failed, incident.Restored), true},
		{"over before anybody was told", incident.Begin(found(incident.Restored)), false},
		{"confirmed, then evidence", with(found(incident.Confirmed), incident.StageEvidence), true},
		{"restored, then evidence", with(found(incident.Restored), incident.StageEvidence), true},
		{"repaired, then evidence", with(found(incident.Repaired), incident.StageEvidence), false},
		{"confirmed, without a ledger", found(incident.Confirmed), true},
		{"restored, without a ledger", found(incident.Restored), false},
		{"refused", incident.Begin(found(incident.Attempted)), false},
		{"mended, and tampered with again", with(found(incident.Repaired), incident.StageAgain), false},
	} {
		if got := Ended(c.inc); got != c.want {
			t.Errorf("%s: ended: %t", c.name, got)
		}
	}
}
