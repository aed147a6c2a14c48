// Package daemon is the guard as a process of its own: it takes records from an SQS queue, sweeps on a timer, sends
// what is to be told, and looks after itself. What it does is in steps that know nothing of goroutines (Receive and the duties), so that
// the simulation runs the same code in an order that one seed decides; Run is the rim that runs them side by side.
package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/logfile"
	"github.com/trailwarden/trailwarden/internal/source"
)

// Source is a queue of messages.
type Source interface {
	Receive(context.Context) ([]source.Message, error)
	Delete(context.Context, []source.Message) error
	Hide(context.Context, []source.Message, time.Duration) error
}

// Objects opens the log files that S3's notices name.
type Objects interface {
	Open(ctx context.Context, o source.Object) (io.ReadCloser, error)
}

// Daemon watches. Engine must have a ledger.
type Daemon struct {
	Engine  *engine.Engine
	Queue   Source  // nil: the sweep is all there is
	Objects Objects // nil: log files are not read
	Log     *slog.Logger
	Now     func() time.Time

	Sweep     time.Duration // time between two sweeps
	Hidden    time.Duration // how long a received message is hidden; it is hidden anew while it is worked on
	Pollers   int           // how many always receive; while the queue is long more do
	Heartbeat time.Duration // how often people are told that the guard lives; 0 for never
	Keep      time.Duration // how long what is well is kept in the ledger; 0 for ever
	Anchor    func(context.Context) error
	// Grace is how long work that was begun may go on after the daemon was told to end.
	Grace time.Duration

	changed  atomic.Pointer[engine.Engine] // in place of Engine, after the configuration was read again
	stats    Stats
	sweeping atomic.Int64 // when the last sweep that reached its end began, Unix nanoseconds
	started  time.Time
	helping  atomic.Int64 // how many receive because the queue is long
}

// Use goes on with another engine: the configuration was read again. Work that was begun is ended with the old one.
func (d *Daemon) Use(e *engine.Engine) { d.changed.Store(e) }

func (d *Daemon) engine() *engine.Engine {
	if e := d.changed.Load(); e != nil {
		return e
	}
	return d.Engine
}

// graceful is a context that outlives ctx by the daemon's grace.
func (d *Daemon) graceful(ctx context.Context) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if !pause(work, d.Grace) {
			return
		}
		cancel()
	})
	return work, func() { stop(); cancel() }
}

// enough is how often a notice whose log file cannot be read comes again: some twenty minutes.
const enough = 100

// release is how long a message whose work failed rests before it comes again.
const release = 10 * time.Second

// Receive takes messages once, handles them, and acknowledges those whose incidents are in the ledger. The others come again.
// It says how many it took.
func (d *Daemon) Receive(ctx context.Context) (taken int, err error) {
	messages, err := d.Queue.Receive(ctx)
	if err != nil || len(messages) == 0 {
		return 0, err
	}
	d.stats.Received.Add(int64(len(messages)))
	work, end := d.graceful(ctx)
	defer end()
	stop := d.hold(work, messages)
	done, again := d.handle(work, messages)
	if ctx.Err() != nil {
		d.engine().Settle(work) // told to end
	}
	stop()
	// Whatever ends this process, what is done is acknowledged and what is not is given back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	d.stats.Done.Add(int64(len(done)))
	d.stats.Released.Add(int64(len(again)))
	return len(messages), errors.Join(d.Queue.Delete(ctx, done), d.Queue.Hide(ctx, again, release))
}

// hold hides messages from others while they are worked on.
func (d *Daemon) hold(ctx context.Context, messages []source.Message) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(d.Hidden / 2):
			}
			if err := d.Queue.Hide(ctx, messages, d.Hidden); err != nil && ctx.Err() == nil {
				d.Log.Warn("messages may come again while they are worked on", "error", err.Error())
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// handle works on messages and says which are done.
func (d *Daemon) handle(ctx context.Context, messages []source.Message) (done, again []source.Message) {
	var records []source.Message
	for _, m := range messages {
		objects, isNotice := source.Notice([]byte(m.Body))
		switch {
		case !isNotice:
			records = append(records, m)
		case d.notice(ctx, m, objects):
			done = append(done, m)
		default:
			again = append(again, m)
		}
	}
	if len(records) == 0 {
		return done, again
	}
	failed := d.take(d.engine().Handle(ctx, batch(records)), records)
	for _, m := range records {
		if failed[m.ID] {
			again = append(again, m)
		} else {
			done = append(done, m)
		}
	}
	return done, again
}

// take asks for what failed to be tried again, and says which messages have to come again for that: those whose incidents
// are not in the ledger.
func (d *Daemon) take(report engine.Report, messages []source.Message) (failed map[string]bool) {
	failed = make(map[string]bool)
	d.stats.count(report)
	for _, f := range report.Failures {
		if f.Kept {
			d.engine().Retry(f.Trail)
			continue
		}
		d.Log.Error("messages come again", "error", f.Error(), "messages", len(f.Messages))
		for _, id := range f.Messages {
			failed[id] = true
		}
		if len(f.Messages) == 0 { // it cannot be told whose failure it is
			for _, m := range messages {
				failed[m.ID] = true
			}
		}
	}
	for _, b := range report.Bad {
		failed[b.MessageID] = true
	}
	return failed
}

// batch is messages as Lambda would hand them over.
func batch(messages []source.Message) []byte {
	type record struct {
		MessageID   string `json:"messageId"`
		Body        string `json:"body"`
		EventSource string `json:"eventSource"`
	}
	var b struct{ Records []record }
	for _, m := range messages {
		b.Records = append(b.Records, record{m.ID, m.Body, "aws:sqs"})
	}
	out, err := json.Marshal(b)
	if err != nil {
		return nil // texts can always be marshalled
	}
	return out
}

// notice reads the log files that a notice names, and handles what is in them.
func (d *Daemon) notice(ctx context.Context, m source.Message, objects []source.Object) bool {
	for _, o := range objects {
		if name, isLog := logfile.ParseName(o.Key); !isLog || name.Digest || name.Insight {
			continue
		}
		if err := d.file(ctx, m, o); err != nil {
			d.Log.Error("a log file could not be read", "bucket", o.Bucket, "key", o.Key, "received", m.Receives, "error", err.Error())
			// A notice may name anything, and one that names nothing would come for ever.
			return m.Receives >= enough && d.engine().Quarantine(ctx, []byte(m.Body), "the log file that it names cannot be read: "+err.Error(), m.ID)
		}
	}
	return true
}

func (d *Daemon) file(ctx context.Context, m source.Message, o source.Object) error {
	if d.Objects == nil {
		return errors.New("log files are not read: the daemon has no access to S3")
	}
	body, err := d.Objects.Open(ctx, o)
	if err != nil {
		return err
	}
	defer body.Close()
	// Whoever can write to the bucket chooses how large the file is: its records are handled as they come.
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	records := []event.Record{}
	handle := func() {
		if failed := d.take(d.engine().Records(ctx, records), []source.Message{m}); failed[m.ID] {
			stop(errUnhandled)
		}
		records = nil
	}
	var reader logfile.Reader
	summary, err := reader.Read(reading, body, o.Size, logfile.Filter{Source: "cloudtrail.amazonaws.com"}, func(r event.Record) {
		r.Carrier.MessageID = m.ID
		if records = append(records, r); len(records) == atOnce && reading.Err() == nil {
			handle()
		}
	})
	if len(records) > 0 && reading.Err() == nil {
		handle() // what stands before damage too
	}
	if err != nil || reading.Err() != nil {
		return cmp.Or(context.Cause(reading), err)
	}
	for _, f := range summary.Faults {
		if f.Kind == logfile.Unreadable {
			return fmt.Errorf("read s3://%s/%s: %w", o.Bucket, o.Key, f)
		}
		d.Log.Warn("a log file is not as CloudTrail writes them", "bucket", o.Bucket, "key", o.Key, "kind", f.Kind, "where", f.Where, "text", f.Text)
	}
	return nil
}

// atOnce is how many records of a file are handled at the same time.
const atOnce = 1000

var errUnhandled = errors.New("some of its records could not be handled")

// sweep looks at every trail.
func (d *Daemon) sweep(ctx context.Context) error {
	begin := d.Now()
	report := d.engine().Sweep(ctx)
	d.stats.count(report)
	for _, f := range report.Failures {
		if f.Kept {
			d.engine().Retry(f.Trail)
		}
	}
	d.sweeping.Store(begin.UnixNano())
	d.stats.Sweeps.Add(1)
	d.stats.SweepTime.Store(int64(d.Now().Sub(begin)))
	return report.Err()
}

// Healthy says why the daemon is not: nil when its sweep keeps its time.
func (d *Daemon) Healthy() error {
	last := time.Unix(0, d.sweeping.Load())
	if d.sweeping.Load() == 0 {
		last = d.started
	}
	if late := d.Now().Sub(last); late > 3*d.Sweep+time.Minute {
		return fmt.Errorf("no sweep has reached its end for %s", late.Round(time.Second))
	}
	return nil
}

// heartbeat tells that the guard lives.
func (d *Daemon) heartbeat(ctx context.Context) error {
	return d.engine().Heartbeat(ctx, d.Heartbeat)
}
