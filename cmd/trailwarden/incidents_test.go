package main

import (
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// TestBlindInAll: the list says for how long nothing was recorded in all, not only the last time.
func TestBlindInAll(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 11, 23, 12, 0, second, 0, time.UTC) }
	first := incident.Window(at(0), at(40), at(40), incident.FromRecords)
	second := incident.Window(at(50), at(51), at(51), incident.FromStatus)
	inc := incident.Incident{BlindWindow: second, Tamperings: []incident.Tampering{{BlindWindow: first}, {Rule: "trail.tags.removed"}, {BlindWindow: second}, {BlindWindow: second}}}
	if got := rowOf(inc).blind; got != "41s" {
		t.Errorf("blind for %s, want 41s", got)
	}
	inc.Tamperings[0].BlindWindow = incident.Window(at(0), time.Time{}, at(40), incident.FromRecords)
	if got := rowOf(inc).blind; got != "41s (open)" {
		t.Errorf("blind for %s, want 41s (open)", got)
	}
}
