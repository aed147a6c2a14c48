package securityhub

import (
	"encoding/json"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Render gives the finding as it is sent.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	return json.Marshal(c.finding(inc))
}
