package sim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Mail is what reached somebody outside AWS by way of SNS: an e-mail, or the body posted to a URL, or a text message.
type Mail struct {
	Topic    string // ARN
	From, To string
	Subject  string // of e-mails
	Body     string // as the reader sees it
	Protocol string // email, email-json, sms, http, https, …
	At       time.Time
}

// Mailbox returns everything that reached an e-mail address, a phone number or a URL, in order; "" asks for everything.
func (w *World) Mailbox(address string) []Mail {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.topics.mail), func(m Mail) bool { return address != "" && m.To != address })
}

// mail is the notification as the endpoint's owner sees it.
func (s *subscription) mail(x *topic, n notification) Mail {
	m := Mail{Topic: x.arn, To: s.endpoint, Protocol: s.protocol, At: n.at}
	switch {
	case s.protocol == "email":
		m.Body = n.textFor("email") + "\n\n--\n" +
			"To stop getting notifications from this topic, open this link:\n" +
			"https://sns." + x.region + ".amazonaws.com/unsubscribe.html?SubscriptionArn=" + s.arn + "&Endpoint=" + s.endpoint + "\n\n" +
			"Nobody reads answers to this e-mail. If you have questions about it, go to https://aws.amazon.com/support\n"
	case s.protocol == "sms" || s.raw():
		m.Body = n.textFor(s.protocol)
	default:
		m.Body = s.envelope(x, n)
	}
	if strings.HasPrefix(s.protocol, "email") {
		m.From, m.Subject = x.sender(), n.subject
		if m.Subject == "" {
			m.Subject = "AWS Notification Message"
		}
	}
	return m
}

func (x *topic) sender() string {
	name := "AWS Notifications"
	if x.settings["DisplayName"] != "" {
		name = x.settings["DisplayName"]
	}
	return name + " <no-reply@sns.amazonaws.com>"
}

// askToConfirm sends the message that a new endpoint gets before anything else.
func (t *topics) askToConfirm(x *topic, s *subscription) {
	link := "https://sns." + x.region + ".amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + x.arn + "&Token=" + s.token
	m := Mail{Topic: x.arn, To: s.endpoint, Protocol: s.protocol, At: t.world.now()}
	if strings.HasPrefix(s.protocol, "email") {
		m.From, m.Subject = x.sender(), "AWS Notification - Subscription Confirmation"
	}
	if s.protocol == "email" {
		m.Body = "You have chosen to subscribe to the topic:\n" + x.arn + "\n\nTo confirm this subscription, open this link:\n" + link + "\n"
	} else {
		m.Body = document(
			"Type", "SubscriptionConfirmation", "MessageId", t.world.uuid(), "Token", s.token, "TopicArn", x.arn,
			"Message", "You have chosen to subscribe to the topic "+x.arn+".\nTo confirm the subscription, visit the SubscribeURL included in this message.",
			"SubscribeURL", link, "Timestamp", timestampMillis(m.At),
			"SignatureVersion", x.signatureVersion(), "Signature", x.signature(s.token), "SigningCertURL", x.certificateURL())
	}
	t.mail = append(t.mail, m)
}

// envelope is the JSON document around a notification.
func (s *subscription) envelope(x *topic, n notification) string {
	text := n.textFor(s.protocol)
	fields := []any{"Type", "Notification", "MessageId", n.id}
	if n.sequence != "" {
		fields = append(fields, "SequenceNumber", n.sequence)
	}
	fields = append(fields, "TopicArn", x.arn)
	if n.subject != "" {
		fields = append(fields, "Subject", n.subject)
	}
	fields = append(fields, "Message", text, "Timestamp", timestampMillis(n.at),
		"SignatureVersion", x.signatureVersion(), "Signature", x.signature(n.id+text), "SigningCertURL", x.certificateURL(),
		"UnsubscribeURL", x.unsubscribeURL(s))
	if len(n.attributes) > 0 {
		fields = append(fields, "MessageAttributes", n.shownAttributes())
	}
	return document(fields...)
}

type shownAttribute struct{ Type, Value string }

func (n notification) shownAttributes() map[string]shownAttribute {
	all := map[string]shownAttribute{}
	for name, a := range n.attributes {
		value := base64.StdEncoding.EncodeToString(a.BinaryValue)
		if a.StringValue != nil {
			value = *a.StringValue
		}
		all[name] = shownAttribute{a.DataType, value}
	}
	return all
}

// lambdaEvent is the notification as a function gets it.
func (s *subscription) lambdaEvent(x *topic, n notification) []byte {
	type object = map[string]any
	var subject any
	if n.subject != "" {
		subject = n.subject
	}
	text := n.textFor("lambda")
	return mustMarshal(object{"Records": []object{{
		"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": s.arn,
		"Sns": object{
			"Type": "Notification", "MessageId": n.id, "TopicArn": x.arn, "Subject": subject, "Message": text, "Timestamp": timestampMillis(n.at),
			"SignatureVersion": x.signatureVersion(), "Signature": x.signature(n.id + text), "SigningCertUrl": x.certificateURL(),
			"UnsubscribeUrl": x.unsubscribeURL(s), "MessageAttributes": n.shownAttributes(),
		},
	}}})
}

func (x *topic) signatureVersion() string {
	if v := x.settings["SignatureVersion"]; v != "" {
		return v
	}
	return "1"
}

// signature looks like one. Nobody can verify it: this world has no certificate.
func (x *topic) signature(of string) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(md5Of([]byte(x.arn+of))), 8))
}

func (x *topic) certificateURL() string {
	return "https://sns." + x.region + ".amazonaws.com/SimpleNotificationService-" + md5Of([]byte("certificate of "+x.region)) + ".pem"
}

func (x *topic) unsubscribeURL(s *subscription) string {
	return "https://sns." + x.region + ".amazonaws.com/?Action=Unsubscribe&SubscriptionArn=" + s.arn
}

// document writes names and values as a JSON object the way SNS lays it out.
func document(namesAndValues ...any) string {
	var b strings.Builder
	for i := 0; i < len(namesAndValues); i += 2 {
		b.WriteString(map[bool]string{true: "{\n  ", false: ",\n  "}[i == 0])
		b.Write(mustMarshal(namesAndValues[i]))
		b.WriteString(" : ")
		if attributes, ok := namesAndValues[i+1].(map[string]shownAttribute); ok {
			for j, name := range slices.Sorted(maps.Keys(attributes)) {
				b.WriteString(map[bool]string{true: "{\n    ", false: ",\n    "}[j == 0])
				b.Write(mustMarshal(name))
				b.WriteString(" : ")
				b.Write(mustMarshal(attributes[name]))
			}
			b.WriteString("\n  }")
			continue
		}
		b.Write(mustMarshal(namesAndValues[i+1]))
	}
	b.WriteString("\n}")
	return b.String()
}

// mustMarshal is marshal for values that always have a JSON form: strings, and maps and structs of them.
func mustMarshal(v any) []byte {
	b, err := marshal(v)
	if err != nil {
		panic(err)
	}
	return json.RawMessage(b)
}
