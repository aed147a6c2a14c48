package daemon

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/source"
)

func rule(id string) func(incident.Incident) bool {
	return func(inc incident.Incident) bool { return len(inc.Findings) > 0 && inc.Findings[0].Rule == id }
}

// run lets the daemon run for a while and tells it to end.
func (s *stage) run(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.daemon.Run(ctx); close(ended) }()
	for range int(d / time.Second) {
		time.Sleep(time.Second)
		s.world.Deliver()
	}
	cancel()
	<-ended
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main", "second")
		s.stop(t, "main")
		s.run(t, 5*time.Minute)
		if !s.logging(t, "main") {
			t.Error("the trail is not logging")
		}
		all := s.incidents(t)
		if len(all) != 1 || all[0].Outcome != incident.Confirmed || all[0].Actor == nil {
			t.Errorf("the ledger holds %+v", all)
		}
		if n := s.waiting(t); n != 0 {
			t.Errorf("%d messages still wait in the queue", n)
		}
		if !s.people.heard(rule("trail.stop")) {
			t.Error("nobody was told")
		}
	})
}

// TestNoEvents: with no event ever delivered the sweep repairs and tells.
func TestNoEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main")
		s.world.BreakBus(true)
		s.daemon.Queue = nil
		s.stop(t, "main")
		s.run(t, 2*time.Minute)
		if !s.logging(t, "main") || !s.people.heard(rule("trail.stop")) {
			t.Error("the stop was not undone and told")
		}
	})
}

// TestNotAcknowledgedBeforeDurable is oracle O2: a message whose incident could not be written comes again.
func TestNotAcknowledgedBeforeDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main")
		s.store.Fault = func(memory.Step) error { return errors.New("no space left on device") }
		s.stop(t, "main")
		s.run(t, 5*time.Minute)
		if !s.logging(t, "main") {
			t.Error("without a ledger the trail was not started")
		}
		if s.waiting(t) == 0 {
			t.Error("the messages were acknowledged, and nothing is durable")
		}
		s.store.Fault = nil
		s.run(t, 5*time.Minute)
		if n := s.waiting(t); n != 0 {
			t.Errorf("%d messages still wait in the queue", n)
		}
		if all := s.incidents(t); len(all) == 0 || all[len(all)-1].Findings[0].Rule != "trail.stop" {
			t.Errorf("the ledger holds %+v", all)
		}
	})
}

// TestPoison is FAULTS C4 and D11: what cannot be decoded is kept, told and taken off the queue, and costs its neighbours nothing.
func TestPoison(t *testing.T) {
	// Faults C4, D11.
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main")
		s.send(t, "{not JSON")
		s.send(t, strings.Repeat("[", 20000))
		s.send(t, `{"Event":"s3:TestEvent","Service":"Amazon S3"}`)
		s.stop(t, "main")
		s.run(t, 3*time.Minute)
		if !s.logging(t, "main") {
			t.Error("the trail is not logging")
		}
		if n := s.waiting(t); n != 0 {
			t.Errorf("%d messages still wait in the queue", n)
		}
		if !s.people.heard(rule("own.input")) {
			t.Error("nobody was told of the poison")
		}
	})
}

// file serves one log file.
type file struct{ body string }

func (f file) Open(context.Context, source.Object) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(f.body)), nil
}

// TestLogFiles: a notice of a new log file leads to the records in it.
func TestLogFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main")
		s.world.BreakBus(true)
		s.stop(t, "main")
		at := s.world.Now().UTC().Format(time.RFC3339)
		s.daemon.Sweep = time.Hour
		s.daemon.Objects = file{`{"Records":[{"eventVersion":"1.11","eventID":"e1","eventName":"StopLogging","eventSource":"cloudtrail.amazonaws.com",
			"eventTime":"` + at + `","awsRegion":"eu-central-1","recipientAccountId":"111122223333","requestParameters":{"name":"main"},
			"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/mallory","accountId":"111122223333"}}]}`}
		s.send(t, `{"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"main-audit-logs"},
			"object":{"key":"AWSLogs/111122223333/CloudTrail/eu-central-1/2026/11/23/111122223333_CloudTrail_eu-central-1_20261123T1205Z_x1y2z3a4b5c6d7e8.json.gz","size":10}}}]}`)
		if _, err := s.daemon.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !s.logging(t, "main") {
			t.Error("the trail is not logging")
		}
		if all := s.incidents(t); len(all) != 1 || all[0].Actor == nil || !strings.HasSuffix(all[0].Actor.ARN, "mallory") {
			t.Errorf("the ledger holds %+v", all)
		}
		if n := s.waiting(t); n != 0 {
			t.Errorf("%d messages still wait in the queue", n)
		}
	})
}

// TestEnd is FAULTS F8: a daemon that is told to end while it repairs brings the repair to its end.
func TestEnd(t *testing.T) {
	// Fault F8.
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main")
		s.stop(t, "main")
		time.Sleep(10 * time.Second)
		s.world.Deliver()
		s.world.Inject(sim.Fault{Service: "cloudtrail", Op: "StartLogging", Delay: 5 * time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		if _, err := s.daemon.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		if !s.logging(t, "main") {
			t.Error("the trail is not logging")
		}
		if all := s.incidents(t); len(all) != 1 || all[0].Outcome != incident.Repaired {
			t.Errorf("the ledger holds %+v", all)
		}
	})
}
