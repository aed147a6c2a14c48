package guard

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// TestReconcile is the table of what a record and a state lead to. Time is synctest's: it begins in 2000, and passes
// while the guard waits.
func TestReconcile(t *testing.T) {
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	tests := []struct {
		name    string
		cloud   func() *fakeCloud
		guard   func(*Guard)
		records func() []event.Record
		want    []incident.Outcome
		reason  string // part of the first incident's reason
		logging bool   // the trail's state afterwards
		starts  int    // StartLogging calls that took effect: a repair, or none
		fails   bool   // handed in again
		within  time.Duration
	}{
		{name: "a stopped trail is started and read back",
			cloud:   func() *fakeCloud { return stoppedAt(ago(5 * time.Second)) },
			records: func() []event.Record { return []event.Record{call(ago(5 * time.Second))} },
			want:    []incident.Outcome{incident.Repaired}, logging: true, starts: 1},
		{name: "delivered again, the trail is well and people are still told",
			cloud: func() *fakeCloud {
				return &fakeCloud{status: trail.Status{Logging: true, Stopped: ago(time.Minute), Started: ago(50 * time.Second)}}
			},
			records: func() []event.Record { return []event.Record{call(ago(time.Minute))} },
			want:    []incident.Outcome{incident.Restored}, logging: true},
		{name: "a refused StopLogging is an attempt",
			cloud:   func() *fakeCloud { return loggingSince(ago(time.Hour)) },
			records: func() []event.Record { return []event.Record{call(ago(time.Second), refused("AccessDenied"))} },
			want:    []incident.Outcome{incident.Attempted}, logging: true},
		{name: "a refused StopLogging starts no stopped trail",
			cloud:   func() *fakeCloud { return stoppedAt(ago(time.Second)) },
			records: func() []event.Record { return []event.Record{call(ago(time.Second), refused("AccessDenied"))} },
			want:    []incident.Outcome{incident.Attempted}},
		{name: "an old hint starts no trail that was stopped on purpose since",
			cloud:   func() *fakeCloud { return stoppedAt(ago(2 * time.Hour)) },
			records: func() []event.Record { return []event.Record{call(ago(26 * time.Hour))} },
			want:    []incident.Outcome{incident.Open}, reason: "does not explain"},
		{name: "a forged hint starts no trail that was stopped on purpose before",
			cloud:   func() *fakeCloud { return stoppedAt(ago(2 * time.Hour)) },
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Open}, reason: "does not explain"},
		{name: "a trail that was stopped twice, the second record lost, is started",
			cloud: func() *fakeCloud {
				return &fakeCloud{status: trail.Status{Stopped: ago(2 * time.Second), Started: ago(time.Hour)}}
			},
			records: func() []event.Record { return []event.Record{call(ago(time.Minute))} },
			want:    []incident.Outcome{incident.Repaired}, logging: true, starts: 1},
		{name: "a trail started and stopped again since waits for that stop's own record",
			cloud: func() *fakeCloud {
				return &fakeCloud{status: trail.Status{Stopped: ago(time.Minute), Started: ago(2 * time.Minute)}}
			},
			records: func() []event.Record { return []event.Record{call(ago(5 * time.Minute))} },
			want:    []incident.Outcome{incident.Open}, reason: "does not explain"},
		{name: "a forged hint about a trail that is logging changes nothing",
			cloud:   func() *fakeCloud { return loggingSince(ago(time.Hour)) },
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Failed}, reason: "forged", logging: true, fails: true},
		{name: "a record of last week about a trail that was made anew since is late, and nothing is to be done",
			cloud:   func() *fakeCloud { return loggingSince(ago(48 * time.Hour)) },
			records: func() []event.Record { return []event.Record{call(ago(7 * 24 * time.Hour))} },
			want:    []incident.Outcome{incident.Restored}, reason: "the record is old", logging: true, within: time.Second},
		{name: "an old answer that the trail is logging does not end the matter",
			cloud: func() *fakeCloud {
				c := stoppedAt(ago(time.Second))
				c.stale, c.old = 3, trail.Status{Logging: true, Started: ago(time.Hour)}
				return c
			},
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Repaired}, logging: true, starts: 1},
		{name: "reads that hang: started unread after a second, and reported as not proven",
			cloud: func() *fakeCloud {
				c := stoppedAt(ago(time.Second))
				c.hang = true
				return c
			},
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Failed}, reason: "could not be read back", logging: true, starts: 1, fails: true},
		{name: "reads that are throttled: started unread at once",
			cloud: func() *fakeCloud {
				c := stoppedAt(ago(time.Second))
				c.statusErr = func() error { return failedCall("GetTrailStatus", "ThrottlingException", trail.ClassRetry) }
				return c
			},
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Repaired}, logging: true, starts: 1, within: time.Second},
		{name: "the role of the 2017 sample, which may not read, still starts the trail",
			cloud: func() *fakeCloud {
				c := stoppedAt(ago(time.Second))
				denied := func() error { return failedCall("GetTrailStatus", "AccessDeniedException", trail.ClassDenied) }
				c.statusErr, c.readErr = denied, denied
				return c
			},
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Open}, reason: "cloudtrail:GetTrailStatus", logging: true, starts: 1},
		{name: "StartLogging denied is reported with what to do, and handed in again",
			cloud: func() *fakeCloud {
				c := stoppedAt(ago(time.Second))
				c.doErr = func() error { return failedCall("StartLogging", "AccessDeniedException", trail.ClassDenied) }
				return c
			},
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Failed}, reason: "do this next", fails: true},
		{name: "a trail deleted meanwhile",
			cloud:   func() *fakeCloud { return &fakeCloud{gone: true} },
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Open}, reason: "deleted after it was stopped"},
		{name: "DeleteTrail is told and leaves the trail gone",
			cloud:   func() *fakeCloud { return &fakeCloud{gone: true} },
			records: func() []event.Record { return []event.Record{call(ago(time.Second), named("DeleteTrail"))} },
			want:    []incident.Outcome{incident.Open}, reason: "without a pinned baseline"},
		{name: "UpdateTrail is told", cloud: func() *fakeCloud { return loggingSince(ago(time.Hour)) },
			records: func() []event.Record { return []event.Record{call(ago(time.Second), named("UpdateTrail"))} },
			want:    []incident.Outcome{incident.Noted}, logging: true},
		{name: "observe mode changes nothing and says what it would do",
			cloud:   func() *fakeCloud { return stoppedAt(ago(time.Second)) },
			guard:   func(g *Guard) { g.Observe = true },
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Open}, reason: "observe mode"},
		{name: "a trail of another account is not touched",
			cloud:   func() *fakeCloud { return stoppedAt(ago(time.Second)) },
			guard:   func(g *Guard) { g.Accounts = []string{"999999999999"} },
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Rejected}, reason: "belongs to account 111122223333"},
		{name: "a sweep reports a stopped trail and starts none",
			cloud:   func() *fakeCloud { return stoppedAt(ago(time.Hour)) },
			records: func() []event.Record { return nil },
			want:    []incident.Outcome{incident.Open}, reason: "a sweep leaves such a trail stopped"},
		{name: "a sweep over a trail that is well finds nothing",
			cloud: func() *fakeCloud { return loggingSince(ago(time.Hour)) }, records: func() []event.Record { return nil }, logging: true},
		{name: "with a pinned baseline a sweep starts a stopped trail",
			cloud: func() *fakeCloud { return stoppedAt(ago(time.Hour)) },
			guard: func(g *Guard) {
				g.Baseline = func(a trail.ARN) (trail.Baseline, bool) { return trail.Sampled(a), true }
			},
			records: func() []event.Record { return nil },
			want:    []incident.Outcome{incident.Repaired}, logging: true, starts: 1},
		{name: "a stop that people approved is told and not undone (FAULTS.md A29)",
			cloud: func() *fakeCloud { return stoppedAt(ago(time.Second)) },
			guard: pinnedAs(func(b *trail.Baseline) {
				b.Approved = []trail.Approval{{Fields: []trail.Field{trail.FieldLogging}, Who: "ops", Why: "migration", Until: time.Now().Add(time.Hour)}}
			}),
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Noted}, reason: "ops approved"},
		{name: "when the approval has ended, the stop is undone",
			cloud: func() *fakeCloud { return stoppedAt(ago(time.Second)) },
			guard: pinnedAs(func(b *trail.Baseline) {
				b.Approved = []trail.Approval{{Fields: []trail.Field{trail.FieldLogging}, Who: "ops", Why: "migration", Until: time.Now().Add(-time.Hour)}}
			}),
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Repaired}, logging: true, starts: 1},
		{name: "a trail that is pinned as stopped stays stopped",
			cloud:   func() *fakeCloud { return stoppedAt(ago(time.Second)) },
			guard:   pinnedAs(func(b *trail.Baseline) { b.Want.Logging = false }),
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Noted}, reason: "not logging"},
		{name: "observe mode names a call once, pinned or not",
			cloud:   func() *fakeCloud { return stoppedAt(ago(time.Second)) },
			guard:   func(g *Guard) { pinnedAs(func(*trail.Baseline) {})(g); g.Observe = true },
			records: func() []event.Record { return []event.Record{call(ago(time.Second))} },
			want:    []incident.Outcome{incident.Open}, reason: "observe mode"},
		{name: "calls of other services and calls that read are nothing to us",
			cloud: func() *fakeCloud { return loggingSince(ago(time.Hour)) }, logging: true,
			records: func() []event.Record {
				other := call(ago(time.Second))
				other.Source = "kinesisanalytics.amazonaws.com"
				return []event.Record{other, call(ago(time.Second), named("GetTrailStatus"))}
			}},
		{name: "the eight calls of the sample are eight incidents",
			cloud: func() *fakeCloud { return stoppedAt(ago(time.Second)) }, logging: true, starts: 1,
			records: func() (rs []event.Record) {
				for i, name := range []string{"CreateTrail", "AddTags", "RemoveTags", "PutEventSelectors", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging"} {
					rs = append(rs, call(ago(9*time.Second-time.Duration(i)*time.Second), named(name)))
				}
				return rs
			},
			want: []incident.Outcome{incident.Repaired, incident.Repaired, incident.Repaired, incident.Repaired, incident.Repaired, incident.Repaired, incident.Repaired, incident.Repaired}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cloud := test.cloud()
				g := newGuard(cloud)
				if test.guard != nil {
					test.guard(g)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				begin := time.Now()
				got, err := g.Reconcile(ctx, home, test.records())
				if (err != nil) != test.fails {
					t.Errorf("error %v, want one: %t", err, test.fails)
				}
				for _, inc := range got {
					if len(inc.Actions) > 1 {
						t.Errorf("the one call that starts a trail is listed as %+v", inc.Actions)
					}
				}
				var outcomes []incident.Outcome
				for _, inc := range got {
					outcomes = append(outcomes, inc.Outcome)
					if inc.ID == "" || len(inc.Findings) != 1 || inc.NextSteps == nil {
						t.Errorf("incident without id, finding or steps: %+v", inc)
					}
				}
				if d := cmp.Diff(test.want, outcomes); d != "" {
					t.Errorf("outcomes (-want +got):\n%s", d)
				}
				if test.reason != "" && !strings.Contains(got[0].Reason, test.reason) {
					t.Errorf("reason %q does not say %q", got[0].Reason, test.reason)
				}
				if cloud.status.Logging != test.logging || cloud.starts != test.starts {
					t.Errorf("afterwards logging is %t after %d starts, want %t after %d", cloud.status.Logging, cloud.starts, test.logging, test.starts)
				}
				if took := time.Since(begin); test.within > 0 && took > test.within {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// pinnedAs pins the trail as logging, but for what change does.
func pinnedAs(change func(*trail.Baseline)) func(*Guard) {
	return func(g *Guard) {
		b := trail.Sampled(home)
		change(&b)
		g.Baseline = func(trail.ARN) (trail.Baseline, bool) { return b, true }
	}
}

func TestUnreadStartWaitsOneSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := stoppedAt(time.Now())
		cloud.hang = true
		begin, started := time.Now(), time.Duration(-1)
		cloud.doErr = func() error { started = time.Since(begin); return nil }
		_, _ = newGuard(cloud).Reconcile(t.Context(), home, []event.Record{call(time.Now())})
		if started != time.Second {
			t.Errorf("StartLogging went out after %s, want 1s", started)
		}
	})
}

func TestBlindWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := time.Now()
		cloud := stoppedAt(stopped.Add(300 * time.Millisecond)) // the status is finer than the record
		time.Sleep(42 * time.Second)
		got, err := newGuard(cloud).Reconcile(t.Context(), home, []event.Record{call(stopped)})
		if err != nil {
			t.Fatal(err)
		}
		to := stopped.Add(42 * time.Second).UTC()
		want := &incident.BlindWindow{From: stopped.Add(300 * time.Millisecond).UTC(), To: &to, Seconds: 41.7, Certainty: incident.FromStatus}
		if d := cmp.Diff(want, got[0].BlindWindow); d != "" {
			t.Errorf("blind window (-want +got):\n%s", d)
		}
	})
}

func TestOwnStart(t *testing.T) {
	ours := "arn:aws:sts::111122223333:assumed-role/trailwarden/react"
	start := func(change ...func(*event.Record)) event.Record {
		return call(noon, append([]func(*event.Record){named("StartLogging")}, change...)...)
	}
	t.Run("by its request id", func(t *testing.T) {
		cloud := loggingSince(noon)
		g := newGuard(cloud)
		g.Journal.(*Own).Add("ours", "inc-0000000000000001")
		got, err := g.Reconcile(t.Context(), home, []event.Record{start(func(r *event.Record) { r.RequestID = "ours" })})
		if err != nil || len(got) != 1 || got[0].Outcome != incident.Confirmed || got[0].ID != "inc-0000000000000001" || cloud.starts != 0 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("without memory by our role, and the incident by the user agent", func(t *testing.T) {
		cloud := loggingSince(noon)
		cloud.self = ours
		got, err := newGuard(cloud).Reconcile(t.Context(), home, []event.Record{start(func(r *event.Record) {
			r.Actor.ARN = "arn:aws:sts::111122223333:assumed-role/trailwarden/another"
			r.Actor.UserAgent = "aws-sdk-go-v2/1.47 trailwarden/1.0 inc-00000000000000aa"
		})})
		if err != nil || got[0].Outcome != incident.Confirmed || got[0].ID != "inc-00000000000000aa" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("by somebody else it is told, whatever its user agent claims", func(t *testing.T) {
		cloud := loggingSince(noon)
		cloud.self = ours
		got, err := newGuard(cloud).Reconcile(t.Context(), home, []event.Record{start(func(r *event.Record) {
			r.Actor.UserAgent = "trailwarden/1.0 inc-00000000000000aa"
		})})
		if err != nil || got[0].Outcome != incident.Noted || got[0].ID == "inc-00000000000000aa" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("our role stopping a trail is no confirmation", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cloud := stoppedAt(time.Now())
			cloud.self = ours
			got, err := newGuard(cloud).Reconcile(t.Context(), home, []event.Record{call(time.Now(), func(r *event.Record) { r.Actor.ARN = ours })})
			if err != nil || got[0].Outcome != incident.Repaired {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	})
}

// TestWhoWeAreDelaysNoRepair: STS that does not answer is waited for after the repair, and not for long.
func TestWhoWeAreDelaysNoRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := stoppedAt(time.Now())
		cloud.selfHangs = true
		begin, started := time.Now(), time.Duration(-1)
		cloud.doErr = func() error { started = time.Since(begin); return nil }
		got, err := newGuard(cloud).Reconcile(t.Context(), home, []event.Record{
			call(time.Now().Add(-2*time.Second), named("StartLogging")), call(time.Now().Add(-time.Second), named("UpdateTrail")), call(time.Now()),
		})
		if err != nil || started != 0 || len(got) != 3 {
			t.Errorf("StartLogging went out after %s, with %d incidents, %v", started, len(got), err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestThrottledForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := stoppedAt(time.Now())
		until := time.Now().Add(time.Minute)
		throttled := func() error {
			if time.Now().Before(until) {
				return failedCall("StartLogging", "ThrottlingException", trail.ClassRetry)
			}
			return nil
		}
		cloud.doErr = throttled
		g, stop := newGuard(cloud), []event.Record{call(time.Now())}
		got, err := g.Reconcile(t.Context(), home, stop)
		if err == nil || got[0].Outcome != incident.Failed {
			t.Fatalf("while throttled: %+v, %v", got[0].Outcome, err)
		}
		id := got[0].ID
		time.Sleep(time.Minute)
		got, err = g.Reconcile(t.Context(), home, stop)
		if err != nil || got[0].Outcome != incident.Repaired || got[0].ID != id {
			t.Errorf("a minute later: %s %s, %v", got[0].ID, got[0].Outcome, err)
		}
	})
}

func TestPlace(t *testing.T) {
	eventbridge := func(change func(*event.Record)) event.Record { return call(noon, change) }
	tests := []struct {
		name   string
		record event.Record
		want   string // the ARN
		why    string // or part of the refusal
	}{
		{"bare name", call(noon), home.String(), ""},
		{"ARN", eventbridge(func(r *event.Record) { r.Trail = home.String() }), home.String(), ""},
		{"China", eventbridge(func(r *event.Record) { r.Region, r.Carrier.Region = "cn-north-1", "cn-north-1" }), "arn:aws-cn:cloudtrail:cn-north-1:111122223333:trail/main", ""},
		{"forged source", eventbridge(func(r *event.Record) { r.Carrier.Source = "my.app" }), "", "forged"},
		{"two accounts", eventbridge(func(r *event.Record) { r.Carrier.Account = "444455556666" }), "", "of account"},
		{"two Regions", eventbridge(func(r *event.Record) { r.Carrier.Region = "us-east-1" }), "", "of Region"},
		{"no trail", eventbridge(func(r *event.Record) { r.Trail = "" }), "", "names no trail"},
		{"homoglyph", eventbridge(func(r *event.Record) { r.Trail = "mаin-trail" }), "", "cannot exist"},
		{"path", eventbridge(func(r *event.Record) { r.Trail = "../main" }), "", "cannot exist"},
		{"long", eventbridge(func(r *event.Record) { r.Trail = strings.Repeat("a", 10000) }), "", "cannot exist"},
		{"ARN with more colons", eventbridge(func(r *event.Record) { r.Trail = home.String() + ":x" }), "", "cannot exist"},
		{"ARN of another Region", eventbridge(func(r *event.Record) { r.Trail = strings.Replace(home.String(), home.Region, "us-east-1", 1) }), "", "home Region"},
		{"ARN of another account", eventbridge(func(r *event.Record) { r.Trail = strings.Replace(home.String(), home.Account, "444455556666", 1) }), "", "another account"},
		{"a refused call may name any trail", eventbridge(func(r *event.Record) {
			r.ErrorCode, r.Trail = "AccessDenied", strings.Replace(home.String(), home.Account, "444455556666", 1)
		}), "arn:aws:cloudtrail:eu-central-1:444455556666:trail/main", ""},
		{"anonymised account", eventbridge(func(r *event.Record) { r.Account, r.Carrier.Account = "123456789", "123456789" }), "", "cannot exist"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Place(test.record)
			if test.why == "" {
				if err != nil || got.String() != test.want {
					t.Errorf("got %s, %v; want %s", got, err, test.want)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.why) {
				t.Errorf("got %s, %v; want a refusal that says %q", got, err, test.why)
			}
		})
	}
}

func TestReconcileEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := stoppedAt(time.Now())
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("time is over"))
		got, err := newGuard(cloud).Reconcile(ctx, home, []event.Record{call(time.Now())})
		if err == nil || len(got) != 1 || got[0].Outcome != incident.Failed {
			t.Errorf("got %v, %v; want a failed incident and an error", got, err)
		}
	})
}
