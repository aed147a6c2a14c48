package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

// visitError is the visitor's, which is no failure of the ledger.
type visitError struct{ err error }

func (v visitError) Error() string { return v.err.Error() }

// query visits rows as they stand at one moment.
func (s *Store) query(ctx context.Context, query string, args []any, row func(*sql.Rows) error) error {
	err := func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows, err := s.readers.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := row(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}()
	var visited visitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &visited):
		return visited.err
	case ctx.Err() != nil: // the driver says "interrupted"
		return s.failed("read", ctx.Err())
	}
	return s.failed("read", err)
}

// Entries is that of ledger.Store. What is written meanwhile is not seen.
func (s *Store) Entries(ctx context.Context, chain string, from int64, visit func(ledger.Entry) error) error {
	return s.query(ctx, `SELECT seq, time, kind, prev, hash, body FROM entries WHERE chain = (SELECT id FROM chains WHERE chain = ?) AND seq >= ? ORDER BY seq`,
		[]any{chain, from}, func(rows *sql.Rows) error {
			e := ledger.Entry{Chain: chain}
			var at, body string
			if err := rows.Scan(&e.Seq, &at, &e.Kind, &e.Prev, &e.Hash, &body); err != nil {
				return err
			}
			// A time that was altered to be none has another hash: verification tells.
			e.Time, _ = unstamp(at)
			e.Body = json.RawMessage(body)
			if err := visit(e); err != nil {
				return visitError{err}
			}
			return nil
		})
}

// Heads is that of ledger.Store.
func (s *Store) Heads(ctx context.Context) (heads []ledger.Head, err error) {
	err = s.query(ctx, "SELECT chain, seq, hash FROM chains ORDER BY chain", nil, func(rows *sql.Rows) error {
		var h ledger.Head
		err := rows.Scan(&h.Chain, &h.Seq, &h.Hash)
		heads = append(heads, h)
		return err
	})
	return heads, err
}

// Incident is that of ledger.Store.
func (s *Store) Incident(ctx context.Context, id string) (inc incident.Incident, found bool, err error) {
	err = s.query(ctx, "SELECT body FROM incidents WHERE id = ?", []any{id}, func(rows *sql.Rows) error {
		found = true
		return scan(rows, &inc)
	})
	return inc, found, err
}

// scan decodes a body, the only column.
func scan(rows *sql.Rows, into any) error {
	var body []byte
	if err := rows.Scan(&body); err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("what is kept is not what was written: %w: trailwarden incidents verify says more", err)
	}
	return nil
}

// Latest is that of ledger.Store.
func (s *Store) Latest(ctx context.Context, trail string) (inc incident.Incident, found bool, head ledger.Head, err error) {
	head.Chain = trail
	err = s.query(ctx, "SELECT c.seq, c.hash, i.body FROM chains c LEFT JOIN incidents i ON i.id = c.latest WHERE c.chain = ?", []any{trail}, func(rows *sql.Rows) error {
		var body []byte
		if err := rows.Scan(&head.Seq, &head.Hash, &body); err != nil || body == nil {
			return err
		}
		found = true
		return json.Unmarshal(body, &inc)
	})
	return inc, found, head, err
}

// Incidents is that of ledger.Store.
func (s *Store) Incidents(ctx context.Context, q ledger.Query) (all []incident.Incident, err error) {
	var where []string
	var args []any
	and := func(condition string, arg ...any) {
		where = append(where, condition)
		args = append(args, arg...)
	}
	if q.Trail != "" {
		and("trail = ?", q.Trail)
	}
	if !q.Since.IsZero() {
		and("opened >= ?", stamp(q.Since))
	}
	if !q.Until.IsZero() {
		and("opened < ?", stamp(q.Until))
	}
	switch {
	case q.Open && q.Unconfirmed:
		and("outcome IN ('open', 'failed', 'repaired')")
	case q.Open: // the first condition is that of the index
		and("outcome IN ('open', 'failed', 'repaired') AND outcome <> 'repaired'")
	case q.Unconfirmed:
		and("outcome IN ('open', 'failed', 'repaired') AND outcome = 'repaired'")
	}
	text := "SELECT body FROM incidents"
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	text += " ORDER BY opened DESC, id"
	if q.Limit > 0 {
		text += " LIMIT ?"
		args = append(args, q.Limit)
	}
	err = s.query(ctx, text, args, func(rows *sql.Rows) error {
		var inc incident.Incident
		err := scan(rows, &inc)
		all = append(all, inc)
		return err
	})
	return all, err
}

// Messages is that of ledger.Store.
func (s *Store) Messages(ctx context.Context, due time.Time, limit int) (all []ledger.Message, err error) {
	text, args := "SELECT body FROM messages", []any{}
	if !due.IsZero() {
		text += " WHERE due <= ?"
		args = append(args, stamp(due))
	}
	text += " ORDER BY created, seq, id"
	if limit > 0 {
		text += " LIMIT ?"
		args = append(args, limit)
	}
	err = s.query(ctx, text, args, func(rows *sql.Rows) error {
		var m ledger.Message
		err := scan(rows, &m)
		all = append(all, m)
		return err
	})
	return all, err
}

// Marks is that of ledger.Store.
func (s *Store) Marks(ctx context.Context, prefix string, now time.Time) (marks []ledger.Mark, err error) {
	text, args := "SELECT key, value, expires FROM marks WHERE (expires = '' OR expires > ?) AND key >= ?", []any{stamp(now), prefix}
	if end := after(prefix); end != "" {
		text += " AND key < ?"
		args = append(args, end)
	}
	err = s.query(ctx, text+" ORDER BY key", args, func(rows *sql.Rows) error {
		var m ledger.Mark
		var expires string
		if err := rows.Scan(&m.Key, &m.Value, &expires); err != nil {
			return err
		}
		var err error
		m.Expires, err = unstamp(expires)
		marks = append(marks, m)
		return err
	})
	return marks, err
}

// after is the first text after all that begin with prefix; empty when there is none.
func after(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return ""
}

// Blob is that of ledger.Store.
func (s *Store) Blob(ctx context.Context, name string) (data []byte, err error) {
	found := false
	if err := s.query(ctx, "SELECT data FROM blobs WHERE sha256 = ?", []any{name}, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(&data)
	}); err != nil {
		return nil, err
	}
	if !found {
		return nil, ledger.ErrNoBlob
	}
	return data, ledger.CheckBlob(name, data)
}

// Check reads the whole file and says what is damaged in it. It takes seconds for a gigabyte; what chains and hashes tell is
// ledger.Verify's. To a file that was found damaged nothing is written any more.
func (s *Store) Check(ctx context.Context) error {
	var wrong []string
	if err := s.query(ctx, "PRAGMA integrity_check(10)", nil, func(rows *sql.Rows) error {
		var line string
		err := rows.Scan(&line)
		if line != "ok" {
			wrong = append(wrong, line)
		}
		return err
	}); err != nil {
		return err
	}
	if len(wrong) > 0 {
		var err error = &hinted{fmt.Errorf("check ledger %s: %w (%s)", s.path, ErrDamaged, strings.Join(wrong, "; ")), salvage(s.path)}
		s.damaged.CompareAndSwap(nil, &err)
		return err
	}
	return nil
}
