package channels_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// moving are the parts of payloads that differ each time.
var moving = regexp.MustCompile(`(?i)(\nDate: [^\r\n]*|boundary=[^\r\n]*|--[0-9a-f]{20,}(--)?)`)

// TestOwnIncidents: what trailwarden says of itself names no unknown trail and no unknown caller, on any channel.
func TestOwnIncidents(t *testing.T) {
	o := options(t, every...)
	o.Now = func() time.Time { return time.Date(2026, 11, 23, 23, 5, 0, 0, time.UTC) }
	for name, c := range opened(t, o) {
		var golden bytes.Buffer
		for _, s := range notifytest.Own() {
			payload, err := c.(channels.Teller).Render(s.Incident)
			if err != nil {
				t.Errorf("%s, %s: %v", name, s.Name, err)
			}
			for _, odd := range []string{"unnamed", "unknown account", "no event told of it", "What was done", "Latency"} {
				if strings.Contains(string(payload), odd) {
					t.Errorf("%s, %s: says %q", name, s.Name, odd)
				}
			}
			golden.WriteString("== " + s.Name + "\n")
			var pretty bytes.Buffer
			if json.Indent(&pretty, payload, "", "  ") == nil {
				payload = pretty.Bytes()
			}
			payload = bytes.ReplaceAll(moving.ReplaceAll(payload, []byte("\n[…]")), []byte("\r\n"), []byte("\n"))
			golden.Write(append(bytes.TrimSpace(payload), '\n'))
		}
		if name == "email" {
			continue // its parts are in an order of their own each time; what it says is checked above
		}
		path := filepath.Join("testdata", "own", name+".golden")
		if name == "securityhub" { // UpdatedAt is when it was rendered
			golden = *bytes.NewBuffer(regexp.MustCompile(`"UpdatedAt": "[^"]*"`).ReplaceAll(golden.Bytes(), []byte(`"UpdatedAt": "…"`)))
		}
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, golden.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), golden.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// FuzzCanary: whatever stands in a record, no channel shows the secrets that it was configured with, nor keys and tokens of the record.
func FuzzCanary(f *testing.F) {
	for _, text := range notifytest.Hostile {
		if len(text) < 2000 { // long ones are each channel's own test
			f.Add(text)
		}
	}
	for _, s := range secrets {
		f.Add(s)
	}
	o := options(f, every...)
	all := opened(f, o)
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range secrets {
			if strings.Contains(text, s) {
				return // it is the record that holds it
			}
		}
		text = notifytest.CanaryKey + " " + text
		for name, c := range all {
			for _, inc := range []incident.Incident{notifytest.Filled(text), notifytest.Believable(text, incident.Failed)} {
				payload, err := c.(channels.Teller).Render(inc)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				unseen(t, name, string(payload))
			}
		}
	})
}
