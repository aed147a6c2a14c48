package engine

import (
	"context"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// divertedKept is longer than a message waits as a rule.
const divertedKept = 7 * 24 * time.Hour

// divert gives a message that its channel cannot deliver to those channels that were not to have it, once: that a channel is down
// does not tell what happened. The message itself stays with its channel.
func (e *Engine) divert(ctx context.Context, h *health, m ledger.Message, err error, b *ledger.Batch) {
	now := e.now()
	if !notify.IsPermanent(err) && (h.since.IsZero() || now.Sub(h.since) < downAfter) {
		return
	}
	key := "diverted/" + m.ID
	if _, done, err := mark(ctx, e.Keeper.Store, key, now); done || err != nil {
		return
	}
	routed := e.toTell(m.Incident)
	if !slices.Contains(routed, m.Channel) {
		return // it was diverted to this channel, or routed so once
	}
	for _, c := range e.Channels {
		if slices.Contains(routed, c.Name) {
			continue
		}
		b.Queue = append(b.Queue, ledger.Message{
			ID: c.Name + "/" + notify.Identity(m.Incident), Channel: c.Name, Incident: m.Incident, Created: m.Created, Due: now,
		})
	}
	b.Marks = append(b.Marks, ledger.Mark{Key: key, Value: m.Channel, Expires: now.Add(divertedKept)})
}
