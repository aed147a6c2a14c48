package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"time"
)

// functions are all Lambda functions of the world. They run in process, never with the lock held, and one after the other.
type functions struct {
	world       *World
	byARN       map[string]*function
	invocations []Invocation
}

type function struct {
	arn, account, region string
	run                  func(context.Context, []byte) ([]byte, error)
	onFailure            string // ARN of a queue
}

// An Invocation is one run of a function. A panic is an error, as it is for Lambda.
type Invocation struct {
	Function  string // ARN
	RequestID string // the same for the retries of one event
	Attempt   int    // from 1
	At        time.Time
	Payload   []byte
	Response  []byte
	Error     string // "" for success
	Stack     string // of a panic
}

// Function registers an in-process Lambda function, or replaces its code, and returns its ARN. Rules, topics and MapQueue
// can then name it. It may call the world, but must not wait for other deliveries unless it calls Advance or Deliver itself.
func (w *World) Function(account, region, name string, run func(ctx context.Context, payload []byte) ([]byte, error)) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	arn := fmt.Sprintf("arn:%s:lambda:%s:%s:function:%s", partitionOf(region), region, account, name)
	f := w.functions.byARN[arn]
	if f == nil {
		f = &function{arn: arn, account: account, region: region}
		w.functions.byARN[arn] = f
	}
	f.run = run
	for _, queueARN := range slices.Sorted(maps.Keys(w.queues.byARN)) {
		if x := w.queues.byARN[queueARN]; x.mapping != nil && x.mapping.function == arn {
			x.wake(w.now())
		}
	}
	return arn
}

// RemoveFunction deletes a function: what is sent to it afterwards finds nobody.
func (w *World) RemoveFunction(arn string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.functions.byARN, arn)
}

// OnFailure names the queue that gets an event whose asynchronous invocations have all failed.
func (w *World) OnFailure(functionARN, queueARN string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := w.functions.byARN[functionARN]; f != nil {
		f.onFailure = queueARN
	}
}

// Invocations returns all runs of all functions, in the order in which they ended.
func (w *World) Invocations() []Invocation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.functions.invocations)
}

// accept takes an event for an asynchronous invocation. Called with the lock held.
func (l *functions) accept(arn string, payload []byte) error {
	if l.byARN[arn] == nil {
		return fail("ResourceNotFoundException", "Function not found: %s", arn).status(http.StatusNotFound)
	}
	id := l.world.uuid()
	l.world.schedule(l.world.now(), func() { l.attempt(arn, Invocation{Function: arn, RequestID: id, Attempt: 1, Payload: payload}) })
	return nil
}

// attempt invokes a function with an event: three times at most, the second time after a minute, the third after two more.
func (l *functions) attempt(arn string, i Invocation) {
	err := l.invoke(&i)
	w := l.world
	w.mu.Lock()
	defer w.mu.Unlock()
	f := l.byARN[arn]
	switch {
	case err == nil:
	case i.Attempt < 3:
		next := Invocation{Function: arn, RequestID: i.RequestID, Attempt: i.Attempt + 1, Payload: i.Payload}
		w.schedule(w.now().Add(time.Duration(i.Attempt)*time.Minute), func() { l.attempt(arn, next) })
	case f != nil && f.onFailure != "":
		type object = map[string]any
		report := object{
			"version": "1.0", "timestamp": timestampMillis(w.now()),
			"requestContext": object{
				"requestId": i.RequestID, "functionArn": arn + ":$LATEST", "condition": "RetriesExhausted", "approximateInvokeCount": i.Attempt,
			},
			"requestPayload":  json.RawMessage(i.Payload),
			"responseContext": object{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
			"responsePayload": object{"errorMessage": i.Error, "errorType": "errorString"},
		}
		// A destination that takes nothing loses the event, as in Lambda.
		_ = w.queues.deliver(serviceCaller{"lambda.amazonaws.com", arn, f.account}, f.onFailure, message{body: string(mustMarshal(report))})
	}
}

// invoke runs a function once and writes it down. Called without the lock.
func (l *functions) invoke(i *Invocation) (err error) {
	w := l.world
	w.mu.Lock()
	f := l.byARN[i.Function]
	i.At = w.now()
	var run func(context.Context, []byte) ([]byte, error)
	if f != nil {
		run = f.run
	}
	w.mu.Unlock()
	if run == nil {
		return fmt.Errorf("invoke %s: there is no such function", i.Function)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			i.Stack = string(debug.Stack())
		}
		if err != nil {
			i.Error, i.Response = err.Error(), nil
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		l.invocations = append(l.invocations, *i)
	}()
	i.Response, err = run(context.Background(), slices.Clone(i.Payload))
	return err
}

// A mapping is an event source mapping: it hands a queue's messages to a function in batches.
type mapping struct {
	world    *World
	queue    *queue
	function string
	batch    int
}

// MapQueue has a function read a queue, in batches of up to batchSize messages and with ReportBatchItemFailures. What the
// function reports as failed, or everything when it fails or answers nonsense, comes back after the queue's visibility
// time-out, until the queue's RedrivePolicy takes it away. Both must exist.
func (w *World) MapQueue(queueARN, functionARN string, batchSize int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.queues.byARN[queueARN]
	switch {
	case x == nil:
		return fmt.Errorf("map queue %s: there is no such queue", queueARN)
	case w.functions.byARN[functionARN] == nil:
		return fmt.Errorf("map queue %s: there is no function %s", queueARN, functionARN)
	case batchSize < 1 || batchSize > 10_000:
		return fmt.Errorf("map queue %s: batch size %d is not within 1 and 10000", queueARN, batchSize)
	}
	x.mapping = &mapping{w, x, functionARN, batchSize}
	x.wake(w.now())
	return nil
}

// poll invokes the function until no message is visible any more. Called without the lock.
func (m *mapping) poll() {
	w := m.world
	for {
		w.mu.Lock()
		var taken []*message
		if x := w.queues.byARN[m.queue.arn]; x == m.queue && x.mapping == m && w.functions.byARN[m.function] != nil {
			taken = m.queue.take(m.batch, m.queue.seconds("VisibilityTimeout"))
		}
		if len(taken) == 0 {
			w.mu.Unlock()
			return
		}
		i := Invocation{Function: m.function, RequestID: w.uuid(), Attempt: 1, Payload: m.event(taken)}
		receipts := map[string]string{}
		for _, t := range taken {
			receipts[t.id] = t.receipt
		}
		w.mu.Unlock()
		err := w.functions.invoke(&i)
		failed, all := failedItems(i.Response, receipts)
		w.mu.Lock()
		for _, t := range taken {
			if all || err != nil || failed[t.id] {
				m.queue.wake(t.visible)
			} else {
				_ = m.queue.remove(receipts[t.id]) // the handle is ours
			}
		}
		w.mu.Unlock()
	}
}

// failedItems reads a function's answer the way Lambda does. No answer, null and an object without failures mean that all
// went well; anything that is not understood means that nothing did. Names count letter for letter.
func failedItems(answer []byte, known map[string]string) (failed map[string]bool, all bool) {
	if answer = bytes.TrimSpace(answer); len(answer) == 0 {
		return nil, false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(answer, &members) != nil {
		return nil, true
	}
	var items []map[string]any
	if list, ok := members["batchItemFailures"]; ok && json.Unmarshal(list, &items) != nil {
		return nil, true
	}
	failed = map[string]bool{}
	for _, item := range items {
		id, _ := item["itemIdentifier"].(string)
		if _, ok := known[id]; !ok {
			return nil, true
		}
		failed[id] = true
	}
	return failed, false
}

// event is a batch as the function gets it.
func (m *mapping) event(taken []*message) []byte {
	type object = map[string]any
	records := []object{}
	for _, t := range taken {
		attributes := object{}
		for name, a := range t.attributes {
			shown := object{"dataType": a.DataType, "stringListValues": []string{}, "binaryListValues": []string{}}
			if a.StringValue != nil {
				shown["stringValue"] = *a.StringValue
			} else {
				shown["binaryValue"] = a.BinaryValue
			}
			attributes[name] = shown
		}
		records = append(records, object{
			"messageId": t.id, "receiptHandle": t.receipt, "body": t.body, "md5OfBody": t.md5OfBody(),
			"attributes": t.systemAttributes(), "messageAttributes": attributes,
			"eventSource": "aws:sqs", "eventSourceARN": m.queue.arn, "awsRegion": m.queue.region,
		})
	}
	return mustMarshal(object{"Records": records})
}
