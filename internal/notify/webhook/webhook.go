// Package webhook tells of incidents by signed JSON, as Standard Webhooks 1.0.0 says: any receiver that knows the
// standard can tell that a message is ours, that nobody changed it, and that it has seen it before.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/web"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// size is what the standard advises a payload to stay under, in bytes.
const size = 20 << 10

// Channel is a receiver. It is safe for use by several goroutines.
type Channel struct {
	Web  *web.Client
	URL  secret.Value
	Keys secret.Value     // whsec_… (HMAC) and whsk_… (ed25519), separated by blanks: the new one and, for a while, the old one
	Now  func() time.Time // nil for time.Now
}

var _ notify.Notifier = (*Channel)(nil)

// Check says what is missing or wrong, without calling the receiver.
func (c *Channel) Check() error {
	if c.URL.Empty() {
		return errors.New("check webhook: notify.webhook.url is not set")
	}
	if err := c.Web.Check(c.URL); err != nil {
		return fmt.Errorf("check webhook: notify.webhook.url: %w", err)
	}
	if _, err := parseKeys(c.Keys); err != nil {
		return fmt.Errorf("check webhook: notify.webhook.secret: %w", err)
	}
	return nil
}

// Render is the payload: its type, such as "incident.repaired", when it happened, and as its data the message for machines
// (schemas/notification.v1.json).
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	name := "incident.updated"
	if stage := notify.StageOf(inc); slices.Contains(incident.Stages, stage) {
		name = "incident." + string(stage)
	}
	head := `{"type":"` + name + `","timestamp":"` + happened(inc).UTC().Format(time.RFC3339) + `","data":`
	data, err := notify.Machine(inc, size-len(head)-1)
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(head), data, []byte("}")), nil
}

// happened is the time of what the message tells.
func happened(inc incident.Incident) time.Time {
	at := inc.SeenAt
	later := func(t time.Time) {
		if t.After(at) {
			at = t
		}
	}
	for _, t := range inc.Tamperings {
		later(t.At)
	}
	if inc.RepairedAt != nil {
		later(*inc.RepairedAt)
	}
	if inc.Acknowledged != nil {
		later(inc.Acknowledged.At)
	}
	if inc.Evidence != nil {
		later(inc.Evidence.ReadAt)
	}
	return at
}

// Notify posts the payload, signed with every key. The id is the same however often it is sent; the time is that of
// each try.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	if err := c.Check(); err != nil {
		return notify.Permanent(err)
	}
	keys, err := parseKeys(c.Keys)
	if err != nil {
		return notify.Permanent(err)
	}
	body, err := c.Render(inc)
	if err != nil {
		return notify.Permanent(fmt.Errorf("compose message for webhook: %w", err))
	}
	if !json.Valid(body) {
		return notify.Permanent(errors.New("compose message for webhook: it is no JSON"))
	}
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	id, at := "msg_"+notify.Identity(inc), strconv.FormatInt(now().Unix(), 10)
	header := http.Header{
		"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {keys.sign(id + "." + at + "." + string(body))},
	}
	if _, err := c.Web.Post(ctx, c.URL, header, body, hide(c.Keys)...); err != nil {
		return fmt.Errorf("tell webhook: %w", err)
	}
	return nil
}

// Probe says whether somebody answers at the URL. Nothing is sent.
func (c *Channel) Probe(ctx context.Context) error {
	if err := c.Check(); err != nil {
		return err
	}
	return c.Web.Reach(ctx, c.URL)
}

// hide lists the keys one by one.
func hide(keys secret.Value) []secret.Value {
	var out []secret.Value
	for key := range strings.FieldsSeq(keys.Reveal()) {
		out = append(out, secret.New(key))
	}
	return out
}
