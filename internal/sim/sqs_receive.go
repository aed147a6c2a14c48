package sim

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// remove deletes a message. A handle of an earlier receive has no effect, as in SQS.
func (x *queue) remove(receipt string) error {
	if _, err := receiptID(receipt); err != nil {
		return err
	}
	x.messages = slices.DeleteFunc(x.messages, func(m *message) bool { return m.receipt == receipt })
	return nil
}

func receiptID(receipt string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(receipt)
	part := strings.Split(string(b), ":")
	if err != nil || len(part) != 3 {
		return "", sqsError("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
	}
	return part[0], nil
}

type receiveInput struct {
	onQueue
	MaxNumberOfMessages                         *int
	VisibilityTimeout, WaitTimeSeconds          *int
	AttributeNames, MessageSystemAttributeNames []string
	MessageAttributeNames                       []string
}

type receivedMessage struct {
	MessageId, ReceiptHandle, MD5OfBody, Body string
	MD5OfMessageAttributes                    string               `json:",omitempty"`
	Attributes                                map[string]string    `json:",omitempty"`
	MessageAttributes                         map[string]attribute `json:",omitempty"`
}

func (q *queues) receive(c *call, x *queue, in *receiveInput) (any, error) {
	n := 1
	if in.MaxNumberOfMessages != nil {
		if n = *in.MaxNumberOfMessages; n < 1 || n > 10 {
			return nil, invalidValue("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.", n)
		}
	}
	hide, err := secondsOr(x, in.VisibilityTimeout, "VisibilityTimeout", "VisibilityTimeout")
	if err != nil {
		return nil, err
	}
	patience, err := secondsOr(x, in.WaitTimeSeconds, "WaitTimeSeconds", "ReceiveMessageWaitTimeSeconds")
	if err != nil {
		return nil, err
	}
	var taken []*message
	c.wait(patience, func() bool {
		if len(taken) == 0 { // wait may ask again after a yes
			taken = x.take(n, hide)
		}
		return len(taken) > 0
	})
	out := struct {
		Messages []receivedMessage `json:",omitempty"`
	}{}
	system := append(in.AttributeNames, in.MessageSystemAttributeNames...)
	for _, m := range taken {
		x.wake(m.visible)
		r := receivedMessage{MessageId: m.id, ReceiptHandle: m.receipt, MD5OfBody: m.md5OfBody(), Body: m.body, Attributes: m.systemAttributes()}
		if !slices.Contains(system, "All") {
			maps.DeleteFunc(r.Attributes, func(name, _ string) bool { return !slices.Contains(system, name) })
		}
		r.MessageAttributes = maps.Clone(m.attributes)
		maps.DeleteFunc(r.MessageAttributes, func(name string, _ attribute) bool { return !wantsAttribute(in.MessageAttributeNames, name) })
		r.MD5OfMessageAttributes = md5OfAttributes(r.MessageAttributes)
		out.Messages = append(out.Messages, r)
	}
	return out, nil
}

// secondsOr is a parameter in seconds, or the queue's attribute where the call says nothing.
func secondsOr(x *queue, given *int, parameter, attribute string) (time.Duration, error) {
	if given == nil {
		return x.seconds(attribute), nil
	}
	if low, high, _ := queueBounds(attribute); *given < low || *given > high {
		return 0, invalidValue("Value %d for parameter %s is invalid. Reason: Must be >= %d and <= %d, if provided.", *given, parameter, low, high)
	}
	return time.Duration(*given) * time.Second, nil
}

// wantsAttribute says whether a list of names, "All", ".*" or "prefix.*" asks for this one.
func wantsAttribute(names []string, name string) bool {
	return slices.ContainsFunc(names, func(want string) bool {
		prefix, star := strings.CutSuffix(want, ".*")
		return want == name || want == "All" || star && (prefix == "" || strings.HasPrefix(name, prefix+"."))
	})
}

func (m *message) systemAttributes() map[string]string {
	all := map[string]string{
		"SenderId": m.sender, "SentTimestamp": millis(m.sent),
		"ApproximateReceiveCount": strconv.Itoa(m.receives), "ApproximateFirstReceiveTimestamp": millis(m.first),
		"MessageGroupId": m.group, "MessageDeduplicationId": m.dedup, "SequenceNumber": m.sequence,
	}
	maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
	return all
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

type receiptInput struct {
	onQueue
	receiptEntry
}

type receiptEntry struct {
	Id                string
	ReceiptHandle     string
	VisibilityTimeout *int
}

func (q *queues) deleteMessage(_ *call, x *queue, in *receiptInput) (any, error) {
	return nil, x.remove(in.ReceiptHandle)
}

func (q *queues) changeVisibility(_ *call, x *queue, in *receiptInput) (any, error) {
	return nil, x.hide(in.receiptEntry)
}

// hide changes for how long, from now on, a received message stays hidden.
func (x *queue) hide(in receiptEntry) error {
	if in.VisibilityTimeout == nil {
		return sqsError("MissingParameter", "MissingParameter", "The request must contain the parameter VisibilityTimeout.")
	}
	d, err := secondsOr(x, in.VisibilityTimeout, "VisibilityTimeout", "VisibilityTimeout")
	if err != nil {
		return err
	}
	if _, err := receiptID(in.ReceiptHandle); err != nil {
		return err
	}
	now := x.world.now()
	i := slices.IndexFunc(x.live(), func(m *message) bool { return m.receipt == in.ReceiptHandle })
	switch {
	case i < 0:
		return invalidValue("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", in.ReceiptHandle)
	case !x.messages[i].visible.After(now):
		return sqsError("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", "The specified message isn't in flight.")
	}
	x.messages[i].visible = now.Add(d)
	x.wake(now.Add(d))
	return nil
}
