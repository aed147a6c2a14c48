package trail

import (
	"cmp"
	"slices"
	"strings"
)

// Categories of events as advanced selectors name them.
const (
	management = "Management"
	data       = "Data"
	network    = "NetworkActivity"
)

// unclear stands where a selector does not say outright what it is about. It claims nothing.
const unclear = "?"

// recording is one kind of events and which of them are recorded.
type recording struct {
	category string // Management, Data, NetworkActivity, or what a selector says
	of       string // the resource type of data events, the event source of network activity
	access   string // "read" or "write"
	Events
}

// recorded says what selectors record, in one form for basic and advanced ones. An event is recorded when
// any selector takes it. No selector at all is CloudTrail's default: all management events. The partition
// tells whether a partial ARN means every resource: "arn:aws-cn:s3" is nothing at all outside China.
func (s Selectors) recorded(partition string) []recording {
	if len(s.Basic) == 0 && len(s.Advanced) == 0 {
		return []recording{{management, "", "read", Events{{}}}, {management, "", "write", Events{{}}}}
	}
	u := unions{partition: partition}
	for _, b := range s.Basic {
		u.basic(b)
	}
	for _, a := range s.Advanced {
		u.advanced(a)
	}
	for i := range u.of {
		u.of[i].Events = union(u.of[i].Events)
	}
	slices.SortFunc(u.of, func(a, b recording) int {
		return cmp.Or(strings.Compare(a.category, b.category), strings.Compare(a.of, b.of), strings.Compare(a.access, b.access))
	})
	return u.of
}

// unions collects what several selectors take.
type unions struct {
	partition string
	of        []recording
}

func (u *unions) add(category, of string, access []string, conditions []Condition) {
	clause, ok := clauseOf(conditions)
	if !ok {
		return
	}
	for _, access := range access {
		i := slices.IndexFunc(u.of, func(r recording) bool { return r.category == category && r.of == of && r.access == access })
		if i < 0 {
			u.of = append(u.of, recording{category: category, of: of, access: access})
			i = len(u.of) - 1
		}
		u.of[i].Events = append(u.of[i].Events, clause)
	}
}

func (u *unions) basic(b Selector) {
	access := []string{b.ReadWrite}
	switch b.ReadWrite {
	case "", "All":
		access = []string{"read", "write"}
	case "ReadOnly":
		access = []string{"read"}
	case "WriteOnly":
		access = []string{"write"}
	}
	if b.Management {
		u.add(management, "", access, []Condition{{Field: "eventSource", None: patterns(is, b.ExcludeSources)}})
	}
	for _, d := range b.Data {
		// No value selects nothing: attackers use it to have a selector that AWS accepts and that records nothing.
		if len(d.Values) == 0 {
			continue
		}
		op := is
		if d.Type == "AWS::S3::Object" {
			op = startsWith
		}
		arn := Condition{Field: "resources.ARN", Any: patterns(op, d.Values)}
		if slices.ContainsFunc(d.Values, func(v string) bool { return u.whole(d.Type, v) }) {
			arn.Any = nil
		}
		u.add(data, d.Type, access, []Condition{arn})
	}
}

func (u *unions) advanced(a AdvancedSelector) {
	var conditions []Condition
	for _, f := range a.Fields {
		c := Condition{Field: f.Field}
		c.Any = slices.Concat(patterns(is, f.Equals), patterns(startsWith, f.StartsWith), patterns(endsWith, f.EndsWith))
		c.None = slices.Concat(patterns(is, f.NotEquals), patterns(startsWith, f.NotStartsWith), patterns(endsWith, f.NotEndsWith))
		c, ok := c.tidy()
		if !ok {
			return
		}
		conditions = append(conditions, c)
	}
	categories, conditions := split(conditions, "eventCategory", unclear)
	access, conditions := split(conditions, "readOnly", "false", "true")
	for i, a := range access {
		switch a {
		case "true":
			access[i] = "read"
		case "false":
			access[i] = "write"
		}
	}
	for _, category := range categories {
		kinds, rest := []string{""}, conditions
		switch category {
		case data:
			kinds, rest = split(conditions, "resources.type", unclear)
		case network:
			kinds, rest = split(conditions, "eventSource", unclear)
		}
		for _, kind := range kinds {
			own := rest
			if category == data {
				own = u.withoutWhole(kind, rest)
			}
			u.add(category, kind, access, own)
		}
	}
}

// split takes the condition that a field is one of some values out of the conditions. Without a condition
// on the field these are the values of absent; one that says anything else stays, and the value is unclear.
func split(conditions []Condition, field string, absent ...string) (values []string, rest []Condition) {
	at := -1
	for i, c := range conditions {
		if c.Field != field {
			continue
		}
		simple := len(c.Any) > 0 && !slices.ContainsFunc(c.Any, func(p Pattern) bool { return p.Op != is }) && len(c.None) == 0
		if at >= 0 || !simple {
			return []string{unclear}, conditions
		}
		at = i
	}
	if at < 0 {
		return absent, conditions
	}
	for _, p := range conditions[at].Any {
		values = append(values, p.Value)
	}
	return values, slices.Delete(slices.Clone(conditions), at, at+1)
}

// whole tells whether a partial ARN such as "arn:aws:s3" or "arn:aws:s3:::" stands for every resource of
// a type. Such a type is one of the three that basic selectors know.
func (u *unions) whole(resourceType, arn string) bool {
	service := map[string]string{
		"AWS::S3::Object": "s3", "AWS::Lambda::Function": "lambda", "AWS::DynamoDB::Table": "dynamodb",
	}[resourceType]
	return service != "" && strings.TrimRight(arn, ":") == "arn:"+u.partition+":"+service
}

// withoutWhole drops the condition that an ARN begins as every ARN of the type does.
func (u *unions) withoutWhole(resourceType string, conditions []Condition) []Condition {
	for i, c := range conditions {
		if c.Field == "resources.ARN" && slices.ContainsFunc(c.Any, func(p Pattern) bool {
			return p.Op == startsWith && u.whole(resourceType, p.Value)
		}) {
			conditions = slices.Clone(conditions)
			conditions[i].Any = nil
		}
	}
	return conditions
}

func patterns(op string, values []string) []Pattern {
	out := make([]Pattern, len(values))
	for i, v := range values {
		out[i] = Pattern{op, v}
	}
	return out
}

// printSelectors writes what the selectors record, not how they say it.
func printSelectors(a ARN, s Selectors) string {
	all := s.recorded(a.Partition)
	var out []string
	for i := 0; i < len(all); i++ {
		r := all[i]
		text := word(r.category)
		if r.of != "" {
			text += " " + word(r.of)
		}
		events := r.Events.String()
		if i+1 < len(all) && r.access == "read" && all[i+1].access == "write" &&
			all[i+1].category == r.category && all[i+1].of == r.of && all[i+1].Events.String() == events {
			i++
		} else {
			text += " " + word(r.access)
		}
		out = append(out, text+": "+events)
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, "; ")
}

// Covers tells whether s records each event that other records. What cannot be decided is no.
func (s Selectors) Covers(other Selectors, partition string) bool {
	mine := s.recorded(partition)
	for _, r := range other.recorded(partition) {
		i := slices.IndexFunc(mine, func(m recording) bool { return m.category == r.category && m.of == r.of && m.access == r.access })
		if len(r.Events) > 0 && (i < 0 || !mine[i].Events.covers(r.Events)) {
			return false
		}
	}
	return true
}

// same tells selectors that are the same to the letter.
func (s Selectors) same(other Selectors) bool {
	return slices.EqualFunc(s.Basic, other.Basic, func(a, b Selector) bool {
		return a.ReadWrite == b.ReadWrite && a.Management == b.Management && slices.Equal(a.ExcludeSources, b.ExcludeSources) &&
			slices.EqualFunc(a.Data, b.Data, func(a, b DataResource) bool { return a.Type == b.Type && slices.Equal(a.Values, b.Values) })
	}) && slices.EqualFunc(s.Advanced, other.Advanced, func(a, b AdvancedSelector) bool {
		return slices.EqualFunc(a.Fields, b.Fields, func(a, b FieldSelector) bool {
			return a.Field == b.Field && slices.Equal(a.Equals, b.Equals) && slices.Equal(a.NotEquals, b.NotEquals) &&
				slices.Equal(a.StartsWith, b.StartsWith) && slices.Equal(a.NotStartsWith, b.NotStartsWith) &&
				slices.Equal(a.EndsWith, b.EndsWith) && slices.Equal(a.NotEndsWith, b.NotEndsWith)
		})
	})
}
