package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/guard"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Journal is the guard's journal in the ledger: every process of the deployment that has the same ledger has the same journal.
type Journal struct {
	Store ledger.Store
	Now   func() time.Time
	guard.Own

	mu    sync.Mutex
	sight map[trail.ARN]trail.Status // seen, and not remembered yet
}

var _ guard.Journal = (*Journal)(nil)

const (
	// intentTime is how long a repair waits for its intent to be written, and no longer: the repair comes first.
	intentTime = 250 * time.Millisecond
	// callsKept is how long the record of a call of ours is expected to come.
	callsKept = 48 * time.Hour
)

// intended is the value of the mark of an intent.
type intended struct {
	Incident string    `json:"incident"`
	At       time.Time `json:"at"`
}

// Intend implements guard.Journal.
func (j *Journal) Intend(ctx context.Context, call guard.Intent) error {
	ctx, cancel := context.WithTimeout(ctx, intentTime)
	defer cancel()
	value, err := json.Marshal(intended{call.Incident, call.At.UTC()})
	if err != nil {
		return err
	}
	_, err = j.Store.Write(ctx, ledger.Batch{
		Chain:   call.Target.String(),
		Entries: []ledger.Draft{{Time: call.At, Kind: ledger.KindIntent, Body: ledger.Intent{Incident: call.Incident, Op: string(call.Op), Target: call.Target.String()}}},
		Marks:   []ledger.Mark{{Key: intentKey(call.Target, call.Op) + call.At.UTC().Truncate(guard.Within).Format(time.RFC3339), Value: string(value), Expires: call.At.Add(callsKept)}},
	})
	return err
}

// Called implements guard.Journal.
func (j *Journal) Called(ctx context.Context, call guard.Intent, requestID string, failed error) error {
	_ = j.Own.Called(ctx, call, requestID, failed) // never fails
	// What AWS has done is written down also when the time for the repair is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	body := ledger.Call{Incident: call.Incident, Op: string(call.Op), RequestID: requestID}
	if failed != nil {
		body.Error = failed.Error()
	}
	b := ledger.Batch{Chain: call.Target.String(), Entries: []ledger.Draft{{Time: j.Now(), Kind: ledger.KindCall, Body: body}}}
	if requestID != "" {
		b.Marks = []ledger.Mark{{Key: "call/" + requestID, Value: call.Incident, Expires: call.At.Add(callsKept)}}
	}
	_, err := j.Store.Write(ctx, b)
	return err
}

// Ours implements guard.Journal.
func (j *Journal) Ours(ctx context.Context, r event.Record, a trail.ARN) (string, bool, error) {
	if id, ok := j.Recent(r.RequestID); ok {
		return id, true, nil
	}
	if r.RequestID != "" {
		if id, ok, err := mark(ctx, j.Store, "call/"+r.RequestID, j.Now()); ok || err != nil {
			return id, ok, err
		}
	}
	// Calls that AWS refused have no request id that is known: each try of them has one of its own.
	marks, err := j.Store.Marks(ctx, intentKey(a, trail.Op(incident.CallName(r.Name))), j.Now())
	if err != nil {
		return "", false, err
	}
	for _, m := range marks {
		var i intended
		if err := json.Unmarshal([]byte(m.Value), &i); err != nil {
			return "", false, fmt.Errorf("read intent: %w", err)
		}
		if r.Time.Sub(i.At).Abs() <= guard.Within {
			return i.Incident, true, nil
		}
	}
	return "", false, nil
}

// intentKey is what the keys of the marks of intents begin with. A mark of each five minutes is kept, as records come late.
func intentKey(a trail.ARN, op trail.Op) string {
	return "intent/" + a.String() + "/" + string(op) + "/"
}

// Whole implements guard.Journal.
func (j *Journal) Whole() bool { return true }

// See implements guard.Journal. What is seen is remembered when Seen says so.
func (j *Journal) See(_ context.Context, a trail.ARN, s trail.Status) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.sight == nil {
		j.sight = make(map[trail.ARN]trail.Status)
	}
	j.sight[a] = s
}

// Seen remembers how a trail was seen last, when the incident of it is kept: who dies in between, or cannot keep it, finds the same once more. What is
// written is what a later process has to know, and only when it has changed; deliveries alone are no reason to write.
func (j *Journal) Seen(ctx context.Context, a trail.ARN, kept bool) {
	j.mu.Lock()
	s, ok := j.sight[a]
	delete(j.sight, a)
	j.mu.Unlock()
	if !ok || !kept {
		return
	}
	before, known, err := j.Status(ctx, a)
	if err != nil {
		return
	}
	j.Own.See(ctx, a, s)
	if known && before.Logging == s.Logging && before.Started.Equal(s.Started) && before.Stopped.Equal(s.Stopped) {
		return
	}
	value, err := json.Marshal(s)
	if err != nil {
		return
	}
	// When this fails, the next process does not know of toggles between the two, which is all.
	_, _ = j.Store.Write(ctx, ledger.Batch{Chain: a.String(), Marks: []ledger.Mark{{Key: "status/" + a.String(), Value: string(value)}}})
}

// Status implements guard.Journal.
func (j *Journal) Status(ctx context.Context, a trail.ARN) (s trail.Status, ok bool, err error) {
	if s, ok, _ := j.Own.Status(ctx, a); ok {
		return s, true, nil
	}
	value, ok, err := mark(ctx, j.Store, "status/"+a.String(), j.Now())
	if !ok || err != nil {
		return trail.Status{}, false, err
	}
	if json.Unmarshal([]byte(value), &s) != nil {
		return trail.Status{}, false, nil // as good as none
	}
	return s, true, nil
}

// mark is the value of one mark.
func mark(ctx context.Context, s ledger.Store, key string, now time.Time) (value string, ok bool, err error) {
	marks, err := s.Marks(ctx, key, now)
	if err != nil {
		return "", false, err
	}
	for _, m := range marks {
		if m.Key == key {
			return m.Value, true, nil
		}
	}
	return "", false, nil
}
