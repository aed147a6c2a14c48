package incident

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func record(name string) event.Record {
	return event.Record{ID: "e1", Name: name, Source: CloudTrailSource, Time: noon, Region: "eu-central-1", Account: "111122223333"}
}

func TestRulesForOtherCalls(t *testing.T) {
	for _, name := range []string{"GetTrail", "DescribeTrails", "LookupEvents", "ListTags"} {
		if _, ok := RuleFor(record(name)); ok {
			t.Errorf("%s only reads, and is an incident", name)
		}
	}
	hostile := record("\x1b[2JStopLogging20990101")
	rule, ok := RuleFor(hostile)
	if !ok || rule.ID != "cloudtrail.other" {
		t.Errorf("an unknown call to CloudTrail is judged by %q", rule.ID)
	}
	if text := Judge(rule, hostile).Text; strings.ContainsRune(text, 0x1b) {
		t.Errorf("the record's own text got into the finding: %q", text)
	}
}

func TestIDIsTheSameEverywhere(t *testing.T) {
	const arn = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"
	a := FromRecord(Findings(record("StopLogging"), nil), record("StopLogging"), TrailRef{ARN: arn}, noon)
	b := FromRecord(Findings(record("StopLogging"), nil), record("StopLogging"), TrailRef{ARN: arn}, noon.Add(time.Hour))
	if a.ID != b.ID || a.ID != ID(arn, "e1") || len(a.ID) != len("inc-")+16 {
		t.Errorf("ids %s and %s", a.ID, b.ID)
	}
	other := record("StopLogging")
	other.ID = "e2"
	if c := FromRecord(Findings(other, nil), other, TrailRef{ARN: arn}, noon); c.ID == a.ID {
		t.Error("two records share an incident id")
	}
}

func TestActorShowsNoSecret(t *testing.T) {
	r := record("StopLogging")
	r.Actor = event.Actor{Type: "IAMUser", AccessKeyID: "AKIAIOSFODNN7EXAMPLE"}
	inc := FromRecord(Findings(r, nil), r, TrailRef{}, noon)
	if inc.Actor.KeySuffix != "MPLE" {
		t.Errorf("key suffix %q", inc.Actor.KeySuffix)
	}
	r.Actor.AccessKeyID = "short"
	if inc := FromRecord(Findings(r, nil), r, TrailRef{}, noon); inc.Actor.KeySuffix != "" {
		t.Errorf("key suffix %q of a text that is no key id", inc.Actor.KeySuffix)
	}
}

func TestWindow(t *testing.T) {
	closed := Window(noon, noon.Add(90*time.Second), noon.Add(time.Hour), FromStatus)
	if closed.Open || closed.Seconds != 90 || closed.To == nil {
		t.Errorf("closed: %+v", closed)
	}
	open := Window(noon, time.Time{}, noon.Add(time.Minute), FromRecords)
	if !open.Open || open.Seconds != 60 || open.To != nil {
		t.Errorf("open: %+v", open)
	}
	if w := Window(noon, noon.Add(-time.Second), noon, FromRecords); w.Seconds != 0 {
		t.Errorf("a window of %f seconds", w.Seconds)
	}
}

// TestSteps: whoever is woken gets something to do, never more than five things, and no text of a record in a command.
func TestSteps(t *testing.T) {
	a := trail.ARN{Partition: "aws", Region: "eu-central-1", Account: "111122223333", Name: "main"}
	for _, outcome := range Outcomes {
		r := record("StopLogging")
		r.Actor = event.Actor{ARN: "$(rm -rf /)", UserAgent: "`reboot`"}
		inc := FromRecord(Findings(r, nil), r, RefOf(a), noon)
		inc.Outcome, inc.BlindWindow = outcome, Window(noon, time.Time{}, noon.Add(time.Minute), FromStatus)
		steps := Steps(inc)
		if len(steps) > 5 || len(steps) == 0 && outcome != Confirmed {
			t.Errorf("%s: %d steps", outcome, len(steps))
		}
		for _, s := range steps {
			if strings.ContainsAny(s.Command, "$`;|&\n") {
				t.Errorf("%s: command %q", outcome, s.Command)
			}
		}
		starts := slices.ContainsFunc(steps, func(s Step) bool {
			return s.Command == "aws cloudtrail start-logging --region eu-central-1 --name "+a.String()
		})
		if starts != (outcome == Open || outcome == Failed) {
			t.Errorf("%s: start-logging proposed: %t", outcome, starts)
		}
	}
}

func TestSweptIncident(t *testing.T) {
	a := trail.ARN{Partition: "aws", Region: "eu-central-1", Account: "111122223333", Name: "main"}
	inc := FromState(a, []Finding{{Rule: "trail.stop", Severity: Critical}}, "first", noon, noon.Add(time.Hour))
	if d := cmp.Diff(FromState(a, nil, "first", noon, noon.Add(2*time.Hour)).ID, inc.ID); d != "" {
		t.Errorf("two sweeps that find one stop give two ids: %s", d)
	}
	if inc.Record != nil || inc.Source != "sweep" || !inc.OpenedAt.Equal(noon) {
		t.Errorf("%+v", inc)
	}
}
