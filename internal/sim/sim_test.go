package sim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const (
	account = "111122223333"
	home    = "eu-central-1"
	away    = "us-east-1"
	mainARN = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"
)

// site is a world with a client of everything, in one Region, as one principal.
type site struct {
	*World
	trail   *cloudtrail.Client
	objects *s3.Client
	config  aws.Config
}

// newSite makes a world; when the test ends, every error that CloudTrail answered must be one that the operation declares.
func newSite(t *testing.T, o Options) *site {
	t.Helper()
	w := New(o)
	t.Cleanup(func() { checkDeclared(t, w) })
	return at(w, home, w.Account(account).User("alice"))
}

// at is the same world seen from another Region or by another principal.
func at(w *World, region string, who Credentials) *site {
	c := configFor(w, region, who)
	return &site{w, cloudtrail.NewFromConfig(c), s3.NewFromConfig(c, pathStyle), c}
}

func pathStyle(o *s3.Options) { o.UsePathStyle = true }

func configFor(w *World, region string, who Credentials) aws.Config {
	return aws.Config{
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(who.AccessKeyID, who.SecretAccessKey, who.SessionToken),
		HTTPClient:   &http.Client{Transport: w.Transport()},
		BaseEndpoint: aws.String("http://sim.invalid"),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// bucketFor makes a log bucket in the site's Region, for any trail of the account.
func (s *site) bucketFor(t *testing.T, name string) {
	t.Helper()
	in := &s3.CreateBucketInput{Bucket: &name}
	if s.config.Region != "us-east-1" {
		in.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(s.config.Region)}
	}
	must(t)(s.objects.CreateBucket(ctx(t), in))
	s.putPolicy(t, name, strings.ReplaceAll(CloudTrailBucketPolicy(name, "arn:aws:cloudtrail:*:"+account+":trail/*"), "StringEquals", "StringLike"))
}

func (s *site) putPolicy(t *testing.T, bucket, policy string) {
	t.Helper()
	must(t)(s.objects.PutBucketPolicy(ctx(t), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy}))
}

// logging makes the trail "main" with bucket "logs" and starts it.
func (s *site) logging(t *testing.T) {
	t.Helper()
	s.stopped(t)
	must(t)(s.trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: aws.String("main")}))
}

func (s *site) stopped(t *testing.T) {
	t.Helper()
	s.bucketFor(t, "logs")
	must(t)(s.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs")}))
}

func (s *site) status(t *testing.T) *cloudtrail.GetTrailStatusOutput {
	t.Helper()
	out, err := s.trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: aws.String(mainARN)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *site) get(t *testing.T) types.Trail {
	t.Helper()
	out, err := s.trail.GetTrail(ctx(t), &cloudtrail.GetTrailInput{Name: aws.String(mainARN)})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Trail
}

// topics makes these the only SNS topics that CloudTrail finds, and lets it publish to them.
func (s *site) topics(arns ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topicLets = func(arn string, _ *trail) string {
		if slices.Contains(arns, arn) {
			return ""
		}
		return "NotFound"
	}
}

func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return c
}

// must takes the results of a call that has to work.
func must(t *testing.T) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// code is the AWS error code of err; "" for nil.
func code(err error) string {
	var e smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.ErrorCode()
	}
	return "not an API error: " + err.Error()
}

// wantCode checks that a call failed with a code, or worked if the code is empty.
func wantCode(t *testing.T, want string, err error) {
	t.Helper()
	if got := code(err); got != want {
		t.Errorf("error code %q (%v), want %q", got, err, want)
	}
}

// declaredErrors are the codes that each CloudTrail operation declares in AWS's model.
func declaredErrors(t *testing.T) map[string][]string {
	b, err := os.ReadFile("testdata/errors.json")
	if err != nil {
		t.Fatal(err)
	}
	var declared map[string][]string
	if err := json.Unmarshal(b, &declared); err != nil {
		t.Fatal(err)
	}
	return declared
}

// everywhere occur with any operation without being declared.
var everywhere = []string{"AccessDeniedException", "ThrottlingException", "UnrecognizedClientException", "ValidationException", "SerializationException"}

func checkDeclared(t *testing.T, w *World) {
	declared := declaredErrors(t)
	injected := map[string]bool{}
	w.mu.Lock()
	for _, f := range w.faults {
		injected[f.Code] = true
	}
	w.mu.Unlock()
	for _, c := range w.Calls() {
		if c.Service == "cloudtrail" && c.Error != "" && !slices.Contains(everywhere, c.Error) && !injected[c.Error] && !slices.Contains(declared[c.Error], c.Op) {
			t.Errorf("%s answered %s, which AWS does not declare for it", c.Op, c.Error)
		}
	}
}
