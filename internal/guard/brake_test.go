package guard

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

func TestBrake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Brake{Burst: 3, Every: time.Second}
		begin := time.Now()
		var at []time.Duration
		for range 6 {
			if err := b.Wait(t.Context(), home, time.Now); err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(begin))
		}
		for i, want := range []time.Duration{0, 0, 0, time.Second, 2 * time.Second, 3 * time.Second} {
			if at[i] != want {
				t.Errorf("call %d was let through after %v, want %v", i+1, at[i], want)
			}
		}
		other := home
		other.Name = "other"
		before := time.Now()
		if err := b.Wait(t.Context(), other, time.Now); err != nil || time.Since(before) != 0 {
			t.Errorf("another trail waited %v, %v", time.Since(before), err)
		}
		time.Sleep(time.Minute)
		before = time.Now()
		if err := b.Wait(t.Context(), home, time.Now); err != nil || time.Since(before) != 0 {
			t.Errorf("after a minute of quiet the trail waited %v, %v", time.Since(before), err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 3 {
			_ = b.Wait(t.Context(), home, time.Now)
		}
		if err := b.Wait(ended, home, time.Now); err == nil {
			t.Error("a wait whose time is over let the call through")
		}
	})
}

// whole is a journal that knows every call.
type whole struct {
	*Own
	intents []Intent
}

func (w *whole) Whole() bool { return true }
func (w *whole) Intend(_ context.Context, call Intent) error {
	w.intents = append(w.intents, call)
	return nil
}
func (w *whole) Ours(_ context.Context, r event.Record, a trail.ARN) (string, bool, error) {
	for _, i := range w.intents {
		if string(i.Op) == r.Name && i.Target == a && r.Time.Sub(i.At).Abs() <= Within {
			return i.Incident, true, nil
		}
	}
	return "", false, nil
}

// TestStolenCredentials is FAULTS D13: a call of our own role that the journal does not know.
func TestStolenCredentials(t *testing.T) {
	// Fault D13.
	ours := "arn:aws:sts::111122223333:assumed-role/trailwarden/react"
	byUs := func(name string) event.Record {
		return call(noon, named(name), func(r *event.Record) { r.Actor.ARN, r.RequestID = ours, "unknown" })
	}
	look := func(t *testing.T, g *Guard, r event.Record) incident.Incident {
		t.Helper()
		got, err := g.Reconcile(t.Context(), home, []event.Record{r})
		if err != nil || len(got) != 1 {
			t.Fatalf("got %+v, %v", got, err)
		}
		return got[0]
	}
	cloud := loggingSince(noon)
	cloud.self = ours
	g := newGuard(cloud)
	journal := &whole{Own: &Own{}}
	g.Journal = journal

	inc := look(t, g, byUs("StartLogging"))
	if inc.Severity != incident.Critical || inc.Findings[0].Rule != "own.credentials" || inc.Outcome == incident.Confirmed {
		t.Errorf("a StartLogging that nobody intended is told as %s, %s, %+v", inc.Outcome, inc.Severity, inc.Findings)
	}
	inc = look(t, g, byUs("UpdateTrail"))
	if inc.Findings[0].Rule != "own.credentials" {
		t.Errorf("an UpdateTrail that nobody intended is told as %+v", inc.Findings)
	}
	journal.intents = []Intent{{Incident: "inc-00000000000000aa", Op: trail.StartLogging, Target: home, At: noon.Add(-4 * time.Minute)}}
	if inc := look(t, g, byUs("StartLogging")); inc.Outcome != incident.Confirmed || inc.ID != "inc-00000000000000aa" {
		t.Errorf("an intended StartLogging is told as %s %s", inc.ID, inc.Outcome)
	}
	journal.intents[0].At = noon.Add(-6 * time.Minute)
	if inc := look(t, g, byUs("StartLogging")); inc.Findings[0].Rule != "own.credentials" {
		t.Errorf("an intent of six minutes ago explains a call: %s", inc.Outcome)
	}
}
