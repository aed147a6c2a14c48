package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger"
)

// Anchor writes the heads of the chains that have grown into the ledger's own chain, so that whoever holds one head of that can
// prove what all the others were. It returns the heads of all chains; none when no chain has grown.
func (e *Engine) Anchor(ctx context.Context) ([]ledger.Head, error) {
	heads, err := e.Keeper.Store.Heads(ctx)
	if err != nil {
		return nil, fmt.Errorf("anchor: %w", err)
	}
	e.anchors.mu.Lock()
	defer e.anchors.mu.Unlock()
	grown := slices.DeleteFunc(slices.Clone(heads), func(h ledger.Head) bool {
		return h.Chain == ledger.System || e.anchors.last[h.Chain] == h.Seq
	})
	if len(grown) == 0 {
		return nil, nil
	}
	head, err := e.Keeper.Store.Write(ctx, ledger.Batch{
		Chain: ledger.System, Entries: []ledger.Draft{{Time: e.now(), Kind: ledger.KindAnchor, Body: grown}},
	})
	if err != nil {
		return nil, fmt.Errorf("anchor: %w", err)
	}
	if e.anchors.last == nil {
		e.anchors.last = make(map[string]int64)
	}
	for _, h := range grown {
		e.anchors.last[h.Chain] = h.Seq
	}
	e.anchors.written++
	heads = slices.DeleteFunc(heads, func(h ledger.Head) bool { return h.Chain == ledger.System })
	return append(heads, head), nil
}

// anchors are the sequence numbers that were anchored last, by chain, and how often that was done.
type anchors struct {
	mu                 sync.Mutex
	last               map[string]int64
	written, deposited int // deposited is what written was when the heads were put out of reach last
}

// Put keeps the heads of all chains where whoever owns the ledger cannot alter them: ledger/anchor does.
type Put func(ctx context.Context, heads []ledger.Head, now time.Time) error

// Deposit anchors what has grown, and has put keep the heads of all chains. What could not be put is put the next time, whether or not
// anything has grown since.
func (e *Engine) Deposit(ctx context.Context, put Put) error {
	heads, err := e.Anchor(ctx)
	if err != nil {
		return err
	}
	e.anchors.mu.Lock()
	written := e.anchors.written
	owed := written != e.anchors.deposited
	e.anchors.mu.Unlock()
	if !owed {
		return nil
	}
	if len(heads) == 0 {
		if heads, err = e.Keeper.Store.Heads(ctx); err != nil {
			return fmt.Errorf("anchor: %w", err)
		}
	}
	if err := put(ctx, heads, e.now()); err != nil {
		return err
	}
	e.anchors.mu.Lock()
	e.anchors.deposited = written
	e.anchors.mu.Unlock()
	return nil
}

// DepositEvery is how often heads are deposited.
const DepositEvery = 10 * time.Minute

// depositKey is the mark of the latest deposit.
const depositKey = "deposit"

// DepositDue is Deposit for entrances that have no process which lasts: the ledger knows when it was done.
func (e *Engine) DepositDue(ctx context.Context, put Put) error {
	now := e.now()
	value, _, err := mark(ctx, e.Keeper.Store, depositKey, now)
	if err != nil {
		return fmt.Errorf("read when heads were deposited: %w", err)
	}
	// Whoever comes a second early is a minute late.
	if last, err := time.Parse(time.RFC3339, value); err == nil && now.Sub(last) < DepositEvery-30*time.Second {
		return nil
	}
	if err := e.Deposit(ctx, put); err != nil {
		return err
	}
	_, err = e.Keeper.Store.Write(ctx, ledger.Batch{Marks: []ledger.Mark{{Key: depositKey, Value: now.UTC().Format(time.RFC3339)}}})
	return err
}
