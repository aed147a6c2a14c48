package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
)

const (
	trailRule = `{"source":["aws.cloudtrail"],"detail-type":["AWS API Call via CloudTrail"],"detail":{"eventSource":["cloudtrail.amazonaws.com"],"eventName":["StopLogging","StartLogging","GetTrailStatus"]}}`
	// forgeable has no source: any caller of PutEvents can satisfy it.
	forgeable = `{"detail-type":["AWS API Call via CloudTrail"],"detail":{"eventName":["StopLogging"]}}`
)

// rule makes a rule with targets.
func (h *hub) rule(t *testing.T, name, pattern string, state ebtypes.RuleState, targets ...ebtypes.Target) string {
	t.Helper()
	out, err := h.events.PutRule(ctx(t), &eventbridge.PutRuleInput{Name: &name, EventPattern: &pattern, State: state})
	if err != nil {
		t.Fatal(err)
	}
	for i := range targets {
		if targets[i].Id == nil {
			targets[i].Id = aws.String(fmt.Sprint(i))
		}
	}
	if len(targets) > 0 {
		put, err := h.events.PutTargets(ctx(t), &eventbridge.PutTargetsInput{Rule: &name, Targets: targets})
		if err != nil || put.FailedEntryCount > 0 {
			t.Fatal(put, err)
		}
	}
	return *out.RuleArn
}

func to(arn string) ebtypes.Target { return ebtypes.Target{Arn: &arn} }

func (h *hub) stop(t *testing.T) {
	t.Helper()
	must(t)(h.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: aws.String("main")}))
}

func (h *hub) settle(t *testing.T) {
	t.Helper()
	if err := h.Settle(48 * time.Hour); err != nil {
		t.Fatal(err)
	}
}

// custom puts an event of somebody's own on the default bus and returns the error code of its entry.
func (h *hub) custom(t *testing.T, source, detailType, detail string) string {
	t.Helper()
	out, err := h.events.PutEvents(ctx(t), &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{Source: &source, DetailType: &detailType, Detail: &detail}}})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.Entries[0].ErrorCode)
}

func TestStopLoggingReachesAQueueByARule(t *testing.T) {
	h := newHub(t, Options{})
	h.logging(t)
	h.settle(t)
	url, arn := h.queue(t, "hints", nil)
	h.rule(t, "trails", trailRule, ebtypes.RuleStateEnabled, to(arn))
	h.settle(t)
	stopped := h.Now()
	h.stop(t)
	h.settle(t)
	got := h.bodies(t, url)
	if len(got) != 1 {
		t.Fatalf("queue has %v, want one event", got)
	}
	var e struct {
		Version, ID, Source, Account, Time, Region string
		DetailType                                 string   `json:"detail-type"`
		Resources                                  []string `json:"resources"`
		Detail                                     struct {
			EventName, EventSource, EventID string
			RequestParameters               struct{ Name string }
		}
	}
	if err := json.Unmarshal([]byte(got[0]), &e); err != nil {
		t.Fatal(err)
	}
	if e.Version != "0" || e.ID == "" || e.Source != "aws.cloudtrail" || e.Account != account || e.Region != home || e.Time != timestamp(stopped) ||
		e.DetailType != "AWS API Call via CloudTrail" || e.Resources == nil || len(e.Resources) != 0 {
		t.Errorf("envelope %+v", e)
	}
	if e.Detail.EventName != "StopLogging" || e.Detail.EventSource != "cloudtrail.amazonaws.com" || e.Detail.RequestParameters.Name != "main" {
		t.Errorf("detail %+v", e.Detail)
	}
	records := h.Records()
	if last := records[len(records)-1]; !strings.Contains(got[0], `"detail":`+string(last.Raw)+"}") {
		t.Error("the detail is not the record, byte for byte")
	}
}

func TestForgedEventsMatchOnlyRulesWithoutSource(t *testing.T) {
	h := newHub(t, Options{})
	safe, safeARN := h.queue(t, "safe", nil)
	fooled, fooledARN := h.queue(t, "fooled", nil)
	h.rule(t, "with-source", trailRule, ebtypes.RuleStateEnabled, to(safeARN))
	h.rule(t, "without-source", forgeable, ebtypes.RuleStateEnabled, to(fooledARN))
	detail := `{"eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","requestParameters":{"name":"main"}}`
	if code := h.custom(t, "aws.cloudtrail", "AWS API Call via CloudTrail", detail); code != "NotAuthorizedForSourceException" {
		t.Errorf("an event from aws.cloudtrail: code %q", code)
	}
	if code := h.custom(t, "my.app", "AWS API Call via CloudTrail", detail); code != "" {
		t.Errorf("an event from my.app: code %q", code)
	}
	h.settle(t)
	wantBodies(t, h.bodies(t, safe))
	if n := len(h.bodies(t, fooled)); n != 1 {
		t.Errorf("%d forged events came through a rule without source, want 1", n)
	}
}

func TestStateOfARuleDecidesWhatItSees(t *testing.T) {
	h := newHub(t, Options{})
	h.logging(t)
	h.settle(t)
	urls := map[ebtypes.RuleState]string{}
	wanted := map[ebtypes.RuleState][]string{
		ebtypes.RuleStateDisabled:                                 {},
		ebtypes.RuleStateEnabled:                                  {"StopLogging"},
		ebtypes.RuleStateEnabledWithAllCloudtrailManagementEvents: {"GetTrailStatus", "StopLogging"},
	}
	for state := range wanted {
		url, arn := h.queue(t, string(state), nil)
		h.rule(t, string(state), trailRule, state, to(arn))
		urls[state] = url
	}
	h.status(t) // a read, while the trail logs
	h.stop(t)
	h.status(t) // a read that nobody logs
	h.settle(t)
	for state, want := range wanted {
		got := []string{}
		for _, body := range h.bodies(t, urls[state]) {
			var e struct{ Detail struct{ EventName string } }
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Detail.EventName)
		}
		slices.Sort(got) // delays differ
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rule in state %s saw (-want +got):\n%s", state, diff)
		}
	}
}

func TestLossAndCopies(t *testing.T) {
	for name, row := range map[string]struct {
		options Options
		want    int
	}{"lost": {Options{EventLoss: 1}, 0}, "doubled": {Options{EventCopies: 1}, 2}} {
		h := newHub(t, row.options)
		h.logging(t)
		h.settle(t)
		url, arn := h.queue(t, "hints", nil)
		h.rule(t, "trails", trailRule, ebtypes.RuleStateEnabled, to(arn))
		h.stop(t)
		h.settle(t)
		events, records := map[string]bool{}, map[string]bool{}
		got := h.bodies(t, url)
		for _, body := range got {
			var e struct {
				ID     string
				Detail struct{ EventID string }
			}
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatal(err)
			}
			events[e.ID], records[e.Detail.EventID] = true, true
		}
		if len(got) != row.want || len(events) != row.want || len(records) != min(row.want, 1) {
			t.Errorf("%s: %d events with %d ids of %d records, want %d of one record", name, len(got), len(events), len(records), row.want)
		}
	}
}

func TestRuleErrors(t *testing.T) {
	h := newHub(t, Options{})
	h.rule(t, "full", trailRule, ebtypes.RuleStateEnabled, to("arn:aws:sqs:eu-central-1:111122223333:q"))
	put := func(in eventbridge.PutRuleInput) error {
		if in.Name == nil {
			in.Name = aws.String("r")
		}
		_, err := h.events.PutRule(ctx(t), &in)
		return err
	}
	target := func(targets ...ebtypes.Target) error {
		for i := range targets {
			targets[i].Id = aws.String(fmt.Sprint("t", i))
		}
		_, err := h.events.PutTargets(ctx(t), &eventbridge.PutTargetsInput{Rule: aws.String("full"), Targets: targets})
		return err
	}
	with := func(change func(*ebtypes.Target)) error {
		x := to("arn:aws:sqs:eu-central-1:111122223333:q")
		change(&x)
		return target(x)
	}
	_, deleteFull := h.events.DeleteRule(ctx(t), &eventbridge.DeleteRuleInput{Name: aws.String("full")})
	_, deleteNone := h.events.DeleteRule(ctx(t), &eventbridge.DeleteRuleInput{Name: aws.String("none")})
	_, describeNone := h.events.DescribeRule(ctx(t), &eventbridge.DescribeRuleInput{Name: aws.String("none")})
	_, disableNone := h.events.DisableRule(ctx(t), &eventbridge.DisableRuleInput{Name: aws.String("none")})
	q := func() ebtypes.Target { return to("arn:aws:sqs:eu-central-1:111122223333:q") }
	for _, row := range []struct {
		name, want string
		err        error
	}{
		{"unknown operator", "InvalidEventPatternException", put(eventbridge.PutRuleInput{EventPattern: aws.String(`{"source":[{"like":"aws"}]}`)})},
		{"pattern without list", "InvalidEventPatternException", put(eventbridge.PutRuleInput{EventPattern: aws.String(`{"source":"aws.cloudtrail"}`)})},
		{"no JSON", "InvalidEventPatternException", put(eventbridge.PutRuleInput{EventPattern: aws.String(`{`)})},
		{"neither pattern nor schedule", "ValidationException", put(eventbridge.PutRuleInput{})},
		{"bad name", "ValidationException", put(eventbridge.PutRuleInput{Name: aws.String("a b"), EventPattern: aws.String(trailRule)})},
		{"bad state", "ValidationException", put(eventbridge.PutRuleInput{EventPattern: aws.String(trailRule), State: "ON"})},
		{"bad rate", "ValidationException", put(eventbridge.PutRuleInput{ScheduleExpression: aws.String("rate(1 minutes)")})},
		{"cron", "ValidationException", put(eventbridge.PutRuleInput{ScheduleExpression: aws.String("cron(0 12 * * ? *)")})},
		{"no such bus", "ResourceNotFoundException", put(eventbridge.PutRuleInput{EventPattern: aws.String(trailRule), EventBusName: aws.String("mine")})},
		{"rule with targets", "ValidationException", deleteFull},
		{"no such rule", "", deleteNone},
		{"nothing to describe", "ResourceNotFoundException", describeNone},
		{"nothing to disable", "ResourceNotFoundException", disableNone},
		{"too many targets", "LimitExceededException", target(q(), q(), q(), q(), q())},
		{"no ARN", "ValidationException", target(to("q"))},
		{"unsupported target", "ValidationException", target(to("arn:aws:logs:eu-central-1:111122223333:log-group:x"))},
		{"Input and InputPath", "ValidationException", with(func(x *ebtypes.Target) { x.Input, x.InputPath = aws.String("{}"), aws.String("$") })},
		{"Input no JSON", "ValidationException", with(func(x *ebtypes.Target) { x.Input = aws.String("{") })},
		{"InputPath no path", "ValidationException", with(func(x *ebtypes.Target) { x.InputPath = aws.String("detail") })},
		{"InputTransformer", "ValidationException", with(func(x *ebtypes.Target) {
			x.InputTransformer = &ebtypes.InputTransformer{InputTemplate: aws.String(`"x"`)}
		})},
		{"dead letters to a topic", "ValidationException", with(func(x *ebtypes.Target) {
			x.DeadLetterConfig = &ebtypes.DeadLetterConfig{Arn: aws.String(alarmARN)}
		})},
		{"too many retries", "ValidationException", with(func(x *ebtypes.Target) {
			x.RetryPolicy = &ebtypes.RetryPolicy{MaximumRetryAttempts: aws.Int32(186)}
		})},
		{"FIFO queue without group", "ValidationException", target(to("arn:aws:sqs:eu-central-1:111122223333:q.fifo"))},
	} {
		if got := code(row.err); got != row.want {
			t.Errorf("%s: %v, want code %q", row.name, row.err, row.want)
		}
	}
}

func TestRulesAsTheyAreListed(t *testing.T) {
	h := newHub(t, Options{})
	q := "arn:aws:sqs:eu-central-1:111122223333:q"
	arn := h.rule(t, "trails", trailRule, ebtypes.RuleStateEnabled, to(q))
	h.rule(t, "other", forgeable, ebtypes.RuleStateEnabled)
	must(t)(h.events.DisableRule(ctx(t), &eventbridge.DisableRuleInput{Name: aws.String("trails")}))
	got, err := h.events.DescribeRule(ctx(t), &eventbridge.DescribeRuleInput{Name: aws.String("trails")})
	if err != nil || *got.Arn != arn || got.State != ebtypes.RuleStateDisabled || *got.EventPattern != trailRule || *got.EventBusName != "default" {
		t.Errorf("described %+v, %v", got, err)
	}
	rules, err := h.events.ListRules(ctx(t), &eventbridge.ListRulesInput{NamePrefix: aws.String("t")})
	if err != nil || len(rules.Rules) != 1 || *rules.Rules[0].Name != "trails" {
		t.Errorf("listed %+v, %v", rules, err)
	}
	names, err := h.events.ListRuleNamesByTarget(ctx(t), &eventbridge.ListRuleNamesByTargetInput{TargetArn: &q})
	if err != nil || !slices.Equal(names.RuleNames, []string{"trails"}) {
		t.Errorf("rules of the target: %+v, %v", names, err)
	}
	h.rule(t, "trails", forgeable, "") // replaced; targets stay
	targets, err := h.events.ListTargetsByRule(ctx(t), &eventbridge.ListTargetsByRuleInput{Rule: aws.String("trails")})
	if err != nil || len(targets.Targets) != 1 || *targets.Targets[0].Arn != q {
		t.Errorf("targets %+v, %v", targets, err)
	}
	removed, err := h.events.RemoveTargets(ctx(t), &eventbridge.RemoveTargetsInput{Rule: aws.String("trails"), Ids: []string{"0", "9"}})
	if err != nil || removed.FailedEntryCount != 1 || *removed.FailedEntries[0].TargetId != "9" {
		t.Errorf("removed %+v, %v; want only target 9 to fail", removed, err)
	}
	must(t)(h.events.DeleteRule(ctx(t), &eventbridge.DeleteRuleInput{Name: aws.String("trails")}))
	must(t)(h.events.CreateEventBus(ctx(t), &eventbridge.CreateEventBusInput{Name: aws.String("mine")}))
	buses, err := h.events.ListEventBuses(ctx(t), &eventbridge.ListEventBusesInput{})
	if err != nil || len(buses.EventBuses) != 2 || *buses.EventBuses[0].Name != "default" || *buses.EventBuses[1].Name != "mine" {
		t.Errorf("buses %+v, %v", buses, err)
	}
}

func TestTestEventPattern(t *testing.T) {
	h := newHub(t, Options{})
	event := `{"id":"1","account":"1","source":"aws.cloudtrail","time":"2026-01-05T09:00:00Z","region":"eu-central-1","resources":[],"detail-type":"AWS API Call via CloudTrail","detail":{"eventName":"StopLogging","eventSource":"cloudtrail.amazonaws.com"}}`
	for _, row := range []struct {
		pattern, event string
		result         bool
		code           string
	}{
		{trailRule, event, true, ""},
		{trailRule, strings.Replace(event, "aws.cloudtrail", "my.app", 1), false, ""},
		{trailRule, `{"source":"aws.cloudtrail"}`, false, "ValidationException"},
		{trailRule, `x`, false, "ValidationException"},
		{`{"source":[]}`, event, false, "InvalidEventPatternException"},
	} {
		out, err := h.events.TestEventPattern(ctx(t), &eventbridge.TestEventPatternInput{EventPattern: &row.pattern, Event: &row.event})
		if got := code(err); got != row.code || err == nil && out.Result != row.result {
			t.Errorf("%s against %s: %v, %v; want %t, %q", row.pattern, row.event, out, err, row.result, row.code)
		}
	}
}

func TestPutEvents(t *testing.T) {
	h := newHub(t, Options{})
	must(t)(h.events.CreateEventBus(ctx(t), &eventbridge.CreateEventBusInput{Name: aws.String("mine")}))
	url, arn := h.queue(t, "q", nil)
	must(t)(h.events.PutRule(ctx(t), &eventbridge.PutRuleInput{Name: aws.String("r"), EventBusName: aws.String("mine"), EventPattern: aws.String(`{"source":["my.app"]}`)}))
	must(t)(h.events.PutTargets(ctx(t), &eventbridge.PutTargetsInput{Rule: aws.String("r"), EventBusName: aws.String("mine"), Targets: []ebtypes.Target{
		{Id: aws.String("1"), Arn: &arn, InputPath: aws.String("$.detail.list[1].n")},
	}}))
	entry := func(bus, detail string) ebtypes.PutEventsRequestEntry {
		return ebtypes.PutEventsRequestEntry{EventBusName: &bus, Source: aws.String("my.app"), DetailType: aws.String("x"), Detail: &detail}
	}
	out, err := h.events.PutEvents(ctx(t), &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{
		entry("mine", `{"list":[{"n":1},{"n":2}]}`), entry("default", `{}`), entry("mine", `[]`), entry("nowhere", `{}`), {Source: aws.String("my.app")},
		entry("mine", `{"deep":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`}`),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, e := range out.Entries {
		codes = append(codes, aws.ToString(e.ErrorCode))
		if (e.EventId == nil) == (e.ErrorCode == nil) {
			t.Errorf("entry with both or neither of id and error: %+v", e)
		}
	}
	if diff := cmp.Diff([]string{"", "", "MalformedDetail", "InvalidArgument", "InvalidArgument", "MalformedDetail"}, codes); diff != "" || out.FailedEntryCount != 4 {
		t.Errorf("%d failed; codes (-want +got):\n%s", out.FailedEntryCount, diff)
	}
	h.settle(t)
	wantBodies(t, h.bodies(t, url), "2") // of the bus mine only
	_, err = h.events.PutEvents(ctx(t), &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{entry("mine", `{"x":"`+strings.Repeat("x", 1<<20)+`"}`)}})
	wantCode(t, "ValidationException", err)
}

func TestFailingTargetIsTriedAgain(t *testing.T) {
	h := newHub(t, Options{})
	url, arn := h.queue(t, "q", nil)
	h.rule(t, "r", `{"source":["my.app"]}`, ebtypes.RuleStateEnabled, to(arn))
	h.Inject(Fault{Service: "sqs", Principal: "events.amazonaws.com", Code: "RequestThrottled", Times: 3})
	sent := h.Now()
	h.custom(t, "my.app", "x", `{}`)
	h.settle(t)
	if n := len(h.bodies(t, url)); n != 1 {
		t.Errorf("%d events after three failures, want 1", n)
	}
	if took := h.Now().Sub(sent); took < 5*time.Second || took > 10*time.Second {
		t.Errorf("delivered after %s; three tries again should double from a second", took)
	}
}

func TestDeliveryThatIsGivenUpGoesToTheDeadLetterQueue(t *testing.T) {
	for name, row := range map[string]struct {
		fault     string
		policy    *ebtypes.RetryPolicy
		gone      bool
		code      string
		exhausted string
		retries   string
		after     [2]time.Duration
	}{
		"185 retries":   {"ServiceUnavailable", nil, false, "ERROR_FROM_TARGET", "MaximumRetryAttempts", "185", [2]time.Duration{20 * time.Hour, 24 * time.Hour}},
		"two retries":   {"RequestThrottled", &ebtypes.RetryPolicy{MaximumRetryAttempts: aws.Int32(2)}, false, "THROTTLING", "MaximumRetryAttempts", "2", [2]time.Duration{2 * time.Second, 4 * time.Second}},
		"no retries":    {"RequestThrottled", &ebtypes.RetryPolicy{MaximumRetryAttempts: aws.Int32(0)}, false, "THROTTLING", "MaximumRetryAttempts", "0", [2]time.Duration{}},
		"one minute":    {"RequestThrottled", &ebtypes.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(60)}, false, "THROTTLING", "MaximumEventAgeInSeconds", "", [2]time.Duration{20 * time.Second, time.Minute}},
		"no such queue": {"", nil, true, "NO_RESOURCE", "", "0", [2]time.Duration{}},
		"not let in":    {"AccessDeniedException", nil, false, "NO_PERMISSIONS", "", "0", [2]time.Duration{}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, Options{})
			url, arn := h.queue(t, "q", nil)
			dead, deadARN := h.queue(t, "dead", nil)
			target := to(arn)
			target.DeadLetterConfig = &ebtypes.DeadLetterConfig{Arn: &deadARN}
			target.RetryPolicy = row.policy
			rule := h.rule(t, "r", `{"source":["my.app"]}`, ebtypes.RuleStateEnabled, target)
			if row.fault != "" {
				h.Inject(Fault{Service: "sqs", Op: "SendMessage", Principal: "events.amazonaws.com", Code: row.fault})
			}
			if row.gone {
				must(t)(h.sqs.DeleteQueue(ctx(t), &sqs.DeleteQueueInput{QueueUrl: &url}))
			}
			sent := h.Now()
			h.custom(t, "my.app", "x", `{"n":1}`)
			h.settle(t)
			if took := h.Now().Sub(sent); took < row.after[0] || took > row.after[1] {
				t.Errorf("given up after %s, want %s to %s", took, row.after[0], row.after[1])
			}
			got := h.receive(t, dead)
			if len(got) != 1 || !strings.Contains(*got[0].Body, `"detail":{"n":1}`) {
				t.Fatalf("dead letters %v, want the event", got)
			}
			attribute := func(name string) string { return aws.ToString(got[0].MessageAttributes[name].StringValue) }
			if attribute("RULE_ARN") != rule || attribute("TARGET_ARN") != arn || attribute("ERROR_CODE") != row.code || attribute("EXHAUSTED_RETRY_CONDITION") != row.exhausted ||
				row.retries != "" && attribute("RETRY_ATTEMPTS") != row.retries {
				t.Errorf("attributes %s %s %s %s %s", attribute("RULE_ARN"), attribute("TARGET_ARN"), attribute("ERROR_CODE"), attribute("EXHAUSTED_RETRY_CONDITION"), attribute("RETRY_ATTEMPTS"))
			}
		})
	}
}

func TestPoliciesOfQueuesAndTopicsDecideOverRules(t *testing.T) {
	h := newHub(t, Options{ConfirmedEmail: true})
	topic := h.topic(t, "alarm", nil)
	h.subscribe(t, topic, "email", reader, nil)
	url, arn := h.queue(t, "q", nil)
	rule := h.rule(t, "r", `{"source":["my.app"]}`, ebtypes.RuleStateEnabled, to(arn), to(topic))
	policy := func(source string) {
		text := `{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":["sqs:SendMessage","sns:Publish"],"Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":"` + source + `"}}}]}`
		must(t)(h.sqs.SetQueueAttributes(ctx(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": text}}))
		must(t)(h.sns.SetTopicAttributes(ctx(t), &sns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("Policy"), AttributeValue: &text}))
	}
	policy(rule + "-other")
	h.custom(t, "my.app", "x", `{"n":1}`)
	h.settle(t)
	if n, mails := len(h.bodies(t, url)), len(h.Mailbox(reader)); n+mails != 0 {
		t.Errorf("%d messages and %d mails although the policies name another rule", n, mails)
	}
	policy(rule)
	h.custom(t, "my.app", "x", `{"n":2}`)
	h.settle(t)
	if n, mails := len(h.bodies(t, url)), len(h.Mailbox(reader)); n != 1 || mails != 1 {
		t.Errorf("%d messages and %d mails, want one of each", n, mails)
	}
}

func TestScheduledRule(t *testing.T) {
	h := newHub(t, Options{})
	url, arn := h.queue(t, "q", nil)
	put := func(rate string) {
		must(t)(h.events.PutRule(ctx(t), &eventbridge.PutRuleInput{Name: aws.String("sweep"), ScheduleExpression: &rate}))
	}
	put("rate(1 minute)")
	must(t)(h.events.PutTargets(ctx(t), &eventbridge.PutTargetsInput{Rule: aws.String("sweep"), Targets: []ebtypes.Target{{Id: aws.String("1"), Arn: &arn, Input: aws.String(`{"sweep":true}`)}}}))
	h.Advance(150 * time.Second)
	wantBodies(t, h.bodies(t, url), `{"sweep":true}`, `{"sweep":true}`)
	put("rate(2 minutes)") // the old schedule ends
	h.Advance(4 * time.Minute)
	wantBodies(t, h.bodies(t, url), `{"sweep":true}`, `{"sweep":true}`)
	must(t)(h.events.DisableRule(ctx(t), &eventbridge.DisableRuleInput{Name: aws.String("sweep")}))
	h.Advance(time.Hour)
	wantBodies(t, h.bodies(t, url))
	if err := h.Settle(time.Second); err != nil {
		t.Errorf("a schedule must not keep the world busy: %v", err)
	}
}

// The whole way of the 2017 sample, in one world: the trail is stopped, the rule invokes the function, which starts the trail
// again and publishes, and people get mail. Its own StartLogging comes back as a second event.
func TestFunctionRepairsATrailAndTellsPeople(t *testing.T) {
	run := func(seed uint64) (*hub, []string) {
		h := newHub(t, Options{Seed: seed, ConfirmedEmail: true})
		h.logging(t)
		h.settle(t)
		topic := h.topic(t, "alarm", nil)
		h.subscribe(t, topic, "email", reader, nil)
		role := hubOf(at(h.World, home, h.Account(account).Role("trailwarden", "lambda")))
		var seen []string
		function := h.Function(account, home, "monitor", func(c context.Context, payload []byte) ([]byte, error) {
			var e struct{ Detail struct{ EventName string } }
			if err := json.Unmarshal(payload, &e); err != nil {
				return nil, err
			}
			seen = append(seen, e.Detail.EventName)
			if e.Detail.EventName == "StopLogging" {
				if _, err := role.trail.StartLogging(c, &cloudtrail.StartLoggingInput{Name: aws.String(mainARN)}); err != nil {
					return nil, err
				}
			}
			_, err := role.sns.Publish(c, &sns.PublishInput{TopicArn: &topic, Message: aws.String(e.Detail.EventName)})
			return nil, err
		})
		h.rule(t, "trails", trailRule, ebtypes.RuleStateEnabled, to(function))
		h.settle(t)
		h.stop(t)
		h.settle(t)
		return h, seen
	}
	h, seen := run(1)
	if diff := cmp.Diff([]string{"StopLogging", "StartLogging"}, seen); diff != "" {
		t.Errorf("the function saw (-want +got):\n%s", diff)
	}
	if !*h.status(t).IsLogging {
		t.Error("the trail does not log")
	}
	if n := len(h.Mailbox(reader)); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
	again, _ := run(1)
	if diff := cmp.Diff(h.Mailbox(""), again.Mailbox("")); diff != "" {
		t.Errorf("the same seed gave other mails:\n%s", diff)
	}
	if diff := cmp.Diff(h.Invocations(), again.Invocations()); diff != "" {
		t.Errorf("the same seed gave other invocations:\n%s", diff)
	}
}

// The commands of the AWS documentation, as a person would type them.
func TestRealAWSCLIOnMessages(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the real AWS CLI works on queues, topics and rules; it takes seconds")
	}
	w := New(Options{ConfirmedEmail: true})
	server := httptest.NewServer(w)
	defer server.Close()
	cli := findAWSCLI(t, server.URL)
	ok := func(args ...string) map[string]any {
		t.Helper()
		answer, failure := cli.run(t, args...)
		if failure != "" {
			t.Fatalf("aws %v: %s", args, failure)
		}
		return answer
	}
	url := ok("sqs", "create-queue", "--queue-name", "work")["QueueUrl"].(string)
	topic := ok("sns", "create-topic", "--name", "alarm")["TopicArn"].(string)
	ok("sns", "subscribe", "--topic-arn", topic, "--protocol", "email", "--notification-endpoint", reader)
	ok("events", "put-rule", "--name", "r", "--event-pattern", `{"source":["my.app"]}`)
	ok("events", "put-targets", "--rule", "r", "--targets", "Id=q,Arn=arn:aws:sqs:eu-central-1:111122223333:work", "Id=t,Arn="+topic)
	ok("events", "put-events", "--entries", `[{"Source":"my.app","DetailType":"x","Detail":"{\"n\":1}"}]`)
	if err := w.Settle(time.Minute); err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(ok("sqs", "receive-message", "--queue-url", url))
	if !strings.Contains(string(got), `\"detail\":{\"n\":1}`) {
		t.Errorf("received %s, want the event", got)
	}
	ok("sns", "publish", "--topic-arn", topic, "--subject", "S", "--message", "hello")
	if box := w.Mailbox(reader); len(box) != 2 || box[1].Subject != "S" {
		t.Errorf("mailbox %v, want the event and the message", box)
	}
	if _, failure := cli.run(t, "events", "put-rule", "--name", "r", "--event-pattern", `{"source":"my.app"}`); !strings.Contains(failure, "InvalidEventPatternException") {
		t.Errorf("a malformed pattern: %q", failure)
	}
	if _, failure := cli.run(t, "sns", "publish", "--topic-arn", topic+"x", "--message", "x"); !strings.Contains(failure, "(NotFound)") {
		t.Errorf("publish to a topic that is not there: %q", failure)
	}
}
