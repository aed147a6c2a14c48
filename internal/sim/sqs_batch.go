package sim

import "regexp"

type batchError struct {
	Id          string
	SenderFault bool
	Code        string
	Message     string
}

type batchOutput struct {
	Successful []any
	Failed     []batchError
}

type batchInput[E any] struct {
	onQueue
	Entries []E
}

var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// batch does one entry after the other; a refused entry does not hold up the rest.
func batch[E any](entries []E, idOf func(E) string, one func(E) (any, error)) (any, error) {
	wrong := func(code, format string, args ...any) error {
		return sqsError(code, "AWS.SimpleQueueService."+code, format, args...)
	}
	if len(entries) == 0 {
		return nil, wrong("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(entries) > 10 {
		return nil, wrong("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent %d.", len(entries))
	}
	seen := map[string]bool{}
	for _, e := range entries {
		switch id := idOf(e); {
		case !batchID.MatchString(id):
			return nil, wrong("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		case seen[id]:
			return nil, wrong("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		default:
			seen[id] = true
		}
	}
	out := batchOutput{Successful: []any{}, Failed: []batchError{}}
	for _, e := range entries {
		done, err := one(e)
		if err != nil {
			api := asAPIError(err)
			out.Failed = append(out.Failed, batchError{idOf(e), true, api.code, api.message})
			continue
		}
		if done == nil {
			done = struct{ Id string }{idOf(e)}
		}
		out.Successful = append(out.Successful, done)
	}
	return out, nil
}

func (q *queues) sendBatch(c *call, x *queue, in *batchInput[sendEntry]) (any, error) {
	total := 0
	for _, e := range in.Entries {
		total += len(e.MessageBody)
	}
	if total > 1<<20 {
		return nil, sqsError("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes. You have sent %d bytes.", total)
	}
	return batch(in.Entries, func(e sendEntry) string { return e.Id }, func(e sendEntry) (any, error) { return q.sendOne(c, x, e) })
}

func (q *queues) deleteBatch(_ *call, x *queue, in *batchInput[receiptEntry]) (any, error) {
	return batch(in.Entries, func(e receiptEntry) string { return e.Id }, func(e receiptEntry) (any, error) { return nil, x.remove(e.ReceiptHandle) })
}

func (q *queues) changeVisibilityBatch(_ *call, x *queue, in *batchInput[receiptEntry]) (any, error) {
	return batch(in.Entries, func(e receiptEntry) string { return e.Id }, func(e receiptEntry) (any, error) { return nil, x.hide(e) })
}
