package sim

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
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
