package email

import (
	"bytes"
	"flag"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

func now() time.Time { return time.Date(2026, 11, 23, 23, 30, 0, 0, time.UTC) }

func options() Options {
	return Options{
		Server: "mail.example.org:587", From: "trailwarden <trailwarden@example.org>", To: []string{"Security <security@example.org>"},
		Location: notifytest.Berlin, Version: "1.0.0", Now: now,
	}
}

func open(t *testing.T, o Options) *Channel {
	t.Helper()
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// letter is a mail as a reader's program understands it.
type letter struct {
	header     mail.Header
	text, html string
}

func read(t *testing.T, raw []byte) letter {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v:\n%.400s", err, raw)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s %v", kind, err)
	}
	l := letter{header: m.Header}
	for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return l
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Fatalf("encoding %s", p.Header.Get("Content-Transfer-Encoding"))
		}
		content, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(content), "\r\n", "\n")
		switch kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type")); kind {
		case "text/plain":
			l.text = text
		case "text/html":
			l.html = text
		default:
			t.Errorf("part %s", kind)
		}
	}
}

// TestGolden holds each step of a life against what was looked at.
func TestGolden(t *testing.T) {
	c := open(t, options())
	for _, sample := range notifytest.Life() {
		t.Run(sample.Name, func(t *testing.T) {
			raw, err := c.Render(sample.Incident)
			if err != nil {
				t.Fatal(err)
			}
			l := read(t, raw)
			if want := notify.Prose(sample.Incident, notifytest.Berlin); strings.TrimSpace(l.text) != strings.TrimSpace(want) {
				t.Errorf("the text is not the prose:\n%s", cmp.Diff(want, l.text))
			}
			compare(t, sample.Name+".eml.golden", bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")))
			compare(t, sample.Name+".html", []byte(l.html))
		})
	}
}

// TestThread: a mail program shows all messages of an incident as one thread, and a message that came twice once.
func TestThread(t *testing.T) {
	c := open(t, options())
	life := notifytest.Life()[:7]
	threads, ids := map[string]bool{}, map[string]string{}
	for _, sample := range life {
		var twice []string
		for range 2 {
			raw, err := c.Render(sample.Incident)
			if err != nil {
				t.Fatal(err)
			}
			h := read(t, raw).header
			threads[h.Get("References")], threads[h.Get("In-Reply-To")] = true, true
			twice = append(twice, h.Get("Message-Id"))
		}
		if twice[0] != twice[1] {
			t.Errorf("%s, sent twice, is two messages: %v", sample.Name, twice)
		}
		if other, ok := ids[twice[0]]; ok {
			t.Errorf("%s looks like %s, and would not be shown", sample.Name, other)
		}
		ids[twice[0]] = sample.Name
	}
	if len(threads) != 1 || !threads["<inc-a7b0e2939c4d5f60@example.org>"] {
		t.Errorf("threads %v", threads)
	}
}

// TestHeader: what mail servers and other people's programs look at.
func TestHeader(t *testing.T) {
	raw, err := open(t, options()).Render(notifytest.Life()[4].Incident)
	if err != nil {
		t.Fatal(err)
	}
	h := read(t, raw).header
	want := map[string]string{
		"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "List-Id": "trailwarden <trailwarden.example.org>", "X-Priority": "1",
		"X-Trailwarden-Incident": "inc-a7b0e2939c4d5f60", "X-Trailwarden-Severity": "critical", "X-Trailwarden-Stage": "escalated",
		"X-Trailwarden-Outcome": "failed", "X-Mailer": "trailwarden", "To": `"Security" <security@example.org>`,
		"From": `"trailwarden" <trailwarden@example.org>`, "Subject": notify.Subject(notifytest.Life()[4].Incident), "Date": "Mon, 23 Nov 2026 23:30:00 +0000",
		"User-Agent": "",
	}
	got := map[string]string{}
	for name := range want {
		got[name] = h.Get(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// headers are all that a message may have.
var headers = []string{
	"Auto-Submitted", "Content-Type", "Date", "From", "Importance", "In-Reply-To", "List-Id", "Message-Id", "Mime-Version", "Priority", "References",
	"Subject", "To", "X-Auto-Response-Suppress", "X-Mailer", "X-Msmail-Priority", "X-Priority", "X-Trailwarden-Drill", "X-Trailwarden-Incident",
	"X-Trailwarden-Outcome", "X-Trailwarden-Severity", "X-Trailwarden-Stage",
}

// TestHostile: no text of a record gets into a header, becomes markup, or brings a secret along.
func TestHostile(t *testing.T) {
	// FAULTS G2.
	c := open(t, options())
	for name, inc := range notifytest.HostileIncidents() {
		checkLetter(t, name, c, inc)
	}
}

// TestAddresses: the only addresses are those that were configured.
func TestAddresses(t *testing.T) {
	for text, good := range map[string]bool{
		"security@example.org": true, "Security Team <security@example.org>": true, "Sécurité <s@example.org>": true,
		"": false, "security": false, "a@example.org, b@example.org": false, "a@example.org\r\nBcc: b@example.org": false,
		"\"x\r\nBcc: y\" <a@example.org>": false, "sécurité@example.org": false,
	} {
		if _, err := CheckAddress(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		} else if err != nil {
			if err := notifytest.Visible(err.Error(), false); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestServers(t *testing.T) {
	for text, want := range map[string]string{
		"mail.example.org": "mail.example.org 587", "mail.example.org:465": "mail.example.org 465", "[::1]:25": "::1 25", "127.0.0.1:2525": "127.0.0.1 2525",
		"": "", ":25": "", "mail.example.org:0": "", "mail.example.org:x": "", "http://mail.example.org:25": "", "a b:25": "", "x:1:2": "", "mail\r\n:25": "",
	} {
		host, port, err := CheckServer(text)
		if got := host + " " + strconv.Itoa(port); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

func TestOpen(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no server":     func(o *Options) { o.Server = "" },
		"no sender":     func(o *Options) { o.From = "" },
		"nobody":        func(o *Options) { o.To = nil },
		"bad recipient": func(o *Options) { o.To = append(o.To, "x") },
		"no password":   func(o *Options) { o.Username = "x" },
		"no name":       func(o *Options) { o.Password = "hunter2-canary" },
	} {
		o := options()
		change(&o)
		if _, err := Open(o); err == nil {
			t.Errorf("%s: opened", name)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the password is in %v", name, err)
		}
	}
}

func FuzzLetter(f *testing.F) {
	for _, text := range notifytest.Hostile {
		f.Add(text[:min(len(text), 4000)], byte(len(text)))
	}
	c, err := Open(options())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, outcome byte) {
		canary := "key " + notifytest.CanaryKey + " " + notifytest.CanaryToken + " "
		checkLetter(t, "fuzz", c, notifytest.Filled(canary+text))
		checkLetter(t, "fuzz", c, notifytest.Believable(text+canary, incident.Outcomes[int(outcome)%len(incident.Outcomes)]))
	})
}

func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-file +now); run go test -update and read it:\n%s", path, diff)
	}
}
