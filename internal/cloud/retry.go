package cloud

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/trailwarden/trailwarden/internal/trail"
)

const (
	// attempt bounds one call: an answer that takes longer is no answer.
	attempt = 5 * time.Second
	// shortest and longest pause between two tries. StartLogging has a quota of about one call a
	// second, which whoever attacks the trail may be using up.
	shortest, longest = 100 * time.Millisecond, 5 * time.Second
	// conflict is the first pause after a ConflictException: another change is still under way.
	conflict = time.Second
)

// retry calls until AWS answers well, answers that trying again is of no use, or ctx ends. The SDK's own retries
// are off: they do not know ConflictException, and give up when their quota of tries is used up.
func (c *Client) retry(ctx context.Context, op, target string, call func(context.Context) error) error {
	pause := shortest
	var failed *trail.CallError
	for tries := 1; ; tries++ {
		if err := c.limits.wait(ctx, op, target); err != nil && failed != nil {
			return failed
		} else if err != nil {
			return c.classify(ctx, op, target, err, tries)
		}
		failed = c.once(ctx, op, target, tries, call)
		if failed == nil {
			return nil
		}
		if failed.Class != trail.ClassRetry {
			return failed
		}
		if failed.Code == "ConflictException" {
			pause = max(pause, conflict)
		}
		// Full jitter: many that were throttled at once do not come back at once.
		jitter := rand.N[time.Duration]
		if c.Jitter != nil {
			jitter = c.Jitter
		}
		wait := time.NewTimer(pause/2 + jitter(pause/2))
		select {
		case <-ctx.Done():
			wait.Stop()
			return failed
		case <-wait.C:
		}
		pause = min(2*pause, longest)
	}
}

// once makes one bounded call.
func (c *Client) once(ctx context.Context, op, target string, tries int, call func(context.Context) error) *trail.CallError {
	bounded, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	err := call(bounded)
	if err == nil {
		c.limits.answered(op, target, false)
		return nil
	}
	failed := c.classify(ctx, op, target, err, tries)
	if throttles(failed.Code) {
		c.limits.answered(op, target, true)
	}
	return failed
}
