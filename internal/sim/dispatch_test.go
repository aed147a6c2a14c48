package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// Every protocol tells its errors in its own shape.
func TestErrorShapes(t *testing.T) {
	const signed = "AWS4-HMAC-SHA256 Credential=AKIATEST/20260105/%s/%s/aws4_request, SignedHeaders=host, Signature=00"
	tests := []struct {
		name, method, path, target, body string
		auth                             string
		status                           int
		want                             string // the answer's body holds it
	}{
		{"JSON, not signed", "POST", "/", "CloudTrail_20131101.GetTrail", "{}", "", 400, `"__type":"MissingAuthenticationTokenException"`},
		{"JSON, unknown operation", "POST", "/", "CloudTrail_20131101.DoMagic", "{}", fmt.Sprintf(signed, home, "cloudtrail"), 400, `{"__type":"UnknownOperationException","message":"DoMagic of cloudtrail`},
		{"JSON, no JSON", "POST", "/", "CloudTrail_20131101.GetTrail", "{", fmt.Sprintf(signed, home, "cloudtrail"), 400, `"__type":"SerializationException"`},
		{"JSON, Region not enabled", "POST", "/", "CloudTrail_20131101.GetTrail", "{}", fmt.Sprintf(signed, "af-south-1", "cloudtrail"), 400, `"__type":"UnrecognizedClientException"`},
		{"JSON, service of another world", "POST", "/", "Logs_20140328.PutLogEvents", "{}", fmt.Sprintf(signed, home, "logs"), 400, `"__type":"UnknownOperationException","message":"Logs_20140328.PutLogEvents of logs`},
		{"query, unknown operation", "POST", "/", "", "Action=DoMagic&Version=2011-06-15", fmt.Sprintf(signed, home, "sts"), 400, `<Error><Type>Sender</Type><Code>InvalidAction</Code><Message>Could not find operation DoMagic`},
		{"query, wrong input", "POST", "/", "", "Action=AssumeRole&RoleArn=x", fmt.Sprintf(signed, home, "sts"), 400, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>ValidationError</Code>`},
		{"query, Region not enabled", "POST", "/", "", "Action=GetCallerIdentity", fmt.Sprintf(signed, "af-south-1", "sts"), 403, `<Code>InvalidClientTokenId</Code>`},
		{"REST, not signed", "GET", "/logs?policy", "", "", "", 403, `<Error><Code>AccessDenied</Code>`},
		{"REST, no such bucket", "GET", "/logs?policy", "", "", fmt.Sprintf(signed, home, "s3"), 404, `<Error><Code>NoSuchBucket</Code>`},
		{"REST, unknown subresource", "GET", "/logs?website", "", "", fmt.Sprintf(signed, home, "s3"), 501, `<Code>NotImplemented</Code><Message>GET /logs?website`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := httptest.NewRequest(tt.method, "http://sim.invalid"+tt.path, strings.NewReader(tt.body))
			if tt.auth != "" {
				req.Header.Set("Authorization", tt.auth)
			}
			if tt.target != "" {
				req.Header.Set("X-Amz-Target", tt.target)
			}
			rec := httptest.NewRecorder()
			New(Options{}).ServeHTTP(rec, req)
			if rec.Code != tt.status || !strings.Contains(rec.Body.String(), tt.want) {
				t.Errorf("status %d, body %s\nwant %d and %s", rec.Code, rec.Body, tt.status, tt.want)
			}
			if rec.Header().Get("x-amzn-RequestId") == "" {
				t.Error("no request id")
			}
		})
	}
}

func TestCallerIdentity(t *testing.T) {
	w := New(Options{Partition: "aws"})
	whoAmI := func(c Credentials) string {
		t.Helper()
		out, err := sts.NewFromConfig(configFor(w, home, c)).GetCallerIdentity(ctx(t), &sts.GetCallerIdentityInput{})
		if err != nil {
			t.Fatal(err)
		}
		return *out.Arn
	}
	a := w.Account("444455556666")
	for _, tt := range []struct {
		who  Credentials
		want string
	}{
		{a.User("eve"), "arn:aws:iam::444455556666:user/eve"},
		{a.Root(), "arn:aws:iam::444455556666:root"},
		{a.Role("service/ops", "night"), "arn:aws:sts::444455556666:assumed-role/ops/night"},
		{Credentials{AccessKeyID: "AKIAUNKNOWN", SecretAccessKey: "x"}, "arn:aws:iam::111122223333:user/cli"},
	} {
		if got := whoAmI(tt.who); got != tt.want {
			t.Errorf("caller is %s, want %s", got, tt.want)
		}
		if tt.who.ARN != "" && tt.who.ARN != tt.want {
			t.Errorf("credentials say %s, want %s", tt.who.ARN, tt.want)
		}
	}
	out, err := sts.NewFromConfig(configFor(w, home, a.User("eve"))).AssumeRole(ctx(t), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::777788889999:role/repair"), RoleSessionName: aws.String("trailwarden")})
	if err != nil {
		t.Fatal(err)
	}
	assumed := Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: "x", SessionToken: *out.Credentials.SessionToken}
	if got, want := whoAmI(assumed), "arn:aws:sts::777788889999:assumed-role/repair/trailwarden"; got != want || *out.AssumedRoleUser.Arn != want {
		t.Errorf("assumed %s, is %s, want %s", *out.AssumedRoleUser.Arn, got, want)
	}
}

func TestObjects(t *testing.T) {
	s := newSite(t, Options{})
	s.bucketFor(t, "logs")
	for i := range 3 {
		must(t)(s.objects.PutObject(ctx(t), &s3.PutObjectInput{Bucket: aws.String("logs"), Key: aws.String(fmt.Sprintf("dir/key %d", i)), Body: strings.NewReader("content")}))
	}
	got, err := s.objects.GetObject(ctx(t), &s3.GetObjectInput{Bucket: aws.String("logs"), Key: aws.String("dir/key 1")})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if b, err := io.ReadAll(got.Body); err != nil || string(b) != "content" {
		t.Errorf("read %q %v", b, err)
	}
	_, err = s.objects.GetObject(ctx(t), &s3.GetObjectInput{Bucket: aws.String("logs"), Key: aws.String("none")})
	wantCode(t, "NoSuchKey", err)
	_, err = s.objects.HeadObject(ctx(t), &s3.HeadObjectInput{Bucket: aws.String("logs"), Key: aws.String("none")})
	wantCode(t, "NotFound", err)
	_, err = s.objects.HeadBucket(ctx(t), &s3.HeadBucketInput{Bucket: aws.String("none")})
	wantCode(t, "NotFound", err)
	var keys []string
	pages := s3.NewListObjectsV2Paginator(s.objects, &s3.ListObjectsV2Input{Bucket: aws.String("logs"), Prefix: aws.String("dir/"), MaxKeys: aws.Int32(2)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out.Contents {
			keys = append(keys, *o.Key)
		}
	}
	if got := strings.Join(keys, ","); got != "dir/key 0,dir/key 1,dir/key 2" {
		t.Errorf("listed %s", got)
	}
	_, err = s.objects.DeleteBucket(ctx(t), &s3.DeleteBucketInput{Bucket: aws.String("logs")})
	wantCode(t, "BucketNotEmpty", err)
	_, err = s.objects.PutObject(ctx(t), &s3.PutObjectInput{Bucket: aws.String("logs"), Key: aws.String("dir/key 1"), Body: strings.NewReader("x"), IfNoneMatch: aws.String("*")})
	wantCode(t, "PreconditionFailed", err)
	// A stream of unknown length is sent in chunks with a checksum behind.
	must(t)(s.objects.PutObject(ctx(t), &s3.PutObjectInput{Bucket: aws.String("logs"), Key: aws.String("empty"), Body: bytes.NewReader(nil)}))
	loc, err := s.objects.GetBucketLocation(ctx(t), &s3.GetBucketLocationInput{Bucket: aws.String("logs")})
	if err != nil || string(loc.LocationConstraint) != home {
		t.Errorf("location %v %v", loc, err)
	}
}

func TestChunkedBodyIsUnwrapped(t *testing.T) {
	tests := []struct{ name, body, want, err string }{
		{"two chunks and a trailer", "3;chunk-signature=0\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAA==\r\n\r\n", "abcde", ""},
		{"empty", "0\r\n\r\n", "", ""},
		{"cut off", "9\r\nabc", "", "broken aws-chunked body"},
		{"no number", "zz\r\nabc\r\n", "", "broken aws-chunked body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader(tt.body))
			r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
			got, err := readBody(r)
			if string(got) != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q %v", got, err)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	type outcome struct {
		code    string // of the first call; "*" any failure that is not an answer
		second  string
		logging bool // after the first call
	}
	tests := []struct {
		name  string
		fault Fault
		want  outcome
	}{
		{"another operation", Fault{Op: "StopLogging", Code: "ConflictException"}, outcome{"", "", true}},
		{"another principal", Fault{Principal: "*:user/bob", Code: "ConflictException"}, outcome{"", "", true}},
		{"another Region", Fault{Region: away, Code: "ConflictException"}, outcome{"", "", true}},
		{"another account", Fault{Account: "999988887777", Code: "ConflictException"}, outcome{"", "", true}},
		{"another service", Fault{Service: "sns", Code: "ConflictException"}, outcome{"", "", true}},
		{"once", Fault{Service: "cloudtrail", Op: "Start*", Code: "ConflictException", Times: 1}, outcome{"ConflictException", "", false}},
		{"always", Fault{Code: "InternalFailure"}, outcome{"InternalFailure", "InternalFailure", false}},
		{"over since a second", Fault{Code: "InternalFailure", Until: time.Date(2026, 1, 5, 8, 59, 59, 0, time.UTC)}, outcome{"", "", true}},
		{"after the effect", Fault{Code: "ServiceUnavailable", After: true, Times: 1}, outcome{"ServiceUnavailable", "", true}},
		{"no answer", Fault{Hang: true, Times: 1}, outcome{"*", "", false}},
		{"no answer after the effect", Fault{Hang: true, After: true, Times: 1}, outcome{"*", "", true}},
		{"rubbish", Fault{Body: []byte("<html>Bad Gateway</html>"), Times: 1}, outcome{"*", "", true}},
		{"an error without a body", Fault{Body: []byte{}, Status: 502, Times: 1}, outcome{"UnknownError", "", true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, Options{})
				s.stopped(t)
				s.Inject(tt.fault)
				start := func() error {
					c, cancel := context.WithTimeout(t.Context(), 3*time.Second) // of the bubble
					defer cancel()
					_, err := s.trail.StartLogging(c, &cloudtrail.StartLoggingInput{Name: aws.String("main")})
					return err
				}
				err := start()
				var answer smithy.APIError
				if tt.want.code == "*" {
					if err == nil || errors.As(err, &answer) {
						t.Errorf("first call: %v", err)
					}
				} else {
					wantCode(t, tt.want.code, err)
				}
				if v, _ := s.Trail(mainARN); v.Logging != tt.want.logging {
					t.Errorf("took effect: %v, want %v", v.Logging, tt.want.logging)
				}
				wantCode(t, tt.want.second, start())
			})
		})
	}
}

func TestFaultDelayIsTimeThatPasses(t *testing.T) {
	s := newSite(t, Options{})
	s.stopped(t)
	remove := s.Inject(Fault{Delay: 7 * time.Second})
	before := s.Now()
	s.start(t)
	remove()
	s.status(t)
	if took := s.Now().Sub(before); took != 7*time.Second {
		t.Errorf("simulated clock moved by %s", took)
	}

	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, Options{Clock: time.Now})
		s.stopped(t)
		s.Inject(Fault{Delay: 7 * time.Second})
		before := time.Now()
		s.start(t)
		if took := time.Since(before); took != 7*time.Second {
			t.Errorf("call took %s", took)
		}
	})
}

// A server with a clock of its own delivers through Run, in synctest bubbles too.
func TestRunDeliversAsTimePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, Options{Clock: time.Now})
		var mu sync.Mutex
		var arrived []time.Duration
		begin := time.Now()
		s.mu.Lock()
		s.bus = func(r Record) {
			mu.Lock()
			defer mu.Unlock()
			arrived = append(arrived, time.Since(begin))
		}
		s.mu.Unlock()
		c, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(c) }()
		s.logging(t)
		time.Sleep(10 * time.Second)
		s.stop(t)
		time.Sleep(10 * time.Second)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
		if len(arrived) != 2 || arrived[0] < time.Second || arrived[0] > 9*time.Second || arrived[1] < 11*time.Second {
			t.Errorf("records arrived at %v", arrived)
		}
	})
}

func TestConcurrentCallers(t *testing.T) {
	s := newSite(t, Options{})
	s.logging(t)
	heard(s)
	var wg sync.WaitGroup
	for i := range 8 {
		who := s.Account(account).User(fmt.Sprint("user", i))
		wg.Go(func() {
			mine := at(s.World, home, who)
			for range 10 {
				mine.stop(t)
				mine.start(t)
				s.Advance(time.Second)
			}
		})
	}
	wg.Wait()
	ids := map[string]bool{}
	for _, r := range s.Records() {
		ids[r.ID] = true
	}
	if want := 3 + 1 + 160; len(ids) != want { // bucket, policy, trail; start; the rest
		t.Errorf("%d distinct event ids, want %d", len(ids), want)
	}
	if v, _ := s.Trail(mainARN); !v.Logging {
		t.Error("the last call of everybody was StartLogging")
	}
}
