package trail

import (
	"slices"
	"strings"
)

// Repair makes the plan that brings a state to its baseline, as far as the baseline opens its groups for
// repair. No action only lowers coverage: where the trail has all that is pinned and more, that is left.
//
// The order is: the trail and its settings; StartLogging at once; selectors, because Insights need them;
// Insights; event configuration; tags, unwanted ones first, because they may fill the quota; and at the
// end what the organization must agree to.
func Repair(b Baseline, s State) Plan {
	r := repair{Baseline: b, now: s}
	drifts := Compare(b, s)
	p := Plan{Drifts: drifts}
	if len(drifts) == 0 {
		return p
	}
	if !s.Exists && r.refuse(drifts[0]) == nil {
		r.create(drifts)
		drifts = Compare(r.Baseline, r.now)
	}
	if r.now.Exists {
		org := func(d Drift) bool { return d.Field == FieldOrganization }
		r.update(slices.DeleteFunc(slices.Clone(drifts), org))
		r.start(drifts)
		r.selectors(drifts)
		r.insights(drifts)
		r.eventConfig(drifts)
		r.tags(drifts)
		r.update(slices.DeleteFunc(slices.Clone(drifts), func(d Drift) bool { return !org(d) }))
	}
	p.Actions = r.actions
	for _, d := range Compare(r.Baseline, r.now) {
		if l := r.refuse(d); l != nil {
			p.Left = append(p.Left, *l)
		} else {
			p.Left = append(p.Left, Left{Drift: d, Reason: Invalid, Text: "No call of CloudTrail brings this about: check what the baseline wants."})
		}
	}
	return p
}

// repair is a plan in the making: the state as it will be after the actions so far.
type repair struct {
	Baseline
	now     State
	created bool // by this plan: what the trail has besides the baseline is CloudTrail's default, not somebody's wish
	actions []Action
}

// do appends an action.
func (r *repair) do(a Action) {
	a.Target = r.ARN
	before := r.now
	r.now = a.Apply(r.now)
	if row, ok := RowOf(a.Fixes[0].Field); ok && row.Stricter != nil && a.Op != UpdateTrail && !r.created {
		group := []Group{row.Group}
		a.Drops = Lost(coverage(r.ARN, before.Settings, group), coverage(r.ARN, r.now.Settings, group))
	}
	r.actions = append(r.actions, a)
}

// open picks the drifts that a call mends and that are to be mended.
func (r *repair) open(drifts []Drift, op Op) []Drift {
	var out []Drift
	for _, d := range drifts {
		if row, ok := RowOf(d.Field); ok && row.Op == op && r.refuse(d) == nil {
			out = append(out, d)
		}
	}
	return out
}

// refuse says why a drift is left, nil when it is to be repaired.
func (r *repair) refuse(d Drift) *Left {
	left := func(reason Reason, text string) *Left { return &Left{Drift: d, Reason: reason, Text: text} }
	caller, s := r.now.Caller, r.now
	switch {
	case r.now.ARN != r.ARN:
		return left(WrongAccount, "The state is that of "+r.now.ARN.String()+", another trail than "+r.ARN.String()+".")
	case !r.created && !slices.Contains(r.Repair, d.Group):
		return left(NotOpened, "The baseline does not open "+string(d.Group)+" for repair: run trailwarden apply, or add it to the baseline's repair list.")
	case caller.Account != "" && caller.Account != r.ARN.Account && !r.delegated():
		text := "The trail belongs to " + r.ARN.Account + ", and " + caller.Account + " may not change it: repair it from there."
		if caller.Unknown != "" {
			text += " " + caller.Unknown
		}
		return left(WrongAccount, text)
	case d.Group != GroupLogging && ControlTower(r.ARN, r.Want.Tags, s.Tags):
		return left(Owned, "AWS Control Tower made this trail and sets it as it likes. From the organization's management account, in the landing zone's home Region, "+
			"have it repaired: aws controltower list-landing-zones, then aws controltower reset-landing-zone --landing-zone-identifier ARN.")
	case d.Field == FieldExists && !r.now.Deleted:
		return left(NotProven, "The trail was not found, and that is no proof that it was deleted: it is created again only when its deletion is proven.")
	case d.Field == FieldExists && r.Want.Bucket == "", d.Field == FieldBucket && r.Want.Bucket == "":
		return left(Invalid, "The baseline names no bucket, and no trail is without one.")
	case s.PinnedBucket == OwnerOther && (d.Field == FieldExists || d.Field == FieldBucket):
		return left(Foreign, "The bucket "+r.Want.Bucket+" belongs to another account than "+r.BucketOwner+", which it is pinned to belong to: somebody may have registered its name. "+
			"No trail is pointed to it. Look at it: aws s3api head-bucket --bucket "+r.Want.Bucket+" --expected-bucket-owner "+r.BucketOwner)
	}
	row, ok := RowOf(d.Field)
	if ok && !r.created && row.Stricter != nil && row.Stricter(r.ARN, r.Want, s.Settings) {
		return left(Stricter, "The trail has all that is pinned and more: it is not weakened. Accept it into the baseline, or change it yourself.")
	}
	switch {
	case d.Field == FieldSelectors && len(r.Want.Selectors.Basic) > 0 && len(r.Want.Selectors.Advanced) > 0:
		return left(Invalid, "The baseline lists basic and advanced selectors, and CloudTrail takes one kind only.")
	case d.Field == FieldLogGroup || d.Field == FieldLogRole:
		if _, _, ok := r.logs(); !ok {
			return left(Invalid, "A log group and the role that writes to it belong together, and the baseline pins one without the other.")
		}
	case d.Field == FieldOrganization && caller.Account != r.ARN.Account:
		return left(WrongAccount, "Only the organization's management account can make this an organization trail again: use its credentials, and see that trusted access for CloudTrail is on.")
	case d.Field == FieldInsights && slices.Contains(r.now.Read, GroupSelectors) && !r.insightsPossible():
		return left(Depends, "CloudTrail takes these Insights only while the trail records the events that they are made of: mend its event selectors first.")
	}
	return nil
}

// delegated says whether the caller may act for the management account: on its organization trails, and on no other.
func (r *repair) delegated() bool {
	if c := r.now.Caller; !c.Delegated || c.Management != "" && c.Management != r.ARN.Account {
		return false
	}
	return r.now.Organization || !r.now.Exists && r.Want.Organization
}

// create makes the trail with everything that the call can set.
func (r *repair) create(drifts []Drift) {
	a := Action{Op: CreateTrail, Fixes: drifts}
	for _, row := range Table {
		clears := row.Print(r.ARN, r.Want) == row.Print(r.ARN, Settings{})
		if row.Op == UpdateTrail && (row.Stricter != nil || !clears) {
			a.Send = append(a.Send, row.Field)
			row.Copy(&a.Set, r.Want)
		}
	}
	if a.Set.MultiRegion {
		a.Set.GlobalEvents = true // anything else is refused
	}
	if _, _, ok := r.logs(); !ok {
		a.Set.LogGroup, a.Set.LogRole = "", ""
		a.Send = slices.DeleteFunc(a.Send, func(f Field) bool { return f == FieldLogGroup || f == FieldLogRole })
	}
	if _, add := r.tagDiff(State{}); len(add) > 0 {
		a.Send, a.Set.Tags = append(a.Send, FieldTags), add
	}
	r.do(a)
	r.created = true
}

// update mends settings, each alone or with the one that must go with it.
func (r *repair) update(drifts []Drift) {
	a := Action{Op: UpdateTrail, Fixes: r.open(drifts, UpdateTrail)}
	if len(a.Fixes) == 0 {
		return
	}
	fixed := func(f Field) bool { return slices.ContainsFunc(a.Fixes, func(d Drift) bool { return d.Field == f }) }
	regions := fixed(FieldMultiRegion) || fixed(FieldGlobalEvents)
	logs := fixed(FieldLogGroup) || fixed(FieldLogRole)
	for _, row := range Table {
		together := regions && (row.Field == FieldMultiRegion || row.Field == FieldGlobalEvents) ||
			logs && (row.Field == FieldLogGroup || row.Field == FieldLogRole)
		switch {
		case fixed(row.Field):
			row.Copy(&a.Set, r.Want)
		case together:
			row.Copy(&a.Set, r.now.Settings)
		default:
			continue
		}
		a.Send = append(a.Send, row.Field)
	}
	if a.Set.MultiRegion {
		a.Set.GlobalEvents = true // anything else is refused
	}
	if logs {
		a.Set.LogGroup, a.Set.LogRole, _ = r.logs()
	}
	r.do(a)
}

// logs is the log group and its role as they are to be: as pinned, and where one of them is ignored, as it is.
func (r *repair) logs() (group, role string, ok bool) {
	pick := func(f Field) (Settings, bool) {
		row, _ := RowOf(f)
		if r.now.Exists && r.excuses(row, row.Print(r.ARN, r.now.Settings)) {
			return r.now.Settings, true
		}
		return r.Want, false
	}
	g, _ := pick(FieldLogGroup)
	w, asItIs := pick(FieldLogRole)
	group, role = g.LogGroup, w.LogRole
	switch {
	case asItIs && group == "":
		role = ""
	case asItIs && role == "":
		role = r.Want.LogRole
	}
	return group, role, (group == "") == (role == "")
}

func (r *repair) start(drifts []Drift) {
	if fixes := r.open(drifts, StartLogging); len(fixes) > 0 {
		r.do(Action{Op: StartLogging, Send: []Field{FieldLogging}, Set: Settings{Logging: true}, Fixes: fixes})
	}
}

func (r *repair) selectors(drifts []Drift) {
	fixes := r.open(drifts, PutEventSelectors)
	if len(fixes) == 0 {
		return
	}
	want := r.Want.Selectors
	if len(want.Basic)+len(want.Advanced) == 0 {
		// There is no call that resets: the default is set outright.
		want.Basic = []Selector{{ReadWrite: "All", Management: true}}
	}
	r.do(Action{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: want}, Fixes: fixes})
}

func (r *repair) insights(drifts []Drift) {
	fixes := r.open(drifts, PutInsightSelectors)
	if len(fixes) == 0 {
		return
	}
	r.do(Action{Op: PutInsightSelectors, Send: []Field{FieldInsights}, Set: Settings{Insights: r.Want.Insights}, Fixes: fixes})
}

// insightsPossible tells whether CloudTrail takes the Insights that are wanted with the selectors that will be there.
func (r *repair) insightsPossible() bool {
	c := coverage(r.ARN, r.now.Settings, []Group{GroupSelectors})
	for _, i := range insightWords(r.Want.Insights) {
		switch {
		case i == "ApiCallRateInsight on Management events" && len(c.Write) == 0,
			strings.HasSuffix(i, " on Management events") && len(c.Read)+len(c.Write) == 0,
			strings.HasSuffix(i, " on Data events") && len(c.Data) == 0:
			return false
		}
	}
	return true
}

func (r *repair) eventConfig(drifts []Drift) {
	a := Action{Op: PutEventConfiguration, Fixes: r.open(drifts, PutEventConfiguration)}
	if len(a.Fixes) == 0 {
		return
	}
	a.Set.EventConfig = EventConfig{ContextKeys: r.now.EventConfig.ContextKeys, MaxEventSize: r.now.EventConfig.MaxEventSize}
	for _, d := range a.Fixes {
		row, _ := RowOf(d.Field)
		row.Copy(&a.Set, r.Want)
		a.Send = append(a.Send, d.Field)
	}
	// Enrichment is taken with large events only, so the two go out together.
	enrich := slices.Contains(a.Send, FieldContextKeys) || slices.Contains(a.Send, FieldEventSize)
	switch {
	case !enrich:
		a.Set.EventConfig.ContextKeys, a.Set.EventConfig.MaxEventSize = nil, ""
	case len(a.Set.EventConfig.ContextKeys) > 0:
		a.Set.EventConfig.MaxEventSize = large
		a.Send = slices.DeleteFunc(a.Send, func(f Field) bool { return f != FieldAggregations })
		a.Send = append(a.Send, FieldContextKeys, FieldEventSize)
	default:
		a.Set.EventConfig.MaxEventSize = eventSize(a.Set.EventConfig)
	}
	r.do(a)
}

func (r *repair) tags(drifts []Drift) {
	fixes := r.open(drifts, AddTags)
	if len(fixes) == 0 {
		return
	}
	remove, add := r.tagDiff(r.now)
	if len(remove) > 0 {
		r.do(Action{Op: RemoveTags, Keys: remove, Fixes: fixes})
	}
	if len(add) > 0 {
		r.do(Action{Op: AddTags, Send: []Field{FieldTags}, Set: Settings{Tags: add}, Fixes: fixes})
	}
}

// tagDiff is the keys that are too many, and the tags that are missing or have another value.
func (r *repair) tagDiff(s State) (remove []string, add map[string]string) {
	for key := range s.Tags {
		if _, wanted := r.Want.Tags[key]; !wanted && !reserved(key) {
			remove = append(remove, key)
		}
	}
	slices.Sort(remove)
	add = make(map[string]string)
	for key, want := range r.Want.Tags {
		if got, ok := s.Tags[key]; !reserved(key) && (!ok || got != want) {
			add[key] = want
		}
	}
	return remove, add
}
