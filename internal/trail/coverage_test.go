package trail

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestLossInWords: people read these sentences, and machines the names.
func TestLossInWords(t *testing.T) {
	before := State{ARN: main, Exists: true, Settings: pinned(), Read: Groups()}
	before.Topic, before.Organization = "arn:topic", true
	before.Selectors = advanced([]FieldSelector{mgmt}, dataOf(s3), []FieldSelector{eq("eventCategory", "NetworkActivity"), eq("eventSource", "kms.amazonaws.com")})
	before.EventConfig = EventConfig{
		Aggregations: []Aggregation{{"Data", []string{"API_ACTIVITY"}}}, ContextKeys: []ContextKeys{{"TagContext", []string{"team"}}}, MaxEventSize: "Large",
	}
	after := before
	after.Settings = Settings{Bucket: "evil", Key: "arn:evil", LogGroup: "arn:evil", LogRole: "arn:evil"}
	after.Selectors = advanced(
		[]FieldSelector{mgmt, eq("readOnly", "false"), {Field: "eventSource", NotEquals: []string{"kms.amazonaws.com"}}},
		with(dataOf(s3), eq("readOnly", "true")),
	)
	want := []Loss{
		{"logging", "", "The trail does not record: no event is delivered."},
		{"management_read", "", "Read-only management events are no longer recorded."},
		{"management_write", "", "Management events that change something are recorded only where eventSource not is kms.amazonaws.com."},
		{"data", s3, "Writing data events of AWS::S3::Object are no longer recorded."},
		{"network_activity", "kms.amazonaws.com", "Network activity events of kms.amazonaws.com are no longer recorded."},
		{"insights", "ApiCallRateInsight on Management events", "Insights events are no longer recorded: ApiCallRateInsight on Management events."},
		{"regions", "", "Events of all Regions but eu-central-1 are no longer recorded."},
		{"global_services", "", "Events of global services (IAM, STS, CloudFront) are no longer recorded."},
		{"accounts", "", "Events of the organization's other accounts are no longer recorded."},
		{"validation", "", "Log files are delivered without digest files: changed or deleted ones can no longer be proven."},
		{"bucket", "", "Log files no longer go to the bucket logs but to evil."},
		{"prefix", "", "Log files lie under no prefix instead of org: who looks there finds nothing new."},
		{"key", "", "Log files are encrypted with the key arn:evil: only who may use that key can read them."},
		{"log_group", "", "Events no longer go to the log group arn:aws:logs:eu-central-1:111122223333:log-group:trail: its filters and alarms see nothing."},
		{"topic", "", "The topic arn:topic is no longer told of new log files."},
		{"aggregation", "API_ACTIVITY of Data events", "Summaries are no longer delivered: API_ACTIVITY of Data events."},
		{"enrichment", "TagContext team", "Events no longer carry: TagContext team."},
		{"event_size", "", "Long events are cut short."},
	}
	if d := cmp.Diff(want, Lost(CoverageOf(before), CoverageOf(after))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestEachDriftSaysItsCost: a drift alone costs what its own field takes away.
func TestEachDriftSaysItsCost(t *testing.T) {
	b := Baseline{ARN: main, Want: pinned()}
	s := State{ARN: main, Exists: true, Settings: pinned(), Read: Groups()}
	s.Logging, s.Validation, s.MultiRegion, s.Tags, s.Topic = false, false, false, nil, "arn:added"
	got := map[Field][]string{}
	for _, d := range Compare(b, s) {
		got[d.Field] = nil
		for _, l := range d.Lost {
			got[d.Field] = append(got[d.Field], l.Name)
		}
	}
	want := map[Field][]string{
		FieldLogging: {"logging"}, FieldValidation: {"validation"}, FieldMultiRegion: {"regions", "global_services"}, FieldTags: {"tags"}, FieldTopic: nil,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestCoverageClaimsNothingUnread(t *testing.T) {
	s := State{ARN: main, Exists: true, Settings: pinned(), Read: []Group{GroupLogging}}
	want := Coverage{Trail: true, Logging: true, Home: main.Region, Account: main.Account}
	if d := cmp.Diff(want, CoverageOf(s)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	v := Sampled(main).Verdict(State{ARN: main}, Plan{})
	if d := cmp.Diff(want, v.Before); d != "" {
		t.Errorf("of a trail that nobody pinned and that is gone, all that is known is that it was to log:\n%s", d)
	}
	v = Baseline{ARN: main, Want: pinned()}.Verdict(State{ARN: main, Exists: true, Settings: Settings{Logging: false}, Read: []Group{GroupLogging}}, Plan{})
	if len(v.Lost) != 1 || v.Lost[0].Name != "logging" || len(v.Unread) != 5 {
		t.Errorf("what was not read is not lost: %+v, unread %v", v.Lost, v.Unread)
	}
}

// TestCoverageClaimsNothingUnclear: a selector that does not say outright what it is about may be about anything.
func TestCoverageClaimsNothingUnclear(t *testing.T) {
	s := State{ARN: main, Exists: true, Read: []Group{GroupSelectors}}
	s.Selectors = advanced(
		[]FieldSelector{eq("eventCategory", "Data"), {Field: "resources.type", StartsWith: []string{"AWS::S3"}}},
		[]FieldSelector{eq("eventCategory", "Data")},
		[]FieldSelector{eq("eventCategory", "NetworkActivity")},
		[]FieldSelector{{Field: "eventCategory", NotEquals: []string{"Data"}}},
		[]FieldSelector{mgmt, {Field: "readOnly", NotEquals: []string{"true"}}},
	)
	if d := cmp.Diff(Coverage{Trail: true, Home: main.Region, Account: main.Account}, CoverageOf(s)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestGlobalServicesByRegion: a trail of one Region has the events of global services only where they are recorded.
func TestGlobalServicesByRegion(t *testing.T) {
	for region, want := range map[string]bool{"us-east-1": true, "eu-central-1": false, "us-gov-west-1": true, "us-gov-east-1": false} {
		s := State{ARN: ARN{PartitionOf(region), region, main.Account, "main"}, Exists: true, Read: Groups(), Settings: Settings{GlobalEvents: true}}
		if got := CoverageOf(s).Global; got != want {
			t.Errorf("%s: %v", region, got)
		}
		s.GlobalEvents = false
		if CoverageOf(s).Global {
			t.Errorf("%s: switched off, and claimed", region)
		}
	}
}

// TestCoversIsAnOrder: nothing is lost from a thing to itself, and what is covered by what is covered is covered.
func TestCoversIsAnOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func() Coverage {
			s := State{ARN: main, Exists: rapid.IntRange(0, 9).Draw(rt, "exists") > 0, Settings: genSettings(rt), Read: Groups()}
			s.Bucket, s.Prefix, s.Key, s.LogGroup, s.Topic = "b", "", "", "", "" // more often alike
			return CoverageOf(s)
		}
		a, b, c := draw(), draw(), draw()
		if !Covers(a, a) {
			rt.Fatalf("something is lost from a thing to itself: %+v", Lost(a, a))
		}
		if Covers(a, b) && Covers(b, c) && !Covers(a, c) {
			rt.Fatalf("a covers b covers c, and a lacks %+v", Lost(c, a))
		}
	})
}

// largest are the largest selectors that CloudTrail takes: as many conditions, and as many values, as there may be.
func largest() map[string]Selectors {
	var many Selectors
	var values []string
	for i := range 166 {
		many.Advanced = append(many.Advanced, AdvancedSelector{Fields: with(dataOf(s3), FieldSelector{Field: "eventName", NotEquals: []string{fmt.Sprint(i)}, EndsWith: []string{fmt.Sprint(i)}})})
	}
	for i := range 500 {
		values = append(values, fmt.Sprintf("arn:aws:s3:::b%d/", i))
	}
	one := advanced(with(dataOf(s3), FieldSelector{Field: "resources.ARN", NotStartsWith: values[:250], StartsWith: values[250:]}))
	return map[string]Selectors{"many conditions": many, "many values": one}
}

// TestLargestSelectors: an attacker may use every value that CloudTrail allows, in the worst arrangement.
func TestLargestSelectors(t *testing.T) {
	for name, s := range largest() {
		state := State{ARN: main, Exists: true, Settings: pinned(), Read: Groups()}
		state.Selectors = s
		plan := Repair(Baseline{ARN: main, Want: pinned(), Repair: Groups()}, state)
		if !slices.ContainsFunc(plan.Actions, func(a Action) bool { return a.Op == PutEventSelectors }) {
			t.Errorf("%s: the selectors are not put back", name)
		}
	}
}

// BenchmarkLargestSelectors is the worst that an attacker can make of a comparison.
func BenchmarkLargestSelectors(b *testing.B) {
	for name, s := range largest() {
		b.Run(name, func(b *testing.B) {
			state := State{ARN: main, Exists: true, Settings: pinned(), Read: Groups()}
			state.Selectors = s
			for b.Loop() {
				Repair(Baseline{ARN: main, Want: pinned(), Repair: Groups()}, state)
			}
		})
	}
}
