package incident

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// pin is a trail with every setting set, changed.
func pin(change ...func(*trail.Settings)) *trail.Settings {
	s := &trail.Settings{
		Logging: true, Bucket: "logs", Prefix: "org", Topic: "arn:aws:sns:eu-central-1:111122223333:notices",
		Key:         "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555",
		LogGroup:    "arn:aws:logs:eu-central-1:111122223333:log-group:trail:*",
		LogRole:     "arn:aws:iam::111122223333:role/trail-to-logs",
		MultiRegion: true, GlobalEvents: true, Organization: true, Validation: true,
		Selectors: trail.Selectors{Basic: []trail.Selector{{ReadWrite: "All", Management: true,
			Data: []trail.DataResource{{Type: "AWS::S3::Object", Values: []string{"arn:aws:s3:::logs/"}}}}}},
		Insights: []trail.Insight{{Type: "ApiCallRateInsight"}, {Type: "ApiErrorRateInsight"}},
		EventConfig: trail.EventConfig{MaxEventSize: "Large",
			ContextKeys: []trail.ContextKeys{{Type: "TagContext", Equals: []string{"team"}}}},
		Tags: map[string]string{"protected": "yes"},
	}
	for _, f := range change {
		f(s)
	}
	return s
}

// selecting pins other selectors, in the form in which records show them.
func selecting(params string) *trail.Settings {
	var p map[string]json.RawMessage
	if err := json.Unmarshal([]byte(params), &p); err != nil {
		panic(err)
	}
	var d decoder
	return pin(func(s *trail.Settings) {
		s.Selectors = trail.Selectors{}
		for _, raw := range d.list(p["eventSelectors"]) {
			s.Selectors.Basic = append(s.Selectors.Basic, d.basicSelector(raw))
		}
		for _, raw := range d.list(p["advancedEventSelectors"]) {
			s.Selectors.Advanced = append(s.Selectors.Advanced, d.advancedSelector(raw))
		}
	})
}

// sample is one record for which a rule holds and one of the same call for which it does not.
type sample struct {
	pinned  *trail.Settings
	yes, no string // requestParameters
	// elsewhere marks rules that hold whatever the parameters: their false sample is another service's call.
	elsewhere bool
}

const (
	network1 = `{"fieldSelectors":[{"field":"eventCategory","equals":["NetworkActivity"]},{"field":"eventSource","equals":["kms.amazonaws.com"]}]}`
	manage1  = `{"fieldSelectors":[{"field":"eventCategory","equals":["Management"]}]}`
	objects  = `{"fieldSelectors":[{"field":"eventCategory","equals":["Data"]},{"field":"resources.type","equals":["AWS::S3::Object"]}]}`
)

func advanced(selectors ...string) string {
	return `{"trailName":"main","advancedEventSelectors":[` + strings.Join(selectors, ",") + `]}`
}

func basic(selectors ...string) string {
	return `{"trailName":"main","eventSelectors":[` + strings.Join(selectors, ",") + `]}`
}

var samples = map[string]sample{
	"trail.stop":         {yes: `{"name":"main"}`, elsewhere: true},
	"trail.start":        {yes: `{"name":"main"}`, elsewhere: true},
	"trail.delete":       {yes: `{"name":"main"}`, elsewhere: true},
	"trail.tags.removed": {yes: `{"resourceId":"arn:aws:cloudtrail:eu-central-1:111122223333:trail/main","tagsList":[{"key":"x"}]}`, elsewhere: true},

	"trail.update.multi-region-off":  {yes: `{"name":"main","isMultiRegionTrail":false}`, no: `{"name":"main","isMultiRegionTrail":"false"}`},
	"trail.update.global-events-off": {yes: `{"name":"main","includeGlobalServiceEvents":false}`, no: `{"name":"main","includeGlobalServiceEvents":true}`},
	"trail.update.validation-off":    {yes: `{"name":"main","enableLogFileValidation":false}`, no: `{"name":"main","logFileValidationEnabled":false}`},
	"trail.update.bucket-changed":    {pinned: pin(), yes: `{"name":"main","s3BucketName":"mine"}`, no: `{"name":"main","s3BucketName":"logs"}`},
	"trail.update.prefix-changed":    {pinned: pin(), yes: `{"name":"main","s3KeyPrefix":""}`, no: `{"name":"main","s3KeyPrefix":"org"}`},
	"trail.update.kms-removed":       {pinned: pin(), yes: `{"name":"main","kmsKeyId":""}`, no: `{"name":"main","kmsKeyId":null}`},
	"trail.update.kms-changed": {pinned: pin(), yes: `{"name":"main","kmsKeyId":"99999999-2222-3333-4444-555555555555"}`,
		no: `{"name":"main","kmsKeyId":"11111111-2222-3333-4444-555555555555"}`},
	"trail.update.cwl-removed": {pinned: pin(), yes: `{"name":"main","cloudWatchLogsLogGroupArn":"","cloudWatchLogsRoleArn":""}`,
		no: `{"name":"main","cloudWatchLogsLogGroupArn":"arn:aws:logs:eu-central-1:111122223333:log-group:other:*"}`},
	"trail.update.cwl-changed": {pinned: pin(), yes: `{"name":"main","cloudWatchLogsLogGroupArn":"arn:aws:logs:eu-central-1:111122223333:log-group:other:*"}`,
		no: `{"name":"main","cloudWatchLogsLogGroupArn":"arn:aws:logs:eu-central-1:111122223333:log-group:trail"}`},
	"trail.update.sns-changed": {pinned: pin(), yes: `{"name":"main","snsTopicName":""}`, no: `{"name":"main","snsTopicName":"notices"}`},
	"trail.update.org-off":     {pinned: pin(), yes: `{"name":"main","isOrganizationTrail":false}`, no: `{"name":"main","isOrganizationTrail":true}`},
	"trail.update":             {yes: `{"name":"main","s3BucketName":"mine"}`, no: `{"name":"main","isMultiRegionTrail":false}`},

	"trail.selectors.mgmt-off": {yes: basic(`{"readWriteType":"All","includeManagementEvents":false}`),
		no: basic(`{"includeManagementEvents":true}`, `{"includeManagementEvents":false}`)},
	"trail.selectors.readonly": {yes: basic(`{"readWriteType":"ReadOnly","includeManagementEvents":true}`, `{"readWriteType":"All","includeManagementEvents":false}`),
		no: basic(`{"readWriteType":"ReadOnly"}`, `{"readWriteType":"WriteOnly"}`)},
	"trail.selectors.writeonly": {yes: basic(`{"readWriteType":"WriteOnly","includeManagementEvents":true}`),
		no: basic(`{"readWriteType":"WriteOnly"}`, `{"readWriteType":"All"}`)},
	"trail.selectors.exclude-source": {yes: basic(`{"excludeManagementEventSources":["kms.amazonaws.com"]}`),
		no: basic(`{"excludeManagementEventSources":["kms.amazonaws.com"]}`, `{"excludeManagementEventSources":["rdsdata.amazonaws.com"]}`)},
	"trail.selectors.data-narrowed": {pinned: pin(), yes: basic(`{"dataResources":[{"type":"AWS::S3::Object","values":["arn:aws:s3:::logs/2026/"]}]}`),
		no: basic(`{"dataResources":[{"type":"AWS::S3::Object","values":["arn:aws:s3"]}]}`)},
	"trail.selectors.adv-no-mgmt": {yes: advanced(`{"name":"Management events selector","fieldSelectors":[{"field":"eventCategory","equals":["Data"]}]}`),
		no: advanced(manage1)},
	"trail.selectors.adv-mgmt-narrowed": {yes: advanced(`{"fieldSelectors":[{"field":"eventCategory","equals":["Management"]},{"field":"readOnly","equals":["true"]}]}`),
		no: advanced(`{"fieldSelectors":[{"field":"eventCategory","equals":["Management"]},{"field":"readOnly","equals":["true"]}]}`,
			`{"fieldSelectors":[{"field":"eventCategory","equals":["Management"]},{"field":"readOnly","equals":["false"]}]}`)},
	"trail.selectors.adv-data-narrowed": {pinned: pin(),
		yes: advanced(manage1, `{"fieldSelectors":[{"field":"eventCategory","equals":["Data"]},{"field":"resources.type","equals":["AWS::S3::Object"]},{"field":"userIdentity.arn","notEquals":["arn:aws:iam::111122223333:user/mallory"]}]}`),
		no:  advanced(manage1, objects)},
	"trail.selectors.adv-network-narrowed": {pinned: selecting(advanced(manage1, network1)), yes: advanced(manage1), no: advanced(network1, manage1)},
	"trail.selectors":                      {yes: basic(`{"readWriteType":"All"}`), no: basic(`{"includeManagementEvents":false}`)},

	"trail.insights.off": {pinned: pin(), yes: `{"trailName":"main","insightSelectors":[{"insightType":"ApiCallRateInsight"}]}`,
		no: `{"trailName":"main","insightSelectors":[{"insightType":"ApiErrorRateInsight"},{"insightType":"ApiCallRateInsight","eventCategories":["Management","Data"]}]}`},
	"trail.insights": {yes: `{"trailName":"main","insightSelectors":[{"insightType":"ApiCallRateInsight"}]}`, no: `{"trailName":"main","insightSelectors":[]}`},

	"trail.eventconfig":         {pinned: pin(), yes: `{"trailName":"main","maxEventSize":"Standard"}`, no: `{"trailName":"main","maxEventSize":"Large"}`},
	"trail.event_configuration": {yes: `{"trailName":"main","maxEventSize":"Standard"}`},

	"trail.tags.overwritten": {pinned: pin(), yes: `{"resourceId":"main","tagsList":[{"key":"protected","value":"no"}]}`,
		no: `{"resourceId":"main","tagsList":[{"key":"Protected","value":"no"}]}`},
	"trail.tags": {yes: `{"resourceId":"main","tagsList":[{"key":"protected","value":"no"}]}`},

	"trail.decoy":  {pinned: pin(), yes: `{"name":"main","s3BucketName":"mine"}`, no: `{"name":"main","s3BucketName":"logs"}`},
	"trail.create": {pinned: pin(), yes: `{"name":"main","s3BucketName":"logs"}`, no: `{"name":"main","s3BucketName":"mine"}`},
}

func asking(name, params string) event.Record {
	r := record(name)
	if params != "" {
		r.Request = json.RawMessage(params)
	}
	return r
}

func ids(findings []Finding) []string {
	out := []string{}
	for _, f := range findings {
		out = append(out, f.Rule)
	}
	return out
}

// TestSamples holds every rule against its true sample, refused and not, versioned and as a namesake of
// another service, and against its false one.
func TestSamples(t *testing.T) {
	if len(samples) != len(Rules) {
		t.Errorf("%d rules, %d samples", len(Rules), len(samples))
	}
	for _, rule := range Rules {
		t.Run(rule.ID, func(t *testing.T) {
			s := samples[rule.ID]
			r := asking(rule.Event, s.yes)
			findings := Findings(r, s.pinned)
			i := slices.Index(ids(findings), rule.ID)
			if i < 0 {
				t.Fatalf("true sample: %v", ids(findings))
			}
			f := findings[i]
			if f.Severity != rule.Severity || f.Attempt || f.Attack != rule.Attack || !strings.HasPrefix(f.Text, rule.Event+" took effect: "+rule.Effect) {
				t.Errorf("%+v", f)
			}

			r.ErrorCode = "TrailNotFoundException" // unlike AccessDenied, this leaves the parameters in the record
			refused := Findings(r, s.pinned)
			if i = slices.Index(ids(refused), rule.ID); i < 0 {
				t.Fatalf("refused: %v", ids(refused))
			}
			if f := refused[i]; !f.Attempt || f.Severity.Rank() > Medium.Rank() || !strings.Contains(f.Text, "refused by AWS: nothing changed") || !strings.Contains(f.Text, rule.Aim) {
				t.Errorf("refused: %+v", f)
			}

			for _, version := range []string{"20131101", "20240101v2"} {
				r := asking(rule.Event+version, s.yes)
				if !slices.Contains(ids(Findings(r, s.pinned)), rule.ID) {
					t.Errorf("%s is not judged as %s", r.Name, rule.Event)
				}
			}
			namesake := asking(rule.Event, s.yes)
			namesake.Source = "kinesis.amazonaws.com"
			if got := Findings(namesake, s.pinned); got != nil {
				t.Errorf("a call of another service is taken for CloudTrail's: %v", ids(got))
			}

			if s.no == "" {
				return
			}
			other := asking(rule.Event, s.no)
			if got := ids(Findings(other, s.pinned)); slices.Contains(got, rule.ID) || len(got) == 0 {
				t.Errorf("false sample: %v", got)
			}
		})
	}
}

// TestRowsDecide: each row is told from the others of its call by its predicate alone. Without it the row
// would hold for its false sample; the row that stands for the rest has one only if there is a rest.
func TestRowsDecide(t *testing.T) {
	seen := map[string]bool{}
	for _, rule := range Rules {
		if seen[rule.ID] {
			t.Errorf("two rows are %s", rule.ID)
		}
		seen[rule.ID] = true
		s := samples[rule.ID]
		if rule.holds == nil {
			family, ok := RuleFor(record(rule.Event))
			if !ok || family.ID != rule.ID {
				t.Errorf("%s: two rows stand for the rest of %s", rule.ID, rule.Event)
			}
			if (rule.settled == nil) != s.elsewhere {
				t.Errorf("%s: whether its parameters matter is not settled", rule.ID)
			}
			continue
		}
		if c := readCall(asking(rule.Event, s.yes), s.pinned, nil); !c.known || !rule.holds(c) {
			t.Errorf("%s does not hold for its true sample", rule.ID)
		}
		if c := readCall(asking(rule.Event, s.no), s.pinned, nil); !c.known || s.no == "" || rule.holds(c) {
			t.Errorf("%s has no false sample of its own call", rule.ID)
		}
		if rule.When == "" || rule.Aim == "" || rule.Effect == "" || rule.settled != nil {
			t.Errorf("%s: incomplete row", rule.ID)
		}
	}
}
