package awscall

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// wire keeps where the last request went, and answers nothing.
type wire struct{ url, scope string }

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	w.url = r.URL.Scheme + "://" + r.URL.Host + strings.TrimSuffix(r.URL.Path, "/")
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=AKIDEXAMPLE/")
	if len(scope) > 9 {
		w.scope, _, _ = strings.Cut(scope[9:], ",") // without the date
	}
	return nil, http.ErrHandlerTimeout
}

// sdk makes a call of each service with the SDK's own client. Their requests have no path, or one that the test cuts off.
var sdk = map[Service]struct {
	path string
	call func(*testing.T, aws.Config) error
}{
	CloudTrail: {"", func(t *testing.T, cfg aws.Config) error {
		_, err := cloudtrail.NewFromConfig(cfg).DescribeTrails(t.Context(), nil)
		return err
	}},
	DynamoDB: {"", func(t *testing.T, cfg aws.Config) error {
		_, err := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.AccountIDEndpointMode = aws.AccountIDEndpointModeDisabled }).ListTables(t.Context(), nil)
		return err
	}},
	EventBridge: {"", func(t *testing.T, cfg aws.Config) error {
		_, err := eventbridge.NewFromConfig(cfg).ListRules(t.Context(), nil)
		return err
	}},
	IAM: {"", func(t *testing.T, cfg aws.Config) error {
		_, err := iam.NewFromConfig(cfg).ListRoles(t.Context(), nil)
		return err
	}},
	Lambda: {"/2015-03-31/functions", func(t *testing.T, cfg aws.Config) error {
		_, err := lambda.NewFromConfig(cfg).ListFunctions(t.Context(), nil)
		return err
	}},
	Scheduler: {"/schedules", func(t *testing.T, cfg aws.Config) error {
		_, err := scheduler.NewFromConfig(cfg).ListSchedules(t.Context(), nil)
		return err
	}},
	SecretsManager: {"", func(t *testing.T, cfg aws.Config) error {
		_, err := secretsmanager.NewFromConfig(cfg).ListSecrets(t.Context(), nil)
		return err
	}},
	SecurityHub: {"/accounts", func(t *testing.T, cfg aws.Config) error {
		_, err := securityhub.NewFromConfig(cfg).DescribeHub(t.Context(), nil)
		return err
	}},
	SNS: {"", func(t *testing.T, cfg aws.Config) error {
		_, err := sns.NewFromConfig(cfg).ListTopics(t.Context(), nil)
		return err
	}},
	SQS: {"", func(t *testing.T, cfg aws.Config) error {
		_, err := sqs.NewFromConfig(cfg).ListQueues(t.Context(), nil)
		return err
	}},
	SSM: {"", func(t *testing.T, cfg aws.Config) error {
		_, err := ssm.NewFromConfig(cfg).DescribeParameters(t.Context(), nil)
		return err
	}},
	STS: {"", func(t *testing.T, cfg aws.Config) error {
		_, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
		return err
	}},
	S3: {"", func(t *testing.T, cfg aws.Config) error {
		_, err := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil }).HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String(bucket)})
		return err
	}},
}

const bucket = "logs-bucket"

// both asks for a service by the SDK and by ourselves, and compares where the requests go and what they are signed for.
func both(t *testing.T, cfg aws.Config, s Service) (ours wire) {
	t.Helper()
	theirs := &wire{}
	cfg.HTTPClient, cfg.Retryer = theirs, func() aws.Retryer { return aws.NopRetryer{} }
	_ = sdk[s].call(t, cfg)
	theirs.url = strings.TrimSuffix(theirs.url, sdk[s].path)
	cfg.HTTPClient = &ours
	r := Request{Service: s, Method: http.MethodPost, Path: "/"}
	if s == S3 {
		r.Bucket = bucket
	}
	_, _ = Caller{Config: cfg}.Do(t.Context(), r)
	if ours != *theirs {
		t.Errorf("%s in %s: got %+v, the SDK %+v", s, cfg.Region, ours, *theirs)
	}
	return ours
}

// load loads settings from an environment.
func load(t *testing.T, region string, env map[string]string) aws.Config {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	cfg, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithRegion(region),
		awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "token")))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestPlaces: in every partition, with each kind of endpoint, a request goes where the SDK's would go.
func TestPlaces(t *testing.T) {
	for _, kinds := range []map[string]string{
		{"AWS_USE_FIPS_ENDPOINT": "false"}, {"AWS_USE_FIPS_ENDPOINT": "true"}, {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
		{"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
	} {
		for _, region := range []string{
			"eu-central-1", "us-east-1", "cn-north-1", "cn-northwest-1", "us-gov-west-1", "us-gov-east-1", "us-iso-east-1", "us-iso-west-1", "us-isob-east-1",
			"eu-isoe-west-1", "us-isof-south-1", "us-isof-east-1", "eusc-de-east-1",
		} {
			t.Run(region, func(t *testing.T) {
				cfg := load(t, region, kinds)
				for s := range sdk {
					fips, dual := kinds["AWS_USE_FIPS_ENDPOINT"] == "true", kinds["AWS_USE_DUALSTACK_ENDPOINT"] == "true"
					china, usual := strings.HasPrefix(region, "cn-"), trail.PartitionOf(region) == "aws" || trail.PartitionOf(region) == "aws-us-gov"
					if fips && china && (s == S3 || s == SecretsManager) || s == IAM && !usual && (fips || dual && strings.Contains(region, "-iso")) {
						continue // there is none: the SDK makes up a host of its own, or refuses
					}
					if both(t, cfg, s).url == "" {
						t.Errorf("%s: no request", s)
					}
				}
			})
		}
	}
}

// TestSettings: endpoints of one's own are honoured as the SDK honours them, for one service and for all.
func TestSettings(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"for all":                  {"AWS_ENDPOINT_URL": "http://all.invalid:4566"},
		"with a path":              {"AWS_ENDPOINT_URL": "http://all.invalid/aws"},
		"for some":                 {"AWS_ENDPOINT_URL_SSM": "http://ssm.invalid", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://sm.invalid", "AWS_ENDPOINT_URL_S3": "https://s3.invalid"},
		"for some before for all":  {"AWS_ENDPOINT_URL": "http://all.invalid", "AWS_ENDPOINT_URL_SECURITYHUB": "http://hub.invalid", "AWS_ENDPOINT_URL_EVENTBRIDGE": "http://bus.invalid"},
		"ignored":                  {"AWS_ENDPOINT_URL": "http://all.invalid", "AWS_ENDPOINT_URL_SSM": "http://ssm.invalid", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
		"in a file":                {"AWS_CONFIG_FILE": "testdata/config"},
		"in a file, but for all":   {"AWS_CONFIG_FILE": "testdata/config", "AWS_ENDPOINT_URL": "http://all.invalid"},
		"FIPS and dual in a file":  {"AWS_CONFIG_FILE": "testdata/config", "AWS_PROFILE": "fips"},
		"one of one's own or FIPS": {"AWS_ENDPOINT_URL": "http://all.invalid", "AWS_USE_FIPS_ENDPOINT": "true"},
		"nowhere":                  {"AWS_REGION": ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := load(t, "eu-central-1", env)
			for s := range sdk {
				if s == S3 && strings.HasPrefix(name, "for some") || s == S3 && strings.HasPrefix(name, "in a file") {
					continue // ours asks path-style wherever an endpoint is set, the SDK where it is told to
				}
				both(t, cfg, s)
			}
		})
	}
}

// TestPlaceOfNone: no request goes to a host that an odd Region makes up.
func TestPlaceOfNone(t *testing.T) {
	for _, region := range []string{"", "evil.example/", "a b", "x@y"} {
		w := &wire{}
		c := Caller{Config: aws.Config{Region: region, HTTPClient: w, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")}}
		if _, err := c.Do(t.Context(), Request{Service: SSM, Method: http.MethodPost}); err == nil || !strings.Contains(err.Error(), "Region") || w.url != "" {
			t.Errorf("%q: %v, %s", region, err, w.url)
		}
	}
}

// TestHosts: of services whose clients we do not have.
func TestHosts(t *testing.T) {
	for want, at := range map[string]struct {
		s      Service
		region string
	}{
		"ec2.cn-north-1.amazonaws.com.cn/cn-north-1":                   {EC2, "cn-north-1"},
		"organizations.us-gov-west-1.amazonaws.com/us-gov-west-1":      {Organizations, "us-gov-east-1"},
		"organizations.us-east-1.amazonaws.com/us-east-1":              {Organizations, "eu-central-1"},
		"organizations.cn-northwest-1.amazonaws.com.cn/cn-northwest-1": {Organizations, "cn-north-1"},
	} {
		name, signed := host(at.s, at.region, false, false)
		if got := name + "/" + signed; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestBuckets: a bucket is part of the host name where a certificate allows it.
func TestBuckets(t *testing.T) {
	for want, r := range map[string]Request{
		"https://logs.s3.eu-central-1.amazonaws.com/":                {Bucket: "logs"},
		"https://logs.s3.eu-central-1.amazonaws.com/a/b":             {Bucket: "logs", Path: "/a/b"},
		"https://s3.eu-central-1.amazonaws.com/logs.example":         {Bucket: "logs.example"},
		"https://s3.eu-central-1.amazonaws.com/logs.example/a?x=%2F": {Bucket: "logs.example", Path: "a?x=%2F"},
	} {
		r.Service, r.Region = S3, "eu-central-1"
		if got, _, err := (Caller{}).place(t.Context(), r); got != want {
			t.Errorf("got %s, want %s (%v)", got, want, err)
		}
	}
}
