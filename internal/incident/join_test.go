package incident

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

var mainTrail = trail.ARN{Partition: "aws", Region: "eu-central-1", Account: "111122223333", Name: "main"}

// told is the incident of a record, with how it left the trail.
func told(id, call, who string, at time.Time, outcome Outcome) Incident {
	r := event.Record{ID: id, Name: call, Source: CloudTrailSource, Trail: mainTrail.String(), Region: mainTrail.Region, Account: mainTrail.Account, Time: at,
		Actor: event.Actor{ARN: "arn:aws:iam::111122223333:user/" + who}}
	inc := FromRecord(Findings(r, nil), r, RefOf(mainTrail), at.Add(5*time.Second))
	return left(inc, outcome)
}

// swept is the incident of the same as a sweep finds it.
func swept(call string, at time.Time, outcome Outcome) Incident {
	r := event.Record{Name: call, Source: CloudTrailSource, Trail: mainTrail.String(), Region: mainTrail.Region, Account: mainTrail.Account}
	return left(FromState(mainTrail, Findings(r, nil), call+at.String(), at, at.Add(5*time.Second)), outcome)
}

func left(inc Incident, outcome Outcome) Incident {
	inc.Outcome = outcome
	if outcome == Repaired {
		at := inc.SeenAt.Add(2 * time.Second)
		inc.RepairedAt = &at
		inc.Actions = []Action{{Op: "StartLogging", At: &at, RequestID: "r-" + inc.ID}}
	}
	return inc
}

// confirmation is CloudTrail's own record of a repair.
func confirmation(of Incident, request string, at time.Time) Incident {
	return Incident{ID: of.ID, Trail: of.Trail, Outcome: Confirmed, Severity: Info, SeenAt: at, OpenedAt: at,
		Findings: []Finding{{Rule: "trail.start", Severity: Info}}, Record: &Record{EventID: "own-" + request, EventName: "StartLogging", EventTime: at, RequestID: request}}
}

// TestWindowEndsWithTheRepair: a deleted trail that a later sweep creates anew was blind until then, and no longer.
func TestWindowEndsWithTheRepair(t *testing.T) {
	deleted := told("e1", "DeleteTrail", "mallory", noon, Failed)
	deleted.BlindWindow = Window(noon, time.Time{}, noon.Add(5*time.Second), FromRecords)
	inc := Begin(deleted)
	failing := swept("DeleteTrail", noon.Add(25*time.Second), Failed)
	inc, _ = inc.Join(failing)
	if w := inc.BlindWindow; !w.Open || w.Seconds != 30 {
		t.Errorf("not mended after 30 s: the window is %+v", *w)
	}
	created := swept("DeleteTrail", noon.Add(33*time.Second), Repaired) // seen after 5 s more, repaired after 2 s more
	created.Drifts = []Drift{}
	inc, _ = inc.Join(created)
	for what, w := range map[string]*BlindWindow{"incident": inc.BlindWindow, "tampering": inc.Tamperings[0].BlindWindow} {
		if w.Open || w.Seconds != 40 || w.To == nil {
			t.Errorf("%s: mended after 40 s, the window is %+v", what, *w)
		}
	}
}

func TestTakes(t *testing.T) {
	stop := Begin(told("e1", "StopLogging", "mallory", noon, Repaired))
	for _, c := range []struct {
		name string
		inc  Incident
		next Incident
		now  time.Time
		want bool
	}{
		{"the same again", stop, told("e1", "StopLogging", "mallory", noon, Restored), noon.Add(time.Hour), true},
		{"another soon after", stop, told("e2", "DeleteTrail", "eve", noon.Add(time.Minute), Repaired), noon.Add(time.Minute), true},
		{"another much later", stop, told("e2", "StopLogging", "mallory", noon.Add(time.Hour), Repaired), noon.Add(time.Hour), false},
		{"another much later, and it was never mended", Begin(told("e1", "StopLogging", "mallory", noon, Failed)), told("e2", "StopLogging", "mallory", noon.Add(time.Hour), Repaired), noon.Add(time.Hour), true},
		{"after somebody has taken it on", acknowledged(stop), told("e2", "StopLogging", "mallory", noon.Add(time.Minute), Repaired), noon.Add(time.Minute), false},
		{"a harmless start opens no incident of a stop", Begin(told("e0", "StartLogging", "mallory", noon, Noted)), told("e1", "StopLogging", "mallory", noon.Add(time.Second), Repaired), noon, false},
		{"a repair of ours opens none either", Begin(confirmation(stop, "r", noon)), told("e2", "StopLogging", "mallory", noon.Add(time.Minute), Repaired), noon.Add(time.Minute), false},
		{"a repair of ours whose own incident is not written yet", stop, confirmation(told("e9", "StopLogging", "mallory", noon, Repaired), "r", noon), noon, true},
		{"the same, much later", stop, confirmation(told("e9", "StopLogging", "mallory", noon, Repaired), "r", noon), noon.Add(time.Hour), false},
		{"a drill", stop, drill(told("e2", "StopLogging", "mallory", noon, Repaired)), noon, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.inc.Takes(c.next, c.now); got != c.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func acknowledged(inc Incident) Incident { inc.Acknowledged = &Ack{By: "ann"}; return inc }
func drill(inc Incident) Incident        { inc.Drill = true; return inc }

// TestJoinOrder: whether the record of a tampering comes first or the sweep's account of it, they are one tampering, and it is known who it was.
func TestJoinOrder(t *testing.T) {
	record, sweep := told("e1", "StopLogging", "mallory", noon, Repaired), swept("StopLogging", noon, Repaired)
	late := told("e1", "StopLogging", "mallory", noon, Restored) // the record finds the trail well
	for name, order := range map[string][]Incident{
		"the sweep first":                   {sweep, late},
		"the record first, twice":           {record, late},
		"the sweep, the record, and again":  {sweep, late, late},
		"not mended yet when the sweep saw": {swept("StopLogging", noon, Failed), record},
	} {
		t.Run(name, func(t *testing.T) {
			inc := Begin(order[0])
			for _, next := range order[1:] {
				if !inc.Takes(next, noon.Add(time.Minute)) {
					t.Fatalf("%s is not taken", next.ID)
				}
				inc, _ = inc.Join(next)
			}
			if inc.Count != 1 || len(inc.Tamperings) != 1 || inc.Outcome != Repaired || inc.Actor == nil || inc.Actor.ARN == "" {
				t.Errorf("count %d, tamperings %d, outcome %s, actor %+v", inc.Count, len(inc.Tamperings), inc.Outcome, inc.Actor)
			}
		})
	}
}

// TestOldRecordNamesNobodyAnew: who may put a message into the queue must not put another name on what stands; the old record is counted.
func TestOldRecordNamesNobodyAnew(t *testing.T) {
	inc := Begin(told("e1", "StopLogging", "mallory", noon, Failed))
	joined, _ := inc.Join(told("e0", "StopLogging", "innocent", noon.Add(-48*time.Minute), Failed))
	if joined.Actor == nil || !strings.HasSuffix(joined.Actor.ARN, "user/mallory") || joined.Record.EventID != "e1" {
		t.Errorf("it is told of %+v, by record %s", joined.Actor, joined.Record.EventID)
	}
	if joined.Count != 2 || len(joined.Tamperings) != 2 {
		t.Errorf("the old record is not counted: %d, %+v", joined.Count, joined.Tamperings)
	}
}

// TestFoundAgain: what a sweep finds once more after it was mended was done once more, although its state, and so its id, is the same.
func TestFoundAgain(t *testing.T) {
	first := swept("UpdateTrail", noon, Repaired)
	inc := Begin(first)
	next := first
	next.OpenedAt, next.SeenAt = noon.Add(5*time.Minute), noon.Add(5*time.Minute)
	at := next.SeenAt.Add(time.Second)
	next.RepairedAt = &at
	if inc.Over(next, next.SeenAt) {
		t.Error("five minutes later it is an incident of its own")
	}
	if joined, news := inc.Join(next); !news || joined.Count != 2 {
		t.Errorf("count %d, news %t", joined.Count, news)
	}
	if !inc.Over(next, noon.Add(24*time.Hour)) {
		t.Error("a day later it is not an incident of its own")
	}
}

// TestOwnRepairFirst: the record of our repair comes before what it repaired is written down, as the process died: then the incident is
// that of the tampering, confirmed, and names who did it.
func TestOwnRepairFirst(t *testing.T) {
	stop := told("e1", "StopLogging", "mallory", noon, Restored)
	inc := Begin(confirmation(stop, "r", noon.Add(time.Second)))
	joined, news := inc.Join(stop)
	if !news || joined.Outcome != Confirmed || joined.Severity != stop.Severity || joined.Actor == nil || joined.Findings[0].Rule != "trail.stop" || joined.ID != stop.ID {
		t.Errorf("news %t, %+v", news, joined)
	}
}

// TestConfirm: only the record of the latest repair confirms.
func TestConfirm(t *testing.T) {
	first := told("e1", "StopLogging", "mallory", noon, Repaired)
	inc := Begin(first)
	second := told("e2", "StopLogging", "mallory", noon.Add(time.Minute), Repaired)
	inc, _ = inc.Join(second)
	if after, news := inc.Join(confirmation(first, "r-"+first.ID, noon.Add(7*time.Second))); news || after.Outcome == Confirmed {
		t.Error("the record of the first repair confirms the second")
	}
	after, news := inc.Join(confirmation(second, "r-"+second.ID, noon.Add(time.Minute)))
	if !news || after.Outcome != Confirmed || after.Count != 2 {
		t.Errorf("news %t, outcome %s, count %d", news, after.Outcome, after.Count)
	}
	if _, news := after.Join(confirmation(second, "r-"+second.ID, noon.Add(time.Minute))); news {
		t.Error("a confirmation that comes twice is news twice")
	}
	failed := Begin(told("e1", "StopLogging", "mallory", noon, Failed))
	if after, _ := failed.Join(confirmation(failed, "r", noon.Add(time.Minute))); after.Outcome != Failed {
		t.Error("a failed repair is confirmed")
	}
}

// TestJoinProperties: whatever comes, in whatever order: nothing is forgotten, and the list stays bounded.
func TestJoinProperties(t *testing.T) {
	calls := []string{"StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors", "RemoveTags"}
	outcomes := []Outcome{Repaired, Restored, Noted, Failed, Open, Attempted}
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(i int) Incident {
			at := noon.Add(time.Duration(i) * 20 * time.Second)
			call, outcome := rapid.SampledFrom(calls).Draw(rt, "call"), rapid.SampledFrom(outcomes).Draw(rt, "outcome")
			if rapid.IntRange(0, 4).Draw(rt, "swept") == 0 {
				return swept(call, at, outcome)
			}
			return told(fmt.Sprint("e", rapid.IntRange(0, 2*i+1).Draw(rt, "event")), call, fmt.Sprint("user", rapid.IntRange(0, 5).Draw(rt, "who")), at, outcome)
		}
		inc := Begin(draw(0))
		type pair struct{ rule, principal string }
		pairs := map[pair]bool{{ruleOf(inc), principalOf(inc)}: true}
		for i := 1; i < rapid.IntRange(1, 150).Draw(rt, "n"); i++ {
			next := draw(i)
			if !inc.Takes(next, next.SeenAt) {
				continue
			}
			counted := inc.same(next) < 0
			was := inc
			inc, _ = inc.Join(next)
			if counted {
				pairs[pair{ruleOf(next), principalOf(next)}] = true
			}
			switch {
			case inc.Count < was.Count:
				rt.Fatalf("count falls from %d to %d", was.Count, inc.Count)
			case inc.Severity.Rank() < was.Severity.Rank():
				rt.Fatalf("severity falls from %s to %s", was.Severity, inc.Severity)
			case len(inc.Findings) < len(was.Findings):
				rt.Fatalf("findings are lost")
			case inc.OpenedAt.After(was.OpenedAt):
				rt.Fatalf("it opens later than it did")
			case len(inc.Tamperings) > 4*tamperingsKept:
				rt.Fatalf("%d tamperings are listed", len(inc.Tamperings))
			}
			if again, _ := inc.Join(next); next.Record != nil && again.Count != inc.Count && slices.ContainsFunc(inc.Tamperings, func(t Tampering) bool { return t.ID == next.ID }) {
				rt.Fatalf("what comes twice is counted twice")
			}
		}
		for p := range pairs {
			if !slices.ContainsFunc(inc.Tamperings, func(t Tampering) bool { return t.Rule == p.rule && t.Principal == p.principal }) {
				rt.Fatalf("%v is listed no more: %+v", p, inc.Tamperings)
			}
		}
	})
}

func principalOf(inc Incident) string {
	if inc.Actor == nil {
		return ""
	}
	return inc.Actor.Principal()
}

// TestD14LooksLike: what a contested repair's other side claims to be is said, and what it does not claim is not.
func TestD14LooksLike(t *testing.T) {
	for agent, want := range map[string]string{
		"APN/1.0 HashiCorp/1.0 Terraform/1.9.2": "as it looks like Terraform,",
		"aws-sdk-go-v2/1.30 trailwarden/v1.2":   "as it looks like another trailwarden,",
		"aws-cli/2.17":                          "a tool that manages the trail, two",
	} {
		var inc Incident
		for i := range contestedCount {
			next := told(fmt.Sprint("e", i), "StopLogging", "ci", noon.Add(time.Duration(i)*time.Minute), Repaired)
			next.Actor.UserAgent = agent
			if i == 0 {
				inc = Begin(next)
				continue
			}
			inc, _ = inc.Join(next)
		}
		if inc.Stage != StageEscalated || !strings.Contains(inc.Contested, "user/ci") || !strings.Contains(inc.Contested, want) {
			t.Errorf("%s: %s, %q", agent, inc.Stage, inc.Contested)
		}
	}
}

// TestClocksDiffer: our clock is ten minutes behind the service's. What the sweep finds of a stop that its record told of is that stop, and no further one.
func TestClocksDiffer(t *testing.T) {
	inc := Begin(told("e1", "StopLogging", "mallory", noon, Repaired))
	behind, back := noon.Add(-10*time.Minute), noon.Add(2*time.Second)
	inc.RepairedAt, inc.BlindWindow = &behind, Window(noon, back, back, FromStatus)
	found := swept("StopLogging", noon.Add(300*time.Millisecond), Restored)
	if inc, news := inc.Join(found); news || inc.Count != 1 {
		t.Errorf("counted %d times", inc.Count)
	}
	if inc, _ := inc.Join(swept("StopLogging", back.Add(time.Second), Repaired)); inc.Count != 2 {
		t.Errorf("stopped again a second after the repair: counted %d times", inc.Count)
	}
}
