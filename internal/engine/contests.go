package engine

import (
	"context"
	"encoding/json"
	"time"

	"github.com/trailwarden/trailwarden/internal/guard"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// contests are the guard's contests in the ledger, so that all processes of a deployment leave the same settings alone.
type contests struct {
	store ledger.Store
	now   func() time.Time
}

var _ guard.Contests = contests{}

const (
	// contestTime is how long a repair waits for the question whether a setting is left to another system.
	contestTime = 250 * time.Millisecond
	// contestKept is how long what is known of a trail is kept after its last change: longer than anything in it counts.
	contestKept = 48 * time.Hour
)

func contestKey(arn string) string { return "contest/" + arn }

// Of implements guard.Contests.
func (c contests) Of(ctx context.Context, a trail.ARN) (list []guard.Contest) {
	ctx, cancel := context.WithTimeout(ctx, contestTime)
	defer cancel()
	value, ok, err := mark(ctx, c.store, contestKey(a.String()), c.now())
	if !ok || err != nil || json.Unmarshal([]byte(value), &list) != nil {
		return nil
	}
	return list
}

// Keep implements guard.Contests.
func (c contests) Keep(ctx context.Context, a trail.ARN, list []guard.Contest) {
	value, err := json.Marshal(list)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), contestTime)
	defer cancel()
	// When this fails, the setting is repaired once more often, which is all.
	_, _ = c.store.Write(ctx, ledger.Batch{Marks: []ledger.Mark{{Key: contestKey(a.String()), Value: string(value), Expires: c.now().Add(contestKept)}}})
}
