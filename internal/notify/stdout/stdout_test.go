package stdout

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
	"github.com/trailwarden/trailwarden/internal/notify/ocsf"
)

// TestLines: each step of a life is one line, which holds the very document that other machines get.
func TestLines(t *testing.T) {
	var out bytes.Buffer
	c := &Channel{W: &out}
	for _, sample := range notifytest.Life() {
		out.Reset()
		if err := c.Notify(t.Context(), sample.Incident); err != nil {
			t.Fatal(err)
		}
		line, rest, ok := strings.Cut(out.String(), "\n")
		if !ok || rest != "" {
			t.Fatalf("%s is not one line: %q", sample.Name, out.String())
		}
		var got notify.Message
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		want := sample.Incident
		if got.Trailwarden.ID != want.ID || got.Trailwarden.Stage != want.Stage || got.Trailwarden.Outcome != want.Outcome {
			t.Errorf("%s arrives as %+v", sample.Name, got.Trailwarden)
		}
	}
}

// TestOCSF: the same incidents as events of the OCSF, each on a line of its own.
func TestOCSF(t *testing.T) {
	var out bytes.Buffer
	c := &Channel{W: &out, Format: OCSF, Version: "1.0.0"}
	inc := notifytest.Repaired()
	if err := c.Notify(t.Context(), inc); err != nil {
		t.Fatal(err)
	}
	want, err := ocsf.Lines(inc, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines", n)
	}
}

// TestHostile: no text breaks a line, moves a terminal, or brings a secret along.
func TestHostile(t *testing.T) {
	for _, format := range []string{JSON, OCSF} {
		for name, inc := range notifytest.HostileIncidents() {
			var out bytes.Buffer
			c := &Channel{W: &out, Format: format}
			if err := c.Notify(t.Context(), inc); err != nil {
				t.Fatal(err)
			}
			for line := range strings.SplitSeq(strings.TrimSuffix(out.String(), "\n"), "\n") {
				if !json.Valid([]byte(line)) || len(line) > Limit {
					t.Errorf("%s, %s: not one document of at most %d bytes: %.200s", name, format, Limit, line)
				}
				if err := errors.Join(notifytest.Visible(line, false), notifytest.NoSecrets(line)); err != nil {
					t.Errorf("%s, %s: %v", name, format, err)
				}
			}
		}
	}
}

// TestTogether: lines of messages that are sent at the same time do not mix.
func TestTogether(t *testing.T) {
	var out pieces
	c := &Channel{W: &out}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := c.Notify(t.Context(), notifytest.Repaired()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("mixed: %.100s", line)
		}
	}
}

// pieces is a writer that takes its time over a document.
type pieces struct{ bytes.Buffer }

func (p *pieces) Write(b []byte) (int, error) {
	for i := range b {
		p.Buffer.WriteByte(b[i])
		if i%64 == 0 {
			runtime.Gosched()
		}
	}
	return len(b), nil
}

// TestClosed: a message that nobody could read is not told, and may be told later.
func TestClosed(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	err := (&Channel{W: w}).Notify(t.Context(), notifytest.Repaired())
	if err == nil || notify.IsPermanent(err) || !strings.Contains(err.Error(), "stdout") {
		t.Errorf("%v", err)
	}
}
