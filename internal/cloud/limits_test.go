package cloud

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// metered is an AWS that holds each API of a Region to its quota. others are calls a second of everybody else.
type metered struct {
	others float64

	mu        sync.Mutex
	tokens    map[api]float64
	at        map[api]time.Time
	taken     map[api]int
	throttled map[api]int
	closed    string // a Region that throttles everything
}

func (m *metered) RoundTrip(r *http.Request) (*http.Response, error) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	key := api{strings.Split(r.Header.Get("Authorization"), "/")[2], op}
	rate := 1.0
	switch {
	case op == "LookupEvents":
		rate = 2
	case strings.HasPrefix(op, "Get"), strings.HasPrefix(op, "List"):
		rate = 10
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tokens == nil {
		m.tokens, m.at, m.taken, m.throttled = map[api]float64{}, map[api]time.Time{}, map[api]int{}, map[api]int{}
	}
	now := time.Now()
	if m.at[key].IsZero() {
		m.tokens[key] = rate
		if rate == 1 {
			m.tokens[key] = 3
		}
	}
	most := max(rate, 3)
	if op == "LookupEvents" {
		most = rate
	}
	if !m.at[key].IsZero() {
		m.tokens[key] = min(most, m.tokens[key]+(rate-m.others)*now.Sub(m.at[key]).Seconds())
	}
	m.at[key] = now
	if m.tokens[key] < 0.999 || m.closed == key.region {
		m.throttled[key]++
		return answered(r, failing("ThrottlingException", 400)), nil
	}
	m.tokens[key]--
	m.taken[key]++
	body := "{}"
	switch op {
	case "GetTrail":
		body = `{"Trail":{"Name":"main"}}`
	case "GetTrailStatus":
		body = `{"IsLogging":true}`
	case "LookupEvents":
		body = `{"Events":[],"NextToken":"` + now.Format(time.RFC3339Nano) + `"}`
	case "ListTags":
		body = `{"ResourceTagList":[]}`
	}
	return answered(r, answer{200, body}), nil
}

func answered(r *http.Request, a answer) *http.Response {
	h := http.Header{"X-Amzn-Requestid": {"request-1"}, "Content-Type": {"application/x-amz-json-1.1"}}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}
}

// TestQuotasAreKept: however many read at the same time, AWS has no reason to throttle, and something is left for others.
func TestQuotasAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aws := &metered{others: 2}
		c := client(aws)
		began := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 20 {
					if _, err := c.Read(t.Context(), home); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for key, n := range aws.throttled {
			t.Errorf("%s was throttled %d times", key.op, n)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("400 reads took %s", took)
		}
	})
}

// TestHistoryIsShared: all that read Event history of a Region keep to its two calls a second together.
func TestHistoryIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aws := &metered{}
		c := client(aws)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { _, _, _ = c.Window(ctx, home.Region, noon, noon.Add(time.Hour), 5000) })
			wg.Go(func() { _, _ = c.History(ctx, home.Region, []string{"StopLogging"}, noon) })
		}
		wg.Wait()
		key := api{home.Region, "LookupEvents"}
		if n := aws.taken[key]; aws.throttled[key] > 0 || n < 80 || n > 120 {
			t.Errorf("%d calls in a minute, %d throttled", n, aws.throttled[key])
		}
	})
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// TestRepairsWaitForNoReads: with hundreds of reads waiting, a trail is asked for and started at once.
func TestRepairsWaitForNoReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(&metered{others: 2})
		ctx, cancel := context.WithCancel(t.Context())
		for range 300 {
			go func() { _, _ = c.Read(ctx, home) }()
		}
		time.Sleep(5 * time.Second)
		began := time.Now()
		if _, err := c.Status(t.Context(), home); err != nil && trail.ClassOf(err) != trail.ClassRetry {
			t.Error(err)
		}
		if _, err := c.Do(t.Context(), trail.Start(home), ""); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("the start waited %s", took)
		}
		cancel()
		synctest.Wait()
	})
}

// TestThrottledAndBack: an API that AWS throttles is called slowly, another Region's not (E12), and when it answers again, soon as before.
func TestThrottledAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &metered{closed: home.Region}
		c := client(m)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { _, _ = c.Read(ctx, home, trail.GroupLogging) })
		}
		time.Sleep(5 * time.Minute)
		m.mu.Lock()
		tries := m.throttled[api{home.Region, "GetTrailStatus"}]
		m.mu.Unlock()
		if tries > 5*60 {
			t.Errorf("%d calls in five minutes, all of them throttled", tries)
		}
		other := home
		other.Region = "us-east-1"
		began := time.Now()
		for range 8 {
			if _, err := c.Read(t.Context(), other, trail.GroupLogging); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("eight reads of the other Region took %s", took)
		}
		m.mu.Lock()
		m.closed = ""
		m.mu.Unlock()
		began = time.Now()
		wg.Wait()
		if took := time.Since(began); ctx.Err() != nil || took > 2*time.Minute {
			t.Errorf("fifty reads took %s after AWS answered again", took)
		}
		began = time.Now()
		for range 80 {
			if _, err := c.Read(t.Context(), home, trail.GroupLogging); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("eighty reads took %s", took)
		}
	})
}
