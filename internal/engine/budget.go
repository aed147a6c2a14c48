package engine

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/guard"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Budget is the guard's budget of repairs in the ledger, so that all processes of a deployment share it: of two that spend at the same
// moment one may go uncounted. Without a ledger that answers, each process counts by itself.
type Budget struct {
	Store   ledger.Store // nil for none
	PerHour int

	mu   sync.Mutex
	here guard.Budget
}

const (
	budgetKey = "budget"
	// accounting is how long a repair waits for the count of repairs.
	accounting = 250 * time.Millisecond
)

// Take says whether an action may be made now, and counts it when it may.
func (b *Budget) Take(ctx context.Context, op trail.Op, now time.Time) (ok bool, again time.Time) {
	if op == trail.StartLogging {
		return true, time.Time{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.here.PerHour = b.PerHour
	if b.Store == nil {
		return b.here.Take(op, now)
	}
	ctx, cancel := context.WithTimeout(ctx, accounting)
	defer cancel()
	if value, found, err := mark(ctx, b.Store, budgetKey, now); err == nil {
		var spent []time.Time
		if !found || json.Unmarshal([]byte(value), &spent) == nil {
			b.here.Spent = spent
		}
	}
	if ok, again = b.here.Take(op, now); !ok {
		return ok, again
	}
	if value, err := json.Marshal(b.here.Spent); err == nil {
		// When this fails, other processes do not know of this call, which is all.
		_, _ = b.Store.Write(ctx, ledger.Batch{Marks: []ledger.Mark{{Key: budgetKey, Value: string(value), Expires: now.Add(time.Hour)}}})
	}
	return true, time.Time{}
}
