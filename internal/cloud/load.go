package cloud

import (
	"cmp"
	"context"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Options choose credentials and endpoint beyond what the environment says.
type Options struct {
	Region, Profile, Endpoint string
}

// FromEnv is the configuration of a Lambda function, which has everything in its environment: credentials, Region, endpoints. It
// reads no file and asks nobody, which takes a tenth of the time that the whole chain takes (cloud/chain). Region is "" for AWS_REGION's.
func FromEnv(region string) aws.Config {
	off := environment{}.is("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
	cfg := aws.Config{
		Region:                     cmp.Or(region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		Credentials:                credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")),
		Retryer:                    func() aws.Retryer { return aws.NopRetryer{} },
		ConfigSources:              []any{environment{}},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		AppID:                      os.Getenv("AWS_SDK_UA_APP_ID"),
	}
	all := func() *x509.CertPool { return Roots(os.Getenv("AWS_CA_BUNDLE")) }
	switch trail.PartitionOf(cfg.Region) {
	case "aws", "aws-us-gov":
		cfg.HTTPClient = likely(all)
	default:
		cfg.HTTPClient = HTTP(all()) // others certify those
	}
	if base := os.Getenv("AWS_ENDPOINT_URL"); base != "" && !off {
		cfg.BaseEndpoint = &base
	}
	return cfg
}

// environment answers what clients ask of settings, as the SDK's own environment does.
type environment struct{}

func (environment) is(name string) bool { return strings.EqualFold(os.Getenv(name), "true") }

// GetUseFIPSEndpoint is AWS_USE_FIPS_ENDPOINT.
func (e environment) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	if e.is("AWS_USE_FIPS_ENDPOINT") {
		return aws.FIPSEndpointStateEnabled, true, nil
	}
	return aws.FIPSEndpointStateUnset, false, nil
}

// GetUseDualStackEndpoint is AWS_USE_DUALSTACK_ENDPOINT.
func (e environment) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	if e.is("AWS_USE_DUALSTACK_ENDPOINT") {
		return aws.DualStackEndpointStateEnabled, true, nil
	}
	return aws.DualStackEndpointStateUnset, false, nil
}

// GetIgnoreConfiguredEndpoints is AWS_IGNORE_CONFIGURED_ENDPOINT_URLS.
func (e environment) GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error) {
	off := e.is("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
	return off, off, nil
}

// GetServiceBaseEndpoint is AWS_ENDPOINT_URL_<service>.
func (environment) GetServiceBaseEndpoint(_ context.Context, id string) (string, bool, error) {
	base := os.Getenv("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(id, " ", "_")))
	return base, base != "", nil
}

// Warm opens the connection to CloudTrail in a Region before it is needed, by a request that asks for nothing.
// Whether it works is not important: the first call finds out.
func (c *Client) Warm(ctx context.Context, region string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	ask := c.lean()
	ask.Config.Region = region
	address, err := ask.Address(ctx, awscall.CloudTrail)
	if err != nil {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil || c.Config.HTTPClient == nil {
		return
	}
	if res, err := c.Config.HTTPClient.Do(req); err == nil {
		res.Body.Close()
	}
}
