// Package alertmanager tells of incidents through Alertmanager's API v2: an alert for each incident, which ends when the
// repair is confirmed. Routing, silences and some twenty kinds of receivers come with it.
package alertmanager

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/web"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// Channel is the instances of one Alertmanager. Each is told, since they do not tell each other of alerts. It is safe for use
// by several goroutines.
type Channel struct {
	Web         *web.Client
	URLs        []string // base URL of each instance
	Username    string   // for basic authentication; "" for none
	Password    secret.Value
	BearerToken secret.Value     // instead of basic authentication
	Memory      notify.Memory    // nil for none
	Location    *time.Location   // local time, besides UTC; nil for none
	Now         func() time.Time // nil for time.Now
}

var _ notify.Notifier = (*Channel)(nil)

// Check says what is missing or wrong, without calling Alertmanager.
func (c *Channel) Check() error {
	if len(c.URLs) == 0 {
		return errors.New("check Alertmanager: notify.alertmanager.urls is not set")
	}
	if c.Username != "" && !c.BearerToken.Empty() {
		return errors.New("check Alertmanager: set notify.alertmanager.username or notify.alertmanager.bearer_token, not both")
	}
	if c.Username != "" && c.Password.Empty() {
		return errors.New("check Alertmanager: notify.alertmanager.username needs notify.alertmanager.password")
	}
	for _, u := range c.URLs {
		if err := c.Web.Check(secret.New(u)); err != nil {
			return fmt.Errorf("check Alertmanager: notify.alertmanager.urls: %w", err)
		}
	}
	return nil
}

// Render is the alerts that tell of the incident.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	return json.Marshal([]alert{compose(inc, c.Location, c.now())})
}

func (c *Channel) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// Notify posts the alert to every instance, and is content when one of them took it.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	if err := c.Check(); err != nil {
		return notify.Permanent(err)
	}
	now := c.now()
	a := compose(inc, c.Location, now)
	key := "alertmanager/" + inc.ID
	alerts := append([]alert{a}, c.outgrown(ctx, key, a, now)...)
	body, err := json.Marshal(alerts)
	if err != nil {
		return notify.Permanent(fmt.Errorf("compose alerts for Alertmanager: %w", err))
	}
	var errs []error
	for _, base := range c.URLs {
		if err := c.post(ctx, base, body); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == len(c.URLs) {
		return together(errs)
	}
	if labels, err := json.Marshal(a.Labels); err == nil && c.Memory != nil {
		// When this fails, an alert may go on beside its successor until it ends by itself.
		_ = c.Memory.Remember(ctx, key, string(labels))
	}
	return nil
}

// outgrown ends the alert that told of the incident when it had other labels: Alertmanager knows an alert by all of its
// labels, and the severity of an incident may rise.
func (c *Channel) outgrown(ctx context.Context, key string, a alert, now time.Time) []alert {
	if c.Memory == nil {
		return nil
	}
	kept, err := c.Memory.Recall(ctx, key)
	if err != nil || kept == "" {
		return nil
	}
	old := a
	old.Labels = nil
	if json.Unmarshal([]byte(kept), &old.Labels) != nil || equal(old.Labels, a.Labels) {
		return nil
	}
	old.EndsAt = now.UTC().Format(time.RFC3339)
	return []alert{old}
}

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, value := range a {
		if b[name] != value {
			return false
		}
	}
	return true
}

// Probe asks every instance for its status. An error names those that do not answer.
func (c *Channel) Probe(ctx context.Context) error {
	if err := c.Check(); err != nil {
		return err
	}
	var errs []error
	for _, base := range c.URLs {
		if _, err := c.Web.Get(ctx, at(base, "/api/v2/status"), c.header(), c.Password, c.BearerToken); err != nil {
			errs = append(errs, fmt.Errorf("ask Alertmanager: %w", err))
		}
	}
	return errors.Join(errs...)
}

func at(base, path string) secret.Value { return secret.New(strings.TrimSuffix(base, "/") + path) }

func (c *Channel) header() http.Header {
	header := http.Header{}
	switch {
	case !c.BearerToken.Empty():
		header.Set("Authorization", "Bearer "+c.BearerToken.Reveal())
	case c.Username != "":
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password.Reveal())))
	}
	return header
}

func (c *Channel) post(ctx context.Context, base string, body []byte) error {
	if _, err := c.Web.Post(ctx, at(base, "/api/v2/alerts"), c.header(), body, c.Password, c.BearerToken); err != nil {
		return fmt.Errorf("tell Alertmanager: %w", err)
	}
	return nil
}

// together is one error for all instances: worth another try when one of theirs is, at the earliest time that any asks for.
func together(errs []error) error {
	texts := make([]string, len(errs))
	permanent, asked, pause := true, true, time.Duration(1<<62)
	for i, err := range errs {
		texts[i] = err.Error()
		permanent = permanent && notify.IsPermanent(err)
		if p, ok := notify.RetryAfter(err); ok {
			pause = min(pause, p)
		} else {
			asked = asked && notify.IsPermanent(err)
		}
	}
	err := errors.New(strings.Join(texts, "; "))
	switch {
	case permanent:
		return notify.Permanent(err)
	case asked:
		return notify.After(err, pause)
	}
	return err
}
