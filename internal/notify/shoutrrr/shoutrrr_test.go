package shoutrrr

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
	"github.com/trailwarden/trailwarden/internal/secret"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

// urls of services that are let in, each with canaries for secrets, and the host that each has to call.
var urls = map[string]struct{ url, host string }{
	"discord":    {"discord://canarytoken0123456789012345678901234567890123456789012345678901234567890@123456789012345678", "discord.com"},
	"googlechat": {"googlechat://chat.googleapis.com/v1/spaces/canaryspace/messages?key=canarykey&token=canarytoken", "chat.googleapis.com"},
	"wecom":      {"wecom://canary693a-7aoc-4bc4-97a0-0ec2sifa5aaa", "qyapi.weixin.qq.com"},
	"ifttt":      {"ifttt://canarykey/?events=canaryevent", "maker.ifttt.com"},
	"join":       {"join://shoutrrr:canarykey@join/?devices=canarydevice", "joinjoaomgcd.appspot.com"},
	"pushbullet": {"pushbullet://o.canary01234567890123456789012345", "api.pushbullet.com"},
	"pushover":   {"pushover://shoutrrr:canarytoken@canaryuser", "api.pushover.net"},
	"notifiarr":  {"notifiarr://canary-api-key?channel=123456789012345678", "notifiarr.com"},
}

// world stands for the network behind net/http, since the senders let nobody choose their client.
type world struct {
	mu     sync.Mutex
	answer func(*http.Request) (*http.Response, error)
	hosts  []string
	bodies []string
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	w.mu.Lock()
	w.hosts, w.bodies = append(w.hosts, r.URL.Host), append(w.bodies, string(body))
	w.mu.Unlock()
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	return w.answer(r)
}

// answering puts the world in the place of the network for one test.
func answering(t *testing.T, status int, body string, err error) *world {
	t.Helper()
	w := &world{answer: func(r *http.Request) (*http.Response, error) {
		if err != nil {
			return nil, err
		}
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}}
	real := http.DefaultTransport
	http.DefaultTransport = w
	t.Cleanup(func() { http.DefaultTransport = real })
	return w
}

func open(t *testing.T, name string) *Channel {
	t.Helper()
	c, err := Open(secret.New(urls[name].url))
	if err != nil {
		t.Fatal(err)
	}
	c.Location = notifytest.Berlin
	return c
}

// success is what each service answers when all is well.
var success = map[string]struct {
	status int
	body   string
}{
	"discord": {204, ""}, "googlechat": {200, `{"name":"spaces/x/messages/y"}`}, "wecom": {200, `{"errcode":0,"errmsg":"ok"}`}, "ifttt": {200, "Congratulations!"},
	"join": {200, `{"success":true}`}, "pushbullet": {200, `{"iden":"x","active":true,"type":"note","title":"Shoutrrr notification","body":"%BODY%"}`},
	"pushover": {200, `{"status":1}`}, "notifiarr": {200, `{"result":"success"}`},
}

// TestSend: every service that is let in is told, at its own host and nowhere else.
func TestSend(t *testing.T) {
	for name, service := range urls {
		t.Run(name, func(t *testing.T) {
			w := answering(t, success[name].status, success[name].body, nil)
			if name == "pushbullet" { // which repeats what it was told
				w.answer = echo
			}
			inc := notifytest.Repaired()
			if err := open(t, name).Notify(t.Context(), inc); err != nil {
				t.Fatal(err)
			}
			for _, host := range w.hosts {
				if host != service.host {
					t.Errorf("%s was called", host)
				}
			}
			all := strings.Join(w.bodies, "") // discord and join carry it in their own ways
			if len(w.hosts) == 0 || name != "join" && !strings.Contains(all, "org-trail") {
				t.Errorf("said %q", all)
			}
		})
	}
}

func echo(r *http.Request) (*http.Response, error) {
	asked, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	body := strings.Replace(string(asked), "{", `{"iden":"x","active":true,`, 1)
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// TestFailures: no service that is let in takes a failure for success, and no error shows a piece of its URL.
func TestFailures(t *testing.T) {
	for failure, row := range map[string]struct {
		status int
		err    error
	}{
		"no network": {0, errors.New("dial tcp: connection refused")}, "refused": {401, nil}, "gone": {404, nil}, "in trouble": {500, nil}, "proxy": {503, nil},
	} {
		for name := range urls {
			t.Run(failure+", "+name, func(t *testing.T) {
				answering(t, row.status, `{"errcode":40001,"errmsg":"no","error":{"message":"no \u202e"},"status":0}`, row.err)
				synctest.Test(t, func(t *testing.T) { // some senders try for minutes
					began := time.Now()
					err := open(t, name).Notify(t.Context(), notifytest.Repaired())
					if err == nil || time.Since(began) > Timeout {
						t.Fatalf("after %v: taken for success: %v", time.Since(began), err)
					}
					text := err.Error()
					if strings.Contains(text, "canary") || notify.IsPermanent(err) {
						t.Errorf("permanent %v: %s", notify.IsPermanent(err), text)
					}
					if err := notifytest.Visible(text, false); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Hour) // until the sender has given up, too
				})
			})
		}
	}
}

// TestEveryServiceIsJudged: what shoutrrr knows is either let in or refused with a reason; so is what it learns.
func TestEveryServiceIsJudged(t *testing.T) {
	for _, name := range (&router.ServiceRouter{}).ListServices() {
		if _, ok := services[name]; !ok && refused[name] == "" {
			t.Errorf("%s is new: let it in, or say why not", name)
		}
	}
	for name := range services {
		if _, ok := urls[name]; !ok {
			t.Errorf("%s is let in and tested by nobody", name)
		}
	}
}

// TestRefused: no URL that names a host gets anywhere, and the answer says why without the URL.
func TestRefused(t *testing.T) {
	w := answering(t, 200, "{}", nil)
	for raw, why := range map[string]string{
		"generic://169.254.169.254/canary":        "anything inside",
		"generic+https://canary.example/":         "URL of its own",
		"teams+https://canary.example/":           "URL of its own",
		"GENERIC://127.0.0.1/canary":              "anything inside",
		"gotify://canary.example/canary":          "anything inside",
		"ntfy://ntfy.sh/canary":                   "anything inside",
		"matrix://u:canary@h":                     "anything inside",
		"smtp://u:canary@h/?from=a@b.c&to=d@e.f":  "notify.email.smtp",
		"slack://hook:canary@webhook":             "notify.slack",
		"telegram://1:canary@telegram?channels=x": "failed",
		"logger://": "tells nobody",
		"googlechat://canary.example/v1/spaces/x":       "chat.googleapis.com and no other",
		"googlechat://chat.googleapis.com:8080/v1/":     "and no other",
		"googlechat://chat.googleapis.com.canary.de/v1": "and no other",
		"nosuch://canary":  "begins with none of",
		"canary":           "begins with none of",
		"":                 "begins with none of",
		"discord://canary": "does not take",
		"%zz://canary":     "cannot be read",
	} {
		_, err := Open(secret.New(raw))
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: want %q, got %v", raw, why, err)
		}
	}
	if len(w.hosts) > 0 {
		t.Errorf("called %v", w.hosts)
	}
}

// TestGolden holds each step of a life, as one service gets it.
func TestGolden(t *testing.T) {
	c := open(t, "discord")
	for _, sample := range notifytest.Life() {
		compare(t, sample.Name+".golden", c.text(sample.Incident)+"\n")
	}
}

var mention = regexp.MustCompile(`(^|[^\pL\pN])@|[<>*~` + "`" + `]|\]\(`)

// TestHostile: nothing that Discord and its like obey, no more than a service takes, and no secret.
func TestHostile(t *testing.T) {
	for name := range urls {
		c := open(t, name)
		for what, inc := range notifytest.HostileIncidents() {
			text := c.text(inc)
			if err := errors.Join(notifytest.Visible(text, true), notifytest.NoSecrets(text)); err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
			}
			if len(text) > c.limit || text == "" {
				t.Errorf("%s, %s: %d bytes", name, what, len(text))
			}
			if bad := mention.FindString(text); bad != "" {
				t.Errorf("%s, %s: %q is obeyed: %.200q", name, what, bad, text)
			}
			for word := range strings.FieldsSeq(text) {
				if strings.Contains(word, "://") && !notifytest.OurLink(word) && inc.Stage == "again" && !slices.ContainsFunc(inc.NextSteps, func(s incident.Step) bool { return strings.Contains(s.Command, word) }) {
					t.Errorf("%s, %s: links to %q", name, what, word)
				}
			}
		}
	}
}

// TestDiscordSays: the very body that Discord gets holds one message, in which nobody is mentioned.
func TestDiscordSays(t *testing.T) {
	w := answering(t, 204, "", nil)
	inc := notifytest.Believable("@everyone <@&123> **b** https://evil.example", "failed")
	if err := open(t, "discord").Notify(t.Context(), inc); err != nil {
		t.Fatal(err)
	}
	var body struct {
		Content         string
		AllowedMentions struct{ Parse []string } `json:"allowed_mentions"`
	}
	if len(w.bodies) != 1 || json.Unmarshal([]byte(w.bodies[0]), &body) != nil || body.AllowedMentions.Parse == nil || len(body.AllowedMentions.Parse) > 0 {
		t.Fatalf("said %q", w.bodies)
	}
	if strings.Contains(body.Content, "@everyone") || strings.Contains(body.Content, "<@") || !strings.Contains(body.Content, "org-trail") {
		t.Errorf("says %q", body.Content)
	}
}

// TestPieces: whatever of a URL could be a secret is known as one.
func TestPieces(t *testing.T) {
	for name, service := range urls {
		u, err := url.Parse(service.url)
		if err != nil {
			t.Fatal(err)
		}
		text := "error: " + service.url + " " + u.Host + " " + u.Path + " " + u.RawQuery + " " + u.User.String()
		c := &Channel{hide: pieces(u)}
		if got := c.shown(errors.New(text)); strings.Contains(got, "canary") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-file +now):\n%s", path, diff)
	}
}
