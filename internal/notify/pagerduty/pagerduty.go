// Package pagerduty tells of incidents through PagerDuty's Events API v2. The incident's id is the key of its alert: it
// is triggered once, acknowledged when a person takes the incident on, and resolved when the repair is confirmed.
package pagerduty

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/web"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// Where events are sent to, by the region of the PagerDuty account.
const (
	US = "https://events.pagerduty.com/v2/enqueue"
	EU = "https://events.eu.pagerduty.com/v2/enqueue"
)

// Limits of the API.
const (
	maxSummary = 1024      // characters
	maxKey     = 255       // characters
	maxEvent   = 512 << 10 // bytes
)

// Channel is a service in PagerDuty. It is safe for use by several goroutines.
type Channel struct {
	Web        *web.Client
	RoutingKey secret.Value   // integration key of the service
	Endpoint   string         // US or EU; "" for US
	Location   *time.Location // local time, besides UTC; nil for none
}

var _ notify.Notifier = (*Channel)(nil)

// event is one of the Events API v2.
type event struct {
	RoutingKey string   `json:"routing_key"`
	Action     string   `json:"event_action"` // trigger, acknowledge or resolve
	DedupKey   string   `json:"dedup_key"`
	Payload    *payload `json:"payload,omitempty"`
	Links      []link   `json:"links,omitempty"`
	Client     string   `json:"client,omitempty"`
	ClientURL  string   `json:"client_url,omitempty"`
}

type payload struct {
	Summary   string  `json:"summary"`
	Source    string  `json:"source"`
	Severity  string  `json:"severity"` // critical, error, warning or info
	Timestamp string  `json:"timestamp"`
	Component string  `json:"component,omitempty"`
	Group     string  `json:"group,omitempty"`
	Class     string  `json:"class,omitempty"`
	Details   details `json:"custom_details,omitempty"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// details are members of an object in their order.
type details []detail

type detail struct {
	name  string
	value any
}

func (d details) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, m := range d {
		b.WriteByte("{,"[min(i, 1)])
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Check says what is missing, without calling PagerDuty.
func (c *Channel) Check() error {
	if c.RoutingKey.Empty() {
		return fmt.Errorf("check PagerDuty: notify.pagerduty.routing_key is not set")
	}
	if n := len(c.RoutingKey.Reveal()); n != 32 {
		return fmt.Errorf("check PagerDuty: notify.pagerduty.routing_key has %d characters, an integration key has 32", n)
	}
	return nil
}

// Render is the event that tells of the incident, with the routing key left out; empty when nothing is told.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	e, ok := compose(inc, c.Location)
	if !ok {
		return nil, nil
	}
	e.RoutingKey = c.RoutingKey.String()
	return encode(e)
}

// Notify sends the event. What was read from Event history after a repair is not sent: it would open the alert again.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	if err := c.Check(); err != nil {
		return notify.Permanent(err)
	}
	e, ok := compose(inc, c.Location)
	if !ok {
		return nil
	}
	return c.send(ctx, e)
}

// Probe asks PagerDuty whether it knows the routing key, by resolving an alert that never was: nobody sees it.
func (c *Channel) Probe(ctx context.Context) error {
	if err := c.Check(); err != nil {
		return err
	}
	return c.send(ctx, event{Action: "resolve", DedupKey: "trailwarden-probe"})
}

func (c *Channel) send(ctx context.Context, e event) error {
	e.RoutingKey = c.RoutingKey.Reveal()
	body, err := encode(e)
	if err != nil {
		return notify.Permanent(fmt.Errorf("compose event for PagerDuty: %w", err))
	}
	endpoint := c.Endpoint
	if endpoint == "" {
		endpoint = US
	}
	a, err := c.Web.Post(ctx, secret.New(endpoint), nil, body, c.RoutingKey)
	if err != nil {
		return fmt.Errorf("tell PagerDuty: %w", err)
	}
	var done struct {
		Status   string `json:"status"`
		DedupKey string `json:"dedup_key"`
	}
	if json.Unmarshal(a.Body, &done) != nil || done.Status != "success" || done.DedupKey != e.DedupKey {
		// Without its key nothing could resolve the alert.
		return fmt.Errorf("tell PagerDuty: it answered %d, and did not say that it took the event: %q", a.Status, web.Shown(a.Body, c.RoutingKey.Reveal()))
	}
	return nil
}

// encode leaves the details out when the event is too large with them.
func encode(e event) ([]byte, error) {
	doc, err := json.Marshal(e)
	if err != nil || len(doc) <= maxEvent || e.Payload == nil {
		return doc, err
	}
	small := *e.Payload
	small.Details = details{{"note", "The details were too large for PagerDuty: they stand in the incident."}}
	e.Payload = &small
	return json.Marshal(e)
}

// severities are PagerDuty's.
var severities = map[incident.Severity]string{
	incident.Critical: "critical", incident.High: "error", incident.Medium: "warning", incident.Low: "info", incident.Info: "info",
}

// compose makes the event of an incident; false when there is nothing to tell.
func compose(inc incident.Incident, loc *time.Location) (event, bool) {
	e := event{DedupKey: notify.Plain(inc.ID, maxKey), Action: "trigger"}
	stage := notify.StageOf(inc)
	switch {
	case notify.Quiet(inc):
		return event{}, false // nobody is woken to hear that all is well
	case stage == incident.StageEvidence && inc.Well():
		return event{}, false
	case notify.Ended(inc):
		e.Action = "resolve"
		return e, true
	case stage == incident.StageAcknowledged:
		e.Action = "acknowledge"
		return e, true
	}
	page := notify.PageOf(inc, loc)
	e.Client = "trailwarden"
	e.Payload = &payload{
		Summary: cut(page.Headline, maxSummary), Source: source(inc), Severity: severities[inc.Severity],
		Timestamp: inc.OpenedAt.UTC().Format(time.RFC3339), Component: notify.Plain(inc.Trail.Name, 200), Group: notify.Plain(inc.Trail.Account, 200),
	}
	if page.Drill != "" {
		e.Payload.Summary = cut("DRILL: "+page.Headline, maxSummary)
	}
	if e.Payload.Severity == "" {
		e.Payload.Severity = "warning"
	}
	if len(inc.Findings) > 0 {
		e.Payload.Class = notify.Plain(inc.Findings[0].Rule, 200)
	}
	add := func(name string, value any) { e.Payload.Details = append(e.Payload.Details, detail{name, value}) }
	if page.Drill != "" {
		add("Drill", page.Drill)
	}
	if len(page.Findings) > 0 {
		add("What happened", notify.Section{Blocks: page.Findings}.Lines())
	}
	if page.Partial != "" {
		add("Incomplete", page.Partial)
	}
	seen := map[string]bool{}
	for _, s := range page.Sections {
		if s.Topic == notify.Links {
			for _, b := range s.Blocks {
				e.Links = append(e.Links, link{b.URL, b.Label})
			}
			e.ClientURL = s.Blocks[0].URL
			continue
		}
		if !seen[s.Title] {
			add(s.Title, s.Lines())
		}
		seen[s.Title] = true
	}
	return e, true
}

// source names what the alert is about. PagerDuty wants one.
func source(inc incident.Incident) string {
	if notify.Own(inc) {
		return "trailwarden"
	}
	if inc.Trail.ARN == "" {
		return "CloudTrail in account " + notify.Plain(strings.TrimSpace(inc.Trail.Account+" "+inc.Trail.Region), 200)
	}
	return notify.Plain(inc.Trail.ARN, 400)
}

func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}
