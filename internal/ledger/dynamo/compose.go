package dynamo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

// Limits of a transaction.
const (
	maxItems = 100
	maxBytes = 4 << 20
	// inline is what of a body stands in an item; what is larger is kept as a blob. An item holds 400 KB.
	inline = 300_000
)

// transaction is a batch as DynamoDB is asked to write it.
type transaction struct {
	members []member
	bytes   int
	token   string
	head    head // after it
	guarded bool // the first member is the condition on the head
	entry   key  // the first entry; zero without
}

// compose makes the transaction of a batch after a head.
func (s *Store) compose(ctx context.Context, b ledger.Batch, p ledger.Placed, at head) (*transaction, error) {
	t := &transaction{token: token(), head: head{Head: p.Head, latest: at.latest, at: at.at}}
	if p.Incident != nil {
		if err := s.placeIncident(ctx, t, p, at); err != nil {
			return nil, err
		}
	}
	if len(p.Entries) > 0 {
		t.guarded = true
		t.entry = key{entriesOf(b.Chain), number(p.Entries[0].Seq)}
	}
	for _, e := range p.Entries {
		i, err := s.withBody(ctx, key{entriesOf(e.Chain), number(e.Seq)}, e.Body, e.Time)
		if err != nil {
			return nil, err
		}
		at, err := e.Time.MarshalText()
		if err != nil {
			return nil, fmt.Errorf("write to ledger: %w", err)
		}
		t.put(s, i.with(item{"prev": text(e.Prev), "hash": text(e.Hash), "kind": text(string(e.Kind)), "time": text(string(at)), "token": text(t.token)}), unlessThere())
	}
	if err := s.addMessages(ctx, t, b, p); err != nil {
		return nil, err
	}
	t.addMarks(s, b.Marks)
	t.guard(s, b, at)
	if len(t.members) > maxItems || t.bytes > maxBytes {
		return nil, fmt.Errorf("write to ledger: the batch has %d items of %d KB together, and DynamoDB writes at most %d items and %d KB as a whole: write fewer entries, messages and marks at once",
			len(t.members), t.bytes>>10, maxItems, maxBytes>>10)
	}
	return t, nil
}

// guard puts the head, or its condition, before all others.
func (t *transaction) guard(s *Store, b ledger.Batch, at head) {
	c := condition{expression: "attribute_not_exists(#pk)", names: map[string]string{"#pk": "pk"}}
	if at.Seq > 0 {
		c = condition{"#seq = :seq AND #hash = :hash", map[string]string{"#seq": "seq", "#hash": "hash"},
			item{":seq": integer(at.Seq), ":hash": text(at.Hash)}}
	}
	rest := t.members
	t.members = nil
	switch {
	case t.guarded:
		t.put(s, t.head.item(), c)
	case b.After != nil:
		t.guarded = true
		check := one{TableName: s.table, Key: key{partitionHeads, short(b.Chain)}.item()}.on(c)
		t.members = append(t.members, member{ConditionCheck: &check})
	}
	t.members = append(t.members, rest...)
}

// condition is what must hold of an item that is there.
type condition struct {
	expression string
	names      map[string]string
	values     item
}

func unlessThere() condition {
	return condition{expression: "attribute_not_exists(#pk)", names: map[string]string{"#pk": "pk"}}
}

func (t *transaction) put(s *Store, i item, c condition) {
	put := one{TableName: s.table, Item: i}.on(c)
	t.bytes += i.size()
	t.members = append(t.members, member{Put: &put})
}

func (t *transaction) delete(s *Store, k key) {
	t.members = append(t.members, member{Delete: &one{TableName: s.table, Key: k.item()}})
}

// placeIncident writes the incident, and its line in the list where it now belongs. Where it stood is told by the head, when it is
// the one written last, else by the incident itself; nobody moves it while the chain's head does not move.
func (s *Store) placeIncident(ctx context.Context, t *transaction, p ledger.Placed, at head) error {
	inc := *p.Incident
	was := at.at
	if at.latest != inc.ID {
		i, err := s.get(ctx, incidentKey(inc.ID))
		if err != nil {
			return fmt.Errorf("write to ledger: %w", err)
		}
		was = placeOf(i)
	}
	now := place{first: was.first, list: partitionClosed, key: sortable(inc.OpenedAt) + "#" + short(inc.ID)}
	if now.first == 0 {
		now.first = p.Entries[0].Seq
	}
	if ledger.Stays(inc) {
		now.list = partitionOpen
	}
	body, err := json.Marshal(inc)
	if err != nil {
		return fmt.Errorf("write to ledger: %w", err)
	}
	i, err := s.withBody(ctx, incidentKey(inc.ID), body, p.Entries[len(p.Entries)-1].Time)
	if err != nil {
		return err
	}
	now.put(i)
	t.put(s, i.with(item{"seq": integer(p.Head.Seq)}), condition{})
	line := key{now.list, now.key}.item()
	t.put(s, line.with(item{
		"id": text(inc.ID), "chain": text(p.Head.Chain), "trail": text(inc.Trail.ARN), "outcome": text(string(inc.Outcome)),
		"first": integer(now.first), "last": integer(p.Head.Seq),
	}), condition{})
	if was.key != "" && (was.list != now.list || was.key != now.key) {
		t.delete(s, key{was.list, was.key})
	}
	t.head.latest, t.head.at = inc.ID, now
	return nil
}

// addMessages puts messages into the outbox and takes those out that are sent.
func (s *Store) addMessages(ctx context.Context, t *transaction, b ledger.Batch, p ledger.Placed) error {
	gone, last := map[string]bool{}, map[string]int{}
	for _, id := range b.Sent {
		if id != "" && !gone[id] {
			t.delete(s, key{partitionMessages, short(id)})
		}
		gone[id] = true
	}
	for n, m := range p.Queue {
		last[m.ID] = n // a transaction has one say on an item
	}
	for n, m := range p.Queue {
		if gone[m.ID] || last[m.ID] != n {
			continue
		}
		body, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("write to ledger: %w", err)
		}
		i, err := s.withBody(ctx, key{partitionMessages, short(m.ID)}, body, m.Created)
		if err != nil {
			return err
		}
		t.put(s, i.with(item{"created": text(sortable(m.Created)), "due": text(sortable(m.Due)), "incident": text(m.Incident.ID), "seq": integer(placeIn(m.Incident))}), condition{})
	}
	return nil
}

// placeIn is the number by which messages of one moment are ordered.
func placeIn(inc incident.Incident) int64 {
	if inc.Ledger == nil {
		return 0
	}
	return inc.Ledger.Seq
}

func (t *transaction) addMarks(s *Store, marks []ledger.Mark) {
	last := map[string]int{}
	for n, m := range marks {
		last[m.Key] = n
	}
	for n, m := range marks {
		k := key{partitionMarks, short(m.Key)}
		switch {
		case last[m.Key] != n:
		case m.Value == "":
			t.delete(s, k)
		default:
			t.put(s, k.item().with(expiring(m.Expires)).with(item{"key": text(m.Key), "value": text(m.Value)}), condition{})
		}
	}
}

// expiring are the attributes of what expires: the moment, and the second from which DynamoDB may remove it.
func expiring(at time.Time) item {
	if at.IsZero() {
		return item{}
	}
	return item{"until": text(sortable(at)), "expires": integer(at.Unix() + 1)}
}

// withBody makes an item with a body, or with the name of the blob that has it.
func (s *Store) withBody(ctx context.Context, k key, body []byte, now time.Time) (item, error) {
	if len(body) <= inline {
		return k.item().with(item{"body": text(string(body))}), nil
	}
	sum, err := s.Keep(ctx, body, now)
	if err != nil {
		return nil, err
	}
	return k.item().with(item{"blob": text(sum)}), nil
}

// body reads what withBody wrote.
func (s *Store) body(ctx context.Context, i item) ([]byte, error) {
	if sum := i.text("blob"); sum != "" {
		return s.Blob(ctx, sum)
	}
	return []byte(i.text("body")), nil
}

// token is new for each transaction. DynamoDB takes up to 36 characters.
func token() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
