package notify

import (
	"fmt"
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

func (w *writer) who() {
	if Own(w.inc) {
		return
	}
	a := w.inc.Actor
	if w.inc.Outcome == incident.Rejected {
		w.page.section(Who, "Who and from where, as the rejected record claims")
	} else {
		w.page.section(Who, "Who and from where")
	}
	switch {
	case a == nil && w.inc.Record == nil:
		w.page.para("Not known: no event told of it. Event history of the trail's Region may show the call.")
		return
	case a == nil:
		w.page.para("The record does not say.")
		return
	case confirmsItself(w.inc):
		w.page.para("trailwarden itself, as")
	}
	w.page.field("Principal", w.text(a.ARN))
	w.page.field("Kind", w.kind(*a))
	w.page.field("Name", w.text(a.Name))
	w.page.field("Role", w.text(a.Issuer))
	if a.Account != "" && a.Account != w.inc.Trail.Account {
		w.page.field("Account", w.text(a.Account)+", which is not the trail's")
	}
	if a.KeySuffix != "" {
		w.page.field("Access key", "ends in "+Plain(a.KeySuffix, markLen))
	}
	switch {
	case a.MFA:
		w.page.field("MFA", "used")
	case a.Type != "AWSService":
		w.page.field("MFA", "not shown by the record")
	}
	if a.Console {
		w.page.field("Session", "from the AWS console")
	}
	w.page.field("Invoked by", w.text(a.InvokedBy))
	w.page.field("Address", w.text(a.SourceIP))
	w.page.field("User agent", w.text(a.UserAgent))
	if r := w.inc.Record; r != nil && r.ErrorCode != "" {
		w.page.field("Refused", strings.TrimSuffix(w.text(r.ErrorCode)+": "+w.text(r.ErrorMessage), ": "))
	}
}

func (w *writer) kind(a incident.Actor) string {
	switch a.Type {
	case "Root":
		return "ROOT USER of the account"
	case "IAMUser":
		return "IAM user"
	case "AssumedRole":
		return "session of an assumed role"
	case "FederatedUser", "WebIdentityUser", "SAMLUser":
		return "federated user"
	case "IdentityCenterUser":
		return "IAM Identity Center user"
	case "AWSService":
		return "AWS service"
	case "AWSAccount":
		return "another AWS account"
	}
	return w.text(a.Type)
}

func (w *writer) links() {
	places := links(w.inc)
	if len(places) == 0 {
		return
	}
	w.page.section(Links, "Where to look")
	for _, l := range places {
		w.page.add(Block{Kind: Link, Label: l.name, URL: l.url})
	}
}

func (w *writer) details() {
	inc := w.inc
	w.page.section(Details, "Details")
	w.page.field("Incident", w.text(inc.ID))
	w.page.field("Trail", w.text(inc.Trail.ARN))
	for i, f := range inc.Findings {
		if i == w.items {
			break
		}
		rule := w.text(f.Rule) + ", " + w.text(string(f.Severity))
		if f.Attack != "" {
			rule += ", ATT&CK " + w.text(f.Attack)
		}
		w.page.field("Rule", rule)
	}
	if r := inc.Record; r != nil {
		w.page.field("Call", w.text(r.EventName)+" of "+w.text(r.EventSource))
		w.page.field("Called at", moment(r.EventTime, w.loc))
		w.page.field("Event", w.text(r.EventID))
		w.page.field("Request", w.text(r.RequestID))
		w.page.field("Delivery", w.text(r.DeliveryID))
	}
	if e := inc.Evidence; e != nil {
		w.page.field("Evidence", "SHA-256 "+w.text(e.SHA256))
	}
	if l := inc.Ledger; l != nil {
		w.page.field("Ledger", fmt.Sprintf("entry %d of %s chain, SHA-256 %s", l.Seq, chainWord(w.inc), w.text(l.Hash)))
	}
	if Own(w.inc) {
		return
	}
	w.page.field("Latency", w.latency())
	mode := "repairs"
	if inc.Observe {
		mode = "observes only"
	}
	if inc.Drill {
		mode += "; this is a drill"
	}
	w.page.field("Mode", mode)
}

func chainWord(inc incident.Incident) string {
	if inc.Trail.ARN == "" {
		return "trailwarden's own"
	}
	return "the trail's"
}

// latency says how long each stage took, as far as the clocks allow to tell.
func (w *writer) latency() string {
	inc := w.inc
	parts := []string{w.cameFrom(inc.Source)}
	if d := between(inc.OpenedAt, inc.SeenAt); d != "" {
		parts[0] += " " + d + " after it happened"
	}
	if inc.RepairedAt != nil && inc.Count < 2 { // SeenAt is of the first time, RepairedAt of the latest
		if d := between(inc.SeenAt, *inc.RepairedAt); d != "" {
			parts = append(parts, "repaired and read back "+d+" later")
		}
	}
	return strings.Join(parts, ", ")
}

func (w *writer) cameFrom(source string) string {
	switch source {
	case "eventbridge":
		return "received from EventBridge"
	case "sweep":
		return "found by a sweep"
	case "log_file":
		return "read from a log file"
	case "lookup_events":
		return "read from Event history"
	case "cloudwatch_logs":
		return "received from CloudWatch Logs"
	case "":
		return "received"
	}
	return "received as " + w.text(source)
}
