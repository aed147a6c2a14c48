package baseline

import (
	"maps"
	"strings"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// Of is a trail as it is, to be pinned.
func Of(s trail.State) Trail {
	t := Trail{
		ARN: s.ARN, Repair: []trail.Group{trail.GroupLogging}, Ignore: Unread(s), Logging: s.Logging,
		Bucket: s.Bucket, Prefix: s.Prefix, Topic: s.Topic, Key: s.Key, LogGroup: s.LogGroup, LogRole: s.LogRole,
		MultiRegion: s.MultiRegion, GlobalEvents: s.GlobalEvents, Organization: s.Organization, Validation: s.Validation,
		EventSize: s.EventConfig.MaxEventSize, Tags: maps.Clone(s.Tags),
	}
	if t.EventSize == "" {
		t.EventSize = "Standard"
	}
	// Nobody but AWS can set these.
	maps.DeleteFunc(t.Tags, func(key, _ string) bool { return strings.HasPrefix(key, "aws:") })
	if len(t.Tags) == 0 {
		t.Tags = nil
	}
	for _, b := range s.Selectors.Basic {
		one := Selector{ReadWrite: b.ReadWrite, Management: b.Management, ExcludeSources: b.ExcludeSources}
		if one.ReadWrite == "" {
			one.ReadWrite = "All"
		}
		for _, d := range b.Data {
			one.Data = append(one.Data, DataResource(d))
		}
		t.Selectors.Basic = append(t.Selectors.Basic, one)
	}
	for _, a := range s.Selectors.Advanced {
		one := AdvancedSelector{Name: a.Name}
		for _, f := range a.Fields {
			one.Fields = append(one.Fields, FieldSelector(f))
		}
		t.Selectors.Advanced = append(t.Selectors.Advanced, one)
	}
	for _, i := range s.Insights {
		t.Insights = append(t.Insights, Insight(i))
	}
	for _, a := range s.EventConfig.Aggregations {
		t.Aggregations = append(t.Aggregations, Aggregation(a))
	}
	for _, k := range s.EventConfig.ContextKeys {
		t.ContextKeys = append(t.ContextKeys, ContextKeys(k))
	}
	return t.canonical()
}

// Baseline is the pinned trail as package trail has it.
func (t Trail) Baseline() trail.Baseline {
	b := trail.Baseline{ARN: t.ARN, Want: t.Settings(), Ignore: t.Ignore, Repair: t.Repair, BucketOwner: t.BucketOwner}
	for _, a := range t.Approvals {
		b.Approved = append(b.Approved, trail.Approval{Fields: a.Fields, Want: a.Want, Who: a.Who, Why: a.Why, Until: a.Until})
	}
	return b
}

// Settings is how the trail is to be.
func (t Trail) Settings() trail.Settings {
	s := trail.Settings{
		Logging: t.Logging,
		Bucket:  t.Bucket, Prefix: t.Prefix, Topic: t.Topic, Key: t.Key, LogGroup: t.LogGroup, LogRole: t.LogRole,
		MultiRegion: t.MultiRegion, GlobalEvents: t.GlobalEvents, Organization: t.Organization, Validation: t.Validation,
		EventConfig: trail.EventConfig{MaxEventSize: t.EventSize}, Tags: maps.Clone(t.Tags),
	}
	for _, b := range t.Selectors.Basic {
		one := trail.Selector{ReadWrite: b.ReadWrite, Management: b.Management, ExcludeSources: b.ExcludeSources}
		for _, d := range b.Data {
			one.Data = append(one.Data, trail.DataResource(d))
		}
		s.Selectors.Basic = append(s.Selectors.Basic, one)
	}
	for _, a := range t.Selectors.Advanced {
		one := trail.AdvancedSelector{Name: a.Name}
		for _, f := range a.Fields {
			one.Fields = append(one.Fields, trail.FieldSelector(f))
		}
		s.Selectors.Advanced = append(s.Selectors.Advanced, one)
	}
	for _, i := range t.Insights {
		s.Insights = append(s.Insights, trail.Insight(i))
	}
	for _, a := range t.Aggregations {
		s.EventConfig.Aggregations = append(s.EventConfig.Aggregations, trail.Aggregation(a))
	}
	for _, k := range t.ContextKeys {
		s.EventConfig.ContextKeys = append(s.EventConfig.ContextKeys, trail.ContextKeys(k))
	}
	return s
}

// Accept is the trail with some of its settings as a state has them; with no field named, all of them. What people have
// decided (repair, ignore, approvals) stays.
func (t Trail) Accept(s trail.State, fields ...trail.Field) Trail {
	want := s.Settings
	if len(fields) > 0 {
		want = t.Settings()
		for _, f := range fields {
			if row, ok := trail.RowOf(f); ok {
				row.Copy(&want, s.Settings)
			}
		}
	}
	accepted := Of(trail.State{ARN: t.ARN, Settings: want})
	if accepted.Bucket == t.Bucket {
		accepted.BucketOwner = t.BucketOwner // of another bucket it says nothing
	}
	accepted.Repair, accepted.Ignore, accepted.Approvals = t.Repair, t.Ignore, t.Approvals
	return accepted
}

// requirements is what must be covered, with "all" as those accounts and Regions that were read.
func (f File) requirements(accounts, regions []string) []trail.Requirement {
	all := func(list, known []string) []string {
		if len(list) == 1 && list[0] == "all" {
			return known
		}
		return list
	}
	var out []trail.Requirement
	for _, r := range f.Requirements {
		out = append(out, trail.Requirement{
			Name: r.Name, Accounts: all(r.Accounts, accounts), Regions: all(r.Regions, regions), Management: r.Management,
			Read: r.Read, Write: r.Write, Global: r.Global, Validated: r.Validated, Bucket: r.Bucket,
			MultiRegion: r.MultiRegion, Organization: r.Organization,
		})
	}
	return out
}
