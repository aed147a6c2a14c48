package selfwatch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Events is how the queue of events was deployed, besides what no deployment changes.
type Events struct {
	DeadLetters string   `json:"dead_letters"` // ARN of the queue for what could not be handled
	Senders     []string `json:"senders"`      // ARNs of the rules that may send
}

// How the template makes the queue. Its tests hold it against this.
const (
	Visibility  = 360     // seconds that a message is not seen while it is worked on
	Retention   = 1209600 // seconds that a message waits at most: as long as SQS can
	MaxReceives = 5       // tries
	// leastMessage is how large a message may be at least: as large as an event may be.
	leastMessage = 256 << 10
)

// queue sees whether the queue is there, keeps what it is given, and is open to nobody else.
func (l *look) queue(ctx context.Context, e Expect) {
	if e.Events == nil {
		return
	}
	part := strings.Split(e.Queue, ":")
	if len(part) != 6 {
		l.fail(fmt.Errorf("look at the queue: %q is no ARN", e.Queue), e.Queue, "notify.queue-")
		return
	}
	is, err := l.attributes(ctx, part[4], part[5])
	switch codeOf(err) {
	case "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue":
		l.find("notify.queue-deleted", incident.Critical, e.Queue, "the queue of events is gone, and what waited in it: no event reaches the function", e.Queue, "nothing", ask)
		return
	}
	if err != nil {
		l.mayRefuse(err, e.Queue, "notify.queue-")
		return
	}
	differs := func(name, want, text string) {
		if is[name] == want {
			return
		}
		l.find("notify.queue-attributes", incident.High, e.Queue, text, name+" "+want, name+" "+orNone(is[name]), e.set(name, want))
	}
	differs("MessageRetentionPeriod", fmt.Sprint(Retention), "the queue forgets events sooner than deployed: those that come while the function cannot run are lost")
	differs("VisibilityTimeout", fmt.Sprint(Visibility), "the queue holds events back for another time than deployed: they are worked on twice, or again too late")
	differs("DelaySeconds", "0", "the queue holds events back: repairs come too late")
	differs("KmsMasterKeyId", "", "the queue is encrypted with a key that was not deployed: whoever has it decides whether events arrive")
	if most, err := strconv.Atoi(is["MaximumMessageSize"]); err == nil && most < leastMessage {
		l.find("notify.queue-attributes", incident.High, e.Queue, "the queue takes no events of usual size", fmt.Sprintf("MaximumMessageSize %d or more", leastMessage),
			fmt.Sprintf("MaximumMessageSize %d", most), e.set("MaximumMessageSize", fmt.Sprint(leastMessage)))
	}
	redrive, _ := json.Marshal(map[string]any{"deadLetterTargetArn": e.Events.DeadLetters, "maxReceiveCount": MaxReceives}) // cannot fail
	var has struct {
		Target string          `json:"deadLetterTargetArn"`
		Most   json.RawMessage `json:"maxReceiveCount"` // a number, or one in quotes
	}
	_ = json.Unmarshal([]byte(is["RedrivePolicy"]), &has) // none is as good as one that nobody can read
	if most := strings.Trim(string(has.Most), `"`); has.Target != e.Events.DeadLetters || most != fmt.Sprint(MaxReceives) {
		l.find("notify.queue-attributes", incident.High, e.Queue, "events that cannot be handled do not go where they are kept: they are lost, or come for ever",
			"RedrivePolicy "+string(redrive), "RedrivePolicy "+orNone(compact(is["RedrivePolicy"])), e.set("RedrivePolicy", string(redrive)))
	}
	l.policy(e, is["Policy"])
}

// policy sees whether the queue's policy is as deployed: what is denied to everybody else still is, and nobody else is allowed anything.
func (l *look) policy(e Expect, text string) {
	want := e.QueuePolicy()
	var has struct{ Statement []map[string]any }
	if text != "" && json.Unmarshal([]byte(text), &has) != nil {
		has.Statement = []map[string]any{{"Sid": "that nobody can read"}}
	}
	var wrong []string
	for _, s := range want {
		if !slices.ContainsFunc(has.Statement, func(h map[string]any) bool { return Canonical(h) == Canonical(s) }) {
			wrong = append(wrong, fmt.Sprintf("without %s", s["Sid"]))
		}
	}
	for _, h := range has.Statement {
		if !slices.ContainsFunc(want, func(s map[string]any) bool { return Canonical(h) == Canonical(s) }) {
			wrong = append(wrong, "with "+Canonical(h))
		}
	}
	if len(wrong) == 0 {
		return
	}
	policy, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": want}) // of strings: it cannot fail
	l.find("notify.queue-attributes", incident.Critical, e.Queue, "the queue's policy is not as deployed: somebody may read events away, forge them, or keep them from arriving",
		"the policy that was deployed", strings.Join(wrong, "; "), e.set("Policy", string(policy)))
}

// QueuePolicy are the statements of the queue's policy as the template has them.
func (e Expect) QueuePolicy() []map[string]any {
	on := func(condition map[string]any, effect, sid string, principal any, actions ...string) map[string]any {
		s := map[string]any{"Sid": sid, "Effect": effect, "Principal": principal, "Action": actions, "Resource": e.Queue}
		if condition != nil {
			s["Condition"] = condition
		}
		return s
	}
	return []map[string]any{
		on(map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": e.Events.Senders}}, "Allow", "OnlyTheseRulesSend", map[string]any{"Service": "events.amazonaws.com"}, "sqs:SendMessage"),
		on(map[string]any{"ArnNotEquals": map[string]any{"aws:PrincipalArn": e.React.Role}}, "Deny", "OnlyTheFunctionReceives", "*", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"),
		on(nil, "Deny", "NobodyPurges", "*", "sqs:PurgeQueue"),
		on(map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}}, "Deny", "OnlyOverTLS", "*", "sqs:*"),
	}
}

// Canonical is a statement of a policy in a form in which two that mean the same are the same: one value is a list of one, lists have an order,
// actions and keys no upper case, and what it is called does not matter.
func Canonical(statement map[string]any) string {
	out := map[string]any{}
	for key, value := range statement {
		switch key {
		case "Sid":
			continue
		case "Action", "NotAction":
			value = texts(value, strings.ToLower)
		case "Principal", "NotPrincipal":
			if text, ok := value.(string); ok {
				value = map[string]any{"AWS": text} // "*" and {"AWS": "*"} are the same
			}
			value = members(value, func(v any) any { return texts(v, nil) })
		case "Condition":
			value = members(value, func(v any) any { return members(v, func(v any) any { return texts(v, nil) }) })
		default:
			value = texts(value, nil)
		}
		out[key] = value
	}
	b, _ := json.Marshal(out) // it was JSON
	return string(b)
}

// members does something with each member of an object, whose names get no upper case; what is no object stays.
func members(v any, do func(any) any) any {
	object, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for key, value := range object {
		out[strings.ToLower(key)] = do(value)
	}
	return out
}

// texts is a value, or a list of them, as a list of texts in order.
func texts(v any, as func(string) string) []string {
	var out []string
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			out = append(out, fmt.Sprint(x))
		}
	case []string:
		out = slices.Clone(v)
	default:
		out = []string{fmt.Sprint(v)}
	}
	if as != nil {
		for i := range out {
			out[i] = as(out[i])
		}
	}
	slices.Sort(out)
	return out
}

// set is the command that sets one attribute of the queue.
func (e Expect) set(name, value string) string {
	attribute, _ := json.Marshal(map[string]string{name: value}) // cannot fail
	queue := e.Queue[strings.LastIndexByte(e.Queue, ':')+1:]
	return fmt.Sprintf(`aws sqs set-queue-attributes --queue-url "$(aws sqs get-queue-url --queue-name %s --query QueueUrl --output text)" --attributes '%s'`, queue, attribute)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
