package email

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/mail"
	"sync"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// key is what is remembered of one recipient of one message.
func key(inc incident.Incident, to *mail.Address) string {
	sum := sha256.Sum256([]byte(to.Address))
	return fmt.Sprintf("email/%s/%x", notify.Identity(inc), sum[:8])
}

// untold lists the recipients that do not have the message yet, as far as that is remembered. Doubt means that it is
// sent once more: twice is better than never.
func (c *Channel) untold(ctx context.Context, inc incident.Incident) []*mail.Address {
	if c.Memory == nil || len(c.to) == 1 {
		return c.to
	}
	var left []*mail.Address
	for _, to := range c.to {
		if told, err := c.Memory.Recall(ctx, key(inc, to)); err != nil || told == "" {
			left = append(left, to)
		}
	}
	return left
}

func (c *Channel) remember(ctx context.Context, inc incident.Incident, to *mail.Address) {
	if c.Memory != nil && len(c.to) > 1 {
		_ = c.Memory.Remember(ctx, key(inc, to), "sent") // forgetting costs a second copy
	}
}

// held is a connection that somebody else uses, to be closed when time is up.
type held struct {
	mu     sync.Mutex
	conn   net.Conn
	closed bool
}

func (h *held) hold(conn net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn = conn; h.closed {
		conn.Close()
	}
}

func (h *held) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed = true; h.conn != nil {
		h.conn.Close()
	}
}
