package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
)

// batchEvent is the part of an SQS event that functions here look at.
type batchEvent struct {
	Records []struct {
		MessageID, ReceiptHandle, Body, EventSource, EventSourceARN, AWSRegion string
		Attributes                                                             map[string]string
	}
}

func decodeBatch(t *testing.T, payload []byte) batchEvent {
	t.Helper()
	var b batchEvent
	if err := json.Unmarshal(payload, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func (h *hub) mapQueue(t *testing.T, queue, function string, batch int) {
	t.Helper()
	if err := h.MapQueue(queue, function, batch); err != nil {
		t.Fatal(err)
	}
}

func TestFailedInvocationIsTriedTwiceMore(t *testing.T) {
	for name, row := range map[string]struct {
		fails int
		how   func()
		after []time.Duration
		dead  int
	}{
		"works":             {0, nil, []time.Duration{0}, 0},
		"works in the end":  {2, nil, []time.Duration{0, time.Minute, 3 * time.Minute}, 0},
		"never works":       {9, nil, []time.Duration{0, time.Minute, 3 * time.Minute}, 1},
		"panics every time": {9, func() { panic("boom") }, []time.Duration{0, time.Minute, 3 * time.Minute}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, Options{})
			dead, deadARN := h.queue(t, "dead", nil)
			var after []time.Duration
			sent := h.Now()
			arn := h.Function(account, home, "f", func(context.Context, []byte) ([]byte, error) {
				after = append(after, h.Now().Sub(sent))
				if len(after) > row.fails {
					return []byte(`"done"`), nil
				}
				if row.how != nil {
					row.how()
				}
				return nil, errors.New("not yet")
			})
			h.OnFailure(arn, deadARN)
			h.rule(t, "r", `{"source":["my.app"]}`, ebtypes.RuleStateEnabled, to(arn))
			h.custom(t, "my.app", "x", `{"n":1}`)
			h.settle(t)
			if diff := cmp.Diff(row.after, after); diff != "" {
				t.Errorf("invoked after (-want +got):\n%s", diff)
			}
			reports := h.bodies(t, dead)
			if len(reports) != row.dead {
				t.Fatalf("%d reports on failure, want %d", len(reports), row.dead)
			}
			if row.dead == 0 {
				return
			}
			var report struct {
				RequestContext struct {
					Condition              string
					ApproximateInvokeCount int
				}
				RequestPayload struct{ Detail struct{ N int } }
			}
			if err := json.Unmarshal([]byte(reports[0]), &report); err != nil {
				t.Fatal(err)
			}
			if report.RequestContext.Condition != "RetriesExhausted" || report.RequestContext.ApproximateInvokeCount != 3 || report.RequestPayload.Detail.N != 1 {
				t.Errorf("report %+v", report)
			}
		})
	}
}

func TestInvocationsAreWrittenDown(t *testing.T) {
	h := newHub(t, Options{})
	arn := h.Function(account, home, "f", func(_ context.Context, payload []byte) ([]byte, error) {
		if strings.Contains(string(payload), "bad") {
			panic("boom")
		}
		return []byte("ok"), nil
	})
	h.rule(t, "r", `{"source":["my.app"]}`, ebtypes.RuleStateEnabled, to(arn))
	h.custom(t, "my.app", "x", `{"is":"good"}`)
	h.custom(t, "my.app", "x", `{"is":"bad"}`)
	h.Deliver()
	got := h.Invocations()
	if len(got) != 2 || string(got[0].Response) != "ok" || got[0].Error != "" || got[1].Error != "panic: boom" || !strings.Contains(got[1].Stack, "lambda_test.go") || got[1].Attempt != 1 || got[1].RequestID == got[0].RequestID {
		t.Errorf("invocations %+v", got)
	}
}

// What a function answers to a batch of three messages, and which of them come back.
func TestPartialBatchAnswers(t *testing.T) {
	for name, row := range map[string]struct {
		answer string // %s is the id of the second message
		err    error
		back   []string
	}{
		"no answer":                {"", nil, nil},
		"null":                     {"null", nil, nil},
		"empty object":             {"{}", nil, nil},
		"another object":           {`{"statusCode":200}`, nil, nil},
		"no failures":              {`{"batchItemFailures":[]}`, nil, nil},
		"null failures":            {`{"batchItemFailures":null}`, nil, nil},
		"letter case is not it":    {`{"BatchItemFailures":[{"ItemIdentifier":"%s"}]}`, nil, nil},
		"one failure":              {`{"batchItemFailures":[{"itemIdentifier":"%s"}]}`, nil, []string{"b"}},
		"unknown id":               {`{"batchItemFailures":[{"itemIdentifier":"%s"},{"itemIdentifier":"x"}]}`, nil, []string{"a", "b", "c"}},
		"empty id":                 {`{"batchItemFailures":[{"itemIdentifier":""}]}`, nil, []string{"a", "b", "c"}},
		"null id":                  {`{"batchItemFailures":[{"itemIdentifier":null}]}`, nil, []string{"a", "b", "c"}},
		"id under another name":    {`{"batchItemFailures":[{"id":"%s"}]}`, nil, []string{"a", "b", "c"}},
		"failures no list":         {`{"batchItemFailures":"%s"}`, nil, []string{"a", "b", "c"}},
		"answer no object":         {`["%s"]`, nil, []string{"a", "b", "c"}},
		"answer no JSON":           {`done`, nil, []string{"a", "b", "c"}},
		"error":                    {"", errors.New("no"), []string{"a", "b", "c"}},
		"error with a good answer": {`{"batchItemFailures":[]}`, errors.New("no"), []string{"a", "b", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, Options{})
			dead, deadARN := h.queue(t, "dead", nil)
			url, arn := h.queue(t, "work", map[string]string{"VisibilityTimeout": "60", "RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":1}`})
			h.sendText(t, url, "a", "b", "c")
			f := h.Function(account, home, "f", func(_ context.Context, payload []byte) ([]byte, error) {
				b := decodeBatch(t, payload)
				if len(b.Records) != 3 {
					t.Errorf("batch of %d, want 3", len(b.Records))
				}
				answer := row.answer
				if strings.Contains(answer, "%s") {
					answer = fmt.Sprintf(answer, b.Records[1].MessageID)
				}
				return []byte(answer), row.err
			})
			h.mapQueue(t, arn, f, 10)
			start := h.Now()
			h.settle(t)
			wantBodies(t, h.bodies(t, dead), row.back...)
			if took := h.Now().Sub(start); len(row.back) > 0 && took != time.Minute || len(row.back) == 0 && took != 0 {
				t.Errorf("messages came back after %s, want the visibility time-out", took)
			}
			if got := h.counts(t, url); got != [3]string{"0", "0", "0"} {
				t.Errorf("left in the queue: %v", got)
			}
		})
	}
}

func TestMappedQueueDeliversInBatchesUntilItIsEmpty(t *testing.T) {
	h := newHub(t, Options{})
	url, arn := h.queue(t, "work", map[string]string{"VisibilityTimeout": "30"})
	var batches [][]string
	failures := map[string]int{"c": 2}
	f := h.Function(account, home, "f", func(_ context.Context, payload []byte) ([]byte, error) {
		var bodies []string
		failed := []map[string]string{}
		for _, r := range decodeBatch(t, payload).Records {
			if r.EventSource != "aws:sqs" || r.EventSourceARN != arn || r.AWSRegion != home || r.ReceiptHandle == "" {
				t.Errorf("record %+v", r)
			}
			bodies = append(bodies, r.Body+r.Attributes["ApproximateReceiveCount"])
			if failures[r.Body] > 0 {
				failures[r.Body]--
				failed = append(failed, map[string]string{"itemIdentifier": r.MessageID})
			}
		}
		batches = append(batches, bodies)
		return json.Marshal(map[string]any{"batchItemFailures": failed})
	})
	h.mapQueue(t, arn, f, 2)
	h.sendText(t, url, "a", "b", "c")
	h.settle(t)
	if diff := cmp.Diff([][]string{{"a1", "b1"}, {"c1"}, {"c2"}, {"c3"}}, batches); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

func TestFunctionCallsTheWorldWhileItRuns(t *testing.T) {
	h := newHub(t, Options{})
	url, arn := h.queue(t, "work", nil)
	out, _ := h.queue(t, "out", nil)
	f := h.Function(account, home, "f", func(c context.Context, payload []byte) ([]byte, error) {
		for _, r := range decodeBatch(t, payload).Records {
			if _, err := h.sqs.SendMessage(c, &sqs.SendMessageInput{QueueUrl: &out, MessageBody: aws.String("seen " + r.Body)}); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	h.mapQueue(t, arn, f, 10)
	h.sendText(t, url, "a")
	h.Deliver()
	wantBodies(t, h.bodies(t, out), "seen a")
}

func TestRemovedFunctionLeavesItsMessagesAndEvents(t *testing.T) {
	h := newHub(t, Options{})
	url, arn := h.queue(t, "work", nil)
	dead, deadARN := h.queue(t, "dead", nil)
	ok := func(context.Context, []byte) ([]byte, error) { return nil, nil }
	f := h.Function(account, home, "f", ok)
	h.mapQueue(t, arn, f, 10)
	target := to(f)
	target.DeadLetterConfig = &ebtypes.DeadLetterConfig{Arn: &deadARN}
	h.rule(t, "r", `{"source":["my.app"]}`, ebtypes.RuleStateEnabled, target)
	h.RemoveFunction(f)
	h.sendText(t, url, "a")
	h.custom(t, "my.app", "x", `{}`)
	h.settle(t)
	if got := h.receive(t, dead); len(got) != 1 || aws.ToString(got[0].MessageAttributes["ERROR_CODE"].StringValue) != "NO_RESOURCE" {
		t.Errorf("dead letters %v, want the event with NO_RESOURCE", got)
	}
	if got := h.counts(t, url); got != [3]string{"1", "0", "0"} {
		t.Errorf("visible, delayed, in flight: %v, want the message to wait", got)
	}
	h.Function(account, home, "f", ok)
	h.settle(t)
	if got := h.counts(t, url); got != [3]string{"0", "0", "0"} {
		t.Errorf("visible, delayed, in flight: %v, want the new function to have taken the message", got)
	}
	if err := h.MapQueue(arn+"x", f, 10); err == nil {
		t.Error("a queue that is not there was mapped")
	}
}
