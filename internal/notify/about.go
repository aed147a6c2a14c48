package notify

import (
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

func (w *writer) who() {
	a := w.inc.Actor
	if w.inc.Outcome == incident.Rejected {
		w.page.section("Who and from where, as the rejected record claims")
	} else {
		w.page.section("Who and from where")
	}
	switch {
	case a == nil && w.inc.Record == nil:
		w.page.para("Not known: no event told of it. Event history of the trail's Region may show the call.")
		return
	case a == nil:
		w.page.para("The record does not say.")
		return
	case w.inc.Outcome == incident.Confirmed:
		w.page.para("trailwarden itself, as")
	}
	w.page.field("Principal", text(a.ARN))
	w.page.field("Kind", kindOf(*a))
	w.page.field("Name", text(a.Name))
	w.page.field("Role", text(a.Issuer))
	if a.Account != "" && a.Account != w.inc.Trail.Account {
		w.page.field("Account", text(a.Account)+", which is not the trail's")
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
	w.page.field("Invoked by", text(a.InvokedBy))
	w.page.field("Address", text(a.SourceIP))
	w.page.field("User agent", text(a.UserAgent))
	if r := w.inc.Record; r != nil && r.ErrorCode != "" {
		w.page.field("Refused", strings.TrimSuffix(text(r.ErrorCode)+": "+text(r.ErrorMessage), ": "))
	}
}

func kindOf(a incident.Actor) string {
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
	return text(a.Type)
}

func (w *writer) links() {
	places := links(w.inc)
	if len(places) == 0 {
		return
	}
	w.page.section("Where to look")
	for _, l := range places {
		w.page.field(l.name, l.url)
	}
}

func (w *writer) details() {
	inc := w.inc
	w.page.section("Details")
	w.page.field("Incident", text(inc.ID))
	w.page.field("Trail", text(inc.Trail.ARN))
	for i, f := range inc.Findings {
		if i == proseItems {
			break
		}
		rule := text(f.Rule) + ", " + text(string(f.Severity))
		if f.Attack != "" {
			rule += ", ATT&CK " + text(f.Attack)
		}
		w.page.field("Rule", rule)
	}
	if r := inc.Record; r != nil {
		w.page.field("Call", text(r.EventName)+" of "+text(r.EventSource))
		w.page.field("Called at", moment(r.EventTime, w.loc))
		w.page.field("Event", text(r.EventID))
		w.page.field("Request", text(r.RequestID))
		w.page.field("Delivery", text(r.DeliveryID))
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

// latency says how long each stage took, as far as the clocks allow to tell.
func (w *writer) latency() string {
	inc := w.inc
	parts := []string{cameFrom(inc.Source)}
	if d := between(inc.OpenedAt, inc.SeenAt); d != "" {
		parts[0] += " " + d + " after it happened"
	}
	if inc.RepairedAt != nil {
		if d := between(inc.SeenAt, *inc.RepairedAt); d != "" {
			parts = append(parts, "repaired and read back "+d+" later")
		}
	}
	return strings.Join(parts, ", ")
}

func cameFrom(source string) string {
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
	return "received as " + text(source)
}
