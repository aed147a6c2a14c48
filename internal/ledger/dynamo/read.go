package dynamo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

// rest waits a while, more or less, or until ctx ends.
func rest(ctx context.Context, pause time.Duration) error {
	wait := time.NewTimer(pause/3 + rand.N(pause))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return nil
	}
}

// Entries is that of ledger.Store. What was altered in the table comes as it is now: whoever verifies the chain finds it.
func (s *Store) Entries(ctx context.Context, chain string, from int64, visit func(ledger.Entry) error) error {
	return s.entries(ctx, chain, from, func(i item) error {
		e, err := s.entry(ctx, chain, i)
		if err != nil {
			return err
		}
		return visit(e)
	})
}

func (s *Store) entries(ctx context.Context, chain string, from int64, visit func(item) error, only ...string) error {
	if chain == "" {
		return nil
	}
	stopped := false
	err := s.query(ctx, selection{pk: entriesOf(chain), from: number(max(from, 0)), few: 50, only: only}, func(i item) error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read from ledger: %w", err)
		}
		err := visit(i)
		stopped = err != nil
		return err
	})
	if err != nil && !stopped {
		return fmt.Errorf("read from ledger: %w", err)
	}
	return err
}

func (s *Store) entry(ctx context.Context, chain string, i item) (ledger.Entry, error) {
	e := ledger.Entry{Chain: chain, Prev: i.text("prev"), Kind: ledger.Kind(i.text("kind")), Hash: i.text("hash")}
	e.Seq, _ = strconv.ParseInt(i.text("sk"), 10, 64)
	e.Time, _ = time.Parse(time.RFC3339Nano, i.text("time"))
	if sum := i.text("blob"); sum != "" {
		data, err := s.data(ctx, sum)
		if errors.Is(err, ledger.ErrNoBlob) {
			return e, nil // an entry without its body is one that does not hold
		}
		e.Body = data
		return e, err
	}
	e.Body = []byte(i.text("body"))
	return e, nil
}

// Heads is that of ledger.Store.
func (s *Store) Heads(ctx context.Context) (heads []ledger.Head, err error) {
	err = s.query(ctx, selection{pk: partitionHeads}, func(i item) error {
		h, err := headOf(i.text("chain"), i)
		heads = append(heads, h.Head)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read from ledger: %w", err)
	}
	slices.SortFunc(heads, func(a, b ledger.Head) int { return cmp.Compare(a.Chain, b.Chain) })
	return heads, nil
}

// Incident is that of ledger.Store.
func (s *Store) Incident(ctx context.Context, id string) (inc incident.Incident, found bool, err error) {
	if id == "" {
		return inc, false, nil
	}
	i, err := s.get(ctx, incidentKey(id))
	if err != nil {
		return inc, false, fmt.Errorf("read from ledger: %w", err)
	}
	return s.decode(ctx, i)
}

func (s *Store) decode(ctx context.Context, i item) (inc incident.Incident, found bool, err error) {
	if i == nil {
		return inc, false, nil
	}
	body, err := s.body(ctx, i)
	if err == nil {
		err = json.Unmarshal(body, &inc)
	}
	if err != nil {
		return inc, false, fmt.Errorf("read incident %s from ledger: %w", strings.TrimPrefix(i.text("pk"), "incident/"), err)
	}
	return inc, true, nil
}

// Latest is that of ledger.Store. The head and the incident are two reads: when somebody wrote between them, they are read again.
func (s *Store) Latest(ctx context.Context, trail string) (inc incident.Incident, found bool, at ledger.Head, err error) {
	for try := 1; ; try++ {
		h, err := s.readHead(ctx, trail)
		if err != nil {
			return inc, false, ledger.Head{}, fmt.Errorf("read from ledger: %w", err)
		}
		h.Chain = trail
		if h.latest == "" {
			return inc, false, h.Head, nil
		}
		i, err := s.get(ctx, incidentKey(h.latest))
		if err != nil {
			return inc, false, ledger.Head{}, fmt.Errorf("read from ledger: %w", err)
		}
		if i.integer("seq") <= h.Seq || try == 10 { // ten times: the table was altered, which verifying says
			inc, found, err = s.decode(ctx, i)
			return inc, found, h.Head, err
		}
	}
}

// line is an incident's line in a list.
type line struct {
	list, key   string
	id, chain   string
	outcome     incident.Outcome
	first, last int64
}

// Incidents is that of ledger.Store. It reads the lists, which are small, and then the incidents that are wanted.
func (s *Store) Incidents(ctx context.Context, q ledger.Query) ([]incident.Incident, error) {
	// An incident that moves between the lists meanwhile is in one of the two when it is looked at, or comes to the open ones after.
	lists := []string{partitionOpen, partitionClosed, partitionOpen}
	if q.Open || q.Unconfirmed {
		lists = lists[:1]
	}
	byID := map[string]line{}
	for _, list := range lists {
		if err := s.lines(ctx, list, q, func(l line) { byID[l.id] = l }); err != nil {
			return nil, fmt.Errorf("read from ledger: %w", err)
		}
	}
	var lines []line
	for _, l := range byID {
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b line) int { return -cmp.Compare(a.key, b.key) })
	var all []incident.Incident
	for len(lines) > 0 && (q.Limit == 0 || len(all) < q.Limit) {
		n := min(len(lines), 100)
		if q.Limit > 0 {
			n = min(n, q.Limit-len(all))
		}
		var keys []key
		for _, l := range lines[:n] {
			keys = append(keys, incidentKey(l.id))
		}
		lines = lines[n:]
		if err := s.getMany(ctx, keys, func(i item) error {
			inc, found, err := s.decode(ctx, i)
			if found && q.Selects(inc) { // it may have changed since it was listed
				all = append(all, inc)
			}
			return err
		}); err != nil {
			return nil, fmt.Errorf("read from ledger: %w", err)
		}
	}
	slices.SortFunc(all, ledger.CompareIncidents)
	return all, nil
}

var errEnough = errors.New("seen enough")

// lines reads a list, newest first, as far as the query can be told from it.
func (s *Store) lines(ctx context.Context, list string, q ledger.Query, visit func(line)) error {
	in := selection{pk: list, backward: true, values: item{}}
	if !q.Since.IsZero() {
		in.from = sortable(q.Since)
	}
	if !q.Until.IsZero() {
		in.to = sortable(q.Until) // "#ID" comes after it: what was opened at this very moment is not selected
	}
	if q.Trail != "" {
		in.filter, in.values["trail"] = "#trail = :trail", text(q.Trail)
	} else if q.Limit > 0 && q.Limit < 1000 {
		in.few = int32(q.Limit)
	}
	if in.from != "" && in.to != "" && in.from > in.to {
		return nil
	}
	n := 0
	err := s.query(ctx, in, func(i item) error {
		l := line{
			key: i.text("sk"), id: i.text("id"), chain: i.text("chain"), outcome: incident.Outcome(i.text("outcome")),
			first: i.integer("first"), last: i.integer("last"), list: list,
		}
		if !(ledger.Query{Open: q.Open, Unconfirmed: q.Unconfirmed}).Selects(incident.Incident{Outcome: l.outcome}) {
			return nil
		}
		visit(l)
		if n++; n == q.Limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// Messages is that of ledger.Store. The whole outbox is listed, which holds only what waits; bodies are read of those that are wanted.
func (s *Store) Messages(ctx context.Context, due time.Time, limit int) ([]ledger.Message, error) {
	type waiting struct {
		id, created string
		seq         int64
	}
	var all []waiting
	q := selection{pk: partitionMessages, only: []string{"sk", "created", "seq"}}
	if !due.IsZero() {
		q.filter, q.values = "#due <= :due", item{"due": text(sortable(due))}
	}
	if err := s.query(ctx, q, func(i item) error {
		all = append(all, waiting{i.text("sk"), i.text("created"), i.integer("seq")})
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read from ledger: %w", err)
	}
	slices.SortFunc(all, func(a, b waiting) int {
		return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.seq, b.seq), cmp.Compare(a.id, b.id))
	})
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	var keys []key
	for _, w := range all {
		keys = append(keys, key{partitionMessages, w.id})
	}
	var messages []ledger.Message
	err := s.getMany(ctx, keys, func(i item) error {
		var m ledger.Message
		body, err := s.body(ctx, i)
		if err == nil {
			err = json.Unmarshal(body, &m)
		}
		if err != nil {
			return fmt.Errorf("message %s: %w", i.text("sk"), err)
		}
		messages = append(messages, m)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read from ledger: %w", err)
	}
	return messages, nil
}

// Marks is that of ledger.Store.
func (s *Store) Marks(ctx context.Context, prefix string, now time.Time) (marks []ledger.Mark, err error) {
	err = s.query(ctx, selection{pk: partitionMarks, prefix: cut(prefix)}, func(i item) error {
		m := ledger.Mark{Key: i.text("key"), Value: i.text("value"), Expires: i.until()}
		if strings.HasPrefix(m.Key, prefix) && !m.Expired(now) {
			marks = append(marks, m)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read from ledger: %w", err)
	}
	slices.SortFunc(marks, func(a, b ledger.Mark) int { return cmp.Compare(a.Key, b.Key) })
	return marks, nil
}

// until reads what expiring wrote.
func (i item) until() time.Time {
	at, err := time.Parse(time.RFC3339Nano, i.text("until"))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
