package guard

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// remembered are contests that are remembered.
type remembered []Contest

func (k remembered) Of(context.Context, trail.ARN) []Contest    { return k }
func (k remembered) Keep(context.Context, trail.ARN, []Contest) {}

// TestFrozenByEither: two remediators give a setting the same value. It is left to the one that does so again and again, whichever is listed first.
func TestFrozenByEither(t *testing.T) {
	const seldom, often = "arn:aws:iam::111122223333:role/seldom", "arn:aws:iam::111122223333:role/often"
	state := trail.State{ARN: home, Exists: true, Read: trail.Groups()}
	state.Logging, state.Tags = true, map[string]string{"team": "theirs"}
	wanted := trail.Baseline{ARN: home, Want: trail.Settings{Logging: true, Tags: map[string]string{}}, Repair: trail.Groups()}
	plan := trail.Repair(wanted, state)
	if len(plan.Drifts) != 1 || len(plan.Actions) != 1 {
		t.Fatalf("the plan is %+v", plan)
	}
	contest := func(who string, writes int) Contest {
		c := Contest{Field: plan.Drifts[0].Field, Value: plan.Drifts[0].Got, Who: who}
		for i := range writes {
			c.Writes = append(c.Writes, Write{At: noon.Add(time.Duration(i-writes) * time.Minute)})
		}
		return c
	}
	for _, contests := range []remembered{
		{contest(seldom, 1), contest(often, frozenAfter)},
		{contest(often, frozenAfter), contest(seldom, 1)},
	} {
		w := &work{
			guard: &Guard{Contests: contests, Remediators: []string{seldom, often}},
			arn:   home, seen: noon, baseline: wanted, pinned: true, state: state, plan: plan,
		}
		w.freeze(t.Context(), wanted)
		if len(w.plan.Actions) > 0 || !strings.HasPrefix(w.contested, often) {
			t.Errorf("the first is %s: to be done %+v, left: %q", contests[0].Who, w.plan.Actions, w.contested)
		}
	}
}
