// Package trail says how a trail is and how it should be: State, Baseline, and what follows from the
// two, Drift and Plan. It is pure: it calls nothing, reads no clock and remembers nothing.
//
// Everything that can be set is one row of the table in this file. Compare, Repair, Apply, the docs
// and the drills come from it: to add a setting is to add a row, a read, a repair and a sample.
package trail

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind is the kind of resource that a row belongs to. Later kinds (bucket, key, log group, …) are
// rows of the same table.
type Kind string

// KindTrail is the trail itself.
const KindTrail Kind = "trail"

// Group is a set of fields that one call reads and that may be repaired or not as a whole.
type Group string

const (
	GroupLogging     Group = "logging"
	GroupSettings    Group = "settings"
	GroupSelectors   Group = "selectors"
	GroupInsights    Group = "insights"
	GroupEventConfig Group = "event_configuration"
	GroupTags        Group = "tags"
	// GroupRecreate is the trail's existence: it is never read by itself.
	GroupRecreate Group = "recreate"
)

// Field is the name of a row, as it stands in configuration files.
type Field string

// Row is one setting.
type Row struct {
	Kind  Kind
	Field Field
	Group Group
	// Op is the call that sets the field.
	Op Op
	// Print writes the field's value for people, and compares: two values are equal when they print
	// equally. It must therefore bring lists into one order and print all there is.
	Print func(Settings) string
	// Copy sets the field of dst to that of src.
	Copy func(dst *Settings, src Settings)
}

// Table has a row for every setting of a trail, in the order in which repairs are made.
var Table = []Row{
	text("s3_bucket_name", func(s *Settings) *string { return &s.Bucket }),
	text("s3_key_prefix", func(s *Settings) *string { return &s.Prefix }),
	text("sns_topic_arn", func(s *Settings) *string { return &s.Topic }),
	text("kms_key_id", func(s *Settings) *string { return &s.Key }),
	text("cloud_watch_logs_log_group_arn", func(s *Settings) *string { return &s.LogGroup }),
	text("cloud_watch_logs_role_arn", func(s *Settings) *string { return &s.LogRole }),
	flag("is_multi_region_trail", func(s *Settings) *bool { return &s.MultiRegion }),
	flag("include_global_service_events", func(s *Settings) *bool { return &s.GlobalEvents }),
	flag("is_organization_trail", func(s *Settings) *bool { return &s.Organization }),
	flag("log_file_validation_enabled", func(s *Settings) *bool { return &s.Validation }),
	{
		Kind: KindTrail, Field: "logging", Group: GroupLogging, Op: StartLogging,
		Print: func(s Settings) string { return strconv.FormatBool(s.Logging) },
		Copy:  func(dst *Settings, src Settings) { dst.Logging = src.Logging },
	},
	{
		Kind: KindTrail, Field: "event_selectors", Group: GroupSelectors, Op: PutEventSelectors,
		Print: func(s Settings) string { return printSelectors(s.Selectors) },
		Copy:  func(dst *Settings, src Settings) { dst.Selectors = src.Selectors },
	},
	{
		Kind: KindTrail, Field: "insight_selectors", Group: GroupInsights, Op: PutInsightSelectors,
		Print: func(s Settings) string { return printInsights(s.Insights) },
		Copy:  func(dst *Settings, src Settings) { dst.Insights = src.Insights },
	},
	{
		Kind: KindTrail, Field: "event_configuration", Group: GroupEventConfig, Op: PutEventConfiguration,
		Print: func(s Settings) string { return printEventConfig(s.EventConfig) },
		Copy:  func(dst *Settings, src Settings) { dst.EventConfig = src.EventConfig },
	},
	{
		Kind: KindTrail, Field: "tags", Group: GroupTags, Op: AddTags,
		Print: func(s Settings) string { return printTags(s.Tags) },
		Copy:  func(dst *Settings, src Settings) { dst.Tags = src.Tags },
	},
}

// RowOf finds the row of a field.
func RowOf(f Field) (Row, bool) {
	i := slices.IndexFunc(Table, func(r Row) bool { return r.Field == f })
	if i < 0 {
		return Row{}, false
	}
	return Table[i], true
}

// text is the row of a setting that is a string and is changed by UpdateTrail.
func text(field Field, at func(*Settings) *string) Row {
	return Row{
		Kind: KindTrail, Field: field, Group: GroupSettings, Op: UpdateTrail,
		Print: func(s Settings) string { return *at(&s) },
		Copy:  func(dst *Settings, src Settings) { *at(dst) = *at(&src) },
	}
}

// flag is the row of a setting that is a boolean and is changed by UpdateTrail.
func flag(field Field, at func(*Settings) *bool) Row {
	return Row{
		Kind: KindTrail, Field: field, Group: GroupSettings, Op: UpdateTrail,
		Print: func(s Settings) string { return strconv.FormatBool(*at(&s)) },
		Copy:  func(dst *Settings, src Settings) { *at(dst) = *at(&src) },
	}
}

func printSelectors(s Selectors) string {
	var out []string
	for _, b := range s.Basic {
		var data []string
		for _, d := range b.Data {
			data = append(data, d.Type+"="+set(d.Values))
		}
		out = append(out, fmt.Sprintf("basic(read_write=%s management=%t exclude=%s data=%s)",
			b.ReadWrite, b.Management, set(b.ExcludeSources), set(data)))
	}
	for _, a := range s.Advanced {
		var conditions []string
		for _, f := range a.Fields {
			c := f.Field
			for _, part := range []struct {
				name   string
				values []string
			}{
				{"equals", f.Equals}, {"not_equals", f.NotEquals}, {"starts_with", f.StartsWith},
				{"not_starts_with", f.NotStartsWith}, {"ends_with", f.EndsWith}, {"not_ends_with", f.NotEndsWith},
			} {
				if len(part.values) > 0 {
					c += " " + part.name + " " + set(part.values)
				}
			}
			conditions = append(conditions, c)
		}
		out = append(out, "advanced("+set(conditions)+")")
	}
	return set(out)
}

func printInsights(insights []Insight) string {
	var out []string
	for _, i := range insights {
		out = append(out, i.Type+set(i.Categories))
	}
	return set(out)
}

func printEventConfig(c EventConfig) string {
	var out []string
	for _, a := range c.Aggregations {
		out = append(out, "aggregate "+a.Category+set(a.Templates))
	}
	for _, k := range c.ContextKeys {
		out = append(out, "context "+k.Type+set(k.Equals))
	}
	if c.MaxEventSize != "" && c.MaxEventSize != "Standard" {
		out = append(out, "size "+c.MaxEventSize)
	}
	return set(out)
}

func printTags(tags map[string]string) string {
	var out []string
	for k, v := range tags {
		out = append(out, strconv.Quote(k)+"="+strconv.Quote(v))
	}
	return set(out)
}

// set prints a list whose order means nothing.
func set(values []string) string {
	sorted := slices.Sorted(slices.Values(values))
	return "[" + strings.Join(slices.Compact(sorted), " ") + "]"
}
