package sim

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/google/go-cmp/cmp"
)

// requests pairs what the SDK can say with what this world reads.
var requests = map[string]struct{ sdk, sim any }{
	"CreateTrail":           {cloudtrail.CreateTrailInput{}, createInput{}},
	"UpdateTrail":           {cloudtrail.UpdateTrailInput{}, updateInput{}},
	"DeleteTrail":           {cloudtrail.DeleteTrailInput{}, nameInput{}},
	"GetTrail":              {cloudtrail.GetTrailInput{}, nameInput{}},
	"DescribeTrails":        {cloudtrail.DescribeTrailsInput{}, describeInput{}},
	"ListTrails":            {cloudtrail.ListTrailsInput{}, listInput{}},
	"StartLogging":          {cloudtrail.StartLoggingInput{}, nameInput{}},
	"StopLogging":           {cloudtrail.StopLoggingInput{}, nameInput{}},
	"GetTrailStatus":        {cloudtrail.GetTrailStatusInput{}, nameInput{}},
	"PutEventSelectors":     {cloudtrail.PutEventSelectorsInput{}, putSelectorsInput{}},
	"GetEventSelectors":     {cloudtrail.GetEventSelectorsInput{}, trailNameInput{}},
	"PutInsightSelectors":   {cloudtrail.PutInsightSelectorsInput{}, putInsightsInput{}},
	"GetInsightSelectors":   {cloudtrail.GetInsightSelectorsInput{}, trailNameInput{}},
	"PutEventConfiguration": {cloudtrail.PutEventConfigurationInput{}, putConfigurationInput{}},
	"GetEventConfiguration": {cloudtrail.GetEventConfigurationInput{}, trailNameInput{}},
	"AddTags":               {cloudtrail.AddTagsInput{}, tagsInput{}},
	"RemoveTags":            {cloudtrail.RemoveTagsInput{}, tagsInput{}},
	"ListTags":              {cloudtrail.ListTagsInput{}, listTagsInput{}},
	"LookupEvents":          {cloudtrail.LookupEventsInput{}, lookupInput{}},
	"ListPublicKeys":        {cloudtrail.ListPublicKeysInput{}, publicKeysInput{}},
}

// notRead are members of requests that this world does not look at, and why.
var notRead = map[string]string{
	"PutEventConfiguration.ContextKeySelectors.Equals": "context key selectors are refused as a whole: they are for event data stores",
}

// Every member that a client can send is read, by the name that it has on the wire.
func TestEveryMemberOfARequestIsRead(t *testing.T) {
	var missing []string
	for op, r := range requests {
		compareMembers(op, reflect.TypeOf(r.sdk), reflect.TypeOf(r.sim), &missing)
	}
	slices.Sort(missing)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(notRead)), missing); diff != "" {
		t.Error("members that are not read (-listed with a reason +found):", diff)
	}
	var known, have []string
	for _, o := range newCloudTrail(New(Options{})).operations {
		known = append(known, o.name)
	}
	have = slices.Sorted(maps.Keys(requests))
	slices.Sort(known)
	if diff := cmp.Diff(known, have); diff != "" {
		t.Error("operations (-offered +compared):", diff)
	}
}

// compareMembers notes the members of an SDK type that a type of this world lacks.
func compareMembers(path string, sdk, sim reflect.Type, missing *[]string) {
	sdk, sim = element(sdk), element(sim)
	if sdk.Kind() != reflect.Struct || sdk == reflect.TypeFor[time.Time]() {
		return
	}
	for i := range sdk.NumField() {
		f := sdk.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue
		}
		own, ok := sim.FieldByName(f.Name)
		if !ok {
			*missing = append(*missing, path+"."+f.Name)
			continue
		}
		compareMembers(path+"."+f.Name, f.Type, own.Type, missing)
	}
}

func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

// A member that stands in a request's type is also used by the code.
func TestMembersOfRequestsAreUsed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				used[s.Sel.Name] = true
			}
			return true
		})
	}
	for op, r := range requests {
		in := reflect.TypeOf(r.sim)
		for i := range in.NumField() {
			if name := in.Field(i).Name; !used[name] {
				t.Errorf("%s.%s is decoded and never looked at", op, name)
			}
		}
	}
}

// notAnswered are members of answers that this world never fills, and why.
var notAnswered = map[string]string{
	"PutEventConfigurationOutput.ContextKeySelectors": "of event data stores",
	"PutEventConfigurationOutput.EventDataStoreArn":   "of event data stores",
	"PutEventConfigurationOutput.MaxEventSize":        "of event data stores",
	"GetEventConfigurationOutput.ContextKeySelectors": "of event data stores",
	"GetEventConfigurationOutput.EventDataStoreArn":   "of event data stores",
	"GetEventConfigurationOutput.MaxEventSize":        "of event data stores",
	"ContextKeySelector.Equals":                       "of event data stores",
	"ContextKeySelector.Type":                         "of event data stores",
	"GetInsightSelectorsOutput.EventDataStoreArn":     "of event data stores",
	"GetInsightSelectorsOutput.InsightsDestination":   "of event data stores",
	"PutInsightSelectorsOutput.EventDataStoreArn":     "of event data stores",
	"PutInsightSelectorsOutput.InsightsDestination":   "of event data stores",
	"ListPublicKeysOutput.NextToken":                  "a Region has one key",
	"ListTagsOutput.NextToken":                        "the tags of twenty trails go on one page",
}

// Every member that the SDK can decode is filled in some answer: what is sent has the name and the form that the SDK reads.
func TestEveryMemberOfAnAnswerIsFilled(t *testing.T) {
	all, filled := map[string]bool{}, map[string]bool{}
	see := func(out any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.ValueOf(out).Elem()
		members(v.Type(), all)
		noteFilled(v, filled)
	}
	c := newCompany(t, Options{TrailsPerPage: 1}).withTrail(t)
	a, main, c2 := c.Account(account), aws.String("main"), c.site
	c2.putPolicy(t, "logs", strings.ReplaceAll(CloudTrailOrganizationBucketPolicy("logs", "arn:aws:cloudtrail:*:"+account+":trail/*", c.org.ID), "StringEquals", "StringLike"))
	c.topics("arn:aws:sns:eu-central-1:111122223333:news")
	group, role, key := a.LogGroup(home, "trail"), a.LogRole("to-logs"), a.Key(home, "k1")
	see(c.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{
		Name: aws.String("second"), S3BucketName: aws.String("logs"), SnsTopicName: aws.String("news"), CloudWatchLogsLogGroupArn: &group, CloudWatchLogsRoleArn: &role,
		KmsKeyId: &key, EnableLogFileValidation: aws.Bool(true), IsMultiRegionTrail: aws.Bool(true), IsOrganizationTrail: aws.Bool(true)}))
	c.putPolicy(t, "logs", strings.ReplaceAll(strings.ReplaceAll(CloudTrailOrganizationBucketPolicy("logs", mainARN, c.org.ID), "/AWSLogs/", "/*AWSLogs/"), "StringEquals", "StringLike"))
	see(c.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{
		Name: main, S3KeyPrefix: aws.String("p"), SnsTopicName: aws.String("news"), CloudWatchLogsLogGroupArn: &group, CloudWatchLogsRoleArn: &role,
		KmsKeyId: &key, EnableLogFileValidation: aws.Bool(true)}))
	c.putPolicy(t, "logs", strings.ReplaceAll(strings.ReplaceAll(CloudTrailOrganizationBucketPolicy("logs", "arn:aws:cloudtrail:*:"+account+":trail/*", c.org.ID), "/AWSLogs/", "/*AWSLogs/"), "StringEquals", "StringLike"))
	see(c.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("third"), S3BucketName: aws.String("logs"), S3KeyPrefix: aws.String("p"), SnsTopicName: aws.String("news")}))
	see(c.trail.PutEventSelectors(ctx(t), &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("second"), AdvancedEventSelectors: []types.AdvancedEventSelector{
		{Name: aws.String("all"), FieldSelectors: []types.AdvancedFieldSelector{{Field: aws.String("eventCategory"), Equals: []string{"Data"}}, {Field: aws.String("resources.type"), Equals: []string{"AWS::S3::Object"}},
			{Field: aws.String("eventName"), StartsWith: []string{"a"}, EndsWith: []string{"b"}, NotEquals: []string{"c"}, NotStartsWith: []string{"d"}, NotEndsWith: []string{"e"}}}}}}))
	see(c.trail.GetEventSelectors(ctx(t), &cloudtrail.GetEventSelectorsInput{TrailName: aws.String("second")}))
	see(c.trail.PutEventSelectors(ctx(t), &cloudtrail.PutEventSelectorsInput{TrailName: main, EventSelectors: []types.EventSelector{
		{DataResources: []types.DataResource{{Type: aws.String("AWS::S3::Object"), Values: []string{"arn:aws:s3"}}}, ExcludeManagementEventSources: []string{"kms.amazonaws.com"}}}}))
	see(c.trail.GetEventSelectors(ctx(t), &cloudtrail.GetEventSelectorsInput{TrailName: main}))
	see(c.trail.PutInsightSelectors(ctx(t), &cloudtrail.PutInsightSelectorsInput{TrailName: main, InsightSelectors: []types.InsightSelector{{InsightType: "ApiCallRateInsight"}}}))
	see(c.trail.GetInsightSelectors(ctx(t), &cloudtrail.GetInsightSelectorsInput{TrailName: main}))
	see(c.trail.PutEventConfiguration(ctx(t), &cloudtrail.PutEventConfigurationInput{TrailName: main, AggregationConfigurations: []types.AggregationConfiguration{{EventCategory: "Data", Templates: []types.Template{"API_ACTIVITY"}}}}))
	see(c.trail.GetEventConfiguration(ctx(t), &cloudtrail.GetEventConfigurationInput{TrailName: main}))
	see(c.trail.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: aws.String(mainARN), TagsList: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}))
	see(c.trail.ListTags(ctx(t), &cloudtrail.ListTagsInput{ResourceIdList: []string{mainARN}}))
	see(c.trail.GetTrail(ctx(t), &cloudtrail.GetTrailInput{Name: main}))
	see(c.trail.DescribeTrails(ctx(t), &cloudtrail.DescribeTrailsInput{}))
	see(c.trail.ListTrails(ctx(t), &cloudtrail.ListTrailsInput{}))
	c.Advance(2 * time.Hour)
	see(c.trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: main}))
	see(c.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: main}))
	see(c.trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: main}))
	a.BreakLogRole(role)
	c.topics()
	c.Advance(2 * time.Hour)
	see(c.trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: main}))
	a.DisableKey(key)
	c.Advance(2 * time.Hour)
	see(c.trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: main}))
	see(c.trail.RemoveTags(ctx(t), &cloudtrail.RemoveTagsInput{ResourceId: aws.String(mainARN), TagsList: []types.Tag{{Key: aws.String("a")}}}))
	see(c.trail.ListPublicKeys(ctx(t), &cloudtrail.ListPublicKeysInput{}))
	see(c.trail.LookupEvents(ctx(t), &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(5)}))
	see(c.trail.LookupEvents(ctx(t), &cloudtrail.LookupEventsInput{LookupAttributes: []types.LookupAttribute{{AttributeKey: "EventName", AttributeValue: aws.String("CreateTrail")}}}))
	see(c.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String("second")}))
	var empty []string
	for m := range all {
		if !filled[m] {
			empty = append(empty, m)
		}
	}
	slices.Sort(empty)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(notAnswered)), empty); diff != "" {
		t.Error("members that are never filled (-listed with a reason +found):", diff)
	}
}

// members notes all members of an answer's type, "Type.Member".
func members(t reflect.Type, all map[string]bool) {
	t = element(t)
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && f.Name != "ResultMetadata" {
			all[t.Name()+"."+f.Name] = true
			members(f.Type, all)
		}
	}
}

// noteFilled notes the members that hold something.
func noteFilled(v reflect.Value, filled map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			noteFilled(v.Elem(), filled)
		}
	case reflect.Slice:
		for i := range v.Len() {
			noteFilled(v.Index(i), filled)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			if v.Type().Field(i).IsExported() && !f.IsZero() && (f.Kind() != reflect.Slice || f.Len() > 0) && (f.Kind() != reflect.Pointer || f.Elem().Kind() != reflect.String || f.Elem().Len() > 0) {
				filled[v.Type().Name()+"."+v.Type().Field(i).Name] = true
				if v.Type() != reflect.TypeFor[time.Time]() {
					noteFilled(f, filled)
				}
			}
		}
	}
}
