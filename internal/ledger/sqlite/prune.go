package sqlite

import (
	"context"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger"
)

// chunk is how many rows are removed while others wait to write.
const chunk = 500

// Prune is that of ledger.Store. It goes in small steps, so that writes are not held up, and gives the space back to the disk. Where
// it is cut off, the chains verify all the same, and the next one goes on.
func (s *Store) Prune(ctx context.Context, before, now time.Time) (removed int, err error) {
	step := func(do func() error) error { return s.submit(ctx, "prune", false, do) }
	// all repeats a statement whose last parameter is how many rows it may remove.
	all := func(query string, args ...any) (removed int, err error) {
		for {
			var n int64
			if err := step(func() (err error) { n, err = s.writer.change(query, append(args, chunk)...); return err }); err != nil {
				return removed, err
			}
			if removed += int(n); n < chunk {
				return removed, nil
			}
		}
	}
	heads, err := s.Heads(ctx)
	if err != nil {
		return 0, err
	}
	for _, h := range heads {
		var chain, upto int64
		if err := step(func() (err error) { chain, upto, err = s.writer.prune(h.Chain, before, now); return err }); err != nil {
			return removed, err
		}
		if upto == 0 {
			continue
		}
		if _, err := all("DELETE FROM incidents WHERE rowid IN (SELECT rowid FROM incidents WHERE chain = ? AND last <= ? LIMIT ?)", chain, upto); err != nil {
			return removed, err
		}
		n, err := all("DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries WHERE chain = ? AND seq <= ? ORDER BY seq LIMIT ?)", chain, upto)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	for _, q := range []struct {
		query string
		args  []any
	}{
		{"DELETE FROM marks WHERE key IN (SELECT key FROM marks WHERE expires <> '' AND expires <= ? LIMIT ?)", []any{stamp(now)}},
		{"DELETE FROM leases WHERE name IN (SELECT name FROM leases WHERE until <= ? LIMIT ?)", []any{stamp(now)}},
		{`DELETE FROM blobs WHERE rowid IN (SELECT rowid FROM blobs WHERE at < ?
			AND NOT EXISTS (SELECT 1 FROM incidents WHERE evidence = sha256 AND evidence <> '')
			AND NOT EXISTS (SELECT 1 FROM entries WHERE kind = 'quarantine' AND json_extract(body, '$.input') = sha256) LIMIT ?)`, []any{stamp(before)}},
	} {
		if _, err := all(q.query, q.args...); err != nil {
			return removed, err
		}
	}
	return removed, s.vacuum(ctx)
}

// prune decides up to which entry a chain is pruned, and lets the chain say so. 0 for not at all.
func (w *writer) prune(name string, before, now time.Time) (chain, upto int64, err error) {
	head := ledger.Head{Chain: name}
	if _, err := w.row("SELECT id, seq, hash FROM chains WHERE chain = ?", []any{name}, &chain, &head.Seq, &head.Hash); err != nil {
		return 0, 0, err
	}
	// The first entry that is young enough stays, and all after it: a clock that was set back makes no holes. Blocks that
	// are read are those that go.
	young := head.Seq + 1
	if _, err := w.row("SELECT seq FROM entries WHERE chain = ? AND time >= ? ORDER BY seq LIMIT 1", []any{chain, stamp(before)}, &young); err != nil {
		return 0, 0, err
	}
	for upto = young - 1; upto > 0; {
		// As ledger.PruneUpto.
		first := upto + 1
		if _, err := w.row(`SELECT first FROM incidents i WHERE chain = ? AND first <= ? AND (last > ? OR outcome IN ('open', 'failed', 'repaired')
			OR EXISTS (SELECT 1 FROM messages m WHERE m.incident = i.id)) ORDER BY first LIMIT 1`, []any{chain, upto, upto}, &first); err != nil {
			return 0, 0, err
		}
		if first > upto {
			break
		}
		upto = first - 1
	}
	// What is left of a chain that was pruned before is no reason to prune it again.
	var news int
	if _, err := w.row("SELECT 1 FROM entries WHERE chain = ? AND seq <= ? AND kind <> 'pruned' LIMIT 1", []any{chain, upto}, &news); err != nil || news == 0 {
		return 0, 0, err
	}
	last := ledger.Head{Chain: name, Seq: upto}
	if _, err := w.row("SELECT hash FROM entries WHERE chain = ? AND seq = ?", []any{chain, upto}, &last.Hash); err != nil {
		return 0, 0, err
	}
	e, err := ledger.Link(head, ledger.PrunedDraft(last, now))
	if err != nil {
		return 0, 0, err
	}
	return chain, upto, w.append(chain, []ledger.Entry{e})
}

// vacuum gives free pages back to the disk.
func (s *Store) vacuum(ctx context.Context) error {
	for before := -1; ; {
		var free int
		if err := s.submit(ctx, "prune", false, func() error {
			if err := s.writer.exec("PRAGMA incremental_vacuum(1000)"); err != nil {
				return err
			}
			_, err := s.writer.row("PRAGMA freelist_count", nil, &free)
			return err
		}); err != nil {
			return err
		}
		if free == 0 || free == before {
			break
		}
		before = free
	}
	return s.submit(ctx, "prune", true, func() error { return s.writer.exec("PRAGMA wal_checkpoint(TRUNCATE)") })
}
