package guard

import (
	"context"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// Brake bounds how fast one trail is repaired: whoever tampers in a loop must not use up the quota of calls, which
// is shared by all trails of the account, and must not get the guard to give up either. Calls of a plan follow each other freely
// up to Burst; then there is a pause of Every before each. A nil Brake bounds nothing.
type Brake struct {
	Burst int
	Every time.Duration

	mu     sync.Mutex
	trails map[trail.ARN]time.Time // when the trail has all of its burst again
}

// Wait returns when the next call on a trail may be made, or with ctx's error.
func (b *Brake) Wait(ctx context.Context, a trail.ARN, now func() time.Time) error {
	if b == nil || b.Every <= 0 {
		return nil
	}
	if pause := b.take(a, now()); pause > 0 && !sleep(ctx, pause) {
		return context.Cause(ctx)
	}
	return nil
}

// take counts a call and says how long it has to wait.
func (b *Brake) take(a trail.ARN, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.trails == nil {
		b.trails = make(map[trail.ARN]time.Time)
	}
	full := b.trails[a]
	if full.Before(now) {
		full = now
	}
	// Further ahead only when the clock was put back meanwhile.
	if most := now.Add(time.Duration(b.Burst) * b.Every); full.Sub(most) > time.Minute {
		full = most
	}
	full = full.Add(b.Every)
	b.trails[a] = full
	if len(b.trails) > 4096 {
		for other, at := range b.trails {
			if at.Before(now) {
				delete(b.trails, other)
			}
		}
	}
	return full.Sub(now) - time.Duration(b.Burst)*b.Every
}
