package daemon

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/incident"
)

// TestCanary: events that do not arrive are noticed although nobody does anything, and so is that they arrive again. The canary
// itself is no drift, and nobody is told of it.
func TestCanary(t *testing.T) {
	// Fault H12.
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main")
		s.daemon.Engine.Canary = engine.Canary{Trail: arnOf("main"), Every: 15 * time.Minute, Within: 10 * time.Minute}
		s.run(t, 20*time.Minute)
		if n := len(s.people.told); n != 0 {
			t.Fatalf("people were told %d times that a canary flies: %q", n, stagesOf(s.people.told))
		}
		s.world.BreakBus(true)
		s.run(t, 30*time.Minute)
		if !s.people.heard(rule("own.canary")) {
			t.Fatal("nobody was told that events do not arrive")
		}
		if len(s.incidents(t)) != 1 {
			t.Errorf("the canary is taken for tampering: %+v", s.incidents(t))
		}
	})
}

func stagesOf(told []incident.Incident) (out []string) {
	for _, inc := range told {
		out = append(out, inc.Findings[0].Rule+" "+string(inc.Outcome))
	}
	return out
}
