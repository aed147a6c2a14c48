package email

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

const password = "hunter2-canary-password"

// TestSend: the message arrives over TLS, after name and password, as it was rendered.
func TestSend(t *testing.T) {
	for name, s := range map[string]*server{
		"STARTTLS": {starttls: true, login: plain("tw", password)},
		"TLS":      {implicit: true, login: plain("tw", password)},
		"no login": {starttls: true},
	} {
		t.Run(name, func(t *testing.T) {
			s.start(t)
			c := s.channel(func(o *Options) {
				if s.login != "" {
					o.Username, o.Password = "tw", password
				}
			})
			inc := notifytest.Repaired()
			if err := c.Notify(t.Context(), inc); err != nil {
				t.Fatal(err)
			}
			if len(s.got) != 1 || !s.got[0].secure || s.got[0].to != "security@example.org" || !strings.Contains(s.got[0].from, "<trailwarden@example.org>") {
				t.Fatalf("%+v", s.got)
			}
			l := read(t, s.got[0].raw)
			if l.header.Get("Subject") != notify.Subject(inc) || strings.TrimSpace(l.text) != strings.TrimSpace(notify.Prose(inc, notifytest.Berlin)) {
				t.Errorf("arrives as %q:\n%s", l.header.Get("Subject"), l.text)
			}
		})
	}
}

// TestNeverInClear: whatever the server or somebody in between says, neither message nor password leaves in clear.
func TestNeverInClear(t *testing.T) {
	// FAULTS G16.
	expired, key := certificatePair(t, "mail.example.org", time.Now().Add(-time.Hour))
	old, err := tls.X509KeyPair(expired, key)
	if err != nil {
		t.Fatal(err)
	}
	wrong, key := certificatePair(t, "evil.example", time.Now().Add(time.Hour))
	other, err := tls.X509KeyPair(wrong, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		server *server
		says   string
	}{
		"STARTTLS stripped":     {&server{}, "in clear"},
		"STARTTLS refused":      {&server{starttls: true, replies: map[string][]string{"STARTTLS": {"502 5.5.1 not here"}}}, "for good"},
		"STARTTLS not now":      {&server{starttls: true, replies: map[string][]string{"STARTTLS": {"454 4.7.0 TLS not available"}}}, "later"},
		"certificate expired":   {&server{starttls: true, config: &tls.Config{Certificates: []tls.Certificate{old}}}, "certificate"},
		"certificate of others": {&server{starttls: true, config: &tls.Config{Certificates: []tls.Certificate{other}}}, "certificate"},
		"TLS, of others":        {&server{implicit: true, config: &tls.Config{Certificates: []tls.Certificate{other}}}, "certificate"},
		"old TLS":               {&server{starttls: true, config: &tls.Config{Certificates: []tls.Certificate{old}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}}, "protocol version"},
	} {
		t.Run(name, func(t *testing.T) {
			s := row.server.start(t)
			c := s.channel(func(o *Options) { o.Username, o.Password = "tw", password })
			err := c.Notify(t.Context(), notifytest.Repaired())
			if err == nil || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v", err)
			}
			again := name == "STARTTLS not now" || name == "old TLS"
			if notify.IsPermanent(err) == again {
				t.Errorf("permanent is %v: %v", notify.IsPermanent(err), err)
			}
			for _, line := range s.said {
				if strings.HasPrefix(line, "AUTH") || strings.HasPrefix(line, "MAIL") {
					t.Errorf("the server heard %q in clear", line)
				}
			}
		})
	}
}

// TestLoopback: to this machine itself, such as its own Postfix, a message may go without TLS.
func TestLoopback(t *testing.T) {
	s := (&server{}).start(t)
	o := options()
	o.Server = s.address
	if err := open(t, o).Notify(t.Context(), notifytest.Repaired()); err != nil || len(s.got) != 1 {
		t.Errorf("%d messages, %v", len(s.got), err)
	}
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "10.0.0.1": false, "localhost.example.org": false, "127.0.0.1.example.org": false} {
		if loopback(host) != want {
			t.Errorf("%s", host)
		}
	}
}

// TestReplies: each answer of a server is taken as the RFCs mean it.
func TestReplies(t *testing.T) {
	for name, row := range map[string]struct {
		command, reply string
		permanent      bool
		code           int
	}{
		"greylisting":         {"RCPT", "450 4.2.0 Greylisted, see https://postgrey.example/", false, 450},
		"mailbox full":        {"RCPT", "452 4.2.2 Mailbox full", false, 452},
		"no such user":        {"RCPT", "550 5.1.1 User unknown", true, 550},
		"relay denied":        {"RCPT", "554 5.7.1 Relay access denied", true, 554},
		"sender refused":      {"MAIL", "553 5.7.1 Sender address rejected", true, 553},
		"sender later":        {"MAIL", "451 4.3.0 Temporary lookup failure", false, 451},
		"too many":            {"CONNECT", "421 4.7.0 Too many connections", false, 421},
		"banned":              {"CONNECT", "554 5.7.1 You are on a list", true, 554},
		"spam":                {"MESSAGE", "550 5.7.1 This looks like spam", true, 550},
		"disk full":           {"MESSAGE", "452 4.3.1 Insufficient system storage", false, 452},
		"no data":             {"DATA", "451 4.3.5 try later", false, 451},
		"wrong password":      {"AUTH", "535 5.7.8 Authentication failed", true, 535},
		"no login today":      {"AUTH", "454 4.7.0 Temporary authentication failure", false, 454},
		"hostile":             {"RCPT", "550 5.1.1 \x1b[2J\u202e " + notifytest.CanaryKey + " https://evil.example", true, 550},
		"hostile and lasting": {"RCPT", "450 4.1.1 STARTTLS mode set to: gone", false, 450},
	} {
		t.Run(name, func(t *testing.T) {
			s := (&server{starttls: true, login: plain("tw", password), replies: map[string][]string{row.command: {row.reply}}}).start(t)
			c := s.channel(func(o *Options) { o.Username, o.Password = "tw", password })
			inc := notifytest.Repaired()
			err := c.Notify(t.Context(), inc)
			failed, ok := errors.AsType[*SendError](err)
			if !ok || failed.Code != row.code || notify.IsPermanent(err) != row.permanent {
				t.Fatalf("permanent %v: %#v %v", notify.IsPermanent(err), failed, err)
			}
			text := err.Error()
			if err := errors.Join(notifytest.Visible(text, false), notifytest.NoSecrets(text, password, plain("tw", password))); err != nil || strings.Contains(text, "://") {
				t.Errorf("%v: %s", err, text)
			}
			if len(s.told()) != 0 {
				t.Errorf("told %v", s.told())
			}
			// Greylisting passes: the same message goes out at the next try.
			if err := c.Notify(t.Context(), inc); err != nil || len(s.told()) != 1 {
				t.Errorf("next try: %v, %v", s.told(), err)
			}
		})
	}
}

// memory remembers for one test.
type memory map[string]string

func (m memory) Recall(_ context.Context, key string) (string, error) { return m[key], nil }
func (m memory) Remember(_ context.Context, key, value string) error  { m[key] = value; return nil }

// TestRecipients: one bad address keeps the message from nobody else, and a second try gives nobody a second copy.
func TestRecipients(t *testing.T) {
	s := (&server{starttls: true, replies: map[string][]string{
		"RCPT TO:<gone@example.org>": {"550 5.1.1 unknown", "550 5.1.1 unknown"},
		"RCPT TO:<grey@example.org>": {"450 4.2.0 later"},
	}}).start(t)
	c := s.channel(func(o *Options) {
		o.To, o.Memory = []string{"ada@example.org", "gone@example.org", "grey@example.org", "bob@example.org"}, memory{}
	})
	inc := notifytest.Repaired()
	err := c.Notify(t.Context(), inc)
	if err == nil || notify.IsPermanent(err) || !strings.Contains(err.Error(), "to gone@example.org, grey@example.org by") {
		t.Errorf("first: permanent %v: %v", notify.IsPermanent(err), err)
	}
	if diff := cmp.Diff([]string{"ada@example.org", "bob@example.org"}, s.told()); diff != "" {
		t.Errorf("first: %s", diff)
	}
	err = c.Notify(t.Context(), inc)
	if err == nil || !notify.IsPermanent(err) || !strings.Contains(err.Error(), "to gone@example.org by") {
		t.Errorf("second: permanent %v: %v", notify.IsPermanent(err), err)
	}
	if diff := cmp.Diff([]string{"ada@example.org", "bob@example.org", "grey@example.org"}, s.told()); diff != "" {
		t.Errorf("second: %s", diff)
	}
	for _, d := range s.got { // each sees their own address only
		if l := read(t, d.raw); l.header.Get("To") != "<"+d.to+">" {
			t.Errorf("%s: To %s", d.to, l.header.Get("To"))
		}
	}
	// The incident's next stage is told to all again.
	if err := c.Notify(t.Context(), notifytest.Life()[3].Incident); err != nil || len(s.told()) != 7 {
		t.Errorf("next stage: %v, %v", s.told(), err)
	}
}

// TestSilence: a server that takes the connection and says nothing costs no more than the caller's patience.
func TestSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := options()
	o.Server = l.Addr().String()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	err = open(t, o).Notify(ctx, notifytest.Repaired())
	if !errors.Is(err, context.DeadlineExceeded) || notify.IsPermanent(err) || time.Since(began) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// TestNobodyListens: a refused connection is worth another try.
func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	o := options()
	o.Server = l.Addr().String()
	if err := open(t, o).Notify(t.Context(), notifytest.Repaired()); err == nil || notify.IsPermanent(err) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v", err)
	}
}
