package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func (s *site) start(t *testing.T) {
	t.Helper()
	must(t)(s.trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: aws.String("main")}))
}

func (s *site) stop(t *testing.T) {
	t.Helper()
	must(t)(s.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: aws.String("main")}))
}

func TestStartAndStopAreIdempotentAndKeepTheirTimes(t *testing.T) {
	s := newSite(t, Options{})
	s.stopped(t)
	steps := []struct {
		do                      func(*testing.T)
		logging                 bool
		started, stopped, clock time.Duration // since the beginning; -1: never
	}{
		{s.start, true, 0, -1, 0},
		{s.start, true, time.Minute, -1, time.Minute},
		{s.stop, false, time.Minute, 2 * time.Minute, 2 * time.Minute},
		{s.stop, false, time.Minute, 3 * time.Minute, 3 * time.Minute},
		{s.start, true, 4 * time.Minute, 3 * time.Minute, 4 * time.Minute},
	}
	begin := s.Now()
	since := func(at *time.Time) time.Duration {
		if at == nil {
			return -1
		}
		return at.Sub(begin)
	}
	for i, step := range steps {
		s.Advance(begin.Add(step.clock).Sub(s.Now()))
		step.do(t)
		st := s.status(t)
		if *st.IsLogging != step.logging || since(st.StartLoggingTime) != step.started || since(st.StopLoggingTime) != step.stopped {
			t.Errorf("step %d: logging %v, started %v, stopped %v", i, *st.IsLogging, since(st.StartLoggingTime), since(st.StopLoggingTime))
		}
	}
}

// Deliveries go on with the clock while trail and bucket are whole, and stand still with the reason given while not.
func TestDelivery(t *testing.T) {
	key := "arn:aws:kms:eu-central-1:111122223333:key/k1"
	tests := []struct {
		name       string
		breakIt    func(*testing.T, *site)
		repair     func(*testing.T, *site)
		wantError  string
		wantFrozen bool
	}{
		{"whole", func(*testing.T, *site) {}, func(*testing.T, *site) {}, "", false},
		{"bucket gone", func(t *testing.T, s *site) {
			must(t)(s.objects.DeleteBucket(ctx(t), &s3.DeleteBucketInput{Bucket: aws.String("logs")}))
		}, func(t *testing.T, s *site) { s.bucketFor(t, "logs") }, "NoSuchBucket", true},
		{"policy gone", func(t *testing.T, s *site) {
			must(t)(s.objects.DeleteBucketPolicy(ctx(t), &s3.DeleteBucketPolicyInput{Bucket: aws.String("logs")}))
		}, func(t *testing.T, s *site) { s.putPolicy(t, "logs", CloudTrailBucketPolicy("logs", mainARN)) }, "AccessDenied", true},
		{"policy for another trail", func(t *testing.T, s *site) {
			s.putPolicy(t, "logs", CloudTrailBucketPolicy("logs", mainARN+"2"))
		}, func(t *testing.T, s *site) { s.putPolicy(t, "logs", CloudTrailBucketPolicy("logs", mainARN)) }, "AccessDenied", true},
		{"key disabled", func(t *testing.T, s *site) { s.Account(account).DisableKey(key) },
			func(t *testing.T, s *site) { s.Account(account).EnableKey(key) }, "KMS.DisabledException", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{})
			s.Account(account).Key(home, "k1")
			s.stopped(t)
			must(t)(s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), KmsKeyId: &key, EnableLogFileValidation: aws.Bool(true)}))
			s.start(t)
			s.Advance(2 * time.Hour)
			before := s.status(t)
			if before.LatestDeliveryTime == nil || s.Now().Sub(*before.LatestDeliveryTime) > deliveryPeriod || s.Now().Sub(*before.LatestDigestDeliveryTime) > digestPeriod {
				t.Fatalf("no deliveries while all is well: %+v", before)
			}
			tt.breakIt(t, s)
			s.Advance(2 * time.Hour)
			broken := s.status(t)
			if !*broken.IsLogging {
				t.Error("a broken destination does not stop logging")
			}
			if got := aws.ToString(broken.LatestDeliveryError); got != tt.wantError {
				t.Errorf("LatestDeliveryError %q, want %q", got, tt.wantError)
			}
			if got := aws.ToString(broken.LatestDigestDeliveryError); got != tt.wantError {
				t.Errorf("LatestDigestDeliveryError %q, want %q", got, tt.wantError)
			}
			if frozen := broken.LatestDeliveryTime.Equal(*before.LatestDeliveryTime); frozen != tt.wantFrozen {
				t.Errorf("LatestDeliveryTime stood still: %v, want %v", frozen, tt.wantFrozen)
			}
			s.stop(t)
			s.start(t) // StartLogging never complains about the destination
			tt.repair(t, s)
			s.Advance(10 * time.Minute)
			if after := s.status(t); aws.ToString(after.LatestDeliveryError) != "" || s.Now().Sub(*after.LatestDeliveryTime) > deliveryPeriod {
				t.Errorf("not delivering after the repair: %+v", after)
			}
		})
	}
}

// Nobody looks between the last delivery and the moment of breaking; the deliveries until then still took place.
func TestDeliveryUpToTheMomentOfBreaking(t *testing.T) {
	key := "arn:aws:kms:eu-central-1:111122223333:key/k1"
	breakers := map[string]func(*testing.T, *site){
		"key disabled": func(_ *testing.T, s *site) { s.Account(account).DisableKey(key) },
		"key disabled by the API": func(t *testing.T, s *site) {
			if _, code := s.kms(t, "DisableKey", `{"KeyId":"`+key+`"}`); code != "" {
				t.Error(code)
			}
		},
		"policy gone": func(t *testing.T, s *site) {
			must(t)(s.objects.DeleteBucketPolicy(ctx(t), &s3.DeleteBucketPolicyInput{Bucket: aws.String("logs")}))
		},
	}
	for name, breakIt := range breakers {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, Options{})
			s.Account(account).Key(home, "k1")
			s.stopped(t)
			must(t)(s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), KmsKeyId: &key}))
			for range 60 { // starting again does not put the deliveries off
				s.start(t)
				s.Advance(time.Minute)
			}
			s.Advance(time.Hour)
			broken := s.Now()
			breakIt(t, s)
			s.Advance(time.Hour)
			if last := s.status(t).LatestDeliveryTime; last == nil || last.After(broken) || broken.Sub(*last) > deliveryPeriod {
				t.Errorf("last delivery at %v, broken at %s", last, broken)
			}
		})
	}
}

func TestTopicThatVanishesIsANotificationError(t *testing.T) {
	s := newSite(t, Options{})
	s.topics("arn:aws:sns:eu-central-1:111122223333:news")
	s.stopped(t)
	must(t)(s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), SnsTopicName: aws.String("news")}))
	s.start(t)
	s.Advance(time.Hour)
	before := s.status(t)
	if before.LatestNotificationTime == nil || before.LatestNotificationError != nil {
		t.Fatalf("no notifications while all is well: %+v", before)
	}
	s.topics()
	s.Advance(time.Hour)
	after := s.status(t)
	if aws.ToString(after.LatestNotificationError) != "NotFound" || !after.LatestNotificationTime.Equal(*before.LatestNotificationTime) {
		t.Errorf("after the topic vanished: %s, at %s", aws.ToString(after.LatestNotificationError), after.LatestNotificationTime)
	}
	if !after.LatestDeliveryTime.After(*before.LatestDeliveryTime) {
		t.Error("log files must go on without the topic")
	}
}

func TestStoppedTrailDeliversOnceMore(t *testing.T) {
	s := newSite(t, Options{})
	s.logging(t)
	s.Advance(time.Hour)
	s.stop(t)
	stopped, before := s.Now(), *s.status(t).LatestDeliveryTime
	s.Advance(24 * time.Hour)
	last := *s.status(t).LatestDeliveryTime
	if !last.After(before) || last.Sub(stopped) > deliveryPeriod {
		t.Errorf("delivered last at %s; before the stop at %s, stopped at %s", last, before, stopped)
	}
}

func TestReadLagShowsThePast(t *testing.T) {
	s := newSite(t, Options{ReadLag: 5 * time.Second})
	s.stopped(t)
	_, err := s.trail.GetTrail(ctx(t), &cloudtrail.GetTrailInput{Name: aws.String("main")})
	wantCode(t, "TrailNotFoundException", err)
	s.Advance(5 * time.Second)
	s.start(t)
	for _, want := range []bool{false, true} {
		if got := *s.status(t).IsLogging; got != want {
			t.Errorf("IsLogging %v, want %v", got, want)
		}
		s.Advance(5 * time.Second)
	}
	must(t)(s.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String("main")}))
	if !*s.status(t).IsLogging {
		t.Error("the deleted trail vanished from a lagging read at once")
	}
	s.Advance(5 * time.Second)
	_, err = s.trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: aws.String("main")})
	wantCode(t, "TrailNotFoundException", err)
}

// Selectors, Insights, tags and lists are as stale as the rest.
func TestReadLagOfEverythingElse(t *testing.T) {
	s := newSite(t, Options{ReadLag: 5 * time.Second})
	seen := func() string {
		list, err := s.trail.ListTrails(ctx(t), &cloudtrail.ListTrailsInput{})
		if err != nil {
			t.Fatal(err)
		}
		described, err := s.trail.DescribeTrails(ctx(t), &cloudtrail.DescribeTrailsInput{})
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(len(list.Trails), len(described.TrailList))
		selectors, err := s.trail.GetEventSelectors(ctx(t), &cloudtrail.GetEventSelectorsInput{TrailName: aws.String("main")})
		if err != nil {
			return text + " " + code(err)
		}
		tags, err := s.trail.ListTags(ctx(t), &cloudtrail.ListTagsInput{ResourceIdList: []string{mainARN}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.trail.GetInsightSelectors(ctx(t), &cloudtrail.GetInsightSelectorsInput{TrailName: aws.String("main")})
		return fmt.Sprint(text, " ", selectors.EventSelectors[0].ReadWriteType, " ", len(tags.ResourceTagList[0].TagsList), " ", code(err))
	}
	steps := []struct {
		do   func()
		want string // once the change shows
	}{
		{func() { s.stopped(t) }, "1 1 All 0 InsightNotEnabledException"},
		{func() {
			must(t)(s.trail.PutEventSelectors(ctx(t), &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("main"), EventSelectors: []types.EventSelector{{ReadWriteType: "WriteOnly"}}}))
		}, "1 1 WriteOnly 0 InsightNotEnabledException"},
		{func() {
			must(t)(s.trail.PutInsightSelectors(ctx(t), &cloudtrail.PutInsightSelectorsInput{TrailName: aws.String("main"), InsightSelectors: []types.InsightSelector{{InsightType: "ApiErrorRateInsight"}}}))
		}, "1 1 WriteOnly 0 "},
		{func() {
			must(t)(s.trail.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: aws.String(mainARN), TagsList: manyTags(2)}))
		}, "1 1 WriteOnly 2 "},
		{func() {
			must(t)(s.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String("main")}))
		}, "0 0 TrailNotFoundException"},
	}
	last := "0 0 TrailNotFoundException"
	for i, step := range steps {
		step.do()
		s.Advance(4 * time.Second)
		if got := seen(); got != last {
			t.Errorf("step %d: at first %q, want %q", i, got, last)
		}
		s.Advance(time.Second)
		if got := seen(); got != step.want {
			t.Errorf("step %d: then %q, want %q", i, got, step.want)
		}
		last = step.want
	}
}

func TestQuotasAreSharedWithTheAttacker(t *testing.T) {
	s := newSite(t, Options{Quotas: true})
	s.bucketFor(t, "logs")
	must(t)(s.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs")}))
	s.Advance(time.Minute)
	mallory := at(s.World, home, s.Account(account).User("mallory"))
	for range 20 {
		mallory.trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: aws.String("absent")})
		mallory.trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: aws.String("absent")})
	}
	_, err := s.trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: aws.String("main")})
	wantCode(t, "ThrottlingException", err)
	_, err = s.trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: aws.String("main")})
	wantCode(t, "ThrottlingException", err)
	s.stop(t) // another API, another bucket of tokens
	s.Advance(time.Second)
	s.start(t)
	_, err = s.trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: aws.String("main")})
	wantCode(t, "ThrottlingException", err)
	s.Advance(time.Hour) // saves up a few calls, not an hour's
	worked := 0
	for range 20 {
		if _, err := s.trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: aws.String("main")}); err == nil {
			worked++
		}
	}
	if worked < 1 || worked > 5 {
		t.Errorf("%d calls at once after an hour of rest", worked)
	}
}
