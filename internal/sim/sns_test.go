package sim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
)

const (
	alarmARN = "arn:aws:sns:eu-central-1:111122223333:alarm"
	reader   = "ops@example.com"
)

func (h *hub) topic(t *testing.T, name string, attributes map[string]string) string {
	t.Helper()
	out, err := h.sns.CreateTopic(ctx(t), &sns.CreateTopicInput{Name: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return *out.TopicArn
}

func (h *hub) subscribe(t *testing.T, topic, protocol, endpoint string, attributes map[string]string) string {
	t.Helper()
	out, err := h.sns.Subscribe(ctx(t), &sns.SubscribeInput{
		TopicArn: &topic, Protocol: &protocol, Endpoint: &endpoint, Attributes: attributes, ReturnSubscriptionArn: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.SubscriptionArn
}

func (h *hub) publish(t *testing.T, in sns.PublishInput) {
	t.Helper()
	must(t)(h.sns.Publish(ctx(t), &in))
}

// golden compares text with a file of testdata, or writes it anew with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestMailAsItIsRead(t *testing.T) {
	h := newHub(t, Options{Seed: 7, ConfirmedEmail: true})
	topic := h.topic(t, "alarm", map[string]string{"DisplayName": "trailwarden"})
	h.subscribe(t, topic, "email", reader, nil)
	h.subscribe(t, topic, "email-json", "machine@example.com", nil)
	h.subscribe(t, topic, "sms", "+491701234567", nil)
	structure, err := json.Marshal(map[string]string{
		"default": "trail stopped", "email": "The trail main was stopped.\nIt records again.", "email-json": `{"trail":"main <&> \"quoted\""}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.publish(t, sns.PublishInput{
		TopicArn: &topic, Subject: aws.String("CloudTrail main (111122223333/eu-central-1): repaired"), Message: aws.String(string(structure)),
		MessageStructure: aws.String("json"), MessageAttributes: map[string]snstypes.MessageAttributeValue{
			"severity": {DataType: aws.String("String"), StringValue: aws.String("critical")},
			"region":   {DataType: aws.String("String"), StringValue: aws.String("eu-central-1")},
		},
	})
	mail := func(address string) Mail {
		box := h.Mailbox(address)
		if len(box) != 1 {
			t.Fatalf("mailbox of %s has %d messages, want 1", address, len(box))
		}
		return box[0]
	}
	for address, file := range map[string]string{reader: "mail_email.txt", "machine@example.com": "mail_email_json.txt", "+491701234567": "mail_sms.txt"} {
		m := mail(address)
		golden(t, file, strings.Join([]string{"From: " + m.From, "To: " + m.To, "Subject: " + m.Subject, "Date: " + m.At.Format(time.RFC3339), "", m.Body}, "\n"))
	}
	var envelope struct{ Message string }
	if err := json.Unmarshal([]byte(mail("machine@example.com").Body), &envelope); err != nil || envelope.Message != `{"trail":"main <&> \"quoted\""}` {
		t.Errorf("Email-JSON carries %q, %v", envelope.Message, err)
	}
}

func TestNobodyGetsMailBeforeConfirming(t *testing.T) {
	h := newHub(t, Options{})
	topic := h.topic(t, "alarm", nil)
	out, err := h.sns.Subscribe(ctx(t), &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("email"), Endpoint: aws.String(reader)})
	if err != nil || *out.SubscriptionArn != "pending confirmation" {
		t.Errorf("subscription %v, %v; want it to be pending", out, err)
	}
	h.publish(t, sns.PublishInput{TopicArn: &topic, Message: aws.String("unheard")})
	state := func() (listed, confirmed, pending string) {
		list, err := h.sns.ListSubscriptionsByTopic(ctx(t), &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
		if err != nil || len(list.Subscriptions) != 1 {
			t.Fatal(list, err)
		}
		attributes, err := h.sns.GetTopicAttributes(ctx(t), &sns.GetTopicAttributesInput{TopicArn: &topic})
		if err != nil {
			t.Fatal(err)
		}
		return *list.Subscriptions[0].SubscriptionArn, attributes.Attributes["SubscriptionsConfirmed"], attributes.Attributes["SubscriptionsPending"]
	}
	if listed, confirmed, pending := state(); listed != "PendingConfirmation" || confirmed != "0" || pending != "1" {
		t.Errorf("listed as %s, %s confirmed, %s pending", listed, confirmed, pending)
	}
	box := h.Mailbox(reader)
	if len(box) != 1 || !strings.Contains(box[0].Body, "ConfirmSubscription") {
		t.Fatalf("mailbox %v, want only the request to confirm", box)
	}
	if n := h.ConfirmEmail(reader); n != 1 {
		t.Errorf("confirmed %d subscriptions, want 1", n)
	}
	if listed, confirmed, pending := state(); !strings.HasPrefix(listed, topic+":") || confirmed != "1" || pending != "0" {
		t.Errorf("listed as %s, %s confirmed, %s pending", listed, confirmed, pending)
	}
	h.publish(t, sns.PublishInput{TopicArn: &topic, Message: aws.String("heard")})
	if box := h.Mailbox(reader); len(box) != 2 || !strings.HasPrefix(box[1].Body, "heard\n") || box[1].Subject != "AWS Notification Message" {
		t.Errorf("mailbox %v, want the second message in it", box)
	}
}

func TestTheTokenInTheMailConfirms(t *testing.T) {
	h := newHub(t, Options{})
	topic := h.topic(t, "alarm", nil)
	h.subscribe(t, topic, "https", "https://example.com/hook", nil)
	var ask struct{ Type, Token, TopicArn, SubscribeURL string }
	if err := json.Unmarshal([]byte(h.Mailbox("https://example.com/hook")[0].Body), &ask); err != nil || ask.Type != "SubscriptionConfirmation" || ask.TopicArn != topic {
		t.Fatalf("asked to confirm with %+v, %v", ask, err)
	}
	_, err := h.sns.ConfirmSubscription(ctx(t), &sns.ConfirmSubscriptionInput{TopicArn: &topic, Token: aws.String("wrong")})
	wantCode(t, "InvalidParameter", err)
	confirmed, err := h.sns.ConfirmSubscription(ctx(t), &sns.ConfirmSubscriptionInput{TopicArn: &topic, Token: &ask.Token})
	if err != nil {
		t.Fatal(err)
	}
	h.publish(t, sns.PublishInput{TopicArn: &topic, Message: aws.String("x")})
	must(t)(h.sns.Unsubscribe(ctx(t), &sns.UnsubscribeInput{SubscriptionArn: confirmed.SubscriptionArn}))
	h.publish(t, sns.PublishInput{TopicArn: &topic, Message: aws.String("y")})
	if n := len(h.Mailbox("https://example.com/hook")); n != 2 {
		t.Errorf("%d posts, want the confirmation and one notification", n)
	}
}

func TestPublishRefusesWhatSNSRefuses(t *testing.T) {
	h := newHub(t, Options{ConfirmedEmail: true})
	topic := h.topic(t, "alarm", nil)
	h.subscribe(t, topic, "email", reader, nil)
	text := func(message string) sns.PublishInput { return sns.PublishInput{TopicArn: &topic, Message: &message} }
	subject := func(s string) sns.PublishInput {
		return sns.PublishInput{TopicArn: &topic, Message: aws.String("x"), Subject: &s}
	}
	structure := func(s string) sns.PublishInput {
		return sns.PublishInput{TopicArn: &topic, Message: &s, MessageStructure: aws.String("json")}
	}
	attribute := func(a snstypes.MessageAttributeValue) sns.PublishInput {
		return sns.PublishInput{TopicArn: &topic, Message: aws.String("x"), MessageAttributes: map[string]snstypes.MessageAttributeValue{"a": a}}
	}
	for name, row := range map[string]struct {
		in   sns.PublishInput
		want string
	}{
		"a message":              {text("x"), ""},
		"the largest message":    {text(strings.Repeat("x", 262144)), ""},
		"too large":              {text(strings.Repeat("x", 262145)), "InvalidParameter"},
		"too large in UTF-8":     {text(strings.Repeat("ä", 131073)), "InvalidParameter"},
		"empty":                  {text(""), "InvalidParameter"},
		"the longest subject":    {subject(strings.Repeat("x", 99)), ""},
		"subject too long":       {subject(strings.Repeat("x", 100)), "InvalidParameter"},
		"subject with a newline": {subject("a\nBcc: all@example.com"), "InvalidParameter"},
		"subject not in ASCII":   {subject("gelöscht"), "InvalidParameter"},
		"empty subject":          {subject(""), "InvalidParameter"},
		"structure":              {structure(`{"default":"d","email":"e","other":1}`), ""},
		"no JSON":                {structure(`default`), "InvalidParameter"},
		"a list":                 {structure(`["default"]`), "InvalidParameter"},
		"no default":             {structure(`{"email":"e"}`), "InvalidParameter"},
		"default no string":      {structure(`{"default":{"a":1}}`), "InvalidParameter"},
		"one bad entry":          {structure(`{"default":"d","email":{"a":1}}`), "InvalidParameter"},
		"one entry twice":        {structure(`{"default":"d","email":"a","email":"b"}`), "InvalidParameter"},
		"cut off":                {structure(`{"default":"d"`), "InvalidParameter"},
		"unknown structure":      {sns.PublishInput{TopicArn: &topic, Message: aws.String("x"), MessageStructure: aws.String("xml")}, "InvalidParameter"},
		"attribute of no type":   {attribute(snstypes.MessageAttributeValue{DataType: aws.String("Colour"), StringValue: aws.String("red")}), "ParameterValueInvalid"},
		"empty attribute":        {attribute(snstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("")}), "ParameterValueInvalid"},
		"no topic":               {sns.PublishInput{Message: aws.String("x")}, "InvalidParameter"},
		"no ARN":                 {sns.PublishInput{TopicArn: aws.String("alarm"), Message: aws.String("x")}, "InvalidParameter"},
		"topic of a Region":      {sns.PublishInput{TopicArn: aws.String(strings.Replace(topic, home, away, 1)), Message: aws.String("x")}, "InvalidParameter"},
		"no such topic":          {sns.PublishInput{TopicArn: aws.String(topic + "s"), Message: aws.String("x")}, "NotFound"},
	} {
		before := len(h.Mailbox(reader))
		_, err := h.sns.Publish(ctx(t), &row.in)
		if got := code(err); got != row.want {
			t.Errorf("%s: %v, want code %q", name, err, row.want)
		}
		if sent := len(h.Mailbox(reader)) - before; sent > 0 != (row.want == "") {
			t.Errorf("%s: %d mails", name, sent)
		}
	}
}

func TestTopicErrorsAreTheSDKsTypes(t *testing.T) {
	h := newHub(t, Options{})
	topic := h.topic(t, "alarm", nil)
	publish := func(h *hub) (status int, err error) {
		_, err = h.sns.Publish(ctx(t), &sns.PublishInput{TopicArn: &topic, Message: aws.String("x")})
		var response *awshttp.ResponseError
		if errors.As(err, &response) {
			status = response.HTTPStatusCode()
		}
		return status, err
	}
	allow := h.Deny("*:user/alice", "sns:Publish")
	var refused *snstypes.AuthorizationErrorException
	if status, err := publish(h); status != http.StatusForbidden || !errors.As(err, &refused) {
		t.Errorf("not allowed: %d %v", status, err)
	}
	allow()
	stranger := hubOf(at(h.World, home, h.Account("999988887777").User("mallory")))
	if status, err := publish(stranger); status != http.StatusForbidden || !errors.As(err, &refused) {
		t.Errorf("from another account: %d %v", status, err)
	}
	must(t)(h.sns.SetTopicAttributes(ctx(t), &sns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("Policy"), AttributeValue: aws.String(
		`{"Statement":{"Effect":"Deny","Principal":"*","Action":"sns:Publish","Resource":"*"}}`)}))
	if status, err := publish(h); status != http.StatusForbidden || !errors.As(err, &refused) {
		t.Errorf("refused by the topic's policy: %d %v", status, err)
	}

	must(t)(h.sns.DeleteTopic(ctx(t), &sns.DeleteTopicInput{TopicArn: &topic}))
	must(t)(h.sns.DeleteTopic(ctx(t), &sns.DeleteTopicInput{TopicArn: &topic}))
	var gone *snstypes.NotFoundException
	if status, err := publish(h); status != http.StatusNotFound || !errors.As(err, &gone) {
		t.Errorf("topic deleted: %d %v", status, err)
	}

	key := h.Account(account).Key(home, "11111111-2222-3333-4444-555555555555")
	topic = h.topic(t, "secret", map[string]string{"KmsMasterKeyId": key})
	h.Account(account).DisableKey(key)
	var off *snstypes.KMSDisabledException
	if _, err := publish(h); !errors.As(err, &off) {
		t.Errorf("key of the topic disabled: %v", err)
	}
}

func TestQueueGetsTheEnvelopeOrTheBareMessage(t *testing.T) {
	h := newHub(t, Options{})
	topic := h.topic(t, "alarm", nil)
	url, arn := h.queue(t, "enveloped", nil)
	rawURL, rawARN := h.queue(t, "raw", nil)
	h.subscribe(t, topic, "sqs", arn, nil)
	h.subscribe(t, topic, "sqs", rawARN, map[string]string{"RawMessageDelivery": "true"})
	h.publish(t, sns.PublishInput{
		TopicArn: &topic, Message: aws.String(`{"default":"d","sqs":"{\"a\":1}"}`), MessageStructure: aws.String("json"), Subject: aws.String("S"),
		MessageAttributes: map[string]snstypes.MessageAttributeValue{"severity": {DataType: aws.String("String"), StringValue: aws.String("high")}},
	})
	var got struct {
		Type, MessageId, TopicArn, Subject, Message, Timestamp, SignatureVersion, Signature, SigningCertURL, UnsubscribeURL string
		MessageAttributes                                                                                                   map[string]struct{ Type, Value string }
	}
	if err := json.Unmarshal([]byte(h.bodies(t, url)[0]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != "Notification" || got.TopicArn != topic || got.Subject != "S" || got.Message != `{"a":1}` || got.Timestamp != "2026-01-05T09:00:00.000Z" ||
		got.MessageAttributes["severity"].Value != "high" || got.MessageId == "" || got.Signature == "" || got.SigningCertURL == "" || got.UnsubscribeURL == "" {
		t.Errorf("envelope %+v", got)
	}
	raw := h.receive(t, rawURL)
	if len(raw) != 1 || *raw[0].Body != `{"a":1}` || aws.ToString(raw[0].MessageAttributes["severity"].StringValue) != "high" {
		t.Errorf("raw delivery %+v", raw)
	}
}

func TestFilterPolicies(t *testing.T) {
	text := func(s string) snstypes.MessageAttributeValue {
		return snstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: &s}
	}
	number := func(s string) snstypes.MessageAttributeValue {
		return snstypes.MessageAttributeValue{DataType: aws.String("Number"), StringValue: &s}
	}
	strings := snstypes.MessageAttributeValue{DataType: aws.String("String.Array"), StringValue: aws.String(`["prod", "eu"]`)}
	type attributes = map[string]snstypes.MessageAttributeValue
	for _, row := range []struct {
		policy, scope, message string
		attributes             attributes
		want                   bool
	}{
		{`{"severity":["high","critical"]}`, "", "x", attributes{"severity": text("critical")}, true},
		{`{"severity":["high","critical"]}`, "", "x", attributes{"severity": text("low")}, false},
		{`{"severity":["high","critical"]}`, "", "x", nil, false},
		{`{"severity":[{"anything-but":"low"}],"tries":[{"numeric":[">=",3]}]}`, "", "x", attributes{"severity": text("high"), "tries": number("3.0")}, true},
		{`{"tries":[{"numeric":[">=",3]}]}`, "", "x", attributes{"tries": text("3")}, false},
		{`{"stage":["prod"]}`, "", "x", attributes{"stage": strings}, true},
		{`{"stage":["test"]}`, "", "x", attributes{"stage": strings}, false},
		{`{"drill":[{"exists":false}]}`, "", "x", nil, true},
		{`{"drill":[{"exists":false}]}`, "", "x", attributes{"drill": text("yes")}, false},
		{`{"trail":{"name":["main"]}}`, "MessageBody", `{"trail":{"name":"main"}}`, nil, true},
		{`{"trail":{"name":["main"]}}`, "MessageBody", `{"trail":{"name":"other"}}`, nil, false},
		{`{"trail":[{"exists":false}]}`, "MessageBody", `no JSON`, nil, false},
		{`{}`, "", "x", nil, true},
	} {
		h := newHub(t, Options{})
		topic := h.topic(t, "alarm", nil)
		url, arn := h.queue(t, "work", nil)
		settings := map[string]string{"FilterPolicy": row.policy}
		if row.scope != "" {
			settings["FilterPolicyScope"] = row.scope
		}
		h.subscribe(t, topic, "sqs", arn, settings)
		h.publish(t, sns.PublishInput{TopicArn: &topic, Message: &row.message, MessageAttributes: row.attributes})
		if got := len(h.bodies(t, url)) == 1; got != row.want {
			t.Errorf("%s (%s): message %s with %v delivered: %t, want %t", row.policy, row.scope, row.message, row.attributes, got, row.want)
		}
	}
}

func TestSubscriptionErrors(t *testing.T) {
	h := newHub(t, Options{})
	topic := h.topic(t, "alarm", nil)
	for _, row := range []struct {
		protocol, endpoint string
		attributes         map[string]string
		want               string
	}{
		{"email", "nobody", nil, "InvalidParameter"},
		{"pigeon", "x", nil, "InvalidParameter"},
		{"https", "http://example.com", nil, "InvalidParameter"},
		{"sqs", "arn:aws:lambda:eu-central-1:111122223333:function:f", nil, "InvalidParameter"},
		{"email", reader, map[string]string{"RawMessageDelivery": "true"}, "InvalidParameter"},
		{"email", reader, map[string]string{"FilterPolicy": `{"a":"b"}`}, "InvalidParameter"},
		{"email", reader, map[string]string{"FilterPolicy": `{"a":[{"sounds-like":"b"}]}`}, "InvalidParameter"},
		{"email", reader, map[string]string{"Colour": "red"}, "InvalidParameter"},
		{"email", reader, nil, ""},
	} {
		_, err := h.sns.Subscribe(ctx(t), &sns.SubscribeInput{TopicArn: &topic, Protocol: &row.protocol, Endpoint: &row.endpoint, Attributes: row.attributes})
		if got := code(err); got != row.want {
			t.Errorf("%s %s %v: %v, want code %q", row.protocol, row.endpoint, row.attributes, err, row.want)
		}
	}
	_, err := h.sns.Subscribe(ctx(t), &sns.SubscribeInput{TopicArn: aws.String(topic + "s"), Protocol: aws.String("email"), Endpoint: aws.String(reader)})
	wantCode(t, "NotFound", err)
	_, err = h.sns.GetSubscriptionAttributes(ctx(t), &sns.GetSubscriptionAttributesInput{SubscriptionArn: aws.String(topic + ":11111111-2222-3333-4444-555555555555")})
	wantCode(t, "NotFound", err)
}

func TestEndpointThatIsGoneCostsOnlyItsOwnCopy(t *testing.T) {
	h := newHub(t, Options{ConfirmedEmail: true})
	topic := h.topic(t, "alarm", nil)
	url, arn := h.queue(t, "work", nil)
	dead, deadARN := h.queue(t, "dead", nil)
	h.subscribe(t, topic, "sqs", arn, map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `"}`})
	h.subscribe(t, topic, "email", reader, nil)
	must(t)(h.sqs.DeleteQueue(ctx(t), &sqs.DeleteQueueInput{QueueUrl: &url}))
	h.publish(t, sns.PublishInput{TopicArn: &topic, Message: aws.String("x")})
	if n := len(h.Mailbox(reader)); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
	if got := h.bodies(t, dead); len(got) != 1 || !strings.Contains(got[0], `"Message" : "x"`) {
		t.Errorf("dead letters %v, want the notification", got)
	}
}

func TestFunctionSubscribedToATopic(t *testing.T) {
	h := newHub(t, Options{})
	topic := h.topic(t, "alarm", nil)
	var got struct {
		Records []struct {
			EventSource, EventSubscriptionArn string
			Sns                               struct{ TopicArn, Subject, Message, Timestamp string }
		}
	}
	arn := h.Function(account, home, "notify", func(_ context.Context, payload []byte) ([]byte, error) {
		return nil, json.Unmarshal(payload, &got)
	})
	subscription := h.subscribe(t, topic, "lambda", arn, nil)
	h.publish(t, sns.PublishInput{TopicArn: &topic, Message: aws.String("x"), Subject: aws.String("S")})
	h.Deliver()
	if len(got.Records) != 1 || got.Records[0].EventSource != "aws:sns" || got.Records[0].EventSubscriptionArn != subscription ||
		got.Records[0].Sns.Message != "x" || got.Records[0].Sns.Subject != "S" || got.Records[0].Sns.TopicArn != topic {
		t.Errorf("the function got %+v", got)
	}
}

func TestFIFOTopicFeedsFIFOQueuesOnceAndInOrder(t *testing.T) {
	h := newHub(t, Options{})
	topic := h.topic(t, "alarm.fifo", map[string]string{"FifoTopic": "true"})
	url, arn := h.queue(t, "work.fifo", map[string]string{"FifoQueue": "true"})
	h.subscribe(t, topic, "sqs", arn, map[string]string{"RawMessageDelivery": "true"})
	publish := func(message, id string) error {
		_, err := h.sns.Publish(ctx(t), &sns.PublishInput{TopicArn: &topic, Message: &message, MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String(id)})
		return err
	}
	wantCode(t, "", publish("a", "1"))
	wantCode(t, "", publish("b", "2"))
	wantCode(t, "", publish("a again", "1"))
	wantCode(t, "InvalidParameter", publish("c", ""))
	wantBodies(t, h.bodies(t, url), "a", "b")
}

func TestListAndTagTopics(t *testing.T) {
	h := newHub(t, Options{})
	topic := h.topic(t, "alarm", nil)
	if topic != alarmARN || h.topic(t, "alarm", nil) != topic {
		t.Errorf("topic %s, want %s each time", topic, alarmARN)
	}
	hubOf(at(h.World, away, h.Account(account).User("alice"))).topic(t, "elsewhere", nil)
	list, err := h.sns.ListTopics(ctx(t), &sns.ListTopicsInput{})
	if err != nil || len(list.Topics) != 1 || *list.Topics[0].TopicArn != topic {
		t.Errorf("topics %v, %v; want only %s", list, err, topic)
	}
	must(t)(h.sns.TagResource(ctx(t), &sns.TagResourceInput{ResourceArn: &topic, Tags: []snstypes.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}}))
	must(t)(h.sns.UntagResource(ctx(t), &sns.UntagResourceInput{ResourceArn: &topic, TagKeys: []string{"a"}}))
	tags, err := h.sns.ListTagsForResource(ctx(t), &sns.ListTagsForResourceInput{ResourceArn: &topic})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "b" {
		t.Errorf("tags %v, %v; want b", tags, err)
	}
}

func TestCloudTrailFindsTheTopicsOfTheWorld(t *testing.T) {
	h := newHub(t, Options{})
	h.stopped(t)
	arn := h.topic(t, "trail-notices", nil)
	wantCode(t, "InsufficientSnsTopicPolicyException", h.useTopic(t, "missing"))
	wantCode(t, "InsufficientSnsTopicPolicyException", h.useTopic(t, "trail-notices"))
	must(t)(h.sns.SetTopicAttributes(ctx(t), &sns.SetTopicAttributesInput{TopicArn: &arn, AttributeName: aws.String("Policy"), AttributeValue: aws.String(CloudTrailTopicPolicy(arn, mainARN))}))
	wantCode(t, "", h.useTopic(t, "trail-notices"))
}

func (h *hub) useTopic(t *testing.T, name string) error {
	_, err := h.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), SnsTopicName: &name})
	return err
}
