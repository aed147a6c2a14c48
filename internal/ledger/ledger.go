// Package ledger says how incidents are kept: as entries that only grow, hash-chained for each trail, together with what is
// still to be done about them (messages to send) and what has to be remembered (marks). Stores are packages
// below it: ledger/memory, ledger/sqlite for one machine, ledger/dynamo for Lambda and many machines. One contract
// test, ledger/ledgertest, holds them all.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// System is the chain of what belongs to no trail: start, baselines, anchors, quarantined input.
const System = "trailwarden"

// Kind says what an entry tells.
type Kind string

const (
	KindIncident   Kind = "incident"   // an incident as it stands now; body: incident.Incident
	KindTampering  Kind = "tampering"  // an incident that is known was repeated; body: Repeated
	KindIntent     Kind = "intent"     // a call is about to be made; body: Intent
	KindCall       Kind = "call"       // the call was made; body: Call
	KindSent       Kind = "sent"       // a message was sent; body: Delivery
	KindUnsent     Kind = "unsent"     // a message could not be sent; body: Delivery
	KindAck        Kind = "ack"        // a person has taken an incident on; body: incident.Ack with the incident's id
	KindQuarantine Kind = "quarantine" // input that could not be decoded; body: Quarantine
	KindBaseline   Kind = "baseline"   // a baseline came into use; body: its serial number and hash
	KindAnchor     Kind = "anchor"     // the heads of all chains; body: []Head
	KindPruned     Kind = "pruned"     // entries before a sequence number were removed by retention; body: Pruned
	KindStart      Kind = "start"      // a process began or stopped to watch
)

// Entry is one link of a chain. Hash is SHA-256 over the canonical JSON (RFC 8785) of all other members.
type Entry struct {
	Chain string          `json:"chain"` // a trail's ARN, or System
	Seq   int64           `json:"seq"`   // 1, 2, 3, … without gaps
	Prev  string          `json:"prev"`  // Hash of the entry before; 64 zeros for the first
	Time  time.Time       `json:"time"`  // by our clock, UTC; only for people: Seq is the order
	Kind  Kind            `json:"kind"`
	Body  json.RawMessage `json:"body"` // canonical JSON
	Hash  string          `json:"hash"` // 64 hex digits
}

// Draft is an entry to be: the store gives it its place in the chain.
type Draft struct {
	Time time.Time
	Kind Kind
	Body any // marshalled as JSON
}

// Head is the latest entry of a chain; zero Seq for a chain that has none.
type Head struct {
	Chain string `json:"chain"`
	Seq   int64  `json:"seq"`
	Hash  string `json:"hash"`
}

// Message is one that is to be sent: recorded with what it tells of, sent afterwards.
type Message struct {
	ID       string            `json:"id"`      // the same over retries and restarts, so that receivers can drop repetitions
	Channel  string            `json:"channel"` // name of the channel
	Incident incident.Incident `json:"incident"`
	Created  time.Time         `json:"created"`
	Due      time.Time         `json:"due"`             // not before
	Tries    int               `json:"tries,omitempty"` // how often it was tried in vain
	Error    string            `json:"error,omitempty"` // why the latest try failed
}

// Mark is something to be remembered under a key. Keys are paths such as "status/ARN".
type Mark struct {
	Key     string
	Value   string    // "" forgets the key
	Expires time.Time // zero for never
}

// Batch is written as a whole or not at all.
type Batch struct {
	Chain   string
	Entries []Draft
	// After, when it is not nil, is the sequence number that the chain's head must have: else the store answers ErrMoved
	// and nothing is written.
	After    *int64
	Incident *incident.Incident // how the incident stands now, told by a KindIncident among Entries too; what is kept of it has the head after this batch as its Ledger
	Queue    []Message          // messages to be sent, or tried again at another time; by ID. What is kept of an incident without Ledger has the head after this batch
	Sent     []string           // ids of messages that need not be sent any more; after Queue
	Marks    []Mark
}

// ErrMoved is answered when somebody else wrote to the chain meanwhile: read again, decide again.
var ErrMoved = errors.New("write to ledger: somebody else wrote to this chain meanwhile")

// ErrNoBlob is answered for data that is not kept.
var ErrNoBlob = errors.New("read from ledger: no such data is kept")

// Query selects incidents. Zero members select all.
type Query struct {
	Trail        string    // ARN
	Since, Until time.Time // OpenedAt, Since included
	Open         bool      // only those that are not well: outcome open or failed
	Unconfirmed  bool      // only those whose outcome is repaired; with Open: either
	Limit        int       // newest first; 0 for all
}

// Store keeps the ledger. It is safe for use by several goroutines. Calls return when ctx ends.
type Store interface {
	// Write makes a batch durable and returns the chain's head.
	Write(ctx context.Context, b Batch) (Head, error)
	// Entries visits a chain's entries in order, from a sequence number on, as they are kept: unverified.
	Entries(ctx context.Context, chain string, from int64, visit func(Entry) error) error
	// Heads lists the heads of all chains, sorted by chain.
	Heads(ctx context.Context) ([]Head, error)
	// Incident is one incident as it stands, and the head of its chain at that time.
	Incident(ctx context.Context, id string) (inc incident.Incident, found bool, err error)
	// Latest is the incident of a trail that was written last, with the head of the trail's chain as of the same time (also
	// when there is no incident): what Batch.After wants.
	Latest(ctx context.Context, trail string) (inc incident.Incident, found bool, head Head, err error)
	// Incidents lists incidents in the order of CompareIncidents: newest first by OpenedAt.
	Incidents(ctx context.Context, q Query) ([]incident.Incident, error)
	// Messages lists messages that are due at a time, in the order of CompareMessages, at most limit; all that wait for a zero time
	// and no limit for 0.
	Messages(ctx context.Context, due time.Time, limit int) ([]Message, error)
	// Marks lists what is remembered under keys that begin with prefix and has not expired at now, sorted by key.
	Marks(ctx context.Context, prefix string, now time.Time) ([]Mark, error)
	// Lease takes or extends a name for owner until a time; false while another owner holds it at now. An owner that sets until
	// to now gives it back.
	Lease(ctx context.Context, name, owner string, now, until time.Time) (bool, error)
	// Keep keeps data that is too large for an entry, under the SHA-256 (hex) that it returns; Blob reads it back and holds it against that.
	// Retention counts from the latest Keep on. Blob answers ErrNoBlob for what is not kept (any more).
	Keep(ctx context.Context, data []byte, now time.Time) (sha256 string, err error)
	Blob(ctx context.Context, sha256 string) ([]byte, error)
	// Prune removes what is older than a time, but never an incident that is open or not confirmed (nor any entry since its
	// first), and no message that waits. Each chain keeps the entries since the last one removed, and says in a KindPruned entry
	// what was removed and its last hash (see PruneUpto). Blobs go when they are older and nothing that is left names
	// them; expired marks and leases go too. It answers how many entries were removed.
	Prune(ctx context.Context, before, now time.Time) (removed int, err error)
	Close() error
}

// Repeated is the body of KindTampering: what came to an incident, and nothing about it is new but that it happened again.
type Repeated struct {
	Incident   string               `json:"incident"`
	Count      int                  `json:"count"`
	Tamperings []incident.Tampering `json:"tamperings"`
	Standing   string               `json:"standing"` // SHA-256 (hex) of the canonical JSON of the incident as it stands now, without Ledger; the store sets it
}

// Intent is the body of KindIntent.
type Intent struct {
	Incident string `json:"incident"` // whose repair it is
	Op       string `json:"op"`       // as the API call
	Target   string `json:"target"`   // ARN of the trail
}

// Call is the body of KindCall: what came of an intent.
type Call struct {
	Incident  string `json:"incident"` // whose repair it is
	Op        string `json:"op"`       // as the API call
	RequestID string `json:"request_id,omitempty"`
	Error     string `json:"error,omitempty"`
}

// Delivery is the body of KindSent and KindUnsent.
type Delivery struct {
	Message  string `json:"message"` // the message's id
	Channel  string `json:"channel"`
	Incident string `json:"incident"`
	Stage    string `json:"stage"`
	Tries    int    `json:"tries"`
	Error    string `json:"error,omitempty"`
}

// Quarantine is the body of KindQuarantine.
type Quarantine struct {
	Input     string `json:"input"`  // SHA-256 of the whole input, which is kept under it
	SHA256    string `json:"sha256"` // of the piece that is wrong
	Size      int    `json:"size"`
	Where     string `json:"where"`   // where in the carrier it stood
	Why       string `json:"why"`     // why it could not be decoded
	Excerpt   string `json:"excerpt"` // its begin, escaped
	MessageID string `json:"message_id,omitempty"`
}

// Pruned is the body of KindPruned.
type Pruned struct {
	Upto int64  `json:"upto"` // the last sequence number that was removed
	Hash string `json:"hash"` // its hash: Prev of the first entry that is left
}
