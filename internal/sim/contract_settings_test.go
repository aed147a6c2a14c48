package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

// settingsContract is what any AWS does with selectors, Insights and tags.
var settingsContract = []promise{
	{"basic selectors, as they were put", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		return c.put(t, &cloudtrail.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{ReadWriteType: "WriteOnly", IncludeManagementEvents: aws.Bool(true),
			DataResources:                 []types.DataResource{{Type: aws.String("AWS::S3::Object"), Values: []string{"arn:aws:s3:::b/"}}},
			ExcludeManagementEventSources: []string{"kms.amazonaws.com"}}}}) + c.selectors(t)
	}, "WriteOnly true AWS::S3::Object=arn:aws:s3:::b/ without kms.amazonaws.com"},
	{"advanced selectors, as they were put", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		return c.put(t, &cloudtrail.PutEventSelectorsInput{AdvancedEventSelectors: []types.AdvancedEventSelector{advanced(equals("eventCategory", "Management"), equals("readOnly", "false"))}}) + c.selectors(t)
	}, "eventCategory=Management readOnly=false"},
	{"advanced selectors wipe basic ones", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		return c.put(t, &cloudtrail.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{ReadWriteType: "ReadOnly"}}}) +
			c.put(t, &cloudtrail.PutEventSelectorsInput{AdvancedEventSelectors: []types.AdvancedEventSelector{advanced(equals("eventCategory", "Management"))}}) + c.selectors(t)
	}, "eventCategory=Management"},
	{"basic selectors wipe advanced ones", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		return c.put(t, &cloudtrail.PutEventSelectorsInput{AdvancedEventSelectors: []types.AdvancedEventSelector{advanced(equals("eventCategory", "Management"))}}) +
			c.put(t, &cloudtrail.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{ReadWriteType: "ReadOnly", IncludeManagementEvents: aws.Bool(true)}}}) + c.selectors(t)
	}, "ReadOnly true"},
	{"a selector with the default of IncludeManagementEvents", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		return c.put(t, &cloudtrail.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{ReadWriteType: "ReadOnly"}}}) + c.selectors(t)
	}, "ReadOnly true"},
	{"the default selector put back", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		return c.put(t, &cloudtrail.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{ReadWriteType: "ReadOnly"}}}) +
			c.put(t, &cloudtrail.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{ReadWriteType: "All", IncludeManagementEvents: aws.Bool(true)}}}) + c.selectors(t)
	}, "All true"},
	{"six selectors", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		return c.put(t, &cloudtrail.PutEventSelectorsInput{EventSelectors: make([]types.EventSelector, 6)})
	}, "InvalidEventSelectorsException"},
	{"selectors of an absent trail", func(t *testing.T, c cloud) string {
		_, err := c.near.GetEventSelectors(ctx(t), &cloudtrail.GetEventSelectorsInput{TrailName: aws.String("absent")})
		return code(err)
	}, "TrailNotFoundException"},
	{"Insights, as they were put", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		return c.putInsights(t, "ApiCallRateInsight", "ApiErrorRateInsight") + c.insights(t)
	}, "ApiCallRateInsight ApiErrorRateInsight"},
	{"Insights replaced", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		return c.putInsights(t, "ApiCallRateInsight", "ApiErrorRateInsight") + c.putInsights(t, "ApiErrorRateInsight") + c.insights(t)
	}, "ApiErrorRateInsight"},
	{"Insights switched off", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		return c.putInsights(t, "ApiCallRateInsight") + c.putInsights(t) + c.insights(t)
	}, "InsightNotEnabledException"},
	{"Insights of an unknown type", func(t *testing.T, c cloud) string { c.create(t, "main"); return c.putInsights(t, "Other") }, "InvalidInsightSelectorsException"},
	{"Insights of an absent trail", func(t *testing.T, c cloud) string {
		_, err := c.near.GetInsightSelectors(ctx(t), &cloudtrail.GetInsightSelectorsInput{TrailName: aws.String("absent")})
		return code(err)
	}, "TrailNotFoundException"},
	{"a new trail has neither selectors of its own nor Insights", func(t *testing.T, c cloud) string { c.create(t, "main"); return c.flags(t) }, "false false"},
	{"the trail says that it has selectors and Insights", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		return c.put(t, &cloudtrail.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{ReadWriteType: "WriteOnly"}}}) + c.putInsights(t, "ApiCallRateInsight") + c.flags(t)
	}, "true true"},
	{"tags of the create call", func(t *testing.T, c cloud) string {
		must(t)(c.near.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs"), TagsList: tagList("owner=security", "stage=")}))
		return c.tags(t)
	}, "owner=security stage="},
	{"a tag with another value, one more, one removed", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		id := aws.String(c.arn("main"))
		must(t)(c.near.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: id, TagsList: tagList("owner=security", "stage=prod")}))
		must(t)(c.near.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: id, TagsList: tagList("owner=mallory", "more=1")}))
		must(t)(c.near.RemoveTags(ctx(t), &cloudtrail.RemoveTagsInput{ResourceId: id, TagsList: tagList("stage=prod")}))
		return c.tags(t)
	}, "more=1 owner=mallory"},
	{"removing a tag that is not there", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		_, err := c.near.RemoveTags(ctx(t), &cloudtrail.RemoveTagsInput{ResourceId: aws.String(c.arn("main")), TagsList: tagList("none=")})
		return code(err) + c.tags(t)
	}, ""},
	{"tags by name", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		_, err := c.near.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: aws.String("main"), TagsList: manyTags(1)})
		return code(err)
	}, "CloudTrailARNInvalidException"},
	{"tags of an absent trail", func(t *testing.T, c cloud) string {
		_, err := c.near.ListTags(ctx(t), &cloudtrail.ListTagsInput{ResourceIdList: []string{c.arn("absent")}})
		return code(err)
	}, "ResourceNotFoundException"},
}

// put puts selectors on the trail "main" and returns the error code.
func (c cloud) put(t *testing.T, in *cloudtrail.PutEventSelectorsInput) string {
	t.Helper()
	in.TrailName = aws.String("main")
	_, err := c.near.PutEventSelectors(ctx(t), in)
	return code(err)
}

// selectors says what selectors the trail "main" has.
func (c cloud) selectors(t *testing.T) string {
	t.Helper()
	out, err := c.near.GetEventSelectors(ctx(t), &cloudtrail.GetEventSelectorsInput{TrailName: aws.String("main")})
	if err != nil {
		return code(err)
	}
	var list []string
	for _, s := range out.EventSelectors {
		text := fmt.Sprint(s.ReadWriteType, " ", aws.ToBool(s.IncludeManagementEvents))
		for _, r := range s.DataResources {
			text += " " + aws.ToString(r.Type) + "=" + strings.Join(r.Values, ",")
		}
		if len(s.ExcludeManagementEventSources) > 0 {
			text += " without " + strings.Join(s.ExcludeManagementEventSources, ",")
		}
		list = append(list, text)
	}
	for _, s := range out.AdvancedEventSelectors {
		var fields []string
		for _, f := range s.FieldSelectors {
			fields = append(fields, aws.ToString(f.Field)+"="+strings.Join(f.Equals, ","))
		}
		list = append(list, strings.Join(fields, " "))
	}
	return strings.Join(list, ", ")
}

func (c cloud) putInsights(t *testing.T, kinds ...types.InsightType) string {
	t.Helper()
	list := []types.InsightSelector{}
	for _, k := range kinds {
		list = append(list, types.InsightSelector{InsightType: k})
	}
	_, err := c.near.PutInsightSelectors(ctx(t), &cloudtrail.PutInsightSelectorsInput{TrailName: aws.String("main"), InsightSelectors: list})
	return code(err)
}

// insights says what Insights the trail "main" has.
func (c cloud) insights(t *testing.T) string {
	t.Helper()
	out, err := c.near.GetInsightSelectors(ctx(t), &cloudtrail.GetInsightSelectorsInput{TrailName: aws.String("main")})
	if err != nil {
		return code(err)
	}
	var list []string
	for _, s := range out.InsightSelectors {
		list = append(list, string(s.InsightType))
	}
	return strings.Join(list, " ")
}

// flags is what the trail "main" says of itself: whether it has selectors of its own, and Insights.
func (c cloud) flags(t *testing.T) string {
	t.Helper()
	out, err := c.near.GetTrail(ctx(t), &cloudtrail.GetTrailInput{Name: aws.String("main")})
	if err != nil {
		return code(err)
	}
	return fmt.Sprint(aws.ToBool(out.Trail.HasCustomEventSelectors), " ", aws.ToBool(out.Trail.HasInsightSelectors))
}

// tags says what tags the trail "main" has, sorted.
func (c cloud) tags(t *testing.T) string {
	t.Helper()
	out, err := c.near.ListTags(ctx(t), &cloudtrail.ListTagsInput{ResourceIdList: []string{c.arn("main")}})
	if err != nil || len(out.ResourceTagList) != 1 {
		return "not one list " + code(err)
	}
	var list []string
	for _, x := range out.ResourceTagList[0].TagsList {
		list = append(list, aws.ToString(x.Key)+"="+aws.ToString(x.Value))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// tagList makes tags of "key=value".
func tagList(tags ...string) (list []types.Tag) {
	for _, x := range tags {
		key, value, _ := strings.Cut(x, "=")
		list = append(list, types.Tag{Key: &key, Value: &value})
	}
	return list
}
