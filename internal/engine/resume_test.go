package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/sim"
)

// unpinned is an account with a ledger and without a baseline, on which no event arrives.
func unpinned(t *testing.T) *keptAccount {
	t.Helper()
	k := newKept(t)
	k.world.BreakBus(true)
	k.anew(t)
	return k
}

// anew is a new process without a baseline on the same ledger.
func (k *keptAccount) anew(t *testing.T) {
	t.Helper()
	k.restart(t)
	k.engine.Guard.Baseline, k.engine.Pinned = nil, nil
}

func (k *keptAccount) sweep(t *testing.T) {
	t.Helper()
	if err := k.engine.Sweep(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// stops are the incidents of a stopped trail that people were told of.
func (k *keptAccount) stops(t *testing.T) []incident.Incident {
	t.Helper()
	return ofRule(k.all(t), "trail.stop")
}

// TestD3StopWithoutEvent: nothing is pinned, and the event of a stop is lost. The sweep starts the trail when a sweep before saw it logging, and nothing says otherwise.
func TestD3StopWithoutEvent(t *testing.T) {
	type step = func(*keptAccount, *testing.T)
	anew, stop, sweep := (*keptAccount).anew, (*keptAccount).stopUnseen, (*keptAccount).sweep
	observe := func(k *keptAccount, _ *testing.T) { k.engine.Guard.Observe = true }
	for _, test := range []struct {
		name    string
		steps   []step
		logging bool
		told    incident.Outcome
		reason  string
	}{
		{"seen logging", []step{sweep, stop, sweep}, true, incident.Repaired, ""},
		{"seen logging by another process, a week ago", []step{
			sweep, func(k *keptAccount, _ *testing.T) { k.world.Advance(7 * 24 * time.Hour) }, anew, stop, sweep,
		}, true, incident.Repaired, ""},
		{"repair: start, and the budget is used up", []step{
			func(k *keptAccount, _ *testing.T) {
				k.engine.Guard.OnlyStart = true
				k.engine.Guard.Budget = &Budget{Store: k.store, PerHour: 0}
			}, sweep, stop, sweep,
		}, true, incident.Repaired, ""},
		{"stopped before it was ever seen", []step{stop, sweep, sweep, anew, sweep}, false, incident.Open, "was not when trailwarden began to guard it"},
		{"made anew and never started", []step{
			sweep, func(k *keptAccount, t *testing.T) {
				if _, err := k.mallory.DeleteTrail(t.Context(), &cloudtrail.DeleteTrailInput{Name: k.scene.name}); err != nil {
					t.Fatal(err)
				}
				if _, err := k.mallory.CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: k.scene.name, S3BucketName: aws.String("main-audit-logs")}); err != nil {
					t.Fatal(err)
				}
			}, sweep,
		}, false, incident.Open, "was not when trailwarden began to guard it"},
		{"observed", []step{observe, sweep, stop, sweep, sweep}, false, incident.Open, "observe mode"},
		{"stopped while it was observed, and not any more", []step{observe, sweep, stop, sweep, anew, sweep}, false, incident.Open, ""},
		{"the kill switch thrown, and back", []step{
			sweep, stop, func(k *keptAccount, t *testing.T) {
				off := k.world.Inject(sim.Fault{Service: "cloudtrail", Op: "StartLogging", Code: "AccessDenied", Principal: "*trailwarden*"})
				defer off()
				if k.engine.Sweep(t.Context()).Err() == nil || k.logging(t) {
					t.Error("repaired without the right to")
				}
			}, anew, sweep,
		}, true, incident.Repaired, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				k := unpinned(t)
				for _, do := range test.steps {
					do(k, t)
				}
				if got := k.logging(t); got != test.logging {
					t.Errorf("the trail is logging: %t", got)
				}
				all := k.stops(t)
				if len(all) != 1 || all[0].Outcome != test.told || all[0].Count != 1 || !strings.Contains(all[0].Reason, test.reason) {
					t.Fatalf("%d incidents: %s", len(all), summary(all))
				}
				if told := ofRule(k.mail.take(), "trail.stop"); len(told) == 0 || told[len(told)-1].Outcome != test.told {
					t.Errorf("told: %s", summary(told))
				}
				if test.logging && (all[0].Actor == nil || !strings.HasSuffix(all[0].Actor.ARN, "user/mallory") || all[0].BlindWindow == nil || all[0].BlindWindow.Open) {
					t.Errorf("who it was: %+v; blind window: %+v", all[0].Actor, all[0].BlindWindow)
				}
			})
		})
	}
}

// TestD3LateEventOfAStop: the event of a stop that the sweep has undone arrives minutes or hours late, also after a restart: it is the same incident, and is not
// undone twice.
func TestD3LateEventOfAStop(t *testing.T) {
	for _, late := range []time.Duration{5 * time.Second, 10 * time.Minute, 26 * time.Hour} {
		t.Run(late.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				k := unpinned(t)
				k.sweep(t)
				event := k.stop(t, "main")
				k.world.Advance(time.Second)
				k.sweep(t)
				k.mail.take()
				k.world.Advance(late)
				k.anew(t)
				k.handle(t, event)
				k.sweep(t)
				all := k.stops(t)
				if len(all) != 1 || all[0].Count != 1 || all[0].Record == nil || !all[0].Well() {
					t.Errorf("%d incidents: %s", len(all), summary(all))
				}
				if ops := callsOf(k.world, k.id); !slices.Equal(ops[len(ops)-2:], []string{"StopLogging", "StartLogging"}) {
					t.Errorf("calls: %q", ops)
				}
			})
		})
	}
}

// TestSightCostsNoWrite: a sweep that finds everything as it was writes nothing into the ledger.
func TestSightCostsNoWrite(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := unpinned(t)
		k.sweep(t)
		k.anew(t)
		k.store.Fault = func(s memory.Step) error {
			if s.Changes {
				t.Errorf("%s is written", s.Op)
			}
			return nil
		}
		for range 3 {
			k.world.Advance(time.Hour)
			k.sweep(t)
		}
	})
}

// TestDiesBeforeTheStopIsKept: the process starts the trail and dies before the incident is in the ledger, or just after it. The next one tells of the stop, once.
func TestDiesBeforeTheStopIsKept(t *testing.T) {
	for _, pinned := range []bool{false, true} {
		for _, after := range []bool{false, true} {
			inBubble(t, func(t *testing.T) {
				k := unpinned(t)
				again := k.anew
				if pinned {
					again = k.restart
					again(t)
				}
				k.sweep(t)
				k.stopUnseen(t)
				dead, started := false, 0
				k.engine.Workers = 1 // one write after the other
				ctx, die := context.WithCancel(t.Context())
				k.store.Fault = func(s memory.Step) error {
					if k.logging(t) && s.Changes && s.Op == "Write" && !s.Done {
						// The first write after the start is that of its request id, the second that of the incident.
						started++
						dead = dead || started > 1 && !after || started > 2
					}
					if dead {
						die()
						return errors.New("the process is dead")
					}
					return nil
				}
				_ = k.engine.Sweep(ctx)
				die()
				k.mail.take()
				again(t)
				k.world.Advance(time.Minute)
				k.sweep(t)
				k.world.Advance(time.Hour)
				k.flush(t)
				again(t)
				k.sweep(t)
				all := k.stops(t)
				if !dead || len(all) != 1 || all[0].Count != 1 || !all[0].Well() || !k.logging(t) {
					t.Errorf("pinned %t, after %t: dead %t, %d incidents: %s", pinned, after, dead, len(all), summary(all))
				}
				if len(ofRule(k.mail.take(), "trail.stop")) == 0 {
					t.Errorf("pinned %t, after %t: nobody was told", pinned, after)
				}
			})
		}
	}
}

// TestMemberStartsNoOrganizationTrail: a member has seen the organization's trail logging. It is told to the management account, and not started from here.
func TestMemberStartsNoOrganizationTrail(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPinned(t, false)
		e, _ := p.member(t, false)
		e.keep(Options{Ledger: &memory.Store{Disk: &memory.Disk{}}, Now: p.world.Now})
		_ = e.Sweep(t.Context())
		p.stopUnseen(t)
		found := e.Sweep(t.Context()).Incidents
		if told := ofRule(found, "trail.stop"); len(told) != 1 || !strings.Contains(told[0].Reason, "belongs to account "+p.id) {
			t.Errorf("found: %s", summary(found))
		}
		if ops := callsOf(p.world, memberAccount); len(ops) > 0 || p.logging(t) {
			t.Errorf("the member made %v", ops)
		}
	})
}
