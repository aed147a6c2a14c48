package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/source"
)

// changes are the calls of ours that AWS took and that change something.
func (s *stage) changes() (ops []string) {
	for _, c := range s.world.Calls() {
		if c.Mutates && c.Service == "cloudtrail" && c.Error == "" && strings.Contains(c.Principal, "trailwarden") {
			ops = append(ops, c.Op)
		}
	}
	return ops
}

func outcome(o incident.Outcome) func(incident.Incident) bool {
	return func(inc incident.Incident) bool { return inc.Outcome == o }
}

// TestGroupC: contents of events that are not what they should be, by the ids of the list of faults. Each is sent while the trail is well, and once more while
// it is stopped and nothing else tells: a trail that is well is not touched, and one that is not is repaired.
func TestGroupC(t *testing.T) {
	in := func(from, to string) func(string) string {
		return func(body string) string { return strings.Replace(body, from, to, 1) }
	}
	for _, test := range []struct {
		name string
		make func(string) string
		told func(incident.Incident) bool // of what came while all was well
		hint bool                         // it leads to a look at the trail
	}{
		{"C1 another source", in(`"source":"aws.cloudtrail"`, `"source":"my.app"`), outcome(incident.Rejected), false},
		{"C2 a perfect forgery", in("", ""), rule("trail.stop"), true},
		{"C3 accounts that disagree", in(`"account":"111122223333"`, `"account":"444455556666"`), outcome(incident.Rejected), false},
		{"C4 no JSON", func(string) string { return "\ufeff{not JSON" }, rule("own.input"), false},
		{"C5 a name given twice", in(`"eventName":"StopLogging"`, `"eventName":"StopLogging","eventName":"GetTrail"`), rule("own.input"), false},
		{"C6 too deep", func(string) string { return strings.Repeat("[", 20000) }, rule("own.input"), false},
		{"C7 a name that is a number", in(`"requestParameters":{"name":"main"}`, `"requestParameters":{"name":7}`), rule("own.input"), false},
		{"C8 parameters cut off", in(`{"name":"main"}`, `{"reason":"requestParameters too large","omitted":true}`), outcome(incident.Rejected), true},
		{"C9 a version to come", in(`"eventVersion":"1.11"`, `"eventVersion":"2.0"`), rule("trail.stop"), true},
		{"C10 an unknown call", in(`"eventName":"StopLogging"`, `"eventName":"StopEverything20301231v2"`), nil, true},
		{"C12 a name that cannot be", in(`"name":"main"`, `"name":"m\u0430in\u202e/../x"`), outcome(incident.Rejected), true},
		{"C13 named by its ARN", in(`"name":"main"`, `"name":"arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"`), rule("trail.stop"), true},
		{"C16 a time ten years ahead", func(b string) string {
			i := strings.Index(b, `"eventTime":"`) + len(`"eventTime":"`)
			return b[:i] + "2036" + b[i+4:]
		}, rule("trail.stop"), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, "main")
				s.world.BreakBus(true)
				s.daemon.Sweep = time.Hour
				ended := make(chan struct{})
				go func() { defer close(ended); s.run(t, 5*time.Minute) }()
				time.Sleep(time.Minute)
				s.send(t, test.make(stopped(arnOf("main"), "hostile-1", s.world.Now())))
				time.Sleep(90 * time.Second)
				if ops := s.changes(); len(ops) > 0 {
					t.Errorf("a trail that was well was changed: %v", ops)
				}
				if n := s.waiting(t); n != 0 {
					t.Errorf("%d messages still wait in the queue", n)
				}
				if test.told != nil && !s.people.heard(test.told) {
					t.Error("nobody was told")
				}
				s.stop(t, "main")
				s.send(t, test.make(stopped(arnOf("main"), "hostile-2", s.world.Now())))
				time.Sleep(time.Minute)
				if got := s.logging(t, "main"); got != test.hint {
					t.Errorf("the trail is logging: %t, want %t", got, test.hint)
				}
				<-ended
			})
		})
	}
}

// TestC11RefusedAttempt: a call that AWS refused is told of and leads to no change.
func TestC11RefusedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main")
		s.send(t, strings.Replace(stopped(arnOf("main"), "refused", s.world.Now()), `"eventName"`, `"errorCode":"AccessDenied","eventName"`, 1))
		s.run(t, 2*time.Minute)
		if ops := s.changes(); len(ops) > 0 || !s.people.heard(outcome(incident.Attempted)) {
			t.Errorf("changed: %v, or nobody was told", ops)
		}
	})
}

// TestC17SameIDAnotherBody: two records with one id that say different things are both looked into, and people are told.
func TestC17SameIDAnotherBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main", "second")
		s.world.BreakBus(true)
		s.daemon.Sweep = time.Hour
		ended := make(chan struct{})
		go func() { defer close(ended); s.run(t, 3*time.Minute) }()
		time.Sleep(time.Minute)
		for _, name := range []string{"main", "second"} {
			s.stop(t, name)
			s.send(t, stopped(arnOf(name), "one-id", s.world.Now()))
		}
		<-ended
		if !s.logging(t, "main") || !s.logging(t, "second") || !s.people.heard(outcome(incident.Rejected)) {
			t.Error("not both were repaired and told")
		}
	})
}

// TestGroupD: delivery that fails in every way there is, by the ids of the list of faults: the trail is repaired all the same, nothing is counted twice, and
// people are told where the way itself is broken.
func TestGroupD(t *testing.T) {
	refuse := func(code string) func(*testing.T, *stage) {
		return func(t *testing.T, s *stage) {
			s.world.Inject(sim.Fault{Service: "sqs", Op: "ReceiveMessage", Code: code, Principal: "*trailwarden*"})
			s.stop(t, "main")
		}
	}
	for _, test := range []struct {
		name string
		do   func(*testing.T, *stage)
		told string // rule
	}{
		{"D1 the same a thousand times", func(t *testing.T, s *stage) {
			s.stop(t, "main")
			for range 1000 {
				s.send(t, stopped(arnOf("main"), "same", s.world.Now()))
			}
		}, "trail.stop"},
		{"D3 no event for a day", func(t *testing.T, s *stage) {
			s.world.BreakBus(true)
			s.world.Advance(24 * time.Hour)
			s.stop(t, "main")
		}, "trail.stop"},
		{"D4 a day late", func(t *testing.T, s *stage) {
			s.send(t, stopped(arnOf("main"), "late", s.world.Now().Add(-24*time.Hour)))
			s.stop(t, "main")
		}, "trail.stop"},
		{"D6 a message becomes visible while it is worked on", func(t *testing.T, s *stage) {
			s.daemon.Hidden = 2 * time.Second
			s.daemon.Queue = queueOf(s, 2*time.Second)
			s.world.Inject(sim.Fault{Service: "cloudtrail", Op: "StartLogging", Delay: 4 * time.Second, Times: 2, Principal: "*trailwarden*"})
			s.stop(t, "main")
		}, "trail.stop"},
		{"D7 nine good ones and a bad one", func(t *testing.T, s *stage) {
			s.send(t, "{bad")
			s.stop(t, "main")
			for n := range 8 {
				s.send(t, stopped(arnOf("main"), fmt.Sprint("good-", n), s.world.Now()))
			}
		}, "own.input"},
		{"D8 deleting messages fails", func(t *testing.T, s *stage) {
			s.world.Inject(sim.Fault{Service: "sqs", Op: "DeleteMessageBatch", Code: "InternalError", Times: 3, Principal: "*trailwarden*"})
			s.stop(t, "main")
		}, "trail.stop"},
		{"D9 too many in flight", refuse("OverLimit"), "own.queue"},
		{"D9 throttled", refuse("RequestThrottled"), "own.queue"},
		{"D9 the queue's key disabled", refuse("KmsDisabled"), "own.queue"},
		{"D9 the queue deleted", func(t *testing.T, s *stage) {
			must(s.queues.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &s.queue}))
			s.stop(t, "main")
		}, "own.queue"},
		{"D10 the queue purged again and again", func(t *testing.T, s *stage) {
			s.stop(t, "main")
			time.Sleep(10 * time.Second)
			s.world.Deliver()
			must(s.queues.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &s.queue}))
		}, "trail.stop"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, "main")
				test.do(t, s)
				s.run(t, 6*time.Minute)
				if !s.logging(t, "main") {
					t.Error("the trail is not logging")
				}
				if !s.people.heard(rule(test.told)) || !s.people.heard(rule("trail.stop")) {
					t.Errorf("%s was not told", test.told)
				}
				n := 0
				for _, inc := range s.incidents(t) {
					if inc.Trail.Name == "main" && inc.Outcome != incident.Noted {
						n++
					}
				}
				if n != 1 {
					t.Errorf("%d incidents of one stop", n)
				}
				if len(s.changes()) > 2 {
					t.Errorf("changed: %v", s.changes())
				}
			})
		})
	}
}

// TestD14TwoRemediators: another system stops what we start, every few seconds. It is one incident, contested, which names it; we neither give up nor
// exceed our rate; when it ends, the trail is logging.
func TestD14TwoRemediators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main")
		ended := make(chan struct{})
		go func() { defer close(ended); s.run(t, 12*time.Minute) }()
		for range 100 {
			if s.logging(t, "main") {
				s.stop(t, "main")
			}
			time.Sleep(5 * time.Second)
		}
		<-ended
		if !s.logging(t, "main") {
			t.Error("the trail is not logging")
		}
		all := slices.DeleteFunc(s.incidents(t), func(inc incident.Incident) bool { return inc.Trail.Name != "main" })
		if len(all) != 1 || !strings.Contains(all[0].Contested, "user/mallory") || !s.people.heard(func(inc incident.Incident) bool { return inc.Contested != "" }) {
			t.Errorf("%d incidents; contested: %q; the last: %+v", len(all), all[0].Contested, all[len(all)-1])
		}
	})
}

// TestA2StopLoop: the trail is stopped ten times a second for a minute, whenever it is logging. It is one incident with a count that names the principal; we go on for as
// long, at our rate and no faster, and the trail is logging at the end.
func TestA2StopLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main")
		ended := make(chan struct{})
		go func() { defer close(ended); s.run(t, 6*time.Minute) }()
		begun := s.world.Now()
		for range 600 {
			if s.logging(t, "main") {
				s.stop(t, "main")
			}
			time.Sleep(100 * time.Millisecond)
		}
		starts := len(s.changes())
		if most := 10 + int(s.world.Now().Sub(begun)/time.Second) + 1; starts < 5 || starts > most {
			t.Errorf("started %d times in a minute, want 5 to %d", starts, most)
		}
		<-ended
		all := slices.DeleteFunc(s.incidents(t), func(inc incident.Incident) bool { return inc.Trail.Name != "main" })
		if !s.logging(t, "main") || len(all) != 1 || all[0].Count < 5 || !strings.Contains(all[0].Contested, "user/mallory") {
			t.Errorf("logging %t, %d incidents, the first %+v", s.logging(t, "main"), len(all), all[0])
		}
	})
}

// TestGroupF: what happens to ourselves, by the ids of the list of faults.
func TestGroupF(t *testing.T) {
	t.Run("F7 the wall clock jumps by a year, there and back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, "main")
			s.world.BreakBus(true)
			var off atomic.Int64
			now := func() time.Time { return s.world.Now().Add(time.Duration(off.Load())) }
			s.daemon.Now, s.daemon.Engine.Guard.Now, s.daemon.Engine.Keeper.Now = now, now, now
			ended := make(chan struct{})
			go func() { defer close(ended); s.run(t, 10*time.Minute) }()
			for _, by := range []time.Duration{365 * 24 * time.Hour, 0, -365 * 24 * time.Hour, 0} {
				off.Store(int64(by))
				s.stop(t, "main")
				time.Sleep(s.daemon.Sweep + 15*time.Second)
				if !s.logging(t, "main") {
					t.Errorf("the clock off by %s: the trail is not logging", by)
				}
			}
			<-ended
		})
	})
	t.Run("F9 a panic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, "main", "second")
			s.daemon.Sweep = time.Hour
			s.daemon.Engine.Channels[0].Notifier = panicking{s.people}
			s.stop(t, "main")
			s.stop(t, "second")
			s.run(t, 3*time.Minute)
			if !s.logging(t, "main") || !s.logging(t, "second") || !s.people.heard(rule("trail.stop")) {
				t.Error("a panic while people are told ended more than that")
			}
		})
	})
	t.Run("F11 the baseline cannot be used", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, "main")
			s.daemon.Engine.Guard.Alarm = "the baseline is missing"
			s.stop(t, "main")
			s.run(t, 3*time.Minute)
			if ops := s.changes(); len(ops) > 0 || !s.people.heard(rule("baseline.unusable")) || !s.people.heard(rule("trail.stop")) {
				t.Errorf("changed: %v, or nobody was told", ops)
			}
		})
	})
	t.Run("F14 observe", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, "main")
			s.daemon.Engine.Guard.Observe = true
			s.stop(t, "main")
			must(s.mallory.DeleteTrail(t.Context(), &cloudtrail.DeleteTrailInput{Name: aws.String("main")}))
			s.run(t, 5*time.Minute)
			if ops := s.changes(); len(ops) > 0 || !s.people.heard(rule("trail.delete")) {
				t.Errorf("changed: %v, or nobody was told", ops)
			}
		})
	})
}

// panicking are people who cannot be told the first time.
type panicking struct{ *people }

func (p panicking) Notify(ctx context.Context, inc incident.Incident) error {
	p.mu.Lock()
	first := len(p.told) == 0
	p.mu.Unlock()
	if err := p.people.Notify(ctx, inc); err != nil || !first {
		return err
	}
	panic("a channel that breaks")
}

// queueOf is the stage's queue with messages hidden for so long.
func queueOf(s *stage, hidden time.Duration) *source.Queue {
	return &source.Queue{API: sqs.NewFromConfig(s.ours), URL: s.queue, Hidden: hidden}
}
