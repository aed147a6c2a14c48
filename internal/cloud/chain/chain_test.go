package chain

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/cloud"
)

// TestFromEnv: of what a Lambda function has in its environment cloud.FromEnv makes what the whole chain makes of it.
func TestFromEnv(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"as Lambda":              {},
		"an AWS of one's own":    {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
		"one service elsewhere":  {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000"},
		"both":                   {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_CLOUDTRAIL": "http://127.0.0.1:1"},
		"ignored":                {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
		"FIPS":                   {"AWS_USE_FIPS_ENDPOINT": "true"},
		"dual-stack":             {"AWS_USE_DUALSTACK_ENDPOINT": "True"},
		"FIPS is off":            {"AWS_USE_FIPS_ENDPOINT": "false"},
		"the other Region's key": {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-west-2"},
		"an application":         {"AWS_SDK_UA_APP_ID": "mine"},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range map[string]string{
				"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token", "HOME": t.TempDir(),
			} {
				t.Setenv(key, value)
			}
			for key, value := range env {
				t.Setenv(key, value)
			}
			whole, err := Load(t.Context(), cloud.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(facts(t, whole), facts(t, cloud.FromEnv(""))); diff != "" {
				t.Errorf("-chain +FromEnv\n%s", diff)
			}
		})
	}
	if got := cloud.FromEnv("eu-west-3").Region; got != "eu-west-3" {
		t.Errorf("the Region that is asked for: %s", got)
	}
}

type fact struct {
	Region, Key, Secret, Token, App, CloudTrail, DynamoDB string
	Request                                               aws.RequestChecksumCalculation
	Response                                              aws.ResponseChecksumValidation
}

// facts are what clients make of a configuration.
func facts(t *testing.T, cfg aws.Config) fact {
	creds, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := fact{
		Region: cfg.Region, Key: creds.AccessKeyID, Secret: creds.SecretAccessKey, Token: creds.SessionToken, App: cfg.AppID,
		Request: cfg.RequestChecksumCalculation, Response: cfg.ResponseChecksumValidation,
	}
	cfg.HTTPClient = &keeper{&f.CloudTrail}
	_, _ = cloudtrail.NewFromConfig(cfg).DescribeTrails(t.Context(), nil)
	cfg.HTTPClient = &keeper{&f.DynamoDB}
	_, _ = dynamodb.NewFromConfig(cfg).ListTables(t.Context(), nil)
	return f
}

// keeper keeps where a request was to go.
type keeper struct{ url *string }

func (k *keeper) Do(r *http.Request) (*http.Response, error) {
	*k.url = r.URL.String()
	return nil, http.ErrHandlerTimeout
}
