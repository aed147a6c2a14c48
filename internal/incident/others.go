package incident

import (
	"maps"
	"slices"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// insightsOf reads what a PutInsightSelectors asks for.
func insightsOf(c call) (asked []trail.Insight, d decoder) {
	raw := c.params["insightSelectors"]
	d.odd = absent(raw)
	for _, element := range d.list(raw) {
		o := d.object(element, "insightType", "eventCategories")
		asked = append(asked, trail.Insight{Type: d.word(o["insightType"]), Categories: d.words(o["eventCategories"])})
		d.odd = d.odd || o == nil
	}
	return asked, d
}

func insightsOff(c call) bool {
	asked, d := insightsOf(c)
	if d.odd || c.pinned == nil {
		return !d.odd && len(asked) == 0
	}
	coverage := func(insights []trail.Insight) trail.Coverage {
		return trail.CoverageOf(trail.State{Exists: true, Settings: trail.Settings{Insights: insights}, Read: []trail.Group{trail.GroupInsights}})
	}
	return len(trail.Lost(coverage(c.pinned.Insights), coverage(asked))) > 0
}

func insightsSettled(c call) bool {
	_, d := insightsOf(c)
	return d.understood() && c.pinned != nil
}

// eventConfigOf is the event configuration after the call, when it was as pinned before.
func eventConfigOf(c call) (after trail.EventConfig, d decoder) {
	o := c.params
	d.only(o, "trailName", "eventDataStore", "maxEventSize", "contextKeySelectors", "aggregationConfigurations")
	after = c.pinned.EventConfig
	if size := d.word(o["maxEventSize"]); size != "" {
		after.MaxEventSize = size
	}
	if raw := o["contextKeySelectors"]; !absent(raw) {
		after.ContextKeys = nil
		for _, element := range d.list(raw) {
			k := d.object(element, "type", "equals")
			after.ContextKeys = append(after.ContextKeys, trail.ContextKeys{Type: d.word(k["type"]), Equals: d.words(k["equals"])})
		}
	}
	if raw := o["aggregationConfigurations"]; !absent(raw) {
		after.Aggregations = nil
		for _, element := range d.list(raw) {
			a := d.object(element, "eventCategory", "templates")
			after.Aggregations = append(after.Aggregations, trail.Aggregation{Category: d.word(a["eventCategory"]), Templates: d.words(a["templates"])})
		}
	}
	return after, d
}

func eventConfigChanged(c call) bool {
	if c.pinned == nil {
		return false
	}
	after, d := eventConfigOf(c)
	return !d.odd && slices.ContainsFunc(trail.Table, func(row trail.Row) bool {
		return row.Op == trail.PutEventConfiguration &&
			row.Print(trail.ARN{}, trail.Settings{EventConfig: after}) != row.Print(trail.ARN{}, *c.pinned)
	})
}

func eventConfigSettled(c call) bool {
	if c.pinned == nil {
		return false
	}
	_, d := eventConfigOf(c)
	return d.understood()
}

// tagsOf reads the tags that an AddTags sets.
func tagsOf(c call) (tags map[string]string, d decoder) {
	raw := c.params["tagsList"]
	d.odd = absent(raw)
	tags = make(map[string]string)
	for _, element := range d.list(raw) {
		o := d.object(element, "key", "value")
		tags[d.word(o["key"])] = d.word(o["value"])
	}
	return tags, d
}

func tagOverwritten(c call) bool {
	tags, d := tagsOf(c)
	if d.odd || c.pinned == nil {
		return false
	}
	return slices.ContainsFunc(slices.Collect(maps.Keys(tags)), func(key string) bool {
		pinned, has := c.pinned.Tags[key]
		return has && pinned != tags[key]
	})
}

func tagsSettled(c call) bool {
	_, d := tagsOf(c)
	return d.understood() && c.pinned != nil
}

// unexpectedTrail: that a trail is pinned is known by its name, not by who creates it.
func unexpectedTrail(c call) bool {
	if c.pinned == nil {
		return true
	}
	var d decoder
	return c.pinned.Bucket != "" && differs(d.text(c.params["s3BucketName"]), c.pinned.Bucket)
}
