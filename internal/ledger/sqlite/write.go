package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger"
)

// Write is that of ledger.Store.
func (s *Store) Write(ctx context.Context, b ledger.Batch) (ledger.Head, error) {
	b, err := frozen(b)
	if err != nil {
		return ledger.Head{}, fmt.Errorf("write to ledger: %w", err)
	}
	var head ledger.Head
	if err := s.submit(ctx, "write to", false, func() (err error) {
		head, err = s.writer.write(b)
		return err
	}); err != nil {
		return ledger.Head{}, err
	}
	return head, nil
}

// frozen copies what the caller may alter once its context has ended while the batch is still to be written.
func frozen(b ledger.Batch) (ledger.Batch, error) {
	b.Sent, b.Marks, b.Entries, b.Queue = slices.Clone(b.Sent), slices.Clone(b.Marks), slices.Clone(b.Entries), slices.Clone(b.Queue)
	if b.After != nil {
		after := *b.After
		b.After = &after
	}
	for i, d := range b.Entries {
		var err error
		if r, ok := d.Body.(ledger.Repeated); ok {
			b.Entries[i].Body, err = copied(r)
		} else {
			b.Entries[i].Body, err = json.Marshal(d.Body)
			b.Entries[i].Body = json.RawMessage(b.Entries[i].Body.([]byte))
		}
		if err != nil {
			return b, fmt.Errorf("%s entry: %w", d.Kind, err)
		}
	}
	if b.Incident != nil {
		inc, err := copied(*b.Incident)
		if err != nil {
			return b, err
		}
		b.Incident = &inc
	}
	for i := range b.Queue {
		var err error
		if b.Queue[i], err = copied(b.Queue[i]); err != nil {
			return b, err
		}
	}
	return b, nil
}

func copied[T any](v T) (c T, err error) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	return c, err
}

func (w *writer) write(b ledger.Batch) (ledger.Head, error) {
	head := ledger.Head{Chain: b.Chain}
	var chain int64
	known, err := w.row("SELECT id, seq, hash FROM chains WHERE chain = ?", []any{b.Chain}, &chain, &head.Seq, &head.Hash)
	if err != nil {
		return head, err
	}
	first := head.Seq + 1
	p, err := b.Place(head)
	if err != nil {
		return head, err
	}
	if len(p.Entries) > 0 {
		if !known {
			if known, err = w.row("INSERT INTO chains (chain, seq, hash, latest) VALUES (?, 0, '', '') RETURNING id", []any{b.Chain}, &chain); err != nil || !known {
				return head, fmt.Errorf("begin chain: %w", err)
			}
		}
		if err := w.append(chain, p.Entries); err != nil {
			return head, err
		}
	}
	if inc := p.Incident; inc != nil {
		body, err := json.Marshal(inc)
		if err != nil {
			return head, err
		}
		evidence := ""
		if inc.Evidence != nil {
			evidence = inc.Evidence.SHA256
		}
		if err := w.exec(`INSERT INTO incidents (id, chain, first, last, trail, opened, outcome, evidence, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET first = iif(chain = excluded.chain, first, excluded.first), chain = excluded.chain, last = excluded.last,
			trail = excluded.trail, opened = excluded.opened, outcome = excluded.outcome, evidence = excluded.evidence, body = excluded.body`,
			inc.ID, chain, first, p.Head.Seq, inc.Trail.ARN, stamp(inc.OpenedAt), string(inc.Outcome), evidence, string(body)); err != nil {
			return head, err
		}
		if err := w.exec("UPDATE chains SET latest = ? WHERE id = ?", inc.ID, chain); err != nil {
			return head, err
		}
	}
	return p.Head, w.remember(b, p)
}

// append adds linked entries to a chain and moves its head.
func (w *writer) append(chain int64, entries []ledger.Entry) error {
	for _, e := range entries {
		if err := w.exec("INSERT INTO entries (chain, seq, time, kind, prev, hash, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
			chain, e.Seq, stamp(e.Time), string(e.Kind), e.Prev, e.Hash, string(e.Body)); err != nil {
			return err
		}
	}
	last := entries[len(entries)-1]
	return w.exec("UPDATE chains SET seq = ?, hash = ? WHERE id = ?", last.Seq, last.Hash, chain)
}

// remember writes messages and marks.
func (w *writer) remember(b ledger.Batch, p ledger.Placed) error {
	for _, m := range p.Queue {
		body, err := json.Marshal(m)
		if err != nil {
			return err
		}
		var seq int64
		if m.Incident.Ledger != nil {
			seq = m.Incident.Ledger.Seq
		}
		if err := w.exec(`INSERT INTO messages (id, created, seq, due, incident, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
			created = excluded.created, seq = excluded.seq, due = excluded.due, incident = excluded.incident, body = excluded.body`,
			m.ID, stamp(m.Created), seq, stamp(m.Due), m.Incident.ID, string(body)); err != nil {
			return err
		}
	}
	for _, id := range b.Sent {
		if err := w.exec("DELETE FROM messages WHERE id = ?", id); err != nil {
			return err
		}
	}
	for _, m := range b.Marks {
		var err error
		if m.Value == "" {
			err = w.exec("DELETE FROM marks WHERE key = ?", m.Key)
		} else {
			expires := ""
			if !m.Expires.IsZero() {
				expires = stamp(m.Expires)
			}
			err = w.exec("INSERT INTO marks (key, value, expires) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires",
				m.Key, m.Value, expires)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Lease is that of ledger.Store.
func (s *Store) Lease(ctx context.Context, name, owner string, now, until time.Time) (bool, error) {
	var n int64
	if err := s.submit(ctx, "lease in", false, func() (err error) {
		n, err = s.writer.change(`INSERT INTO leases (name, owner, until) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
			WHERE owner = excluded.owner OR until <= ?`, name, owner, stamp(until), stamp(now))
		return err
	}); err != nil {
		return false, err
	}
	return n > 0, nil
}

// Keep is that of ledger.Store.
func (s *Store) Keep(ctx context.Context, data []byte, now time.Time) (string, error) {
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:])
	data = append([]byte{}, data...)
	if err := s.submit(ctx, "keep data in", false, func() error {
		return s.writer.exec("INSERT INTO blobs (sha256, at, data) VALUES (?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET at = excluded.at, data = excluded.data", name, stamp(now), data)
	}); err != nil {
		return "", err
	}
	return name, nil
}
