package trail

import (
	"maps"
	"slices"
)

// Op is a call that changes a trail, by its name in CloudTrail's API.
type Op string

const (
	CreateTrail           Op = "CreateTrail"
	UpdateTrail           Op = "UpdateTrail"
	StartLogging          Op = "StartLogging"
	PutEventSelectors     Op = "PutEventSelectors"
	PutInsightSelectors   Op = "PutInsightSelectors"
	PutEventConfiguration Op = "PutEventConfiguration"
	RemoveTags            Op = "RemoveTags"
	AddTags               Op = "AddTags"
)

// Ops are all calls that a repair makes.
var Ops = []Op{CreateTrail, UpdateTrail, StartLogging, PutEventSelectors, PutInsightSelectors, PutEventConfiguration, RemoveTags, AddTags}

// Action is one API call, as data. What it sets comes from a baseline, never from an event.
type Action struct {
	Op     Op
	Target ARN
	// Send lists the request's members besides the trail's name, in the order of the table. A field in Send
	// is sent even when it is empty: "" clears it, an empty list turns it off. All others stay out of the
	// request. Of the selectors only the kind that is set goes out.
	Send []Field
	Set  Settings // the values of Send; all else is zero
	// Keys are the tags that RemoveTags removes.
	Keys  []string
	Fixes []Drift
	// Drops is what the trail covers now although nobody pinned it, and will not cover afterwards: a list is
	// set as a whole, and something pinned was missing in it.
	Drops []Loss
}

// Start is the action that starts a trail, as the answer to a successful StopLogging whose state
// could not be read in time.
func Start(a ARN) Action {
	return Action{
		Op: StartLogging, Target: a, Send: []Field{FieldLogging}, Set: Settings{Logging: true},
		Fixes: []Drift{{Field: FieldLogging, Group: GroupLogging, Want: "true", Got: "unknown"}},
	}
}

// Apply is what the call does to a state, its side effects included. It does not touch the state it is given.
func (a Action) Apply(s State) State {
	old := s.Settings
	switch a.Op {
	case CreateTrail:
		if s.Exists {
			return s // TrailAlreadyExistsException
		}
		// A new trail does not log, and has CloudTrail's default selectors, no Insights and no event configuration.
		s = State{ARN: a.Target, Exists: true, Caller: s.Caller, PinnedBucket: s.PinnedBucket, ReadAt: s.ReadAt, Read: Groups()}
		s.GlobalEvents = true
	case RemoveTags:
		s.Tags = maps.Clone(s.Tags)
		for _, key := range a.Keys {
			delete(s.Tags, key)
		}
		return s
	case AddTags:
		s.Tags = maps.Clone(s.Tags)
		if s.Tags == nil {
			s.Tags = make(map[string]string)
		}
		maps.Copy(s.Tags, a.Set.Tags)
		return s
	}
	if !s.Exists {
		return s
	}
	for _, field := range a.Send {
		if row, ok := RowOf(field); ok {
			row.Copy(&s.Settings, a.Set)
		}
	}
	// Between all Regions and one, CloudTrail turns the events of global services on and off by itself.
	if a.Op == UpdateTrail && s.MultiRegion != old.MultiRegion && !slices.Contains(a.Send, FieldGlobalEvents) {
		s.GlobalEvents = s.MultiRegion
	}
	s.Status.Logging = s.Logging
	return s
}

// Plan is what is to be done about drifts: the calls in their order, and the drifts that no call of
// the plan mends.
type Plan struct {
	Drifts  []Drift // what Compare says: all of them, mended or not
	Actions []Action
	Left    []Left
}

// Left is a drift that the plan leaves, and why.
type Left struct {
	Drift  Drift
	Reason Reason
	Text   string // a sentence: why, and what to do
}

// Reason is why a drift is left.
type Reason string

const (
	NotOpened    Reason = "group_not_opened" // the baseline does not open the group for repair
	Stricter     Reason = "stricter"         // the repair would lower coverage
	NotProven    Reason = "not_proven"       // it is not proven that the trail was deleted
	WrongAccount Reason = "wrong_account"    // this account may not change it
	Invalid      Reason = "invalid"          // CloudTrail does not take what the baseline wants
	Depends      Reason = "depends"          // something else must be mended first
	Foreign      Reason = "foreign_bucket"   // the pinned bucket belongs to another account than it is pinned to
	Contested    Reason = "contested"        // another system that may set it keeps writing it: it rests for a while
	Owned        Reason = "control_tower"    // AWS Control Tower owns the trail, and sets it as it likes
)
