// Package source is where records come from besides Lambda: an SQS queue that EventBridge, or S3's notices of new log
// files, fill.
package source

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// API is what of SQS is called.
type API interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

// Queue is an SQS queue. It is safe for use by several goroutines.
type Queue struct {
	API API
	URL string
	// Wait is how long one call waits for messages to come, at most 20 seconds.
	Wait time.Duration
	// Hidden is how long a message that was received is hidden from others: until it is deleted, released, or hidden anew.
	Hidden time.Duration
}

// Message is one of the queue's. It comes again unless it is deleted.
type Message struct {
	ID       string
	Receipt  string
	Body     string
	Receives int // how often it was received, this time too
}

// patience is how long SQS may take to answer, besides the time that it is asked to wait: a call that hangs would end the work of its poller.
const patience = 10 * time.Second

// most is how many messages one call takes.
const most = 10

// Receive waits for messages and hides them from other receivers. None is no error.
func (q *Queue) Receive(ctx context.Context) ([]Message, error) {
	ctx, cancel := context.WithTimeout(ctx, q.Wait+patience)
	defer cancel()
	out, err := q.API.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.URL, MaxNumberOfMessages: most,
		WaitTimeSeconds: int32(q.Wait / time.Second), VisibilityTimeout: int32(q.Hidden / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil {
		return nil, fmt.Errorf("receive from queue %s: %w", q.URL, err)
	}
	var messages []Message
	for _, m := range out.Messages {
		n, _ := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
		messages = append(messages, Message{ID: aws.ToString(m.MessageId), Receipt: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body), Receives: n})
	}
	return messages, nil
}

// Delete acknowledges messages. One that could not be deleted comes again.
func (q *Queue) Delete(ctx context.Context, messages []Message) error {
	if len(messages) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &q.URL}
	for i, m := range messages {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &m.Receipt})
	}
	out, err := q.API.DeleteMessageBatch(ctx, in)
	if err != nil {
		return fmt.Errorf("delete from queue %s: %w", q.URL, err)
	}
	return refused("delete from", q.URL, out.Failed)
}

// Hide hides messages for a while from now on; zero gives them back at once.
func (q *Queue) Hide(ctx context.Context, messages []Message, d time.Duration) error {
	if len(messages) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.URL}
	for i, m := range messages {
		in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &m.Receipt, VisibilityTimeout: int32(d / time.Second),
		})
	}
	out, err := q.API.ChangeMessageVisibilityBatch(ctx, in)
	if err != nil {
		return fmt.Errorf("hide messages of queue %s: %w", q.URL, err)
	}
	return refused("hide messages of", q.URL, out.Failed)
}

// Depth is about how many messages wait.
func (q *Queue) Depth(ctx context.Context) (int, error) {
	const name = types.QueueAttributeNameApproximateNumberOfMessages
	out, err := q.API.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.URL, AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		return 0, fmt.Errorf("read depth of queue %s: %w", q.URL, err)
	}
	n, err := strconv.Atoi(out.Attributes[string(name)])
	if err != nil {
		return 0, fmt.Errorf("read depth of queue %s: %w", q.URL, err)
	}
	return n, nil
}

func refused(verb, url string, failed []types.BatchResultErrorEntry) error {
	var errs []error
	for _, f := range failed {
		errs = append(errs, fmt.Errorf("%s queue %s: %s: %s", verb, url, aws.ToString(f.Code), aws.ToString(f.Message)))
	}
	return errors.Join(errs...)
}
