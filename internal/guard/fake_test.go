package guard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// fakeCloud is one trail, held to what SEMANTICS.md says of StartLogging and GetTrailStatus.
type fakeCloud struct {
	mu        sync.Mutex
	status    trail.Status
	gone      bool
	starts    int
	self      string
	selfHangs bool // STS does not answer

	statusErr, readErr, doErr func() error // answers instead of the truth, as long as they return one
	hang                      bool         // reads do not answer
	stale                     int          // so many reads of the status answer with old
	old                       trail.Status
}

var home = trail.ARN{Partition: "aws", Region: "eu-central-1", Account: "111122223333", Name: "main"}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func (f *fakeCloud) Status(ctx context.Context, a trail.ARN) (trail.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hang {
		f.mu.Unlock()
		<-ctx.Done()
		f.mu.Lock()
		return trail.Status{}, &trail.CallError{Op: "GetTrailStatus", Class: trail.ClassRetry, Err: ctx.Err()}
	}
	if f.statusErr != nil {
		if err := f.statusErr(); err != nil {
			return trail.Status{}, err
		}
	}
	if f.gone {
		return trail.Status{}, failedCall("GetTrailStatus", "TrailNotFoundException", trail.ClassGone)
	}
	if f.stale > 0 {
		f.stale--
		return f.old, nil
	}
	return f.status, nil
}

func (f *fakeCloud) Read(ctx context.Context, a trail.ARN, _ ...trail.Group) (trail.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hang {
		f.mu.Unlock()
		<-ctx.Done()
		f.mu.Lock()
		return trail.State{}, &trail.CallError{Op: "GetTrail", Class: trail.ClassRetry, Err: ctx.Err()}
	}
	if f.readErr != nil {
		if err := f.readErr(); err != nil {
			return trail.State{}, err
		}
	}
	s := trail.State{ARN: a, Exists: !f.gone, Read: []trail.Group{trail.GroupLogging}}
	if !f.gone {
		s.Status, s.Logging = f.status, f.status.Logging
		s.Status.Delivered, s.Status.DigestDelivered = time.Now(), time.Now()
	}
	return s, nil
}

func (f *fakeCloud) Do(ctx context.Context, action trail.Action, _ string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.doErr != nil {
		if err := f.doErr(); err != nil {
			return "", err
		}
	}
	if f.gone {
		return "", failedCall("StartLogging", "TrailNotFoundException", trail.ClassGone)
	}
	if action.Op != trail.StartLogging || action.Target != home {
		return "", errors.New("the guard may only start this trail")
	}
	f.starts++
	f.status.Logging, f.status.Started = true, time.Now()
	return fmt.Sprintf("request-%d", f.starts), nil
}

func (f *fakeCloud) Deleted(context.Context, trail.ARN, bool) (bool, error) { return f.gone, nil }

func (f *fakeCloud) Self(ctx context.Context) (string, error) {
	if f.selfHangs {
		<-ctx.Done()
		return "", ctx.Err()
	}
	if f.self == "" {
		return "", errors.New("unknown")
	}
	return f.self, nil
}

func failedCall(op, code string, class trail.Class) error {
	return &trail.CallError{Op: op, Target: home.String(), Code: code, Class: class, Err: errors.New(code), Hint: "do this next"}
}

// stoppedAt is a trail that was stopped at t, an hour after it was started.
func stoppedAt(t time.Time) *fakeCloud {
	return &fakeCloud{status: trail.Status{Started: t.Add(-time.Hour), Stopped: t}}
}

func loggingSince(t time.Time) *fakeCloud {
	return &fakeCloud{status: trail.Status{Logging: true, Started: t}}
}

func newGuard(c Cloud) *Guard {
	return &Guard{Cloud: c, Now: time.Now, Accounts: []string{home.Account}, Journal: &Own{}}
}

// call is the record of a call on the trail, a StopLogging unless changed.
func call(at time.Time, change ...func(*event.Record)) event.Record {
	r := event.Record{
		ID: "e-" + at.Format("150405.000"), Name: "StopLogging", Source: "cloudtrail.amazonaws.com", Region: home.Region,
		Account: home.Account, Time: at, Trail: home.Name, RequestID: "theirs",
		Actor:   event.Actor{Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/mallory", SourceIP: "203.0.113.7"},
		Carrier: event.Carrier{Kind: event.CarrierEventBridge, Source: "aws.cloudtrail", Account: home.Account, Region: home.Region},
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func named(name string) func(*event.Record)   { return func(r *event.Record) { r.Name = name } }
func refused(code string) func(*event.Record) { return func(r *event.Record) { r.ErrorCode = code } }
