package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// courier is a channel on a network: it takes a while, and ends with its context.
type courier struct{ got []incident.Incident }

func (c *courier) Notify(ctx context.Context, inc incident.Incident) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * time.Second):
		c.got = append(c.got, inc)
		return nil
	}
}

// TestToldAfterTheWork: people are told although the work on the trail, which goes on by itself, is over before they are.
func TestToldAfterTheWork(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k, c := newKept(t), &courier{}
		k.engine.Channels = []notify.Channel{{Name: "mail", Notifier: c}}
		k.engine.Patience = 3 * time.Second
		k.handle(t, k.stop(t, "main"))
		if d := stages(c.got); !slices.Equal(d, []string{"repaired repaired"}) {
			t.Errorf("told: %q", d)
		}
	})
}
