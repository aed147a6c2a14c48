package trail

import (
	"slices"
	"strings"
)

// Coverage is what a trail records, where it delivers that, and how it is protected. It claims nothing
// that is not known: a group of settings that was not read leaves its part empty.
type Coverage struct {
	Trail   bool // there is a trail
	Logging bool // it is recording now; everything below is what it records then

	Read, Write Events    // management events
	Data        []Records // data events by resource type
	Network     []Records // network activity events by event source
	Insights    []string  // such as "ApiCallRateInsight on Management events"

	AllRegions   bool   // else the home Region only
	Home         string // home Region
	Global       bool   // events of global services: IAM, STS, CloudFront
	Organization bool   // all accounts of the organization, else the owner only
	Account      string // owner

	Validation bool // digest files prove that log files were not changed

	Bucket   string // where log files go
	Prefix   string // before the names of log files
	Key      string // that encrypts the log files; empty is the bucket's own encryption
	LogGroup string // CloudWatch Logs group that receives the events; empty is none
	LogRole  string // role that writes to it
	Topic    string // SNS topic that is told of new log files; empty is none

	Aggregations []string // such as "API_ACTIVITY of Data events"
	ContextKeys  []string // what enriches events, such as "TagContext team"
	LargeEvents  bool     // long events are not cut short
}

// Records is the part of the events of one resource type or event source that is recorded.
type Records struct {
	Of          string
	Read, Write Events
}

// CoverageOf says what a trail covers as it is.
func CoverageOf(s State) Coverage {
	if !s.Exists {
		return Coverage{}
	}
	return coverage(s.ARN, s.Settings, s.Read)
}

// Coverage is what the trail covers as it is pinned. What the baseline ignores it does not pin.
func (b Baseline) Coverage() Coverage {
	if slices.Contains(b.Ignore, FieldExists) {
		return Coverage{}
	}
	var pinned Settings
	var groups []Group
	for _, row := range Table {
		if !slices.Contains(b.Ignore, row.Field) {
			row.Copy(&pinned, b.Want)
			groups = append(groups, row.Group)
		}
	}
	return coverage(b.ARN, pinned, groups)
}

// coverage is what the known groups of settings make of a trail.
func coverage(a ARN, s Settings, known []Group) Coverage {
	c := Coverage{Trail: true, Home: a.Region, Account: a.Account}
	if slices.Contains(known, GroupLogging) {
		c.Logging = s.Logging
	}
	if slices.Contains(known, GroupSettings) {
		c.AllRegions, c.Organization, c.Validation = s.MultiRegion, s.Organization, s.Validation
		c.Global = s.GlobalEvents && (s.MultiRegion || a.Region == GlobalRegion(a.Partition))
		c.Bucket, c.Prefix, c.Key, c.Topic = s.Bucket, s.Prefix, s.Key, s.Topic
		c.LogGroup, c.LogRole = strings.TrimSuffix(s.LogGroup, ":*"), s.LogRole
	}
	if slices.Contains(known, GroupSelectors) {
		for _, r := range s.Selectors.recorded(a.Partition) {
			switch r.category {
			case management:
				*access(&c.Read, &c.Write, r.access) = r.Events
			case data:
				put(&c.Data, r)
			case network:
				put(&c.Network, r)
			}
		}
	}
	if slices.Contains(known, GroupInsights) {
		c.Insights = insightWords(s.Insights)
	}
	if slices.Contains(known, GroupEventConfig) {
		c.Aggregations, c.ContextKeys = aggregationWords(s.EventConfig), contextWords(s.EventConfig)
		c.LargeEvents = eventSize(s.EventConfig) == large
	}
	return c
}

// access picks the one of two that a recording is about. What is unclear claims nothing.
func access(read, write *Events, access string) *Events {
	switch access {
	case "read":
		return read
	case "write":
		return write
	}
	return new(Events)
}

func put(list *[]Records, r recording) {
	if r.of == unclear || r.of == "" || r.access != "read" && r.access != "write" {
		return
	}
	i := slices.IndexFunc(*list, func(known Records) bool { return known.Of == r.of })
	if i < 0 {
		*list = append(*list, Records{Of: r.of})
		i = len(*list) - 1
	}
	*access(&(*list)[i].Read, &(*list)[i].Write, r.access) = r.Events
}

// Covers tells whether a has everything that b has. It is a partial order: of two coverages each may lack
// something of the other. What cannot be decided is no.
func Covers(a, b Coverage) bool { return len(Lost(b, a)) == 0 }

// Verdict is what an incident costs: coverage as it should be, as it is, and as it will be after the plan.
type Verdict struct {
	Before, Now, After Coverage
	Lost               []Loss  // from Before to Now
	Remaining          []Loss  // from Before to After: what the plan does not bring back
	Unread             []Group // groups of settings that were not read: nothing is said about them
}

// Verdict weighs a state against its baseline. What the baseline ignores is taken as it is.
func (b Baseline) Verdict(s State, p Plan) Verdict {
	after := s
	for _, action := range p.Actions {
		after = action.Apply(after)
	}
	v := Verdict{Now: CoverageOf(s), After: CoverageOf(after)}
	if s.Exists {
		v.Before = coverage(b.ARN, b.expected(s), s.Read)
		for _, g := range b.Compares() {
			if !slices.Contains(s.Read, g) {
				v.Unread = append(v.Unread, g)
			}
		}
	} else {
		v.Before = b.Coverage()
	}
	v.Lost, v.Remaining = Lost(v.Before, v.Now), Lost(v.Before, v.After)
	return v
}

// expected is the settings that the trail would have without drift.
func (b Baseline) expected(s State) Settings {
	want := b.Want
	for _, row := range Table {
		if b.excuses(row, row.Print(b.ARN, s.Settings)) {
			row.Copy(&want, s.Settings)
		}
	}
	return want
}
