package sim

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
)

// hub is a site with clients of the services that carry messages.
type hub struct {
	*site
	sqs    *sqs.Client
	sns    *sns.Client
	events *eventbridge.Client
}

func newHub(t *testing.T, o Options) *hub {
	t.Helper()
	return hubOf(newSite(t, o))
}

func hubOf(s *site) *hub {
	return &hub{s, sqs.NewFromConfig(s.config), sns.NewFromConfig(s.config), eventbridge.NewFromConfig(s.config)}
}

// queue makes a queue and returns its URL and ARN.
func (h *hub) queue(t *testing.T, name string, attributes map[string]string) (url, arn string) {
	t.Helper()
	out, err := h.sqs.CreateQueue(ctx(t), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl, "arn:aws:sqs:" + h.config.Region + ":" + account + ":" + name
}

func (h *hub) sendText(t *testing.T, url string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		must(t)(h.sqs.SendMessage(ctx(t), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}))
	}
}

// receive takes what is visible now, up to ten messages.
func (h *hub) receive(t *testing.T, url string) []sqstypes.Message {
	t.Helper()
	out, err := h.sqs.ReceiveMessage(ctx(t), &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

// bodies takes and deletes everything that is visible now.
func (h *hub) bodies(t *testing.T, url string) []string {
	t.Helper()
	all := []string{}
	for {
		messages := h.receive(t, url)
		if len(messages) == 0 {
			return all
		}
		for _, m := range messages {
			all = append(all, *m.Body)
			must(t)(h.sqs.DeleteMessage(ctx(t), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}))
		}
	}
}

func wantBodies(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestReceivedMessagesComeBackUntilTheyAreDeleted(t *testing.T) {
	h := newHub(t, Options{})
	url, _ := h.queue(t, "work", map[string]string{"VisibilityTimeout": "60"})
	h.sendText(t, url, "a")

	first := h.receive(t, url)
	if len(first) != 1 || *first[0].Body != "a" {
		t.Fatalf("received %v, want message a", first)
	}
	wantBodies(t, h.bodies(t, url)) // hidden
	h.Advance(time.Minute)
	second := h.receive(t, url)
	if len(second) != 1 || second[0].Attributes["ApproximateReceiveCount"] != "2" {
		t.Fatalf("received %v, want the message for the second time", second)
	}
	must(t)(h.sqs.DeleteMessage(ctx(t), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: first[0].ReceiptHandle}))
	h.Advance(time.Minute)
	third := h.receive(t, url)
	if len(third) != 1 {
		t.Fatal("the handle of an earlier receive deleted the message")
	}
	must(t)(h.sqs.ChangeMessageVisibility(ctx(t), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: third[0].ReceiptHandle, VisibilityTimeout: 0}))
	wantBodies(t, h.bodies(t, url), "a") // visible at once, then deleted
	h.Advance(time.Hour)
	wantBodies(t, h.bodies(t, url))
}

func TestMessageAttributesSurviveTheSDKsChecksums(t *testing.T) {
	h := newHub(t, Options{})
	url, _ := h.queue(t, "work", nil)
	sent := map[string]sqstypes.MessageAttributeValue{
		"severity": {DataType: aws.String("String"), StringValue: aws.String("kritisch ☃")},
		"count":    {DataType: aws.String("Number.int"), StringValue: aws.String("3")},
		"raw":      {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}},
	}
	out, err := h.sqs.SendMessage(ctx(t), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("<&> ☃"), MessageAttributes: sent})
	if err != nil {
		t.Fatal(err)
	}
	// Computed with the algorithm of the SQS developer guide by another program (Python's hashlib).
	if want := "6582913164d25e731f001ca6b6f78647"; *out.MD5OfMessageAttributes != want {
		t.Errorf("digest %s, want %s", *out.MD5OfMessageAttributes, want)
	}
	got := h.receive(t, url)[0]
	if *got.Body != "<&> ☃" || *got.MD5OfMessageAttributes != *out.MD5OfMessageAttributes {
		t.Errorf("received %q with digest %s, sent with %s", *got.Body, *got.MD5OfMessageAttributes, *out.MD5OfMessageAttributes)
	}
	for name, a := range sent {
		b := got.MessageAttributes[name]
		if aws.ToString(a.StringValue) != aws.ToString(b.StringValue) || string(a.BinaryValue) != string(b.BinaryValue) || *a.DataType != aws.ToString(b.DataType) {
			t.Errorf("attribute %s: sent %v, received %v", name, a, b)
		}
	}
}

func TestMessageThatIsReceivedTooOftenGoesToTheDeadLetterQueue(t *testing.T) {
	h := newHub(t, Options{})
	dead, deadARN := h.queue(t, "dead", nil)
	url, _ := h.queue(t, "work", map[string]string{
		"VisibilityTimeout": "10", "RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":"2"}`,
	})
	h.sendText(t, url, "poison")
	for range 2 {
		if got := h.receive(t, url); len(got) != 1 {
			t.Fatalf("received %v, want the message", got)
		}
		wantBodies(t, h.bodies(t, dead))
		h.Advance(10 * time.Second)
	}
	wantBodies(t, h.bodies(t, url))
	wantBodies(t, h.bodies(t, dead), "poison")
}

func TestFIFOQueueKeepsTheOrderOfAGroupAndDropsDuplicates(t *testing.T) {
	h := newHub(t, Options{})
	url, _ := h.queue(t, "work.fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	send := func(group, body string) {
		must(t)(h.sqs.SendMessage(ctx(t), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageGroupId: &group}))
	}
	send("a", "a1")
	send("b", "b1")
	send("a", "a1") // the same body within five minutes
	one, err := h.sqs.ReceiveMessage(ctx(t), &sqs.ReceiveMessageInput{QueueUrl: &url})
	if err != nil || len(one.Messages) != 1 || *one.Messages[0].Body != "a1" {
		t.Fatalf("received %v, %v; want a1", one, err)
	}
	send("a", "a2")
	wantBodies(t, h.bodies(t, url), "b1") // a2 waits for a1
	h.Advance(30 * time.Second)
	wantBodies(t, h.bodies(t, url), "a1", "a2")
	send("a", "a1")
	wantBodies(t, h.bodies(t, url))
	h.Advance(5 * time.Minute)
	send("a", "a1")
	wantBodies(t, h.bodies(t, url), "a1")
	_, err = h.sqs.SendMessage(ctx(t), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
	wantCode(t, "MissingParameter", err)
}

func TestDelayRetentionAndPurge(t *testing.T) {
	h := newHub(t, Options{})
	url, _ := h.queue(t, "work", map[string]string{"DelaySeconds": "5", "MessageRetentionPeriod": "60"})
	h.sendText(t, url, "late")
	must(t)(h.sqs.SendMessage(ctx(t), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("later"), DelaySeconds: 20}))
	if got := h.counts(t, url); got != [3]string{"0", "2", "0"} {
		t.Errorf("visible, delayed, in flight: %v, want 0, 2, 0", got)
	}
	wantBodies(t, h.bodies(t, url))
	h.Advance(5 * time.Second)
	wantBodies(t, h.bodies(t, url), "late")
	h.Advance(15 * time.Second)
	if got := h.receive(t, url); len(got) != 1 || *got[0].Body != "later" {
		t.Errorf("received %v, want later", got)
	}
	if got := h.counts(t, url); got != [3]string{"0", "0", "1"} {
		t.Errorf("visible, delayed, in flight: %v, want 0, 0, 1", got)
	}
	h.Advance(41 * time.Second) // visible again, but older than a minute
	wantBodies(t, h.bodies(t, url))

	h.sendText(t, url, "gone")
	must(t)(h.sqs.PurgeQueue(ctx(t), &sqs.PurgeQueueInput{QueueUrl: &url}))
	h.Advance(5 * time.Second)
	wantBodies(t, h.bodies(t, url))
	_, err := h.sqs.PurgeQueue(ctx(t), &sqs.PurgeQueueInput{QueueUrl: &url})
	wantCode(t, "AWS.SimpleQueueService.PurgeQueueInProgress", err)
}

// counts are the messages that are visible, delayed and in flight.
func (h *hub) counts(t *testing.T, url string) [3]string {
	t.Helper()
	out, err := h.sqs.GetQueueAttributes(ctx(t), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	a := out.Attributes
	return [3]string{a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesDelayed"], a["ApproximateNumberOfMessagesNotVisible"]}
}

func TestBatchesDoWhatTheyCan(t *testing.T) {
	h := newHub(t, Options{})
	url, _ := h.queue(t, "work", nil)
	entry := func(id, body string) sqstypes.SendMessageBatchRequestEntry {
		return sqstypes.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
	}
	sent, err := h.sqs.SendMessageBatch(ctx(t), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []sqstypes.SendMessageBatchRequestEntry{
		entry("1", "a"), entry("2", "bad \x01"), entry("3", "c"),
	}})
	if err != nil || len(sent.Successful) != 2 || len(sent.Failed) != 1 || *sent.Failed[0].Id != "2" || *sent.Failed[0].Code != "InvalidMessageContents" {
		t.Fatalf("sent %+v, %v; want 1 and 3 to go through and 2 to be refused", sent, err)
	}
	var handles []sqstypes.DeleteMessageBatchRequestEntry
	for i, m := range h.receive(t, url) {
		handles = append(handles, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
	}
	handles = append(handles, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String("x"), ReceiptHandle: aws.String("nonsense")})
	deleted, err := h.sqs.DeleteMessageBatch(ctx(t), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: handles})
	if err != nil || len(deleted.Successful) != 2 || len(deleted.Failed) != 1 || *deleted.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Errorf("deleted %+v, %v", deleted, err)
	}
	h.Advance(time.Minute)
	wantBodies(t, h.bodies(t, url))
	_, err = h.sqs.SendMessageBatch(ctx(t), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []sqstypes.SendMessageBatchRequestEntry{entry("1", "a"), entry("1", "b")}})
	wantCode(t, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", err)
}

func TestQueueErrors(t *testing.T) {
	h := newHub(t, Options{})
	url, arn := h.queue(t, "work", nil)
	missing := strings.ReplaceAll(url, "work", "gone")
	create := func(name string, attributes map[string]string) error {
		_, err := h.sqs.CreateQueue(ctx(t), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		return err
	}
	send := func(in sqs.SendMessageInput) error {
		_, err := h.sqs.SendMessage(ctx(t), &in)
		return err
	}
	receive := func(in sqs.ReceiveMessageInput) error {
		_, err := h.sqs.ReceiveMessage(ctx(t), &in)
		return err
	}
	hide := func(handle string, seconds int32) error {
		_, err := h.sqs.ChangeMessageVisibility(ctx(t), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: &handle, VisibilityTimeout: seconds})
		return err
	}
	for name, row := range map[string]struct {
		want string
		err  error
	}{
		"the same queue again":      {"", create("work", nil)},
		"the same name, different":  {"QueueAlreadyExists", create("work", map[string]string{"VisibilityTimeout": "5"})},
		"bad name":                  {"InvalidParameterValue", create("no spaces", nil)},
		"FIFO without its suffix":   {"InvalidParameterValue", create("x", map[string]string{"FifoQueue": "true"})},
		"unknown attribute":         {"InvalidAttributeName", create("x", map[string]string{"Colour": "red"})},
		"attribute out of range":    {"InvalidParameterValue", create("x", map[string]string{"VisibilityTimeout": "43201"})},
		"redrive to nowhere":        {"InvalidParameterValue", create("x", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `x","maxReceiveCount":3}`})},
		"redrive without count":     {"InvalidParameterValue", create("x", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `"}`})},
		"broken policy":             {"InvalidParameterValue", create("x", map[string]string{"Policy": `{"Statement":[{"Effect":"Maybe"}]}`})},
		"no such queue":             {"AWS.SimpleQueueService.NonExistentQueue", send(sqs.SendMessageInput{QueueUrl: &missing, MessageBody: aws.String("x")})},
		"too large":                 {"InvalidParameterValue", send(sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", 1<<20+1))})},
		"empty":                     {"MissingParameter", send(sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("")})},
		"control characters":        {"InvalidMessageContents", send(sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("\x00")})},
		"too many messages":         {"InvalidParameterValue", receive(sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 11})},
		"too long a poll":           {"InvalidParameterValue", receive(sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 21})},
		"a handle that is none":     {"ReceiptHandleIsInvalid", hide("x", 1)},
		"hidden for too long":       {"InvalidParameterValue", hide("x", 43201)},
		"nothing there for the URL": {"AWS.SimpleQueueService.NonExistentQueue", receive(sqs.ReceiveMessageInput{QueueUrl: aws.String("work2")})},
	} {
		if got := code(row.err); got != row.want {
			t.Errorf("%s: %v, want code %q", name, row.err, row.want)
		}
	}
	must(t)(h.sqs.DeleteQueue(ctx(t), &sqs.DeleteQueueInput{QueueUrl: &url}))
	wantCode(t, "AWS.SimpleQueueService.QueueDeletedRecently", create("work", nil))
	h.Advance(time.Minute)
	wantCode(t, "", create("work", nil))
}

func TestQueuePolicyDecidesOverOtherAccounts(t *testing.T) {
	h := newHub(t, Options{})
	url, arn := h.queue(t, "work", nil)
	stranger := hubOf(at(h.World, home, h.Account("999988887777").User("mallory")))
	send := func() error {
		_, err := stranger.sqs.SendMessage(ctx(t), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("forged")})
		return err
	}
	wantCode(t, "AccessDenied", send())
	must(t)(h.sqs.SetQueueAttributes(ctx(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{
		"Policy": `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"999988887777"},"Action":"sqs:SendMessage","Resource":"` + arn + `"}]}`,
	}}))
	wantCode(t, "", send())
	_, err := stranger.sqs.ReceiveMessage(ctx(t), &sqs.ReceiveMessageInput{QueueUrl: &url})
	wantCode(t, "AccessDenied", err)
	wantBodies(t, h.bodies(t, url), "forged")
}

func TestListAndTagQueues(t *testing.T) {
	h := newHub(t, Options{})
	work, _ := h.queue(t, "work", nil)
	h.queue(t, "other", nil)
	hubOf(at(h.World, away, h.Account(account).User("alice"))).queue(t, "work-elsewhere", nil)
	out, err := h.sqs.ListQueues(ctx(t), &sqs.ListQueuesInput{QueueNamePrefix: aws.String("wo")})
	if err != nil || len(out.QueueUrls) != 1 || out.QueueUrls[0] != work {
		t.Errorf("queues %v, %v; want only %s", out, err, work)
	}
	must(t)(h.sqs.TagQueue(ctx(t), &sqs.TagQueueInput{QueueUrl: &work, Tags: map[string]string{"a": "1", "b": "2"}}))
	must(t)(h.sqs.UntagQueue(ctx(t), &sqs.UntagQueueInput{QueueUrl: &work, TagKeys: []string{"a"}}))
	tags, err := h.sqs.ListQueueTags(ctx(t), &sqs.ListQueueTagsInput{QueueUrl: &work})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"b": "2"}, tags.Tags); diff != "" {
		t.Error(diff)
	}
}

func TestLongPollWaitsForAMessageOnARealClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(Options{Clock: time.Now})
		c, cancel := context.WithCancel(t.Context())
		go w.Run(c)
		defer cancel()
		h := hubOf(at(w, home, w.Account(account).User("alice")))
		url, _ := h.queue(t, "work", map[string]string{"VisibilityTimeout": "5"})
		poll := func() (string, time.Duration) {
			start := time.Now()
			out, err := h.sqs.ReceiveMessage(c, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Messages) == 0 {
				return "", time.Since(start)
			}
			return *out.Messages[0].Body, time.Since(start)
		}
		go func() {
			time.Sleep(3 * time.Second)
			h.sendText(t, url, "a")
		}()
		if body, took := poll(); body != "a" || took != 3*time.Second {
			t.Errorf("received %q after %s, want a after 3s", body, took)
		}
		if body, took := poll(); body != "a" || took != 5*time.Second {
			t.Errorf("received %q after %s, want a again after its 5s", body, took)
		}
		must(t)(h.sqs.PurgeQueue(c, &sqs.PurgeQueueInput{QueueUrl: &url}))
		if body, took := poll(); body != "" || took != 20*time.Second {
			t.Errorf("received %q after %s, want nothing after 20s", body, took)
		}
	})
}

// A client that sends to the host of a queue's URL must reach the server that gave it.
func TestQueueURLNamesTheServer(t *testing.T) {
	w := New(Options{})
	h := hubOf(at(w, home, w.Account(account).User("alice")))
	if url, _ := h.queue(t, "work", nil); url != "http://sim.invalid/"+account+"/work" {
		t.Errorf("URL %s of a queue behind http://sim.invalid", url)
	}
	c := h.config.Copy()
	c.BaseEndpoint = nil
	out, err := sqs.NewFromConfig(c).GetQueueUrl(ctx(t), &sqs.GetQueueUrlInput{QueueName: aws.String("work")})
	if err != nil || *out.QueueUrl != "https://sqs.eu-central-1.amazonaws.com/"+account+"/work" {
		t.Errorf("URL %v, %v of a queue behind AWS's own host name", out, err)
	}
}
