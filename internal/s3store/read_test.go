package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/trailwarden/trailwarden/internal/archive"
)

// line is S3 behind a bad line: each request for the object is answered by the next of its answers, the last of
// them again and again.
type line struct {
	answers []func(*http.Request) (*http.Response, error)
	asked   int
}

func (l *line) Do(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Has("location") {
		return says(200, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-central-1</LocationConstraint>`)(r)
	}
	answer := l.answers[min(l.asked, len(l.answers)-1)]
	l.asked++
	return answer(r)
}

var text = bytes.Repeat([]byte("0123456789abcdef"), 8<<10) // 128 kB

// says is an answer with a small body.
func says(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
	}
}

func fails(status int, code string) func(*http.Request) (*http.Response, error) {
	return says(status, "<Error><Code>"+code+"</Code><Message>no</Message></Error>")
}

// sends is an answer with the object, or with what is asked of it; through is how it comes.
func sends(through func(ctx context.Context, body io.Reader) io.Reader) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		from, to := 0, len(text)
		res := &http.Response{StatusCode: 200, Header: http.Header{"Etag": {`"one"`}, "X-Amz-Meta-Signature": {"abc"}}, Request: r}
		if ask := r.Header.Get("Range"); ask != "" {
			if _, err := fmt.Sscanf(ask, "bytes=%d-", &from); err != nil {
				return nil, err
			}
			if last := 0; strings.Count(ask, "-") == 1 && !strings.HasSuffix(ask, "-") {
				if _, err := fmt.Sscanf(ask, "bytes=%d-%d", &from, &last); err != nil {
					return nil, err
				}
				to = min(to, last+1)
			}
			if match := r.Header.Get("If-Match"); match != `"one"` && (match != "" || from > 0) {
				return fails(412, "PreconditionFailed")(r)
			}
			res.StatusCode = 206
			res.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(text)))
		}
		res.ContentLength = int64(to - from)
		res.Header.Set("Content-Length", strconv.Itoa(to-from))
		res.Body = io.NopCloser(through(r.Context(), bytes.NewReader(text[from:to])))
		return res, nil
	}
}

// drip gives a body in pieces, one after each pause, and then, where there is an end, fails there; err nil: it stalls.
type drip struct {
	ctx   context.Context
	body  io.Reader
	piece int
	pause time.Duration
	end   int // bytes after which it fails; 0: never
	err   error
}

func (d *drip) Read(p []byte) (int, error) {
	if d.end < 0 {
		if d.err != nil {
			return 0, d.err
		}
		<-d.ctx.Done()
		return 0, context.Cause(d.ctx)
	}
	select {
	case <-time.After(d.pause):
	case <-d.ctx.Done():
		return 0, context.Cause(d.ctx)
	}
	p = p[:min(len(p), d.piece)]
	if d.end > 0 {
		p = p[:min(len(p), d.end)]
		if d.end -= len(p); d.end == 0 {
			d.end = -1
		}
	}
	return d.body.Read(p)
}

func whole(_ context.Context, body io.Reader) io.Reader { return body }

func dripping(piece int, pause time.Duration) func(context.Context, io.Reader) io.Reader {
	return func(ctx context.Context, body io.Reader) io.Reader {
		return &drip{ctx: ctx, body: body, piece: piece, pause: pause}
	}
}

func breaking(at int, err error) func(context.Context, io.Reader) io.Reader {
	return func(ctx context.Context, body io.Reader) io.Reader {
		return &drip{ctx: ctx, body: body, piece: 4 << 10, end: at, err: err}
	}
}

// silent never answers. The transport gives up before long.
func silent(r *http.Request) (*http.Response, error) {
	select {
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	case <-time.After(headerTimeout):
		return nil, errors.New("timeout awaiting response headers")
	}
}

func storeOver(l *line) *Store {
	return &Store{Config: aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("x", "x", ""),
		HTTPClient: l, Retryer: retryer}}
}

// TestRead: whatever S3 and the line do, an object is read as it is, or it is said why not, and soon.
func TestRead(t *testing.T) {
	reset := errors.New("connection reset by peer")
	type answers = []func(*http.Request) (*http.Response, error)
	for _, c := range []struct {
		name    string
		answers answers
		want    string // in the error; "" for the whole object
		is      error
		within  time.Duration
	}{
		{name: "well", answers: answers{sends(whole)}},
		{name: "403", answers: answers{fails(403, "AccessDenied")}, want: "AccessDenied"},
		{name: "404", answers: answers{fails(404, "NoSuchKey")}, want: "not exist", is: fs.ErrNotExist},
		{name: "503 at first", answers: answers{fails(503, "SlowDown"), fails(503, "SlowDown"), fails(503, "SlowDown"), sends(whole)}, within: time.Minute},
		{name: "503 always", answers: answers{fails(503, "SlowDown")}, want: "SlowDown", within: 2 * time.Minute},
		{name: "moved elsewhere", answers: answers{fails(301, "PermanentRedirect")}, want: "PermanentRedirect"},
		{name: "no answer at first", answers: answers{silent, sends(whole)}, within: time.Minute},
		{name: "never an answer", answers: answers{silent}, want: "S3 sent less than", within: 3 * time.Minute},
		{name: "reset", answers: answers{sends(breaking(50_000, reset)), sends(whole)}, within: time.Second},
		{name: "reset in each answer", answers: answers{sends(breaking(50_000, reset))}, within: time.Second},
		{name: "reset before the first byte", answers: answers{sends(breaking(-1, reset)), sends(whole)}},
		{name: "reset at the same byte", answers: answers{sends(breaking(50_000, reset)), sends(breaking(-1, reset))}, want: "connection reset"},
		{name: "ends too early", answers: answers{sends(breaking(50_000, io.ErrUnexpectedEOF)), sends(whole)}},
		{name: "ends too early always", answers: answers{sends(breaking(50_000, io.EOF)), sends(breaking(-1, io.EOF))}, want: "ended before the object did"},
		{name: "stalls once", answers: answers{sends(breaking(50_000, nil)), sends(whole)}, within: time.Minute},
		{name: "stalls at the same byte", answers: answers{sends(breaking(50_000, nil)), sends(breaking(-1, nil))}, want: "S3 sent less than", within: 5 * time.Minute},
		{name: "a byte in ten seconds", answers: answers{sends(dripping(1, 10*time.Second))}, want: "S3 sent less than", within: 5 * time.Minute},
		{name: "slow, and steady", answers: answers{sends(dripping(1<<10, time.Second)), fails(403, "AccessDenied")}, within: 3 * time.Minute},
		{name: "replaced while it is read", answers: answers{sends(breaking(50_000, reset)), fails(412, "PreconditionFailed")}, want: "replaced", is: archive.ErrChanged},
		{name: "no ranges", answers: answers{sends(breaking(50_000, reset)), func(r *http.Request) (*http.Response, error) {
			r.Header.Del("Range")
			return sends(whole)(r)
		}}, want: "does not go on at byte 50000"},
		{name: "denied in the middle", answers: answers{sends(breaking(50_000, reset)), fails(403, "AccessDenied")}, want: "AccessDenied"},
	} {
		for _, way := range []string{"quick", "SDK"} {
			t.Run(c.name+" "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := storeOver(&line{answers: c.answers})
					if b := s.in(t.Context(), "logs"); way == "SDK" {
						b.quick = nil
					} else if b.quick == nil {
						t.Fatal("the bucket is asked by way of the SDK")
					}
					began := time.Now()
					got, signature, err := read(t.Context(), s)
					took := time.Since(began)
					switch {
					case c.want == "" && (err != nil || !bytes.Equal(got, text) || signature != "abc"):
						t.Errorf("%d bytes, signature %q, %v", len(got), signature, err)
					case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "s3://logs/a b/é")):
						t.Errorf("%v, want %q", err, c.want)
					case c.is != nil && !errors.Is(err, c.is):
						t.Errorf("%v is not %v", err, c.is)
					case !bytes.HasPrefix(text, got):
						t.Error("it gave bytes that the object does not have")
					case took > max(c.within, 10*time.Second):
						t.Errorf("it took %s", took)
					}
				})
			})
		}
	}
}

func read(ctx context.Context, s *Store) ([]byte, string, error) {
	c, err := s.Read(ctx, "logs", "a b/é")
	if err != nil {
		return nil, "", err
	}
	defer c.Close()
	got, err := io.ReadAll(c)
	return got, c.Metadata["signature"], err
}

// TestReadPause: a reader that is busy elsewhere is not a line that stalls.
func TestReadPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storeOver(&line{answers: []func(*http.Request) (*http.Response, error){sends(whole), fails(403, "AccessDenied")}})
		c, err := s.Read(t.Context(), "logs", "x")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var got bytes.Buffer
		for err == nil {
			time.Sleep(5 * time.Minute)
			_, err = io.CopyN(&got, c, 8<<10)
		}
		if err != io.EOF || !bytes.Equal(got.Bytes(), text) {
			t.Errorf("%d bytes, %v", got.Len(), err)
		}
	})
}

// TestReadRange: an object that is read in pieces waits for a line that stalls no longer than one that is read whole.
func TestReadRange(t *testing.T) {
	reset := errors.New("connection reset by peer")
	type answers = []func(*http.Request) (*http.Response, error)
	for _, c := range []struct {
		name    string
		answers answers
		want    string // in the error; "" for the whole object
		within  time.Duration
	}{
		{name: "well", answers: answers{sends(whole)}},
		{name: "404", answers: answers{fails(404, "NoSuchKey")}, want: "not exist"},
		{name: "503 at first", answers: answers{fails(503, "SlowDown"), sends(whole)}, within: time.Minute},
		{name: "never an answer", answers: answers{silent}, want: "S3 sent less than", within: 2 * time.Minute},
		{name: "reset", answers: answers{sends(breaking(9_000, reset)), sends(whole)}},
		{name: "stalls once", answers: answers{sends(breaking(9_000, nil)), sends(whole)}, within: time.Minute},
		{name: "stalls always", answers: answers{sends(breaking(9_000, nil)), sends(breaking(-1, nil))}, want: "S3 sent less than", within: 5 * time.Minute},
		{name: "a byte in ten seconds", answers: answers{sends(dripping(1, 10*time.Second))}, want: "S3 sent less than", within: 5 * time.Minute},
		{name: "slow, and steady", answers: answers{sends(dripping(1<<10, time.Second))}, within: 3 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from := archive.Bucket{Store: storeOver(&line{answers: c.answers}), Name: "logs", Ahead: archive.NewAhead(0, 32<<10)}
				began := time.Now()
				got, err := readFile(t.Context(), from, archive.Object{Key: "a.json", Size: int64(len(text))})
				switch took := time.Since(began); {
				case c.want == "" && (err != nil || !bytes.Equal(got, text)):
					t.Errorf("%d bytes, %v", len(got), err)
				case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
					t.Errorf("%v, want %q", err, c.want)
				case took > max(c.within, 10*time.Second):
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func readFile(ctx context.Context, from archive.Bucket, o archive.Object) (got []byte, err error) {
	err = archive.Objects{Bucket: from, List: []archive.Object{o}}.Files(ctx, func(f archive.File) error {
		r, err := f.Open(ctx)
		if err != nil {
			return err
		}
		defer r.Close()
		got, err = io.ReadAll(r)
		return err
	}, nil)
	return got, err
}

// TestReadEnds: who asked gives up, and it ends at once.
func TestReadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, answer := range map[string]func(*http.Request) (*http.Response, error){"no answer": silent, "stalls": sends(breaking(50_000, nil))} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			began := time.Now()
			_, _, err := read(ctx, storeOver(&line{answers: []func(*http.Request) (*http.Response, error){answer}}))
			if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) || time.Since(began) > 2*time.Second {
				t.Errorf("%s: %v after %s", name, err, time.Since(began))
			}
			cancel()
		}
	})
}
