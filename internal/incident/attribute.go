package incident

import (
	"fmt"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
)

// Attribute says who did what a sweep found, by a record that was looked up afterwards. The incident keeps its id: it was
// opened by the state.
func (inc *Incident) Attribute(r event.Record) {
	inc.Actor = actorOf(r.Actor)
	if len(inc.Findings) > 0 {
		inc.Findings[0].Text += fmt.Sprintf("; Event history has its %s of %s", CallName(r.Name), r.Time.UTC().Format(time.RFC3339))
	}
}
