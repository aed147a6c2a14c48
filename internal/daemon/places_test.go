package daemon

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// started says how long after a time a trail was started.
func (s *stage) started(a trail.ARN, since time.Time) (time.Duration, bool) {
	for _, c := range s.world.Calls() {
		if c.Op == "StartLogging" && c.Error == "" && c.Region == a.Region && !c.Time.Before(since) && strings.Contains(string(c.Request), a.String()) {
			return c.Time.Sub(since), true
		}
	}
	return 0, false
}

// TestE13PlaceHangs: a Region does not answer for ten minutes, while all of its trails are said to be stopped, more often than there are receivers.
// Trails elsewhere are repaired in time, by events and by the sweep; when it answers again, its trails are repaired too.
func TestE13PlaceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main")
		others := s.spread(t, 5)
		mute := others[len(others)-1].Region
		unmute := s.world.Inject(sim.Fault{Service: "cloudtrail", Region: mute, Hang: true, Principal: "*trailwarden*"})
		for n, a := range others {
			if a.Region != mute {
				continue
			}
			must(s.attacker(mute).StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: &a.Name}))
			for range 60 {
				s.send(t, stopped(a, "hang-"+string(rune('a'+n)), s.world.Now()))
			}
		}
		ended := make(chan struct{})
		go func() { defer close(ended); s.run(t, 15*time.Minute) }()
		for minute := range 9 {
			a := others[minute%len(others)]
			if a.Region == mute {
				continue
			}
			time.Sleep(time.Minute)
			since := s.world.Now()
			must(s.attacker(a.Region).StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: &a.Name}))
			bound := s.daemon.Sweep + 15*time.Second
			if minute%2 == 0 { // an event tells
				s.send(t, stopped(a, "told-"+a.Region+a.Name, since))
				bound = 5 * time.Second
			}
			go func() {
				time.Sleep(2 * time.Minute)
				if d, ok := s.started(a, since); !ok || d > bound {
					t.Errorf("minute %d: %s was started after %s (%t), bound %s", minute, a, d, ok, bound)
				}
			}()
		}
		time.Sleep(time.Minute)
		if err := s.daemon.Healthy(); err != nil {
			t.Error(err)
		}
		unmute()
		<-ended
		for a := range s.pinned {
			if at, _ := s.world.Trail(a.String()); !at.Logging {
				t.Errorf("%s is not logging", a)
			}
		}
		if n := s.waiting(t); n != 0 {
			t.Errorf("%d messages still wait in the queue", n)
		}
	})
}
