package notify

import (
	"context"
	"fmt"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Absent stands for a channel that was configured and is not in this program. It says so with every message, and so the
// other channels tell of it.
type Absent struct {
	Channel string // its name, such as "email"
	Why     string // what it would drag in
}

// Notify fails for good.
func (a Absent) Notify(context.Context, incident.Incident) error {
	return Permanent(fmt.Errorf("tell by %s: the channel is not part of this program (%s): use `trailwarden watch`, or another channel here",
		a.Channel, a.Why))
}
