// Package incident says what records and drifts mean: rules, findings, the blind window and the
// incident that people are told about. An Incident is data: it is rendered by notify, kept by ledger.
package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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

// SourceSelf is the Source of incidents of trailwarden's own deployment.
const SourceSelf = "self"

// Incident is findings on one trail in one stretch of time, with actor, repair, outcome and blind window.
// Texts that come from records are kept as they were written: whoever renders them escapes them.
type Incident struct {
	SchemaVersion int       `json:"schema_version"`   // version of this shape
	ID            string    `json:"id"`               // "inc-" and 16 hex digits; the same over restarts, retries and instances
	Trail         TrailRef  `json:"trail"`            // the trail that it is about
	Outcome       Outcome   `json:"outcome"`          // how it stands, in one word
	Reason        string    `json:"reason,omitempty"` // why the outcome is not better, in a sentence
	Severity      Severity  `json:"severity"`         // the highest of its findings, or higher where the state is worse
	Findings      []Finding `json:"findings"`         // what happened, by rule

	Record *Record `json:"record,omitempty"` // what told of it; nil when a sweep found it
	Actor  *Actor  `json:"actor,omitempty"`  // who did it; nil when no record says so

	Accounts []string `json:"accounts,omitempty"` // accounts whose record of the call has arrived, where AWS writes one for several; sorted

	BlindWindow *BlindWindow `json:"blind_window,omitempty"` // when nothing was recorded; nil when recording was not lost
	Drifts      []Drift      `json:"drifts"`                 // what was not as wanted when the state was last read
	Actions     []Action     `json:"actions"`                // the calls that were made, or would be made, to repair
	NextSteps   []Step       `json:"next_steps"`             // what a person should do next
	Coverage    *Coverage    `json:"coverage,omitempty"`     // what is no longer recorded; nil when nothing is pinned

	OpenedAt   time.Time  `json:"opened_at"`             // when the call was made, or the sweep saw the state
	SeenAt     time.Time  `json:"seen_at"`               // when trailwarden received the hint
	RepairedAt *time.Time `json:"repaired_at,omitempty"` // when the state was read back as wanted
	Source     string     `json:"source"`                // "eventbridge", "sweep", "log_file", …
	Observe    bool       `json:"observe"`               // no call that changes anything was allowed
	Drill      bool       `json:"drill"`                 // tampering on purpose, to prove that this works
	Partial    bool       `json:"partial"`               // something that belongs to it could not be read or done

	// What follows is known where a ledger is kept.
	Stage        Stage       `json:"stage,omitempty"`        // what happened last in its life
	Count        int         `json:"count,omitempty"`        // how often the trail was tampered with within this incident
	Tamperings   []Tampering `json:"tamperings,omitempty"`   // the first and the latest of them
	Contested    string      `json:"contested,omitempty"`    // who keeps undoing the repairs, in a sentence
	Acknowledged *Ack        `json:"acknowledged,omitempty"` // who has taken it on
	Alarm        *Alarm      `json:"alarm,omitempty"`        // how far people were alarmed, when it stayed open; nil before
	Evidence     *Evidence   `json:"evidence,omitempty"`     // what was done in the blind window
	Ledger       *LedgerHead `json:"ledger,omitempty"`       // head of the trail's chain
	Warning      string      `json:"warning,omitempty"`      // what is wrong with trailwarden itself, such as a ledger that cannot be written

	// Event is the event as it came, for notifications as the 2017 AWS sample sent them and for nothing
	// else: it is no allow-list. Nil when there is none at hand.
	Event json.RawMessage `json:"-"`
}

// TrailRef names the trail for people and machines. All but ARN may be empty when the record named no trail.
type TrailRef struct {
	ARN       string `json:"arn"`       // the trail's ARN; empty when the record names no trail
	Name      string `json:"name"`      // the trail's name
	Account   string `json:"account"`   // the account that owns the trail
	Region    string `json:"region"`    // the trail's home Region
	Partition string `json:"partition"` // "aws", "aws-cn", "aws-us-gov", …
}

// RefOf is the TrailRef of an ARN.
func RefOf(a trail.ARN) TrailRef {
	return TrailRef{ARN: a.String(), Name: a.Name, Account: a.Account, Region: a.Region, Partition: a.Partition}
}

// Check holds the reference against the grammar of ARNs, and its parts against its ARN. What it passes is
// fit for command lines, links and headlines.
func (r TrailRef) Check() error {
	a, err := trail.ParseARN(r.ARN)
	if err != nil {
		return err
	}
	if RefOf(a) != r {
		return errors.New("check trail reference: its parts do not agree with its ARN")
	}
	return nil
}

// Finding is what one record or drift means by one rule.
type Finding struct {
	Rule     string   `json:"rule"`             // id in the catalogue, such as "trail.stop"
	Title    string   `json:"title"`            // the rule's name for people
	Severity Severity `json:"severity"`         // of this finding alone
	Attack   string   `json:"attack,omitempty"` // MITRE ATT&CK ids, separated by ", "
	Attempt  bool     `json:"attempt"`          // AWS refused the call
	Text     string   `json:"text"`             // one sentence for people
}

// Record is the allow-list of a CloudTrail record's fields that may leave trailwarden.
type Record struct {
	EventID      string    `json:"event_id"`                // eventID
	EventName    string    `json:"event_name"`              // eventName: the call, such as "StopLogging", without the version that some names carry
	EventSource  string    `json:"event_source"`            // eventSource: the service, such as "cloudtrail.amazonaws.com"
	EventTime    time.Time `json:"event_time"`              // eventTime
	Account      string    `json:"account"`                 // the account that the record belongs to
	Region       string    `json:"region"`                  // awsRegion
	RequestID    string    `json:"request_id,omitempty"`    // requestID: the one that the caller's SDK saw
	ErrorCode    string    `json:"error_code,omitempty"`    // errorCode: not empty when AWS refused the call
	ErrorMessage string    `json:"error_message,omitempty"` // errorMessage
	DeliveryID   string    `json:"delivery_id,omitempty"`   // EventBridge id
}

// Actor is who did it and from where.
type Actor struct {
	Type      string `json:"type,omitempty"`       // userIdentity.type, such as "AssumedRole"
	ARN       string `json:"arn,omitempty"`        // the principal's ARN
	Account   string `json:"account,omitempty"`    // the principal's account; may differ from the trail's
	Name      string `json:"name,omitempty"`       // the user's name; where the record has neither name nor ARN, the principal's id
	Issuer    string `json:"issuer,omitempty"`     // ARN of the role behind a session
	KeySuffix string `json:"key_suffix,omitempty"` // last four characters of the access key id
	MFA       bool   `json:"mfa"`                  // the record shows that MFA was used
	Console   bool   `json:"console"`              // the record shows a session of the AWS console
	InvokedBy string `json:"invoked_by,omitempty"` // the AWS service that called on somebody's behalf
	SourceIP  string `json:"source_ip,omitempty"`  // an address, or the name of an AWS service
	UserAgent string `json:"user_agent,omitempty"` // as the caller chose it
}

// BlindWindow is the time during which nothing was recorded.
type BlindWindow struct {
	From      time.Time  `json:"from"`         // when recording was lost
	To        *time.Time `json:"to,omitempty"` // when it was back; nil while the window is open
	Seconds   float64    `json:"seconds"`      // its length; so far, while it is open
	Open      bool       `json:"open"`         // nothing is recorded yet
	Certainty string     `json:"certainty"`    // "from_status", "from_records" or "from_files"
}

// Coverage is what a trail no longer records, delivers or protects, against what it is pinned to.
type Coverage struct {
	Lost      []Loss `json:"lost"`      // when it was found
	Remaining []Loss `json:"remaining"` // after the repair
}

// Loss is one thing that is no longer covered.
type Loss struct {
	Name string `json:"name"`         // "management_write", "data", "regions", "validation", …
	Of   string `json:"of,omitempty"` // resource type, event source or kind
	Text string `json:"text"`         // a sentence in plain words
}

// Drift is one setting that is not as wanted.
type Drift struct {
	Field string `json:"field"` // its key in configuration files
	Want  string `json:"want"`  // what it should be
	Got   string `json:"got"`   // what it was found to be
}

// Action is one call that was made, or would be made, to repair.
type Action struct {
	Op        string     `json:"op"`                   // as the API call: "StartLogging"
	Target    string     `json:"target"`               // ARN of the trail
	At        *time.Time `json:"at,omitempty"`         // when it was made; nil when it was not
	RequestID string     `json:"request_id,omitempty"` // AWS's id of the call
	Error     string     `json:"error,omitempty"`      // why it failed
	Unread    bool       `json:"unread"`               // made before the state could be read
}

// Step is one thing to do next: a sentence and, where there is one, the command line that does it.
type Step struct {
	Text    string `json:"text"`              // a sentence
	Command string `json:"command,omitempty"` // a command line for a shell
}

// ID makes an incident's id of what opened it: the trail and the first record's event id, or the
// StopLoggingTime that a sweep found. It is the same over restarts, retries and instances.
func ID(arn, first string) string {
	sum := sha256.Sum256([]byte(arn + "\n" + first))
	return "inc-" + hex.EncodeToString(sum[:8])
}
