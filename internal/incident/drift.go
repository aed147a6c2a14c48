package incident

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Drifted says what drifts mean that no record told of, by the same rules as records: a setting is judged as the
// call that would have set it. The highest severity comes first.
func Drifted(b trail.Baseline, s trail.State, drifts []trail.Drift) []Finding {
	var all []Finding
	for _, call := range callsBehind(b, s, drifts) {
		r := event.Record{Name: call.name, Source: CloudTrailSource, Trail: s.ARN.String(), Region: s.ARN.Region, Account: s.ARN.Account}
		request, err := json.Marshal(call.request)
		if err != nil {
			panic("incident: encode settings: " + err.Error()) // they are strings, booleans and lists of them
		}
		r.Request = request
		for _, f := range Findings(r, &b.Want, b.Ignore...) {
			f.Text = found(f)
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, func(x, y Finding) int { return y.Severity.Rank() - x.Severity.Rank() })
	return all
}

// found is the sentence of a finding that a read made, in place of a call's.
func found(f Finding) string {
	if i := slices.IndexFunc(Rules, func(r Rule) bool { return r.ID == f.Rule }); i >= 0 && Rules[i].Effect != "" {
		return fmt.Sprintf("Found by reading the trail: %s", Rules[i].Effect)
	}
	return "Found by reading the trail: " + f.Title
}

// behind is a call that would have brought a drift about.
type behind struct {
	name    string
	request map[string]any
}

func callsBehind(b trail.Baseline, s trail.State, drifts []trail.Drift) []behind {
	requests := map[string]map[string]any{}
	var order []string
	set := func(name, member string, value any) {
		if requests[name] == nil {
			requests[name] = map[string]any{"name": s.ARN.String()}
			order = append(order, name)
		}
		if member != "" {
			requests[name][member] = value
		}
	}
	for _, d := range drifts {
		switch d.Field {
		case trail.FieldExists:
			set("DeleteTrail", "", nil)
		case trail.FieldLogging:
			if b.Want.Logging {
				set("StopLogging", "", nil)
			} else {
				set("StartLogging", "", nil)
			}
		case trail.FieldBucket:
			set("UpdateTrail", "s3BucketName", s.Bucket)
		case trail.FieldPrefix:
			set("UpdateTrail", "s3KeyPrefix", s.Prefix)
		case trail.FieldTopic:
			set("UpdateTrail", "snsTopicName", s.Topic)
		case trail.FieldKey:
			set("UpdateTrail", "kmsKeyId", s.Key)
		case trail.FieldLogGroup:
			set("UpdateTrail", "cloudWatchLogsLogGroupArn", s.LogGroup)
		case trail.FieldLogRole:
			set("UpdateTrail", "cloudWatchLogsRoleArn", s.LogRole)
		case trail.FieldMultiRegion:
			set("UpdateTrail", "isMultiRegionTrail", s.MultiRegion)
		case trail.FieldGlobalEvents:
			set("UpdateTrail", "includeGlobalServiceEvents", s.GlobalEvents)
		case trail.FieldOrganization:
			set("UpdateTrail", "isOrganizationTrail", s.Organization)
		case trail.FieldValidation:
			set("UpdateTrail", "enableLogFileValidation", s.Validation)
		case trail.FieldSelectors:
			if len(s.Selectors.Advanced) > 0 {
				set("PutEventSelectors", "advancedEventSelectors", advancedRequest(s.Selectors.Advanced))
			} else {
				set("PutEventSelectors", "eventSelectors", basicRequest(s.Selectors.Basic))
			}
		case trail.FieldInsights:
			set("PutInsightSelectors", "insightSelectors", insightRequest(s.Insights))
		case trail.FieldEventSize:
			set("PutEventConfiguration", "maxEventSize", s.EventConfig.MaxEventSize)
		case trail.FieldContextKeys, trail.FieldAggregations:
			set("PutEventConfiguration", "contextKeySelectors", contextRequest(s.EventConfig.ContextKeys))
			set("PutEventConfiguration", "aggregationConfigurations", aggregationRequest(s.EventConfig.Aggregations))
		case trail.FieldTags:
			removed, changed := tagRequests(b.Want.Tags, s.Tags)
			if len(removed) > 0 {
				set("RemoveTags", "resourceId", s.ARN.String())
				set("RemoveTags", "tagsList", removed)
			}
			if len(changed) > 0 {
				set("AddTags", "resourceId", s.ARN.String())
				set("AddTags", "tagsList", changed)
			}
		}
	}
	var out []behind
	for _, name := range order {
		out = append(out, behind{name, requests[name]})
	}
	return out
}

type object = map[string]any

func basicRequest(selectors []trail.Selector) []object {
	out := []object{}
	for _, s := range selectors {
		data := []object{}
		for _, d := range s.Data {
			data = append(data, object{"type": d.Type, "values": d.Values})
		}
		out = append(out, object{"readWriteType": s.ReadWrite, "includeManagementEvents": s.Management,
			"excludeManagementEventSources": orEmpty(s.ExcludeSources), "dataResources": data})
	}
	return out
}

func advancedRequest(selectors []trail.AdvancedSelector) []object {
	out := []object{}
	for _, s := range selectors {
		fields := []object{}
		for _, f := range s.Fields {
			one := object{"field": f.Field}
			for name, values := range map[string][]string{
				"equals": f.Equals, "notEquals": f.NotEquals, "startsWith": f.StartsWith,
				"notStartsWith": f.NotStartsWith, "endsWith": f.EndsWith, "notEndsWith": f.NotEndsWith,
			} {
				if len(values) > 0 {
					one[name] = values
				}
			}
			fields = append(fields, one)
		}
		out = append(out, object{"fieldSelectors": fields})
	}
	return out
}

func insightRequest(insights []trail.Insight) []object {
	out := []object{}
	for _, i := range insights {
		one := object{"insightType": i.Type}
		if len(i.Categories) > 0 {
			one["eventCategories"] = i.Categories
		}
		out = append(out, one)
	}
	return out
}

func contextRequest(keys []trail.ContextKeys) []object {
	out := []object{}
	for _, k := range keys {
		out = append(out, object{"type": k.Type, "equals": orEmpty(k.Equals)})
	}
	return out
}

func aggregationRequest(aggregations []trail.Aggregation) []object {
	out := []object{}
	for _, a := range aggregations {
		out = append(out, object{"eventCategory": a.Category, "templates": orEmpty(a.Templates)})
	}
	return out
}

// tagRequests lists the tags that are missing, and those that were added or have another value.
func tagRequests(want, got map[string]string) (removed, changed []object) {
	for key := range want {
		if _, ok := got[key]; !ok {
			removed = append(removed, object{"key": key})
		}
	}
	for key, value := range got {
		if old, ok := want[key]; !ok || old != value {
			changed = append(changed, object{"key": key, "value": value})
		}
	}
	return removed, changed
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
