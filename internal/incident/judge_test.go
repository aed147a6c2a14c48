package incident

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

const wholeForm = `{"name":"main","s3BucketName":"logs","s3KeyPrefix":"","snsTopicName":"","kmsKeyId":"","isMultiRegionTrail":false,` +
	`"isOrganizationTrail":false,"includeGlobalServiceEvents":false,"enableLogFileValidation":false,` +
	`"cloudWatchLogsLogGroupArn":"","cloudWatchLogsRoleArn":""}`

const exempting = `{"fieldSelectors":[{"field":"eventCategory","equals":["Data"]},{"field":"resources.type","equals":["AWS::S3::Object"]},` +
	`{"field":"userIdentity.arn","notEquals":["arn:aws:iam::111122223333:user/backup"]}]}`

// minimize is one call that takes from a trail what it can, as attack tools make it.
const minimize = `{"name":"main","snsTopicName":"","includeGlobalServiceEvents":false,"isMultiRegionTrail":false,` +
	`"enableLogFileValidation":false,"cloudWatchLogsLogGroupArn":"","cloudWatchLogsRoleArn":"","kmsKeyId":""}`

// TestFindings: which rules hold, the highest severity first. "~" marks a finding whose severity is info.
func TestFindings(t *testing.T) {
	reader := basic(`{"readWriteType":"ReadOnly"}`)
	tests := map[string]struct {
		call, params string
		response     string
		pinned       *trail.Settings
		change       func(*event.Record)
		want         string
	}{
		"one call, several rules": {call: "UpdateTrail", params: minimize, pinned: pin(),
			want: "trail.update.multi-region-off trail.update.global-events-off trail.update.validation-off trail.update.cwl-removed trail.update.kms-removed trail.update.sns-changed"},
		"the same with nothing pinned: no change is claimed of what may have been empty before": {call: "UpdateTrail", params: minimize,
			want: "trail.update.multi-region-off trail.update.global-events-off trail.update.validation-off"},
		"the console's whole form with nothing pinned": {call: "UpdateTrail", params: wholeForm, want: "trail.update"},
		"the console's whole form against what is pinned": {call: "UpdateTrail", params: wholeForm, pinned: pin(),
			want: "trail.update.multi-region-off trail.update.org-off trail.update.global-events-off trail.update.validation-off trail.update.prefix-changed trail.update.cwl-removed trail.update.kms-removed trail.update.sns-changed"},
		"a session of the console, nothing pinned": {call: "UpdateTrail", params: `{"name":"main","isMultiRegionTrail":false}`,
			change: func(r *event.Record) { r.Actor.Console = true }, want: "trail.update"},
		"the whole form restates what is pinned": {call: "UpdateTrail", params: wholeForm, pinned: &trail.Settings{Bucket: "logs"}, want: "~trail.update"},
		"stricter than pinned":                   {call: "UpdateTrail", params: `{"name":"main","enableLogFileValidation":true}`, pinned: &trail.Settings{Bucket: "logs"}, want: "~trail.update"},
		"an unknown member settles nothing":      {call: "UpdateTrail", params: `{"name":"main","recordNothing":true}`, pinned: pin(), want: "trail.update"},
		"members of another case are no members": {call: "UpdateTrail", params: `{"name":"main","IsMultiRegionTrail":false}`, pinned: pin(), want: "trail.update"},
		"an organization's trail of which nothing is pinned may always have been one account's": {call: "UpdateTrail",
			params: `{"name":"main","isOrganizationTrail":false}`, want: "trail.update"},
		"a flag that is no boolean does not hide the next": {call: "UpdateTrail", params: `{"name":"main","isMultiRegionTrail":"false","enableLogFileValidation":false}`, pinned: pin(),
			want: "trail.update.validation-off"},
		"global events go off with the other Regions, says the answer": {call: "UpdateTrail", params: `{"name":"main","isMultiRegionTrail":false}`, pinned: pin(),
			response: `{"name":"main","isMultiRegionTrail":false,"includeGlobalServiceEvents":false,"logFileValidationEnabled":false}`,
			want:     "trail.update.multi-region-off trail.update.global-events-off"},
		"an alias, resolved by the answer to the pinned key": {call: "UpdateTrail", params: `{"name":"main","kmsKeyId":"alias/logs"}`, pinned: pin(),
			response: `{"kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555"}`, want: "~trail.update"},
		"an alias, resolved by the answer to another key": {call: "UpdateTrail", params: `{"name":"main","kmsKeyId":"alias/logs"}`, pinned: pin(),
			response: `{"kmsKeyId":"arn:aws:kms:eu-central-1:999999999999:key/11111111-2222-3333-4444-555555555555"}`, want: "trail.update.kms-changed"},
		"an alias that nothing resolves": {call: "UpdateTrail", params: `{"name":"main","kmsKeyId":"alias/logs"}`, pinned: pin(), want: "trail.update"},
		"a key where none is pinned": {call: "UpdateTrail", params: `{"name":"main","kmsKeyId":"alias/mine"}`,
			pinned: pin(func(s *trail.Settings) { s.Key = "" }), want: "trail.update.kms-changed"},
		"a topic of the same name in another account": {call: "UpdateTrail", params: `{"name":"main","snsTopicName":"notices"}`,
			pinned: pin(func(s *trail.Settings) { s.Topic = "arn:aws:sns:eu-central-1:999999999999:notices" }), want: "trail.update.sns-changed"},
		"a topic where none is pinned": {call: "UpdateTrail", params: `{"name":"main","snsTopicName":"notices"}`,
			pinned: pin(func(s *trail.Settings) { s.Topic = "" }), want: "trail.update.sns-changed"},
		"a role alone": {call: "UpdateTrail", params: `{"name":"main","cloudWatchLogsRoleArn":"arn:aws:iam::111122223333:role/cannot"}`, pinned: pin(), want: "trail.update.cwl-changed"},
		"a bucket that is not pinned, though the rest is": {call: "UpdateTrail", params: `{"name":"main","s3BucketName":"mine"}`,
			pinned: pin(func(s *trail.Settings) { s.Bucket = "" }), want: "trail.update"},

		"null parameters": {call: "UpdateTrail", pinned: pin(), want: "trail.update"},
		"parameters too large": {call: "UpdateTrail", params: `{"reason":"requestParameters too large","omitted":true,"originalSize":123456}`, pinned: pin(),
			want: "trail.update"},
		"selectors too large":        {call: "PutEventSelectors", params: `{"reason":"requestParameters too large","omitted":true,"originalSize":123456}`, pinned: pin(), want: "trail.selectors"},
		"parameters that are a list": {call: "PutEventSelectors", params: `[]`, pinned: pin(), want: "trail.selectors"},
		"created, name unknown":      {call: "CreateTrail", want: "trail.create"},
		"created, nothing pinned":    {call: "CreateTrail", params: `{"name":"second","s3BucketName":"logs"}`, want: "trail.decoy"},

		"real selector set of 2019: writes are gone": {call: "PutEventSelectors", want: "trail.selectors.readonly",
			params: basic(`{"readWriteType":"ReadOnly","includeManagementEvents":true}`, `{"readWriteType":"All","includeManagementEvents":false,"dataResources":[{"type":"AWS::S3::Object","values":["arn:aws:s3"]}]}`)},
		"what attack tools put: nothing but empty data resources": {call: "PutEventSelectors", pinned: pin(), want: "trail.selectors.mgmt-off trail.selectors.data-narrowed",
			params: basic(`{"readWriteType":"ReadOnly","includeManagementEvents":false,"dataResources":[{"type":"AWS::S3::Object","values":[]},{"type":"AWS::Lambda::Function","values":[]}],"excludeManagementEventSources":[]}`)},
		"no selectors at all":         {call: "PutEventSelectors", params: basic(), want: "trail.selectors.mgmt-off"},
		"an object instead of a list": {call: "PutEventSelectors", params: `{"trailName":"main","eventSelectors":{"readWriteType":"ReadOnly"}}`, want: "trail.selectors.readonly"},
		"a source instead of a list":  {call: "PutEventSelectors", params: basic(`{"excludeManagementEventSources":"kms.amazonaws.com"}`), want: "trail.selectors.exclude-source"},
		"a boolean that is a string":  {call: "PutEventSelectors", params: basic(`{"includeManagementEvents":"false"}`), want: "trail.selectors"},
		"only reads, as is pinned":    {call: "PutEventSelectors", params: reader, pinned: selecting(reader), want: "~trail.selectors"},
		"only reads, and only writes pinned": {call: "PutEventSelectors", params: reader, pinned: selecting(basic(`{"readWriteType":"WriteOnly"}`)),
			want: "trail.selectors.readonly"},
		"reads of KMS are left out, writes are not": {call: "PutEventSelectors", want: "trail.selectors.exclude-source",
			params: basic(`{"readWriteType":"ReadOnly","excludeManagementEventSources":["kms.amazonaws.com"]}`, `{"readWriteType":"WriteOnly"}`)},
		"the excluded source is pinned": {call: "PutEventSelectors", params: basic(`{"excludeManagementEventSources":["kms.amazonaws.com"]}`),
			pinned: selecting(basic(`{"excludeManagementEventSources":["kms.amazonaws.com","rdsdata.amazonaws.com"]}`)), want: "~trail.selectors"},
		"one more source than pinned": {call: "PutEventSelectors", params: basic(`{"excludeManagementEventSources":["kms.amazonaws.com","rdsdata.amazonaws.com"]}`),
			pinned: selecting(basic(`{"excludeManagementEventSources":["kms.amazonaws.com"]}`)), want: "trail.selectors.exclude-source"},
		"data events of writes only": {call: "PutEventSelectors", pinned: pin(), want: "trail.selectors.data-narrowed",
			params: basic(`{"readWriteType":"All"}`, `{"readWriteType":"WriteOnly","includeManagementEvents":false,"dataResources":[{"type":"AWS::S3::Object","values":["arn:aws:s3"]}]}`)},
		"data events in two halves": {call: "PutEventSelectors", pinned: pin(), want: "~trail.selectors",
			params: basic(`{"readWriteType":"ReadOnly","dataResources":[{"type":"AWS::S3::Object","values":["arn:aws:s3"]}]}`, `{"readWriteType":"WriteOnly","dataResources":[{"type":"AWS::S3::Object","values":["arn:aws:s3:::l"]}]}`)},
		"a function is no prefix of another": {call: "PutEventSelectors", want: "trail.selectors.data-narrowed",
			pinned: selecting(basic(`{"dataResources":[{"type":"AWS::Lambda::Function","values":["arn:aws:lambda:eu-central-1:111122223333:function:pay-out"]}]}`)),
			params: basic(`{"dataResources":[{"type":"AWS::Lambda::Function","values":["arn:aws:lambda:eu-central-1:111122223333:function:pay"]}]}`)},
		"advanced selectors of the same meaning": {call: "PutEventSelectors", params: advanced(objects, manage1), pinned: pin(), want: "~trail.selectors"},
		"basic selectors instead of advanced": {call: "PutEventSelectors", pinned: selecting(advanced(manage1, objects, network1)), want: "trail.selectors.data-narrowed trail.selectors.adv-network-narrowed",
			params: basic(`{"readWriteType":"All"}`)},
		"a name says nothing": {call: "PutEventSelectors", want: "trail.selectors.adv-mgmt-narrowed",
			params: advanced(`{"name":"Management events selector","fieldSelectors":[{"field":"eventCategory","equals":["Management"]},{"field":"eventSource","notEquals":["kms.amazonaws.com"]}]}`)},
		"one principal exempted, nothing pinned": {call: "PutEventSelectors", want: "trail.selectors.adv-data-narrowed",
			params: advanced(manage1, strings.TrimSuffix(objects, "]}")+`,{"field":"userIdentity.arn","notStartsWith":["arn:aws:sts::111122223333:assumed-role/mallory"]}]}`)},
		"exempted from one selector, recorded by the next": {call: "PutEventSelectors", want: "trail.selectors",
			params: advanced(manage1, objects, strings.TrimSuffix(objects, "]}")+`,{"field":"userIdentity.arn","notEquals":["x"]}]}`)},
		"both kinds, which AWS refuses": {call: "PutEventSelectors", pinned: pin(), want: "trail.selectors",
			params: `{"trailName":"main","eventSelectors":[{}],"advancedEventSelectors":[` + manage1 + `]}`},

		"an empty text for an empty list": {call: "PutEventSelectors", params: basic(`{"excludeManagementEventSources":""}`), pinned: selecting(basic(`{}`)), want: "~trail.selectors"},
		"more selectors than AWS takes":   {call: "PutEventSelectors", params: basic(strings.Repeat(`{"includeManagementEvents":false},`, 2000) + `{"includeManagementEvents":false}`), want: "trail.selectors"},
		"a boolean that is a string settles nothing": {call: "PutEventSelectors", params: basic(`{"includeManagementEvents":"true"}`), pinned: selecting(basic(`{}`)),
			want: "trail.selectors"},
		"a kind of access that there is not": {call: "PutEventSelectors", params: basic(`{"readWriteType":"Sometimes"}`), pinned: selecting(basic(`{}`)), want: "trail.selectors"},
		"no advanced selectors at all":       {call: "PutEventSelectors", params: advanced(), want: "trail.selectors.adv-no-mgmt"},
		"advanced selectors of data events":  {call: "PutEventSelectors", params: advanced(objects), want: "trail.selectors.adv-no-mgmt"},
		"only data events, as pinned": {call: "PutEventSelectors", params: basic(`{"includeManagementEvents":false,"dataResources":[{"type":"AWS::S3::Object","values":["arn:aws:s3"]}]}`),
			pinned: selecting(advanced(objects)), want: "~trail.selectors"},
		"only data events, as pinned, by advanced selectors": {call: "PutEventSelectors", params: advanced(objects), pinned: selecting(advanced(objects)), want: "~trail.selectors"},
		"only writes, as pinned": {call: "PutEventSelectors", params: basic(`{"readWriteType":"WriteOnly"}`), pinned: selecting(basic(`{"readWriteType":"WriteOnly"}`)),
			want: "~trail.selectors"},
		"writes of KMS are left out, reads are not": {call: "PutEventSelectors", want: "trail.selectors.exclude-source",
			params: basic(`{"readWriteType":"WriteOnly","excludeManagementEventSources":["kms.amazonaws.com"]}`, `{"readWriteType":"ReadOnly"}`)},
		"one principal exempted, as pinned": {call: "PutEventSelectors", params: advanced(manage1, exempting), pinned: selecting(advanced(manage1, exempting)), want: "~trail.selectors"},
		"all objects, in China": {call: "PutEventSelectors", params: basic(`{"dataResources":[{"type":"AWS::S3::Object","values":["arn:aws-cn:s3"]}]}`),
			pinned: selecting(advanced(manage1, objects)), change: func(r *event.Record) { r.Region = "cn-north-1" }, want: "~trail.selectors"},
		"an alias by its ARN, that nothing resolves": {call: "UpdateTrail", params: `{"name":"main","kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:alias/logs"}`, pinned: pin(),
			want: "trail.update"},
		"an alias is pinned, a key is asked for": {call: "UpdateTrail", params: `{"name":"main","kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:key/1"}`,
			pinned: pin(func(s *trail.Settings) { s.Key = "alias/logs" }), want: "trail.update"},
		"global events go off with the other Regions, nothing pinned: they may have been off": {call: "UpdateTrail", params: `{"name":"main","isMultiRegionTrail":false}`,
			response: `{"includeGlobalServiceEvents":false}`, want: "trail.update.multi-region-off"},
		"created, bucket not pinned": {call: "CreateTrail", params: `{"name":"main","s3BucketName":"logs"}`, pinned: &trail.Settings{}, want: "trail.create"},
		"Insights without selectors": {call: "PutInsightSelectors", params: `{"trailName":"main"}`, want: "trail.insights"},

		"Insights off, nothing pinned":      {call: "PutInsightSelectors", params: `{"trailName":"main","insightSelectors":[]}`, want: "trail.insights.off"},
		"Insights off, as pinned":           {call: "PutInsightSelectors", params: `{"trailName":"main","insightSelectors":[]}`, pinned: &trail.Settings{}, want: "~trail.insights"},
		"Insights moved to other events":    {call: "PutInsightSelectors", pinned: &trail.Settings{Insights: []trail.Insight{{Type: "ApiCallRateInsight"}}}, params: `{"insightSelectors":{"insightType":"ApiCallRateInsight","eventCategories":["Data"]}}`, want: "trail.insights.off"},
		"context keys removed":              {call: "PutEventConfiguration", params: `{"trailName":"main","contextKeySelectors":[]}`, pinned: pin(), want: "trail.eventconfig"},
		"aggregation where none is pinned":  {call: "PutEventConfiguration", params: `{"trailName":"main","aggregationConfigurations":[{"eventCategory":"Data","templates":["API_ACTIVITY"]}]}`, pinned: pin(), want: "trail.eventconfig"},
		"event configuration as pinned":     {call: "PutEventConfiguration", params: `{"trailName":"main","contextKeySelectors":[{"type":"TagContext","equals":["team"]}]}`, pinned: pin(), want: "~trail.event_configuration"},
		"a tag more":                        {call: "AddTags", params: `{"resourceId":"main","tagsList":{"key":"more","value":"1"}}`, pinned: pin(), want: "~trail.tags"},
		"tags of an event data store":       {call: "RemoveTags", params: `{"resourceId":"arn:aws:cloudtrail:eu-central-1:111122223333:eventdatastore/1","tagsList":[]}`, pinned: pin(), want: "cloudtrail.other"},
		"more tags of an event data store":  {call: "AddTags20131101", params: `{"resourceId":"arn:aws:cloudtrail:eu-central-1:111122223333:eventdatastore/1","tagsList":[]}`, want: "cloudtrail.other"},
		"a call that only reads":            {call: "GetTrail20131101", want: ""},
		"no version, only digits":           {call: "StopLogging2024", want: "cloudtrail.other"},
		"a version of nothing that we know": {call: "StopImport20131101", want: "cloudtrail.other"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := asking(test.call, test.params)
			if test.response != "" {
				r.Response = []byte(test.response)
			}
			if test.change != nil {
				test.change(&r)
			}
			var got []string
			for _, f := range Findings(r, test.pinned) {
				if f.Severity == Info {
					f.Rule = "~" + f.Rule
				}
				got = append(got, f.Rule)
			}
			if d := cmp.Diff(test.want, strings.Join(got, " ")); d != "" {
				t.Errorf("rules (-want +got):\n%s", d)
			}
		})
	}
}

// TestIgnoredFields: what the baseline ignores is not held against it, and does not hide the rest.
func TestIgnoredFields(t *testing.T) {
	for name, test := range map[string]struct {
		call, params, response string
		ignored                []trail.Field
		want                   string
		severity               Severity
	}{
		"the only one":                      {"UpdateTrail", `{"name":"main","s3BucketName":"mine"}`, "", []trail.Field{trail.FieldBucket}, "trail.update", Info},
		"one of two":                        {"UpdateTrail", `{"name":"main","s3BucketName":"mine","enableLogFileValidation":false}`, "", []trail.Field{trail.FieldBucket}, "trail.update.validation-off", High},
		"another":                           {"UpdateTrail", `{"name":"main","s3BucketName":"mine"}`, "", []trail.Field{trail.FieldPrefix}, "trail.update.bucket-changed", Critical},
		"beside a name that we do not know": {"UpdateTrail", `{"name":"main","s3BucketName":"mine","new":1}`, "", []trail.Field{trail.FieldBucket}, "trail.update", High},
		"a consequence": {"UpdateTrail", `{"name":"main","isMultiRegionTrail":false}`, `{"includeGlobalServiceEvents":false}`,
			[]trail.Field{trail.FieldGlobalEvents}, "trail.update.multi-region-off", Critical},
		"selectors":             {"PutEventSelectors", basic(`{"includeManagementEvents":false}`), "", []trail.Field{trail.FieldSelectors}, "trail.selectors", Info},
		"Insights":              {"PutInsightSelectors", `{"trailName":"main","insightSelectors":[]}`, "", []trail.Field{trail.FieldInsights}, "trail.insights", Info},
		"the size of events":    {"PutEventConfiguration", `{"trailName":"main","maxEventSize":"Standard"}`, "", []trail.Field{trail.FieldEventSize}, "trail.event_configuration", Info},
		"tags":                  {"AddTags", `{"resourceId":"main","tagsList":[{"key":"protected"}]}`, "", []trail.Field{trail.FieldTags}, "trail.tags", Info},
		"nothing of parameters": {"UpdateTrail", ``, "", []trail.Field{trail.FieldBucket}, "trail.update", High},
	} {
		r := asking(test.call, test.params)
		r.Response = []byte(test.response)
		got := Findings(r, pin(), test.ignored...)
		if len(got) != 1 || got[0].Rule != test.want || got[0].Severity != test.severity {
			t.Errorf("%s: %+v, want %s, %s", name, got, test.want, test.severity)
		}
	}
	for _, row := range trail.Table {
		sets := slices.Contains(slices.Collect(maps.Values(fieldOf)), row.Field)
		if sets == (row.Field == trail.FieldLogging) {
			t.Errorf("which member of a request sets %s is not said", row.Field)
		}
	}
}

// TestSentences: what cannot be known is said, and a change is claimed only where something is pinned.
func TestSentences(t *testing.T) {
	denied := func(r event.Record) event.Record { r.ErrorCode = "AccessDenied"; return r }
	for _, test := range []struct {
		r      event.Record
		pinned *trail.Settings
		want   string
	}{
		{asking("UpdateTrail", ""), pin(), "UpdateTrail took effect: the record does not hold its parameters, so only the trail itself can tell what changed"},
		{asking("UpdateTrail", `{"reason":"requestParameters too large","omitted":true,"originalSize":1}`), pin(), "UpdateTrail took effect: the record does not hold its parameters, so only the trail itself can tell what changed"},
		{denied(asking("UpdateTrail", "")), pin(), "UpdateTrail was refused by AWS: nothing changed; the record does not hold its parameters"},
		{asking("UpdateTrail", `{"name":"main"}`), nil, "UpdateTrail took effect: what is recorded, or where it is delivered, may have changed; without pinned settings its parameters do not tell"},
		{asking("UpdateTrail", `{"name":"main"}`), pin(), "UpdateTrail took effect: no pinned setting got weaker by it"},
		{asking("UpdateTrail", `{"name":"main","new":1}`), pin(), "UpdateTrail took effect: what is recorded, or where it is delivered, may have changed; its parameters do not tell"},
		{denied(asking("UpdateTrail", `{"name":"main","isMultiRegionTrail":false}`)), nil, "UpdateTrail was refused by AWS: nothing changed; it was to set the trail to its home Region alone"},
		{asking("StopLogging", ""), nil, "StopLogging took effect: nothing is recorded by this trail until it is started again"},
	} {
		if got := Findings(test.r, test.pinned)[0].Text; got != test.want {
			t.Errorf("%s\n%s, want\n%s", test.r.Request, got, test.want)
		}
	}
	for _, rule := range Rules {
		s := samples[rule.ID]
		if rule.holds == nil || s.pinned != nil {
			continue
		}
		if strings.Contains(rule.Effect, "than pinned") || strings.Contains(rule.Effect, "no longer") {
			t.Errorf("%s holds with nothing pinned, and claims a change: %s", rule.ID, rule.Effect)
		}
	}
}

// TestIncidentOfSeveralFindings: the incident is as severe as its worst finding.
func TestIncidentOfSeveralFindings(t *testing.T) {
	r := asking("UpdateTrail20131101", minimize)
	inc := FromRecord(Findings(r, nil), r, TrailRef{}, noon)
	if inc.Severity != Critical || len(inc.Findings) != 3 || inc.Outcome != Noted || inc.Record.EventName != "UpdateTrail" {
		t.Errorf("%+v", inc)
	}
	if !slices.IsSortedFunc(inc.Findings, func(a, b Finding) int { return b.Severity.Rank() - a.Severity.Rank() }) {
		t.Errorf("findings are not in order: %v", ids(inc.Findings))
	}
}
