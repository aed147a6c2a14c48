package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

// usedKey is the mark of the baseline that was used last.
const usedKey = "baseline/used"

// LastUsed is the baseline that was used last by any process that has the ledger; the zero value where there was none.
func LastUsed(ctx context.Context, store ledger.Store, now time.Time) (last baseline.Used, err error) {
	value, ok, err := mark(ctx, store, usedKey, now)
	if err != nil {
		return last, fmt.Errorf("read which baseline was used last: %w", err)
	}
	if !ok {
		return last, nil
	}
	if err := json.Unmarshal([]byte(value), &last); err != nil {
		return last, fmt.Errorf("read which baseline was used last: %w", err)
	}
	return last, nil
}

// Use takes a baseline into use: the ledger remembers it, and tells of it where it is another than before. One that is older than
// the last one used, or says something else under its serial number, is a *baseline.Unusable; any other error
// means that the ledger could not tell.
func Use(ctx context.Context, store ledger.Store, f baseline.File, now time.Time) error {
	value, err := json.Marshal(f.Used())
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		_, _, head, err := store.Latest(ctx, ledger.System)
		if err != nil {
			return fmt.Errorf("read which baseline was used last: %w", err)
		}
		last, err := LastUsed(ctx, store, now)
		if err != nil {
			return err
		}
		if err := f.Follows(last); err != nil {
			return err
		}
		if last == f.Used() {
			return nil
		}
		_, err = store.Write(ctx, ledger.Batch{
			Chain: ledger.System, After: &head.Seq,
			Entries: []ledger.Draft{{Time: now, Kind: ledger.KindBaseline, Body: f.Used()}},
			Marks:   []ledger.Mark{{Key: usedKey, Value: string(value)}},
		})
		if err == nil {
			return nil
		}
		if !errors.Is(err, ledger.ErrMoved) || try == 8 {
			return fmt.Errorf("remember which baseline is used: %w", err)
		}
	}
}
