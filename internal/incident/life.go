package incident

import "time"

// Stage is what happened last in an incident's life: what people are told of it now.
type Stage string

const (
	StageOpened       Stage = "opened"       // it is new
	StageRepaired     Stage = "repaired"     // the state was read back as wanted
	StageAgain        Stage = "again"        // the trail was tampered with again within the same incident
	StageConfirmed    Stage = "confirmed"    // CloudTrail's own record of the repair has arrived, or log files are delivered again
	StageEscalated    Stage = "escalated"    // it cannot be repaired, is contested, or nobody has acknowledged it
	StageReminded     Stage = "reminded"     // it is still open, and nobody has taken it on
	StageAcknowledged Stage = "acknowledged" // a person has taken it on
	StageEvidence     Stage = "evidence"     // more is known: who did it, or what was done in the blind window
)

// Stages lists every stage, in the order of a life.
var Stages = []Stage{StageOpened, StageRepaired, StageAgain, StageConfirmed, StageEscalated, StageReminded, StageAcknowledged, StageEvidence}

// Tampering is one of the times that a trail was tampered with within one incident.
type Tampering struct {
	ID          string       `json:"id"`                     // the incident id that it would have had alone
	Rule        string       `json:"rule,omitempty"`         // the worst finding's rule
	At          time.Time    `json:"at"`                     // when the call was made, or the sweep saw the state
	Trail       string       `json:"trail,omitempty"`        // ARN, where it is not the incident's own trail
	EventID     string       `json:"event_id,omitempty"`     // of the record that told of it; empty when a sweep found it
	Event       string       `json:"event,omitempty"`        // the call, such as "StopLogging"
	Principal   string       `json:"principal,omitempty"`    // ARN of who did it; empty when no record says so
	Outcome     Outcome      `json:"outcome"`                // how it stands
	BlindWindow *BlindWindow `json:"blind_window,omitempty"` // what it cost
}

// Ack is a person's word that they have taken an incident on.
type Ack struct {
	By   string    `json:"by"`             // who, as they call themselves
	At   time.Time `json:"at"`             // when
	Note string    `json:"note,omitempty"` // what they said
}

// Alarm is how far people were alarmed of an incident that is open and that nobody has taken on.
type Alarm struct {
	Since     time.Time `json:"since"`     // since when nobody has
	At        time.Time `json:"at"`        // when they were alarmed last
	Reminded  int       `json:"reminded"`  // how often they were reminded
	Escalated int       `json:"escalated"` // how many steps of escalation were taken
}

// Evidence is what Event history says of a blind window: what was done while nobody was recording. It holds management
// events only; what else was done cannot be known.
type Evidence struct {
	From       time.Time   `json:"from"`                 // begin of the time that was read
	To         time.Time   `json:"to"`                   // its end
	ReadAt     time.Time   `json:"read_at"`              // when Event history was last read; it lags by minutes
	Complete   bool        `json:"complete"`             // read to its end, and late enough for it to have caught up
	Incomplete string      `json:"incomplete,omitempty"` // why it is not complete
	Calls      int         `json:"calls"`                // how many management events were found
	Changes    int         `json:"changes"`              // how many of them were no mere reads
	Principals []Principal `json:"principals"`           // who made them, those with most changes first
	Unknown    string      `json:"unknown"`              // what Event history cannot tell
	SHA256     string      `json:"sha256,omitempty"`     // of the records as they were read, kept in the ledger
}

// Principal is what one principal did in a blind window.
type Principal struct {
	ARN     string   `json:"arn"`     // who; a service's name when an AWS service made the calls
	Calls   int      `json:"calls"`   // how many
	Changes int      `json:"changes"` // how many of them were no mere reads
	Names   []string `json:"names"`   // the calls by name, changes first, at most ten
	IPs     []string `json:"ips"`     // from where, at most five
}

// LedgerHead is where the incident's chain in the ledger stood when this was written: whoever keeps the message can tell
// later whether the ledger was altered since.
type LedgerHead struct {
	Chain string `json:"chain"` // the trail's ARN
	Seq   int64  `json:"seq"`   // number of the latest entry
	Hash  string `json:"hash"`  // SHA-256 of the latest entry, 64 hex digits
}
