package amazonq

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
	"github.com/trailwarden/trailwarden/internal/notify/sns"
	"github.com/trailwarden/trailwarden/internal/sim"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

func open(t *testing.T) *Channel {
	t.Helper()
	c, err := Open(aws.Config{Region: "eu-west-1"}, "arn:aws:sns:eu-west-1:123456789012:chat")
	if err != nil {
		t.Fatal(err)
	}
	c.Location = notifytest.Berlin
	return c
}

// TestGolden holds each step of a life against what was looked at, and against the schema.
func TestGolden(t *testing.T) {
	c := open(t)
	threads, ids := map[string]bool{}, map[string]string{}
	for i, sample := range notifytest.Life() {
		doc, err := c.Render(sample.Incident)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(doc); err != nil {
			t.Errorf("%s: %v", sample.Name, err)
		}
		var n Notification
		if err := json.Unmarshal(doc, &n); err != nil {
			t.Fatal(err)
		}
		if i < 7 {
			threads[n.Metadata.ThreadID] = true
		}
		if other, ok := ids[n.ID]; ok {
			t.Errorf("%s has the id of %s", sample.Name, other)
		}
		ids[n.ID] = sample.Name
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, doc, "", "  "); err != nil {
			t.Fatal(err)
		}
		text := pretty.String() + "\n---- as text\n" + n.Content.Title + "\n\n" + n.Content.Description + "\n" + strings.Join(n.Content.NextSteps, "\n") + "\n"
		compare(t, sample.Name+".golden", []byte(text))
	}
	if len(threads) != 1 || !threads["inc-a7b0e2939c4d5f60"] {
		t.Errorf("one incident is in the threads %v", threads)
	}
}

// TestHostile: no text of a record is obeyed by Slack or Teams, is too large, or brings a secret along.
func TestHostile(t *testing.T) {
	c := open(t)
	for name, inc := range notifytest.HostileIncidents() {
		doc, err := c.Render(inc)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := check(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

var (
	span  = regexp.MustCompile("`[^`\n]*`")
	bold  = regexp.MustCompile(`(?m)^\*[^*\n]+\*$`)
	value = regexp.MustCompile(`^[!-~]{1,256}$`)
)

// check holds a notification against the schema, and its texts against what Slack and Teams obey.
func check(doc []byte) error {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	var n Notification
	if err := d.Decode(&n); err != nil {
		return err
	}
	switch {
	case len(doc) > Limit:
		return fmt.Errorf("%d bytes", len(doc))
	case n.Version != "1.0" || n.Source != "custom" || n.Content.TextType != "client-markdown" || n.Content.Description == "" || n.ID == "" || n.Metadata.ThreadID == "":
		return fmt.Errorf("required: %.200s", doc)
	case !regexp.MustCompile(`^[A-Za-z0-9-]{1,100}$`).MatchString(n.Metadata.EventType):
		return fmt.Errorf("event type %q", n.Metadata.EventType)
	case len(n.Content.NextSteps) > 5:
		return errors.New("too many steps")
	}
	for name, text := range n.Metadata.Context {
		if !value.MatchString(text) {
			return fmt.Errorf("context %s is %q", name, text)
		}
	}
	for _, text := range append([]string{n.Content.Title, n.Content.Description, n.Metadata.Summary}, append(n.Content.NextSteps, n.Content.Keywords...)...) {
		if err := errors.Join(notifytest.Visible(text, true), notifytest.NoSecrets(text), notifytest.Mrkdwn(text)); err != nil {
			return err
		}
		for word := range strings.FieldsSeq(span.ReplaceAllString(text, "")) {
			if strings.Contains(word, "://") && !notifytest.OurLink(word) {
				return fmt.Errorf("links to %q", word)
			}
		}
		rest := bold.ReplaceAllString(span.ReplaceAllString(text, ""), "")
		for _, sign := range []string{"*", "~", "`", "](", "][", "]:", " @", "(@", " _", "_ "} {
			if strings.Contains(rest, sign) {
				return fmt.Errorf("%q is obeyed in %q", sign, rest)
			}
		}
		for line := range strings.SplitSeq(rest, "\n") {
			if line != "" && strings.ContainsAny(line[:1], "#>+-@_|") {
				return fmt.Errorf("a line begins with %q", line)
			}
		}
	}
	return nil
}

// TestTopic publishes to a topic of the simulated AWS: a reader gets the notification and nothing else.
func TestTopic(t *testing.T) {
	world := sim.New(sim.Options{Start: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)})
	admin := world.Account("111122223333").User("admin")
	cfg := aws.Config{
		Region: "eu-central-1", HTTPClient: &http.Client{Transport: world.Transport()}, BaseEndpoint: aws.String("http://sim.invalid"),
		Credentials: credentials.NewStaticCredentialsProvider(admin.AccessKeyID, admin.SecretAccessKey, admin.SessionToken),
	}
	topics, queues := awssns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	topic, err := topics.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: aws.String("chat")})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("reader")})
	if err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:sqs:eu-central-1:111122223333:reader"
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `"}]}`
	if _, err := queues.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: queue.QueueUrl, Attributes: map[string]string{string(sqstypes.QueueAttributeNamePolicy): policy},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Subscribe(t.Context(), &awssns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: &arn, Attributes: map[string]string{"RawMessageDelivery": "true"},
	}); err != nil {
		t.Fatal(err)
	}
	c, err := Open(cfg, *topic.TopicArn)
	if err != nil {
		t.Fatal(err)
	}
	inc := notifytest.Repaired()
	if err := c.Notify(t.Context(), inc); err != nil {
		t.Fatal(err)
	}
	if err := world.Settle(time.Hour); err != nil {
		t.Fatal(err)
	}
	out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("%d messages, %v", len(out.Messages), err)
	}
	if err := check([]byte(*out.Messages[0].Body)); err != nil {
		t.Error(err)
	}

	// A topic that is gone is named by this channel's own key.
	gone, err := Open(cfg, "arn:aws:sns:eu-central-1:111122223333:gone")
	if err != nil {
		t.Fatal(err)
	}
	err = gone.Notify(t.Context(), inc)
	if _, ok := errors.AsType[*sns.PublishError](err); !ok || !notify.IsPermanent(err) || !strings.Contains(err.Error(), "notify.amazonq.topic_arn") {
		t.Errorf("%v", err)
	}
}

func TestOpen(t *testing.T) {
	for _, arn := range []string{"", "chat", "arn:aws:sns:eu-west-1:123456789012:chat.fifo", "arn:aws:sqs:eu-west-1:123456789012:chat"} {
		if _, err := Open(aws.Config{}, arn); err == nil || !strings.Contains(err.Error(), "notify.amazonq.topic_arn") {
			t.Errorf("%q: %v", arn, err)
		}
	}
}

func FuzzSentence(f *testing.F) {
	for _, text := range notifytest.Hostile {
		f.Add(text[:min(len(text), 4000)])
	}
	c, err := Open(aws.Config{Region: "eu-west-1"}, "arn:aws:sns:eu-west-1:123456789012:chat")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, inc := range []string{text, notifytest.CanaryKey + " " + text} {
			doc, err := c.Render(notifytest.Believable(inc, "failed"))
			if err != nil {
				t.Fatal(err)
			}
			if err := check(doc); err != nil {
				t.Error(err)
			}
		}
	})
}

func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, got, 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-file +now); run go test -update and read it:\n%s", path, diff)
	}
}
