package incident

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// call is a record with its parameters decoded, beside what is pinned.
type call struct {
	record event.Record
	pinned *trail.Settings // nil: nothing is pinned
	params map[string]json.RawMessage
	known  bool // the record holds the parameters

	ignored []trail.Field // what the baseline ignores: params lack these members
	excused bool          // there were no others

	update    update    // of UpdateTrail
	selectors selectors // of PutEventSelectors
}

func readCall(r event.Record, pinned *trail.Settings, ignored []trail.Field) call {
	c := call{record: r, pinned: pinned, ignored: ignored}
	var d decoder
	c.params = d.object(r.Request)
	// AWS denies without parameters, and leaves out those of more than 100 KB.
	omitted := d.flag(c.params["omitted"])
	c.known = c.params != nil && (omitted == nil || !*omitted)
	if !c.known {
		return c
	}
	c.ignore()
	switch CallName(r.Name) {
	case "UpdateTrail":
		c.update = readUpdate(c)
	case "PutEventSelectors":
		c.selectors = readSelectors(c)
	}
	return c
}

// fieldOf is the field of a trail that a member of a request sets.
var fieldOf = map[string]trail.Field{
	"s3BucketName": trail.FieldBucket, "s3KeyPrefix": trail.FieldPrefix, "snsTopicName": trail.FieldTopic, "kmsKeyId": trail.FieldKey,
	"cloudWatchLogsLogGroupArn": trail.FieldLogGroup, "cloudWatchLogsRoleArn": trail.FieldLogRole,
	"isMultiRegionTrail": trail.FieldMultiRegion, "includeGlobalServiceEvents": trail.FieldGlobalEvents,
	"isOrganizationTrail": trail.FieldOrganization, "enableLogFileValidation": trail.FieldValidation,
	"eventSelectors": trail.FieldSelectors, "advancedEventSelectors": trail.FieldSelectors, "insightSelectors": trail.FieldInsights,
	"aggregationConfigurations": trail.FieldAggregations, "contextKeySelectors": trail.FieldContextKeys, "maxEventSize": trail.FieldEventSize,
	"tagsList": trail.FieldTags,
}

// ignore forgets what the request asks of ignored fields.
func (c *call) ignore() {
	others := false
	for name := range c.params {
		field, sets := fieldOf[name]
		switch {
		case sets && slices.Contains(c.ignored, field):
			delete(c.params, name)
			c.excused = true
		case !slices.Contains([]string{"name", "trailName", "resourceId"}, name):
			others = true
		}
	}
	c.excused = c.excused && !others
}

// ofNoTrail says whether tags are those of an event data store, a channel or a dashboard.
func ofNoTrail(name string, r event.Record) bool {
	if name != "AddTags" && name != "RemoveTags" {
		return false
	}
	var d decoder
	id := d.text(d.object(r.Request)["resourceId"])
	return id != nil && strings.HasPrefix(*id, "arn:") && !strings.Contains(*id, ":trail/")
}

// decoder reads JSON by exact member names. Absent and null are the same; so are a list of one element and
// that element, since copies of records that went through XML show the one for the other.
type decoder struct {
	odd     bool // something is of a type, or has a value, that CloudTrail does not write
	unknown bool // a member has a name that we do not know
	size    int  // elements of lists so far
}

// understood says that nothing of what was read may mean something that we do not know.
func (d decoder) understood() bool { return !d.odd && !d.unknown }

// listed is how many list elements are read: AWS accepts 500 values in one call.
const listed = 1500

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// object is nil when raw is absent, or odd. Without names, members may have any.
func (d *decoder) object(raw json.RawMessage, names ...string) map[string]json.RawMessage {
	if absent(raw) {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		d.odd = true
		return nil
	}
	if len(names) > 0 {
		d.only(members, names...)
	}
	return members
}

// only notes members of other names.
func (d *decoder) only(members map[string]json.RawMessage, names ...string) {
	for name := range members {
		if !slices.Contains(names, name) {
			d.unknown = true
		}
	}
}

func (d *decoder) text(raw json.RawMessage) *string {
	return scalar[string](d, raw)
}

// flag takes true and false, and no strings that say so.
func (d *decoder) flag(raw json.RawMessage) *bool {
	return scalar[bool](d, raw)
}

func scalar[T any](d *decoder, raw json.RawMessage) *T {
	if absent(raw) {
		return nil
	}
	var value T
	if json.Unmarshal(raw, &value) != nil {
		d.odd = true
		return nil
	}
	return &value
}

// word is a text that is empty when absent.
func (d *decoder) word(raw json.RawMessage) string {
	if s := d.text(raw); s != nil {
		return *s
	}
	return ""
}

func (d *decoder) list(raw json.RawMessage) []json.RawMessage {
	if absent(raw) || string(raw) == `""` {
		return nil
	}
	elements := []json.RawMessage{raw}
	if raw[0] == '[' {
		elements = nil
		if json.Unmarshal(raw, &elements) != nil {
			d.odd = true
		}
	}
	if d.size += len(elements); d.size > listed {
		d.odd = true
		return nil
	}
	return elements
}

func (d *decoder) words(raw json.RawMessage) []string {
	var words []string
	for _, element := range d.list(raw) {
		if absent(element) {
			d.odd = true
			continue
		}
		words = append(words, d.word(element))
	}
	return words
}
