package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/trailwarden/trailwarden/internal/source"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// flood sends the events of the flooded trail, and has it stopped in truth as often as AWS's quota lets.
func (f flood) flood(p *place, q *queue) {
	a := p.trails[0]
	began, stopped := time.Now(), time.Time{}
	for n := 0; n < f.events; n++ {
		if f.rate > 0 {
			if ahead := time.Duration(float64(n)/f.rate*1e9) - time.Since(began); ahead > 10*time.Millisecond {
				time.Sleep(ahead)
			}
		}
		if time.Since(stopped) > time.Second {
			stopped = time.Now()
			_ = p.stop(a) // AWS refuses it when its quota is used up: that is an attack too
		}
		q.put(event(a, fmt.Sprintf("flood-%06d", n), p.world.Now()))
	}
}

// attack stops one other trail after the other until the flood is over and each has had its turn, and measures how long each was
// not logging.
func (f flood) attack(p *place, q *queue, over *atomic.Bool) (delays []time.Duration) {
	var mu sync.Mutex
	var waiting sync.WaitGroup
	others := p.trails[1:]
	for n := 0; !over.Load() || n < len(others); n++ {
		a := others[n*101%len(others)] // neighbours share a quota
		time.Sleep(f.every)
		waiting.Go(func() {
			back := make(chan time.Time, 1)
			p.mu.Lock()
			p.wait[a.String()] = back
			p.mu.Unlock()
			begin := time.Now()
			if err := p.stop(a); err != nil {
				return
			}
			q.put(event(a, fmt.Sprintf("other-%06d", n), p.world.Now()))
			d := (<-back).Sub(begin)
			mu.Lock()
			defer mu.Unlock()
			delays = append(delays, d)
		})
	}
	waiting.Wait()
	return delays
}

func (p *place) stop(a trail.ARN) error {
	_, err := p.mallory[a.Account+a.Region].StopLogging(context.Background(), &cloudtrail.StopLoggingInput{Name: &a.Name})
	return err
}

func event(a trail.ARN, id string, at time.Time) string {
	stamp := at.UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"version":"0","id":"d-%[1]s","detail-type":"AWS API Call via CloudTrail","source":"aws.cloudtrail","account":"%[2]s","time":"%[3]s","region":"%[4]s","resources":[],
		"detail":{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::%[2]s:user/mallory","accountId":"%[2]s","userName":"mallory"},
		"eventTime":"%[3]s","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":"%[4]s","sourceIPAddress":"198.51.100.7","userAgent":"aws-cli/2.31",
		"requestParameters":{"name":"%[5]s"},"responseElements":null,"requestID":"r-%[1]s","eventID":"%[1]s","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"%[2]s"}}`,
		id, a.Account, stamp, a.Region, a.Name)
}

// queue is an SQS queue in this process: ten messages a call, at least once, hidden for a while.
type queue struct {
	delay time.Duration
	mu    sync.Mutex
	ready []source.Message
	taken map[string]source.Message
	came  chan struct{}
	n     int
}

func newQueue(delay time.Duration) *queue {
	return &queue{delay: delay, taken: map[string]source.Message{}, came: make(chan struct{}, 1)}
}

func (q *queue) put(body string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.n++
	q.ready = append(q.ready, source.Message{ID: fmt.Sprintf("m-%d", q.n), Body: body})
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.came <- struct{}{}:
	default:
	}
}

// left is how many messages are not done.
func (q *queue) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ready) + len(q.taken)
}

func (q *queue) Receive(ctx context.Context) ([]source.Message, error) {
	time.Sleep(q.delay)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-q.came:
	case <-time.After(time.Second):
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(10, len(q.ready))
	out := q.ready[:n:n]
	q.ready = q.ready[n:]
	for _, m := range out {
		q.taken[m.ID] = m
	}
	if len(q.ready) > 0 {
		q.wake()
	}
	return out, nil
}

func (q *queue) Delete(_ context.Context, messages []source.Message) error {
	if len(messages) == 0 {
		return nil
	}
	time.Sleep(q.delay)
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range messages {
		delete(q.taken, m.ID)
	}
	return nil
}

func (q *queue) Hide(_ context.Context, messages []source.Message, d time.Duration) error {
	for _, m := range messages {
		time.AfterFunc(d, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			if m, ok := q.taken[m.ID]; ok && d < time.Minute {
				delete(q.taken, m.ID)
				q.ready = append(q.ready, m)
				q.wake()
			}
		})
	}
	return nil
}
