package guard

import (
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// TestOldStopClaimsNoWindow: the trail was stopped and started again just now, which says nothing about how a stop of an hour ago ended. The
// record may be late, or somebody's invention.
func TestOldStopClaimsNoWindow(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		record, stopped time.Time
		window          bool
	}{
		"the stop itself":                  {now.Add(-time.Minute), now.Add(-time.Minute), true},
		"stopped twice, the second unseen": {now.Add(-5 * time.Minute), now.Add(-time.Minute), true},
		"another stop, an hour later":      {now.Add(-time.Hour), now.Add(-time.Minute), false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuard(&fakeCloud{status: trail.Status{Logging: true, Stopped: c.stopped, Started: now.Add(-50 * time.Second)}})
			incidents, err := g.Reconcile(t.Context(), home, []event.Record{call(c.record)})
			if err != nil || len(incidents) != 1 {
				t.Fatalf("%d incidents, %v", len(incidents), err)
			}
			if w := incidents[0].BlindWindow; (w != nil) != c.window {
				t.Errorf("the window is %+v", w)
			}
		})
	}
}
