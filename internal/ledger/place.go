package ledger

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Placed is a batch that has its place in its chain: what a store writes.
type Placed struct {
	Entries  []Entry
	Head     Head               // the chain's, after this batch
	Incident *incident.Incident // a copy, with Ledger
	Queue    []Message          // copies, with the incident's Ledger
}

// Place gives a batch its place after the head of its chain. It answers ErrMoved when that is not the head that the batch
// wants, and an error when the batch makes no sense. It leaves the batch as it is.
func (b Batch) Place(head Head) (Placed, error) {
	if b.After != nil && *b.After != head.Seq {
		return Placed{}, ErrMoved
	}
	if b.Chain == "" && (len(b.Entries) > 0 || b.Incident != nil || b.After != nil) {
		return Placed{}, errors.New("write to ledger: the batch names no chain")
	}
	if !utf8.ValidString(b.Chain) {
		return Placed{}, errors.New("write to ledger: the chain's name is no valid UTF-8")
	}
	if b.Incident != nil && b.Incident.ID == "" {
		return Placed{}, errors.New("write to ledger: the incident has no id")
	}
	if b.Incident != nil && !slices.ContainsFunc(b.Entries, func(d Draft) bool { return d.Kind == KindIncident || d.Kind == KindTampering }) {
		return Placed{}, errors.New("write to ledger: the incident comes without its entry: the chain would not tell of it")
	}
	head.Chain = b.Chain
	p := Placed{}
	for _, d := range b.Entries {
		if r, ok := d.Body.(Repeated); ok && b.Incident != nil {
			var err error
			if r.Standing, err = sumOf(*b.Incident); err != nil {
				return Placed{}, fmt.Errorf("write to ledger: %w", err)
			}
			d.Body = r
		}
		e, err := Link(head, d)
		if err != nil {
			return Placed{}, fmt.Errorf("write to ledger: %w", err)
		}
		p.Entries = append(p.Entries, e)
		head = e.Head()
	}
	p.Head = head
	var at *incident.LedgerHead
	if head.Seq > 0 {
		at = &incident.LedgerHead{Chain: head.Chain, Seq: head.Seq, Hash: head.Hash}
	}
	if b.Incident != nil {
		inc := *b.Incident
		inc.Ledger = at
		p.Incident = &inc
	}
	for _, m := range b.Queue {
		if m.ID == "" {
			return Placed{}, errors.New("write to ledger: a message has no id")
		}
		if m.Incident.Ledger == nil {
			m.Incident.Ledger = at
		}
		p.Queue = append(p.Queue, m)
	}
	for _, m := range b.Marks {
		if m.Key == "" {
			return Placed{}, errors.New("write to ledger: a mark has no key")
		}
	}
	return p, nil
}

// sumOf is what a chain tells of an incident: the SHA-256 of its canonical JSON, without its place in the ledger.
func sumOf(inc incident.Incident) (string, error) {
	inc.Ledger = nil
	raw, err := json.Marshal(inc)
	if err != nil {
		return "", err
	}
	body, err := Canonical(raw)
	return hexSum(body), err
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// message is Message without its methods.
type message Message

// MarshalJSON adds the incident's Event, which the JSON of an incident leaves out: a message of the 2017 shape needs it also
// after a restart.
func (m Message) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		message
		Event json.RawMessage `json:"event,omitempty"`
	}{message(m), m.Incident.Event})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Message) UnmarshalJSON(data []byte) error {
	var v struct {
		message
		Event json.RawMessage `json:"event"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	*m = Message(v.message)
	m.Incident.Event = v.Event
	return nil
}

// CompareMessages orders messages as they are to be sent: the oldest first by Created, then by their incidents' places in the
// ledger, then by id.
func CompareMessages(a, b Message) int {
	return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.seq(), b.seq()), cmp.Compare(a.ID, b.ID))
}

func (m Message) seq() int64 {
	if m.Incident.Ledger == nil {
		return 0
	}
	return m.Incident.Ledger.Seq
}

// CompareIncidents orders incidents newest first by OpenedAt, then by id.
func CompareIncidents(a, b incident.Incident) int {
	return cmp.Or(b.OpenedAt.Compare(a.OpenedAt), cmp.Compare(a.ID, b.ID))
}

// Selects says whether the query selects an incident; of Limit it knows nothing.
func (q Query) Selects(inc incident.Incident) bool {
	open := inc.Outcome == incident.Open || inc.Outcome == incident.Failed
	unconfirmed := inc.Outcome == incident.Repaired
	return (q.Trail == "" || inc.Trail.ARN == q.Trail) &&
		(q.Since.IsZero() || !inc.OpenedAt.Before(q.Since)) &&
		(q.Until.IsZero() || inc.OpenedAt.Before(q.Until)) &&
		(!q.Open && !q.Unconfirmed || q.Open && open || q.Unconfirmed && unconfirmed)
}

// Stays says whether an incident is kept however old it is: a person or a confirmation is still waited for.
func Stays(inc incident.Incident) bool {
	return Query{Open: true, Unconfirmed: true}.Selects(inc)
}

// Expired says whether the mark is forgotten at a time.
func (m Mark) Expired(now time.Time) bool { return !m.Expires.IsZero() && !m.Expires.After(now) }

// Quarantined is the SHA-256 under which the input that a KindQuarantine entry tells of is kept; empty for other entries.
func Quarantined(e Entry) string {
	var q struct {
		Input string `json:"input"`
	}
	if e.Kind != KindQuarantine || json.Unmarshal(e.Body, &q) != nil {
		return ""
	}
	return q.Input
}

// CheckBlob holds data against the SHA-256 under which it was kept.
func CheckBlob(name string, data []byte) error {
	if hexSum(data) != name {
		return fmt.Errorf("read from ledger: the data kept under %.12s… is not what was kept: it was altered", name)
	}
	return nil
}
