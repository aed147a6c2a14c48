package sim

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func inRegion(region string) *s3types.CreateBucketConfiguration {
	return &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(region)}
}

func manyTags(n int) []types.Tag {
	var list []types.Tag
	for i := range n {
		list = append(list, types.Tag{Key: aws.String(fmt.Sprint("key", i)), Value: aws.String("v")})
	}
	return list
}

func equals(field string, values ...string) types.AdvancedFieldSelector {
	return types.AdvancedFieldSelector{Field: &field, Equals: values}
}

func advanced(fields ...types.AdvancedFieldSelector) types.AdvancedEventSelector {
	return types.AdvancedEventSelector{FieldSelectors: fields}
}

// Which selectors AWS takes, and whether the trail then still records management events that change something.
func TestEventSelectors(t *testing.T) {
	type basic = []types.EventSelector
	type adv = []types.AdvancedEventSelector
	s3Values := func(n int) []types.DataResource {
		r := types.DataResource{Type: aws.String("AWS::S3::Object"), Values: []string{}}
		for i := range n {
			r.Values = append(r.Values, fmt.Sprintf("arn:aws:s3:::bucket%d/", i))
		}
		return []types.DataResource{r}
	}
	tests := []struct {
		name    string
		basic   basic
		adv     adv
		want    string
		changes bool
	}{
		{"default", basic{{ReadWriteType: "All", IncludeManagementEvents: aws.Bool(true)}}, nil, "", true},
		{"write only", basic{{ReadWriteType: "WriteOnly"}}, nil, "", true},
		{"read only", basic{{ReadWriteType: "ReadOnly"}}, nil, "", false},
		{"Stratus Red Team", basic{{ReadWriteType: "ReadOnly", IncludeManagementEvents: aws.Bool(false), DataResources: []types.DataResource{
			{Type: aws.String("AWS::S3::Object"), Values: []string{}}, {Type: aws.String("AWS::Lambda::Function"), Values: []string{}}}}}, nil, "", false},
		{"union of two", basic{{ReadWriteType: "ReadOnly"}, {ReadWriteType: "WriteOnly"}}, nil, "", true},
		{"union of halves that do not meet", basic{{ReadWriteType: "ReadOnly"}, {ReadWriteType: "All", IncludeManagementEvents: aws.Bool(false), DataResources: s3Values(1)}}, nil, "", false},
		{"nothing at all", basic{{ReadWriteType: "All", IncludeManagementEvents: aws.Bool(false)}}, nil, "InvalidEventSelectorsException", true},
		{"neither kind", nil, nil, "InvalidEventSelectorsException", true},
		{"both kinds", basic{{}}, adv{advanced(equals("eventCategory", "Management"))}, "InvalidEventSelectorsException", true},
		{"six", basic{{}, {}, {}, {}, {}, {}}, nil, "InvalidEventSelectorsException", true},
		{"250 resources", basic{{DataResources: s3Values(250)}}, nil, "", true},
		{"251 resources", basic{{DataResources: s3Values(250)}, {DataResources: s3Values(1)}}, nil, "InvalidEventSelectorsException", true},
		{"unknown resource type", basic{{DataResources: []types.DataResource{{Type: aws.String("AWS::SQS::Queue")}}}}, nil, "InvalidEventSelectorsException", true},
		{"exclude KMS", basic{{ExcludeManagementEventSources: []string{"kms.amazonaws.com"}}}, nil, "", true},
		{"exclude CloudTrail", basic{{ExcludeManagementEventSources: []string{"cloudtrail.amazonaws.com"}}}, nil, "InvalidEventSelectorsException", true},
		{"advanced management", nil, adv{advanced(equals("eventCategory", "Management"))}, "", true},
		{"advanced, writes only", nil, adv{advanced(equals("eventCategory", "Management"), equals("readOnly", "false"))}, "", true},
		{"advanced, reads only", nil, adv{advanced(equals("eventCategory", "Management"), equals("readOnly", "true"))}, "", false},
		{"advanced, data only", nil, adv{advanced(equals("eventCategory", "Data"), equals("resources.type", "AWS::S3::Object"))}, "", false},
		{"advanced without category", nil, adv{advanced(equals("readOnly", "true"))}, "InvalidEventSelectorsException", true},
		{"advanced with two categories", nil, adv{advanced(equals("eventCategory", "Management", "Data"))}, "InvalidEventSelectorsException", true},
		{"advanced data without type", nil, adv{advanced(equals("eventCategory", "Data"))}, "InvalidEventSelectorsException", true},
		{"advanced field without condition", nil, adv{advanced(equals("eventCategory", "Management"), equals("readOnly"))}, "InvalidEventSelectorsException", true},
		{"advanced, CloudTrail filtered out by source", nil, adv{advanced(equals("eventCategory", "Management"), types.AdvancedFieldSelector{Field: aws.String("eventSource"), NotEquals: []string{"cloudtrail.amazonaws.com"}})}, "InvalidEventSelectorsException", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{})
			s.logging(t)
			in := &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("main"), EventSelectors: tt.basic, AdvancedEventSelectors: tt.adv}
			_, err := s.trail.PutEventSelectors(ctx(t), in)
			wantCode(t, tt.want, err)
			if v, _ := s.Trail(mainARN); v.RecordsChanges != tt.changes {
				t.Errorf("records changes: %v, want %v (%s %s)", v.RecordsChanges, tt.changes, v.EventSelectors, v.AdvancedSelectors)
			}
		})
	}
}

func TestSelectorsOfOneKindWipeTheOther(t *testing.T) {
	s := newSite(t, Options{})
	s.stopped(t)
	read := func() *cloudtrail.GetEventSelectorsOutput {
		out, err := s.trail.GetEventSelectors(ctx(t), &cloudtrail.GetEventSelectorsInput{TrailName: aws.String("main")})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	standard := []types.EventSelector{{ReadWriteType: "All", IncludeManagementEvents: aws.Bool(true), DataResources: []types.DataResource{}, ExcludeManagementEventSources: []string{}}}
	ignore := cmpopts.IgnoreUnexported(types.EventSelector{}, types.AdvancedEventSelector{}, types.AdvancedFieldSelector{}, types.DataResource{})
	if diff := cmp.Diff(standard, read().EventSelectors, ignore); diff != "" {
		t.Error("default selector:", diff)
	}
	list := []types.AdvancedEventSelector{advanced(equals("eventCategory", "Management"), equals("readOnly", "true"))}
	must(t)(s.trail.PutEventSelectors(ctx(t), &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("main"), AdvancedEventSelectors: list}))
	if out := read(); len(out.EventSelectors) != 0 || !cmp.Equal(out.AdvancedEventSelectors, list, ignore) || !*s.get(t).HasCustomEventSelectors {
		t.Errorf("after putting advanced ones: %+v", out)
	}
	must(t)(s.trail.PutEventSelectors(ctx(t), &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("main"), EventSelectors: standard}))
	if out := read(); len(out.AdvancedEventSelectors) != 0 || !cmp.Equal(out.EventSelectors, standard, ignore) || *s.get(t).HasCustomEventSelectors {
		t.Errorf("after putting the default back: %+v", out)
	}
}

func TestInsightSelectors(t *testing.T) {
	insights := func(list ...types.InsightType) []types.InsightSelector {
		out := []types.InsightSelector{}
		for _, x := range list {
			out = append(out, types.InsightSelector{InsightType: x})
		}
		return out
	}
	tests := []struct {
		name      string
		selectors []types.EventSelector
		insights  []types.InsightSelector
		want      string
		on        bool
	}{
		{"both", nil, insights("ApiCallRateInsight", "ApiErrorRateInsight"), "", true},
		{"call rate needs writes", []types.EventSelector{{ReadWriteType: "ReadOnly"}}, insights("ApiCallRateInsight"), "InvalidInsightSelectorsException", false},
		{"error rate takes reads", []types.EventSelector{{ReadWriteType: "ReadOnly"}}, insights("ApiErrorRateInsight"), "", true},
		{"unknown", nil, insights("Other"), "InvalidInsightSelectorsException", false},
		{"data without data events", nil, []types.InsightSelector{{InsightType: "ApiCallRateInsight", EventCategories: []types.SourceEventCategory{"Data"}}}, "InvalidInsightSelectorsException", false},
		{"none", nil, insights(), "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{})
			s.stopped(t)
			if tt.selectors != nil {
				must(t)(s.trail.PutEventSelectors(ctx(t), &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("main"), EventSelectors: tt.selectors}))
			}
			_, err := s.trail.PutInsightSelectors(ctx(t), &cloudtrail.PutInsightSelectorsInput{TrailName: aws.String("main"), InsightSelectors: tt.insights})
			wantCode(t, tt.want, err)
			_, err = s.trail.GetInsightSelectors(ctx(t), &cloudtrail.GetInsightSelectorsInput{TrailName: aws.String("main")})
			if tt.on {
				wantCode(t, "", err)
			} else {
				wantCode(t, "InsightNotEnabledException", err)
			}
			if got := *s.get(t).HasInsightSelectors; got != tt.on {
				t.Errorf("HasInsightSelectors %v, want %v", got, tt.on)
			}
		})
	}
}

func TestEventConfiguration(t *testing.T) {
	s := newSite(t, Options{})
	s.stopped(t)
	put := func(in cloudtrail.PutEventConfigurationInput) error {
		_, err := s.trail.PutEventConfiguration(ctx(t), &in)
		return err
	}
	want := []types.AggregationConfiguration{{EventCategory: "Data", Templates: []types.Template{"API_ACTIVITY", "USER_ACTIONS"}}}
	wantCode(t, "", put(cloudtrail.PutEventConfigurationInput{TrailName: aws.String("main"), AggregationConfigurations: want}))
	wantCode(t, "InvalidParameterException", put(cloudtrail.PutEventConfigurationInput{TrailName: aws.String("main"), AggregationConfigurations: []types.AggregationConfiguration{{EventCategory: "Data", Templates: []types.Template{"NONE"}}}}))
	wantCode(t, "InvalidParameterCombinationException", put(cloudtrail.PutEventConfigurationInput{TrailName: aws.String("main"), MaxEventSize: "Large"}))
	wantCode(t, "InvalidParameterCombinationException", put(cloudtrail.PutEventConfigurationInput{}))
	out, err := s.trail.GetEventConfiguration(ctx(t), &cloudtrail.GetEventConfigurationInput{TrailName: aws.String(mainARN)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, out.AggregationConfigurations, cmpopts.IgnoreUnexported(types.AggregationConfiguration{})); diff != "" {
		t.Error(diff)
	}
}

func TestTags(t *testing.T) {
	s := newSite(t, Options{})
	s.stopped(t)
	add := func(arn string, tags []types.Tag) error {
		_, err := s.trail.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: &arn, TagsList: tags})
		return err
	}
	one := func(key, value string) []types.Tag { return []types.Tag{{Key: &key, Value: &value}} }
	wantCode(t, "", add(mainARN, one("owner", "security")))
	wantCode(t, "", add(mainARN, one("owner", "nobody"))) // overwrites
	wantCode(t, "", add(mainARN, manyTags(49)))
	wantCode(t, "TagsLimitExceededException", add(mainARN, one("one more", "")))
	wantCode(t, "InvalidTagParameterException", add(mainARN, one("aws:owner", "")))
	wantCode(t, "CloudTrailARNInvalidException", add("main", one("a", "")))
	wantCode(t, "ResourceNotFoundException", add(mainARN+"2", one("a", "")))
	wantCode(t, "ResourceTypeNotSupportedException", add("arn:aws:cloudtrail:eu-central-1:111122223333:eventdatastore/x", one("a", "")))
	must(t)(s.trail.RemoveTags(ctx(t), &cloudtrail.RemoveTagsInput{ResourceId: aws.String(mainARN), TagsList: manyTags(49)}))
	out, err := s.trail.ListTags(ctx(t), &cloudtrail.ListTagsInput{ResourceIdList: []string{mainARN}})
	if err != nil {
		t.Fatal(err)
	}
	want := []types.ResourceTag{{ResourceId: aws.String(mainARN), TagsList: one("owner", "nobody")}}
	if diff := cmp.Diff(want, out.ResourceTagList, cmpopts.IgnoreUnexported(types.ResourceTag{}, types.Tag{})); diff != "" {
		t.Error(diff)
	}
}

func TestBucketsBelongToAnAccountAndARegion(t *testing.T) {
	s := newSite(t, Options{})
	s.bucketFor(t, "logs")
	stranger := at(s.World, home, s.Account("999988887777").User("mallory"))
	far := at(s.World, away, s.Account(account).User("alice"))
	head := func(s *site, owner string) error {
		in := &s3.GetBucketPolicyInput{Bucket: aws.String("logs")}
		if owner != "" {
			in.ExpectedBucketOwner = &owner
		}
		_, err := s.objects.GetBucketPolicy(ctx(t), in)
		return err
	}
	wantCode(t, "", head(s, account))
	wantCode(t, "AccessDenied", head(s, "999988887777"))
	wantCode(t, "AccessDenied", head(stranger, ""))
	wantCode(t, "PermanentRedirect", head(far, ""))
	_, err := stranger.objects.CreateBucket(ctx(t), &s3.CreateBucketInput{Bucket: aws.String("logs"), CreateBucketConfiguration: inRegion(home)})
	wantCode(t, "BucketAlreadyExists", err)
	_, err = s.objects.CreateBucket(ctx(t), &s3.CreateBucketInput{Bucket: aws.String("logs"), CreateBucketConfiguration: inRegion(home)})
	wantCode(t, "BucketAlreadyOwnedByYou", err)
	_, err = s.objects.CreateBucket(ctx(t), &s3.CreateBucketInput{Bucket: aws.String("logs2")})
	wantCode(t, "IllegalLocationConstraintException", err)

	deny := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::logs","arn:aws:s3:::logs/*"]}}`
	s.putPolicy(t, "logs", deny)
	wantCode(t, "AccessDenied", head(s, ""))
	owner := at(s.World, home, s.Account(account).Root())
	wantCode(t, "", head(owner, "")) // root can always get out of it
	must(t)(owner.objects.DeleteBucketPolicy(ctx(t), &s3.DeleteBucketPolicyInput{Bucket: aws.String("logs")}))
	wantCode(t, "NoSuchBucketPolicy", head(s, ""))
	_, err = s.objects.PutBucketPolicy(ctx(t), &s3.PutBucketPolicyInput{Bucket: aws.String("logs"), Policy: aws.String(`{"Statement":[{"Effect":"Maybe"}]}`)})
	wantCode(t, "MalformedPolicy", err)
	must(t)(s.objects.DeleteBucket(ctx(t), &s3.DeleteBucketInput{Bucket: aws.String("logs")}))
	wantCode(t, "NoSuchBucket", head(s, ""))
}
