package event

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// record decodes one record. top is its members.
func (d *decoder) record(raw []byte, top []member, at spot) {
	if len(raw) > d.limits.record {
		d.bad(raw, at, &fault{why: "record of " + strconv.Itoa(len(raw)) + " bytes: at most " + strconv.Itoa(d.limits.record) + " are read"})
		return
	}
	if len(d.records) == d.limits.records {
		d.bad(raw, at, &fault{why: "more than " + strconv.Itoa(d.limits.records) + " records in one input"})
		return
	}
	d.strict.stack = d.strict.stack[:0]
	_, f := d.strict.check(raw, 0, 0)
	if f == nil {
		at.carrier.Where = at.where.String()
		var r Record
		if r, f = d.fields(raw, top, at.carrier); f == nil {
			d.records = append(d.records, r)
			return
		}
	}
	d.bad(raw, at, f)
}

// fields reads what Record has a place for. Each field that is there must be of its type; which may
// be absent, and what may stand in them, is what real records and their anonymised copies show.
func (d *decoder) fields(raw []byte, top []member, c Carrier) (Record, *fault) {
	var f *fault
	o := object{members: top, fault: &f}
	r := Record{
		ID:           o.text("eventID"),
		Version:      o.text("eventVersion"),
		Type:         o.text("eventType"),
		Region:       o.text("awsRegion"),
		Account:      o.text("recipientAccountId"),
		Time:         o.time("eventTime"),
		ReadOnly:     o.flag("readOnly"),
		RequestID:    o.text("requestID"),
		SharedID:     o.text("sharedEventID"),
		ErrorCode:    o.text("errorCode"),
		ErrorMessage: o.text("errorMessage"),
		Carrier:      c,
	}
	d.inner = d.inner[:0]
	r.Name, r.Source = o.name(&r, &d.inner)

	caller := o.object("userIdentity", &d.inner)
	session := caller.object("sessionContext", &d.inner)
	r.Actor = Actor{
		Type:        caller.text("type"),
		ARN:         caller.text("arn"),
		PrincipalID: caller.text("principalId"),
		Account:     caller.text("accountId"),
		UserName:    caller.text("userName"),
		OnBehalfOf:  caller.object("onBehalfOf", &d.inner).text("userId"),
		AccessKeyID: caller.text("accessKeyId"),
		InvokedBy:   caller.text("invokedBy"),
		Issuer:      session.object("sessionIssuer", &d.inner).text("arn"),
		MFA:         session.object("attributes", &d.inner).flag("mfaAuthenticated"),
		Console:     o.flag("sessionCredentialFromConsole"),
		SourceIP:    o.text("sourceIPAddress"),
		UserAgent:   o.textOrList("userAgent"),
	}
	if r.Account == "" {
		r.Account = c.Account
	}
	if r.Account == "" {
		r.Account = r.Actor.Account
	}

	request := o.find("requestParameters")
	r.Trail, r.TrailIsHint = o.trail(r, request, &d.inner)
	if f != nil {
		return Record{}, f
	}
	// One copy, so that a record does not keep the whole input in memory.
	if c.Event != nil {
		r.Carrier.Event = bytes.Clone(c.Event)
		r.Raw = within(r.Carrier.Event, c.Event, raw)
	} else {
		r.Raw = bytes.Clone(raw)
	}
	r.Request = within(r.Raw, raw, request)
	r.Response = within(r.Raw, raw, o.find("responseElements"))
	return r, nil
}

// within is the part of copied that says what part says in raw.
func within(copied, raw, part []byte) json.RawMessage {
	if part == nil {
		return nil
	}
	// Should the same bytes stand in raw twice, either will do.
	at := bytes.Index(raw, part)
	return json.RawMessage(copied[at : at+len(part) : at+len(part)])
}

// Records that are about many calls and have no eventName: their name is their eventType, so that
// nobody takes them for a call.
const (
	typeInsight    = "AwsCloudTrailInsight"
	typeAggregated = "AwsAggregatedEvent"
)

func (o object) name(r *Record, buf *[]member) (name, source string) {
	if !o.has("eventName") {
		switch r.Type {
		case typeInsight:
			return r.Type, o.object("insightDetails", buf).needed("eventSource")
		case typeAggregated:
			r.ID, r.Account = o.text("eventId"), o.text("accountId")
			return r.Type, o.needed("eventSource")
		}
	}
	return o.needed("eventName"), o.needed("eventSource")
}

// textOrList is a string, or a list of strings: XML between the service and its copies makes lists of
// one element.
func (o object) textOrList(key string) string {
	value := o.find(key)
	if value == nil || value[0] != '[' {
		return o.text(key)
	}
	var texts []string
	for c := enter(value, 0); ; {
		element := c.next(false)
		if element == nil {
			return strings.Join(texts, " ")
		}
		texts = append(texts, string(o.content(key, element)))
	}
}

// timeForms are the ways in which AWS and its copies write eventTime. Fractions of a second need no
// form of their own.
var timeForms = []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00"}

// time is a time in UTC; zero when it is absent, or when the text that stands for it has no digit:
// an anonymiser's placeholder, such as "...".
func (o object) time(key string) time.Time {
	text := o.text(key)
	if !strings.ContainsAny(text, "0123456789") {
		return time.Time{}
	}
	for _, form := range timeForms {
		t, err := time.Parse(form, text)
		if t = t.UTC(); err == nil && t.Year() >= 0 && t.Year() <= 9999 { // what RFC 3339 can write
			return t
		}
	}
	o.fail(key, "is "+quote(text)+", which is no time")
	return time.Time{}
}

const cloudTrail = "cloudtrail.amazonaws.com"

// trail finds the trail that the call was about. AWS leaves out requestParameters of calls that it
// denied; the message then names the trail, and it is a hint only, because the caller can choose
// part of its text.
func (o object) trail(r Record, request []byte, buf *[]member) (typed string, hint bool) {
	switch {
	case r.Source != cloudTrail:
		return "", false
	case request == nil:
		typed = strings.TrimRight(trailARN.FindString(r.ErrorMessage), "._-")
		return typed, typed != ""
	case request[0] != '{':
		return "", false
	}
	p := o.object("requestParameters", buf)
	if typed = p.text("name"); typed != "" && !ofOtherKind(r.Name) {
		return typed, false
	}
	if typed = p.text("trailName"); typed != "" {
		return typed, false
	}
	// The names may end in a version: AddTags20131101.
	if strings.HasPrefix(r.Name, "AddTags") || strings.HasPrefix(r.Name, "RemoveTags") {
		typed = p.text("resourceId")
		if strings.HasPrefix(typed, "arn:") && !strings.Contains(typed, ":trail/") {
			typed = "" // an event data store, a channel or a dashboard
		}
	}
	return typed, false
}

// ofOtherKind says whether the name in a call of CloudTrail's is that of something else than a trail.
func ofOtherKind(eventName string) bool {
	for _, kind := range []string{"EventDataStore", "Channel", "Dashboard"} {
		if strings.HasSuffix(eventName, kind) {
			return true
		}
	}
	return false
}

var trailARN = regexp.MustCompile(`arn:[a-z0-9-]+:cloudtrail:[A-Za-z0-9-]+:[0-9]+:trail/[A-Za-z0-9._-]+`)
