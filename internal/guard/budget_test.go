package guard

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trailwarden/trailwarden/internal/trail"
)

func TestBudget(t *testing.T) {
	start := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	b := Budget{PerHour: 2}
	for _, step := range []struct {
		after time.Duration
		op    trail.Op
		ok    bool
		again time.Duration // after the start
		left  int
	}{
		{0, trail.UpdateTrail, true, 0, 1},
		{10 * time.Minute, trail.CreateTrail, true, 0, 0},
		{11 * time.Minute, trail.PutEventSelectors, false, time.Hour, 0},
		{12 * time.Minute, trail.StartLogging, true, 0, 0},
		{time.Hour - 1, trail.AddTags, false, time.Hour, 0},
		{time.Hour, trail.AddTags, true, 0, 0},
		{time.Hour + 1, trail.AddTags, false, 70 * time.Minute, 0},
		{3 * time.Hour, trail.AddTags, true, 0, 1},
	} {
		now := start.Add(step.after)
		ok, again := b.Take(step.op, now)
		if ok != step.ok || !ok && !again.Equal(start.Add(step.again)) || b.Left(now) != step.left {
			t.Errorf("%s after %s: %v, again %s, %d left; want %v, %s, %d", step.op, step.after, ok, again.Sub(start), b.Left(now), step.ok, step.again, step.left)
		}
	}
	var free Budget
	if ok, _ := free.Take(trail.UpdateTrail, start); !ok || free.Left(start) != -1 {
		t.Error("the zero value refuses")
	}
}

// TestBudgetHolds: whatever is asked for and when, no hour holds more than the budget, StartLogging is never refused, and what is
// refused is granted at the time that was told.
func TestBudgetHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Budget{PerHour: rapid.IntRange(1, 5).Draw(t, "per hour")}
		now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
		var granted []time.Time
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1800).Draw(t, "pause")) * time.Second)
			if ok, _ := b.Take(trail.StartLogging, now); !ok {
				t.Fatal("StartLogging was refused")
			}
			ok, again := b.Take(trail.UpdateTrail, now)
			if !ok {
				if !again.After(now) {
					t.Fatalf("refused at %s, to come again at %s", now, again)
				}
				now = again
				if ok, _ = b.Take(trail.UpdateTrail, now); !ok {
					t.Fatal("refused at the time that was told")
				}
			}
			granted = append(granted, now)
			within := 0
			for _, g := range granted {
				if now.Before(g.Add(time.Hour)) {
					within++
				}
			}
			if within > b.PerHour {
				t.Fatalf("%d calls within an hour, the budget is %d", within, b.PerHour)
			}
		}
	})
}
