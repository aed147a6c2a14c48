package sim

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/sim/pattern"
)

const maxPutEvents = 1 << 20 // bytes of all entries of one call

type putEventsEntry struct {
	Time                                     *epoch
	Source, DetailType, Detail, EventBusName string
	Resources                                []string
	TraceHeader                              string
}

func (e putEventsEntry) size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	if e.Time != nil {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

type putEventsResult struct {
	EventId      string `json:",omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

func (b *buses) putEvents(c *call, in *struct{ Entries []putEventsEntry }) (any, error) {
	if len(in.Entries) < 1 || len(in.Entries) > 10 {
		return nil, invalidEvents("1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length from 1 to 10, has %d", len(in.Entries))
	}
	size := 0
	for _, e := range in.Entries {
		size += e.size()
	}
	if size > maxPutEvents {
		return nil, invalidEvents("Total size of the entries in the request is over the limit.")
	}
	out := struct {
		FailedEntryCount int
		Entries          []putEventsResult
	}{Entries: []putEventsResult{}}
	for _, e := range in.Entries {
		id, err := b.putEvent(c, e)
		result := putEventsResult{EventId: id}
		if err != nil {
			failed := asAPIError(err)
			result = putEventsResult{ErrorCode: failed.code, ErrorMessage: failed.message}
			out.FailedEntryCount++
		}
		out.Entries = append(out.Entries, result)
	}
	return out, nil
}

// putEvent puts one custom event on a bus. Nobody but AWS may use a source that begins with "aws.".
func (b *buses) putEvent(c *call, e putEventsEntry) (string, error) {
	for _, required := range [...][2]string{{"Source", e.Source}, {"DetailType", e.DetailType}, {"Detail", e.Detail}} {
		if required[1] == "" {
			return "", fail("InvalidArgument", "Parameter %s is not valid. Reason: %[1]s is a required argument.", required[0])
		}
	}
	var detail map[string]json.RawMessage
	bus, err := b.busOf(c, e.EventBusName)
	switch {
	case err != nil:
		return "", fail("InvalidArgument", "Parameter EventBusName is not valid. Reason: %s", asAPIError(err).message)
	case strings.HasPrefix(e.Source, "aws."):
		return "", fail("NotAuthorizedForSourceException", "Not authorized for the source.")
	case json.Unmarshal([]byte(e.Detail), &detail) != nil || detail == nil:
		return "", fail("MalformedDetail", "Detail is malformed.")
	}
	at := c.at
	if e.Time != nil {
		at = time.Time(*e.Time)
	}
	sent := envelope{
		Version: "0", ID: b.world.uuid(), DetailType: e.DetailType, Source: e.Source, Account: c.account,
		Time: timestamp(at), Region: c.region, Resources: append([]string{}, e.Resources...), Detail: json.RawMessage(e.Detail),
	}
	if _, err := (pattern.Pattern{}).Match(mustMarshal(sent)); err != nil { // too deep for any rule to read
		return "", fail("MalformedDetail", "Detail is malformed: %s.", err)
	}
	b.world.schedule(c.at, func() {
		b.world.mu.Lock()
		defer b.world.mu.Unlock()
		b.route(bus, sent, false)
	})
	return sent.ID, nil
}

func (b *buses) testPattern(_ *call, in *struct{ EventPattern, Event string }) (any, error) {
	p, err := parseEventPattern(in.EventPattern)
	if err != nil {
		return nil, err
	}
	var event map[string]json.RawMessage
	if json.Unmarshal([]byte(in.Event), &event) != nil {
		return nil, invalidEvents("Parameter Event is not valid.")
	}
	for _, name := range []string{"id", "account", "source", "time", "region", "resources", "detail-type"} {
		if event[name] == nil {
			return nil, invalidEvents("Parameter Event is not valid. Reason: %s is a required field.", name)
		}
	}
	ok, err := p.Match([]byte(in.Event))
	if err != nil {
		return nil, invalidEvents("Parameter Event is not valid. Reason: %s", err)
	}
	return struct{ Result bool }{ok}, nil
}
