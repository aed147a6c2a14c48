package cloud

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// History reads the records of the named calls in a Region since a time from Event history, which no trail and no
// attacker can switch off; newest first for each call, as AWS wrote them. It goes back 90 days at most, and lags by minutes.
func (c *Client) History(ctx context.Context, region string, calls []string, since time.Time) ([][]byte, error) {
	var found [][]byte
	for _, call := range calls {
		var token *string
		for {
			var out *cloudtrail.LookupEventsOutput
			err := c.retry(ctx, "LookupEvents", region, func(ctx context.Context) (err error) {
				out, err = c.in(region).LookupEvents(ctx, &cloudtrail.LookupEventsInput{
					StartTime: &since, NextToken: token,
					LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: &call}},
				})
				return err
			})
			if err != nil {
				return found, err
			}
			for _, e := range out.Events {
				found = append(found, []byte(aws.ToString(e.CloudTrailEvent)))
			}
			next := aws.ToString(out.NextToken)
			if next == "" {
				break
			}
			if next == aws.ToString(token) {
				return found, fmt.Errorf("read Event history of %s: AWS repeats the page %q", region, next)
			}
			token = out.NextToken
		}
	}
	return found, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// spread is how long CloudTrail may take until a change is seen everywhere.
const spread = 15 * time.Second

// Deleted proves that a trail which was asked for by its ARN in its home Region, and not found, was deleted: the
// credentials are of its account or of its organization's delegated administrator, and a complete list of the Region's trails does not hold it. A DeleteTrail record explains
// that; without one it must be so twice, with time for changes to spread in between.
func (c *Client) Deleted(ctx context.Context, a trail.ARN, explained bool) (bool, error) {
	self, err := c.Self(ctx)
	if err != nil {
		return false, err
	}
	if AccountOf(self) != a.Account {
		// A delegated administrator sees all trails of the organization, and makes those of the management account.
		caller, err := c.Caller(ctx)
		if err != nil || !caller.Delegated || caller.Management != a.Account {
			return false, nil // it is not proven, whatever the reason
		}
	}
	absent, err := c.absent(ctx, a)
	if err != nil || !absent || explained {
		return absent, err
	}
	if err := pause(ctx, spread); err != nil {
		return false, fmt.Errorf("prove that %s is deleted: %w", a, err)
	}
	state, err := c.Read(ctx, a, trail.GroupLogging)
	if err != nil || state.Exists {
		return false, err
	}
	return c.absent(ctx, a)
}

func (c *Client) absent(ctx context.Context, a trail.ARN) (bool, error) {
	listed, err := c.Trails(ctx, a.Region)
	if err != nil {
		return false, err
	}
	return !slices.Contains(listed, a), nil
}
