package cloud

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// Status asks once whether the trail is logging; the caller decides about another try.
func (c *Client) Status(ctx context.Context, a trail.ARN) (trail.Status, error) {
	var status trail.Status
	call := func(ctx context.Context) (err error) {
		status, err = c.status(ctx, a)
		return err
	}
	if failed := c.once(ctx, "GetTrailStatus", a.String(), 1, call); failed != nil {
		return trail.Status{}, failed
	}
	return status, nil
}

// Read reads the trail's settings and status. A trail that does not exist is a state, not an error.
func (c *Client) Read(ctx context.Context, a trail.ARN) (trail.State, error) {
	s := trail.State{ARN: a, Exists: true, Read: []trail.Group{trail.GroupSettings, trail.GroupLogging}}
	var wg sync.WaitGroup
	var settingsErr, statusErr error
	wg.Go(func() {
		settingsErr = c.retry(ctx, "GetTrail", a.String(), func(ctx context.Context) (err error) {
			s.Settings, err = c.settings(ctx, a)
			return err
		})
	})
	var status trail.Status
	wg.Go(func() {
		statusErr = c.retry(ctx, "GetTrailStatus", a.String(), func(ctx context.Context) (err error) {
			status, err = c.status(ctx, a)
			return err
		})
	})
	wg.Wait()
	s.ReadAt = time.Now().UTC()
	for _, err := range []error{settingsErr, statusErr} {
		if err == nil {
			continue
		}
		if trail.ClassOf(err) == trail.ClassGone {
			return trail.State{ARN: a, ReadAt: s.ReadAt}, nil
		}
		return trail.State{}, err
	}
	s.Status, s.Logging = status, status.Logging
	return s, nil
}

func (c *Client) settings(ctx context.Context, a trail.ARN) (trail.Settings, error) {
	out, err := c.in(a.Region).GetTrail(ctx, &cloudtrail.GetTrailInput{Name: aws.String(a.String())})
	if err != nil {
		return trail.Settings{}, err
	}
	t := out.Trail
	if t == nil {
		return trail.Settings{}, fmt.Errorf("the answer holds no trail")
	}
	return trail.Settings{
		Bucket:       aws.ToString(t.S3BucketName),
		Prefix:       aws.ToString(t.S3KeyPrefix),
		Topic:        aws.ToString(t.SnsTopicARN),
		Key:          aws.ToString(t.KmsKeyId),
		LogGroup:     aws.ToString(t.CloudWatchLogsLogGroupArn),
		LogRole:      aws.ToString(t.CloudWatchLogsRoleArn),
		GlobalEvents: aws.ToBool(t.IncludeGlobalServiceEvents),
		MultiRegion:  aws.ToBool(t.IsMultiRegionTrail),
		Organization: aws.ToBool(t.IsOrganizationTrail),
		Validation:   aws.ToBool(t.LogFileValidationEnabled),
	}, nil
}

func (c *Client) status(ctx context.Context, a trail.ARN) (trail.Status, error) {
	out, err := c.in(a.Region).GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: aws.String(a.String())})
	if err != nil {
		return trail.Status{}, err
	}
	if out.IsLogging == nil {
		return trail.Status{}, fmt.Errorf("the answer does not say whether the trail is logging")
	}
	return trail.Status{
		Logging:                *out.IsLogging,
		Started:                aws.ToTime(out.StartLoggingTime).UTC(),
		Stopped:                aws.ToTime(out.StopLoggingTime).UTC(),
		Delivered:              aws.ToTime(out.LatestDeliveryTime).UTC(),
		DeliveryError:          aws.ToString(out.LatestDeliveryError),
		DigestDelivered:        aws.ToTime(out.LatestDigestDeliveryTime).UTC(),
		DigestError:            aws.ToString(out.LatestDigestDeliveryError),
		LogsDelivered:          aws.ToTime(out.LatestCloudWatchLogsDeliveryTime).UTC(),
		LogsError:              aws.ToString(out.LatestCloudWatchLogsDeliveryError),
		NotificationsDelivered: aws.ToTime(out.LatestNotificationTime).UTC(),
		NotificationsError:     aws.ToString(out.LatestNotificationError),
	}, nil
}

// Trails lists the trails that a Region knows, each once: those of other home Regions too. A list that cannot be
// read to its end is an error, never a shorter list.
func (c *Client) Trails(ctx context.Context, region string) ([]trail.ARN, error) {
	var found []trail.ARN
	var token *string
	seen := map[string]bool{}
	for {
		var out *cloudtrail.ListTrailsOutput
		err := c.retry(ctx, "ListTrails", region, func(ctx context.Context) (err error) {
			out, err = c.in(region).ListTrails(ctx, &cloudtrail.ListTrailsInput{NextToken: token})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, info := range out.Trails {
			a, err := listed(info)
			if err != nil {
				return nil, fmt.Errorf("list trails of %s: %w", region, err)
			}
			if !seen[a.String()] {
				seen[a.String()] = true
				found = append(found, a)
			}
		}
		token = out.NextToken
		if aws.ToString(token) == "" {
			return found, nil
		}
		if seen["token "+*token] {
			return nil, fmt.Errorf("list trails of %s: AWS repeats the page %q", region, *token)
		}
		seen["token "+*token] = true
	}
}

func listed(info types.TrailInfo) (trail.ARN, error) {
	a, err := trail.ParseARN(aws.ToString(info.TrailARN))
	if err != nil {
		return trail.ARN{}, err
	}
	if home := aws.ToString(info.HomeRegion); home != "" {
		a.Region = home
	}
	return a, nil
}
