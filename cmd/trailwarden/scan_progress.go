package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/archive"
)

// progress is the file from which an interrupted scan goes on.
type progress struct {
	path string // "" when nobody asked for one
	file progressFile
	archive.Checkpoint
}

// progressFile is what stands in it.
type progressFile struct {
	Version int       `json:"version"`
	Paths   []string  `json:"paths"`
	Since   time.Time `json:"since"` // files that are older were left out
	archive.Checkpoint
}

// openProgress reads a progress file where there is one. It must be of a scan of the same files.
func openProgress(path string, args []string, since time.Time) (*progress, error) {
	p := &progress{path: path, file: progressFile{Version: 1, Since: since}}
	for _, arg := range args {
		if full, err := filepath.Abs(arg); err == nil && !strings.HasPrefix(arg, "s3://") {
			arg = full
		}
		p.file.Paths = append(p.file.Paths, arg)
	}
	if path == "" {
		return p, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read progress: %w", err)
	}
	var before progressFile
	if err := json.Unmarshal(text, &before); err != nil || before.Version != 1 {
		return nil, usage("name another file, or remove this one", "read progress: %s is no progress file of a scan", path)
	}
	if strings.Join(before.Paths, "\n") != strings.Join(p.file.Paths, "\n") || !before.Since.Equal(since) {
		return nil, usage("remove it to begin again, or give the same PATHs and --from", "read progress: %s is of a scan of other files", path)
	}
	p.Checkpoint = before.Checkpoint
	return p, nil
}

// save keeps where the scan is; in a file if one was asked for.
func (p *progress) save(c archive.Checkpoint) error {
	p.Checkpoint = c
	if p.path == "" {
		return nil
	}
	return p.write()
}

func (p *progress) write() error {
	p.file.Checkpoint = p.Checkpoint
	text, err := json.Marshal(p.file)
	if err != nil {
		return fmt.Errorf("encode progress: %w", err)
	}
	return replace(p.path, text)
}

// keep writes the file even if nobody asked for one, and says where it is.
func (p *progress) keep() (string, error) {
	if p.path == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			dir = os.TempDir()
		}
		dir = filepath.Join(dir, "trailwarden")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", fmt.Errorf("keep progress: %w", err)
		}
		sum := sha256.Sum256([]byte(strings.Join(p.file.Paths, "\n")))
		p.path = filepath.Join(dir, "scan-"+hex.EncodeToString(sum[:6])+".json")
	}
	return p.path, p.write()
}

// done removes the file: the next scan begins at the beginning.
func (p *progress) done() error {
	if p.path == "" {
		return nil
	}
	if err := os.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove progress: %w", err)
	}
	return nil
}
