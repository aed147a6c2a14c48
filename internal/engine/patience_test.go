package engine

import (
	"testing"
	"time"
)

// TestToldThoughTheWorkIsDone: where work goes on by itself, as in the daemon, a channel that takes a second or two is not cut off when the trail is repaired.
func TestToldThoughTheWorkIsDone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		k.engine.Patience, k.mail.slow = 3*time.Second, 2*time.Second
		k.handle(t, k.stop(t, "main"))
		if told := ofRule(k.mail.take(), "trail.stop"); len(told) != 1 {
			t.Errorf("told %d times", len(told))
		}
		waiting, err := k.store.Messages(t.Context(), time.Time{}, 0)
		if err != nil || len(waiting) > 0 {
			t.Errorf("%d messages were not sent, %v", len(waiting), err)
		}
	})
}
