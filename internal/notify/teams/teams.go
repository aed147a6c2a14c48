// Package teams tells of incidents in Microsoft Teams, by an Adaptive Card posted to a Workflows webhook.
//
// Texts stand in RichTextBlocks, which know no Markdown: in TextBlocks and FactSets a backslash escapes on some clients
// and not on others (microsoft/AdaptiveCards issues 4677 and 5590).
package teams

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/web"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// Channel is a Workflows webhook. It is safe for use by several goroutines.
type Channel struct {
	Web        *web.Client
	WebhookURL secret.Value
	Location   *time.Location // local time, besides UTC; nil for none
}

var _ notify.Notifier = (*Channel)(nil)

// Check says what is missing or wrong, without calling Teams.
func (c *Channel) Check() error {
	if c.WebhookURL.Empty() {
		return errors.New("check Teams: notify.teams.webhook_url is not set")
	}
	if err := c.Web.Check(c.WebhookURL); err != nil {
		return fmt.Errorf("check Teams: notify.teams.webhook_url: %w", err)
	}
	if u, err := url.Parse(c.WebhookURL.Reveal()); err == nil && strings.HasSuffix(u.Hostname(), ".webhook.office.com") {
		return errors.New("check Teams: notify.teams.webhook_url is of an Office 365 connector, which Microsoft has retired: " +
			"make a workflow from the template \"Send webhook alerts to a channel\"")
	}
	return nil
}

// Render is the payload that tells of the incident.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) { return compose(inc, c.Location) }

// Notify posts the card. The workflow takes it and posts it later: that it was taken is all that can be known.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	if err := c.Check(); err != nil {
		return notify.Permanent(err)
	}
	body, err := compose(inc, c.Location)
	if err != nil {
		return notify.Permanent(fmt.Errorf("compose message for Teams: %w", err))
	}
	a, err := c.Web.Post(ctx, c.WebhookURL, nil, body)
	if err != nil {
		return fmt.Errorf("tell Teams: %w", err)
	}
	// Some proxies of Teams answer 200 and say in words that it failed.
	if said := string(a.Body); strings.Contains(strings.ToLower(said), "delivery failed") || strings.Contains(said, `"error":`) {
		return fmt.Errorf("tell Teams: it answered %d and an error: %q", a.Status, web.Shown(a.Body, pieces(c.WebhookURL)...))
	}
	return nil
}

// Probe says whether somebody answers at the URL. Nothing is posted; that the workflow runs only a card can tell.
func (c *Channel) Probe(ctx context.Context) error {
	if err := c.Check(); err != nil {
		return err
	}
	return c.Web.Reach(ctx, c.WebhookURL)
}

// pieces are the parts of the URL that an answer may repeat.
func pieces(v secret.Value) []string {
	return strings.FieldsFunc(v.Reveal(), func(r rune) bool { return strings.ContainsRune("/?&=", r) })[2:]
}
