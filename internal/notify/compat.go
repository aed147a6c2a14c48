package notify

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/trailwarden/trailwarden/internal/incident"
)

var eventNameForm = Lazily(`^[A-Z][A-Za-z0-9]{1,39}$`)

// Compat2017 is the mail that the AWS sample of 2017 sent for the record of an incident: its subject line, and as
// its body the whole event as it came, unless that has more than limit bytes or is not at hand: then the event by
// allow-list. It is false when the sample would have sent none, because no record told of it.
//
// The sample also promised to start the trail when AWS had refused the stop, and there was nothing to start. Where
// nothing is going to be started the subject is the sample's other one, which promises nothing.
func Compat2017(inc incident.Incident, limit int) (subject string, body []byte, ok bool, err error) {
	if inc.Record == nil {
		return "", nil, false, nil
	}
	name := inc.Record.EventName
	if !eventNameForm().MatchString(name) {
		name = "unknown"
	}
	subject = fmt.Sprintf("CloudTrail event- %q received", name)
	if name == "StopLogging" && undone(inc) {
		subject += ". Will automatically enable logging."
	}
	if event, ok := whole(inc.Event); ok && len(event) <= limit {
		return subject, event, true, nil
	}
	body, err = shrink(inc, limit, func(inc incident.Incident) any { return eventOf(inc) })
	return subject, body, true, err
}

// undone says whether a stop was, or is going to be, undone.
func undone(inc incident.Incident) bool {
	switch inc.Outcome {
	case incident.Repaired, incident.Restored, incident.Failed:
		return !inc.Observe
	}
	return false
}

// whole is the event on one line, with nothing in it that a mail program would obey; false when it is no JSON.
func whole(event json.RawMessage) ([]byte, bool) {
	var b bytes.Buffer
	if len(event) == 0 || json.Compact(&b, event) != nil {
		return nil, false
	}
	return harmless(bytes.ToValidUTF8(b.Bytes(), []byte("\uFFFD"))), true
}
