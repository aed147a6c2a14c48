package incident

import (
	"encoding/json"
	"slices"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// selectors is what a PutEventSelectors asks for: it replaces all selectors that the trail had.
type selectors struct {
	basic, advanced bool // which kind they are; neither when they cannot be understood
	unknown         bool // some of it has names that we do not know
	asked           trail.Selectors

	before, after trail.Coverage // of what the selectors decide; before is what is pinned
	lost          []trail.Loss   // from before to after
}

func readSelectors(c call) selectors {
	var d decoder
	var s trail.Selectors
	for _, raw := range d.list(c.params["eventSelectors"]) {
		s.Basic = append(s.Basic, d.basicSelector(raw))
	}
	for _, raw := range d.list(c.params["advancedEventSelectors"]) {
		s.Advanced = append(s.Advanced, d.advancedSelector(raw))
	}
	given := !absent(c.params["eventSelectors"]) || !absent(c.params["advancedEventSelectors"])
	if d.odd || !given || len(s.Basic) > 0 && len(s.Advanced) > 0 { // AWS takes one kind only
		return selectors{}
	}
	advanced := len(s.Advanced) > 0 || absent(c.params["eventSelectors"])
	out := selectors{basic: !advanced, advanced: advanced, unknown: d.unknown, asked: s}
	// Where nothing is pinned, all management events are held against the request: what it leaves out is
	// then told as what was set, not as a change. A trail without selectors of its own records these.
	var pinned trail.Selectors
	if c.pinned != nil {
		pinned = c.pinned.Selectors
	}
	out.before = c.coverage(pinned)
	if len(s.Basic)+len(s.Advanced) > 0 {
		out.after = c.coverage(s)
	} else {
		out.after = trail.Coverage{Trail: true}
	}
	out.lost = trail.Lost(out.before, out.after)
	return out
}

func (c call) coverage(s trail.Selectors) trail.Coverage {
	region := c.record.Region
	return trail.CoverageOf(trail.State{
		ARN:      trail.ARN{Partition: trail.PartitionOf(region), Region: region, Account: c.record.Account},
		Exists:   true,
		Settings: trail.Settings{Selectors: s},
		Read:     []trail.Group{trail.GroupSelectors},
	})
}

func (d *decoder) basicSelector(raw json.RawMessage) trail.Selector {
	o := d.object(raw, "readWriteType", "includeManagementEvents", "dataResources", "excludeManagementEventSources")
	s := trail.Selector{ReadWrite: d.word(o["readWriteType"]), Management: true, ExcludeSources: d.words(o["excludeManagementEventSources"])}
	if s.ReadWrite == "" {
		s.ReadWrite = "All" // AWS's own meaning of both, when absent
	}
	if management := d.flag(o["includeManagementEvents"]); management != nil {
		s.Management = *management
	}
	for _, resource := range d.list(o["dataResources"]) {
		r := d.object(resource, "type", "values")
		s.Data = append(s.Data, trail.DataResource{Type: d.word(r["type"]), Values: d.words(r["values"])})
	}
	if o == nil || !slices.Contains([]string{"All", "ReadOnly", "WriteOnly"}, s.ReadWrite) {
		d.odd = true
	}
	return s
}

func (d *decoder) advancedSelector(raw json.RawMessage) trail.AdvancedSelector {
	o := d.object(raw, "name", "fieldSelectors")
	s := trail.AdvancedSelector{Name: d.word(o["name"])}
	for _, field := range d.list(o["fieldSelectors"]) {
		f := d.object(field, "field", "equals", "notEquals", "startsWith", "notStartsWith", "endsWith", "notEndsWith")
		s.Fields = append(s.Fields, trail.FieldSelector{
			Field:  d.word(f["field"]),
			Equals: d.words(f["equals"]), NotEquals: d.words(f["notEquals"]),
			StartsWith: d.words(f["startsWith"]), NotStartsWith: d.words(f["notStartsWith"]),
			EndsWith: d.words(f["endsWith"]), NotEndsWith: d.words(f["notEndsWith"]),
		})
	}
	if len(s.Fields) == 0 {
		d.odd = true
	}
	return s
}

func (s selectors) loses(name string) bool { return loses(s.lost, name) }

func loses(lost []trail.Loss, name string) bool {
	return slices.ContainsFunc(lost, func(l trail.Loss) bool { return l.Name == name })
}

func hasManagement(c trail.Coverage) bool { return len(c.Read)+len(c.Write) > 0 }

func managementOff(c call) bool {
	return c.selectors.basic && !hasManagement(c.selectors.after) && hasManagement(c.selectors.before)
}

func advancedManagementOff(c call) bool {
	return c.selectors.advanced && !hasManagement(c.selectors.after) && hasManagement(c.selectors.before)
}

func readOnly(c call) bool {
	s := c.selectors
	return s.basic && len(s.after.Read) > 0 && len(s.after.Write) == 0 && len(s.before.Write) > 0
}

func writeOnly(c call) bool {
	s := c.selectors
	return s.basic && len(s.after.Write) > 0 && len(s.after.Read) == 0 && len(s.before.Read) > 0
}

// sourceExcluded: of reads or of writes some are left, and some are not. Basic selectors tell management
// events apart by source only.
func sourceExcluded(c call) bool {
	s := c.selectors
	return s.basic && (len(s.after.Read) > 0 && s.loses("management_read") || len(s.after.Write) > 0 && s.loses("management_write"))
}

func advancedManagementNarrowed(c call) bool {
	s := c.selectors
	return s.advanced && hasManagement(s.after) && (s.loses("management_read") || s.loses("management_write"))
}

func dataNarrowed(c call) bool { return c.selectors.basic && c.selectors.loses("data") }

func advancedDataNarrowed(c call) bool {
	return c.selectors.advanced && (c.selectors.loses("data") || c.pinned == nil && exempts(c))
}

func networkNarrowed(c call) bool { return c.selectors.loses("network_activity") }

// exempts says whether data events are recorded but for those of some principals. Other conditions on data
// events are how everybody keeps their number down.
func exempts(c call) bool {
	var open trail.Selectors
	for _, a := range c.selectors.asked.Advanced {
		a.Fields = slices.DeleteFunc(slices.Clone(a.Fields), func(f trail.FieldSelector) bool {
			return f.Field == "userIdentity.arn" && len(f.NotEquals)+len(f.NotStartsWith)+len(f.NotEndsWith) > 0
		})
		open.Advanced = append(open.Advanced, a)
	}
	return loses(trail.Lost(c.coverage(open), c.selectors.after), "data")
}

func selectorsSettled(c call) bool {
	return c.pinned != nil && (c.selectors.basic || c.selectors.advanced) && !c.selectors.unknown
}
