package trail

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// TestApprovals (A29): an approved change is not put back until its approval ends, and it is never silent.
func TestApprovals(t *testing.T) {
	b := Baseline{ARN: main, Want: pinned(), Repair: Groups()}
	moved := State{ARN: main, Exists: true, Settings: b.Want, Read: Groups()}
	moved.Bucket, moved.Validation = "new-logs", false
	gone := State{ARN: main, Deleted: true}
	approve := func(a Approval) Baseline {
		a.Who, a.Why = "ops", "migration"
		b := b
		b.Approved = []Approval{a}
		return b
	}
	in := noon.Add(time.Hour)
	for _, test := range []struct {
		name    string
		b       Baseline
		s       State
		drifts  []Field
		excused []Field
	}{
		{"nothing approved", b, moved, []Field{FieldBucket, FieldValidation}, nil},
		{"one field", approve(Approval{Fields: []Field{FieldBucket}, Until: in}), moved, []Field{FieldValidation}, []Field{FieldBucket}},
		{"one value", approve(Approval{Fields: []Field{FieldBucket}, Want: "new-logs", Until: in}), moved, []Field{FieldValidation}, []Field{FieldBucket}},
		{"another value", approve(Approval{Fields: []Field{FieldBucket}, Want: "newer-logs", Until: in}), moved, []Field{FieldBucket, FieldValidation}, nil},
		{"the whole trail", approve(Approval{Until: in}), moved, nil, []Field{FieldBucket, FieldValidation}},
		{"the whole trail, deleted", approve(Approval{Until: in}), gone, nil, []Field{FieldExists}},
		{"one field is no leave to delete", approve(Approval{Fields: []Field{FieldBucket}, Until: in}), gone, []Field{FieldExists}, nil},
		{"ended", approve(Approval{Until: noon}), moved, []Field{FieldBucket, FieldValidation}, nil},
		{"without an end", approve(Approval{}), moved, []Field{FieldBucket, FieldValidation}, nil},
	} {
		now := test.b.At(noon)
		var drifts, excused []Field
		for _, d := range Compare(now, test.s) {
			drifts = append(drifts, d.Field)
		}
		for _, e := range test.b.Excuses(test.s, noon) {
			excused = append(excused, e.Drift.Field)
		}
		if d := cmp.Diff(test.drifts, drifts); d != "" {
			t.Errorf("%s: drifts (-want +got):\n%s", test.name, d)
		}
		if d := cmp.Diff(test.excused, excused); d != "" {
			t.Errorf("%s: excused (-want +got):\n%s", test.name, d)
		}
		after := test.s
		for _, action := range Repair(now, test.s).Actions {
			after = action.Apply(after)
		}
		if left := Compare(now, after); len(left) > 0 {
			t.Errorf("%s: not repaired: %v", test.name, left)
		}
		if len(test.excused) > 0 && test.s.Exists && after.Bucket != "new-logs" {
			t.Errorf("%s: the approved change was put back", test.name)
		}
	}
}

func TestDelivery(t *testing.T) {
	healthy := Status{
		Logging: true, Started: noon.Add(-240 * time.Hour), Delivered: noon.Add(-5 * time.Minute), DigestDelivered: noon.Add(-50 * time.Minute),
	}
	for _, test := range []struct {
		name string
		make func(*State)
		want string // part of the problem; empty when well
	}{
		{"healthy", func(s *State) {}, ""},
		{"A25 refused by the bucket", func(s *State) { s.Status.DeliveryError = "AccessDenied" }, "cannot deliver log files to the bucket logs: AccessDenied"},
		{"A25 old without an error: timed out", func(s *State) { s.Status.Delivered = noon.Add(-31 * time.Minute) }, "latest log file was delivered 31 minutes ago"},
		{"A25 at the limit", func(s *State) { s.Status.Delivered = noon.Add(-30 * time.Minute) }, ""},
		{"never delivered, just started", func(s *State) { s.Status = Status{Logging: true, Started: noon.Add(-30 * time.Minute)} }, ""},
		{"never delivered, started long ago", func(s *State) { s.Status = Status{Logging: true, Started: noon.Add(-72 * time.Hour)} }, "no log file was delivered since the trail was started 3 days ago; no digest file"},
		{"started again after a long stop", func(s *State) { s.Status.Started, s.Status.Delivered = noon.Add(-time.Minute), noon.Add(-48*time.Hour) }, ""},
		{"A26 old digest", func(s *State) { s.Status.DigestDelivered = noon.Add(-3 * time.Hour) }, "latest digest file was delivered 3 hours ago"},
		{"old digest without validation", func(s *State) { s.Status.DigestDelivered, s.Validation = noon.Add(-3*time.Hour), false }, ""},
		{"A26 digest refused", func(s *State) { s.Status.DigestError = "AccessDenied" }, "cannot deliver digest files"},
		{"log group refused", func(s *State) { s.Status.LogsError = "Access denied." }, "cannot deliver events to the log group"},
		{"topic gone", func(s *State) { s.Status.NotificationsError = "NotFound" }, "cannot deliver notices to the topic"},
		{"stopped", func(s *State) { s.Status = Status{DeliveryError: "AccessDenied"} }, ""},
		{"gone", func(s *State) { s.Exists = false }, ""},
	} {
		s := State{ARN: main, Exists: true, Settings: pinned(), Status: healthy, Read: Groups()}
		test.make(&s)
		problem, ok := Delivery(s, noon)
		if ok != (test.want == "") || ok != (problem == "") || !strings.Contains(problem, test.want) {
			t.Errorf("%s: %v %q, want %q", test.name, ok, problem, test.want)
		}
	}
}

// TestToggled (A27): stopped and started between two readings, and logging at both.
func TestToggled(t *testing.T) {
	before := Status{Logging: true, Started: noon}
	for name, test := range map[string]struct {
		after Status
		want  bool
	}{
		"nothing":              {before, false},
		"stopped and started":  {Status{Logging: true, Stopped: noon.Add(time.Second), Started: noon.Add(2 * time.Second)}, true},
		"stopped since":        {Status{Stopped: noon.Add(time.Second), Started: noon}, true},
		"started again":        {Status{Logging: true, Started: noon.Add(time.Second)}, true},
		"an older answer":      {Status{Logging: true, Started: noon.Add(-time.Second)}, false},
		"only delivered since": {Status{Logging: true, Started: noon, Delivered: noon.Add(time.Hour)}, false},
	} {
		if got := Toggled(before, test.after); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestJudgeRequirements(t *testing.T) {
	const member, management = "444455556666", "111122223333"
	org := State{ARN: ARN{"aws", "eu-central-1", management, "org"}, Exists: true, Settings: pinned(), Read: Groups()}
	org.Organization = true
	local := State{ARN: ARN{"aws", "us-east-1", member, "local"}, Exists: true, Settings: Settings{Logging: true, Bucket: "logs", GlobalEvents: true}, Read: Groups()}
	r := Requirement{
		Name: "all", Accounts: []string{management, member}, Regions: []string{"eu-central-1", "us-east-1"}, Management: management,
		Read: true, Write: true, Bucket: "logs",
	}
	change := func(s State, f func(*State)) State { f(&s); return s }
	for _, test := range []struct {
		name   string
		r      Requirement
		states []State
		want   []Unmet
	}{
		{"the organization's trail covers all", r, []State{org}, nil},
		{"it does not cover a stranger", change2(r, func(r *Requirement) { r.Management = "" }), []State{org}, []Unmet{
			{"all", member, r.Regions, "No trail reaches this place."},
		}},
		{"stopped, and a local one in one Region", r, []State{change(org, func(s *State) { s.Logging = false }), local}, []Unmet{
			{"all", management, r.Regions, "The trail arn:aws:cloudtrail:eu-central-1:111122223333:trail/org is not logging."},
			{"all", member, []string{"eu-central-1"}, "The trail arn:aws:cloudtrail:eu-central-1:111122223333:trail/org is not logging."},
		}},
		{"half of it in one trail and half in another is not one trail", change2(r, func(r *Requirement) { r.Accounts = []string{member}; r.Regions = []string{"us-east-1"} }),
			[]State{change(local, func(s *State) { s.Selectors = basic(readOnly) }), change(local, func(s *State) { s.ARN.Name, s.Selectors = "two", basic(writing) })}, []Unmet{
				{"all", member, []string{"us-east-1"}, "The trail arn:aws:cloudtrail:us-east-1:444455556666:trail/local does not record all management events that change something." +
					" The trail arn:aws:cloudtrail:us-east-1:444455556666:trail/two does not record all read-only management events."},
			}},
		{"selectors that were not read do not count", change2(r, func(r *Requirement) { r.Accounts = []string{management}; r.Regions = r.Regions[:1] }),
			[]State{change(org, func(s *State) { s.Read = []Group{GroupLogging, GroupSettings} })}, []Unmet{
				{"all", management, []string{"eu-central-1"}, "The trail arn:aws:cloudtrail:eu-central-1:111122223333:trail/org does not record all read-only management events," +
					" and does not record all management events that change something."},
			}},
		{"everything is asked for", change2(r, func(r *Requirement) {
			r.Accounts, r.Regions = []string{member}, []string{"us-east-1"}
			r.Validated, r.MultiRegion, r.Organization, r.Global, r.Bucket = true, true, true, true, "safe"
		}), []State{local}, []Unmet{
			{"all", member, []string{"us-east-1"}, "The trail arn:aws:cloudtrail:us-east-1:444455556666:trail/local does not validate its log files," +
				" and delivers to the bucket logs instead of safe, and is there for one Region only, and is there for one account only."},
		}},
		{"deleted", r, []State{{ARN: org.ARN}}, []Unmet{
			{"all", management, r.Regions, "No trail reaches this place."}, {"all", member, r.Regions, "No trail reaches this place."},
		}},
	} {
		if d := cmp.Diff(test.want, Judge([]Requirement{test.r}, test.states)); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, d)
		}
	}
}

func change2(r Requirement, f func(*Requirement)) Requirement { f(&r); return r }
