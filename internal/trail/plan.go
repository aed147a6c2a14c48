package trail

import "slices"

// Op is a call that changes a trail, by its name in CloudTrail's API.
type Op string

const (
	StartLogging          Op = "StartLogging"
	UpdateTrail           Op = "UpdateTrail"
	CreateTrail           Op = "CreateTrail"
	PutEventSelectors     Op = "PutEventSelectors"
	PutInsightSelectors   Op = "PutInsightSelectors"
	PutEventConfiguration Op = "PutEventConfiguration"
	AddTags               Op = "AddTags"
	RemoveTags            Op = "RemoveTags"
)

// repairable lists the calls that a plan may hold today. The other rows of the table are compared and
// reported; their repairs come with the pinned baseline.
var repairable = []Op{StartLogging}

// Action is one API call, as data. What it sets comes from a baseline, never from an event.
type Action struct {
	Op     Op
	Target ARN
	Set    Settings
	Fixes  []Drift
}

// Apply is what the call does to a state.
func (a Action) Apply(s State) State {
	for _, fixed := range a.Fixes {
		if row, ok := RowOf(fixed.Field); ok {
			row.Copy(&s.Settings, a.Set)
		}
	}
	s.Status.Logging = s.Settings.Logging
	return s
}

// Plan is what is to be done about drifts: the calls in their order, and the drifts that no call of
// the plan mends.
type Plan struct {
	Actions []Action
	Left    []Drift
}

// Repair makes the plan for drifts that Compare found. A group that the baseline does not list for
// repair is left.
func Repair(b Baseline, drifts []Drift) Plan {
	var p Plan
	for _, d := range drifts {
		row, ok := RowOf(d.Field)
		if !ok || !slices.Contains(repairable, row.Op) || !slices.Contains(b.Repair, d.Group) {
			p.Left = append(p.Left, d)
			continue
		}
		i := slices.IndexFunc(p.Actions, func(a Action) bool { return a.Op == row.Op })
		if i < 0 {
			p.Actions = append(p.Actions, Action{Op: row.Op, Target: b.ARN})
			i = len(p.Actions) - 1
		}
		row.Copy(&p.Actions[i].Set, b.Want)
		p.Actions[i].Fixes = append(p.Actions[i].Fixes, d)
	}
	return p
}

// Start is the action that starts a trail, as the answer to a successful StopLogging whose state
// could not be read in time.
func Start(a ARN) Action {
	return Action{
		Op: StartLogging, Target: a, Set: Settings{Logging: true},
		Fixes: []Drift{{Field: "logging", Group: GroupLogging, Want: "true", Got: "unknown"}},
	}
}
