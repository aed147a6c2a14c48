package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Message is the notification for machines. Its first members are those of the event that CloudTrail sends to
// EventBridge, by allow-list, so that whoever reads detail.eventName today can go on.
type Message struct {
	Event
	Trailwarden incident.Incident `json:"trailwarden"` // the incident
}

// Event has the shape of an EventBridge event about a CloudTrail record.
type Event struct {
	Version    string `json:"version"`     // always "0"
	ID         string `json:"id"`          // EventBridge's id of the delivery, else the record's event id, else the incident's id
	DetailType string `json:"detail-type"` // "AWS API Call via CloudTrail", or what else trailwarden has to tell
	Source     string `json:"source"`      // "aws.cloudtrail" for a record that was accepted, else "trailwarden"
	Account    string `json:"account"`     // the account that the record belongs to
	Time       string `json:"time"`        // the record's time, RFC 3339 in UTC
	Region     string `json:"region"`      // the record's Region
	Detail     Detail `json:"detail"`      // the record
}

// Detail is what of a CloudTrail record may leave trailwarden, under CloudTrail's own names.
type Detail struct {
	EventID            string            `json:"eventID,omitempty"`            // unique id of the record
	EventName          string            `json:"eventName,omitempty"`          // the call; absent when no record told of it
	EventSource        string            `json:"eventSource,omitempty"`        // the service that was called
	EventTime          string            `json:"eventTime,omitempty"`          // RFC 3339 in UTC
	AWSRegion          string            `json:"awsRegion,omitempty"`          // where the call was made
	RecipientAccountID string            `json:"recipientAccountId,omitempty"` // the account that received the record
	RequestID          string            `json:"requestID,omitempty"`          // AWS's id of the call
	ErrorCode          string            `json:"errorCode,omitempty"`          // present when AWS refused the call
	ErrorMessage       string            `json:"errorMessage,omitempty"`       // AWS's reason for refusing it
	SourceIPAddress    string            `json:"sourceIPAddress,omitempty"`    // an address, or the name of an AWS service
	UserAgent          string            `json:"userAgent,omitempty"`          // as the caller chose it
	UserIdentity       UserIdentity      `json:"userIdentity"`                 // who made the call
	RequestParameters  RequestParameters `json:"requestParameters"`            // what it was about
}

// UserIdentity is who made the call.
type UserIdentity struct {
	Type           string          `json:"type,omitempty"`           // such as "IAMUser"
	ARN            string          `json:"arn,omitempty"`            // the principal's ARN
	AccountID      string          `json:"accountId,omitempty"`      // the principal's account
	UserName       string          `json:"userName,omitempty"`       // the user's name
	InvokedBy      string          `json:"invokedBy,omitempty"`      // the AWS service that called on somebody's behalf
	SessionContext *SessionContext `json:"sessionContext,omitempty"` // where the session comes from
}

// SessionContext is where a session comes from.
type SessionContext struct {
	SessionIssuer SessionIssuer `json:"sessionIssuer"` // the role behind the session
}

// SessionIssuer is the role behind a session.
type SessionIssuer struct {
	ARN string `json:"arn"` // the role's ARN
}

// RequestParameters names the trail. Name is always there; calls that name it otherwise have that member too.
type RequestParameters struct {
	Name       string `json:"name,omitempty"`       // the trail's ARN
	TrailName  string `json:"trailName,omitempty"`  // the same, for calls that set selectors, insights and event configuration
	ResourceID string `json:"resourceId,omitempty"` // the same, for calls that set tags
}

// Machine is the JSON document for machines (schemas/notification.v1.json), of at most limit bytes where limit
// is at least 32 KiB: the largest texts and lists are cut, with a mark. Every character that a terminal or a
// mail program would obey stands as an escape; the values are as the record had them.
func Machine(inc incident.Incident, limit int) ([]byte, error) {
	return shrink(inc, limit, func(inc incident.Incident) any {
		return Message{Event: eventOf(inc), Trailwarden: inc}
	})
}

// shrink encodes what of makes of an incident, whose texts and lists are cut until the JSON has at most
// limit bytes.
func shrink(inc incident.Incident, limit int, of func(incident.Incident) any) ([]byte, error) {
	for text, list := 8192, 200; ; text, list = max(text/2, 64), max(list/2, 5) {
		doc, err := json.Marshal(of(clip(inc, text, list)))
		if err != nil {
			return nil, fmt.Errorf("encode incident %s: %w", inc.ID, err)
		}
		doc = harmless(doc)
		if len(doc) <= limit || text == 64 && list == 5 {
			return doc, nil
		}
	}
}

// eventOf derives the event from the incident's allow-list.
func eventOf(inc incident.Incident) Event {
	e := Event{
		Version: "0", ID: inc.ID, DetailType: "Trailwarden Finding", Source: "trailwarden",
		Account: inc.Trail.Account, Time: rfc3339(inc.OpenedAt), Region: inc.Trail.Region,
	}
	e.Detail.RequestParameters.Name = inc.Trail.ARN
	if a := inc.Actor; a != nil {
		e.Detail.SourceIPAddress, e.Detail.UserAgent = a.SourceIP, a.UserAgent
		e.Detail.UserIdentity = UserIdentity{
			Type: a.Type, ARN: a.ARN, AccountID: a.Account, UserName: a.Name, InvokedBy: a.InvokedBy,
		}
		if a.Issuer != "" {
			e.Detail.UserIdentity.SessionContext = &SessionContext{SessionIssuer{ARN: a.Issuer}}
		}
	}
	r := inc.Record
	if r == nil {
		return e
	}
	e.Account, e.Region, e.Time = r.Account, r.Region, rfc3339(r.EventTime)
	for _, id := range []string{r.EventID, r.DeliveryID} {
		if id != "" {
			e.ID = id
		}
	}
	// A record that was rejected must not travel on with the look of a genuine one.
	if inc.Outcome == incident.Rejected {
		e.DetailType = "Trailwarden Rejected Record"
	} else {
		e.DetailType = "AWS API Call via CloudTrail"
		e.Source = "aws.cloudtrail"
	}
	d := &e.Detail
	d.EventID, d.EventName, d.EventSource = r.EventID, r.EventName, r.EventSource
	d.EventTime, d.AWSRegion, d.RecipientAccountID = e.Time, r.Region, r.Account
	d.RequestID, d.ErrorCode, d.ErrorMessage = r.RequestID, r.ErrorCode, r.ErrorMessage
	switch r.EventName {
	case "PutEventSelectors", "PutInsightSelectors", "PutEventConfiguration":
		d.RequestParameters.TrailName = inc.Trail.ARN
	case "AddTags", "RemoveTags":
		d.RequestParameters.ResourceID = inc.Trail.ARN
	}
	return e
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// harmless writes every character of a JSON text that is not visible, or leans on its neighbours, as a \u
// escape. Such characters stand only within strings, so the values stay the same.
func harmless(doc []byte) []byte {
	var b strings.Builder
	b.Grow(len(doc))
	for len(doc) > 0 {
		r, size := utf8.DecodeRune(doc)
		switch {
		case r < utf8.RuneSelf && r != 0x7f, visible(r) && !unicode.Is(unicode.M, r):
			b.Write(doc[:size])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		doc = doc[size:]
	}
	return []byte(b.String())
}
