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
	"slices"
	"strings"
	"time"
)

// progress is the file from which an interrupted scan or verify goes on; C is what is known.
type progress[C any] struct {
	path string // "" when nobody asked for one
	file progressFile[C]
}

// progressFile is what stands in it.
type progressFile[C any] struct {
	Version int       `json:"version"`
	Of      string    `json:"of"`    // the command
	Paths   []string  `json:"paths"` // what it read
	Since   time.Time `json:"since"` // files that are older were left out
	Known   C         `json:"known"`
}

// openProgress reads a progress file where there is one. It must be of the same command on the same files.
func openProgress[C any](path, of string, paths []string, since time.Time) (*progress[C], error) {
	p := &progress[C]{path: path, file: progressFile[C]{Version: 1, Of: of, Paths: paths, Since: since}}
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
	var before progressFile[C]
	if err := json.Unmarshal(text, &before); err != nil || before.Version != 1 || before.Of != of {
		return nil, usage("name another file, or remove this one", "read progress: %s is no progress file of %s", path, of)
	}
	if !slices.Equal(before.Paths, paths) || !before.Since.Equal(since) {
		return nil, usage("remove it to begin again, or ask for the same as before", "read progress: %s is of a %s of other files, or from another time on", path, of)
	}
	p.file.Known = before.Known
	return p, nil
}

// save keeps what is known; in a file if one was asked for.
func (p *progress[C]) save(known C) error {
	p.file.Known = known
	if p.path == "" {
		return nil
	}
	return p.write()
}

func (p *progress[C]) write() error {
	text, err := json.Marshal(p.file)
	if err != nil {
		return fmt.Errorf("encode progress: %w", err)
	}
	return replace(p.path, text)
}

// keep writes the file even if nobody asked for one, and says where it is.
func (p *progress[C]) keep() (string, error) {
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
		p.path = filepath.Join(dir, p.file.Of+"-"+hex.EncodeToString(sum[:6])+".json")
	}
	return p.path, p.write()
}

// done removes the file: the next time begins at the beginning.
func (p *progress[C]) done() error {
	if p.path == "" {
		return nil
	}
	if err := os.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove progress: %w", err)
	}
	return nil
}

// absolute makes local paths independent of the folder that one is in.
func absolute(args []string) []string {
	all := slices.Clone(args)
	for i, arg := range all {
		if full, err := filepath.Abs(arg); err == nil && !strings.HasPrefix(arg, "s3://") {
			all[i] = full
		}
	}
	return all
}
