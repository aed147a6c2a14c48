package cloud

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Status asks once whether the trail is logging; the caller decides about another try. It waits for nothing: other reads wait for it.
func (c *Client) Status(ctx context.Context, a trail.ARN) (trail.Status, error) {
	var status trail.Status
	call := func(ctx context.Context) (err error) {
		status, err = c.status(ctx, a)
		return err
	}
	c.limits.take("GetTrailStatus", a.String())
	if failed := c.once(ctx, "GetTrailStatus", a.String(), 1, call); failed != nil {
		return trail.Status{}, failed
	}
	return status, nil
}

// Read reads groups of a trail's settings, all without groups named; whether the trail exists and is logging is always
// read. A trail that does not exist is a state, not an error. With an error the state holds, and lists in State.Read, what
// could be read all the same; without the settings and the status it is empty.
func (c *Client) Read(ctx context.Context, a trail.ARN, groups ...trail.Group) (trail.State, error) {
	if len(groups) == 0 {
		groups = trail.Groups()
	}
	s := trail.State{ARN: a, Exists: true}
	reads := []read{
		{trail.GroupSettings, "GetTrail", func(ctx context.Context) (err error) { return c.settings(ctx, a, &s.Settings) }},
		{trail.GroupLogging, "GetTrailStatus", func(ctx context.Context) (err error) {
			s.Status, err = c.status(ctx, a)
			return err
		}},
	}
	for _, r := range []read{
		{trail.GroupSelectors, "GetEventSelectors", func(ctx context.Context) error { return c.selectors(ctx, a, &s.Settings) }},
		{trail.GroupInsights, "GetInsightSelectors", func(ctx context.Context) error { return c.insights(ctx, a, &s.Settings) }},
		{trail.GroupEventConfig, "GetEventConfiguration", func(ctx context.Context) error { return c.eventConfig(ctx, a, &s.Settings) }},
		{trail.GroupTags, "ListTags", func(ctx context.Context) error { return c.tags(ctx, a, &s.Settings) }},
	} {
		if slices.Contains(groups, r.group) {
			reads = append(reads, r)
		}
	}
	errs := make([]error, len(reads))
	var wg sync.WaitGroup
	for i, r := range reads {
		wg.Go(func() { errs[i] = c.retry(ctx, r.op, a.String(), r.do) })
	}
	wg.Wait()
	s.ReadAt = time.Now().UTC()
	for i, r := range reads {
		switch {
		case errs[i] == nil || trail.ClassOf(errs[i]) == trail.ClassEmpty:
			s.Read, errs[i] = append(s.Read, r.group), nil
		case i < 2 && trail.ClassOf(errs[i]) == trail.ClassGone:
			return trail.State{ARN: a, ReadAt: s.ReadAt}, nil
		case i < 2:
			return trail.State{}, errs[i]
		}
	}
	s.Logging = s.Status.Logging
	return s, errors.Join(errs...)
}

// read is one call that reads a group.
type read struct {
	group trail.Group
	op    string
	do    func(context.Context) error
}

// settings reads what GetTrail tells. Each of these functions sets fields of its own, as they run side by side.
func (c *Client) settings(ctx context.Context, a trail.ARN, s *trail.Settings) error {
	out, err := c.in(a.Region).GetTrail(ctx, &cloudtrail.GetTrailInput{Name: aws.String(a.String())})
	if err != nil {
		return err
	}
	t := out.Trail
	if t == nil {
		return errors.New("the answer holds no trail")
	}
	s.Bucket = aws.ToString(t.S3BucketName)
	s.Prefix = aws.ToString(t.S3KeyPrefix)
	s.Topic = aws.ToString(t.SnsTopicARN)
	s.Key = aws.ToString(t.KmsKeyId)
	s.LogGroup = aws.ToString(t.CloudWatchLogsLogGroupArn)
	s.LogRole = aws.ToString(t.CloudWatchLogsRoleArn)
	s.GlobalEvents = aws.ToBool(t.IncludeGlobalServiceEvents)
	s.MultiRegion = aws.ToBool(t.IsMultiRegionTrail)
	s.Organization = aws.ToBool(t.IsOrganizationTrail)
	s.Validation = aws.ToBool(t.LogFileValidationEnabled)
	return nil
}

func (c *Client) selectors(ctx context.Context, a trail.ARN, s *trail.Settings) error {
	out, err := c.in(a.Region).GetEventSelectors(ctx, &cloudtrail.GetEventSelectorsInput{TrailName: aws.String(a.String())})
	if err != nil {
		return err
	}
	for _, b := range out.EventSelectors {
		one := trail.Selector{
			ReadWrite:      string(b.ReadWriteType),
			Management:     b.IncludeManagementEvents == nil || *b.IncludeManagementEvents,
			ExcludeSources: b.ExcludeManagementEventSources,
		}
		for _, d := range b.DataResources {
			one.Data = append(one.Data, trail.DataResource{Type: aws.ToString(d.Type), Values: d.Values})
		}
		s.Selectors.Basic = append(s.Selectors.Basic, one)
	}
	for _, x := range out.AdvancedEventSelectors {
		one := trail.AdvancedSelector{Name: aws.ToString(x.Name)}
		for _, f := range x.FieldSelectors {
			one.Fields = append(one.Fields, trail.FieldSelector{
				Field: aws.ToString(f.Field), Equals: f.Equals, NotEquals: f.NotEquals, StartsWith: f.StartsWith,
				NotStartsWith: f.NotStartsWith, EndsWith: f.EndsWith, NotEndsWith: f.NotEndsWith,
			})
		}
		s.Selectors.Advanced = append(s.Selectors.Advanced, one)
	}
	return nil
}

// insights reads the Insights. That none are on is an error of the API, of class trail.ClassEmpty.
func (c *Client) insights(ctx context.Context, a trail.ARN, s *trail.Settings) error {
	out, err := c.in(a.Region).GetInsightSelectors(ctx, &cloudtrail.GetInsightSelectorsInput{TrailName: aws.String(a.String())})
	if err != nil {
		return err
	}
	for _, i := range out.InsightSelectors {
		one := trail.Insight{Type: string(i.InsightType)}
		for _, category := range i.EventCategories {
			one.Categories = append(one.Categories, string(category))
		}
		s.Insights = append(s.Insights, one)
	}
	return nil
}

func (c *Client) eventConfig(ctx context.Context, a trail.ARN, s *trail.Settings) error {
	out, err := c.in(a.Region).GetEventConfiguration(ctx, &cloudtrail.GetEventConfigurationInput{TrailName: aws.String(a.String())})
	if err != nil {
		return err
	}
	s.EventConfig.MaxEventSize = string(out.MaxEventSize)
	for _, x := range out.AggregationConfigurations {
		one := trail.Aggregation{Category: string(x.EventCategory)}
		for _, t := range x.Templates {
			one.Templates = append(one.Templates, string(t))
		}
		s.EventConfig.Aggregations = append(s.EventConfig.Aggregations, one)
	}
	for _, k := range out.ContextKeySelectors {
		s.EventConfig.ContextKeys = append(s.EventConfig.ContextKeys, trail.ContextKeys{Type: string(k.Type), Equals: k.Equals})
	}
	return nil
}

func (c *Client) tags(ctx context.Context, a trail.ARN, s *trail.Settings) error {
	tags := map[string]string{}
	var token *string
	for range 10 { // a trail has at most 50 tags
		out, err := c.in(a.Region).ListTags(ctx, &cloudtrail.ListTagsInput{ResourceIdList: []string{a.String()}, NextToken: token})
		if err != nil {
			return err
		}
		for _, list := range out.ResourceTagList {
			for _, t := range list.TagsList {
				tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
		}
		if token = out.NextToken; aws.ToString(token) == "" {
			s.Tags = tags
			return nil
		}
	}
	return errors.New("the tags do not come to an end")
}

// status is asked without the SDK's client, which takes twice the time: nobody repairs before it answers.
func (c *Client) status(ctx context.Context, a trail.ARN) (trail.Status, error) {
	var out struct {
		IsLogging *bool

		StartLoggingTime, StopLoggingTime, LatestDeliveryTime, LatestDigestDeliveryTime, LatestCloudWatchLogsDeliveryTime, LatestNotificationTime epoch

		LatestDeliveryError, LatestDigestDeliveryError, LatestCloudWatchLogsDeliveryError, LatestNotificationError string
	}
	if err := c.lean().JSON(ctx, awscall.CloudTrail, a.Region, toStatus, named{a.String()}, &out); err != nil {
		return trail.Status{}, err
	}
	if out.IsLogging == nil {
		return trail.Status{}, fmt.Errorf("the answer does not say whether the trail is logging")
	}
	return trail.Status{
		Logging:                *out.IsLogging,
		Started:                out.StartLoggingTime.Time,
		Stopped:                out.StopLoggingTime.Time,
		Delivered:              out.LatestDeliveryTime.Time,
		DeliveryError:          out.LatestDeliveryError,
		DigestDelivered:        out.LatestDigestDeliveryTime.Time,
		DigestError:            out.LatestDigestDeliveryError,
		LogsDelivered:          out.LatestCloudWatchLogsDeliveryTime.Time,
		LogsError:              out.LatestCloudWatchLogsDeliveryError,
		NotificationsDelivered: out.LatestNotificationTime.Time,
		NotificationsError:     out.LatestNotificationError,
	}, nil
}

// The two operations of CloudTrail that are called without its client, whole: no name is ever put together, so that a look at
// the function's binary shows which calls it can make.
const (
	toStatus = "CloudTrail_20131101.GetTrailStatus"
	toStart  = "CloudTrail_20131101.StartLogging"
)

// named is a request that says nothing but a trail.
type named struct{ Name string }

// epoch is a time in seconds since 1970, with a fraction; null is none.
type epoch struct{ time.Time }

func (e *epoch) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	seconds, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.Abs(seconds) > 1e11 {
		return fmt.Errorf("%.40s is no time", b)
	}
	e.Time = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return nil
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
