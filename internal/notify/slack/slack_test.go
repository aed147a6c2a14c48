package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
	"github.com/trailwarden/trailwarden/internal/notify/web/webtest"
	"github.com/trailwarden/trailwarden/internal/secret"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

var berlin = notifytest.Berlin

func secretOf(s string) secret.Value { return secret.New(s) }

type memory struct {
	kept map[string]string
	err  error
}

func (m *memory) Recall(_ context.Context, key string) (string, error) { return m.kept[key], m.err }
func (m *memory) Remember(_ context.Context, key, value string) error {
	if m.kept == nil {
		m.kept = map[string]string{}
	}
	m.kept[key] = value
	return m.err
}

// With a bot an incident is one message, which says how things are now, and a thread, which says how it came to that.
func TestOneMessageForOneIncident(t *testing.T) {
	s := start(t)
	c := s.bot()
	for _, sample := range notifytest.Life()[:7] {
		if err := c.Notify(context.Background(), sample.Incident); err != nil {
			t.Fatalf("%s: %v", sample.Name, err)
		}
	}
	other := notifytest.China()
	other.ID = "inc-0000000000000001"
	if err := c.Notify(context.Background(), other); err != nil {
		t.Fatal(err)
	}
	root := s.posted[s.order[0]]
	if root.updates != 6 || !strings.Contains(root.Text, "confirmed") || root.Thread != "" {
		t.Errorf("the incident's message was brought up to date %d times and says %q", root.updates, root.Text)
	}
	var thread, broadcast []string
	roots := 0
	for _, ts := range s.order {
		switch p := s.posted[ts]; {
		case p.Thread == "":
			roots++
		case p.Thread != s.order[0]:
			t.Errorf("an answer to %s", p.Thread)
		default:
			_, word, _ := strings.Cut(p.Text, "): ")
			thread = append(thread, word)
			if p.Broadcast {
				broadcast = append(broadcast, word)
			}
		}
	}
	if roots != 2 {
		t.Errorf("%d messages for 2 incidents", roots)
	}
	want := []string{
		"repaired, logging again after 42 s", "repaired, logging again after 42 s, more is known", "repaired, logging again after 42 s, 2nd time",
		"failed, NOT LOGGING, ESCALATED", "failed, NOT LOGGING, acknowledged", "confirmed, logging again after 42 s",
	}
	if diff := cmp.Diff(want, thread); diff != "" {
		t.Errorf("thread (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{want[2], want[3]}, broadcast); diff != "" {
		t.Errorf("what the whole channel is told (-want +got):\n%s", diff)
	}
}

// A deleted message, a memory that fails, a memory that is not there: the news arrive all the same.
func TestNewsArriveWithoutMemory(t *testing.T) {
	for name, spoil := range map[string]func(*workspace, *Channel){
		"deleted":       func(s *workspace, _ *Channel) { clear(s.posted) },
		"memory fails":  func(_ *workspace, c *Channel) { c.Memory = &memory{err: errors.New("ledger down")} },
		"without any":   func(_ *workspace, c *Channel) { c.Memory = nil },
		"other channel": func(_ *workspace, c *Channel) { c.Memory = &memory{} },
	} {
		s := start(t)
		c := s.bot()
		life := notifytest.Life()
		if err := c.Notify(context.Background(), life[0].Incident); err != nil {
			t.Fatal(err)
		}
		spoil(s, c)
		if err := c.Notify(context.Background(), life[1].Incident); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if last := s.posted[s.order[len(s.order)-1]]; last == nil || last.Thread != "" || !strings.Contains(last.Text, "repaired") {
			t.Errorf("%s: the second message did not arrive: %v", name, last)
		}
	}
}

func TestWebhook(t *testing.T) {
	s := start(t)
	c := s.hook()
	if err := c.Notify(context.Background(), notifytest.Repaired()); err != nil {
		t.Fatal(err)
	}
	if len(s.hooked) != 1 || s.hooked[0].Channel != "" || s.hooked[0].Text != "CRITICAL: CloudTrail org-trail (123456789012/eu-west-1): repaired, logging again after 42 s" {
		t.Errorf("posted: %+v", s.hooked)
	}
	for _, call := range s.Calls() {
		if call.Header.Get("Authorization") != "" {
			t.Error("a webhook got a token")
		}
	}
}

// Every refusal of Slack is told apart, and shows neither token nor URL.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name      string
		bot       bool
		spoil     func(*workspace, *Channel)
		permanent bool
		pause     time.Duration // -1 for none
		says      string
	}{
		{"ok false, unknown code", true, func(s *workspace, _ *Channel) { s.say = "team_added_to_org" }, false, -1, "team_added_to_org"},
		{"ok false, internal", true, func(s *workspace, _ *Channel) { s.say = "internal_error" }, false, -1, "internal_error"},
		{"ok false, rate limit", true, func(s *workspace, _ *Channel) { s.say, s.after = "ratelimited", "9" }, false, 9 * time.Second, "ratelimited"},
		{"ok false, no code", true, func(s *workspace, _ *Channel) { s.status, s.say = 200, `{"ok":false}` }, false, -1, "no reason"},
		{"no JSON", true, func(s *workspace, _ *Channel) { s.status, s.say = 200, "<html>"+botToken+"\x1b[2J" }, false, -1, "cannot be read"},
		{"429", true, func(s *workspace, _ *Channel) { s.status, s.after, s.say = 429, "30", botToken }, false, 30 * time.Second, "429"},
		{"503", true, func(s *workspace, _ *Channel) { s.status = 503 }, false, -1, "503"},
		{"token revoked", true, func(_ *workspace, c *Channel) { c.BotToken = secretOf("xoxb-old-canary") }, true, -1, "notify.slack.bot_token"},
		{"no such channel", true, func(_ *workspace, c *Channel) { c.ID = "C9999999999" }, true, -1, "member of the channel"},
		{"archived", true, func(s *workspace, _ *Channel) { s.archived = true }, true, -1, "archived"},
		{"hook: archived", false, func(s *workspace, _ *Channel) { s.archived = true }, true, -1, "archived"},
		{"hook: removed", false, func(s *workspace, _ *Channel) { s.say = "no_service" }, true, -1, "notify.slack.webhook_url"},
		{"hook: 200 with an error", false, func(s *workspace, _ *Channel) { s.status, s.say = 200, "invalid_token" }, true, -1, "notify.slack.webhook_url"},
		{"hook: 200 with nonsense", false, func(s *workspace, _ *Channel) { s.status, s.say = 200, "<html>no" }, false, -1, "<html>no"},
		{"hook: prohibited", false, func(s *workspace, _ *Channel) { s.say = "action_prohibited" }, true, -1, "administrator"},
		{"hook: 500", false, func(s *workspace, _ *Channel) { s.say = "rollup_error" }, false, -1, "500"},
		{"hook: 429", false, func(s *workspace, _ *Channel) { s.say, s.after = "rate_limited", "5" }, false, 5 * time.Second, "429"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t)
			channel := s.hook()
			if c.bot {
				channel = s.bot()
			}
			c.spoil(s, channel)
			err := channel.Notify(context.Background(), notifytest.Repaired())
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v, want one with %q", err, c.says)
			}
			if notify.IsPermanent(err) != c.permanent {
				t.Errorf("permanent %v: %v", notify.IsPermanent(err), err)
			}
			pause, asked := notify.RetryAfter(err)
			if asked != (c.pause >= 0) || asked && pause != c.pause {
				t.Errorf("pause %v, %v", pause, asked)
			}
			if strings.Contains(strings.ToLower(err.Error()), "canary") || notifytest.Visible(err.Error(), false) != nil {
				t.Errorf("shows too much: %q", err)
			}
		})
	}
}

// Asking shows what is wrong, and nobody sees that it was asked.
func TestProbe(t *testing.T) {
	for name, c := range map[string]struct {
		bot   bool
		spoil func(*workspace, *Channel)
		says  string
	}{
		"bot":           {true, func(*workspace, *Channel) {}, ""},
		"token revoked": {true, func(_ *workspace, c *Channel) { c.BotToken = secretOf("xoxb-old-canary") }, "notify.slack.bot_token"},
		"down":          {true, func(s *workspace, _ *Channel) { s.status = 503 }, "503"},
		"hook":          {false, func(*workspace, *Channel) {}, ""},
		"hook removed":  {false, func(s *workspace, _ *Channel) { s.say = "no_service" }, "notify.slack.webhook_url"},
		"hook elsewhere": {false, func(_ *workspace, c *Channel) {
			c.WebhookURL = secretOf(strings.Replace(c.WebhookURL.Reveal(), "/services/", "/api/", 1))
		}, "invalid_auth"},
		"hook down": {false, func(s *workspace, _ *Channel) { s.status, s.say = 500, "rollup_error" }, "500"},
	} {
		s := start(t)
		channel := s.hook()
		if c.bot {
			channel = s.bot()
		}
		c.spoil(s, channel)
		err := channel.Probe(context.Background())
		if (err == nil) != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if len(s.posted)+len(s.hooked) > 0 {
			t.Errorf("%s: a message was posted", name)
		}
	}
}

func TestCheck(t *testing.T) {
	client := webtest.Serve(t, nil).Web
	for want, c := range map[string]*Channel{
		"neither":                  {Web: client},
		"needs notify.slack":       {Web: client, BotToken: secretOf(botToken)},
		"does not begin with http": {Web: client, WebhookURL: secretOf("file:///canary")},
		"no public address":        {Web: client, WebhookURL: secretOf("https://10.0.0.1/canary")},
	} {
		err := c.Check()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v, want one with %q", err, want)
		}
		if err := c.Notify(context.Background(), notifytest.Repaired()); !notify.IsPermanent(err) {
			t.Errorf("%s: Notify: %v", want, err)
		}
	}
}

// TestGolden keeps each step of a life as it is sent, and as it looks: testdata/preview.html.
func TestGolden(t *testing.T) {
	c := &Channel{Location: berlin}
	var page strings.Builder
	for _, s := range notifytest.Life() {
		doc, err := c.Render(s.Incident)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(doc); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		golden(t, s.Name+".golden", indent(t, doc))
		reply, err := json.Marshal(answer(s.Incident, berlin))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(reply); err != nil {
			t.Errorf("%s, in the thread: %v", s.Name, err)
		}
		golden(t, s.Name+".thread.golden", indent(t, reply))
		page.WriteString(preview(s.Name, doc) + preview(s.Name+", in the thread", reply))
	}
	golden(t, "preview.html", []byte(previewPage(page.String())))
}

func indent(t *testing.T, doc []byte) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, doc, "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
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
		t.Errorf("%s differs (-file +now); run go test -update and look at it:\n%s", path, diff)
	}
}

// Whatever stands in a record, the payload passes Slack's checks, mentions nobody, and links to nowhere but the console.
func TestHostile(t *testing.T) {
	for name, inc := range notifytest.HostileIncidents() {
		checkHostile(t, name, inc)
	}
}

func checkHostile(t *testing.T, name string, inc incident.Incident) {
	t.Helper()
	for what, m := range map[string]message{"message": compose(inc, berlin), "thread": answer(inc, berlin)} {
		doc, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(doc); err != nil {
			t.Errorf("%s: %s: %v", name, what, err)
		}
		if err := notifytest.JSON(doc, botToken); err != nil {
			t.Errorf("%s: %s: %v", name, what, err)
		}
		if err := notifytest.Mrkdwn(m.Text); err != nil {
			t.Errorf("%s: %s: text %v", name, what, err)
		}
	}
}

// The line for telephones holds fixed words and checked parts; it is escaped all the same.
func TestEscape(t *testing.T) {
	if got, want := escape("<!channel> & &lt;"), "&lt;!channel&gt; &amp; &amp;lt;"; got != want || notifytest.Mrkdwn(got) != nil {
		t.Errorf("%q, want %q", got, want)
	}
}

// A message that would be too long loses sections, never its ids.
func TestTooLong(t *testing.T) {
	m := compose(notifytest.Crowded(notifytest.Hostile["long multibyte word"]), berlin)
	doc, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(doc); err != nil {
		t.Error(err)
	}
	small := details(notify.Section{Blocks: []notify.Block{{Kind: notify.Field, Label: "Rule", Text: strings.Repeat("😀", 2000)}}})
	if doc, err := json.Marshal(message{Text: "x", Blocks: []block{small}}); err != nil || validate(doc) != nil {
		t.Errorf("small print: %v, %v", err, validate(doc))
	}
	if !strings.Contains(string(doc), "inc-a7b0e2939c4d5f60") || !strings.Contains(string(doc), "too long") {
		t.Errorf("%d characters, without id or note", length(m.Blocks))
	}
}

func FuzzHostile(f *testing.F) {
	// FAULTS G1.
	for _, text := range notifytest.Hostile {
		f.Add(text[:min(len(text), 3000)], byte(0))
	}
	f.Fuzz(func(t *testing.T, text string, outcome byte) {
		checkHostile(t, "filled", notifytest.Filled(text))
		checkHostile(t, "believable", notifytest.Believable(text, incident.Outcomes[int(outcome)%len(incident.Outcomes)]))
	})
}

func ExampleChannel_Render() {
	c := &Channel{ID: channel, BotToken: secretOf(botToken)}
	doc, err := c.Render(notifytest.Repaired())
	fmt.Println(len(doc) > 0, err)
	// Output: true <nil>
}
