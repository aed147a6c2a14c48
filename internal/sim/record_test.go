package sim

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// heard collects what reaches the event bus, as "Region eventName errorCode".
func heard(s *site) *[]string {
	list := new([]string)
	var one sync.Mutex
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bus = func(r Record) {
		one.Lock()
		defer one.Unlock()
		var doc struct{ ErrorCode string }
		json.Unmarshal(r.Raw, &doc)
		*list = append(*list, strings.TrimSpace(r.Region+" "+r.Name+" "+doc.ErrorCode))
	}
	return list
}

func (s *site) settle(t *testing.T) {
	t.Helper()
	if err := s.Settle(time.Minute); err != nil {
		t.Fatal(err)
	}
}

func TestBusHearsOnlyWhileATrailLogs(t *testing.T) {
	s := newSite(t, Options{EventDelayMin: time.Second, EventDelayMax: time.Second})
	bus := heard(s)
	s.stopped(t)
	expect := func(what string, want ...string) {
		t.Helper()
		s.settle(t)
		if diff := cmp.Diff(want, *bus); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		*bus = nil
	}
	put := func(mode types.ReadWriteType) {
		must(t)(s.trail.PutEventSelectors(ctx(t), &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("main"), EventSelectors: []types.EventSelector{{ReadWriteType: mode}}}))
	}
	expect("no trail logs")
	s.start(t)
	expect("the call that begins it", home+" StartLogging")
	s.status(t)
	expect("reads never")
	s.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: aws.String("absent")})
	expect("failed calls too", home+" StopLogging TrailNotFoundException")
	allow := s.Deny("*:user/alice", "cloudtrail:StopLogging")
	s.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: aws.String("main")})
	allow()
	expect("refused calls too", home+" StopLogging AccessDenied")
	s.putPolicy(t, "logs", CloudTrailBucketPolicy("logs", mainARN))
	expect("other services too", home+" PutBucketPolicy")
	put("ReadOnly")
	expect("the call that leaves out writes", home+" PutEventSelectors")
	put("WriteOnly")
	expect("the call that takes them in again", home+" PutEventSelectors")
	far := at(s.World, away, s.Account(account).User("alice"))
	far.bucketFor(t, "far-logs")
	other := at(s.World, home, s.Account("999988887777").User("bob"))
	other.bucketFor(t, "other-logs")
	expect("another Region or account is not covered")
	must(t)(s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), IsMultiRegionTrail: aws.Bool(true)}))
	must(t)(far.objects.DeleteBucket(ctx(t), &s3.DeleteBucketInput{Bucket: aws.String("far-logs")}))
	expect("but with a multi-Region trail", home+" UpdateTrail", away+" DeleteBucket")
	s.stop(t)
	expect("the call that ends it", home+" StopLogging")
	must(t)(s.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String("main")}))
	expect("silence after it")
}

func TestSilentStartKeepsTheFirstCallFromTheBus(t *testing.T) {
	s := newSite(t, Options{SilentStart: true})
	bus := heard(s)
	s.logging(t)
	s.stop(t)
	s.settle(t)
	if diff := cmp.Diff([]string{home + " StopLogging"}, *bus); diff != "" {
		t.Error(diff)
	}
}

func TestEventsAreLateLostDoubledAndDisordered(t *testing.T) {
	count := func(o Options) (*site, []string) {
		o.Seed = 7
		s := newSite(t, o)
		bus := heard(s)
		s.logging(t)
		for i := range 40 {
			s.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: aws.String(fmt.Sprintf("absent%d", i))})
		}
		begin := s.Now()
		s.settle(t)
		if took := s.Now().Sub(begin); took < time.Second || took > 9*time.Second {
			t.Errorf("delivered within %s", took)
		}
		return s, *bus
	}
	if _, got := count(Options{EventLoss: 0.5}); len(got) < 5 || len(got) > 36 {
		t.Errorf("%d of 41 records arrived with a loss of a half", len(got))
	}
	if _, got := count(Options{EventCopies: 0.5}); len(got) < 46 || len(got) > 77 {
		t.Errorf("%d deliveries of 41 records with copies of a half", len(got))
	}
}

func TestDeliveriesMayCallBack(t *testing.T) {
	s := newSite(t, Options{})
	s.logging(t)
	s.settle(t)
	restarted := 0
	s.mu.Lock()
	s.bus = func(r Record) {
		if r.Name == "StopLogging" {
			s.Advance(time.Second)
			s.start(t)
			restarted++
		}
	}
	s.mu.Unlock()
	s.stop(t)
	s.settle(t)
	if v, _ := s.Trail(mainARN); !v.Logging || restarted != 1 {
		t.Errorf("logging %v after %d restarts", v.Logging, restarted)
	}
}

// play makes calls of every kind; what a run leaves behind must depend on the seed alone.
func play(t *testing.T, seed uint64) *World {
	w := New(Options{Seed: seed})
	alice := at(w, home, w.Account(account).User("alice"))
	role := at(w, home, w.Account(account).Role("deploy", "build-7"))
	owner := at(w, home, w.Account(account).Root())
	alice.stopped(t)
	alice.start(t)
	w.Advance(time.Minute)
	must(t)(role.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String(mainARN), EnableLogFileValidation: aws.Bool(true), KmsKeyId: aws.String("")}))
	must(t)(owner.trail.PutEventSelectors(ctx(t), &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("main"), EventSelectors: []types.EventSelector{{ReadWriteType: "All"}}}))
	must(t)(alice.trail.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: aws.String(mainARN), TagsList: manyTags(1)}))
	w.Deny("*:user/alice", "cloudtrail:DeleteTrail")
	_, err := alice.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String("main")})
	wantCode(t, "AccessDeniedException", err)
	alice.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: aws.String("absent")})
	out, err := sts.NewFromConfig(alice.config).AssumeRole(ctx(t), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/ops"), RoleSessionName: aws.String("night")})
	if err != nil {
		t.Fatal(err)
	}
	ops := at(w, home, Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken})
	ops.stop(t)
	alice.status(t)
	w.Advance(time.Minute)
	return w
}

// userAgent and Host differ by machine and SDK version.
var machine = regexp.MustCompile(`"userAgent":"[^"]*"`)

func transcript(w *World) []byte {
	var b bytes.Buffer
	for _, r := range w.Records() {
		fmt.Fprintf(&b, "%s\n", machine.ReplaceAll(r.Raw, []byte(`"userAgent":"…"`)))
	}
	for _, c := range w.Calls() {
		fmt.Fprintf(&b, "%s %s %s:%s %s %s mutates=%v %q %s\n", c.Time.Format(time.RFC3339), c.RequestID, c.Service, c.Op, c.Region, c.Principal, c.Mutates, c.Error, c.Request)
	}
	return b.Bytes()
}

// The golden transcript shows the records' shapes for review; it also proves that equal seeds give equal bytes.
func TestSameSeedSameBytes(t *testing.T) {
	one, two, other := transcript(play(t, 1)), transcript(play(t, 1)), transcript(play(t, 2))
	if diff := cmp.Diff(string(one), string(two)); diff != "" {
		t.Error("two worlds of one seed differ:", diff)
	}
	if bytes.Equal(one, other) {
		t.Error("two seeds give the same ids")
	}
	const golden = "testdata/transcript.txt"
	if *update {
		if err := os.WriteFile(golden, one, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(one)); diff != "" {
		t.Error(diff)
	}
}

func TestDeniedCallLeavesARecordWithoutRequest(t *testing.T) {
	s := newSite(t, Options{})
	s.logging(t)
	s.Deny("arn:aws:iam::111122223333:user/a*", "cloudtrail:Stop*")
	_, err := s.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: aws.String("main")})
	wantCode(t, "AccessDeniedException", err)
	records := s.Records()
	var doc map[string]any
	if err := json.Unmarshal(records[len(records)-1].Raw, &doc); err != nil {
		t.Fatal(err)
	}
	if v, there := doc["requestParameters"]; v != nil || !there {
		t.Errorf("requestParameters %v, want null", v)
	}
	want := "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: cloudtrail:StopLogging on resource: " + mainARN + " because no identity-based policy allows the cloudtrail:StopLogging action"
	if doc["errorCode"] != "AccessDenied" || doc["errorMessage"] != want {
		t.Errorf("%v: %v", doc["errorCode"], doc["errorMessage"])
	}
	if v, _ := s.Trail(mainARN); !v.Logging {
		t.Error("a refused call took effect")
	}
}

func TestRequestIDOfTheAnswerIsTheRecords(t *testing.T) {
	s := newSite(t, Options{})
	s.logging(t)
	body := `{"Name":"main"}`
	req, err := http.NewRequestWithContext(ctx(t), http.MethodPost, "http://cloudtrail.eu-central-1.amazonaws.com/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAANYBODY/20260105/eu-central-1/cloudtrail/aws4_request, SignedHeaders=host, Signature=00")
	req.Header.Set("X-Amz-Target", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.StopLogging")
	req.Header.Set("User-Agent", "curl/8")
	resp, err := s.TransportFrom("203.0.113.9").RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	records := s.Records()
	var doc struct {
		RequestID, SourceIPAddress, UserAgent string
		UserIdentity                          struct{ ARN, AccessKeyID string }
		TLSDetails                            struct{ ClientProvidedHostHeader string }
	}
	if err := json.Unmarshal(records[len(records)-1].Raw, &doc); err != nil {
		t.Fatal(err)
	}
	if id := resp.Header.Get("x-amzn-RequestId"); id == "" || id != doc.RequestID {
		t.Errorf("request id of the answer %q, of the record %q", id, doc.RequestID)
	}
	if doc.SourceIPAddress != "203.0.113.9" || doc.UserAgent != "curl/8" || doc.UserIdentity.ARN != "arn:aws:iam::111122223333:user/cli" ||
		doc.UserIdentity.AccessKeyID != "AKIAANYBODY" || doc.TLSDetails.ClientProvidedHostHeader != "cloudtrail.eu-central-1.amazonaws.com" {
		t.Errorf("%+v", doc)
	}
}

func TestForgottenReads(t *testing.T) {
	s := newSite(t, Options{ForgetReads: true})
	s.logging(t)
	for range 3 {
		s.status(t)
	}
	_, err := s.trail.GetTrail(ctx(t), &cloudtrail.GetTrailInput{Name: aws.String("absent")})
	wantCode(t, "TrailNotFoundException", err)
	for _, c := range s.Calls() {
		if !c.Mutates {
			t.Errorf("%s is kept", c.Op)
		}
	}
	if last := s.Records()[len(s.Records())-1]; last.Name != "StartLogging" {
		t.Errorf("the last record is of %s", last.Name)
	}
}

func TestLookupEvents(t *testing.T) {
	s := newSite(t, Options{})
	s.stopped(t)
	for range 3 {
		s.start(t)
		s.stop(t)
		s.Advance(time.Hour)
	}
	lookup := func(in cloudtrail.LookupEventsInput) (names []string, token *string, err error) {
		out, err := s.trail.LookupEvents(ctx(t), &in)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range out.Events {
			names = append(names, *e.EventName)
		}
		return names, out.NextToken, nil
	}
	attribute := func(key types.LookupAttributeKey, value string) []types.LookupAttribute {
		return []types.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}
	}
	pages := [][]string{}
	in := cloudtrail.LookupEventsInput{LookupAttributes: attribute("ReadOnly", "false"), MaxResults: aws.Int32(4)}
	for {
		names, token, err := lookup(in)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, names)
		if in.NextToken = token; token == nil {
			break
		}
	}
	want := [][]string{ // newest first; trails need not log for this
		{"StopLogging", "StartLogging", "StopLogging", "StartLogging"},
		{"StopLogging", "StartLogging", "CreateTrail", "PutBucketPolicy"},
		{"CreateBucket"},
	}
	if diff := cmp.Diff(want, pages); diff != "" {
		t.Error(diff)
	}

	tests := []struct {
		name string
		in   cloudtrail.LookupEventsInput
		n    int
		want string
	}{
		{"by name", cloudtrail.LookupEventsInput{LookupAttributes: attribute("EventName", "StopLogging")}, 3, ""},
		{"by user", cloudtrail.LookupEventsInput{LookupAttributes: attribute("Username", "nobody")}, 0, ""},
		{"by source", cloudtrail.LookupEventsInput{LookupAttributes: attribute("EventSource", "s3.amazonaws.com")}, 2, ""},
		{"by resource", cloudtrail.LookupEventsInput{LookupAttributes: attribute("ResourceName", "logs")}, 3, ""},
		{"by resource type", cloudtrail.LookupEventsInput{LookupAttributes: attribute("ResourceType", "AWS::CloudTrail::Trail")}, 7, ""},
		{"in a time", cloudtrail.LookupEventsInput{StartTime: aws.Time(s.Now().Add(-90 * time.Minute)), EndTime: aws.Time(s.Now().Add(-30 * time.Minute))}, 2, ""},
		{"insight events", cloudtrail.LookupEventsInput{EventCategory: "insight"}, 0, ""},
		{"two attributes", cloudtrail.LookupEventsInput{LookupAttributes: append(attribute("EventName", "a"), attribute("Username", "b")...)}, 0, "InvalidLookupAttributesException"},
		{"unknown attribute", cloudtrail.LookupEventsInput{LookupAttributes: attribute("Other", "a")}, 0, "InvalidLookupAttributesException"},
		{"backwards", cloudtrail.LookupEventsInput{StartTime: aws.Time(s.Now()), EndTime: aws.Time(s.Now().Add(-time.Hour))}, 0, "InvalidTimeRangeException"},
		{"51 on a page", cloudtrail.LookupEventsInput{MaxResults: aws.Int32(51)}, 0, "InvalidMaxResultsException"},
		{"token of nobody", cloudtrail.LookupEventsInput{NextToken: aws.String("abc")}, 0, "InvalidNextTokenException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			names, _, err := lookup(tt.in)
			wantCode(t, tt.want, err)
			if len(names) != tt.n {
				t.Errorf("found %v, want %d", names, tt.n)
			}
		})
	}
	far := at(s.World, away, s.Account(account).User("alice"))
	if out, err := far.trail.LookupEvents(ctx(t), &cloudtrail.LookupEventsInput{}); err != nil || len(out.Events) != 0 {
		t.Errorf("in another Region: %v %v", out, err)
	}
	s.Advance(91 * 24 * time.Hour)
	if names, _, err := lookup(cloudtrail.LookupEventsInput{}); err != nil || len(names) != 0 {
		t.Errorf("after 91 days: %v %v", names, err)
	}
}
