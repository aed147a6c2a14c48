package sim

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

func (m *message) md5OfBody() string { return md5Of([]byte(m.body)) }

func md5Of(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// md5OfAttributes is the digest that clients check: of names, types and values in the order of the names, each with its length.
func md5OfAttributes(attributes map[string]attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var b []byte
	add := func(v []byte) { b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...) }
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		add([]byte(name))
		add([]byte(a.DataType))
		if a.StringValue != nil {
			b = append(b, 1)
			add([]byte(*a.StringValue))
		} else {
			b = append(b, 2)
			add(a.BinaryValue)
		}
	}
	return md5Of(b)
}

type sendEntry struct {
	Id                     string
	MessageBody            string
	DelaySeconds           *int
	MessageAttributes      map[string]attribute
	MessageDeduplicationId string
	MessageGroupId         string
}

type sendInput struct {
	onQueue
	sendEntry
}

type sendOutput struct {
	Id                     string `json:",omitempty"`
	MessageId              string
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
	SequenceNumber         string `json:",omitempty"`
}

func (q *queues) send(c *call, x *queue, in *sendInput) (any, error) {
	return q.sendOne(c, x, in.sendEntry)
}

func (q *queues) sendOne(c *call, x *queue, in sendEntry) (any, error) {
	delay := x.seconds("DelaySeconds")
	if in.DelaySeconds != nil {
		if *in.DelaySeconds < 0 || *in.DelaySeconds > 900 || x.fifo() && *in.DelaySeconds != 0 {
			return nil, invalidValue("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", *in.DelaySeconds)
		}
		delay = time.Duration(*in.DelaySeconds) * time.Second
	}
	m, err := x.check(message{
		body: in.MessageBody, attributes: in.MessageAttributes, sender: c.caller.id, group: in.MessageGroupId, dedup: in.MessageDeduplicationId,
	})
	if err != nil {
		return nil, err
	}
	put := x.put(m, delay)
	return sendOutput{
		Id: in.Id, MessageId: put.id, MD5OfMessageBody: put.md5OfBody(), MD5OfMessageAttributes: md5OfAttributes(put.attributes), SequenceNumber: put.sequence,
	}, nil
}

var attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// check says what SQS says of a message before it takes it, and fills in what FIFO queues derive.
func (x *queue) check(m message) (message, error) {
	if m.body == "" {
		return m, sqsError("MissingParameter", "MissingParameter", "The request must contain the parameter MessageBody.")
	}
	for i, r := range m.body {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == utf8.RuneError || r == 0xfffe || r == 0xffff {
			return m, sqsError("InvalidMessageContents", "InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF; at byte %d is another.", i)
		}
	}
	if len(m.attributes) > 10 {
		return m, invalidValue("Number of message attributes [%d] exceeds the allowed maximum [10].", len(m.attributes))
	}
	size := len(m.body)
	for name, a := range m.attributes {
		kind, _, _ := strings.Cut(a.DataType, ".")
		value := len(a.BinaryValue)
		if a.StringValue != nil {
			value = len(*a.StringValue)
		}
		switch {
		case !attributeName.MatchString(name) || len(name) > 256:
			return m, invalidValue("The message attribute name %q is invalid.", name)
		case !slices.Contains([]string{"String", "Number", "Binary"}, kind):
			return m, invalidValue("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
		case value == 0 || (kind == "Binary") != (a.StringValue == nil):
			return m, invalidValue("The message attribute '%s' must contain a non-empty value of its type.", name)
		}
		size += len(name) + len(a.DataType) + value
	}
	if limit, _ := strconv.Atoi(x.settings["MaximumMessageSize"]); size > limit {
		return m, invalidValue("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
	}
	if !x.fifo() {
		return m, nil
	}
	if m.group == "" {
		return m, sqsError("MissingParameter", "MissingParameter", "The request must contain the parameter MessageGroupId.")
	}
	if m.dedup == "" && x.settings["ContentBasedDeduplication"] == "true" {
		sum := sha256.Sum256([]byte(m.body))
		m.dedup = hex.EncodeToString(sum[:])
	}
	if m.dedup == "" {
		return m, invalidValue("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	return m, nil
}
