package cloud

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
)

// Options choose credentials and endpoint beyond what the environment says.
type Options struct {
	Region, Profile, Endpoint string
}

// Load reads the whole AWS credential chain, without asking AWS anything yet.
func Load(ctx context.Context, o Options) (aws.Config, error) {
	roots := Roots()
	client := awshttp.NewBuildableClient().
		WithTimeout(30 * time.Second).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
			t.TLSHandshakeTimeout = 5 * time.Second
			t.ResponseHeaderTimeout = 10 * time.Second
		})
	opts := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(client),
		awsconfig.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
	}
	if o.Region != "" {
		opts = append(opts, awsconfig.WithRegion(o.Region))
	}
	if o.Profile != "" {
		opts = append(opts, awsconfig.WithSharedConfigProfile(o.Profile))
	}
	if o.Endpoint != "" {
		opts = append(opts, awsconfig.WithBaseEndpoint(o.Endpoint))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load AWS configuration: %w", err)
	}
	return cfg, nil
}

// bundles are where systems keep all certificate roots in one file. Go by itself reads every file of the
// certificate folder too, which is the largest single cost of a cold start.
var bundles = []string{
	"/etc/pki/tls/certs/ca-bundle.crt", // Amazon Linux
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/ssl/cert.pem",
}

// Roots loads the certificate roots from one bundle; nil, which means the system's own way, where none is found.
func Roots() *x509.CertPool {
	files := bundles
	if named := os.Getenv("SSL_CERT_FILE"); named != "" {
		files = []string{named}
	}
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		pool := x509.NewCertPool()
		if pool.AppendCertsFromPEM(pem) {
			return pool
		}
	}
	return nil
}

// Warm opens the connection to CloudTrail in a Region before it is needed, by a request that asks for nothing.
// Whether it works is not important: the first call finds out.
func (c *Client) Warm(ctx context.Context, region string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	endpoint, err := cloudtrail.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, cloudtrail.EndpointParameters{
		Region: aws.String(region), Endpoint: c.Config.BaseEndpoint,
	})
	if err != nil {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, endpoint.URI.String(), nil)
	if err != nil {
		return
	}
	if c.Config.HTTPClient == nil {
		return
	}
	if res, err := c.Config.HTTPClient.Do(req); err == nil {
		res.Body.Close()
	}
	c.in(region)
}
