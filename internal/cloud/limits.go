package cloud

import (
	"context"
	"strings"
	"sync"
	"time"
)

// limits hold our calls of each API in each Region of the account below the documented quotas, which everybody in the account shares, whoever
// attacks it too: what we leave is what others have. An API that AWS throttles is called ever more slowly, and faster again with
// every answer; no other API and no other Region is slowed by that. The zero value is ready; it is safe for use by several goroutines.
type limits struct {
	mu   sync.Mutex
	apis map[api]*pace
}

// api is what AWS counts calls by, within one account.
type api struct{ region, op string }

// pace is how fast one API is called.
type pace struct {
	rate   float64 // calls a second now
	most   float64 // and when nothing is throttled
	burst  float64
	tokens float64 // below zero: so many calls have gone ahead
	at     time.Time
}

// Documented are 10 reads, 2 LookupEvents and 1 of everything else a second; which holds for an account cannot be read everywhere.
const (
	readRate, readBurst       = 8, 10
	historyRate, historyBurst = 1.6, 1
	writeRate, writeBurst     = 0.8, 2
	// slowest is the share of its rate that an API keeps that is throttled all the time.
	slowest = 1.0 / 16
	// recovery is the share of its rate that an API gets back with every answer.
	recovery = 1.0 / 16
)

// paceOf is how fast an operation may be called at most; false where we do not make enough calls to be held back. StartLogging is not: it is
// what brings recording back, a Region has five trails, and the guard's brake holds each of them to a call a second.
func paceOf(op string) (p pace, ok bool) {
	switch op {
	case "GetTrail", "GetTrailStatus", "GetEventSelectors", "GetInsightSelectors", "GetEventConfiguration", "ListTags", "ListTrails":
		return pace{most: readRate, burst: readBurst}, true
	case "LookupEvents":
		return pace{most: historyRate, burst: historyBurst}, true
	case "CreateTrail", "UpdateTrail", "PutEventSelectors", "PutInsightSelectors", "PutEventConfiguration", "AddTags", "RemoveTags":
		return pace{most: writeRate, burst: writeBurst}, true
	}
	return pace{}, false
}

// wait takes a call and returns when it may be made, or with ctx's error.
func (l *limits) wait(ctx context.Context, op, target string) error {
	after := l.take(op, target)
	if after <= 0 {
		return nil
	}
	if err := pause(ctx, after); err != nil {
		l.give(op, target)
		return err
	}
	return nil
}

// give takes a call back that was not made.
func (l *limits) give(op, target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.of(op, target); p != nil {
		p.tokens = min(p.burst, p.tokens+1)
	}
}

// take counts a call and says how long it has to wait. Calls that do not wait are made at the cost of those that do.
func (l *limits) take(op, target string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.of(op, target)
	if p == nil {
		return 0
	}
	p.tokens--
	if p.tokens >= 0 {
		return 0
	}
	return time.Duration(-p.tokens / p.rate * float64(time.Second))
}

// answered slows an API down that was throttled, and lets it recover else.
func (l *limits) answered(op, target string, throttled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.of(op, target)
	switch {
	case p == nil:
	case throttled:
		p.rate = max(p.rate/2, p.most*slowest)
		p.tokens = min(p.tokens, 0)
	default:
		p.rate = min(p.most, p.rate+p.most*recovery)
	}
}

// of is the pace of an API as it is now, nil where there is none. Called with the lock held.
func (l *limits) of(op, target string) *pace {
	key := api{regionOf(target), op}
	p := l.apis[key]
	now := time.Now()
	if p == nil {
		fresh, ok := paceOf(op)
		if !ok {
			return nil
		}
		fresh.rate, fresh.tokens, fresh.at = fresh.most, fresh.burst, now
		p = &fresh
		if l.apis == nil {
			l.apis = make(map[api]*pace)
		}
		l.apis[key] = p
	}
	p.tokens = min(p.burst, p.tokens+p.rate*now.Sub(p.at).Seconds())
	p.at = now
	return p
}

// regionOf is the Region of what a call is about: an ARN, or the Region itself.
func regionOf(target string) string {
	if part := strings.SplitN(target, ":", 5); len(part) == 5 && part[0] == "arn" {
		return part[3]
	}
	return target
}

// throttles says whether a code is AWS's for too many calls.
func throttles(code string) bool {
	switch code {
	case "ThrottlingException", "Throttling", "ThrottledException", "RequestLimitExceeded", "TooManyRequestsException", "RequestThrottled", "RequestThrottledException":
		return true
	}
	return false
}
