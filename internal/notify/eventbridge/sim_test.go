package eventbridge

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
	"github.com/trailwarden/trailwarden/internal/sim"
)

// TestRules lets rules on the same bus look at our events: customers' see them; the one that wakes trailwarden does not,
// nor does the sample's of 2017, nor one without a source, which any event of the right form would fool.
func TestRules(t *testing.T) {
	world := sim.New(sim.Options{Start: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)})
	root := world.Account("111122223333").User("admin")
	cfg := aws.Config{
		Region: "eu-central-1", HTTPClient: &http.Client{Transport: world.Transport()}, BaseEndpoint: aws.String("http://sim.invalid"),
		Credentials: credentials.NewStaticCredentialsProvider(root.AccessKeyID, root.SecretAccessKey, root.SessionToken),
	}
	events, queues := eventbridge.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	const names = `"StopLogging","StartLogging","UpdateTrail","DeleteTrail","CreateTrail","RemoveTags","AddTags","PutEventSelectors"`
	patterns := map[string]string{
		"customers":   `{"source":["trailwarden"]}`,
		"repaired":    `{"source":["trailwarden"],"detail-type":["Trailwarden Incident Repaired"]}`,
		"ours":        `{"source":["aws.cloudtrail"],"detail-type":["AWS API Call via CloudTrail"],"detail":{"eventSource":["cloudtrail.amazonaws.com"],"eventName":[` + names + `]}}`,
		"sample":      `{"detail-type":["AWS API Call via CloudTrail"],"detail":{"eventSource":["cloudtrail.amazonaws.com"],"eventName":[` + names + `]}}`,
		"detail-only": `{"detail":{"eventName":[` + names + `]}}`,
	}
	urls := map[string]string{}
	for name, pattern := range patterns {
		queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
		if err != nil {
			t.Fatal(err)
		}
		arn := "arn:aws:sqs:eu-central-1:111122223333:" + name
		policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `"}]}`
		if _, err := queues.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
			QueueUrl: queue.QueueUrl, Attributes: map[string]string{string(sqstypes.QueueAttributeNamePolicy): policy},
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := events.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: &name, EventPattern: &pattern}); err != nil {
			t.Fatal(err)
		}
		if _, err := events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{
			Rule: &name, Targets: []ebtypes.Target{{Id: aws.String("1"), Arn: &arn}},
		}); err != nil {
			t.Fatal(err)
		}
		urls[name] = *queue.QueueUrl
	}
	if err := world.Settle(48 * time.Hour); err != nil {
		t.Fatal(err)
	}

	c, err := Open(cfg, "default")
	if err != nil {
		t.Fatal(err)
	}
	life := notifytest.Life()
	for _, sample := range life {
		if err := c.Notify(t.Context(), sample.Incident); err != nil {
			t.Fatal(err)
		}
	}
	if err := world.Settle(48 * time.Hour); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for name, url := range urls {
		for {
			out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 40000})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Messages) == 0 {
				break
			}
			for _, m := range out.Messages {
				var e Event
				if err := json.Unmarshal([]byte(*m.Body), &e); err != nil || e.Source != Source {
					t.Errorf("%s got %v: %s", name, err, *m.Body)
				}
				got[name]++
			}
		}
	}
	want := map[string]int{"customers": len(life), "repaired": 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events by rule (-want +got):\n%s", diff)
	}
}
