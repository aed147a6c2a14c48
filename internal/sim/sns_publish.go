package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const maxNotification = 256 << 10 // bytes of message and attributes

// notification is what was published once.
type notification struct {
	id, subject string
	text        map[string]string // by protocol; "default" for the others
	attributes  map[string]attribute
	at          time.Time

	group, dedup, sequence string // FIFO
}

func (n notification) textFor(protocol string) string {
	if s, ok := n.text[protocol]; ok {
		return s
	}
	return n.text["default"]
}

func (t *topics) publish(c *call, form url.Values) (any, error) {
	parameter, arn := "TopicArn", form.Get("TopicArn")
	if arn == "" {
		parameter, arn = "TargetArn", form.Get("TargetArn")
	}
	if arn == "" {
		return nil, invalidParameter("TopicArn or TargetArn Reason: no value for required parameter")
	}
	x, err := t.find(c, parameter, arn)
	if err != nil {
		return nil, err
	}
	n, err := readNotification(form)
	if err != nil {
		return nil, err
	}
	if key := x.settings["KmsMasterKeyId"]; strings.HasPrefix(key, "arn:") {
		switch k := t.world.keys.byARN(key); {
		case k == nil:
			return nil, fail("KMSNotFound", "Invalid keyId %s", key)
		case !k.deletion.IsZero():
			return nil, fail("KMSInvalidState", "%s is pending deletion.", key)
		case k.disabled:
			return nil, fail("KMSDisabled", "%s is disabled.", key)
		}
	}
	if err := t.tell(x, &n); err != nil {
		return nil, err
	}
	return struct {
		MessageId      string
		SequenceNumber string `xml:",omitempty"`
	}{n.id, n.sequence}, nil
}

// deliver publishes on behalf of an AWS service, such as a rule of EventBridge. Called with the lock held.
func (t *topics) deliver(from serviceCaller, arn, text string) error {
	x := t.byARN[arn]
	if x == nil {
		return noTopic()
	}
	if !x.policy.lets(from, "sns:Publish", arn, x.account) {
		return fail("AuthorizationError", "%s is not authorized to perform: SNS:Publish on resource: %s", from.service, arn).status(403)
	}
	if len(text) > maxNotification {
		return invalidParameter("Message too long")
	}
	return t.tell(x, &notification{text: map[string]string{"default": text}})
}

// tell gives a notification its id and sends it to all subscriptions that want it.
func (t *topics) tell(x *topic, n *notification) error {
	n.at, n.id = t.world.now(), t.world.uuid()
	if x.fifo() {
		if n.group == "" {
			return invalidParameter("The MessageGroupId parameter is required for FIFO topics")
		}
		if n.dedup == "" && x.settings["ContentBasedDeduplication"] == "true" {
			sum := sha256.Sum256([]byte(n.text["default"]))
			n.dedup = hex.EncodeToString(sum[:])
		}
		if n.dedup == "" {
			return invalidParameter("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
		}
		maps.DeleteFunc(x.sent, func(_ string, s sentOnce) bool { return !n.at.Before(s.until) })
		if s, ok := x.sent[n.dedup]; ok {
			n.id, n.sequence = s.id, s.sequence
			return nil
		}
		x.sequence++
		n.sequence = fmt.Sprintf("1%019d", x.sequence*1000)
		x.sent[n.dedup] = sentOnce{n.id, n.sequence, n.at.Add(5 * time.Minute)}
	}
	for _, s := range x.subscriptions {
		if !s.pending && s.wants(*n) {
			t.send(x, s, *n)
		}
	}
	return nil
}

// send hands a notification to one endpoint. As in SNS, an endpoint that is not there or lets nobody in is not tried again:
// the notification goes to the subscription's dead-letter queue, or is lost.
func (t *topics) send(x *topic, s *subscription, n notification) {
	from := serviceCaller{service: "sns.amazonaws.com", source: x.arn, account: x.account}
	var err error
	switch s.protocol {
	case "sqs":
		err = t.world.queues.deliver(from, s.endpoint, s.queued(x, n))
	case "lambda":
		err = t.world.functions.accept(s.endpoint, s.lambdaEvent(x, n))
	default:
		t.mail = append(t.mail, s.mail(x, n))
	}
	if err != nil && s.deadLetters != "" {
		// A dead-letter queue that takes nothing loses the notification, in SNS too.
		_ = t.world.queues.deliver(from, s.deadLetters, message{body: s.envelope(x, n), group: n.group, dedup: n.dedup})
	}
}

// queued is the notification as a message in an SQS queue.
func (s *subscription) queued(x *topic, n notification) message {
	m := message{body: s.envelope(x, n), group: n.group, dedup: n.dedup}
	if s.raw() {
		m.body, m.attributes = n.textFor("sqs"), n.attributes
	}
	return m
}

// readNotification checks what SNS checks before it accepts a message.
func readNotification(form url.Values) (notification, error) {
	n := notification{
		subject: form.Get("Subject"), text: map[string]string{"default": form.Get("Message")},
		group: form.Get("MessageGroupId"), dedup: form.Get("MessageDeduplicationId"),
	}
	size := len(form.Get("Message"))
	switch {
	case size == 0:
		return n, invalidParameter("Empty message")
	case !utf8.ValidString(form.Get("Message")):
		return n, invalidParameter("Message Reason: it is not valid UTF-8")
	case form.Has("Subject") && !validSubject(n.subject):
		return n, invalidParameter("Subject")
	}
	var err error
	if n.attributes, err = readAttributes(form); err != nil {
		return n, err
	}
	for name, a := range n.attributes {
		size += len(name) + len(a.DataType) + len(a.BinaryValue)
		if a.StringValue != nil {
			size += len(*a.StringValue)
		}
	}
	if size > maxNotification {
		return n, invalidParameter("Message too long")
	}
	switch form.Get("MessageStructure") {
	case "":
	case "json":
		n.text, err = readStructure(form.Get("Message"))
	default:
		err = invalidParameter("MessageStructure")
	}
	return n, err
}

// validSubject: printable ASCII, fewer than 100 characters, not beginning with a space.
func validSubject(s string) bool {
	return s != "" && len(s) < 100 && s[0] != ' ' && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// readStructure reads a message with one text for each protocol. One bad entry fails the whole message; SNS itself overlooks
// entries of a known protocol that are no strings, which hides the mistake.
func readStructure(message string) (map[string]string, error) {
	broken := invalidParameter("Message Structure - JSON message body failed to parse")
	dec := json.NewDecoder(strings.NewReader(message))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, broken
	}
	texts := map[string]string{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, broken
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, broken
		}
		name, _ := key.(string)
		if _, twice := texts[name]; twice {
			return nil, invalidParameter("Message Structure - Duplicate key %s in JSON message body", name)
		}
		text, ok := value.(string)
		switch known := slices.Contains([]string{"default", "email", "email-json", "http", "https", "sqs", "lambda", "sms", "firehose", "application"}, name); {
		case ok:
			texts[name] = text
		case known:
			return nil, invalidParameter("Message Structure - The value of key %s in the JSON message body is no string", name)
		}
	}
	if _, err := dec.Token(); err != nil || dec.More() {
		return nil, broken
	}
	if _, ok := texts["default"]; !ok {
		return nil, invalidParameter("Message Structure - No default entry in JSON message body")
	}
	return texts, nil
}

func readAttributes(form url.Values) (map[string]attribute, error) {
	all := map[string]attribute{}
	for i := 1; ; i++ {
		at := "MessageAttributes.entry." + strconv.Itoa(i) + "."
		name := form.Get(at + "Name")
		if name == "" {
			return all, nil
		}
		a := attribute{DataType: form.Get(at + "Value.DataType")}
		wrong := func(why string) error {
			return fail("ParameterValueInvalid", "The message attribute '%s' %s", name, why)
		}
		switch kind := a.DataType; {
		case kind == "Binary" || strings.HasPrefix(kind, "Binary."):
			b, err := base64.StdEncoding.DecodeString(form.Get(at + "Value.BinaryValue"))
			if err != nil || len(b) == 0 {
				return nil, wrong("must contain a non-empty binary value.")
			}
			a.BinaryValue = b
		case kind == "String" || kind == "String.Array" || kind == "Number" || strings.HasPrefix(kind, "String.") || strings.HasPrefix(kind, "Number."):
			text := form.Get(at + "Value.StringValue")
			if text == "" {
				return nil, wrong("must contain a non-empty string value.")
			}
			if _, err := strconv.ParseFloat(text, 64); strings.HasPrefix(kind, "Number") && err != nil {
				return nil, wrong("is not a number.")
			}
			a.StringValue = &text
		default:
			return nil, wrong("has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.")
		}
		if _, twice := all[name]; twice || !attributeName.MatchString(name) {
			return nil, wrong("has a name that is invalid or there twice.")
		}
		all[name] = a
	}
}

// wants says whether the filter policy lets a notification through.
func (s *subscription) wants(n notification) bool {
	if s.filter == nil {
		return true
	}
	doc := []byte(n.textFor(s.protocol))
	if !s.byBody() {
		values := map[string]any{}
		for name, a := range n.attributes {
			if a.StringValue == nil {
				continue // binary attributes cannot be filtered by
			}
			values[name] = *a.StringValue
			if a.DataType == "Number" || a.DataType == "String.Array" {
				dec := json.NewDecoder(strings.NewReader(*a.StringValue))
				dec.UseNumber()
				var v any
				if dec.Decode(&v) == nil {
					values[name] = v
				}
			}
		}
		var err error
		if doc, err = json.Marshal(values); err != nil {
			return false
		}
	}
	ok, err := s.filter.Match(bytes.TrimSpace(doc))
	return ok && err == nil // a body that is no JSON object matches no filter
}
