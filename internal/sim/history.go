package sim

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	historyKept     = 90 * 24 * time.Hour
	eventsPerLookup = 50
)

type lookupInput struct {
	LookupAttributes   []struct{ AttributeKey, AttributeValue string }
	StartTime, EndTime *epoch
	EventCategory      string
	MaxResults         *int
	NextToken          string
}

type historyEvent struct {
	EventId, EventName string
	ReadOnly           string
	AccessKeyId        string `json:",omitempty"`
	EventTime          *epoch
	EventSource        string
	Username           string `json:",omitempty"`
	Resources          []recordResource
	CloudTrailEvent    string
}

// lookupEvents reads Event history: all management events of this account and Region in 90 days, whatever trails do.
func (w *World) lookupEvents(c *call, in *lookupInput) (any, error) {
	matches, err := in.matcher()
	if err != nil {
		return nil, err
	}
	from, to := c.at.Add(-historyKept), c.at
	if in.StartTime != nil && time.Time(*in.StartTime).After(from) {
		from = time.Time(*in.StartTime)
	}
	if in.EndTime != nil {
		to = time.Time(*in.EndTime)
	}
	if in.StartTime != nil && in.EndTime != nil && time.Time(*in.StartTime).After(time.Time(*in.EndTime)) {
		return nil, fail("InvalidTimeRangeException", "The start time is after the end time.")
	}
	limit := eventsPerLookup
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if limit < 1 || limit > eventsPerLookup {
		return nil, fail("InvalidMaxResultsException", "A maximum results value of %d is invalid. Specify a value between 1 and %d.", limit, eventsPerLookup)
	}
	before := len(w.records)
	if in.NextToken != "" {
		if before, err = in.position(before); err != nil {
			return nil, err
		}
	}
	out := struct {
		Events    []historyEvent
		NextToken string `json:",omitempty"`
	}{Events: []historyEvent{}}
	visibleUntil := c.at.Add(-w.opts.HistoryDelay)
	for i := before - 1; i >= 0; i-- {
		rec := w.records[i]
		if rec.Account != c.account || rec.Region != c.region || rec.Time.After(visibleUntil) ||
			rec.Time.Before(from) || rec.Time.After(to) || in.EventCategory != "" || !matches(rec) {
			continue
		}
		if len(out.Events) == limit {
			out.NextToken = in.token(i + 1)
			break
		}
		out.Events = append(out.Events, rec.history())
	}
	return out, nil
}

// A token names the place in the history up to which was read, and the question it belongs to.
func (in *lookupInput) token(position int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", position, in.question()))
}

func (in *lookupInput) position(end int) (int, error) {
	b, err := base64.RawURLEncoding.DecodeString(in.NextToken)
	number, question, _ := strings.Cut(string(b), " ")
	n, err2 := strconv.Atoi(number)
	if err != nil || err2 != nil || n < 0 || n > end || question != in.question() {
		return 0, fail("InvalidNextTokenException", "The token does not belong to this request.")
	}
	return n, nil
}

func (in *lookupInput) question() string {
	text := func(e *epoch) string {
		if e == nil {
			return "-"
		}
		return timestamp(time.Time(*e))
	}
	return fmt.Sprint(in.LookupAttributes, text(in.StartTime), text(in.EndTime), in.EventCategory)
}

// matcher makes a test from the at most one attribute of a lookup.
func (in *lookupInput) matcher() (func(Record) bool, error) {
	if in.EventCategory != "" && in.EventCategory != "insight" {
		return nil, fail("InvalidEventCategoryException", "Event category is not valid: %s", in.EventCategory)
	}
	if len(in.LookupAttributes) == 0 {
		return func(Record) bool { return true }, nil
	}
	if len(in.LookupAttributes) > 1 {
		return nil, fail("InvalidLookupAttributesException", "You can only use one lookup attribute at a time.")
	}
	key, value := in.LookupAttributes[0].AttributeKey, in.LookupAttributes[0].AttributeValue
	fields := map[string]func(Record) string{
		"EventId":     func(r Record) string { return r.ID },
		"EventName":   func(r Record) string { return r.Name },
		"ReadOnly":    func(r Record) string { return strconv.FormatBool(r.ReadOnly) },
		"Username":    func(r Record) string { return r.user },
		"EventSource": func(r Record) string { return r.Source },
		"AccessKeyId": func(r Record) string { return r.accessKey },
	}
	if f := fields[key]; f != nil {
		return func(r Record) bool { return f(r) == value }, nil
	}
	switch key {
	case "ResourceName":
		return func(r Record) bool {
			return slices.ContainsFunc(r.resources, func(x recordResource) bool { return x.Name == value })
		}, nil
	case "ResourceType":
		return func(r Record) bool {
			return slices.ContainsFunc(r.resources, func(x recordResource) bool { return x.Type == value })
		}, nil
	}
	return nil, fail("InvalidLookupAttributesException", "Lookup attribute is not valid: %s", key)
}

func (r Record) history() historyEvent {
	return historyEvent{
		EventId: r.ID, EventName: r.Name, ReadOnly: strconv.FormatBool(r.ReadOnly), AccessKeyId: r.accessKey, EventTime: epochOf(r.Time.Truncate(time.Second)),
		EventSource: r.Source, Username: r.user, Resources: append([]recordResource{}, r.resources...), CloudTrailEvent: string(r.Raw),
	}
}
