package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Invoke is the Lambda function: it takes EventBridge events, SQS batches and {"sweep":true}. For an SQS batch it
// answers which messages are to come again; for everything else it returns an error, and AWS invokes it again.
func (e *Engine) Invoke(ctx context.Context, payload json.RawMessage) (json.RawMessage, error) {
	if IsSweep(payload) {
		return nothing, e.Sweep(ctx).Err()
	}
	report := e.Handle(ctx, payload)
	ids, isBatch := batch(payload)
	if !isBatch {
		return nothing, report.Err()
	}
	failed, known := failedMessages(report)
	if !known {
		// A failure that belongs to no message: the whole batch comes again.
		return nil, errors.Join(errors.New("handle SQS batch"), report.Err())
	}
	return answer(ids, failed)
}

// nothing is the answer to an event that was handled. AWS ignores it.
var nothing = json.RawMessage(`{"handled":true}`)

// IsSweep says whether a payload asks for a sweep.
func IsSweep(payload []byte) bool {
	var p struct {
		Sweep bool `json:"sweep"`
	}
	return bytes.HasPrefix(bytes.TrimSpace(payload), []byte(`{`)) && len(payload) < 1024 &&
		json.Unmarshal(payload, &p) == nil && p.Sweep
}

// batch lists the message ids of an SQS batch.
func batch(payload []byte) (ids []string, ok bool) {
	var p struct {
		Records []struct {
			MessageID   string `json:"messageId"`
			EventSource string `json:"eventSource"`
		}
	}
	if json.Unmarshal(payload, &p) != nil || len(p.Records) == 0 {
		return nil, false
	}
	for _, r := range p.Records {
		if r.EventSource != "aws:sqs" || r.MessageID == "" {
			return nil, false
		}
		ids = append(ids, r.MessageID)
	}
	return ids, true
}

// failedMessages collects the messages that are to come again; known is false when a failure names none.
func failedMessages(report Report) (failed map[string]bool, known bool) {
	failed = make(map[string]bool)
	for _, f := range report.Failures {
		if len(f.Messages) == 0 {
			return nil, false
		}
		for _, id := range f.Messages {
			failed[id] = true
		}
	}
	for _, b := range report.Bad {
		if b.MessageID == "" {
			return nil, false
		}
		failed[b.MessageID] = true
	}
	return failed, true
}

// answer is written with care: AWS takes an empty, null or malformed answer, and one that names an unknown message,
// for something else than was meant.
func answer(ids []string, failed map[string]bool) (json.RawMessage, error) {
	type item struct {
		ItemIdentifier string `json:"itemIdentifier"`
	}
	out := struct {
		BatchItemFailures []item `json:"batchItemFailures"`
	}{[]item{}}
	for _, id := range ids {
		if failed[id] {
			out.BatchItemFailures = append(out.BatchItemFailures, item{id})
			delete(failed, id)
		}
	}
	if len(failed) > 0 {
		return nil, fmt.Errorf("answer SQS batch: %d failed messages are not of this batch", len(failed))
	}
	return json.Marshal(out)
}
