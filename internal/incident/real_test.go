package incident

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/event"
)

// TestRealRecords: what the rules make of records that AWS wrote. In brackets: the call was refused.
func TestRealRecords(t *testing.T) {
	const events = "../event/testdata/real/"
	for file, want := range map[string][]string{
		// An attack tool's selectors, and its stop of a trail that was gone already.
		events + "invictus-aws_dataset/218007301253_CloudTrail_us-east-1_20230710T1205Z_UljXNp9xLp8nsAGc.json": {
			"CreateTrail trail.decoy", "StartLogging trail.start", "PutEventSelectors trail.selectors.mgmt-off",
			"StopLogging (trail.stop)", "StopLogging (trail.stop)"},
		events + "stratus-red-team/aws.defense-evasion.cloudtrail-stop.json": {"StopLogging trail.stop"},
		// Denied, and so without parameters.
		events + "traildiscover/CloudTrail-StopLogging.json": {"StopLogging (trail.stop)"},
		// An UpdateTrail that sets kmsKeyId to "", as the console does where there is none.
		events + "streamalert/cloudtrail_critical_api_calls.json": {"UpdateTrail trail.update", "StopLogging trail.stop"},
		// A namesake: AddTags of the load balancers.
		"testdata/real/cloud-custodian/event-cloud-trail-appelb-add-tags.json": nil,
	} {
		data, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		records, bad := event.Decode(data)
		if len(bad) > 0 || len(records) == 0 {
			t.Fatalf("%s: %d records, %v", file, len(records), bad)
		}
		var got []string
		for _, r := range records {
			for _, f := range Findings(r, nil) {
				line := r.Name + " " + f.Rule
				if f.Attempt {
					line = r.Name + " (" + f.Rule + ")"
				}
				got = append(got, line)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", filepath.Base(file), d)
		}
	}
}

// FuzzFindings: whatever the parameters, the answer is the same each time, is never empty for a watched call, is in
// order, and holds no text of the record.
func FuzzFindings(f *testing.F) {
	for _, rule := range Rules {
		for _, params := range []string{samples[rule.ID].yes, samples[rule.ID].no, "null", `{"omitted":true}`} {
			f.Add(rule.Event, []byte(params), []byte(`{"kmsKeyId":1}`), false, false)
			f.Add(rule.Event+"20131101", []byte(params), []byte(""), true, true)
		}
	}
	known := map[string]bool{unknownCall.ID: true}
	for _, rule := range Rules {
		known[rule.ID] = true
	}
	f.Fuzz(func(t *testing.T, name string, params, response []byte, pinned, refused bool) {
		r := record(name)
		r.Request, r.Response = params, response
		if refused {
			r.ErrorCode = "AccessDenied"
		}
		settings := pin()
		if !pinned {
			settings = nil
		}
		got := Findings(r, settings)
		if d := cmp.Diff(got, Findings(r, settings)); d != "" {
			t.Errorf("asked twice:\n%s", d)
		}
		if _, watched := RuleFor(r); watched != (len(got) > 0) {
			t.Errorf("watched: %t, findings: %d", watched, len(got))
		}
		// Members after an unknown one change nothing, so that a longer request hides nothing.
		if longer, ok := strings.CutPrefix(string(params), "{"); ok && len(longer) > 1 {
			r.Request = []byte(`{"somethingNew":1,` + longer)
			more := ids(Findings(r, settings))
			for _, finding := range got {
				if rowOf(finding.Rule).holds != nil && !slices.Contains(more, finding.Rule) && readCall(r, settings, nil).known {
					t.Errorf("%s does not hold with a member more: %v", finding.Rule, more)
				}
			}
		}
		last := Critical.Rank()
		for _, finding := range got {
			if !known[finding.Rule] || finding.Attempt != refused || finding.Severity.Rank() > last {
				t.Errorf("%+v", got)
			}
			last = finding.Severity.Rank()
			for _, c := range finding.Text + finding.Title {
				if c < ' ' || c > '~' {
					t.Errorf("text of the record: %q", finding.Text)
				}
			}
		}
	})
}

func rowOf(id string) Rule {
	for _, rule := range Rules {
		if rule.ID == id {
			return rule
		}
	}
	return Rule{}
}
