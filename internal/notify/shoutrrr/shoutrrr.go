// Package shoutrrr tells of incidents by services that have no channel of their own: Discord, Pushover and others, by
// the senders of github.com/nicholas-fedor/shoutrrr, as plain text.
//
// Only services with a fixed host are let in. The senders dial by themselves, so that nobody can look at the address
// that is dialled; a service whose URL names the host, generic:// first of all, could be pointed at anything inside.
// The package is not in the Lambda function.
package shoutrrr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/googlechat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/wecom"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ifttt"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/join"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushbullet"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/specialized/notifiarr"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// Timeout is how long a service may take.
const Timeout = 20 * time.Second

// service is one that is let in.
type service struct {
	make  func() types.Service
	host  string // what the URL's host has to be, for services whose URL has one
	limit int    // bytes of a text that arrive in one piece
}

// services by the scheme of their URLs.
var services = map[string]service{
	"discord":    {func() types.Service { return &discord.Service{} }, "", 1900},
	"googlechat": {func() types.Service { return &googlechat.Service{} }, "chat.googleapis.com", 3500},
	"wecom":      {func() types.Service { return &wecom.Service{} }, "", 2000},
	"ifttt":      {func() types.Service { return &ifttt.Service{} }, "", 1500},
	"join":       {func() types.Service { return &join.Service{} }, "", 1500},
	"pushbullet": {func() types.Service { return &pushbullet.Service{} }, "", 3500},
	"pushover":   {func() types.Service { return &pushover.Service{} }, "", 1000},
	"notifiarr":  {func() types.Service { return &notifiarr.Service{} }, "", 1500},
}

// refused says of each other service of shoutrrr why it is not let in.
var refused = map[string]string{
	"generic":    "its URL names the host, which could be anything inside your network: use notify.webhook.url",
	"slack":      "it has a channel of its own: use notify.slack.webhook_url or notify.slack.bot_token",
	"teams":      "it has a channel of its own, and shoutrrr speaks a form that Microsoft has retired: use notify.teams.webhook_url",
	"pagerduty":  "it has a channel of its own: use notify.pagerduty.routing_key",
	"smtp":       "it has a channel of its own: use notify.email.smtp",
	"opsgenie":   "Opsgenie ends in April 2027, and its URL names the host: use notify.webhook.url",
	"logger":     "it tells nobody: use notify.stdout",
	"telegram":   "shoutrrr 0.13 takes a connection that failed for a message that arrived: use notify.webhook.url and a bridge",
	"bark":       named,
	"gotify":     named,
	"lark":       named,
	"matrix":     named,
	"mattermost": named,
	"ntfy":       named,
	"rocketchat": named,
	"signal":     named,
	"zulip":      named,
	"hangouts":   "it is called googlechat now",
}

const named = "its URL names the host, which could be anything inside your network, and shoutrrr lets nobody look at the address it dials: " +
	"use notify.webhook.url and a bridge"

// Channel is a service. It is safe for use by several goroutines; messages go one after the other.
type Channel struct {
	Service  string         // the scheme of its URL
	Location *time.Location // local time, besides UTC; nil for none

	sender types.Service
	limit  int
	hide   []string // pieces of the URL that no error may hold
	busy   chan struct{}
}

var _ notify.Notifier = (*Channel)(nil)

// Open makes the channel of a service's URL, such as discord://TOKEN@ID. It connects to nobody. Its error holds nothing
// of the URL but its scheme.
func Open(rawURL secret.Value) (*Channel, error) {
	u, err := url.Parse(rawURL.Reveal())
	if err != nil {
		return nil, errors.New("open shoutrrr: notify.shoutrrr.url cannot be read as a URL")
	}
	scheme := strings.ToLower(u.Scheme)
	name, _, custom := strings.Cut(scheme, "+")
	s, ok := services[scheme]
	switch {
	case custom && (services[name].make != nil || refused[name] != ""):
		return nil, fmt.Errorf("open shoutrrr: %s+…:// takes a URL of its own: %s", name, named)
	case !ok && refused[scheme] != "":
		return nil, fmt.Errorf("open shoutrrr: %s:// is not let in: %s", scheme, refused[scheme])
	case !ok:
		return nil, fmt.Errorf("open shoutrrr: notify.shoutrrr.url begins with none of %s", strings.Join(Services(), ", "))
	case s.host != "" && !strings.EqualFold(u.Host, s.host):
		return nil, fmt.Errorf("open shoutrrr: the host of a %s URL is %s and no other", scheme, s.host)
	}
	c := &Channel{Service: scheme, sender: s.make(), limit: s.limit, busy: make(chan struct{}, 1)}
	c.hide = pieces(u)
	if scheme == "discord" {
		u.Path = "/raw" // the body is ours: by itself the sender makes a picture of each line, and leaves mentions to Discord
	}
	if err := c.sender.Initialize(u, quiet{}); err != nil {
		return nil, fmt.Errorf("open shoutrrr: %s does not take the URL: %s", scheme, c.shown(err))
	}
	return c, nil
}

// Services lists the schemes that are let in.
func Services() []string {
	var out []string
	for name := range services {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Notify sends the text. What went wrong is known to shoutrrr as a text only, and so no error of it is permanent.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, errNoAnswer)
	defer cancel()
	select {
	case c.busy <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("tell by %s: an earlier message is still on its way: %w", c.Service, context.Cause(ctx))
	}
	text, err := c.Render(inc)
	if err != nil {
		return notify.Permanent(fmt.Errorf("compose text for %s: %w", c.Service, err))
	}
	done := make(chan error, 1)
	go func() { // the senders have no context: one that hangs is waited for by nobody, and lets no other begin
		defer func() { <-c.busy }()
		params := types.Params{}
		done <- c.sender.Send(string(text), &params)
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("tell by %s: %s", c.Service, c.shown(err))
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("tell by %s: %w", c.Service, context.Cause(ctx))
	}
}

var errNoAnswer = errors.New("no answer within " + Timeout.String())

// Render gives the text as it is sent; to Discord it is a body in JSON.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	if c.Service != "discord" {
		return []byte(c.text(inc)), nil
	}
	return json.Marshal(map[string]any{"content": c.text(inc), "allowed_mentions": map[string]any{"parse": []string{}}, "flags": noEmbeds})
}

// noEmbeds is Discord's flag for a message whose links show nothing of the pages behind them.
const noEmbeds = 1 << 2

// pieces are all texts of a URL that may be secret, the longest first.
func pieces(u *url.URL) []string {
	all := []string{u.String(), u.Host, u.Hostname(), u.Path, u.RawQuery, u.Fragment}
	if u.User != nil {
		password, _ := u.User.Password()
		all = append(all, u.User.String(), u.User.Username(), password)
	}
	all = append(all, strings.Split(u.Path, "/")...)
	for _, values := range u.Query() {
		all = append(all, values...)
		for _, v := range values {
			all = append(all, url.QueryEscape(v))
		}
	}
	var out []string
	for _, s := range all {
		if len(s) >= 4 && s != "chat.googleapis.com" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

// shown is an error's text without any piece of the URL, fit to be shown.
func (c *Channel) shown(err error) string {
	text := err.Error()
	for _, s := range c.hide {
		text = strings.ReplaceAll(text, s, "[redacted]")
	}
	return notify.Plain(text, 400)
}

// quiet is a log for senders that write what they send.
type quiet struct{}

func (quiet) Print(...any)          {}
func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}
