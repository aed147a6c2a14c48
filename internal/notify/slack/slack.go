// Package slack tells of incidents in Slack. With an incoming webhook each message stands alone. With a bot token there
// is one message for each incident, which is brought up to date, and below it a thread with what happened when.
//
// What a record says goes into rich text and plain text only, where Slack looks for no mentions and no links.
package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/web"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// API is where bots call.
const API = "https://slack.com/api"

// Channel is a channel in Slack: WebhookURL, or BotToken with ID. It is safe for use by several goroutines.
type Channel struct {
	Web        *web.Client
	WebhookURL secret.Value // of an incoming webhook
	BotToken   secret.Value // with the scope chat:write; the bot is a member of the channel
	ID         string       // of the channel that the bot writes to, such as "C0123456789"
	API        string       // "" for API
	Memory     notify.Memory
	Location   *time.Location // local time, besides UTC; nil for none
}

var _ notify.Notifier = (*Channel)(nil)

// Check says what is missing or wrong, without calling Slack.
func (c *Channel) Check() error {
	switch {
	case c.BotToken.Empty() && c.WebhookURL.Empty():
		return fmt.Errorf("check Slack: neither notify.slack.bot_token nor notify.slack.webhook_url is set")
	case !c.BotToken.Empty() && c.ID == "":
		return fmt.Errorf("check Slack: notify.slack.bot_token needs notify.slack.channel, the id of a channel")
	case !c.BotToken.Empty():
		return nil
	}
	if err := c.Web.Check(c.WebhookURL); err != nil {
		return fmt.Errorf("check Slack: notify.slack.webhook_url: %w", err)
	}
	return nil
}

// Render is the payload that tells of the incident, as Notify sends it first.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	m := compose(inc, c.Location)
	if !c.BotToken.Empty() {
		m.Channel = c.ID
	}
	return json.Marshal(m)
}

// Notify posts the incident, or brings its message up to date and says in its thread what is new.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	if err := c.Check(); err != nil {
		return notify.Permanent(err)
	}
	m := compose(inc, c.Location)
	if c.BotToken.Empty() {
		return c.hook(ctx, m)
	}
	m.Channel = c.ID
	key := "slack/" + c.ID + "/" + inc.ID
	posted := c.recall(ctx, key)
	if posted != "" {
		again := m
		again.TS = posted
		switch err := c.call(ctx, "chat.update", again, nil); {
		case err == nil:
			reply := answer(inc, c.Location)
			reply.Channel, reply.Thread = c.ID, posted
			return c.call(ctx, "chat.postMessage", reply, nil)
		case !lost[codeOf(err)]:
			return err
		}
		// Somebody deleted the message: the incident gets another one.
	}
	var done struct {
		TS string `json:"ts"`
	}
	if err := c.call(ctx, "chat.postMessage", m, &done); err != nil {
		return err
	}
	if c.Memory != nil {
		// When this fails, what comes next stands alone: sending this one twice would be no better.
		_ = c.Memory.Remember(ctx, key, done.TS)
	}
	return nil
}

// Probe asks Slack whether token or webhook are good, without a message being seen. That the bot is a member of the channel
// only a message can tell.
func (c *Channel) Probe(ctx context.Context) error {
	if err := c.Check(); err != nil {
		return err
	}
	if !c.BotToken.Empty() {
		return c.call(ctx, "auth.test", message{}, nil)
	}
	a, err := c.Web.Post(ctx, c.WebhookURL, nil, []byte("{}"))
	switch code := strings.TrimSpace(string(a.Body)); {
	case a.Status == http.StatusBadRequest && (code == "no_text" || code == "invalid_payload" || strings.HasPrefix(code, "missing_text")):
		return nil // it minds that nothing was said, so it would have said it
	case a.Status != 0 && permanent[code] != "":
		return refused("the incoming webhook", code)
	case err == nil:
		return refused("the incoming webhook", code)
	}
	return fmt.Errorf("ask Slack: %w", err)
}

// recall is the id of the incident's message, empty when there is none, or when it cannot be known: a second message is
// better than none.
func (c *Channel) recall(ctx context.Context, key string) string {
	if c.Memory == nil {
		return ""
	}
	ts, err := c.Memory.Recall(ctx, key)
	if err != nil {
		return ""
	}
	return ts
}

// hook posts to the incoming webhook, which answers "ok" and nothing else when all is well.
func (c *Channel) hook(ctx context.Context, m message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return notify.Permanent(fmt.Errorf("compose message for Slack: %w", err))
	}
	a, err := c.Web.Post(ctx, c.WebhookURL, nil, body)
	if code := strings.TrimSpace(string(a.Body)); a.Status != 0 && code != "ok" {
		if _, known := permanent[code]; known || err == nil {
			return refused("the incoming webhook", code)
		}
	}
	if err != nil {
		return fmt.Errorf("tell Slack: %w", err)
	}
	return nil
}

// call calls a method of the Web API, which answers 200 with "ok": false when something is wrong.
func (c *Channel) call(ctx context.Context, method string, m message, into any) error {
	body, err := json.Marshal(m)
	if err != nil {
		return notify.Permanent(fmt.Errorf("compose message for Slack: %w", err))
	}
	base := c.API
	if base == "" {
		base = API
	}
	header := http.Header{"Authorization": {"Bearer " + c.BotToken.Reveal()}}
	a, err := c.Web.Post(ctx, secret.New(base+"/"+method), header, body)
	if err != nil {
		return fmt.Errorf("tell Slack by %s: %w", method, err)
	}
	var done struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(a.Body, &done); err != nil {
		return fmt.Errorf("tell Slack by %s: its answer cannot be read: %q", method, web.Shown(a.Body, c.BotToken.Reveal()))
	}
	if !done.OK {
		err := refused(method, done.Error)
		if pause, ok := web.Pause(a.Header, time.Time{}); ok && !notify.IsPermanent(err) {
			return notify.After(err, pause)
		}
		return err
	}
	if into != nil {
		if err := json.Unmarshal(a.Body, into); err != nil {
			return fmt.Errorf("tell Slack by %s: its answer cannot be read: %q", method, web.Shown(a.Body, c.BotToken.Reveal()))
		}
	}
	return nil
}
