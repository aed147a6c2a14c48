package sim

import "slices"

type insightSelector struct {
	InsightType     string
	EventCategories []string `json:",omitempty"`
}

type putInsightsInput struct {
	TrailName, EventDataStore, InsightsDestination string
	InsightSelectors                               []insightSelector
}

type insightsOutput struct {
	TrailARN         string
	InsightSelectors []insightSelector
}

// putInsights replaces the Insights selectors; none switches Insights off.
func (t *trails) putInsights(c *call, in *putInsightsInput) (any, error) {
	if err := noEventDataStores(in.TrailName, in.EventDataStore); err != nil {
		return nil, err
	}
	x, err := t.forChange(c, in.TrailName)
	if err != nil {
		return nil, err
	}
	if in.InsightsDestination != "" {
		return nil, fail("InvalidParameterCombinationException", "InsightsDestination is for event data stores only.")
	}
	list := []insightSelector{}
	for _, s := range in.InsightSelectors {
		if err := x.checkInsight(&s); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(o insightSelector) bool { return o.InsightType == s.InsightType }) {
			return nil, fail("InvalidInsightSelectorsException", "Insight type %s occurs twice.", s.InsightType)
		}
		list = append(list, s)
	}
	if len(list) > 0 {
		if _, err := t.checkBucket(x); err != nil {
			return nil, err
		}
		if k := t.world.keys.byARN(x.kmsKey); k != nil && !k.letsCloudTrail(x) {
			return nil, fail("InsufficientEncryptionPolicyException", "Insufficient permissions to access S3 bucket %s or KMS key %s.", x.bucket, k.arn)
		}
	}
	x.insights = list
	t.changed(c, x.arn)
	return insightsOutput{x.arn, list}, nil
}

// checkInsight: Insights need the events that they are computed from.
func (x *trail) checkInsight(s *insightSelector) error {
	wrong := func(why string) error { return fail("InvalidInsightSelectorsException", "%s", why) }
	if s.InsightType != "ApiCallRateInsight" && s.InsightType != "ApiErrorRateInsight" {
		return wrong("Insight type is not valid: " + s.InsightType)
	}
	if len(s.EventCategories) == 0 {
		s.EventCategories = []string{"Management"}
	}
	for _, category := range s.EventCategories {
		switch {
		case category == "Management" && s.InsightType == "ApiCallRateInsight" && !x.selects(false):
			return wrong("ApiCallRateInsight needs a trail that logs write management events.")
		case category == "Management" && !x.selects(false) && !x.selects(true):
			return wrong("ApiErrorRateInsight needs a trail that logs management events.")
		case category == "Data" && !x.selectsData():
			return wrong("Insights on data events need a trail that logs data events.")
		case category != "Management" && category != "Data":
			return wrong("Event category is not valid for Insights: " + category)
		}
	}
	return nil
}

func (t *trails) getInsights(c *call, in *trailNameInput) (any, error) {
	if err := noEventDataStores(in.TrailName, in.EventDataStore); err != nil {
		return nil, err
	}
	x, err := t.forDetail(c, in.TrailName)
	if err != nil {
		return nil, err
	}
	if len(x.insights) == 0 {
		return nil, fail("InsightNotEnabledException", "Trail %s does not have Insights enabled. Edit the trail settings to enable Insights, and then try the operation again.", x.arn)
	}
	return insightsOutput{x.arn, x.insights}, nil
}

// aggregation is one row of a trail's event configuration: how data events are aggregated.
type aggregation struct {
	EventCategory string
	Templates     []string
}

type putConfigurationInput struct {
	TrailName, EventDataStore string
	AggregationConfigurations []aggregation
	ContextKeySelectors       []struct{ Type string }
	MaxEventSize              string
}

type configurationOutput struct {
	TrailARN                  string
	AggregationConfigurations []aggregation
}

func (t *trails) putConfiguration(c *call, in *putConfigurationInput) (any, error) {
	if err := noEventDataStores(in.TrailName, in.EventDataStore); err != nil {
		return nil, err
	}
	x, err := t.forChange(c, in.TrailName)
	if err != nil {
		return nil, err
	}
	if in.MaxEventSize != "" || len(in.ContextKeySelectors) > 0 {
		return nil, fail("InvalidParameterCombinationException", "MaxEventSize and ContextKeySelectors are for event data stores only.")
	}
	for i, a := range in.AggregationConfigurations {
		if a.EventCategory != "Data" || len(a.Templates) == 0 {
			return nil, fail("InvalidParameterException", "An aggregation configuration needs the event category Data and at least one template.")
		}
		if slices.ContainsFunc(in.AggregationConfigurations[:i], func(o aggregation) bool { return o.EventCategory == a.EventCategory }) {
			return nil, fail("InvalidParameterException", "Event category %s occurs twice.", a.EventCategory)
		}
		for _, name := range a.Templates {
			if !slices.Contains([]string{"API_ACTIVITY", "RESOURCE_ACCESS", "USER_ACTIONS"}, name) {
				return nil, fail("InvalidParameterException", "Template is not valid: %s", name)
			}
		}
	}
	x.aggregation = in.AggregationConfigurations
	t.changed(c, x.arn)
	return x.configuration(), nil
}

func (t *trails) getConfiguration(c *call, in *trailNameInput) (any, error) {
	if err := noEventDataStores(in.TrailName, in.EventDataStore); err != nil {
		return nil, err
	}
	x, err := t.forDetail(c, in.TrailName)
	if err != nil {
		return nil, err
	}
	return x.configuration(), nil
}

func (x *trail) configuration() configurationOutput {
	out := configurationOutput{x.arn, x.aggregation}
	if out.AggregationConfigurations == nil {
		out.AggregationConfigurations = []aggregation{}
	}
	return out
}
