package sim

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/sim/pattern"
)

// A subscription sends what is published on a topic to an endpoint, once somebody there has confirmed it.
type subscription struct {
	arn, topic, owner  string
	protocol, endpoint string
	pending            bool
	token              string            // confirms it
	settings           map[string]string // attributes as they were set
	filter             *pattern.Pattern
	deadLetters        string // queue ARN
}

const maxFilterChars = 256 << 10

func (s *subscription) raw() bool    { return s.settings["RawMessageDelivery"] == "true" }
func (s *subscription) byBody() bool { return s.settings["FilterPolicyScope"] == "MessageBody" }
func (s *subscription) shown() string {
	if s.pending {
		return "PendingConfirmation"
	}
	return s.arn
}

// ConfirmEmail confirms everything that waits for this endpoint (an e-mail address or a URL), as its owner does by
// following the link in the confirmation message. It returns how many subscriptions that were.
func (w *World) ConfirmEmail(endpoint string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, x := range w.topics.byARN {
		for _, s := range x.subscriptions {
			if s.pending && s.endpoint == endpoint {
				s.pending = false
				n++
			}
		}
	}
	return n
}

func (t *topics) subscribe(c *call, form url.Values) (any, error) {
	x, err := t.find(c, "TopicArn", form.Get("TopicArn"))
	if err != nil {
		return nil, err
	}
	protocol, endpoint := form.Get("Protocol"), form.Get("Endpoint")
	if err := checkEndpoint(x, protocol, endpoint); err != nil {
		return nil, err
	}
	attributes := formMap(form, "Attributes.entry", "key", "value")
	i := slices.IndexFunc(x.subscriptions, func(s *subscription) bool { return s.protocol == protocol && s.endpoint == endpoint })
	if i < 0 {
		s := &subscription{arn: x.arn + ":" + t.world.uuid(), topic: x.arn, owner: c.account, protocol: protocol, endpoint: endpoint, settings: map[string]string{}}
		for k, v := range attributes {
			if err := s.set(k, v); err != nil {
				return nil, err
			}
		}
		switch protocol {
		case "email", "email-json", "http", "https":
			s.pending = !t.world.opts.ConfirmedEmail || !strings.HasPrefix(protocol, "email")
		}
		if s.pending {
			s.token = strings.ToLower(t.world.token(64))
			t.askToConfirm(x, s)
		}
		i = len(x.subscriptions)
		x.subscriptions = append(x.subscriptions, s)
	} else {
		for k, v := range attributes {
			if x.subscriptions[i].settings[k] != v {
				return nil, invalidParameter("Attributes Reason: Subscription already exists with different attributes")
			}
		}
	}
	s := x.subscriptions[i]
	out := struct{ SubscriptionArn string }{s.arn}
	if s.pending && form.Get("ReturnSubscriptionArn") != "true" {
		out.SubscriptionArn = "pending confirmation"
	}
	return out, nil
}

func checkEndpoint(x *topic, protocol, endpoint string) error {
	arnOf := func(service string) bool {
		return strings.HasPrefix(endpoint, "arn:") && strings.Contains(endpoint, ":"+service+":")
	}
	ok := true
	switch protocol {
	case "email", "email-json":
		before, after, at := strings.Cut(endpoint, "@")
		if !at || before == "" || after == "" || strings.ContainsAny(endpoint, " \r\n<>") {
			return invalidParameter("Email address")
		}
	case "http", "https":
		if !strings.HasPrefix(endpoint, protocol+"://") {
			return invalidParameter("Endpoint must match the specified protocol")
		}
	case "sqs":
		ok = arnOf("sqs")
		if ok && strings.HasSuffix(endpoint, ".fifo") && !x.fifo() {
			return invalidParameter("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
		}
	case "lambda":
		ok = arnOf("lambda")
	case "firehose":
		ok = arnOf("firehose")
	case "sms":
		ok = strings.Trim(endpoint, "+-0123456789") == "" && len(endpoint) > 4
	case "application":
		ok = arnOf("sns")
	default:
		return invalidParameter("Amazon SNS does not support this protocol string: %s", protocol)
	}
	if !ok {
		return invalidParameter("Endpoint Reason: %q is no endpoint of protocol %s", endpoint, protocol)
	}
	if x.fifo() && protocol != "sqs" {
		return invalidParameter("Invalid protocol type: %s", protocol)
	}
	return nil
}

// set changes one attribute.
func (s *subscription) set(name, value string) error {
	switch name {
	case "RawMessageDelivery":
		if value != "true" && value != "false" || value == "true" && !slices.Contains([]string{"sqs", "http", "https", "firehose"}, s.protocol) {
			return invalidParameter("Attributes Reason: RawMessageDelivery: Invalid value [%s] for protocol %s. Must be true or false.", value, s.protocol)
		}
	case "FilterPolicy":
		s.filter = nil
		if value != "" && value != "{}" {
			p, err := pattern.ParseWithin([]byte(value), maxFilterChars)
			if err != nil {
				return invalidParameter("Attributes Reason: FilterPolicy: %s", err)
			}
			s.filter = &p
		}
	case "FilterPolicyScope":
		if value != "MessageAttributes" && value != "MessageBody" {
			return invalidParameter("Attributes Reason: FilterPolicyScope: Invalid value [%s]. Please use either MessageBody or MessageAttributes", value)
		}
	case "RedrivePolicy":
		var in struct {
			DeadLetterTargetArn string `json:"deadLetterTargetArn"`
		}
		if value != "" && (json.Unmarshal([]byte(value), &in) != nil || !strings.Contains(in.DeadLetterTargetArn, ":sqs:")) {
			return invalidParameter("RedrivePolicy: deadLetterTargetArn is an invalid arn")
		}
		s.deadLetters = in.DeadLetterTargetArn
	case "DeliveryPolicy", "SubscriptionRoleArn", "ReplayPolicy": // kept
	default:
		return invalidParameter("AttributeName")
	}
	if s.settings[name] = value; value == "" {
		delete(s.settings, name)
	}
	return nil
}

func (t *topics) confirm(c *call, form url.Values) (any, error) {
	x, err := t.find(c, "TopicArn", form.Get("TopicArn"))
	if err != nil {
		return nil, err
	}
	for _, s := range x.subscriptions {
		if s.token != "" && s.token == form.Get("Token") {
			s.pending = false
			return struct{ SubscriptionArn string }{s.arn}, nil
		}
	}
	return nil, invalidParameter("Token")
}

func noSubscription() *apiError {
	return fail("NotFound", "Subscription does not exist").status(http.StatusNotFound)
}

// subscriptionOf finds a subscription that the caller may see or change: its topic must let him.
func (t *topics) subscriptionOf(c *call, arn string) (*topic, *subscription, error) {
	i := strings.LastIndexByte(arn, ':')
	if i < 0 || strings.Count(arn, ":") < 6 {
		return nil, nil, invalidParameter("SubscriptionArn Reason: An ARN must have at least 6 elements")
	}
	x := t.byARN[arn[:i]]
	if x == nil {
		return nil, nil, noSubscription()
	}
	for _, s := range x.subscriptions {
		if s.arn != arn {
			continue
		}
		if s.owner != c.account && x.account != c.account {
			return nil, nil, fail("AuthorizationError", "User: %s is not authorized to perform: SNS:%s on resource: %s", c.caller.arn, c.op.name, arn).status(http.StatusForbidden)
		}
		return x, s, nil
	}
	return x, nil, noSubscription()
}

// unsubscribe does not mind if there is no such subscription.
func (t *topics) unsubscribe(c *call, form url.Values) (any, error) {
	x, s, err := t.subscriptionOf(c, form.Get("SubscriptionArn"))
	if err != nil {
		if asAPIError(err).code == "NotFound" {
			err = nil
		}
		return nil, err
	}
	x.subscriptions = without(x.subscriptions, s)
	x.unsubscribed++
	return nil, nil
}

type subscriptionAnswer struct{ SubscriptionArn, Owner, Protocol, Endpoint, TopicArn string }

type subscriptionsAnswer struct {
	Subscriptions []subscriptionAnswer `xml:"Subscriptions>member"`
}

func (a *subscriptionsAnswer) add(s *subscription) {
	a.Subscriptions = append(a.Subscriptions, subscriptionAnswer{s.shown(), s.owner, s.protocol, s.endpoint, s.topic})
}

func (t *topics) sorted() []*topic {
	var all []*topic
	for _, arn := range slices.Sorted(maps.Keys(t.byARN)) {
		all = append(all, t.byARN[arn])
	}
	return all
}

func (t *topics) listSubscriptions(c *call, _ url.Values) (any, error) {
	var out subscriptionsAnswer
	for _, x := range t.sorted() {
		for _, s := range x.subscriptions {
			if s.owner == c.account && x.region == c.region {
				out.add(s)
			}
		}
	}
	return out, nil
}

func (t *topics) listByTopic(c *call, form url.Values) (any, error) {
	x, err := t.find(c, "TopicArn", form.Get("TopicArn"))
	if err != nil {
		return nil, err
	}
	var out subscriptionsAnswer
	for _, s := range x.subscriptions {
		out.add(s)
	}
	return out, nil
}

func (t *topics) subscriptionAttributes(c *call, form url.Values) (any, error) {
	_, s, err := t.subscriptionOf(c, form.Get("SubscriptionArn"))
	if err != nil {
		return nil, err
	}
	all := map[string]string{"RawMessageDelivery": "false"}
	for k, v := range s.settings {
		all[k] = v
	}
	if s.filter != nil && all["FilterPolicyScope"] == "" {
		all["FilterPolicyScope"] = "MessageAttributes"
	}
	all["SubscriptionArn"], all["TopicArn"], all["Owner"], all["Protocol"], all["Endpoint"] = s.arn, s.topic, s.owner, s.protocol, s.endpoint
	all["PendingConfirmation"] = map[bool]string{true: "true", false: "false"}[s.pending]
	all["ConfirmationWasAuthenticated"] = map[bool]string{true: "false", false: "true"}[s.pending || s.token != ""]
	return attributesAnswer(all), nil
}

func (t *topics) setSubscriptionAttribute(c *call, form url.Values) (any, error) {
	_, s, err := t.subscriptionOf(c, form.Get("SubscriptionArn"))
	if err != nil {
		return nil, err
	}
	return nil, s.set(form.Get("AttributeName"), form.Get("AttributeValue"))
}
