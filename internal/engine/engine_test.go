package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/trailwarden/trailwarden/internal/guard"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// TestMainJob is the whole product in one: a trail is stopped, by name and by ARN; it is started again, and the message
// arrives.
func TestMainJob(t *testing.T) {
	for _, on := range []struct {
		name    string
		account func(*testing.T) account
	}{
		{"sim", func(t *testing.T) account { return onSim(t, sim.Options{}) }},
		{"moto", onMoto},
	} {
		t.Run(on.name, func(t *testing.T) {
			a := on.account(t)
			for _, named := range []string{"main", a.trail()} {
				report := a.engine(t).Handle(t.Context(), a.stop(t, named))
				if err := report.Err(); err != nil {
					t.Fatal(err)
				}
				if !a.logging(t) {
					t.Errorf("stopped as %s, the trail is not logging", named)
				}
				m := a.only(t, "repaired")
				if m.Machine.Detail.EventName != "StopLogging" || m.Machine.Incident.Severity != "critical" ||
					!strings.Contains(m.Subject, "main ("+a.id+"/"+region+")") {
					t.Errorf("the message is %+v", m)
				}
			}
		})
	}
}

// TestEightCalls: each of the sample's calls is told of, in the way in which EventBridge delivers it, and our own
// StartLogging confirms the repair and starts no loop.
func TestEightCalls(t *testing.T) {
	a := onSim(t, sim.Options{})
	e := a.engine(t)
	for _, name := range []string{"CreateTrail", "StartLogging", "AddTags", "RemoveTags", "PutEventSelectors", "UpdateTrail", "DeleteTrail"} {
		if err := e.Handle(t.Context(), a.event(name, "main", a.world.Now())).Err(); err != nil {
			t.Fatal(err)
		}
		if m := a.received(t); len(m) != 1 || m[0].Machine.Detail.EventName != name {
			t.Errorf("%s: got %+v", name, m)
		}
	}
	if err := e.Handle(t.Context(), a.stop(t, "main")).Err(); err != nil {
		t.Fatal(err)
	}
	repaired := a.only(t, "repaired")
	ours := a.ownStart(t)
	before := len(a.world.Calls())
	for name, e := range map[string]*Engine{"the same process": e, "a fresh process": a.engine(t)} {
		if err := e.Handle(t.Context(), ours).Err(); err != nil {
			t.Fatal(err)
		}
		if m := a.only(t, "confirmed"); m.Machine.Incident.ID != repaired.Machine.Incident.ID {
			t.Errorf("%s: %s is confirmed, %s was repaired", name, m.Machine.Incident.ID, repaired.Machine.Incident.ID)
		}
	}
	for _, c := range a.world.Calls()[before:] {
		if c.Mutates && c.Service == "cloudtrail" {
			t.Errorf("our own StartLogging led to %s", c.Op)
		}
	}
}

// ownStart is the event of the latest StartLogging.
func (a account) ownStart(t *testing.T) []byte {
	t.Helper()
	records := a.world.Records()
	for _, r := range slices.Backward(records) {
		var detail map[string]any
		if err := json.Unmarshal(r.Raw, &detail); err != nil {
			t.Fatal(err)
		}
		if detail["eventName"] == "StartLogging" {
			return a.event("StartLogging", "main", a.world.Now(), func(envelope, _ map[string]any) { envelope["detail"] = detail })
		}
	}
	t.Fatal("no StartLogging was recorded")
	return nil
}

// TestRepairComesFirst: SNS that is gone, or hangs, costs no repair; and the message goes out when the event comes again,
// though the trail is well by then.
func TestRepairComesFirst(t *testing.T) {
	for name, fault := range map[string]sim.Fault{
		"topic gone":  {Service: "sns", Op: "Publish", Code: "NotFound", Status: 404},
		"SNS refuses": {Service: "sns", Op: "Publish", Code: "AuthorizationError", Status: 403},
		"SNS hangs":   {Service: "sns", Op: "Publish", Hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := onSim(t, sim.Options{})
				mend := a.world.Inject(fault)
				event := a.stop(t, "main")
				report := a.engine(t).Handle(t.Context(), event)
				if !a.logging(t) {
					t.Error("the trail is not logging")
				}
				if len(report.Failures) != 1 || !report.Failures[0].Notify {
					t.Fatalf("failures %+v, want one that says that nobody was told", report.Failures)
				}
				mend()
				if err := a.engine(t).Handle(t.Context(), event).Err(); err != nil {
					t.Fatal(err)
				}
				a.only(t, "restored")
			})
		})
	}
}

func TestToldOnce(t *testing.T) {
	a := onSim(t, sim.Options{})
	e, event := a.engine(t), a.event("UpdateTrail", "main", a.world.Now())
	for range 3 {
		if err := e.Handle(t.Context(), event).Err(); err != nil {
			t.Fatal(err)
		}
	}
	a.only(t, "noted")
}

// TestBrokenAndHostile is the table of input and circumstances that end in a clear message.
func TestBrokenAndHostile(t *testing.T) {
	tests := []struct {
		name  string
		event func(*testing.T, account) []byte
		want  string // part of what is said, in an error or in the incident's reason
		next  string // part of what to do next
	}{
		{"not JSON", func(*testing.T, account) []byte { return []byte("StopLogging!") }, "decode input", ""},
		{"record without a trail", func(t *testing.T, a account) []byte {
			return a.event("StopLogging", "", a.world.Now(), func(_, r map[string]any) { r["requestParameters"] = nil })
		}, "names no trail", "Read all trails"},
		{"forged source", func(t *testing.T, a account) []byte {
			return a.event("StopLogging", "main", a.world.Now(), func(e, _ map[string]any) { e["source"] = "my.app" })
		}, "forged", "who may send events"},
		{"ARN of another account", func(t *testing.T, a account) []byte {
			return a.event("StopLogging", strings.Replace(a.trail(), a.id, "999999999999", 1), a.world.Now())
		}, "another account", "who may send events"},
		{"event of another account", func(t *testing.T, a account) []byte {
			other := a
			other.id = "999999999999"
			return other.event("StopLogging", "main", a.world.Now())
		}, "belongs to account 999999999999", "add it to `accounts`"},
		{"trail deleted meanwhile", func(t *testing.T, a account) []byte {
			event := a.stop(t, "main")
			if _, err := cloudtrail.NewFromConfig(a.attacker).DeleteTrail(t.Context(), &cloudtrail.DeleteTrailInput{Name: aws.String("main")}); err != nil {
				t.Fatal(err)
			}
			return event
		}, "does not exist any more", "Create it again"},
		{"StartLogging denied", func(t *testing.T, a account) []byte {
			a.world.Deny("*trailwarden*", "cloudtrail:StartLogging")
			return a.stop(t, "main")
		}, "allow cloudtrail:StartLogging", "aws cloudtrail start-logging"},
		{"hostile trail name", func(t *testing.T, a account) []byte {
			return a.event("StopLogging", "\x1b[2J\u202e../main", a.world.Now())
		}, "cannot exist", "Read all trails"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := onSim(t, sim.Options{})
			event := test.event(t, a)
			before := len(a.world.Calls())
			report := a.engine(t).Handle(t.Context(), event)
			said, next := fmt.Sprint(report.Err()), ""
			for _, inc := range report.Incidents {
				said += " " + inc.Reason
				next += fmt.Sprint(inc.NextSteps)
			}
			if !strings.Contains(said, test.want) || !strings.Contains(next, test.next) {
				t.Errorf("said %q, next %q; want %q and %q", said, next, test.want, test.next)
			}
			for _, c := range a.world.Calls()[before:] {
				if c.Mutates && c.Service == "cloudtrail" && c.Error == "" {
					t.Errorf("it led to %s", c.Op)
				}
			}
			if len(report.Bad) == 0 && len(a.received(t)) != 1 {
				t.Error("nobody was told")
			}
		})
	}
}

// TestThrottledForAMinute: the repair fails in this run, is told as failed, and works when the event comes again.
func TestThrottledForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := onSim(t, sim.Options{})
		mend := a.world.Inject(sim.Fault{Service: "cloudtrail", Op: "StartLogging", Code: "ThrottlingException"})
		event := a.stop(t, "main")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.engine(t).Handle(ctx, event).Err(); err == nil || !strings.Contains(err.Error(), "ThrottlingException") {
			t.Errorf("got %v", err)
		}
		failed := a.only(t, "failed")
		mend()
		if err := a.engine(t).Handle(t.Context(), event).Err(); err != nil {
			t.Fatal(err)
		}
		if m := a.only(t, "repaired"); m.Machine.Incident.ID != failed.Machine.Incident.ID || !a.logging(t) {
			t.Errorf("%+v", m)
		}
	})
}

// TestReadsHang: StartLogging goes out unread within a second or so.
func TestReadsHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := onSim(t, sim.Options{})
		mend := a.world.Inject(sim.Fault{Service: "cloudtrail", Op: "GetTrailStatus", Hang: true})
		event := a.stop(t, "main")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		report := a.engine(t).Handle(ctx, event)
		mend()
		if !a.logging(t) {
			t.Error("the trail is not logging")
		}
		if len(report.Incidents) != 1 || len(report.Incidents[0].Actions) != 1 || !report.Incidents[0].Actions[0].Unread {
			t.Errorf("got %+v", report.Incidents)
		}
	})
}

func TestObserveChangesNothing(t *testing.T) {
	a := onSim(t, sim.Options{})
	event := a.stop(t, "main")
	before := len(a.world.Calls())
	report := a.engine(t, func(o *Options) { o.Observe = true }).Handle(t.Context(), event)
	for _, c := range a.world.Calls()[before:] {
		if c.Mutates && c.Service != "sns" {
			t.Errorf("observe mode called %s", c.Op)
		}
	}
	if inc := report.Incidents[0]; inc.Outcome != incident.Open || len(inc.Actions) != 1 || inc.Actions[0].At != nil {
		t.Errorf("got %+v, want to be told what would be done", inc)
	}
}

// TestEachTrailByItself: every trail that a batch names is handled, whatever happens to the others.
func TestEachTrailByItself(t *testing.T) {
	a := onSim(t, sim.Options{})
	var events []byte
	for _, name := range []string{"trail-a", "trail-b", "trail-c"} {
		a.addTrail(t, name)
		events = append(append(events, a.stop(t, name)...), '\n')
	}
	events = append(events, []byte("this line is broken\n")...)
	report := a.engine(t).Handle(t.Context(), events)
	if len(report.Bad) != 1 || len(report.Incidents) != 3 {
		t.Errorf("%d incidents, %d bad pieces", len(report.Incidents), len(report.Bad))
	}
	for _, v := range a.world.Trails() {
		if !v.Logging {
			t.Errorf("%s is not logging", v.Name)
		}
	}
}

func TestSweepReportsAndStartsNone(t *testing.T) {
	a := onSim(t, sim.Options{})
	a.stop(t, "main")
	report := a.engine(t).Sweep(t.Context())
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if m := a.only(t, "open"); !strings.Contains(m.Machine.Incident.Reason, "no baseline") || a.logging(t) {
		t.Errorf("got %+v, logging %t", m, a.logging(t))
	}
}

// TestForgedFloodIsToldOnce: whoever forges events cannot send mail through us.
func TestForgedFloodIsToldOnce(t *testing.T) {
	a := onSim(t, sim.Options{})
	e := a.engine(t)
	for i := range 50 {
		e.Handle(t.Context(), a.event("StopLogging", "main", a.world.Now().Add(time.Duration(i)), func(e, _ map[string]any) { e["source"] = "my.app" }))
	}
	a.only(t, "rejected")
}

func TestTopicOfNoService(t *testing.T) {
	a := onSim(t, sim.Options{})
	e, err := New(a.ours, Options{Accounts: []string{a.id}, Channels: toldBy(a.ours, "alerts"), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: a.world.Now})
	if err == nil || !strings.Contains(err.Error(), "arn:aws") {
		t.Errorf("a malformed topic: %v", err)
	}
	e.Handle(t.Context(), a.stop(t, "main"))
	if !a.logging(t) {
		t.Error("a malformed topic cost the repair")
	}
}

func TestInvoke(t *testing.T) {
	// Fault D7.
	message := func(id, body string) string {
		b, _ := json.Marshal(map[string]string{"messageId": id, "body": body, "eventSource": "aws:sqs"})
		return string(b)
	}
	batch := func(messages ...string) []byte { return []byte(`{"Records":[` + strings.Join(messages, ",") + `]}`) }
	tests := []struct {
		name    string
		payload func(*testing.T, account) []byte
		want    string // the answer
		fails   bool
	}{
		{"event", func(t *testing.T, a account) []byte { return a.stop(t, "main") }, `{"handled":true}`, false},
		{"sweep", func(*testing.T, account) []byte { return []byte(`{"sweep":true}`) }, `{"handled":true}`, false},
		{"batch, all well", func(t *testing.T, a account) []byte { return batch(message("1", string(a.stop(t, "main")))) },
			`{"batchItemFailures":[]}`, false},
		{"batch with one bad record", func(t *testing.T, a account) []byte {
			return batch(message("1", string(a.stop(t, "main"))), message("2", "garbage"), message("3", string(a.event("UpdateTrail", "main", a.world.Now()))))
		}, `{"batchItemFailures":[{"itemIdentifier":"2"}]}`, false},
		{"batch, repair denied", func(t *testing.T, a account) []byte {
			a.world.Deny("*trailwarden*", "cloudtrail:StartLogging")
			return batch(message("1", string(a.stop(t, "main"))), message("2", string(a.event("AddTags", "unknown-trail", a.world.Now()))))
		}, `{"batchItemFailures":[{"itemIdentifier":"1"}]}`, false},
		{"batch whose message nobody could be told of", func(t *testing.T, a account) []byte {
			if _, err := sns.NewFromConfig(a.attacker).DeleteTopic(t.Context(), &sns.DeleteTopicInput{TopicArn: &a.topic}); err != nil {
				t.Fatal(err)
			}
			return batch(message("1", string(a.stop(t, "main"))))
		}, `{"batchItemFailures":[{"itemIdentifier":"1"}]}`, false},
		{"event, repair denied", func(t *testing.T, a account) []byte {
			a.world.Deny("*trailwarden*", "cloudtrail:StartLogging")
			return a.stop(t, "main")
		}, "", true},
		{"not an event", func(*testing.T, account) []byte { return []byte(`{}`) }, "", true},
		{"null", func(*testing.T, account) []byte { return []byte(`null`) }, "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := onSim(t, sim.Options{})
			got, err := a.engine(t).Invoke(t.Context(), test.payload(t, a))
			if test.fails {
				if err == nil {
					t.Errorf("answered %s, want an error so that AWS invokes again", got)
				}
				return
			}
			if err != nil || string(got) != test.want {
				t.Errorf("answered %s, %v; want %s", got, err, test.want)
			}
		})
	}
}

// TestPanicCostsOneRecord: the other records of the batch, of the same trail too, are handled.
func TestPanicCostsOneRecord(t *testing.T) {
	// Fault F9.
	a := onSim(t, sim.Options{})
	e := a.engine(t)
	e.Guard.Cloud = &bomb{Cloud: e.Guard.Cloud}
	var log bytes.Buffer
	e.Log = slog.New(slog.NewTextHandler(&log, nil))
	trigger := a.event("UpdateTrail", "main", a.world.Now())
	report := e.Handle(t.Context(), bytes.Join([][]byte{trigger, a.stop(t, "main")}, []byte("\n")))
	if !a.logging(t) {
		t.Error("the stopped trail was not started")
	}
	if len(report.Failures) != 1 || !strings.Contains(report.Failures[0].Error(), "panic: boom") {
		t.Errorf("failures %v, want the one record that panics", report.Failures)
	}
	if !strings.Contains(log.String(), "stack") {
		t.Error("the log does not say where")
	}
}

// TestPanicWhileTelling: a message that brings its channel down costs that message, and neither the repair nor the others.
func TestPanicWhileTelling(t *testing.T) {
	a := onSim(t, sim.Options{})
	e := a.engine(t)
	e.Channels = append([]notify.Channel{{Name: "heard", Notifier: channel(func(inc incident.Incident) {
		if inc.Record.EventName == "StopLogging" {
			panic("boom")
		}
	})}}, e.Channels...)
	report := e.Handle(t.Context(), bytes.Join([][]byte{a.stop(t, "main"), a.event("UpdateTrail", "main", a.world.Now())}, []byte("\n")))
	if !a.logging(t) || len(report.Failures) != 1 || !report.Failures[0].Notify {
		t.Errorf("logging %t, failures %v", a.logging(t), report.Failures)
	}
	if got := a.received(t); len(got) != 2 {
		t.Errorf("the other channel got %d messages, want 2", len(got))
	}
}

// bomb panics on the first full read in each batch of records that holds more than one, and on the first by itself.
type bomb struct {
	guard.Cloud
	reads int
}

func (b *bomb) Read(ctx context.Context, a trail.ARN, groups ...trail.Group) (trail.State, error) {
	if b.reads++; b.reads <= 2 {
		panic("boom")
	}
	return b.Cloud.Read(ctx, a, groups...)
}

// TestSlowChannelKeepsNoTrailWaiting: however many trails are stopped at once, each is started before anybody is told.
func TestSlowChannelKeepsNoTrailWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		many := &manyTrails{started: map[trail.ARN]time.Duration{}, begin: begin}
		e := &Engine{
			Guard:    &guard.Guard{Cloud: many, Now: time.Now, Accounts: []string{"111122223333"}, Journal: &guard.Own{}},
			Channels: []notify.Channel{{Name: "hanging", Notifier: hanging{}}}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		}
		a := account{id: "111122223333"}
		var events []byte
		for i := range 100 {
			events = append(append(events, a.event("StopLogging", fmt.Sprintf("trail-%d", i), begin)...), '\n')
		}
		report := e.Handle(t.Context(), events)
		if len(report.Incidents) != 100 || len(report.Failures) != 100 {
			t.Errorf("%d incidents, %d failures, want 100 that could not be told", len(report.Incidents), len(report.Failures))
		}
		for arn, after := range many.started {
			if after > 0 {
				t.Errorf("%s was started after %s", arn.Name, after)
			}
		}
		if len(many.started) != 100 {
			t.Errorf("%d trails were started", len(many.started))
		}
	})
}

// manyTrails is an AWS in which every trail is stopped until it is started.
type manyTrails struct {
	mu      sync.Mutex
	begin   time.Time
	started map[trail.ARN]time.Duration
}

func (m *manyTrails) Status(_ context.Context, a trail.ARN) (trail.Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, on := m.started[a]
	return trail.Status{Logging: on, Stopped: m.begin, Started: m.begin.Add(-time.Hour), Delivered: m.begin}, nil
}

func (m *manyTrails) Read(ctx context.Context, a trail.ARN, _ ...trail.Group) (trail.State, error) {
	s, err := m.Status(ctx, a)
	return trail.State{ARN: a, Exists: true, Settings: trail.Settings{Logging: s.Logging}, Status: s, Read: []trail.Group{trail.GroupLogging}}, err
}

func (m *manyTrails) Do(_ context.Context, action trail.Action, _ string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.started[action.Target] = time.Since(m.begin)
	return action.Target.Name, nil
}

func (m *manyTrails) Deleted(context.Context, trail.ARN, bool) (bool, error) { return false, nil }
func (m *manyTrails) Self(context.Context) (string, error)                   { return "", errors.New("unknown") }

// hanging is a channel that does not answer for five seconds.
type hanging struct{}

func (hanging) Notify(context.Context, incident.Incident) error {
	time.Sleep(5 * time.Second)
	return errors.New("no answer")
}
