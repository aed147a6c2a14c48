package cloud

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Do makes the call of an action and returns AWS's request id, by which CloudTrail's own record of it can be
// recognised. The incident's id goes into the user agent. Only what the action sends is in the request.
func (c *Client) Do(ctx context.Context, action trail.Action, incidentID string) (string, error) {
	if action.Op == trail.StartLogging {
		return c.start(ctx, action.Target, incidentID)
	}
	api, err := c.restorer(ctx, action)
	if err != nil {
		return "", err
	}
	call := request{api: api, action: action, mark: func(o *cloudtrail.Options) {
		o.APIOptions = append(o.APIOptions, awsmiddleware.AddUserAgentKey(incidentID))
	}}
	if err := c.retry(ctx, string(action.Op), action.Target.String(), call.make); err != nil {
		return "", err
	}
	id, _ := awsmiddleware.GetRequestIDMetadata(call.meta)
	return id, nil
}

// start makes a trail log again, as status reads: without the SDK's client, and with our own credentials.
func (c *Client) start(ctx context.Context, a trail.ARN, incidentID string) (id string, err error) {
	body, err := json.Marshal(named{a.String()})
	if err != nil {
		return "", fmt.Errorf("encode request: %w", err)
	}
	call := c.lean()
	call.Agent += " " + strings.Map(token, incidentID)
	err = c.retry(ctx, string(trail.StartLogging), a.String(), func(ctx context.Context) error {
		answer, err := call.Do(ctx, awscall.Request{
			Service: awscall.CloudTrail, Region: a.Region, Method: http.MethodPost, Body: body,
			Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {toStart}},
		})
		id = cmp.Or(answer.Header.Get("X-Amzn-Requestid"), answer.Header.Get("X-Amz-Requestid"))
		return err
	})
	return id, err
}

// token keeps what may stand in a user agent: no incident's name keeps a trail from being started.
func token(r rune) rune {
	if r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' {
		return r
	}
	return -1
}

// request is an action on its way to AWS.
type request struct {
	api    *cloudtrail.Client
	action trail.Action
	mark   func(*cloudtrail.Options)
	meta   middleware.Metadata
}

func (r *request) make(ctx context.Context) (err error) {
	name, set := aws.String(r.action.Target.String()), r.action.Set
	switch r.action.Op {
	case trail.UpdateTrail:
		out, err := r.api.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{
			Name:                       name,
			S3BucketName:               r.text(trail.FieldBucket, set.Bucket),
			S3KeyPrefix:                r.text(trail.FieldPrefix, set.Prefix),
			SnsTopicName:               r.text(trail.FieldTopic, set.Topic),
			KmsKeyId:                   r.text(trail.FieldKey, set.Key),
			CloudWatchLogsLogGroupArn:  r.text(trail.FieldLogGroup, set.LogGroup),
			CloudWatchLogsRoleArn:      r.text(trail.FieldLogRole, set.LogRole),
			IncludeGlobalServiceEvents: r.flag(trail.FieldGlobalEvents, set.GlobalEvents),
			IsMultiRegionTrail:         r.flag(trail.FieldMultiRegion, set.MultiRegion),
			IsOrganizationTrail:        r.flag(trail.FieldOrganization, set.Organization),
			EnableLogFileValidation:    r.flag(trail.FieldValidation, set.Validation),
		}, r.mark)
		if err != nil {
			return err
		}
		r.meta = out.ResultMetadata
	case trail.CreateTrail:
		out, err := r.api.CreateTrail(ctx, &cloudtrail.CreateTrailInput{
			Name:                       aws.String(r.action.Target.Name),
			S3BucketName:               r.text(trail.FieldBucket, set.Bucket),
			S3KeyPrefix:                r.text(trail.FieldPrefix, set.Prefix),
			SnsTopicName:               r.text(trail.FieldTopic, set.Topic),
			KmsKeyId:                   r.text(trail.FieldKey, set.Key),
			CloudWatchLogsLogGroupArn:  r.text(trail.FieldLogGroup, set.LogGroup),
			CloudWatchLogsRoleArn:      r.text(trail.FieldLogRole, set.LogRole),
			IncludeGlobalServiceEvents: r.flag(trail.FieldGlobalEvents, set.GlobalEvents),
			IsMultiRegionTrail:         r.flag(trail.FieldMultiRegion, set.MultiRegion),
			IsOrganizationTrail:        r.flag(trail.FieldOrganization, set.Organization),
			EnableLogFileValidation:    r.flag(trail.FieldValidation, set.Validation),
			TagsList:                   tags(set.Tags),
		}, r.mark)
		if err != nil {
			return err
		}
		r.meta = out.ResultMetadata
	case trail.PutEventSelectors:
		out, err := r.api.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{
			TrailName: name, EventSelectors: basic(set.Selectors.Basic), AdvancedEventSelectors: advanced(set.Selectors.Advanced),
		}, r.mark)
		if err != nil {
			return err
		}
		r.meta = out.ResultMetadata
	case trail.PutInsightSelectors:
		in := &cloudtrail.PutInsightSelectorsInput{TrailName: name, InsightSelectors: []types.InsightSelector{}}
		for _, i := range set.Insights {
			in.InsightSelectors = append(in.InsightSelectors, types.InsightSelector{
				InsightType: types.InsightType(i.Type), EventCategories: as[types.SourceEventCategory](i.Categories),
			})
		}
		out, err := r.api.PutInsightSelectors(ctx, in, r.mark)
		if err != nil {
			return err
		}
		r.meta = out.ResultMetadata
	case trail.PutEventConfiguration:
		out, err := r.api.PutEventConfiguration(ctx, r.eventConfiguration(name), r.mark)
		if err != nil {
			return err
		}
		r.meta = out.ResultMetadata
	case trail.AddTags:
		out, err := r.api.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: name, TagsList: tags(set.Tags)}, r.mark)
		if err != nil {
			return err
		}
		r.meta = out.ResultMetadata
	case trail.RemoveTags:
		in := &cloudtrail.RemoveTagsInput{ResourceId: name}
		for _, key := range r.action.Keys {
			in.TagsList = append(in.TagsList, types.Tag{Key: &key})
		}
		out, err := r.api.RemoveTags(ctx, in, r.mark)
		if err != nil {
			return err
		}
		r.meta = out.ResultMetadata
	default:
		return unplanned(r.action.Op)
	}
	return nil
}

// sends says whether a field belongs into the request. What is left out stays as it is; what is sent empty is cleared.
func (r *request) sends(f trail.Field) bool { return slices.Contains(r.action.Send, f) }

func (r *request) text(f trail.Field, value string) *string {
	if !r.sends(f) {
		return nil
	}
	return &value
}

func (r *request) flag(f trail.Field, value bool) *bool {
	if !r.sends(f) {
		return nil
	}
	return &value
}

func (r *request) eventConfiguration(name *string) *cloudtrail.PutEventConfigurationInput {
	in, set := &cloudtrail.PutEventConfigurationInput{TrailName: name}, r.action.Set.EventConfig
	if r.sends(trail.FieldAggregations) {
		in.AggregationConfigurations = []types.AggregationConfiguration{}
		for _, a := range set.Aggregations {
			in.AggregationConfigurations = append(in.AggregationConfigurations, types.AggregationConfiguration{
				EventCategory: types.EventCategoryAggregation(a.Category), Templates: as[types.Template](a.Templates),
			})
		}
	}
	if r.sends(trail.FieldContextKeys) {
		in.ContextKeySelectors = []types.ContextKeySelector{}
		for _, k := range set.ContextKeys {
			in.ContextKeySelectors = append(in.ContextKeySelectors, types.ContextKeySelector{Type: types.Type(k.Type), Equals: k.Equals})
		}
	}
	if r.sends(trail.FieldEventSize) {
		in.MaxEventSize = types.MaxEventSize(set.MaxEventSize)
	}
	return in
}

func basic(selectors []trail.Selector) []types.EventSelector {
	var out []types.EventSelector
	for _, s := range selectors {
		one := types.EventSelector{
			ReadWriteType: types.ReadWriteType(s.ReadWrite), IncludeManagementEvents: &s.Management,
			ExcludeManagementEventSources: s.ExcludeSources,
		}
		for _, d := range s.Data {
			one.DataResources = append(one.DataResources, types.DataResource{Type: &d.Type, Values: d.Values})
		}
		out = append(out, one)
	}
	return out
}

func advanced(selectors []trail.AdvancedSelector) []types.AdvancedEventSelector {
	var out []types.AdvancedEventSelector
	for _, s := range selectors {
		one := types.AdvancedEventSelector{}
		if s.Name != "" {
			one.Name = &s.Name
		}
		for _, f := range s.Fields {
			one.FieldSelectors = append(one.FieldSelectors, types.AdvancedFieldSelector{
				Field: &f.Field, Equals: f.Equals, NotEquals: f.NotEquals, StartsWith: f.StartsWith,
				NotStartsWith: f.NotStartsWith, EndsWith: f.EndsWith, NotEndsWith: f.NotEndsWith,
			})
		}
		out = append(out, one)
	}
	return out
}

func tags(set map[string]string) []types.Tag {
	var out []types.Tag
	for _, key := range slices.Sorted(maps.Keys(set)) {
		out = append(out, types.Tag{Key: &key, Value: aws.String(set[key])})
	}
	return out
}

// as converts texts to one of the SDK's enumerations.
func as[T ~string](texts []string) []T {
	var out []T
	for _, t := range texts {
		out = append(out, T(t))
	}
	return out
}

// unplanned is the error of an action that no plan holds.
type unplanned trail.Op

func (u unplanned) Error() string { return "no repair makes the call " + string(u) }
