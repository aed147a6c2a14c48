package notify

import (
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// TestIdentity: a retry is the same news; everything that people have not yet heard is other news.
func TestIdentity(t *testing.T) {
	first := samples()["repaired"]
	retried := first
	retried.SeenAt, retried.RepairedAt = first.SeenAt.Add(time.Hour), ptr(first.RepairedAt.Add(time.Hour))
	if Identity(first) != Identity(retried) {
		t.Error("the same news, sent later, is told apart")
	}
	seen := map[string]string{Identity(first): "first"}
	news := map[string]func(*incident.Incident){
		"another incident": func(i *incident.Incident) { i.ID = "inc-0000000000000000" },
		"again":            func(i *incident.Incident) { i.Stage, i.Count = incident.StageAgain, 2 },
		"again, third":     func(i *incident.Incident) { i.Stage, i.Count = incident.StageAgain, 3 },
		"failed":           func(i *incident.Incident) { i.Outcome = incident.Failed },
		"confirmed":        func(i *incident.Incident) { i.Stage = incident.StageConfirmed },
		"escalated":        func(i *incident.Incident) { i.Stage = incident.StageEscalated },
		"contested":        func(i *incident.Incident) { i.Stage, i.Contested = incident.StageEscalated, "mallory undoes it" },
		"acknowledged": func(i *incident.Incident) {
			i.Stage, i.Acknowledged = incident.StageAcknowledged, &incident.Ack{By: "ada"}
		},
		"evidence": func(i *incident.Incident) { i.Stage, i.Evidence = incident.StageEvidence, &incident.Evidence{Calls: 1} },
		"all evidence": func(i *incident.Incident) {
			i.Stage, i.Evidence = incident.StageEvidence, &incident.Evidence{Calls: 1, Complete: true}
		},
	}
	for name, change := range news {
		inc := first
		change(&inc)
		id := Identity(inc)
		if other, ok := seen[id]; ok {
			t.Errorf("%s is taken for %s", name, other)
		}
		seen[id] = name
	}
}

// TestStageOf: where no ledger keeps an incident's life, its outcome tells how far it is.
func TestStageOf(t *testing.T) {
	for outcome, want := range map[incident.Outcome]incident.Stage{
		incident.Repaired: incident.StageRepaired, incident.Restored: incident.StageRepaired, incident.Confirmed: incident.StageConfirmed,
		incident.Open: incident.StageOpened, incident.Failed: incident.StageOpened, incident.Attempted: incident.StageOpened,
	} {
		if got := StageOf(incident.Incident{Outcome: outcome}); got != want {
			t.Errorf("%s is told as %s, want %s", outcome, got, want)
		}
		if got := StageOf(incident.Incident{Outcome: outcome, Stage: incident.StageEvidence}); got != incident.StageEvidence {
			t.Errorf("the ledger's stage gives way to %s", got)
		}
	}
}
