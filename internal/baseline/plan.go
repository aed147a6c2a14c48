package baseline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// Plan is what is to be done so that trails are as they are pinned: a document that people read, keep and apply.
type Plan struct {
	SchemaVersion int         `json:"schema_version"` // version of this shape
	Partial       bool        `json:"partial"`        // something could not be read
	MadeAt        time.Time   `json:"made_at"`        // when
	Baseline      Source      `json:"baseline"`       // what the trails are to be like
	Trails        []TrailPlan `json:"trails"`         // trails that are not as pinned
	Permissions   []string    `json:"permissions"`    // IAM actions that the calls need, all together
	Failures      []Failure   `json:"failures"`       // what could not be read
}

// TrailPlan is what is to be done about one trail.
type TrailPlan struct {
	ARN         trail.ARN `json:"arn"`                      // of the trail
	Exists      bool      `json:"exists"`                   // whether it is there; else it is created
	Fingerprint string    `json:"fingerprint"`              // of the state that the plan was made for: another state makes it void
	Drifts      []Drift   `json:"drifts"`                   // what is not as pinned
	Creates     []Setting `json:"creates,omitempty"`        // what the trail will be like, where it is created again
	Actions     []Action  `json:"actions"`                  // the calls, in their order
	Left        []Left    `json:"left"`                     // what no call mends, and why
	Lost        []Loss    `json:"lost"`                     // what is no longer covered
	Remaining   []Loss    `json:"remaining"`                // what will not be covered afterwards either
	Unasked     string    `json:"bucket_unknown,omitempty"` // why whose the pinned bucket is could not be found out

	calls []trail.Action
}

// Setting is a setting that a trail will have.
type Setting struct {
	Field trail.Field `json:"field"` // its key in the baseline file
	Value string      `json:"value"` // as trailwarden prints it
}

// Action is one call.
type Action struct {
	Op          trail.Op      `json:"op"`              // the API's name of the call
	Target      trail.ARN     `json:"target"`          // the trail
	Sends       []trail.Field `json:"sends"`           // settings that it sets; all others stay as they are
	Keys        []string      `json:"keys,omitempty"`  // tags that it removes
	Fixes       []trail.Field `json:"fixes"`           // drifts that it mends
	Command     string        `json:"command"`         // the AWS CLI's line that makes the call
	Permissions []string      `json:"permissions"`     // IAM actions that it needs
	Drops       []Loss        `json:"drops,omitempty"` // what is covered now though nobody pinned it, and will not be
}

// Left is a drift that no call mends.
type Left struct {
	Drift  Drift        `json:"drift"`  // what differs
	Reason trail.Reason `json:"reason"` // why it is left, in a word
	Text   string       `json:"text"`   // why, and what to do
}

// Plan makes the plan for what was read. It is a person's: every group is open for repair, whatever the file opens for the
// guard. What is approved at the time stays.
func (f File) Plan(s Survey) Plan {
	p := Plan{
		SchemaVersion: 1, Partial: len(s.Failures) > 0, MadeAt: s.At.UTC().Truncate(time.Second), Baseline: f.source(),
		Trails: []TrailPlan{}, Permissions: []string{}, Failures: append([]Failure{}, s.Failures...),
	}
	for _, state := range s.States {
		pinned, ok := f.Lookup(state.ARN)
		if !ok {
			continue
		}
		if t := plan(pinned.At(s.At).ForPeople(), state); len(t.Drifts) > 0 {
			p.Trails = append(p.Trails, t)
			for _, a := range t.Actions {
				p.Permissions = append(p.Permissions, a.Permissions...)
			}
		}
	}
	slices.Sort(p.Permissions)
	p.Permissions = slices.Compact(p.Permissions)
	return p
}

func plan(b trail.Baseline, s trail.State) TrailPlan {
	repair := trail.Repair(b, s)
	verdict := b.Verdict(s, repair)
	t := TrailPlan{
		ARN: s.ARN, Exists: s.Exists, Fingerprint: fingerprint(s), Drifts: drifts(trail.Compare(b, s)), Actions: []Action{}, Left: []Left{},
		Lost: losses(verdict.Lost), Remaining: losses(verdict.Remaining), Unasked: s.BucketUnknown, calls: repair.Actions,
	}
	if len(repair.Actions) > 0 && repair.Actions[0].Op == trail.CreateTrail {
		for _, row := range trail.Table {
			if !slices.Contains(b.Ignore, row.Field) {
				t.Creates = append(t.Creates, Setting{row.Field, row.Print(b.ARN, b.Want)})
			}
		}
	}
	for _, a := range repair.Actions {
		one := Action{
			Op: a.Op, Target: a.Target, Sends: append([]trail.Field{}, a.Send...), Keys: a.Keys, Fixes: []trail.Field{},
			Command: a.Command(), Permissions: a.Permissions(),
		}
		for _, d := range a.Fixes {
			one.Fixes = append(one.Fixes, d.Field)
		}
		if len(a.Drops) > 0 {
			one.Drops = losses(a.Drops)
		}
		t.Actions = append(t.Actions, one)
	}
	for _, l := range repair.Left {
		t.Left = append(t.Left, Left{drift(l.Drift), l.Reason, l.Text})
	}
	return t
}

// fingerprint is of all that a plan depends on: the settings, what of them was read, and by whom.
func fingerprint(s trail.State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s exists=%t deleted=%t caller=%s/%t bucket=%s\n", s.ARN, s.Exists, s.Deleted, s.Caller.Account, s.Caller.Delegated, s.PinnedBucket)
	for _, row := range trail.Table {
		if slices.Contains(s.Read, row.Group) {
			fmt.Fprintf(&b, "%s=%q\n", row.Field, row.Print(s.ARN, s.Settings))
		}
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])
}

// Calls are the calls to make, as package trail has them: a plan that was read from a document has none, because no
// value from a document reaches AWS.
func (t TrailPlan) Calls() []trail.Action { return t.calls }

// ErrMoved is the error of a plan that was made for other trails than there are now, or for another baseline.
var ErrMoved = errors.New("the plan no longer fits")

// Still says whether a plan that was kept is what would be planned now, from a fresh reading of its trails. An error
// wraps ErrMoved and says what has changed.
func (p Plan) Still(now Plan) error {
	moved := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrMoved, fmt.Sprintf(format, args...))
	}
	switch {
	case now.Baseline.Serial < p.Baseline.Serial:
		return moved("it was made for serial %d of the baseline, and this is the older %d", p.Baseline.Serial, now.Baseline.Serial)
	case now.Baseline.Hash != p.Baseline.Hash:
		return moved("the baseline says something else than when it was made")
	}
	for _, old := range p.Trails {
		i := slices.IndexFunc(now.Trails, func(t TrailPlan) bool { return t.ARN == old.ARN })
		switch {
		case i < 0 && len(old.Actions) > 0:
			return moved("%s is as it is pinned by now, or could not be read", old.ARN)
		case i < 0:
		case now.Trails[i].Fingerprint != old.Fingerprint:
			return moved("%s has changed since", old.ARN)
		case !same(now.Trails[i].Actions, old.Actions):
			return moved("for %s other calls would be planned now: the plan was altered, or is another version's", old.ARN)
		}
	}
	return nil
}

func same(a, b []Action) bool {
	one, errOne := json.Marshal(a)
	two, errTwo := json.Marshal(b)
	return errOne == nil && errTwo == nil && bytes.Equal(one, two)
}

// DecodePlan reads a plan that was kept.
func DecodePlan(document []byte) (Plan, error) {
	var p Plan
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return Plan{}, fmt.Errorf("decode plan: %w", err)
	}
	if dec.More() {
		return Plan{}, errors.New("decode plan: there is something behind it")
	}
	if p.SchemaVersion != 1 || p.Baseline.Hash == "" {
		return Plan{}, errors.New("decode plan: this is no plan of this version")
	}
	return p, nil
}
