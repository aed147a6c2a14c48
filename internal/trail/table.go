// Package trail says how a trail is and how it should be: State, Baseline, and what follows from the
// two, Drift, Coverage and Plan. It is pure: it calls nothing, reads no clock and remembers nothing.
//
// Everything that can be set is one row of the table in this file. Compare, Repair, Apply, the docs
// and the drills come from it: to add a setting is to add a row, a read, a repair and a sample.
package trail

import (
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

// Groups lists all groups.
func Groups() []Group {
	return []Group{GroupLogging, GroupSettings, GroupSelectors, GroupInsights, GroupEventConfig, GroupTags, GroupRecreate}
}

// Field is the name of a row, as it stands in configuration files.
type Field string

const (
	FieldBucket       Field = "s3_bucket_name"
	FieldPrefix       Field = "s3_key_prefix"
	FieldTopic        Field = "sns_topic_arn"
	FieldKey          Field = "kms_key_id"
	FieldLogGroup     Field = "cloud_watch_logs_log_group_arn"
	FieldLogRole      Field = "cloud_watch_logs_role_arn"
	FieldMultiRegion  Field = "is_multi_region_trail"
	FieldGlobalEvents Field = "include_global_service_events"
	FieldOrganization Field = "is_organization_trail"
	FieldValidation   Field = "log_file_validation_enabled"
	FieldLogging      Field = "logging"
	FieldSelectors    Field = "event_selectors"
	FieldInsights     Field = "insight_selectors"
	FieldAggregations Field = "aggregation_configurations"
	FieldContextKeys  Field = "context_key_selectors"
	FieldEventSize    Field = "max_event_size"
	FieldTags         Field = "tags"

	// FieldExists is the field of the drift of a trail that is not there. It has no row.
	FieldExists Field = "exists"
)

// Row is one setting.
type Row struct {
	Kind  Kind
	Field Field
	Group Group
	// Op is the call that sets the field.
	Op Op
	// Print writes the field's value for people, and compares: two values are equal when they print
	// equally. It must therefore bring values that mean the same into one form and print all there is.
	Print func(ARN, Settings) string
	// Same is a quick look: true only for values that print equally. Nil where printing is quick.
	Same func(a, b *Settings) bool
	// Copy sets the field of dst to that of src.
	Copy func(dst *Settings, src Settings)
	// Stricter tells that the trail has all that is wanted and more: it is not to be weakened. Nil for
	// fields that are not more or less, only as wanted or not.
	Stricter func(a ARN, want, got Settings) bool
}

// Table has a row for every setting of a trail, in the order in which repairs are made.
var Table = []Row{
	text(FieldBucket, func(s *Settings) *string { return &s.Bucket }),
	text(FieldPrefix, func(s *Settings) *string { return &s.Prefix }),
	text(FieldTopic, func(s *Settings) *string { return &s.Topic }),
	text(FieldKey, func(s *Settings) *string { return &s.Key }),
	{
		Kind: KindTrail, Field: FieldLogGroup, Group: GroupSettings, Op: UpdateTrail,
		Print: func(_ ARN, s Settings) string { return strings.TrimSuffix(s.LogGroup, ":*") },
		Copy:  func(dst *Settings, src Settings) { dst.LogGroup = src.LogGroup },
	},
	text(FieldLogRole, func(s *Settings) *string { return &s.LogRole }),
	flag(FieldMultiRegion, GroupSettings, UpdateTrail, func(s *Settings) *bool { return &s.MultiRegion }),
	flag(FieldGlobalEvents, GroupSettings, UpdateTrail, func(s *Settings) *bool { return &s.GlobalEvents }),
	flag(FieldOrganization, GroupSettings, UpdateTrail, func(s *Settings) *bool { return &s.Organization }),
	flag(FieldValidation, GroupSettings, UpdateTrail, func(s *Settings) *bool { return &s.Validation }),
	flag(FieldLogging, GroupLogging, StartLogging, func(s *Settings) *bool { return &s.Logging }),
	{
		Kind: KindTrail, Field: FieldSelectors, Group: GroupSelectors, Op: PutEventSelectors,
		Print:    func(a ARN, s Settings) string { return printSelectors(a, s.Selectors) },
		Same:     func(a, b *Settings) bool { return a.Selectors.same(b.Selectors) },
		Copy:     func(dst *Settings, src Settings) { dst.Selectors = src.Selectors },
		Stricter: func(a ARN, want, got Settings) bool { return got.Selectors.Covers(want.Selectors, a.Partition) },
	},
	{
		Kind: KindTrail, Field: FieldInsights, Group: GroupInsights, Op: PutInsightSelectors,
		Print: func(_ ARN, s Settings) string { return set(insightWords(s.Insights)) },
		Copy:  func(dst *Settings, src Settings) { dst.Insights = src.Insights },
		Stricter: func(_ ARN, want, got Settings) bool {
			return contains(insightWords(got.Insights), insightWords(want.Insights))
		},
	},
	{
		Kind: KindTrail, Field: FieldAggregations, Group: GroupEventConfig, Op: PutEventConfiguration,
		Print: func(_ ARN, s Settings) string { return set(aggregationWords(s.EventConfig)) },
		Copy:  func(dst *Settings, src Settings) { dst.EventConfig.Aggregations = src.EventConfig.Aggregations },
	},
	{
		Kind: KindTrail, Field: FieldContextKeys, Group: GroupEventConfig, Op: PutEventConfiguration,
		Print: func(_ ARN, s Settings) string { return set(contextWords(s.EventConfig)) },
		Copy:  func(dst *Settings, src Settings) { dst.EventConfig.ContextKeys = src.EventConfig.ContextKeys },
		Stricter: func(_ ARN, want, got Settings) bool {
			return contains(contextWords(got.EventConfig), contextWords(want.EventConfig))
		},
	},
	{
		Kind: KindTrail, Field: FieldEventSize, Group: GroupEventConfig, Op: PutEventConfiguration,
		Print:    func(_ ARN, s Settings) string { return eventSize(s.EventConfig) },
		Copy:     func(dst *Settings, src Settings) { dst.EventConfig.MaxEventSize = src.EventConfig.MaxEventSize },
		Stricter: func(_ ARN, want, got Settings) bool { return eventSize(got.EventConfig) == large },
	},
	{
		Kind: KindTrail, Field: FieldTags, Group: GroupTags, Op: AddTags,
		Print: func(_ ARN, s Settings) string { return printTags(s.Tags) },
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

// text is the row of a setting that is a string and is changed by UpdateTrail. It is compared letter by letter:
// an alias is not the key that it points to today, and a prefix with a slash is another prefix.
func text(field Field, at func(*Settings) *string) Row {
	return Row{
		Kind: KindTrail, Field: field, Group: GroupSettings, Op: UpdateTrail,
		Print: func(_ ARN, s Settings) string { return *at(&s) },
		Copy:  func(dst *Settings, src Settings) { *at(dst) = *at(&src) },
	}
}

// flag is the row of a boolean that makes a trail record more when it is true.
func flag(field Field, group Group, op Op, at func(*Settings) *bool) Row {
	return Row{
		Kind: KindTrail, Field: field, Group: group, Op: op,
		Print:    func(_ ARN, s Settings) string { return strconv.FormatBool(*at(&s)) },
		Copy:     func(dst *Settings, src Settings) { *at(dst) = *at(&src) },
		Stricter: func(_ ARN, want, got Settings) bool { return *at(&got) },
	}
}

// insightWords lists "TYPE on CATEGORY events".
func insightWords(insights []Insight) []string {
	var out []string
	for _, i := range insights {
		categories := i.Categories
		if len(categories) == 0 {
			categories = []string{management}
		}
		for _, c := range categories {
			out = append(out, word(i.Type)+" on "+word(c)+" events")
		}
	}
	return sorted(out)
}

func aggregationWords(c EventConfig) []string {
	var out []string
	for _, a := range c.Aggregations {
		for _, t := range a.Templates {
			out = append(out, word(t)+" of "+word(a.Category)+" events")
		}
	}
	return sorted(out)
}

func contextWords(c EventConfig) []string {
	var out []string
	for _, k := range c.ContextKeys {
		for _, key := range k.Equals {
			out = append(out, word(k.Type)+" "+word(key))
		}
	}
	return sorted(out)
}

const large = "Large"

func eventSize(c EventConfig) string {
	if c.MaxEventSize == "" {
		return "Standard"
	}
	return c.MaxEventSize
}

func printTags(tags map[string]string) string {
	var out []string
	for k, v := range tags {
		if !reserved(k) {
			out = append(out, word(k)+"="+word(v))
		}
	}
	return set(sorted(out))
}

// reserved tells a tag that AWS itself sets and nobody else can.
func reserved(key string) bool { return strings.HasPrefix(key, "aws:") }

func sorted(values []string) []string {
	slices.Sort(values)
	return slices.Compact(values)
}

// set prints words whose order means nothing.
func set(words []string) string { return "[" + strings.Join(words, ", ") + "]" }

func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}
