package sqlite

import (
	"context"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
)

// ErrDamaged is answered for a file that is no ledger (any more). Nothing is written to it.
var ErrDamaged = errors.New("the file is damaged, or no ledger")

// ErrHeld is answered when another process holds the ledger.
var ErrHeld = errors.New("another trailwarden holds it")

var errClosed = errors.New("it is closed")

// Primary result codes of SQLite (https://sqlite.org/rescode.html).
const (
	codeBusy     = 5
	codeReadOnly = 8
	codeIOErr    = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeNotADB   = 26
)

// code is SQLite's result code behind an error; 0 for other errors.
func code(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// failed says what failed, in which file, and what can be done.
func (s *Store) failed(what string, err error) error {
	var said *hinted
	if errors.As(err, &said) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrHeld) {
		return err
	}
	hint := ""
	switch code(err) & 0xff {
	case codeBusy:
		hint = "another program has been writing to the file for ten seconds: find it (fuser FILE) and end it"
	case codeReadOnly:
		hint = "the file cannot be written: check its mode and owner, those of its folder, and whether the file system is read-only"
	case codeIOErr:
		hint = "the disk or its file system does not work: see dmesg. What was answered before is safe as far as the disk keeps it"
	case codeCorrupt, codeNotADB:
		err = &hinted{fmt.Errorf("%s ledger %s: %w (%w)", what, s.path, ErrDamaged, err), salvage(s.path)}
		s.damaged.CompareAndSwap(nil, &err) // nothing is written any more: that would make it worse
		return err
	case codeFull:
		hint = "the disk is full: free space (with 20 MB retention works again). What was answered before is safe"
	case codeCantOpen:
		hint = "the file or the ones beside it (-wal, -shm) cannot be opened: check the folder, and who may write to it"
	default:
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%s ledger %s: %w", what, s.path, err)
		}
	}
	return &hinted{fmt.Errorf("%s ledger %s: %w", what, s.path, err), hint}
}

// hinted is an error with what to do about it.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string {
	if h.hint == "" {
		return h.err.Error()
	}
	return h.err.Error() + ": " + h.hint
}

func (h *hinted) Unwrap() error { return h.err }

func salvage(path string) string {
	return "It is left as it is. Move it away with the files beside it (-wal, -shm), so that a new ledger can begin; to salvage what it holds: sqlite3 " +
		path + " .recover | sqlite3 salvaged.db, then trailwarden incidents verify --ledger salvaged.db"
}
