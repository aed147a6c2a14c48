package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/notify/route"
)

// depot is where heads are put out of reach: it is not always there.
type depot struct {
	down  bool
	heads []ledger.Head // latest
	times int
}

func (d *depot) put(_ context.Context, heads []ledger.Head, _ time.Time) error {
	if d.down {
		return errors.New("the vault does not answer")
	}
	d.heads = heads
	d.times++
	return nil
}

// has says whether the depot holds what the ledger is now, but for the ledger's own chain, which grows with each anchor.
func (d *depot) has(t *testing.T, s ledger.Store) bool {
	t.Helper()
	now, err := s.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]ledger.Head{}
	for _, h := range d.heads {
		kept[h.Chain] = h
	}
	for _, h := range now {
		if h.Chain != ledger.System && kept[h.Chain] != h {
			return false
		}
	}
	return len(d.heads) > 0
}

// TestHeadsAreDeposited: what a vault that was away has missed it gets when it is back, although nothing has grown since; what a day's own
// anchor has written counts too.
func TestHeadsAreDeposited(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := greeted(t, route.Plan{})
		k.broken(t)
		vault := &depot{down: true}
		if err := k.engine.Deposit(t.Context(), vault.put); err == nil {
			t.Error("a vault that is down took heads")
		}
		vault.down = false
		for range 2 {
			if err := k.engine.Deposit(t.Context(), vault.put); err != nil {
				t.Fatal(err)
			}
		}
		if !vault.has(t, k.engine.Keeper.Store) || vault.times != 1 {
			t.Errorf("the vault was given heads %d times: %v", vault.times, vault.heads)
		}
		k.broken(t)
		if _, err := k.engine.Anchor(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := k.engine.Deposit(t.Context(), vault.put); err != nil || !vault.has(t, k.engine.Keeper.Store) {
			t.Errorf("heads that were anchored already: %v, %v", vault.heads, err)
		}
	})
}

// TestDepositOfManyProcesses: a function that is a new process each minute deposits about every ten minutes, and at the next minute after a
// failure.
func TestDepositOfManyProcesses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := greeted(t, route.Plan{})
		k.broken(t)
		vault := &depot{}
		store := k.engine.Keeper.Store
		minute := func() {
			fresh := &Engine{Guard: k.engine.Guard, Keeper: &Keeper{Store: store, Now: time.Now}}
			_ = fresh.DepositDue(t.Context(), vault.put)
			time.Sleep(time.Minute)
		}
		for range 60 {
			minute()
		}
		if vault.times != 6 || !vault.has(t, store) {
			t.Errorf("deposited %d times in an hour, %v", vault.times, vault.heads)
		}
		vault.down = true
		k.broken(t)
		for range 15 {
			minute()
		}
		vault.down = false
		minute()
		if !vault.has(t, store) {
			t.Error("a minute after the vault is back it does not have the heads")
		}
	})
}

// TestAnchorIsTriedAgain: a ledger that fails for a moment costs no day's anchor.
func TestAnchorIsTriedAgain(t *testing.T) {
	for fails := range 3 {
		inBubble(t, func(t *testing.T) {
			k := newKept(t)
			k.handle(t, k.stop(t, "main"))
			writes := 0
			k.store.Fault = func(s memory.Step) error {
				if s.Op == "Write" && !s.Done {
					if writes++; writes == fails+1 {
						return errors.New("down")
					}
				}
				return nil
			}
			for range 3 {
				_ = k.engine.daily(t.Context(), 0) // the next one does it
				time.Sleep(time.Minute)
			}
			anchored := 0
			if err := k.store.Entries(t.Context(), ledger.System, 1, func(e ledger.Entry) error {
				if e.Kind == ledger.KindAnchor {
					anchored++
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if anchored != 1 {
				t.Errorf("write %d failed: %d anchors", fails+1, anchored)
			}
		})
	}
}
