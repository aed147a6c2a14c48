// Package eventbridge tells of incidents as custom events on a bus of Amazon EventBridge: source "trailwarden", one
// detail-type for each stage of an incident's life, and the incident in the detail. Rules on that bus carry it on to
// whatever EventBridge reaches.
//
// The events never match the rule that wakes trailwarden, nor a looser one of the kind that the AWS sample of 2017 had:
// their source is not aws.cloudtrail, and their detail has neither an eventSource nor an eventName.
package eventbridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Source is the source of every event.
const Source = "trailwarden"

// Timeout is how long one call may take, three tries included.
const Timeout = 5 * time.Second

// Limit is how many bytes an entry may have by EventBridge's count: detail, detail-type, source, resources, and 14 for
// its time.
const Limit = 256 << 10

// Channel is a bus. It is safe for use by several goroutines.
type Channel struct {
	Caller awscall.Caller // in the Region of its Config
	Bus    string         // its name or ARN
}

var _ notify.Notifier = (*Channel)(nil)

var (
	nameForm = notify.Lazily(`^[A-Za-z0-9._/-]{1,256}$`)
	arnForm  = notify.Lazily(`^arn:aws(?:-[a-z0-9]+)*:events:([a-z0-9-]+):[0-9]{12}:event-bus/[A-Za-z0-9._/-]{1,256}$`)
)

// CheckBus holds the name or ARN of a bus against its grammar.
func CheckBus(bus string) error {
	if !nameForm().MatchString(bus) && !arnForm().MatchString(bus) {
		return fmt.Errorf("check event bus: %q is neither the name of a bus nor an ARN like arn:aws:events:REGION:ACCOUNT:event-bus/NAME", bus)
	}
	if strings.HasPrefix(bus, "aws.") || strings.Contains(bus, ":event-bus/aws.") {
		return fmt.Errorf("check event bus: %q is a partner's: nobody but the partner may put events there", bus)
	}
	return nil
}

// Open makes the channel of a bus. For an ARN it calls the bus's own Region, whatever cfg says.
func Open(cfg aws.Config, bus string) (*Channel, error) {
	if err := CheckBus(bus); err != nil {
		return nil, err
	}
	if m := arnForm().FindStringSubmatch(bus); m != nil {
		cfg.Region = m[1]
	}
	return &Channel{Bus: bus, Caller: awscall.Caller{
		Config: cfg, Agent: "trailwarden", Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, time.Second }),
	}}, nil
}

// put is what PutEvents takes, and answer what it says, as EventBridge documents them.
type put struct{ Entries []entry }

type entry struct {
	EventBusName, Source, DetailType, Detail string
	Resources                                []string
	Time                                     json.Number `json:",omitempty"` // seconds since 1970
}

type answer struct {
	FailedEntryCount int
	Entries          []struct{ ErrorCode, ErrorMessage string }
}

// Detail is the detail of an event.
type Detail struct {
	MessageID string            `json:"message_id"` // the same however often the same news is sent
	Stage     incident.Stage    `json:"stage"`      // what happened last
	Subject   string            `json:"subject"`    // one line for people
	Incident  incident.Incident `json:"incident"`   // schemas/incident.v1.json
}

// detailTypes by stage. A stage that has none here is an update.
var detailTypes = map[incident.Stage]string{
	incident.StageOpened:       "Trailwarden Incident Opened",
	incident.StageRepaired:     "Trailwarden Incident Repaired",
	incident.StageAgain:        "Trailwarden Incident Tampered Again",
	incident.StageConfirmed:    "Trailwarden Incident Confirmed",
	incident.StageEscalated:    "Trailwarden Incident Escalated",
	incident.StageReminded:     "Trailwarden Incident Still Open",
	incident.StageAcknowledged: "Trailwarden Incident Acknowledged",
	incident.StageEvidence:     "Trailwarden Incident Evidence",
}

// DetailType is the detail-type of an incident's event.
func DetailType(inc incident.Incident) string {
	if t, ok := detailTypes[notify.StageOf(inc)]; ok {
		return t
	}
	return "Trailwarden Incident Updated"
}

// Notify puts the event. An entry that EventBridge refused is an error though the call went well.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	e, err := c.entry(inc)
	if err != nil {
		return notify.Permanent(fmt.Errorf("compose event: %w", err))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, errNoAnswer)
	defer cancel()
	var out answer
	switch err := c.Caller.JSON(ctx, awscall.EventBridge, "", "AWSEvents.PutEvents", put{[]entry{e}}, &out); {
	case err != nil:
		return c.failure(ctx, err)
	case out.FailedEntryCount > 0:
		return c.refused(out)
	}
	return nil
}

var errNoAnswer = errors.New("no answer within " + Timeout.String())

func (c *Channel) entry(inc incident.Incident) (entry, error) {
	e := entry{EventBusName: c.Bus, Source: Source, DetailType: DetailType(inc), Resources: []string{}}
	if !inc.SeenAt.IsZero() {
		e.Time = json.Number(strconv.FormatFloat(float64(inc.SeenAt.UnixMilli())/1000, 'f', -1, 64))
	}
	size := 14 + len(Source) + len(e.DetailType)
	if inc.Trail.Check() == nil {
		e.Resources = []string{inc.Trail.ARN}
		size += len(inc.Trail.ARN)
	}
	detail, err := detail(inc, Limit-size)
	if err != nil {
		return e, err
	}
	if len(detail)+size > Limit {
		return e, fmt.Errorf("the event has %d bytes, more than EventBridge takes", len(detail)+size)
	}
	e.Detail = string(detail)
	return e, nil
}

func detail(inc incident.Incident, limit int) ([]byte, error) {
	subject, id := notify.Subject(inc), notify.Identity(inc)
	return notify.Document(inc, limit, func(inc incident.Incident) any {
		return Detail{MessageID: id, Stage: notify.StageOf(inc), Subject: subject, Incident: inc}
	})
}

// Event is the event as rules and targets see it, but for what EventBridge itself fills in: id, account and Region.
type Event struct {
	Version    string          `json:"version"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Time       time.Time       `json:"time"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// Render gives the event as JSON.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	e, err := c.entry(inc)
	if err != nil {
		return nil, err
	}
	return json.Marshal(Event{
		Version: "0", DetailType: e.DetailType, Source: e.Source, Time: inc.SeenAt.UTC(), Resources: e.Resources, Detail: json.RawMessage(e.Detail),
	})
}
