// Package cloud makes the AWS calls: reads and repairs of trails, always in the trail's home Region and by its
// ARN. Errors are *trail.CallError, classified by AWS's code. Nothing is given up in silence.
package cloud

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Client calls AWS with one set of credentials. It is safe for use by several goroutines.
type Client struct {
	Config  aws.Config
	Version string // for the user agent
	// Restore is the ARN of a role that every action but StartLogging is made with, each time with a session policy for
	// the one trail; empty makes them with the client's own credentials.
	Restore string
	// Jitter draws a time below a bound, by which pauses differ; nil for a random one. Simulations set it, so that a seed replays a run.
	Jitter func(time.Duration) time.Duration

	mu        sync.Mutex
	trails    map[string]*cloudtrail.Client // by Region
	restorers map[trail.ARN]assumed
	self      string
	caller    known[trail.Caller]
	regions   known[[]string]
	limits    limits
}

// in is the CloudTrail client of a Region, built once.
func (c *Client) in(region string) *cloudtrail.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if api, ok := c.trails[region]; ok {
		return api
	}
	if c.trails == nil {
		c.trails = make(map[string]*cloudtrail.Client)
	}
	api := c.client(c.Config, region)
	c.trails[region] = api
	return api
}

func (c *Client) client(cfg aws.Config, region string) *cloudtrail.Client {
	return cloudtrail.NewFromConfig(cfg, func(o *cloudtrail.Options) {
		o.Region = region
		o.Retryer = aws.NopRetryer{}
		o.APIOptions = append(o.APIOptions, awsmiddleware.AddUserAgentKeyValue("trailwarden", c.Version))
	})
}

// lean makes the calls of which so few are needed that the SDK's client would be dead weight in the Lambda function.
func (c *Client) lean() awscall.Caller {
	return awscall.Caller{Config: c.Config, Agent: "trailwarden/" + c.Version}
}

// Self is the ARN of the principal that the credentials belong to. It is asked for once.
func (c *Client) Self(ctx context.Context) (string, error) {
	c.mu.Lock()
	known := c.self
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	var out struct {
		ARN string `xml:"GetCallerIdentityResult>Arn"`
	}
	err := c.retry(ctx, "GetCallerIdentity", "of the credentials", func(ctx context.Context) error {
		return c.lean().Query(ctx, awscall.STS, "", url.Values{"Action": {"GetCallerIdentity"}, "Version": {versionOfSTS}}, &out)
	})
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.self = out.ARN
	return c.self, nil
}

// AccountOf is the account in an ARN, empty when there is none.
func AccountOf(arn string) string {
	if part := strings.SplitN(arn, ":", 6); len(part) == 6 {
		return part[4]
	}
	return ""
}
