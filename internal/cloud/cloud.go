// Package cloud makes the AWS calls: reads and repairs of trails, always in the trail's home Region and by its
// ARN. Errors are *trail.CallError, classified by AWS's code. Nothing is given up in silence.
package cloud

import (
	"context"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// Client calls AWS with one set of credentials. It is safe for use by several goroutines.
type Client struct {
	Config  aws.Config
	Version string // for the user agent

	mu     sync.Mutex
	trails map[string]*cloudtrail.Client // by Region
	self   string
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
	api := cloudtrail.NewFromConfig(c.Config, func(o *cloudtrail.Options) {
		o.Region = region
		o.Retryer = aws.NopRetryer{}
		o.APIOptions = append(o.APIOptions, awsmiddleware.AddUserAgentKeyValue("trailwarden", c.Version))
	})
	c.trails[region] = api
	return api
}

// Self is the ARN of the principal that the credentials belong to. It is asked for once.
func (c *Client) Self(ctx context.Context) (string, error) {
	c.mu.Lock()
	known := c.self
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	api := sts.NewFromConfig(c.Config, func(o *sts.Options) { o.Retryer = aws.NopRetryer{} })
	var out *sts.GetCallerIdentityOutput
	err := c.retry(ctx, "GetCallerIdentity", "of the credentials", func(ctx context.Context) (err error) {
		out, err = api.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		return err
	})
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.self = aws.ToString(out.Arn)
	return c.self, nil
}

// Do makes the call of an action and returns AWS's request id, by which CloudTrail's own record of it can be
// recognised. The incident's id goes into the user agent.
func (c *Client) Do(ctx context.Context, action trail.Action, incidentID string) (string, error) {
	api, name := c.in(action.Target.Region), aws.String(action.Target.String())
	mark := func(o *cloudtrail.Options) {
		o.APIOptions = append(o.APIOptions, awsmiddleware.AddUserAgentKey(incidentID))
	}
	var meta middleware.Metadata
	err := c.retry(ctx, string(action.Op), action.Target.String(), func(ctx context.Context) error {
		switch action.Op {
		case trail.StartLogging:
			out, err := api.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: name}, mark)
			if err != nil {
				return err
			}
			meta = out.ResultMetadata
			return nil
		}
		return unplanned(action.Op)
	})
	if err != nil {
		return "", err
	}
	id, _ := awsmiddleware.GetRequestIDMetadata(meta)
	return id, nil
}

// unplanned is the error of an action that no plan holds yet.
type unplanned trail.Op

func (u unplanned) Error() string { return "no repair makes the call " + string(u) }

// AccountOf is the account in an ARN, empty when there is none.
func AccountOf(arn string) string {
	if part := strings.SplitN(arn, ":", 6); len(part) == 6 {
		return part[4]
	}
	return ""
}
