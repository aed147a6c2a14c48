package sim

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A message waits in a queue until it is deleted, or its retention ends.
type message struct {
	id, body   string
	attributes map[string]attribute
	sender     string // principal id
	sent       time.Time
	visible    time.Time // not received before this moment
	first      time.Time // first received
	receives   int
	receipt    string // the latest handle; older ones have no effect

	group, dedup, sequence string // FIFO
}

// attribute is a message attribute of SQS, and of SNS.
type attribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

// sentOnce remembers a FIFO message for the five minutes in which its like is dropped.
type sentOnce struct {
	id, sequence string
	until        time.Time
}

const maxInFlight = 120_000

// put adds a message to the queue and returns it; a FIFO duplicate returns the message as it was. Called with the lock held.
func (x *queue) put(m message, delay time.Duration) *message {
	now := x.world.now()
	m.id = x.world.uuid()
	m.sent, m.visible = now, now.Add(delay)
	if x.fifo() {
		maps.DeleteFunc(x.sent, func(_ string, s sentOnce) bool { return !now.Before(s.until) })
		if s, ok := x.sent[m.dedup]; ok {
			m.id, m.sequence = s.id, s.sequence
			return &m
		}
		x.sequence++
		m.sequence = fmt.Sprintf("188%017d", x.sequence*256)
		x.sent[m.dedup] = sentOnce{m.id, m.sequence, now.Add(5 * time.Minute)}
	}
	x.messages = append(x.messages, &m)
	x.wake(m.visible)
	return &m
}

// serviceCaller is an AWS service that delivers on behalf of one of its resources.
type serviceCaller struct {
	service string // such as events.amazonaws.com
	source  string // ARN of the rule, topic or function
	account string // that owns it
}

// lets says whether a resource policy lets a service in. Without a policy everything of the own account is let in, which
// AWS does not: a rule, topic or function that has nothing to do with policies can leave them out here.
func (p policy) lets(from serviceCaller, action, resource, owner string) bool {
	if len(p.statements) == 0 {
		return from.account == owner
	}
	return p.judge(policyRequest{service: from.service, account: from.account, action: action, resource: resource, context: map[string]string{
		"aws:sourcearn": from.source, "aws:sourceaccount": from.account, "aws:securetransport": "true",
		"aws:principalisawsservice": "true", "aws:principalservicename": from.service,
	}}) == allowed
}

// deliver puts a message from a service into a queue. Its error is what SendMessage would tell that service.
// Called with the lock held.
func (q *queues) deliver(from serviceCaller, arn string, m message) error {
	x := q.byARN[arn]
	if x == nil {
		return noQueue()
	}
	if !x.policy.lets(from, "sqs:SendMessage", arn, x.account) {
		return sqsError("AccessDeniedException", "AccessDenied", "%s is not authorized to perform: sqs:SendMessage on resource: %s", from.service, arn).status(http.StatusForbidden)
	}
	m.sender = from.service
	m, err := x.check(m)
	if err != nil {
		return err
	}
	x.put(m, x.seconds("DelaySeconds"))
	return nil
}

// wake sees to it that whoever reads the queue looks again at the given time.
func (x *queue) wake(at time.Time) {
	if x.mapping != nil {
		x.world.schedule(at, x.mapping.poll)
	} else if at.After(x.world.now()) {
		x.world.scheduleIdle(at, func() {}) // ends a long poll
	}
}

// live drops what has outlived its retention and returns the rest.
func (x *queue) live() []*message {
	oldest := x.world.now().Add(-x.seconds("MessageRetentionPeriod"))
	x.messages = slices.DeleteFunc(x.messages, func(m *message) bool { return m.sent.Before(oldest) })
	return x.messages
}

// take receives up to n messages and hides them. What was received too often goes to the dead-letter queue instead.
// The caller sees to it that somebody looks again when they become visible.
func (x *queue) take(n int, hide time.Duration) []*message {
	now := x.world.now()
	inFlight, busy := 0, map[string]bool{} // FIFO: groups with a message under way
	for _, m := range x.live() {
		if m.receives > 0 && m.visible.After(now) {
			inFlight++
			busy[m.group] = true
		}
	}
	var taken, dead []*message
	for _, m := range x.messages {
		if len(taken) == n || inFlight+len(taken) >= maxInFlight {
			break
		}
		if m.visible.After(now) || x.fifo() && busy[m.group] {
			busy[m.group] = true // order within a group: nothing overtakes
			continue
		}
		if target := x.world.queues.byARN[x.redrive.target]; target != nil && m.receives >= x.redrive.maximum {
			dead = append(dead, m)
			target.messages = append(target.messages, m)
			target.wake(now)
			continue
		}
		m.receives++
		m.visible = now.Add(hide)
		m.receipt = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s:%d:%s", m.id, m.receives, x.world.token(24)))
		if m.first.IsZero() {
			m.first = now
		}
		taken = append(taken, m)
	}
	x.messages = slices.DeleteFunc(x.messages, func(m *message) bool { return slices.Contains(dead, m) })
	return taken
}

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

type batchError struct {
	Id          string
	SenderFault bool
	Code        string
	Message     string
}

type batchOutput struct {
	Successful []any
	Failed     []batchError
}

type batchInput[E any] struct {
	onQueue
	Entries []E
}

var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// batch does one entry after the other; a refused entry does not hold up the rest.
func batch[E any](entries []E, idOf func(E) string, one func(E) (any, error)) (any, error) {
	wrong := func(code, format string, args ...any) error {
		return sqsError(code, "AWS.SimpleQueueService."+code, format, args...)
	}
	if len(entries) == 0 {
		return nil, wrong("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(entries) > 10 {
		return nil, wrong("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent %d.", len(entries))
	}
	seen := map[string]bool{}
	for _, e := range entries {
		switch id := idOf(e); {
		case !batchID.MatchString(id):
			return nil, wrong("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		case seen[id]:
			return nil, wrong("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		default:
			seen[id] = true
		}
	}
	out := batchOutput{Successful: []any{}, Failed: []batchError{}}
	for _, e := range entries {
		done, err := one(e)
		if err != nil {
			api := asAPIError(err)
			out.Failed = append(out.Failed, batchError{idOf(e), true, api.code, api.message})
			continue
		}
		if done == nil {
			done = struct{ Id string }{idOf(e)}
		}
		out.Successful = append(out.Successful, done)
	}
	return out, nil
}

func (q *queues) sendBatch(c *call, x *queue, in *batchInput[sendEntry]) (any, error) {
	total := 0
	for _, e := range in.Entries {
		total += len(e.MessageBody)
	}
	if total > 1<<20 {
		return nil, sqsError("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes. You have sent %d bytes.", total)
	}
	return batch(in.Entries, func(e sendEntry) string { return e.Id }, func(e sendEntry) (any, error) { return q.sendOne(c, x, e) })
}

func (q *queues) deleteBatch(_ *call, x *queue, in *batchInput[receiptEntry]) (any, error) {
	return batch(in.Entries, func(e receiptEntry) string { return e.Id }, func(e receiptEntry) (any, error) { return nil, x.remove(e.ReceiptHandle) })
}

func (q *queues) changeVisibilityBatch(_ *call, x *queue, in *batchInput[receiptEntry]) (any, error) {
	return batch(in.Entries, func(e receiptEntry) string { return e.Id }, func(e receiptEntry) (any, error) { return nil, x.hide(e) })
}
