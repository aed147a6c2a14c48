// Package chain reads the whole AWS credential chain as users of the AWS CLI know it: environment, profiles, SSO, containers,
// instances. The Lambda function has all it needs in its environment (cloud.FromEnv), and does without this package: what it
// links takes a cold start a quarter of its time.
package chain

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/trailwarden/trailwarden/internal/cloud"
)

// Load reads the chain, without asking AWS anything yet.
func Load(ctx context.Context, o cloud.Options) (aws.Config, error) {
	opts := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(cloud.HTTP(cloud.Roots(""))), // to which it adds AWS_CA_BUNDLE
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
