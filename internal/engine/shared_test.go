package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// TestJournalOutlivesTheProcess: the record of a repair is known as ours by another process on the same ledger, without a call
// and without a message (FAULTS D12); a call of our role that no process made is critical (D13).
func TestJournalOutlivesTheProcess(t *testing.T) {
	// Fault D12.
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		first := k.handle(t, k.stop(t, "main")).Incidents[0]
		ours := k.ownStart(t)
		k.restart(t)
		k.mail.take()
		before := len(k.world.Calls())
		if got := k.handle(t, ours).Incidents; len(got) != 1 || got[0].ID != first.ID || got[0].Outcome != incident.Confirmed {
			t.Errorf("the record of our own call is told as %+v", got)
		}
		for _, c := range k.world.Calls()[before:] {
			if c.Mutates {
				t.Errorf("our own record led to %s", c.Op)
			}
		}
		self, err := k.engine.Guard.Cloud.Self(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		forged := k.event("StartLogging", "main", k.world.Now(), func(_, record map[string]any) {
			record["userIdentity"] = map[string]any{"type": "AssumedRole", "arn": self, "accountId": k.id}
			record["userAgent"] = "aws-sdk-go-v2 " + first.ID
		})
		got := k.handle(t, forged).Incidents
		if len(got) != 1 || got[0].Severity != incident.Critical || got[0].Findings[0].Rule != "own.credentials" {
			t.Errorf("a call with our credentials that we did not make is told as %+v", got)
		}
	})
}

// TestHeartbeat: people hear once in a while that the guard lives, however often it is restarted.
func TestHeartbeat(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		for range 3 * 24 {
			time.Sleep(time.Hour)
			k.restart(t)
			for range 3 {
				if err := k.engine.Heartbeat(t.Context(), 24*time.Hour); err != nil {
					t.Fatal(err)
				}
			}
		}
		told := k.mail.take()
		if len(told) != 3 || slices.ContainsFunc(told, func(inc incident.Incident) bool { return inc.Findings[0].Rule != "own.heartbeat" }) {
			t.Errorf("in three days people heard %q", stages(told))
		}
	})
}

// TestHeartbeatTellsTheTruth: while something is wrong with the deployment the sign of life does not say that all is well.
func TestHeartbeatTellsTheTruth(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		beat := func() string {
			t.Helper()
			time.Sleep(24 * time.Hour)
			if err := k.engine.Heartbeat(t.Context(), 24*time.Hour); err != nil {
				t.Fatal(err)
			}
			told := k.mail.take()
			return told[len(told)-1].Findings[0].Text
		}
		const well = "All is as it should be"
		if text := beat(); !strings.Contains(text, well) {
			t.Error(text)
		}
		if err := k.engine.Faults(t.Context(), []Fault{{Rule: "bus.rule-disabled", Severity: incident.Critical, Resource: "trailwarden-watch", Text: "off", Got: "DISABLED", Mend: "on"}}, nil); err != nil {
			t.Fatal(err)
		}
		if text := beat(); strings.Contains(text, well) || !strings.Contains(text, "NOT") {
			t.Error(text)
		}
		if err := k.engine.Faults(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
		if text := beat(); !strings.Contains(text, well) {
			t.Error(text)
		}
	})
}

// TestLeaseGivesWay: a process that holds a trail and hangs keeps another from repairing it for a moment only; a stop waits for nobody.
func TestLeaseGivesWay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		k.engine.Owner = "second"
		arn := trail.ARN{Partition: "aws", Region: region, Account: k.id, Name: "main"}
		hold := func() {
			now := k.world.Now()
			if ok, err := k.store.Lease(t.Context(), "trail/"+arn.String(), "first", now, now.Add(time.Hour)); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		hold()
		event := k.stop(t, "main")
		begin := time.Now()
		k.handle(t, event)
		if waited := time.Since(begin); !k.logging(t) || waited > 0 && waited >= courtesy {
			t.Errorf("a stop waited %v for another process", waited)
		}
		if err := calls("trail.update.validation-off")[0](t.Context(), k.mallory, k.scene); err != nil {
			t.Fatal(err)
		}
		begin = time.Now()
		if err := k.engine.Sweep(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begin); waited < courtesy/2 || waited > 2*time.Second {
			t.Errorf("a repair waited %v for another process, want about %v", waited, courtesy)
		}
		if d := cmp.Diff(k.before, k.world.Snapshots()); d != "" {
			t.Errorf("the trails are not as they were (-before +after):\n%s", d)
		}
	})
}

// TestFaultsOfTheDeployment: what is wrong with the deployment is told once, and that it is well again too.
func TestFaultsOfTheDeployment(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		fault := Fault{Rule: "lambda.code", Severity: incident.Critical, Resource: "trailwarden-react", Text: "Its code is not what was deployed", Want: "aaa", Got: "bbb", Mend: "Deploy it again."}
		for range 3 {
			if err := k.engine.Faults(t.Context(), []Fault{fault}, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if err := k.engine.Faults(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
		if d := stages(k.mail.take()); !slices.Equal(d, []string{"opened open", "repaired restored"}) {
			t.Errorf("told: %q", d)
		}
		if open, err := k.store.Incidents(t.Context(), ledger.Query{Open: true}); err != nil || len(open) != 0 {
			t.Errorf("still open: %+v, %v", open, err)
		}
		k.verified(t)
	})
}
