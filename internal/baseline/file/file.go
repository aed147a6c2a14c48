// Package file reads and writes the baseline file as YAML: strictly, every problem with line, column and hint, and so
// that it differs in few lines when a trail does.
package file

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/config/yaml"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Schema is where the JSON Schema is published.
const Schema = "https://raw.githubusercontent.com/trailwarden/trailwarden/main/schemas/baseline.v1.json"

// limits leave room for two thousand trails.
var limits = yaml.Limits{
	Size: 2 << 20, Keys: 60_000,
	Hint: "is this the right file?", Help: "see `trailwarden baseline capture`, which writes one",
}

// Load reads a file that may follow the one that was used last. Any error is a *baseline.Unusable.
func Load(path string, last baseline.Used) (baseline.File, error) {
	unusable := func(why string, err error) (baseline.File, error) {
		return baseline.File{}, &baseline.Unusable{Path: path, Why: why, Err: err}
	}
	data, err := read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unusable(baseline.Missing, errors.New("there is no such file"))
	case err != nil:
		return unusable(baseline.Unreadable, err)
	case blank(data):
		return unusable(baseline.Empty, errors.New("the file is empty"))
	}
	f, problems := Parse(path, data)
	if len(problems) > 0 {
		return unusable(baseline.Invalid, problems)
	}
	return f, f.Follows(last)
}

// blank tells whether there is nothing in a text but comments.
func blank(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(limits.Size)+1)) // Parse refuses what is longer
}

// Parse reads the text of a file. The name is for messages. Only without problems is the file to be used.
func Parse(name string, data []byte) (baseline.File, config.Problems) {
	d, body := yaml.Open(name, data, limits)
	f := baseline.File{Name: name}
	if len(d.Problems()) > 0 {
		return f, d.Problems()
	}
	f.Places = d.Decode(body, &f)
	for i := range f.Trails {
		if _, set := f.Places[fmt.Sprintf("trails[%d].repair", i)]; !set {
			f.Trails[i].Repair = []trail.Group{trail.GroupLogging}
		}
	}
	for _, p := range f.Problems() {
		d.ProblemAt(config.Place{Line: p.Line, Column: p.Column}, p.Key, p.Message, p.Hint)
	}
	problems := d.Problems()
	slices.SortStableFunc(problems, func(a, b config.Problem) int {
		// What is about the whole file has no line, and comes last.
		return cmp.Or(cmp.Compare(uint(a.Line-1), uint(b.Line-1)), cmp.Compare(a.Column, b.Column))
	})
	return f, problems
}

// Format writes a file: trails by their ARNs, one setting a line, lists in one order. Parse gives the same back.
func Format(f baseline.File) []byte {
	return append([]byte(header(f)), yaml.Encode(f.Canonical())...)
}

// header is the comment at the top.
func header(f baseline.File) string {
	return fmt.Sprintf(`# How each CloudTrail trail is pinned to be. trailwarden reports what differs, and repairs the groups under "repair".
# Captured %s by %s.
# Change it by review only, with one more in "serial" each time: trailwarden baseline accept, baseline capture.
# yaml-language-server: $schema=%s
`, f.Captured.At.UTC().Format(time.RFC3339), yaml.Printable(f.Captured.By), Schema)
}
