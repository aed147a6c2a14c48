package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// TestBudgetIsShared: two processes of a deployment spend one budget, a stopped trail is started whatever is left of it, and
// a ledger that is down keeps no repair.
func TestBudgetIsShared(t *testing.T) {
	disk := &memory.Disk{}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	one := &Budget{Store: &memory.Store{Disk: disk}, PerHour: 3}
	two := &Budget{Store: &memory.Store{Disk: disk}, PerHour: 3}
	take := func(b *Budget, op trail.Op) bool {
		ok, _ := b.Take(t.Context(), op, now)
		return ok
	}
	for i, b := range []*Budget{one, two, one} {
		if !take(b, trail.UpdateTrail) {
			t.Fatalf("call %d of 3 is refused", i+1)
		}
	}
	if take(two, trail.UpdateTrail) || take(one, trail.CreateTrail) {
		t.Error("a fourth call is let through")
	}
	if !take(one, trail.StartLogging) {
		t.Error("StartLogging is refused")
	}
	now = now.Add(61 * time.Minute)
	if !take(two, trail.UpdateTrail) {
		t.Error("an hour later the budget is still used up")
	}
	down := &Budget{Store: &memory.Store{Disk: disk, Fault: func(memory.Step) error { return errors.New("down") }}, PerHour: 1}
	if !take(down, trail.UpdateTrail) || take(down, trail.UpdateTrail) {
		t.Error("without a ledger a process does not count by itself")
	}
}
