package trail

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func pick(t *rapid.T, label string, values ...string) string {
	return rapid.SampledFrom(values).Draw(t, label)
}

// genSettings draws settings that a live trail can have.
func genSettings(t *rapid.T) Settings {
	s := Settings{
		Logging: rapid.Bool().Draw(t, "logging"), Bucket: pick(t, "bucket", "logs", "evil"), Prefix: pick(t, "prefix", "", "p", "p/"),
		Topic: pick(t, "topic", "", "arn:topic", "arn:evil"), Key: pick(t, "key", "", "arn:key", "arn:evil"),
		MultiRegion: rapid.Bool().Draw(t, "multi"), GlobalEvents: rapid.Bool().Draw(t, "global"),
		Organization: rapid.Bool().Draw(t, "organization"), Validation: rapid.Bool().Draw(t, "validation"), Selectors: genSelectors(t),
	}
	s.GlobalEvents = s.GlobalEvents || s.MultiRegion
	if rapid.Bool().Draw(t, "logs") {
		s.LogGroup, s.LogRole = pick(t, "group", "arn:group", "arn:group:*", "arn:other:*"), pick(t, "role", "arn:role", "arn:other")
	}
	for _, kind := range some(t, []string{"ApiCallRateInsight", "ApiErrorRateInsight"}, "insights", 0) {
		s.Insights = append(s.Insights, Insight{Type: kind, Categories: some(t, []string{"Management", "Data"}, "categories", 0)})
	}
	for _, template := range some(t, []string{"API_ACTIVITY", "RESOURCE_ACCESS"}, "aggregations", 0) {
		s.EventConfig.Aggregations = append(s.EventConfig.Aggregations, Aggregation{Category: "Data", Templates: []string{template}})
	}
	if keys := some(t, []string{"team", "env"}, "context", 0); len(keys) > 0 {
		s.EventConfig.ContextKeys = []ContextKeys{{Type: "TagContext", Equals: keys}}
		s.EventConfig.MaxEventSize = "Large"
	} else {
		s.EventConfig.MaxEventSize = pick(t, "size", "", "Standard", "Large")
	}
	for _, key := range some(t, []string{"owner", "team", "aws:cloudformation:stack-name", "junk"}, "tags", 0) {
		if s.Tags == nil {
			s.Tags = make(map[string]string)
		}
		s.Tags[key] = pick(t, "value", "", "a", "b")
	}
	return s
}

func genGroups(t *rapid.T, label string) []Group {
	if rapid.Bool().Draw(t, label+": all") {
		return Groups()
	}
	var out []Group
	for _, g := range Groups() {
		if rapid.Bool().Draw(t, label+": "+string(g)) {
			out = append(out, g)
		}
	}
	return out
}

func genBaseline(t *rapid.T) Baseline {
	b := Baseline{ARN: main, Want: genSettings(t), Repair: genGroups(t, "repair")}
	if rapid.IntRange(0, 2).Draw(t, "unruly") == 0 {
		// A file that a person wrote may want what CloudTrail never takes.
		b.Want.Bucket = pick(t, "bucket", "", "logs")
		b.Want.LogGroup = pick(t, "group", "", "arn:group")
		b.Want.LogRole = pick(t, "role", "", "arn:role")
		b.Want.GlobalEvents = rapid.Bool().Draw(t, "global")
		b.Want.EventConfig.MaxEventSize = ""
		b.Want.Selectors.Basic = append(b.Want.Selectors.Basic, genBasic(t))
		for _, row := range Table {
			if rapid.IntRange(0, 4).Draw(t, "ignore "+string(row.Field)) == 0 {
				b.Ignore = append(b.Ignore, row.Field)
			}
		}
	}
	return b
}

func genState(t *rapid.T, b Baseline) State {
	s := State{ARN: main, Exists: rapid.IntRange(0, 5).Draw(t, "exists") > 0}
	if !s.Exists {
		s.Deleted = rapid.Bool().Draw(t, "deleted")
	} else {
		s.Settings, s.Read = genSettings(t), genGroups(t, "read")
		// Mostly a trail differs from its baseline in a few fields.
		for _, row := range Table {
			if rapid.IntRange(0, 2).Draw(t, "as pinned: "+string(row.Field)) > 0 {
				row.Copy(&s.Settings, b.Want)
			}
		}
		if len(s.Selectors.Basic) > 0 {
			s.Selectors.Advanced = nil
		}
		s.GlobalEvents = s.GlobalEvents || s.MultiRegion
		if s.LogGroup == "" || s.LogRole == "" {
			s.LogGroup, s.LogRole = "", ""
		}
	}
	s.Status.Logging = s.Logging
	s.Caller.Account = pick(t, "caller", "", main.Account, main.Account, "444455556666")
	s.Caller.Delegated = rapid.Bool().Draw(t, "delegated")
	return s
}

// TestRepairMends: whatever differs, the plan's actions mend exactly what the plan does not leave, for every drift
// that is left there is a reason that holds, and a second plan is empty.
func TestRepairMends(t *testing.T) {
	often(t, func(rt *rapid.T) {
		b := genBaseline(rt)
		s := genState(rt, b)
		before := Compare(b, s)
		plan := Repair(b, s)
		after := s
		for _, action := range plan.Actions {
			check(rt, b, after, action)
			after = action.Apply(after)
		}
		var left []Drift
		for _, l := range plan.Left {
			left = append(left, l.Drift)
			if l.Text == "" || !holds(b, s, l) {
				rt.Fatalf("left for no reason that holds: %+v\nbaseline %+v\nstate %+v", l, b, s)
			}
		}
		if d := cmp.Diff(left, Compare(b, after)); d != "" {
			rt.Fatalf("what is left differs from what the plan says (-plan +state):\n%s", d)
		}
		if again := Repair(b, after); len(again.Actions) > 0 {
			rt.Fatalf("a second plan still acts: %+v", again)
		}
		if len(before) == 0 && len(plan.Actions)+len(plan.Left) > 0 {
			rt.Fatalf("without drift the plan is %+v", plan)
		}
		neverLower(rt, b, s, after)
	})
}

// holds checks a reason from the outside.
func holds(b Baseline, s State, l Left) bool {
	switch l.Reason {
	case NotOpened:
		return !slices.Contains(b.Repair, l.Drift.Group)
	case NotProven:
		return !s.Exists && !s.Deleted
	case WrongAccount:
		return s.Caller.Account != main.Account
	case Depends:
		return l.Drift.Field == FieldInsights
	case Stricter:
		switch l.Drift.Field {
		case FieldSelectors:
			return within(taken(b.Want.Selectors), taken(s.Selectors))
		case FieldGlobalEvents:
			return l.Drift.Got == "true" // perhaps because all Regions need it
		case FieldEventSize:
			return l.Drift.Got == "Large"
		case FieldInsights, FieldContextKeys:
			return len(l.Drift.Lost) == 0
		}
		return l.Drift.Got == "true" && l.Drift.Want == "false"
	case Invalid:
		return slices.Contains([]Field{FieldExists, FieldBucket, FieldSelectors, FieldLogGroup, FieldLogRole, FieldGlobalEvents, FieldEventSize}, l.Drift.Field)
	}
	return false
}

// check holds an action's request against what CloudTrail takes.
func check(t *rapid.T, b Baseline, s State, a Action) {
	sends := func(f Field) bool { return slices.Contains(a.Send, f) }
	switch {
	case a.Target != main || len(a.Fixes) == 0:
		t.Fatalf("%+v is about another trail or mends nothing", a)
	case sends(FieldMultiRegion) != sends(FieldGlobalEvents), a.Set.MultiRegion && !a.Set.GlobalEvents:
		t.Fatalf("A13: Regions and global services go together: %+v", a)
	case a.Op == UpdateTrail && sends(FieldLogGroup) != sends(FieldLogRole), (a.Set.LogGroup == "") != (a.Set.LogRole == ""):
		t.Fatalf("A15: log group and role go together: %+v", a)
	case a.Op == PutEventSelectors && (len(a.Set.Selectors.Basic) > 0) == (len(a.Set.Selectors.Advanced) > 0):
		t.Fatalf("A9: one kind of selectors: %+v", a)
	case sends(FieldBucket) && a.Set.Bucket == "":
		t.Fatalf("no trail is without a bucket: %+v", a)
	case a.Op == CreateTrail && !(s.Deleted && !s.Exists):
		t.Fatalf("A23: created without proof: %+v", a)
	case a.Op != CreateTrail && !s.Exists:
		t.Fatalf("%s of a trail that is not there", a.Op)
	case len(a.Set.EventConfig.ContextKeys) > 0 && a.Set.EventConfig.MaxEventSize != "Large":
		t.Fatalf("enrichment needs large events: %+v", a)
	}
	for _, key := range slices.Concat(a.Keys, slices.Collect(maps.Keys(a.Set.Tags))) {
		if strings.HasPrefix(key, "aws:") {
			t.Fatalf("AWS's own tag %s is touched", key)
		}
	}
	for _, d := range a.Fixes {
		if !slices.Contains(b.Repair, d.Group) && !slices.Contains(b.Repair, GroupRecreate) {
			t.Fatalf("%s mends %s, which the baseline does not open", a.Op, d.Field)
		}
	}
	// Only what goes out is set.
	rest := a.Set
	for _, f := range a.Send {
		row, _ := RowOf(f)
		row.Copy(&rest, Settings{})
	}
	if d := cmp.Diff(Settings{}, rest); d != "" {
		t.Fatalf("%s sets what it does not send:\n%s", a.Op, d)
	}
}

// neverLower: nothing pinned that was recorded is recorded no longer, nothing is recorded less without anything being
// recorded more, and no switch that widens a trail is turned off.
func neverLower(t *rapid.T, b Baseline, before, after State) {
	if !before.Exists {
		return
	}
	for name, flag := range map[string][2]bool{
		"logging": {before.Logging, after.Logging}, "all Regions": {before.MultiRegion, after.MultiRegion},
		"global services": {before.GlobalEvents, after.GlobalEvents}, "organization": {before.Organization, after.Organization},
		"validation": {before.Validation, after.Validation},
	} {
		if flag[0] && !flag[1] {
			t.Fatalf("%s is turned off", name)
		}
	}
	was, is, pinned := taken(before.Selectors), taken(after.Selectors), taken(b.Want.Selectors)
	gained := false
	for i := range was {
		if was[i] && pinned[i] && !is[i] {
			t.Fatalf("%+v was recorded, is pinned, and is recorded no longer", samples[i])
		}
		gained = gained || is[i] && !was[i]
	}
	// Whether something is missing can be seen only where each part of what the selectors name shows in the samples.
	visible := !slices.ContainsFunc(slices.Concat(parts(b.Want.Selectors), parts(before.Selectors)), func(s Selectors) bool { return !slices.Contains(taken(s), true) })
	if visible && !within(was, is) && !gained && within(pinned, was) {
		t.Fatalf("the plan only takes away:\nbefore %s\nafter %s", printSelectors(main, before.Selectors), printSelectors(main, after.Selectors))
	}
}

// parts takes selectors apart into selectors with one value each; what they leave out are parts too.
func parts(s Selectors) (out []Selectors) {
	for _, b := range s.Basic {
		data := b.Data
		b.Data = nil
		out = append(out, basic(b))
		b.Management = false
		for _, d := range data {
			for _, v := range d.Values {
				b.Data = []DataResource{{Type: d.Type, Values: []string{v}}}
				out = append(out, basic(b))
			}
		}
	}
	for _, a := range s.Advanced {
		sets := [][]FieldSelector{nil}
		for _, f := range a.Fields {
			for _, v := range f.NotEquals {
				out = append(out, advanced([]FieldSelector{eq(f.Field, v)}))
			}
			for _, v := range f.NotStartsWith {
				out = append(out, advanced([]FieldSelector{{Field: f.Field, StartsWith: []string{v}}}))
			}
			for _, v := range f.NotEndsWith {
				out = append(out, advanced([]FieldSelector{{Field: f.Field, EndsWith: []string{v}}}))
			}
			not := FieldSelector{Field: f.Field, NotEquals: f.NotEquals, NotStartsWith: f.NotStartsWith, NotEndsWith: f.NotEndsWith}
			var ones []FieldSelector
			for _, v := range f.Equals {
				not.Equals, not.StartsWith, not.EndsWith = []string{v}, nil, nil
				ones = append(ones, not)
			}
			for _, v := range f.StartsWith {
				not.Equals, not.StartsWith, not.EndsWith = nil, []string{v}, nil
				ones = append(ones, not)
			}
			for _, v := range f.EndsWith {
				not.Equals, not.StartsWith, not.EndsWith = nil, nil, []string{v}
				ones = append(ones, not)
			}
			if len(ones) == 0 {
				ones = append(ones, not)
			}
			var next [][]FieldSelector
			for _, fields := range sets {
				for _, one := range ones {
					next = append(next, with(fields, one))
				}
			}
			sets = next
		}
		for _, fields := range sets {
			out = append(out, advanced(fields))
		}
	}
	return out
}

// TestRepairForPeopleMendsEverything: with all groups open and read, the owner's credentials and a baseline
// that was captured from a trail, only a stricter trail is left as it is.
func TestRepairForPeopleMendsEverything(t *testing.T) {
	often(t, func(rt *rapid.T) {
		b := Baseline{ARN: main, Want: genSettings(rt)}
		s := genState(rt, b)
		if s.Exists {
			s.Read = Groups()
		} else {
			s.Deleted = true
		}
		s.Caller.Account = main.Account
		plan := Repair(b.ForPeople(), s)
		for _, l := range plan.Left {
			if l.Reason != Stricter && l.Reason != Depends {
				rt.Fatalf("left: %+v", l)
			}
		}
		if !s.Exists && len(plan.Left) > 0 && plan.Left[0].Reason != Depends {
			rt.Fatalf("a trail that is made anew is not as pinned: %+v", plan.Left)
		}
		if v := b.Verdict(s, plan); len(v.Remaining) > 0 && !slices.ContainsFunc(plan.Left, func(l Left) bool { return l.Reason == Depends }) {
			rt.Fatalf("the plan does not bring back %+v\nwant %+v\nstate %+v", v.Remaining, b.Want, s)
		}
	})
}

// TestPlanKeepsItsDrifts: making the plan takes nothing out of what it was made of.
func TestPlanKeepsItsDrifts(t *testing.T) {
	b := Baseline{ARN: main, Want: full(), Repair: Groups()}
	s := everything()
	s.Logging, s.Bucket, s.Validation = false, "another", false
	if d := cmp.Diff(Compare(b, s), Repair(b, s).Drifts); d != "" {
		t.Errorf("the plan's drifts (-compared +plan):\n%s", d)
	}
}
