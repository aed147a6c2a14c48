package notify

import "github.com/trailwarden/trailwarden/internal/incident"

// Document is a JSON document of a shape of its own, made as Machine makes its own: of is given the incident with keys
// masked and texts and lists cut until the document has at most limit bytes; no character of it moves a terminal.
func Document(inc incident.Incident, limit int, of func(incident.Incident) any) ([]byte, error) {
	return shrink(inc, limit, of)
}
