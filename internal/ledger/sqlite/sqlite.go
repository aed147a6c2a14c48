// Package sqlite keeps a ledger in one SQLite file, for one machine: each write is on the disk before it is answered
// (WAL, full sync), writes that come at the same time share one sync, and readers never wait for the writer.
//
// One process at a time watches and writes (Open); others may read beside it (OpenReadOnly) or put in a word
// (OpenBeside). The file has to be on a local file system: WAL does not work over a network.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Store is a ledger.Store in a file.
type Store struct {
	path    string
	lock    *lock   // nil but after Open
	readers *sql.DB // any number of connections, which cannot write
	writer  *writer // nil after OpenReadOnly
	once    sync.Once
	closed  error
	damaged atomic.Pointer[error] // why nothing is written any more
}

// Open opens a ledger to write it, and makes or migrates it where that is needed. No other process holds it while this one
// does; now is told to those who try.
func Open(ctx context.Context, path string, now time.Time) (*Store, error) {
	return open(ctx, path, now, migrations)
}

func open(ctx context.Context, path string, now time.Time, migrations []string) (_ *Store, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	s := &Store{path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.lock, err = hold(path, now); err != nil {
		return nil, err
	}
	if err := create(path); err != nil {
		return nil, err
	}
	if err := s.open(ctx, func(w *writer) error { return migrate(ctx, w, migrations, now) }); err != nil {
		return nil, err
	}
	return s, nil
}

// OpenBeside opens a ledger to write to it for a moment, also while another process holds it: an acknowledgement, say. It
// neither makes nor migrates one.
func OpenBeside(ctx context.Context, path string) (_ *Store, err error) {
	if path, err = existing(path); err != nil {
		return nil, err
	}
	s := &Store{path: path}
	if err := s.open(ctx, func(w *writer) error { return current(ctx, w.conn, path) }); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OpenReadOnly opens a ledger to read it, also while another process writes to it.
func OpenReadOnly(ctx context.Context, path string) (_ *Store, err error) {
	if path, err = existing(path); err != nil {
		return nil, err
	}
	s := &Store{path: path}
	if s.readers, err = sql.Open("sqlite", dsn(path, url.Values{"mode": {"ro"}}, reading)); err != nil {
		return nil, s.failed("open", err)
	}
	err = current(ctx, s.readers, path)
	if c := code(err) & 0xff; (c == codeCantOpen || c == codeReadOnly) && isMissing(path+"-wal") {
		// Nobody writes to it, and beside it no file can be made: a folder that cannot be written to.
		s.readers.Close()
		if s.readers, err = sql.Open("sqlite", dsn(path, url.Values{"mode": {"ro"}, "immutable": {"1"}}, reading)); err == nil {
			err = current(ctx, s.readers, path)
		}
	}
	if err != nil {
		return nil, errors.Join(s.failed("open", err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, check func(*writer) error) (err error) {
	if s.writer, err = startWriter(ctx, s, dsn(s.path, nil, writing), check); err != nil {
		return s.failed("open", err)
	}
	if s.readers, err = sql.Open("sqlite", dsn(s.path, nil, reading)); err != nil {
		return s.failed("open", err)
	}
	s.readers.SetMaxIdleConns(4)
	return nil
}

// Close ends the store once all that was begun is written. Closing again does nothing.
func (s *Store) Close() error {
	s.once.Do(func() {
		var err error
		if s.readers != nil {
			err = errors.Join(err, s.readers.Close())
		}
		if s.writer != nil {
			err = errors.Join(err, s.writer.close())
		}
		if s.lock != nil {
			err = errors.Join(err, s.lock.release())
		}
		if err != nil {
			s.closed = s.failed("close", err)
		}
	})
	return s.closed
}

var (
	reading = []string{"query_only(1)", "busy_timeout(10000)", "trusted_schema(0)"}
	writing = []string{"busy_timeout(10000)", "synchronous(full)", "fullfsync(1)", "checkpoint_fullfsync(1)", "journal_size_limit(16777216)",
		"trusted_schema(0)", "cell_size_check(1)"}
	// What a file is made with, in this order; it keeps it. Entries of some kilobytes waste half of small pages. With
	// auto_vacuum retention can give pages back.
	making = "PRAGMA page_size = 8192; PRAGMA auto_vacuum = incremental; PRAGMA journal_mode = wal"
)

// dsn names a file to the driver, whatever characters are in its path.
func dsn(path string, values url.Values, pragmas []string) string {
	if values == nil {
		values = url.Values{}
	}
	values["_pragma"] = pragmas
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // of Windows
	}
	return "file://" + (&url.URL{Path: slashed}).EscapedPath() + "?" + values.Encode()
}

// create makes an empty file that only its owner may read. What is there must be SQLite's: it is never overwritten.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open ledger: %w: check the folder, and who may write to it", err)
	}
	defer f.Close()
	return checkMagic(f, path)
}

func existing(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return path, fmt.Errorf("open ledger: %w", err)
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return path, fmt.Errorf("open ledger: %w: there is none yet; trailwarden watch --ledger FILE begins one", err)
	} else if err != nil {
		return path, fmt.Errorf("open ledger: %w", err)
	}
	defer f.Close()
	return path, checkMagic(f, path)
}

func isMissing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist)
}

func checkMagic(f *os.File, path string) error {
	const magic = "SQLite format 3\x00"
	begin := make([]byte, len(magic))
	switch n, err := io.ReadFull(f, begin); {
	case errors.Is(err, io.EOF):
		return nil // new, or cut off before anything was written
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("open ledger: %w", err)
	case string(begin[:n]) != magic:
		return fmt.Errorf("open ledger %s: %w: it does not begin as a ledger does. %s", path, ErrDamaged, salvage(path))
	}
	return nil
}
