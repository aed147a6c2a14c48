// Package incident says what records and drifts mean: rules, findings, the blind window and the
// incident that people are told about. An Incident is data: it is rendered by notify, kept by ledger.
package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// SchemaVersion is the version of the incident's JSON shape (schemas/incident.v1.json).
const SchemaVersion = 1

// Severity orders findings. Its text is what configuration and filters use.
type Severity string

const (
	Info     Severity = "info"
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

// Severities in ascending order.
var Severities = []Severity{Info, Low, Medium, High, Critical}

// Rank is the place of s in Severities, -1 for an unknown text.
func (s Severity) Rank() int {
	for i, known := range Severities {
		if s == known {
			return i
		}
	}
	return -1
}

// Outcome is how an incident stands, in one word.
type Outcome string

const (
	// Repaired: we changed it and read it back.
	Repaired Outcome = "repaired"
	// Restored: the state is well again, and not by a call of this run: a repair that an earlier
	// delivery of the same record made, or somebody else's.
	Restored Outcome = "restored"
	// Confirmed: CloudTrail's own record of our repair has arrived.
	Confirmed Outcome = "confirmed"
	// Noted: the call took effect and nothing is to be repaired by configuration.
	Noted Outcome = "noted"
	// Attempted: AWS refused the call; nothing changed.
	Attempted Outcome = "attempted"
	// Open: something is wrong and deliberately not repaired (Reason says why): a person must decide.
	Open Outcome = "open"
	// Failed: a repair was tried and did not work (Reason says why); it will be tried again.
	Failed Outcome = "failed"
	// Rejected: the record contradicts itself or names what this deployment does not guard.
	Rejected Outcome = "rejected"
)

// Outcomes lists every outcome.
var Outcomes = []Outcome{Repaired, Restored, Confirmed, Noted, Attempted, Open, Failed, Rejected}

// Incident is findings on one trail in one stretch of time, with actor, repair, outcome and blind window.
// Texts that come from records are kept as they were written: whoever renders them escapes them.
type Incident struct {
	SchemaVersion int       `json:"schema_version"`
	ID            string    `json:"id"`
	Trail         TrailRef  `json:"trail"`
	Outcome       Outcome   `json:"outcome"`
	Reason        string    `json:"reason,omitempty"` // why the outcome is not better, in a sentence
	Severity      Severity  `json:"severity"`
	Findings      []Finding `json:"findings"`

	Record *Record `json:"record,omitempty"` // what told of it; nil when a sweep found it
	Actor  *Actor  `json:"actor,omitempty"`

	BlindWindow *BlindWindow `json:"blind_window,omitempty"`
	Drifts      []Drift      `json:"drifts"`
	Actions     []Action     `json:"actions"`
	NextSteps   []Step       `json:"next_steps"`

	OpenedAt   time.Time  `json:"opened_at"`             // when the call was made, or the sweep saw the state
	SeenAt     time.Time  `json:"seen_at"`               // when trailwarden received the hint
	RepairedAt *time.Time `json:"repaired_at,omitempty"` // when the state was read back as wanted
	Source     string     `json:"source"`                // "eventbridge", "sweep", "log_file", …
	Observe    bool       `json:"observe"`               // no call that changes anything was allowed
	Drill      bool       `json:"drill"`
	Partial    bool       `json:"partial"` // something that belongs to it could not be read or done
}

// TrailRef names the trail for people and machines. All but ARN may be empty when the record named no trail.
type TrailRef struct {
	ARN       string `json:"arn"`
	Name      string `json:"name"`
	Account   string `json:"account"`
	Region    string `json:"region"`
	Partition string `json:"partition"`
}

// RefOf is the TrailRef of an ARN.
func RefOf(a trail.ARN) TrailRef {
	return TrailRef{ARN: a.String(), Name: a.Name, Account: a.Account, Region: a.Region, Partition: a.Partition}
}

// Finding is what one record or drift means by one rule.
type Finding struct {
	Rule     string   `json:"rule"` // id in the catalogue, such as "trail.stop"
	Title    string   `json:"title"`
	Severity Severity `json:"severity"`
	Attack   string   `json:"attack,omitempty"` // MITRE ATT&CK id
	Attempt  bool     `json:"attempt"`          // AWS refused the call
	Text     string   `json:"text"`             // one sentence for people
}

// Record is the allow-list of a CloudTrail record's fields that may leave trailwarden.
type Record struct {
	EventID      string    `json:"event_id"`
	EventName    string    `json:"event_name"`
	EventSource  string    `json:"event_source"`
	EventTime    time.Time `json:"event_time"`
	Account      string    `json:"account"`
	Region       string    `json:"region"`
	RequestID    string    `json:"request_id,omitempty"`
	ErrorCode    string    `json:"error_code,omitempty"`
	ErrorMessage string    `json:"error_message,omitempty"`
	DeliveryID   string    `json:"delivery_id,omitempty"` // EventBridge id
}

// Actor is who did it and from where.
type Actor struct {
	Type      string `json:"type,omitempty"`
	ARN       string `json:"arn,omitempty"`
	Account   string `json:"account,omitempty"`
	Name      string `json:"name,omitempty"`
	Issuer    string `json:"issuer,omitempty"`
	KeySuffix string `json:"key_suffix,omitempty"` // last four characters of the access key id
	MFA       bool   `json:"mfa"`
	Console   bool   `json:"console"`
	InvokedBy string `json:"invoked_by,omitempty"`
	SourceIP  string `json:"source_ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

// BlindWindow is the time during which nothing was recorded.
type BlindWindow struct {
	From      time.Time  `json:"from"`
	To        *time.Time `json:"to,omitempty"` // nil while it is open
	Seconds   float64    `json:"seconds"`      // so far, while it is open
	Open      bool       `json:"open"`
	Certainty string     `json:"certainty"` // "from_status", "from_records" or "from_files"
}

// Drift is one setting that is not as wanted.
type Drift struct {
	Field string `json:"field"`
	Want  string `json:"want"`
	Got   string `json:"got"`
}

// Action is one call that was made, or would be made, to repair.
type Action struct {
	Op        string     `json:"op"` // as the API call: "StartLogging"
	Target    string     `json:"target"`
	At        *time.Time `json:"at,omitempty"` // nil when it was not made
	RequestID string     `json:"request_id,omitempty"`
	Error     string     `json:"error,omitempty"`
	Unread    bool       `json:"unread"` // made before the state could be read
}

// Step is one thing to do next: a sentence and, where there is one, the command line that does it.
type Step struct {
	Text    string `json:"text"`
	Command string `json:"command,omitempty"`
}

// ID makes an incident's id of what opened it: the trail and the first record's event id, or the
// StopLoggingTime that a sweep found. It is the same over restarts, retries and instances.
func ID(arn, first string) string {
	sum := sha256.Sum256([]byte(arn + "\n" + first))
	return "inc-" + hex.EncodeToString(sum[:8])
}
