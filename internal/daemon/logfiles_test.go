package daemon

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trailwarden/trailwarden/internal/s3store"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/source"
)

// logBucket opens log files as the program does.
type logBucket struct{ *s3store.Store }

func (b logBucket) Open(ctx context.Context, o source.Object) (io.ReadCloser, error) {
	content, err := b.Read(ctx, o.Bucket, o.Key)
	if err != nil {
		return nil, err
	}
	return content, nil
}

const logKey = "team a/AWSLogs/111122223333/CloudTrail/eu-central-1/2026/11/23/111122223333_CloudTrail_eu-central-1_20261123T1205Z_x1y2z3a4b5c6d7e8.json.gz"

// blindBus is a stage on which S3's notices are all that the daemon hears of.
func blindBus(t *testing.T) *stage {
	s := newStage(t, "main")
	s.world.BreakBus(true)
	s.daemon.Sweep = time.Hour
	s.daemon.Objects = logBucket{&s3store.Store{Config: s.ours}}
	return s
}

// stopRecord is what CloudTrail writes of mallory's call.
func (s *stage) stopRecord() string {
	return `{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/mallory","accountId":"111122223333"},` +
		`"eventTime":"` + s.world.Now().UTC().Format(time.RFC3339) + `","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging",` +
		`"awsRegion":"eu-central-1","sourceIPAddress":"203.0.113.9","requestParameters":{"name":"main"},"eventID":"e1","recipientAccountId":"111122223333"}`
}

// put writes an object into the log bucket.
func (s *stage) put(t *testing.T, key string, data []byte) {
	t.Helper()
	store := s3store.Store{Config: s.ours}
	if err := store.Write(t.Context(), "main-audit-logs", key, "application/json", data); err != nil {
		t.Fatal(err)
	}
}

// notice is what S3 sends of a new object.
func (s *stage) notice(t *testing.T, key string) {
	t.Helper()
	s.send(t, fmt.Sprintf(`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"main-audit-logs"},"object":{"key":%q,"size":900}}}]}`,
		url.QueryEscape(key)))
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestLogFilesOfS3: a log file in the bucket, S3's notice in the queue, and the trail that it tells of is repaired; whatever
// else is noticed keeps nobody from it, and is acknowledged when another try would find the same.
func TestLogFilesOfS3(t *testing.T) {
	for _, c := range []struct {
		name  string
		also  func(t *testing.T, s *stage) // before the good one
		waits int                          // messages that come again
	}{
		{name: "alone"},
		{name: "one that is not there", waits: 1, also: func(t *testing.T, s *stage) { s.notice(t, strings.ReplaceAll(logKey, "x1y2", "gone")) }},
		{name: "one that S3 does not give", waits: 1, also: func(t *testing.T, s *stage) {
			key := strings.ReplaceAll(logKey, "x1y2", "deny")
			s.put(t, key, zipped(t, `{"Records":[]}`))
			s.world.Inject(sim.Fault{Service: "s3", Op: "GetObject", Code: "AccessDenied", Times: 2})
			s.notice(t, key)
		}},
		{name: "one that is damaged", also: func(t *testing.T, s *stage) {
			key, data := strings.ReplaceAll(logKey, "x1y2", "torn"), zipped(t, strings.Repeat(`{"Records":[]}`, 1000))
			s.put(t, key, data[:len(data)-12])
			s.notice(t, key)
		}},
		{name: "one that is called a log file and is none", also: func(t *testing.T, s *stage) {
			key := strings.ReplaceAll(logKey, "x1y2", "none")
			s.put(t, key, []byte("\x1b]0;owned\x07 GIF89a"))
			s.notice(t, key)
		}},
		{name: "what is called otherwise, of any size", also: func(t *testing.T, s *stage) {
			s.put(t, "huge.iso", bytes.Repeat([]byte("x"), 1<<20))
			s.notice(t, "huge.iso")
			s.notice(t, "AWSLogs/111122223333/CloudTrail-Digest/eu-central-1/2026/11/23/111122223333_CloudTrail-Digest_eu-central-1_main_eu-central-1_20261123T120000Z.json.gz")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := blindBus(t)
				s.stop(t, "main")
				if c.also != nil {
					c.also(t, s)
				}
				s.put(t, logKey, zipped(t, `{"Records":[`+s.stopRecord()+`]}`))
				s.notice(t, logKey)
				if _, err := s.daemon.Receive(t.Context()); err != nil {
					t.Fatal(err)
				}
				if !s.logging(t, "main") {
					t.Error("the trail is not logging")
				}
				if all := s.incidents(t); len(all) != 1 || all[0].Actor == nil || all[0].Actor.SourceIP != "203.0.113.9" {
					t.Errorf("the ledger holds %+v", all)
				}
				if n := s.waiting(t); n != c.waits {
					t.Errorf("%d messages wait in the queue, want %d", n, c.waits)
				}
			})
		})
	}
}

// TestLogFileComesLater: a log file that could not be read is read when it can be.
func TestLogFileComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := blindBus(t)
		s.stop(t, "main")
		s.notice(t, logKey)
		if _, err := s.daemon.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.put(t, logKey, zipped(t, `{"Records":[`+s.stopRecord()+`]}`))
		s.run(t, time.Minute)
		if !s.logging(t, "main") || s.waiting(t) != 0 {
			t.Errorf("logging is %t, %d messages wait", s.logging(t, "main"), s.waiting(t))
		}
	})
}

// endless is a log file that goes on until done.
type endless struct {
	begin io.Reader
	more  string
	done  func() bool
	bytes int
}

func (e *endless) Open(context.Context, source.Object) (io.ReadCloser, error) {
	return io.NopCloser(e), nil
}

func (e *endless) Read(p []byte) (int, error) {
	if n, err := e.begin.Read(p); err == nil {
		return n, nil
	}
	if e.bytes > 256<<20 || e.done() {
		return 0, io.EOF
	}
	e.begin = strings.NewReader(strings.Repeat(e.more, 500))
	e.bytes += 500 * len(e.more)
	return e.begin.Read(p)
}

// TestEndlessLogFile: of a log file without an end the records are handled as they come: none is kept until the end.
func TestEndlessLogFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := blindBus(t)
		s.stop(t, "main")
		quiet := strings.Replace(strings.Replace(s.stopRecord(), "StopLogging", "LookupEvents", 1), "e1", "e2", 1)
		file := &endless{begin: strings.NewReader(`{"Records":[` + s.stopRecord()), more: "," + quiet, done: func() bool { return s.logging(t, "main") }}
		s.daemon.Objects = file
		s.notice(t, logKey)
		if _, err := s.daemon.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !s.logging(t, "main") || file.bytes > 64<<20 {
			t.Errorf("logging is %t after %d bytes", s.logging(t, "main"), file.bytes)
		}
	})
}
