package cloud

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// Do makes the call of an action and returns AWS's request id, by which CloudTrail's own record of it can be
// recognised. The incident's id goes into the user agent. Only what the action sends is in the request.
func (c *Client) Do(ctx context.Context, action trail.Action, incidentID string) (string, error) {
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
	case trail.StartLogging:
		out, err := r.api.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: name}, r.mark)
		if err != nil {
			return err
		}
		r.meta = out.ResultMetadata
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
