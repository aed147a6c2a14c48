package channels_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/channels/heavy"
	"github.com/trailwarden/trailwarden/internal/cloud/vault"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

// every is an environment that switches every channel on.
var every = []string{
	"SNSARN=arn:aws:sns:eu-west-1:111122223333:trailwarden",
	"TRAILWARDEN_NOTIFY_EMAIL_SMTP=mail.example.org:587", "TRAILWARDEN_NOTIFY_EMAIL_FROM=trailwarden@example.org",
	"TRAILWARDEN_NOTIFY_EMAIL_TO=security@example.org", "TRAILWARDEN_NOTIFY_EMAIL_USERNAME=trailwarden", "TRAILWARDEN_NOTIFY_EMAIL_PASSWORD=canary-mail-password",
	"TRAILWARDEN_NOTIFY_SLACK_BOT_TOKEN=xoxb-canary-token", "TRAILWARDEN_NOTIFY_SLACK_CHANNEL=C0123456789",
	"TRAILWARDEN_NOTIFY_PAGERDUTY_ROUTING_KEY=canaryrouting0123456789abcdefghi",
	"TRAILWARDEN_NOTIFY_WEBHOOK_URL=https://receiver.example.org/canary-path", "TRAILWARDEN_NOTIFY_WEBHOOK_SECRET=whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5",
	"TRAILWARDEN_NOTIFY_SECURITYHUB=true",
	"TRAILWARDEN_NOTIFY_TEAMS_WEBHOOK_URL=https://teams.example.org/canary-hook",
	"TRAILWARDEN_NOTIFY_EVENTBRIDGE_BUS=default", "TRAILWARDEN_NOTIFY_AMAZONQ_TOPIC_ARN=arn:aws:sns:eu-west-1:111122223333:chat",
	"TRAILWARDEN_NOTIFY_ALERTMANAGER_URLS=https://alertmanager.example.org", "TRAILWARDEN_NOTIFY_ALERTMANAGER_BEARER_TOKEN=canary-bearer",
	"TRAILWARDEN_NOTIFY_STDOUT=json", "TRAILWARDEN_NOTIFY_SHOUTRRR_URL=discord://canary-token@123456789",
}

// secrets are those that stand in every, or what of them would give them away.
var secrets = []string{
	"canary-mail-password", "canary-token", "canaryrouting", "canary-path", "Y2FuYXJ5", "canary-hook", "canary-bearer",
}

func options(t testing.TB, env ...string) channels.Options {
	t.Helper()
	cfg, err := config.FromEnv(env)
	if err != nil {
		t.Fatal(err)
	}
	return channels.Options{
		Config: cfg, AWS: aws.Config{Region: "eu-west-1"}, Output: io.Discard, Heavy: heavy.Channels(),
		Account: func(context.Context) (string, error) { return "111122223333", nil },
	}
}

func opened(t testing.TB, o channels.Options) map[string]notify.Notifier {
	t.Helper()
	all, err := channels.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]notify.Notifier{}
	for _, c := range all {
		out[c.Name] = c.Notifier
	}
	return out
}

func TestEveryChannelIsOnByItsKeys(t *testing.T) {
	o := options(t, every...)
	if got := channels.Configured(o.Config); !slices.Equal(got, channels.Names) {
		t.Errorf("configured are %q, want all", got)
	}
	for name, c := range opened(t, o) {
		payload, err := c.(channels.Teller).Render(notifytest.Repaired())
		if err != nil || !strings.Contains(string(payload), "org-trail") {
			t.Errorf("%s renders %.200q, %v", name, payload, err)
		}
	}
	if got := channels.Configured(options(t).Config); len(got) != 0 {
		t.Errorf("with no key set there are %q", got)
	}
}

// TestAbsentInLambda: what is configured and not part of the program says so with each message, for good.
func TestAbsentInLambda(t *testing.T) {
	o := options(t, every...)
	o.Heavy = channels.Heavy{}
	all, err := channels.Open(o)
	if err == nil || len(all) != len(channels.Names) {
		t.Fatalf("%d channels, %v", len(all), err)
	}
	for _, c := range all {
		if c.Name == "email" || c.Name == "shoutrrr" {
			if err := c.Notify(t.Context(), notifytest.Repaired()); !notify.IsPermanent(err) {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
	}
}

// TestMistakeCostsOnlyItsChannel: a channel that cannot work is among the others, and fails for good with what to do about it.
func TestMistakeCostsOnlyItsChannel(t *testing.T) {
	loose := filepath.Join(t.TempDir(), "loose")
	if err := os.WriteFile(loose, []byte("https://teams.example.org/canary-hook"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		env     []string
		channel string
		says    string
	}{
		"bot without channel":     {[]string{"TRAILWARDEN_NOTIFY_SLACK_BOT_TOKEN=xoxb-canary"}, "slack", "notify.slack.channel"},
		"metadata address":        {[]string{"TRAILWARDEN_NOTIFY_WEBHOOK_URL=https://169.254.169.254/", "TRAILWARDEN_NOTIFY_WEBHOOK_SECRET=" + whsec}, "webhook", "169.254.169.254"},
		"a secret others read":    {[]string{"TRAILWARDEN_NOTIFY_TEAMS_WEBHOOK_URL=file:" + loose}, "teams", "chmod 600"},
		"mail to nobody":          {[]string{"TRAILWARDEN_NOTIFY_EMAIL_SMTP=mail.example.org"}, "email", "notify.email"},
		"generic would be abused": {[]string{"TRAILWARDEN_NOTIFY_SHOUTRRR_URL=generic://10.0.0.1/canary"}, "shoutrrr", "generic"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, append(test.env, "TRAILWARDEN_NOTIFY_STDOUT=json")...)
			var out strings.Builder
			o.Output = &out
			all, err := channels.Open(o)
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "canary") {
				t.Errorf("opening says %v, want %s", err, test.says)
			}
			for _, c := range all {
				err := c.Notify(t.Context(), notifytest.Repaired())
				if broken := c.Name == test.channel; broken != (err != nil) || broken && !notify.IsPermanent(err) {
					t.Errorf("%s: %v", c.Name, err)
				}
			}
			if !strings.Contains(out.String(), "org-trail") {
				t.Error("the other channel was not told")
			}
		})
	}
}

const whsec = "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"

// safe is a vault that counts what is asked of it.
type safe struct {
	mu    sync.Mutex
	holds map[string]string
	err   error
	asked int
}

func (s *safe) Secret(_ context.Context, _, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.holds[name], s.err
}

// TestSecretsAreReadLate: opening asks nobody; the first message reads the secrets; when the receiver does not know them any more they
// are read anew, and the message arrives.
func TestSecretsAreReadLate(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/new" {
			http.Error(w, "no such webhook", http.StatusNotFound)
			return
		}
		body, _ := io.ReadAll(r.Body)
		got = append(got, string(body))
	}))
	defer server.Close()
	s := &safe{holds: map[string]string{"url": server.URL + "/old", "key": whsec}}
	o := options(t, "TRAILWARDEN_NOTIFY_WEBHOOK_URL=secretsmanager:url", "TRAILWARDEN_NOTIFY_WEBHOOK_SECRET=ssm:key", "TRAILWARDEN_NOTIFY_ALLOW_ADDRESSES=127.0.0.1")
	now := time.Now()
	o.Vault, o.Now = s, func() time.Time { return now }
	hook := opened(t, o)["webhook"]
	if s.asked != 0 {
		t.Fatal("opening asked for secrets")
	}
	if err := hook.Notify(t.Context(), notifytest.Repaired()); !notify.IsPermanent(err) {
		t.Fatalf("a webhook that is gone: %v", err)
	}
	s.holds["url"] = server.URL + "/new"
	now = now.Add(2 * time.Minute)
	if err := hook.Notify(t.Context(), notifytest.Repaired()); err != nil || len(got) != 1 {
		t.Errorf("after the secret was changed: %v, %d messages arrived", err, len(got))
	}
	asked := s.asked
	if err := hook.Notify(t.Context(), notifytest.Repaired()); err != nil || s.asked != asked {
		t.Errorf("a secret that works is asked for again: %v", err)
	}
}

// TestUnreadableSecret: what a person has to mend is permanent, so that others are told at once; what may pass is not.
func TestUnreadableSecret(t *testing.T) {
	for _, test := range []struct {
		err       error
		permanent bool
	}{
		{&vault.Error{Code: "AccessDeniedException", Hint: "allow it"}, true},
		{&vault.Error{Code: "ThrottlingException"}, false},
		{errors.New("connection refused"), false},
	} {
		o := options(t, "TRAILWARDEN_NOTIFY_TEAMS_WEBHOOK_URL=ssm:/teams")
		o.Vault = &safe{err: test.err}
		err := opened(t, o)["teams"].Notify(t.Context(), notifytest.Repaired())
		if err == nil || notify.IsPermanent(err) != test.permanent || !strings.Contains(err.Error(), "ssm:/teams") {
			t.Errorf("%v: %v, permanent %t", test.err, err, notify.IsPermanent(err))
		}
	}
}

// TestNoSecretInAnyPayload: what is rendered, shown of the configuration or said when calls fail holds no secret.
func TestNoSecretInAnyPayload(t *testing.T) {
	o := options(t, every...)
	o.AWS.BaseEndpoint = aws.String("http://127.0.0.1:1")
	o.AWS.Credentials = aws.AnonymousCredentials{}
	o.AWS.RetryMaxAttempts = 1
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range opened(t, o) {
		for _, s := range notifytest.Life() {
			payload, err := c.(channels.Teller).Render(s.Incident)
			if err != nil {
				t.Errorf("%s, %s: %v", name, s.Name, err)
			}
			unseen(t, name+" renders", string(payload))
		}
		if err := c.Notify(dead, notifytest.Repaired()); err != nil {
			unseen(t, name+" fails with", err.Error(), fmt.Sprintf("%+v", err))
		}
		unseen(t, name+" prints as", fmt.Sprintf("%+v %#v", o.Config, o.Config.Notify))
	}
	for _, k := range config.Keys {
		shown, err := json.Marshal(k.Of(o.Config))
		if err != nil {
			t.Fatal(err)
		}
		unseen(t, "config show", string(shown), string(config.YAML(o.Config)))
	}
}

func unseen(t testing.TB, what string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := notifytest.NoSecrets(text, secrets...); err != nil {
			t.Errorf("%s what %v", what, err)
		}
	}
}

// TestRouting: the section of the file is what the routes are made of.
func TestRouting(t *testing.T) {
	var example string
	for _, k := range config.Keys {
		if k.Name == "routing" {
			example = k.Example
		}
	}
	o := options(t, append(every, "TRAILWARDEN_ROUTING="+example)...)
	p := channels.Routing(o.Config)
	p.All = channels.Names
	told := func(change func(*incident.Incident), at string) (names []string) {
		inc := notifytest.Failed()
		change(&inc)
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range p.Targets(inc, now) {
			names = append(names, target.Channel)
		}
		return names
	}
	usual, meanwhile := "2026-11-24T00:00:00Z", "2026-12-01T21:00:00Z"
	critical := func(i *incident.Incident) { i.Severity = incident.Critical }
	high := func(i *incident.Incident) { i.Severity = incident.High }
	if got := told(critical, usual); !slices.Equal(got, []string{"pagerduty", "sns", "slack"}) {
		t.Errorf("critical: %q", got)
	}
	if got := told(high, usual); !slices.Equal(got, []string{"sns", "slack"}) {
		t.Errorf("high: %q", got)
	}
	if got := told(critical, meanwhile); !slices.Equal(got, []string{"slack"}) {
		t.Errorf("during maintenance: %q", got)
	}
	if p.Repeat != 4*time.Hour || p.Steps[0].After != 15*time.Minute || p.Group.Wait != 30*time.Second {
		t.Errorf("times: %+v", p)
	}
	if problems := channels.Check(o); len(problems) > 0 {
		t.Errorf("%v", problems)
	}
	few := options(t, every[0], "TRAILWARDEN_ROUTING="+example)
	if problems := channels.Check(few); len(problems) != 5 || !strings.Contains(problems.Error(), "the channel pagerduty is not on") {
		t.Errorf("routes to channels that are off: %v", problems)
	}
}
