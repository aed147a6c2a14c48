package sim

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

const maxRecordOnBus = 256 << 10 // bytes; larger CloudTrail events never reach the bus

// envelope is an event as rules and targets see it.
type envelope struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// eventDelivery is one event on its way to one target.
type eventDelivery struct {
	rule    string // ARN
	account string // of the rule
	region  string
	target  target
	event   []byte
	since   time.Time
	tries   int
}

// offer takes a CloudTrail record onto the default bus of its account and Region. Each time it makes a new envelope: two
// deliveries of one record differ in their id. Called without the lock.
func (b *buses) offer(rec Record) {
	b.world.mu.Lock()
	defer b.world.mu.Unlock()
	if len(rec.Raw) > maxRecordOnBus || len(b.sorted(rec.Account, rec.Region)) == 0 {
		return // without a rule not even an id is drawn
	}
	b.route(defaultName, envelope{
		Version: "0", ID: b.world.uuid(), DetailType: "AWS API Call via CloudTrail", Source: sourceOf(rec.Source),
		Account: rec.Account, Time: timestamp(rec.Time), Region: rec.Region, Resources: []string{}, Detail: rec.Raw,
	}, rec.ReadOnly)
}

// wantReads says whether read-only calls reach the bus of the account and Region: some trail logs them there, and the state of
// some rule asks for them. Called with the lock held.
func (b *buses) wantReads(account, region string) bool {
	asked := false
	for _, r := range b.rules {
		asked = asked || r.account == account && r.region == region && r.bus == defaultName && r.state == enabledAll
	}
	return asked && b.world.trails.logs(account, region, true)
}

// sourceOf is the source that EventBridge gives to calls of a service.
func sourceOf(eventSource string) string {
	name, _, _ := strings.Cut(eventSource, ".")
	if name == "monitoring" {
		name = "cloudwatch"
	}
	return "aws." + name
}

// route sends an event to the targets of all rules of its bus that match. Called with the lock held.
func (b *buses) route(bus string, e envelope, readOnly bool) {
	event := mustMarshal(e)
	for _, r := range b.sorted(e.Account, e.Region) {
		if r.bus != bus || r.state == disabled || readOnly && r.state != enabledAll || r.patternText == "" {
			continue
		}
		if ok, err := r.pattern.Match(event); ok && err == nil { // the event is JSON of our own making
			b.send(r, event)
		}
	}
}

func (b *buses) send(r *rule, event []byte) {
	w := b.world
	for _, t := range r.targets {
		d := eventDelivery{rule: r.arn, account: r.account, region: r.region, target: t, event: event, since: w.now()}
		w.schedule(w.now(), func() { b.deliver(d) })
	}
}

// deliver tries a delivery once and says what comes next. A Fault for Service sqs, sns or lambda and the principal
// events.amazonaws.com makes it fail. Called without the lock.
func (b *buses) deliver(d eventDelivery) {
	w := b.world
	fault := w.faultFor(d.asCall(w.Now()))
	w.mu.Lock()
	defer w.mu.Unlock()
	var err error
	if fault == nil || fault.Code == "" || fault.After {
		err = b.hand(d)
	}
	if fault != nil && fault.Code != "" {
		err = fault.error()
	}
	if err == nil {
		return
	}
	d.tries++
	failure := asAPIError(err)
	retries, age := d.target.limits()
	next := w.now().Add(w.backoff(d.tries))
	switch code := deliveryError(failure); {
	case code == "NO_RESOURCE" || code == "NO_PERMISSIONS" || code == "INVALID_PARAMETER":
		b.bury(d, code, failure.message, "")
	case d.tries > retries:
		b.bury(d, code, failure.message, "MaximumRetryAttempts")
	case next.After(d.since.Add(age)):
		b.bury(d, code, failure.message, "MaximumEventAgeInSeconds")
	default:
		w.schedule(next, func() { b.deliver(d) })
	}
}

func (d eventDelivery) service() string { return strings.Split(d.target.Arn, ":")[2] } // readTarget has checked the ARN

// asCall is the delivery as the target's service sees it, for faults to match.
func (d eventDelivery) asCall(at time.Time) *call {
	operations := map[string]string{"sqs": "SendMessage", "sns": "Publish", "lambda": "Invoke"}
	return &call{
		at: at, account: d.account, region: d.region, caller: principal{arn: "events.amazonaws.com"},
		service: &service{name: d.service()}, op: operation{name: operations[d.service()]},
	}
}

// hand gives the event to the target's service. Called with the lock held.
func (b *buses) hand(d eventDelivery) error {
	from := serviceCaller{service: "events.amazonaws.com", source: d.rule, account: d.account}
	payload := d.target.payload(d.event)
	switch d.service() {
	case "sqs":
		m := message{body: string(payload)}
		if d.target.SqsParameters != nil {
			m.group = d.target.SqsParameters.MessageGroupId
		}
		return b.world.queues.deliver(from, d.target.Arn, m)
	case "sns":
		return b.world.topics.deliver(from, d.target.Arn, string(payload))
	}
	return b.world.functions.accept(d.target.Arn, payload)
}

// deliveryError is the code under which EventBridge reports a failure of a target. It does not retry where only a person can
// help: nobody there, or not let in.
func deliveryError(e *apiError) string {
	switch {
	case strings.HasPrefix(e.code, "AccessDenied") || e.code == "AuthorizationError":
		return "NO_PERMISSIONS"
	case e.code == "QueueDoesNotExist" || e.code == "NotFound" || e.code == "ResourceNotFoundException":
		return "NO_RESOURCE"
	case strings.HasPrefix(e.code, "Throttl") || e.code == "RequestThrottled" || e.code == "OverLimit" || e.code == "TooManyRequestsException":
		return "THROTTLING"
	case e.statusCode() >= 500:
		return "ERROR_FROM_TARGET"
	case strings.HasPrefix(e.code, "Invalid") || e.code == "MissingParameter":
		return "INVALID_PARAMETER"
	}
	return "SDK_CLIENT_ERROR"
}

// backoff is the time before try number n+1: doubling from a second to eight minutes, so that 185 tries fill the 24 hours,
// give or take a fifth.
func (w *World) backoff(n int) time.Duration {
	d := min(time.Second<<min(n-1, 10), 8*time.Minute)
	return w.between(d*4/5, d*6/5)
}

// bury gives up a delivery: the event goes to the target's dead-letter queue, or is dropped. Called with the lock held.
func (b *buses) bury(d eventDelivery, code, text, exhausted string) {
	if d.target.DeadLetterConfig == nil {
		return
	}
	attributes := map[string]attribute{}
	for name, value := range map[string]string{
		"RULE_ARN": d.rule, "TARGET_ARN": d.target.Arn, "ERROR_CODE": code, "ERROR_MESSAGE": text,
		"EXHAUSTED_RETRY_CONDITION": exhausted, "RETRY_ATTEMPTS": strconv.Itoa(d.tries - 1),
	} {
		if value != "" {
			attributes[name] = attribute{DataType: "String", StringValue: &value}
		}
	}
	// A dead-letter queue that takes nothing loses the event, as in EventBridge.
	_ = b.world.queues.deliver(serviceCaller{service: "events.amazonaws.com", source: d.rule, account: d.account}, d.target.DeadLetterConfig.Arn,
		message{body: string(d.event), attributes: attributes})
}

// startSchedule has a rule with a rate make its events, until it is changed or deleted. Called with the lock held.
func (b *buses) startSchedule(r *rule) {
	if r.every == 0 {
		return
	}
	w, arn, version := b.world, r.arn, r.version
	var tick func()
	tick = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		r := b.rules[arn]
		if r == nil || r.version != version || r.every == 0 {
			return
		}
		if r.state != disabled {
			b.send(r, mustMarshal(envelope{
				Version: "0", ID: w.uuid(), DetailType: "Scheduled Event", Source: "aws.events", Account: r.account,
				Time: timestamp(w.now()), Region: r.region, Resources: []string{r.arn}, Detail: json.RawMessage("{}"),
			}))
		}
		w.scheduleIdle(w.now().Add(r.every), tick)
	}
	w.scheduleIdle(w.now().Add(r.every), tick)
}
