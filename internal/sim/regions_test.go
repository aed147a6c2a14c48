package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
)

const optIn = "eu-south-1"

// An account works in the Regions that it has enabled; that another account has enabled one, or that one fails, changes nothing.
func TestOptInRegions(t *testing.T) {
	s := newSite(t, Options{})
	s.stopped(t)
	must(t)(s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), IsMultiRegionTrail: aws.Bool(true)}))
	see := func(region, id string) (int, error) {
		out, err := s.in(region, id).trail.DescribeTrails(ctx(t), &cloudtrail.DescribeTrailsInput{})
		if err != nil {
			return 0, err
		}
		return len(out.TrailList), nil
	}
	check := func(when, region, id string, want int, wantErr string) {
		t.Helper()
		n, err := see(region, id)
		wantCode(t, wantErr, err)
		if n != want {
			t.Errorf("%s: %s sees %d trails in %s, want %d", when, id, n, region, want)
		}
	}
	refused := "UnrecognizedClientException"
	check("at first", optIn, account, 0, refused)
	s.Account(account).EnableRegion(optIn)
	check("enabled", optIn, account, 1, "")
	check("enabled", optIn, strangerID, 0, refused)
	s.Account(account).DisableRegion(optIn)
	check("disabled", optIn, account, 0, refused)
	check("disabled", home, account, 1, "")
	s.Account(account).DisableRegion(away)
	check("disabled", away, account, 0, refused)
	check("disabled", away, strangerID, 0, "")
}

func TestQuotaCountsEnabledRegionsOnly(t *testing.T) {
	s := newSite(t, Options{})
	s.Account(account).EnableRegion(optIn)
	far := at(s.World, optIn, s.Account(account).User("alice"))
	s.bucketFor(t, "logs")
	for i := range 5 {
		must(t)(far.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String(fmt.Sprint("far", i)), S3BucketName: aws.String("logs")}))
	}
	everywhere := &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs"), IsMultiRegionTrail: aws.Bool(true)}
	_, err := s.trail.CreateTrail(ctx(t), everywhere)
	wantCode(t, "MaximumNumberOfTrailsExceededException", err)
	s.Account(account).DisableRegion(optIn)
	must(t)(s.trail.CreateTrail(ctx(t), everywhere))
}

func (s *site) statusIn(t *testing.T, region string) *cloudtrail.GetTrailStatusOutput {
	t.Helper()
	out, err := s.in(region, account).trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: aws.String(mainARN)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The status is that of the Region called: a bucket policy may let through what one Region records and not another.
func TestStatusPerRegion(t *testing.T) {
	s := newSite(t, Options{})
	s.logging(t)
	_, err := s.in(away, account).trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: aws.String(mainARN)})
	wantCode(t, "TrailNotFoundException", err) // no shadow there yet
	must(t)(s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), IsMultiRegionTrail: aws.Bool(true), EnableLogFileValidation: aws.Bool(true)}))
	s.Advance(2 * time.Hour)
	near, far := s.statusIn(t, home), s.statusIn(t, away)
	if near.LatestDeliveryTime.Equal(*far.LatestDeliveryTime) {
		t.Error("two Regions deliver at the same moment")
	}
	policy := CloudTrailBucketPolicy("logs", mainARN)
	s.putPolicy(t, "logs", strings.Replace(policy, "/AWSLogs/"+account+"/*", "/AWSLogs/"+account+"/CloudTrail/"+home+"/*", 1))
	s.Advance(2 * time.Hour)
	broken := s.statusIn(t, away)
	if !*broken.IsLogging || aws.ToString(broken.LatestDeliveryError) != "AccessDenied" || !broken.LatestDeliveryTime.Equal(*far.LatestDeliveryTime) {
		t.Errorf("in the Region that is shut out: %+v", broken)
	}
	if st := s.statusIn(t, home); aws.ToString(st.LatestDeliveryError) != "" || s.Now().Sub(*st.LatestDeliveryTime) > deliveryPeriod {
		t.Errorf("at home: %+v", st)
	}
	s.putPolicy(t, "logs", policy)
	s.Account(account).EnableRegion(optIn)
	if st := s.statusIn(t, optIn); !*st.IsLogging || st.LatestDeliveryTime != nil {
		t.Errorf("in a Region enabled just now: %+v", st)
	}
	s.Advance(time.Hour)
	for _, region := range []string{home, away, optIn} {
		if st := s.statusIn(t, region); aws.ToString(st.LatestDeliveryError) != "" || st.LatestDeliveryTime == nil || s.Now().Sub(*st.LatestDeliveryTime) > deliveryPeriod {
			t.Errorf("%s after the repair: %+v", region, st)
		}
	}
}

// A trail that comes back to a Region has a new shadow there, which has delivered nothing yet.
func TestShadowThatComesBack(t *testing.T) {
	s := newSite(t, Options{})
	s.logging(t)
	everywhere := func(on bool) {
		must(t)(s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), IsMultiRegionTrail: &on, IncludeGlobalServiceEvents: aws.Bool(true)}))
		s.Advance(time.Hour)
	}
	everywhere(true)
	if s.statusIn(t, away).LatestDeliveryTime == nil {
		t.Error("the shadow delivers nothing")
	}
	everywhere(false)
	must(t)(s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), IsMultiRegionTrail: aws.Bool(true)}))
	if at := s.statusIn(t, away).LatestDeliveryTime; at != nil {
		t.Errorf("a new shadow has delivered at %s", at)
	}
}

// What trails refer to beside the bucket and the key may break while the trail goes on logging.
func TestLogGroupOfATrail(t *testing.T) {
	s := newSite(t, Options{RolePropagation: 10 * time.Second})
	a := s.Account(account)
	s.logging(t)
	group, role := a.LogGroup(home, "trail"), a.LogRole("to-logs")
	use := func() error {
		_, err := s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), CloudWatchLogsLogGroupArn: &group, CloudWatchLogsRoleArn: &role})
		return err
	}
	for _, wait := range []time.Duration{0, 9 * time.Second} {
		s.Advance(wait)
		err := use()
		wantCode(t, "InvalidCloudWatchLogsRoleArnException", err)
		if err == nil || !strings.Contains(err.Error(), "Access denied.") {
			t.Errorf("a role that is not known everywhere yet: %v", err)
		}
	}
	s.Advance(time.Second)
	wantCode(t, "", use())
	status := func(want string) {
		t.Helper()
		s.Advance(time.Hour)
		st := s.status(t)
		fresh := st.LatestCloudWatchLogsDeliveryTime != nil && s.Now().Sub(*st.LatestCloudWatchLogsDeliveryTime) <= deliveryPeriod
		if got := aws.ToString(st.LatestCloudWatchLogsDeliveryError); got != want || fresh != (want == "") {
			t.Errorf("LatestCloudWatchLogsDeliveryError %q, want %q; last delivery %v", got, want, st.LatestCloudWatchLogsDeliveryTime)
		}
		if s.Now().Sub(*st.LatestDeliveryTime) > deliveryPeriod {
			t.Error("log files must go on without the log group")
		}
	}
	status("")
	a.BreakLogRole(role)
	status("AccessDenied")
	wantCode(t, "InvalidCloudWatchLogsRoleArnException", use())
	a.LogRole("to-logs")
	status("")
	a.DeleteLogGroup(group)
	status("ResourceNotFoundException")
	wantCode(t, "InvalidCloudWatchLogsLogGroupArnException", use())
	if got := *s.get(t).CloudWatchLogsLogGroupArn; got != group {
		t.Errorf("the trail says %s, want %s", got, group)
	}
}
