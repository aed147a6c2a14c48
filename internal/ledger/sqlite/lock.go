package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// lock is held on a file beside the ledger. The system gives it up when the process ends, however it ends; what the file says is
// for people only.
type lock struct {
	file *os.File
}

// holder is what the file says.
type holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// hold takes the lock, or says who has it.
func hold(path string, now time.Time) (*lock, error) {
	name := path + ".lock"
	f, err := openLock(name)
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("open ledger %s: %w: %s. Stop that one, or give this one another --ledger. To read beside it needs no lock", path, ErrHeld, held(name))
	} else if err != nil {
		return nil, fmt.Errorf("open ledger: %w: check the folder, and who may write to it", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	text, err := json.Marshal(holder{os.Getpid(), host, now.UTC()})
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(append(text, '\n'), 0)
	}
	if err != nil && !full(err) { // a full disk keeps nobody from watching
		f.Close()
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return &lock{f}, nil
}

// release keeps the file: another process may be waiting for just this one.
func (l *lock) release() error {
	return errors.Join(l.file.Truncate(0), l.file.Close())
}

// held reads who holds the lock.
func held(name string) string {
	var by holder
	f, err := os.Open(name)
	if err == nil {
		defer f.Close()
		err = json.NewDecoder(io.LimitReader(f, 4096)).Decode(&by)
	}
	if err != nil {
		return "which process, " + name + " does not say"
	}
	return fmt.Sprintf("process %d on %q since %s", by.PID, by.Host, by.Since.Format(time.RFC3339))
}
