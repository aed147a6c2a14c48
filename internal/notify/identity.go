package notify

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// StageOf is what happened last in the incident's life. Without a ledger an incident has no stage of its own: then its
// outcome tells.
func StageOf(inc incident.Incident) incident.Stage {
	if inc.Stage != "" {
		return inc.Stage
	}
	switch inc.Outcome {
	case incident.Repaired, incident.Restored:
		return incident.StageRepaired
	case incident.Confirmed:
		return incident.StageConfirmed
	}
	return incident.StageOpened
}

// Ended says whether an incident that people were told of has come to its end: its repair is confirmed, or what was open was found well, by
// whoever's call; what Event history says of it afterwards opens it no more. One that was over before anybody was told of it is no end of
// anything: somebody should look at it.
func Ended(inc incident.Incident) bool {
	switch {
	case StageOf(inc) == incident.StageConfirmed:
		return true
	case inc.Stage == incident.StageEvidence:
		return inc.Outcome == incident.Confirmed || inc.Outcome == incident.Restored
	}
	return inc.Outcome == incident.Restored && (Own(inc) || inc.Stage == incident.StageRepaired)
}

// Identity names one piece of news about one incident, in 32 hex digits: the same however often it is sent, so that a
// receiver can drop what it has; another one for each stage, for each further tampering and for whatever else is new.
// Times of our own runs do not count, and neither do sentences that hold them.
func Identity(inc incident.Incident) string {
	parts := []string{
		inc.ID, inc.Trail.ARN, string(StageOf(inc)), string(inc.Outcome), string(inc.Severity), strconv.Itoa(inc.Count),
		strconv.FormatBool(inc.Drill), inc.Contested, inc.Warning,
	}
	if inc.ID == "" && inc.Record != nil {
		parts = append(parts, inc.Record.EventID)
	}
	if a := inc.Acknowledged; a != nil {
		parts = append(parts, "acknowledged", a.By, a.At.UTC().Format(time.RFC3339), a.Note)
	}
	if a := inc.Alarm; a != nil && (a.Reminded > 0 || a.Escalated > 0) {
		parts = append(parts, "alarm", strconv.Itoa(a.Reminded), strconv.Itoa(a.Escalated))
	}
	if e := inc.Evidence; e != nil {
		parts = append(parts, "evidence", strconv.FormatBool(e.Complete), strconv.Itoa(e.Calls), e.SHA256)
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return fmt.Sprintf("%x", sum[:16])
}
