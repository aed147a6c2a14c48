package sim

import (
	"reflect"
	"slices"
)

// eventSelector is a basic event selector as GetEventSelectors answers it.
type eventSelector struct {
	ReadWriteType                 string
	IncludeManagementEvents       bool
	DataResources                 []dataResource
	ExcludeManagementEventSources []string
}

type dataResource struct {
	Type   string
	Values []string
}

type advancedSelector struct {
	Name           string `json:",omitempty"`
	FieldSelectors []fieldSelector
}

type fieldSelector struct {
	Field         string
	Equals        []string `json:",omitempty"`
	StartsWith    []string `json:",omitempty"`
	EndsWith      []string `json:",omitempty"`
	NotEquals     []string `json:",omitempty"`
	NotStartsWith []string `json:",omitempty"`
	NotEndsWith   []string `json:",omitempty"`
}

func (f fieldSelector) values() int {
	return len(f.Equals) + len(f.StartsWith) + len(f.EndsWith) + len(f.NotEquals) + len(f.NotStartsWith) + len(f.NotEndsWith)
}

func (f fieldSelector) onlyEquals() bool { return len(f.Equals) > 0 && len(f.Equals) == f.values() }

func standardSelectors() []eventSelector {
	return []eventSelector{{ReadWriteType: "All", IncludeManagementEvents: true, DataResources: []dataResource{}, ExcludeManagementEventSources: []string{}}}
}

// effectiveSelectors are the basic selectors in force: the default one when nothing was put.
func (x *trail) effectiveSelectors() []eventSelector {
	if x.selectors == nil && x.advanced == nil {
		return standardSelectors()
	}
	return x.selectors
}

func (x *trail) customSelectors() bool {
	return x.advanced != nil || !reflect.DeepEqual(x.effectiveSelectors(), standardSelectors())
}

// selects says whether the selectors, taken together, include management events of this kind.
func (x *trail) selects(readOnly bool) bool {
	for _, s := range x.effectiveSelectors() {
		if s.IncludeManagementEvents && (s.ReadWriteType == "All" || s.ReadWriteType == "ReadOnly" == readOnly) {
			return true
		}
	}
	wanted := "false"
	if readOnly {
		wanted = "true"
	}
	for _, s := range x.advanced {
		fits := s.category() == "Management"
		for _, f := range s.FieldSelectors {
			if f.Field == "readOnly" && !slices.Contains(f.Equals, wanted) {
				fits = false
			}
		}
		if fits {
			return true
		}
	}
	return false
}

func (x *trail) selectsChanges() bool { return x.selects(false) }

func (x *trail) selectsData() bool {
	for _, s := range x.effectiveSelectors() {
		if len(s.DataResources) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(x.advanced, func(s advancedSelector) bool { return s.category() == "Data" })
}

// cover says whether the event bus of this account and Region gets the management events that change something:
// only while some trail logs them there.
func (t *trails) cover(account, region string) bool { return t.logs(account, region, false) }

// logs says whether some trail logs management events of this kind in the account and Region. Whether the organization's
// trail counts in a member account is for Options to say.
func (t *trails) logs(account, region string, readOnly bool) bool {
	for _, x := range t.byAccount[account] {
		if x.visibleIn(region) && x.logging && x.selects(readOnly) {
			return true
		}
	}
	o := t.world.organizationOf(account)
	if o == nil || o.Management == account || !t.world.opts.OrganizationCover {
		return false
	}
	for _, x := range t.byAccount[o.Management] {
		if x.organization && x.visibleIn(region) && x.logging && x.selects(readOnly) {
			return true
		}
	}
	return false
}

type putSelectorsInput struct {
	TrailName      string
	EventSelectors []struct {
		ReadWriteType                 string
		IncludeManagementEvents       *bool
		DataResources                 []dataResource
		ExcludeManagementEventSources []string
	}
	AdvancedEventSelectors []advancedSelector
}

type selectorsOutput struct {
	TrailARN               string
	EventSelectors         []eventSelector    `json:",omitempty"`
	AdvancedEventSelectors []advancedSelector `json:",omitempty"`
}

// putSelectors replaces all selectors; those of the other kind vanish.
func (t *trails) putSelectors(c *call, in *putSelectorsInput) (any, error) {
	x, err := t.forChange(c, in.TrailName)
	if err != nil {
		return nil, err
	}
	var basic []eventSelector
	for _, s := range in.EventSelectors {
		e := eventSelector{s.ReadWriteType, s.IncludeManagementEvents == nil || *s.IncludeManagementEvents, s.DataResources, s.ExcludeManagementEventSources}
		if e.ReadWriteType == "" {
			e.ReadWriteType = "All"
		}
		if e.DataResources == nil {
			e.DataResources = []dataResource{}
		}
		for i := range e.DataResources {
			if e.DataResources[i].Values == nil {
				e.DataResources[i].Values = []string{}
			}
		}
		if e.ExcludeManagementEventSources == nil {
			e.ExcludeManagementEventSources = []string{}
		}
		basic = append(basic, e)
	}
	switch {
	case len(basic) > 0 && len(in.AdvancedEventSelectors) > 0:
		return nil, badSelectors("EventSelectors and AdvancedEventSelectors cannot be specified together.")
	case len(basic) == 0 && len(in.AdvancedEventSelectors) == 0:
		return nil, badSelectors("Either EventSelectors or AdvancedEventSelectors must be specified.")
	case len(basic) > 0:
		err = checkBasic(basic)
	default:
		err = checkAdvanced(in.AdvancedEventSelectors)
	}
	if err != nil {
		return nil, err
	}
	x.selectors, x.advanced = basic, in.AdvancedEventSelectors
	t.changed(c, x.arn)
	return selectorsOutput{x.arn, x.selectors, x.advanced}, nil
}

func (t *trails) getSelectors(c *call, in *trailNameInput) (any, error) {
	x, err := t.forDetail(c, in.TrailName)
	if err != nil {
		return nil, err
	}
	return selectorsOutput{x.arn, x.effectiveSelectors(), x.advanced}, nil
}

func badSelectors(why string) error { return fail("InvalidEventSelectorsException", "%s", why) }

func checkBasic(list []eventSelector) error {
	if len(list) > 5 {
		return badSelectors("A trail can have at most 5 event selectors.")
	}
	resources := 0
	for _, s := range list {
		if !slices.Contains([]string{"All", "ReadOnly", "WriteOnly"}, s.ReadWriteType) {
			return badSelectors("ReadWriteType must be All, ReadOnly or WriteOnly.")
		}
		if !s.IncludeManagementEvents && len(s.DataResources) == 0 {
			return badSelectors("An event selector must include management events or at least one data resource.")
		}
		if slices.ContainsFunc(s.ExcludeManagementEventSources, notExcludable) {
			return badSelectors("ExcludeManagementEventSources can hold kms.amazonaws.com and rdsdata.amazonaws.com only.")
		}
		for _, r := range s.DataResources {
			if !slices.Contains([]string{"AWS::S3::Object", "AWS::Lambda::Function", "AWS::DynamoDB::Table"}, r.Type) {
				return badSelectors("Data resource type is not valid for event selectors: " + r.Type)
			}
			resources += len(r.Values)
		}
	}
	if resources > 250 {
		return badSelectors("A trail can have at most 250 data resources across all event selectors.")
	}
	return nil
}

func notExcludable(source string) bool {
	return source != "kms.amazonaws.com" && source != "rdsdata.amazonaws.com"
}

// category is the one value of the eventCategory field; "" when there is none or not exactly one.
func (s advancedSelector) category() string {
	for _, f := range s.FieldSelectors {
		if f.Field == "eventCategory" && f.onlyEquals() && len(f.Equals) == 1 {
			return f.Equals[0]
		}
	}
	return ""
}

func (s advancedSelector) field(name string) (fieldSelector, bool) {
	i := slices.IndexFunc(s.FieldSelectors, func(f fieldSelector) bool { return f.Field == name })
	if i < 0 {
		return fieldSelector{}, false
	}
	return s.FieldSelectors[i], true
}

func checkAdvanced(list []advancedSelector) error {
	values := 0
	for _, s := range list {
		seen := map[string]bool{}
		for _, f := range s.FieldSelectors {
			if f.values() == 0 {
				return badSelectors("Field " + f.Field + " has no condition.")
			}
			if seen[f.Field] {
				return badSelectors("Field " + f.Field + " occurs twice in one advanced event selector.")
			}
			seen[f.Field] = true
			values += f.values()
		}
		if err := checkCategory(s); err != nil {
			return err
		}
	}
	if values > 500 {
		return badSelectors("A trail can have at most 500 values over all conditions of its advanced event selectors.")
	}
	return nil
}

func checkCategory(s advancedSelector) error {
	if r, ok := s.field("readOnly"); ok && (!r.onlyEquals() || len(r.Equals) != 1 || r.Equals[0] != "true" && r.Equals[0] != "false") {
		return badSelectors("Field readOnly must be Equals true or Equals false.")
	}
	switch s.category() {
	case "Management":
		for _, f := range s.FieldSelectors {
			switch f.Field {
			case "eventCategory", "readOnly":
			case "eventSource":
				if len(f.NotEquals) != f.values() || slices.ContainsFunc(f.NotEquals, notExcludable) {
					return badSelectors("Field eventSource of management events can be NotEquals kms.amazonaws.com or rdsdata.amazonaws.com only.")
				}
			default:
				return badSelectors("Field " + f.Field + " is not valid for management events.")
			}
		}
	case "Data":
		if r, ok := s.field("resources.type"); !ok || !r.onlyEquals() || len(r.Equals) != 1 {
			return badSelectors("Data events need the field resources.type with exactly one Equals value.")
		}
	case "NetworkActivity":
		if r, ok := s.field("eventSource"); !ok || !r.onlyEquals() || len(r.Equals) != 1 {
			return badSelectors("Network activity events need the field eventSource with exactly one Equals value.")
		}
	default:
		return badSelectors("Each advanced event selector needs the field eventCategory with exactly one Equals value: Management, Data or NetworkActivity.")
	}
	return nil
}
