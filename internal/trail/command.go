package trail

import (
	"encoding/json"
	"slices"
	"strings"
)

// Permissions lists the IAM actions that whoever makes the call needs.
func (a Action) Permissions() []string {
	need := []string{"cloudtrail:" + string(a.Op)}
	sends := func(f Field) bool { return slices.Contains(a.Send, f) }
	if a.Op == CreateTrail && sends(FieldTags) {
		need = append(need, "cloudtrail:AddTags")
	}
	if sends(FieldLogRole) && a.Set.LogRole != "" {
		need = append(need, "iam:PassRole")
	}
	if sends(FieldOrganization) && a.Set.Organization {
		need = append(need, "iam:CreateServiceLinkedRole", "iam:GetRole", "organizations:DescribeOrganization",
			"organizations:ListAWSServiceAccessForOrganization")
	}
	return need
}

// Command is the line of the AWS CLI that makes the call, quoted for a POSIX shell.
func (a Action) Command() string {
	c := line{"aws", "cloudtrail", dashed(string(a.Op)), "--region", a.Target.Region}
	switch a.Op {
	case CreateTrail:
		c.add("--name", a.Target.Name)
	case UpdateTrail, StartLogging:
		c.add("--name", a.Target.String())
	case RemoveTags, AddTags:
		c.add("--resource-id", a.Target.String())
	default:
		c.add("--trail-name", a.Target.String())
	}
	for _, f := range a.Send {
		c.member(f, a.Set)
	}
	if a.Op == RemoveTags {
		keys := make([]tag, len(a.Keys))
		for i, key := range a.Keys {
			keys[i] = tag{Key: key}
		}
		c.json("--tags-list", keys)
	}
	for i, part := range c {
		c[i] = quoted(part)
	}
	return strings.Join(c, " ")
}

type tag struct {
	Key   string
	Value string `json:",omitempty"`
}

// line is the words of a command, not yet quoted.
type line []string

// add appends an option. A value that looks like an option itself is tied to the name.
func (l *line) add(name, value string) {
	if strings.HasPrefix(value, "-") {
		*l = append(*l, name+"="+value)
		return
	}
	*l = append(*l, name, value)
}

func (l *line) flag(name string, on bool) {
	if !on {
		name = "no-" + name
	}
	*l = append(*l, "--"+name)
}

func (l *line) json(name string, v any) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("trail: encode settings: " + err.Error()) // they are strings, booleans and lists of them
	}
	l.add(name, strings.TrimSuffix(b.String(), "\n"))
}

func (l *line) member(f Field, s Settings) {
	switch f {
	case FieldBucket:
		l.add("--s3-bucket-name", s.Bucket)
	case FieldPrefix:
		l.add("--s3-key-prefix", s.Prefix)
	case FieldTopic:
		l.add("--sns-topic-name", s.Topic)
	case FieldKey:
		l.add("--kms-key-id", s.Key)
	case FieldLogGroup:
		l.add("--cloud-watch-logs-log-group-arn", s.LogGroup)
	case FieldLogRole:
		l.add("--cloud-watch-logs-role-arn", s.LogRole)
	case FieldMultiRegion:
		l.flag("is-multi-region-trail", s.MultiRegion)
	case FieldGlobalEvents:
		l.flag("include-global-service-events", s.GlobalEvents)
	case FieldOrganization:
		l.flag("is-organization-trail", s.Organization)
	case FieldValidation:
		l.flag("enable-log-file-validation", s.Validation)
	case FieldSelectors:
		l.selectors(s.Selectors)
	case FieldInsights:
		insights := make([]insightJSON, len(s.Insights))
		for i, in := range s.Insights {
			insights[i] = insightJSON{in.Type, in.Categories}
		}
		l.json("--insight-selectors", insights)
	case FieldAggregations:
		out := make([]aggregationJSON, len(s.EventConfig.Aggregations))
		for i, a := range s.EventConfig.Aggregations {
			out[i] = aggregationJSON{a.Category, a.Templates}
		}
		l.json("--aggregation-configurations", out)
	case FieldContextKeys:
		out := make([]contextJSON, len(s.EventConfig.ContextKeys))
		for i, k := range s.EventConfig.ContextKeys {
			out[i] = contextJSON(k)
		}
		l.json("--context-key-selectors", out)
	case FieldEventSize:
		l.add("--max-event-size", s.EventConfig.MaxEventSize)
	case FieldTags:
		tags := make([]tag, 0, len(s.Tags))
		for k, v := range s.Tags {
			tags = append(tags, tag{k, v})
		}
		slices.SortFunc(tags, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
		l.json("--tags-list", tags)
	}
}

// The API's own shapes: member names and what may be left out.
type (
	insightJSON struct {
		InsightType     string
		EventCategories []string `json:",omitempty"`
	}
	aggregationJSON struct {
		EventCategory string
		Templates     []string
	}
	contextJSON struct {
		Type   string
		Equals []string
	}
	selectorJSON struct {
		ReadWriteType                 string
		IncludeManagementEvents       bool
		ExcludeManagementEventSources []string `json:",omitempty"`
		DataResources                 []dataJSON
	}
	dataJSON struct {
		Type   string
		Values []string
	}
	advancedJSON struct {
		Name           string `json:",omitempty"`
		FieldSelectors []fieldJSON
	}
	fieldJSON struct {
		Field         string
		Equals        []string `json:",omitempty"`
		NotEquals     []string `json:",omitempty"`
		StartsWith    []string `json:",omitempty"`
		NotStartsWith []string `json:",omitempty"`
		EndsWith      []string `json:",omitempty"`
		NotEndsWith   []string `json:",omitempty"`
	}
)

// selectors adds the one kind that is set.
func (l *line) selectors(s Selectors) {
	if len(s.Advanced) > 0 {
		out := make([]advancedJSON, len(s.Advanced))
		for i, a := range s.Advanced {
			out[i].Name = a.Name
			for _, f := range a.Fields {
				out[i].FieldSelectors = append(out[i].FieldSelectors, fieldJSON(f))
			}
		}
		l.json("--advanced-event-selectors", out)
		return
	}
	out := make([]selectorJSON, len(s.Basic))
	for i, b := range s.Basic {
		out[i] = selectorJSON{
			ReadWriteType: or(b.ReadWrite, "All"), IncludeManagementEvents: b.Management,
			ExcludeManagementEventSources: b.ExcludeSources, DataResources: []dataJSON{},
		}
		for _, d := range b.Data {
			out[i].DataResources = append(out[i].DataResources, dataJSON{d.Type, append([]string{}, d.Values...)})
		}
	}
	l.json("--event-selectors", out)
}

// dashed makes "put-event-selectors" of "PutEventSelectors".
func dashed(op string) string {
	var b strings.Builder
	for i, c := range op {
		if i > 0 && 'A' <= c && c <= 'Z' {
			b.WriteByte('-')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}

// quoted makes one word of a shell of a text.
func quoted(text string) string {
	plain := text != ""
	for i := 0; i < len(text) && plain; i++ {
		c := text[i]
		plain = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._:/@+=,", c) >= 0
	}
	if plain {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
