package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// shelf is a Store in memory whose answers break off, and whose objects can be replaced.
type shelf struct {
	mu      sync.Mutex
	objects map[string][]byte
	etag    string
	breaks  int // answers that end before their end
	most    int // requests at the same time
	now     int
}

func (s *shelf) List(_ context.Context, _, prefix string, yield func(Object) error) error {
	for key, data := range s.objects {
		if strings.HasPrefix(key, prefix) {
			if err := yield(Object{key, int64(len(data))}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shelf) Read(_ context.Context, _, key string) (Content, error) {
	data, ok := s.objects[key]
	if !ok {
		return Content{}, fs.ErrNotExist
	}
	return Content{ReadCloser: io.NopCloser(bytes.NewReader(data)), Size: int64(len(data))}, nil
}

func (s *shelf) ReadRange(ctx context.Context, _, key, etag string, from, to int64) (Range, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.objects[key]
	switch {
	case ctx.Err() != nil:
		return Range{}, ctx.Err()
	case !ok:
		return Range{}, fs.ErrNotExist
	case etag != "" && etag != s.etag:
		return Range{}, ErrChanged
	}
	s.now++
	s.most = max(s.most, s.now)
	part := io.Reader(bytes.NewReader(data[from:min(to, int64(len(data)))]))
	if s.breaks > 0 && to-from > 1 {
		s.breaks--
		part = io.MultiReader(io.LimitReader(part, (to-from)/2), iotest.ErrReader(errors.New("connection reset")))
	}
	return Range{ReadCloser: closing{part, func() { s.mu.Lock(); s.now--; s.mu.Unlock() }}, ETag: s.etag, Total: int64(len(data))}, nil
}

type closing struct {
	io.Reader
	done func()
}

func (c closing) Close() error { c.done(); return nil }

// TestPieces: an object that is read in pieces is the object, whatever the sizes, however often the line breaks,
// and however many objects share the room for what is fetched ahead.
func TestPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 5000).Draw(t, "size")
		want := make([]byte, size)
		random := rand.New(rand.NewPCG(1, uint64(size)))
		for i := range want {
			want[i] = byte(random.Uint32())
		}
		room := rapid.IntRange(0, 5).Draw(t, "pieces ahead")
		ahead := NewAhead(room, rapid.IntRange(1, 700).Draw(t, "size of a piece"))
		s := &shelf{objects: map[string][]byte{"k": want}, etag: "v1", breaks: rapid.IntRange(0, 2).Draw(t, "breaks")}
		var readers sync.WaitGroup
		for range rapid.IntRange(1, 3).Draw(t, "readers") {
			readers.Go(func() {
				r, err := openPieces(context.Background(), s, "b", "k", ahead)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(r)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d of %d bytes are right: %v", len(got), len(want), err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		readers.Wait()
		if len(ahead.buffers) != room || s.now != 0 {
			t.Fatalf("%d of %d buffers came back, %d requests are open", len(ahead.buffers), room, s.now)
		}
	})
}

// TestPiecesEnd: what cannot be read is an error, and gives all room back.
func TestPiecesEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*shelf, context.CancelFunc)
		want string
	}{
		{"replaced", func(s *shelf, _ context.CancelFunc) { s.etag = "v2" }, ErrChanged.Error()},
		{"breaks too often", func(s *shelf, _ context.CancelFunc) { s.breaks = 1000 }, "connection reset"},
		{"gone", func(s *shelf, _ context.CancelFunc) { s.objects = nil }, fs.ErrNotExist.Error()},
		{"interrupted", func(_ *shelf, cancel context.CancelFunc) { cancel() }, context.Canceled.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := &shelf{objects: map[string][]byte{"k": bytes.Repeat([]byte("0123456789"), 100)}, etag: "v1"}
			ahead := NewAhead(2, 100)
			r, err := openPieces(ctx, s, "b", "k", ahead)
			if err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			c.do(s, cancel)
			s.mu.Unlock()
			_, err = io.ReadAll(r)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if _, again := r.Read(make([]byte, 1)); again == nil {
				t.Error("bytes follow ones that could not be read")
			}
			_ = r.Close()
			if len(ahead.buffers) != 2 {
				t.Errorf("%d of 2 buffers came back", len(ahead.buffers))
			}
		})
	}
}

// TestReplaced: a log file that is replaced while it is read is named.
func TestReplaced(t *testing.T) {
	text := []byte(logText(call("s", "StopLogging", noon)) + strings.Repeat(" ", 10_000))
	s := &shelf{objects: map[string][]byte{"a.json": text}, etag: "v1"}
	from := Bucket{Store: replacing{s}, Name: "logs", Ahead: NewAhead(1, 1000)}
	got := scanned(t, from)
	if len(got.Damaged) != 1 || got.Damaged[0].File != "s3://logs/a.json" || !strings.Contains(got.Damaged[0].Faults[0].Text, "replaced") {
		t.Errorf("%+v", got.Damaged)
	}
}

// replacing replaces the object behind the first piece.
type replacing struct{ *shelf }

func (r replacing) ReadRange(ctx context.Context, bucket, key, etag string, from, to int64) (Range, error) {
	out, err := r.shelf.ReadRange(ctx, bucket, key, etag, from, to)
	r.mu.Lock()
	r.etag = "v2"
	r.mu.Unlock()
	return out, err
}
