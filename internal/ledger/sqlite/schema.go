package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
)

// application is PRAGMA application_id of a ledger: "TWLG".
const application = 0x54574c47

// migrations bring a file from version i to i+1. What is here is never altered; a change of schema is one more.
// Times are text that sorts (see stamp).
var migrations = []string{`
CREATE TABLE versions (version INTEGER PRIMARY KEY, at TEXT NOT NULL);

CREATE TABLE chains (id INTEGER PRIMARY KEY, chain TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, hash TEXT NOT NULL,
	latest TEXT NOT NULL);   -- the incident that was written last

CREATE TABLE entries (chain INTEGER NOT NULL REFERENCES chains, seq INTEGER NOT NULL, time TEXT NOT NULL, kind TEXT NOT NULL,
	prev TEXT NOT NULL, hash TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (chain, seq));
CREATE INDEX entries_quarantine ON entries (json_extract(body, '$.input')) WHERE kind = 'quarantine';

CREATE TABLE incidents (id TEXT NOT NULL PRIMARY KEY, chain INTEGER NOT NULL REFERENCES chains,
	first INTEGER NOT NULL, last INTEGER NOT NULL,   -- its entries: none of others
	trail TEXT NOT NULL, opened TEXT NOT NULL, outcome TEXT NOT NULL, evidence TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX incidents_opened ON incidents (opened, id);
CREATE INDEX incidents_trail ON incidents (trail, opened);
CREATE INDEX incidents_chain ON incidents (chain, first, last, outcome);
CREATE INDEX incidents_standing ON incidents (opened) WHERE outcome IN ('open', 'failed', 'repaired');
CREATE INDEX incidents_evidence ON incidents (evidence) WHERE evidence <> '';

CREATE TABLE messages (id TEXT NOT NULL PRIMARY KEY, created TEXT NOT NULL, seq INTEGER NOT NULL, due TEXT NOT NULL,
	incident TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX messages_order ON messages (created, seq, id, due);
CREATE INDEX messages_incident ON messages (incident);

CREATE TABLE marks (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, expires TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE leases (name TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, until TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE blobs (sha256 TEXT NOT NULL PRIMARY KEY, at TEXT NOT NULL, data BLOB NOT NULL);
`}

// querier is a connection or a pool of them.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// version is the schema version of a file, 0 for an empty one.
func version(ctx context.Context, q querier, path string) (int, error) {
	var app, tables, version int
	if err := q.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		return 0, err
	}
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return 0, err
	}
	if tables == 0 {
		return 0, nil
	}
	if app != application {
		return 0, fmt.Errorf("open ledger %s: %w: it is a database of another program. Give another --ledger", path, ErrDamaged)
	}
	err := q.QueryRowContext(ctx, "SELECT max(version) FROM versions").Scan(&version)
	return version, err
}

// current refuses a file that has another version than this program's.
func current(ctx context.Context, q querier, path string) error {
	switch v, err := version(ctx, q, path); {
	case err != nil:
		return err
	case v > len(migrations):
		return newer(path, v, len(migrations))
	case v == 0:
		return fmt.Errorf("open ledger %s: it is empty: trailwarden watch --ledger FILE begins one", path)
	case v < len(migrations):
		return &hinted{fmt.Errorf("open ledger %s: its schema has version %d; this program wants %d", path, v, len(migrations)),
			"trailwarden watch migrates it when it starts; until then use the older program to read it"}
	}
	return nil
}

func newer(path string, has, knows int) error {
	return &hinted{fmt.Errorf("open ledger %s: its schema has version %d; this program knows up to %d", path, has, knows),
		"it was written by a newer trailwarden. Use that one, or move back the copy that it made before it migrated (" + path + ".v*.bak); nothing was changed"}
}

// migrate brings a file to the latest version, each step whole or not at all, after it made a copy.
func migrate(ctx context.Context, w *writer, migrations []string, now time.Time) error {
	path := w.store.path
	v, err := version(ctx, w.conn, path)
	switch {
	case err != nil:
		return err
	case v > len(migrations):
		return newer(path, v, len(migrations))
	case v > 0 && v < len(migrations):
		if err := backup(ctx, w, v); err != nil {
			return err
		}
	case v == 0:
		if err := w.exec(making); err != nil {
			return err
		}
	}
	for ; v < len(migrations); v++ {
		if err := w.transaction(ctx, func() error {
			if err := w.exec(migrations[v]); err != nil {
				return err
			}
			if err := w.exec(fmt.Sprintf("PRAGMA application_id = %d", application)); err != nil {
				return err
			}
			return w.exec("INSERT INTO versions (version, at) VALUES (?, ?)", v+1, stamp(now))
		}); err != nil {
			return fmt.Errorf("open ledger %s: migrate to version %d: %w", path, v+1, err)
		}
	}
	return nil
}

// backup copies the file as it is into one that is not there yet.
func backup(ctx context.Context, w *writer, v int) error {
	var name string
	for i := 0; ; i++ {
		name = fmt.Sprintf("%s.v%d.bak", w.store.path, v)
		if i > 0 {
			name = fmt.Sprintf("%s.v%d-%d.bak", w.store.path, v, i)
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		} else if err != nil {
			return fmt.Errorf("open ledger: copy it before migrating: %w", err)
		}
		f.Close()
		break
	}
	if _, err := w.conn.ExecContext(ctx, "VACUUM INTO ?", name); err != nil {
		os.Remove(name)
		return fmt.Errorf("copy it to %s before migrating: %w", name, err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open ledger: copy it before migrating: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// stamp is a time as text that sorts as times do; what no four-digit year holds becomes the first or last moment that one does.
func stamp(t time.Time) string {
	t = t.UTC()
	switch y := t.Year(); {
	case y < 0:
		t = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	case y > 9999:
		t = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	}
	return t.Format("2006-01-02T15:04:05.000000000Z")
}

func unstamp(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, s)
}
