package sim

import (
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/google/go-cmp/cmp"
)

// Every change of a setting shows in the snapshot, its reversal makes the snapshots equal again, and nothing else shows.
func TestSnapshotShowsEverySetting(t *testing.T) {
	main, arn := aws.String("main"), aws.String(mainARN)
	group, role := "arn:aws:logs:eu-central-1:111122223333:log-group:trail:*", "arn:aws:iam::111122223333:role/to-logs"
	off := aws.String("")
	update := func(there, back cloudtrail.UpdateTrailInput) [2]func(*site) (any, error) {
		there.Name, back.Name = main, arn
		return [2]func(*site) (any, error){
			func(s *site) (any, error) { return s.trail.UpdateTrail(ctx(t), &there) },
			func(s *site) (any, error) { return s.trail.UpdateTrail(ctx(t), &back) },
		}
	}
	selectors := func(in cloudtrail.PutEventSelectorsInput) func(*site) (any, error) {
		in.TrailName = main
		return func(s *site) (any, error) { return s.trail.PutEventSelectors(ctx(t), &in) }
	}
	standard := selectors(cloudtrail.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{ReadWriteType: "All"}}})
	insights := func(list ...types.InsightSelector) func(*site) (any, error) {
		return func(s *site) (any, error) {
			return s.trail.PutInsightSelectors(ctx(t), &cloudtrail.PutInsightSelectorsInput{TrailName: main, InsightSelectors: append([]types.InsightSelector{}, list...)})
		}
	}
	configuration := func(list ...types.AggregationConfiguration) func(*site) (any, error) {
		return func(s *site) (any, error) {
			return s.trail.PutEventConfiguration(ctx(t), &cloudtrail.PutEventConfigurationInput{TrailName: main, AggregationConfigurations: list})
		}
	}
	changes := map[string][2]func(*site) (any, error){
		"bucket":       update(cloudtrail.UpdateTrailInput{S3BucketName: aws.String("other")}, cloudtrail.UpdateTrailInput{S3BucketName: aws.String("logs")}),
		"prefix":       update(cloudtrail.UpdateTrailInput{S3BucketName: aws.String("other"), S3KeyPrefix: aws.String("AWSLogs/111122223333")}, cloudtrail.UpdateTrailInput{S3BucketName: aws.String("logs"), S3KeyPrefix: off}),
		"topic":        update(cloudtrail.UpdateTrailInput{SnsTopicName: aws.String("news")}, cloudtrail.UpdateTrailInput{SnsTopicName: off}),
		"key":          update(cloudtrail.UpdateTrailInput{KmsKeyId: aws.String(keyUUID)}, cloudtrail.UpdateTrailInput{KmsKeyId: off}),
		"log group":    update(cloudtrail.UpdateTrailInput{CloudWatchLogsLogGroupArn: &group, CloudWatchLogsRoleArn: &role}, cloudtrail.UpdateTrailInput{CloudWatchLogsLogGroupArn: off, CloudWatchLogsRoleArn: off}),
		"validation":   update(cloudtrail.UpdateTrailInput{EnableLogFileValidation: aws.Bool(true)}, cloudtrail.UpdateTrailInput{EnableLogFileValidation: aws.Bool(false)}),
		"Regions":      update(cloudtrail.UpdateTrailInput{IsMultiRegionTrail: aws.Bool(true)}, cloudtrail.UpdateTrailInput{IsMultiRegionTrail: aws.Bool(false), IncludeGlobalServiceEvents: aws.Bool(true)}),
		"global":       update(cloudtrail.UpdateTrailInput{IncludeGlobalServiceEvents: aws.Bool(false)}, cloudtrail.UpdateTrailInput{IncludeGlobalServiceEvents: aws.Bool(true)}),
		"organization": update(cloudtrail.UpdateTrailInput{IsOrganizationTrail: aws.Bool(true)}, cloudtrail.UpdateTrailInput{IsOrganizationTrail: aws.Bool(false)}),
		"selectors":    {selectors(cloudtrail.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{ReadWriteType: "ReadOnly"}}}), standard},
		"advanced":     {selectors(cloudtrail.PutEventSelectorsInput{AdvancedEventSelectors: []types.AdvancedEventSelector{advanced(equals("eventCategory", "Management"))}}), standard},
		"insights":     {insights(types.InsightSelector{InsightType: "ApiErrorRateInsight"}), insights()},
		"aggregation":  {configuration(types.AggregationConfiguration{EventCategory: "Data", Templates: []types.Template{"API_ACTIVITY"}}), configuration()},
		"tags": {
			func(s *site) (any, error) {
				return s.trail.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: arn, TagsList: manyTags(1)})
			},
			func(s *site) (any, error) {
				return s.trail.RemoveTags(ctx(t), &cloudtrail.RemoveTagsInput{ResourceId: arn, TagsList: manyTags(1)})
			},
		},
		"logging": {
			func(s *site) (any, error) {
				return s.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: main})
			},
			func(s *site) (any, error) {
				return s.trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: main})
			},
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			c := newCompany(t, Options{})
			s := c.site
			s.putPolicy(t, "logs", CloudTrailOrganizationBucketPolicy("logs", mainARN, c.org.ID))
			s.bucketFor(t, "other")
			s.putPolicy(t, "other", strings.Replace(CloudTrailBucketPolicy("other", mainARN), "/AWSLogs/", "/*AWSLogs/", 1))
			s.topics("arn:aws:sns:eu-central-1:111122223333:news")
			s.Account(account).Key(home, keyUUID)
			s.Account(account).LogGroup(home, "trail")
			s.Account(account).LogRole("to-logs")
			must(t)(s.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: main, S3BucketName: aws.String("logs")}))
			s.start(t)
			before := s.Snapshots()
			s.Advance(time.Hour)
			if diff := cmp.Diff(before, s.Snapshots()); diff != "" {
				t.Error("the snapshot changes with time:", diff)
			}
			must(t)(change[0](s))
			changed, ok := s.Snapshot(mainARN)
			if diff := cmp.Diff(before[mainARN], changed); !ok || diff == "" {
				t.Error("the change does not show")
			}
			must(t)(change[1](s))
			if diff := cmp.Diff(before, s.Snapshots()); diff != "" {
				t.Error("after the reversal:", diff)
			}
		})
	}
}

func TestBrokenBusDeliversNothing(t *testing.T) {
	h := newHub(t, Options{})
	h.logging(t)
	h.settle(t)
	url, arn := h.queue(t, "hints", nil)
	h.rule(t, "trails", trailRule, ebtypes.RuleStateEnabled, to(arn))
	h.settle(t)
	h.stop(t) // under way when the bus breaks
	h.BreakBus(true)
	h.start(t)
	h.stop(t)
	h.settle(t)
	wantBodies(t, h.bodies(t, url))
	out, err := h.trail.LookupEvents(ctx(t), &cloudtrail.LookupEventsInput{LookupAttributes: []types.LookupAttribute{{AttributeKey: "EventName", AttributeValue: aws.String("StopLogging")}}})
	if err != nil || len(out.Events) != 2 {
		t.Errorf("Event history: %v %v", out, err)
	}
	h.start(t)
	h.BreakBus(false)
	h.settle(t)
	wantBodies(t, h.bodies(t, url))
	h.stop(t)
	h.settle(t)
	if got := h.bodies(t, url); len(got) != 1 || !strings.Contains(got[0], "StopLogging") {
		t.Errorf("after the repair of the bus: %v", got)
	}
}

// Who did what to trails, per Region, newest first, page by page, within two calls a second.
func TestEventHistoryOfTrails(t *testing.T) {
	s := newSite(t, Options{Quotas: true})
	s.bucketFor(t, "logs")
	far := s.in(away, account)
	mallory := at(s.World, home, s.Account(account).Role("admin", "mallory"))
	must(t)(s.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs")}))
	must(t)(far.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("elsewhere"), S3BucketName: aws.String("logs")}))
	s.Advance(time.Minute)
	must(t)(mallory.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), IncludeGlobalServiceEvents: aws.Bool(false)}))
	s.Advance(time.Minute)
	must(t)(mallory.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String(mainARN)}))
	history := func(s *site) (got []string) {
		pages := cloudtrail.NewLookupEventsPaginator(s.trail, &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(1),
			LookupAttributes: []types.LookupAttribute{{AttributeKey: "EventSource", AttributeValue: aws.String("cloudtrail.amazonaws.com")}}})
		for pages.HasMorePages() {
			s.Advance(500 * time.Millisecond)
			out, err := pages.NextPage(ctx(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range out.Events {
				if aws.ToString(e.ReadOnly) == "false" {
					got = append(got, *e.Username+" "+*e.EventName+" "+*e.Resources[0].ResourceName+" "+e.EventTime.Format("15:04"))
				}
			}
		}
		return got
	}
	want := []string{"mallory DeleteTrail " + mainARN + " 09:02", "mallory UpdateTrail main 09:01", "alice CreateTrail main 09:00"}
	if diff := cmp.Diff(want, history(s)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"bob CreateTrail elsewhere 09:00"}, history(far)); diff != "" {
		t.Error("in another Region:", diff)
	}
	s.Advance(time.Second)
	for i := range 3 {
		_, err := s.trail.LookupEvents(ctx(t), &cloudtrail.LookupEventsInput{})
		wantCode(t, map[bool]string{true: "ThrottlingException"}[i == 2], err)
	}
}

func TestPublicKeys(t *testing.T) {
	keysOf := func(s *site, in cloudtrail.ListPublicKeysInput) []types.PublicKey {
		t.Helper()
		out, err := s.trail.ListPublicKeys(ctx(t), &in)
		if err != nil {
			t.Fatal(err)
		}
		return out.PublicKeyList
	}
	one, again, other := newSite(t, Options{Seed: 1}), newSite(t, Options{Seed: 1}), newSite(t, Options{Seed: 2})
	none := cloudtrail.ListPublicKeysInput{}
	list := keysOf(one, none)
	if len(list) != 1 {
		t.Fatalf("%d keys", len(list))
	}
	public, err := x509.ParsePKCS1PublicKey(list[0].Value)
	if err != nil || public.N.BitLen() != 2048 {
		t.Fatalf("key %v: %v", public, err)
	}
	sum := md5.Sum(list[0].Value)
	if *list[0].Fingerprint != hex.EncodeToString(sum[:]) {
		t.Errorf("fingerprint %s", *list[0].Fingerprint)
	}
	same := func(a, b []types.PublicKey) bool { return *a[0].Fingerprint == *b[0].Fingerprint }
	if !same(list, keysOf(one, none)) || !same(list, keysOf(again, none)) || same(list, keysOf(other, none)) || same(list, keysOf(one.in(away, account), none)) {
		t.Error("a key must follow from seed and Region, and from nothing else")
	}
	private := one.digestKeyOf(home).private
	if err := private.Validate(); err != nil || !private.PublicKey.Equal(any(public).(*rsa.PublicKey)) {
		t.Errorf("private key: %v", err)
	}
	past := cloudtrail.ListPublicKeysInput{StartTime: aws.Time(one.Now().AddDate(-2, 0, 0)), EndTime: aws.Time(one.Now().AddDate(-1, 0, 0))}
	if got := keysOf(one, past); len(got) != 0 {
		t.Errorf("keys of the year before: %v", got)
	}
	_, err = one.trail.ListPublicKeys(ctx(t), &cloudtrail.ListPublicKeysInput{StartTime: past.EndTime, EndTime: past.StartTime})
	wantCode(t, "InvalidTimeRangeException", err)
	_, err = one.trail.ListPublicKeys(ctx(t), &cloudtrail.ListPublicKeysInput{NextToken: aws.String("x")})
	wantCode(t, "InvalidTokenException", err)
}
