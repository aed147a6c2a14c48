package guard

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// TestParametersAgainstTheBaseline: what a call means is judged by what its own trail is pinned to be.
func TestParametersAgainstTheBaseline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asking := func(r *event.Record) {
			r.Name, r.Request = "UpdateTrail", json.RawMessage(`{"name":"main","isMultiRegionTrail":false,"s3BucketName":"mine"}`)
		}
		for _, test := range []struct {
			name     string
			baseline func(trail.ARN) (trail.Baseline, bool)
			want     []string
			severity incident.Severity
		}{
			{"nothing pinned", nil, []string{"trail.update.multi-region-off"}, incident.Critical},
			{"another trail pinned", func(trail.ARN) (trail.Baseline, bool) { return trail.Baseline{}, false },
				[]string{"trail.update.multi-region-off"}, incident.Critical},
			{"single-Region as pinned, to another bucket",
				func(a trail.ARN) (trail.Baseline, bool) {
					return trail.Baseline{ARN: a, Want: trail.Settings{Logging: true, Bucket: "logs"}}, true
				},
				[]string{"trail.update.bucket-changed"}, incident.Critical},
			{"all as pinned",
				func(a trail.ARN) (trail.Baseline, bool) {
					return trail.Baseline{ARN: a, Want: trail.Settings{Logging: true, Bucket: "mine"}}, true
				},
				[]string{"trail.update"}, incident.Info},
		} {
			g := newGuard(loggingSince(time.Now().Add(-time.Hour)))
			g.Baseline = test.baseline
			got, err := g.Reconcile(t.Context(), home, []event.Record{call(time.Now(), asking)})
			if err != nil || len(got) != 1 {
				t.Fatalf("%s: %d incidents, %v", test.name, len(got), err)
			}
			var rules []string
			for _, f := range got[0].Findings {
				rules = append(rules, f.Rule)
			}
			if d := cmp.Diff(test.want, rules); d != "" || got[0].Severity != test.severity {
				t.Errorf("%s: severity %s, rules (-want +got):\n%s", test.name, got[0].Severity, d)
			}
		}
	})
}

// TestVersionedStopIsAStop: a version behind the name of the call does not keep the trail stopped.
func TestVersionedStopIsAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := stoppedAt(time.Now().Add(-time.Second))
		got, err := newGuard(cloud).Reconcile(t.Context(), home, []event.Record{call(time.Now().Add(-time.Second), named("StopLogging20131101v2"))})
		if err != nil || len(got) != 1 || got[0].Outcome != incident.Repaired || !cloud.status.Logging {
			t.Errorf("logging is %t: %+v, %v", cloud.status.Logging, got, err)
		}
	})
}

// TestSweptStopID: the incident of a stop that a sweep found has the id that its trail and StopLoggingTime make, whoever finds
// it, and however often.
func TestSweptStopID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Date(2026, 11, 23, 12, 0, 0, 500_000_000, time.FixedZone("", 3600))
		want := incident.ID(home.String(), "2026-11-23T11:00:00.5Z")
		for range 2 {
			time.Sleep(time.Minute)
			got, err := newGuard(stoppedAt(at)).Reconcile(t.Context(), home, nil)
			if err != nil || len(got) == 0 || got[0].ID != want {
				t.Errorf("got %+v, %v; want the id %s", got, err, want)
			}
		}
	})
}

// TestC18Twins: the records that two accounts have of one call are one incident that names both, in one batch or in two.
func TestC18Twins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now()
		ours := call(at, func(r *event.Record) { r.SharedID, r.Trail = "shared-1", home.String() })
		theirs := ours
		theirs.ID, theirs.Account, theirs.Carrier.Account = "e-theirs", "444455556666", "444455556666"
		if a, err := Place(theirs); err != nil || a != home {
			t.Fatalf("the copy is about %s, %v", a, err)
		}
		ids := map[string]bool{}
		first, err := newGuard(stoppedAt(at)).Reconcile(t.Context(), home, []event.Record{ours})
		if err != nil {
			t.Fatal(err)
		}
		joined := incident.Begin(first[0])
		for _, batch := range [][]event.Record{{theirs}, {ours, theirs}, {ours}} {
			got, err := newGuard(stoppedAt(at)).Reconcile(t.Context(), home, batch)
			if err != nil || len(got) != 1 {
				t.Fatalf("%d incidents, %v", len(got), err)
			}
			ids[got[0].ID] = true
			if text := got[0].Findings[0].Text; len(batch) == 2 && !strings.Contains(text, "111122223333 and 444455556666") {
				t.Errorf("the accounts are not named: %s", text)
			}
			var accounts []string
			for _, r := range batch {
				accounts = append(accounts, r.Account)
			}
			if d := cmp.Diff(accounts, got[0].Accounts); d != "" {
				t.Errorf("accounts (-want +got):\n%s", d)
			}
			joined, _ = joined.Join(got[0])
		}
		if d := cmp.Diff([]string{"111122223333", "444455556666"}, joined.Accounts); d != "" || len(ids) != 1 || joined.Count != 1 {
			t.Errorf("%d incidents, %d times; accounts (-want +got):\n%s", len(ids), joined.Count, d)
		}
	})
}
