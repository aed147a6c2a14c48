package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Ranges is a Store that also reads pieces of objects.
type Ranges interface {
	// ReadRange opens the bytes [from, to) of an object; fewer, if it ends before. Its error is ErrChanged
	// when etag is not "" and not that of the object.
	ReadRange(ctx context.Context, bucket, key, etag string, from, to int64) (Range, error)
}

// Range is a piece of an object that is read.
type Range struct {
	io.ReadCloser
	ETag  string
	Total int64 // bytes of the whole object
}

// ErrChanged is returned when an object is replaced while it is read.
var ErrChanged = errors.New("the object was replaced while it was read")

// Ahead is room for pieces of large objects that are fetched before their turn. All objects that are read
// at the same time share it, so that memory stays bounded.
type Ahead struct {
	piece   int64
	buffers chan []byte // a token for each piece; nil until it was used once
}

// NewAhead makes room for a number of pieces of so many bytes.
func NewAhead(pieces, size int) *Ahead {
	a := &Ahead{piece: int64(size), buffers: make(chan []byte, pieces)}
	for range pieces {
		a.buffers <- nil
	}
	return a
}

const tries = 3 // of one piece, when the line breaks in the middle of it

// pieces reads an object piece by piece: the one whose turn it is as it comes, those behind it ahead.
type pieces struct {
	ctx         context.Context
	cancel      context.CancelFunc
	store       Ranges
	bucket, key string
	etag        string
	size        int64
	ahead       *Ahead

	now  *stream  // the piece whose turn it is, when nobody fetched it ahead
	have []byte   // what is left of one that was
	buf  []byte   // the buffer of have, to be given back
	next int64    // where the next piece begins that nobody fetches yet
	come []*piece // pieces that are fetched ahead, in order
	err  error    // no byte follows one that could not be read
}

type piece struct {
	buf  []byte
	err  error
	done chan struct{}
}

// openPieces asks for the first piece: its answer tells the object's size and version.
func openPieces(ctx context.Context, store Ranges, bucket, key string, ahead *Ahead) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &pieces{ctx: ctx, cancel: cancel, store: store, bucket: bucket, key: key, ahead: ahead, next: ahead.piece}
	first, err := store.ReadRange(ctx, bucket, key, "", 0, ahead.piece)
	if err != nil {
		cancel()
		return nil, err
	}
	p.etag, p.size = first.ETag, first.Total
	p.now = &stream{p: p, body: first.ReadCloser, to: min(ahead.piece, p.size)}
	return p, nil
}

// Read implements io.Reader.
func (p *pieces) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.read(b)
	p.err = err
	return n, err
}

func (p *pieces) read(b []byte) (int, error) {
	for {
		p.fetch()
		switch {
		case p.now != nil:
			n, err := p.now.Read(b)
			if err != io.EOF {
				return n, err
			}
			if err := p.now.Close(); err != nil {
				return n, err
			}
			if p.now = nil; n > 0 {
				return n, nil
			}
		case len(p.have) > 0:
			n := copy(b, p.have)
			if p.have = p.have[n:]; len(p.have) == 0 {
				p.ahead.buffers <- p.buf
				p.buf = nil
			}
			return n, nil
		case len(p.come) > 0:
			first := p.come[0]
			<-first.done
			p.come = p.come[1:]
			if first.err != nil {
				p.ahead.buffers <- first.buf
				return 0, first.err
			}
			p.have, p.buf = first.buf, first.buf
		case p.next >= p.size:
			return 0, io.EOF
		default: // no room to fetch anything ahead: as it comes, then
			p.now = &stream{p: p, from: p.next, to: min(p.next+p.ahead.piece, p.size)}
			p.next = p.now.to
		}
	}
}

// fetch begins to fetch pieces ahead, as long as there is room.
func (p *pieces) fetch() {
	for p.next < p.size {
		var buf []byte
		select {
		case buf = <-p.ahead.buffers:
		default:
			return
		}
		from, to := p.next, min(p.next+p.ahead.piece, p.size)
		p.next = to
		if buf == nil {
			buf = make([]byte, p.ahead.piece)
		}
		one := &piece{buf: buf[:to-from], done: make(chan struct{})}
		p.come = append(p.come, one)
		go func() {
			defer close(one.done)
			s := &stream{p: p, from: from, to: to}
			_, err := io.ReadFull(s, one.buf)
			one.err = errors.Join(err, s.Close())
		}()
	}
}

// Close implements io.Closer. It ends what is still fetched.
func (p *pieces) Close() error {
	p.cancel()
	for _, one := range p.come {
		<-one.done
		p.ahead.buffers <- one.buf
	}
	p.come = nil
	if p.buf != nil {
		p.ahead.buffers <- p.buf
		p.have, p.buf = nil, nil
	}
	if p.now != nil {
		err := p.now.Close()
		p.now = nil
		return err
	}
	return nil
}

// stream reads a piece as it comes, and asks again for the rest of it when the line breaks.
type stream struct {
	p        *pieces
	body     io.ReadCloser // nil before the first request, and after a break
	from, to int64
	failed   int
}

func (s *stream) Read(b []byte) (int, error) {
	for s.from < s.to {
		if s.body == nil {
			r, err := s.p.store.ReadRange(s.p.ctx, s.p.bucket, s.p.key, s.p.etag, s.from, s.to)
			if err != nil {
				return 0, err
			}
			s.body = r.ReadCloser
		}
		n, err := s.body.Read(b[:min(int64(len(b)), s.to-s.from)])
		s.from += int64(n)
		if err == nil || s.from == s.to {
			return n, nil
		}
		_ = s.body.Close() // it failed already
		s.body = nil
		if s.failed++; s.failed == tries || s.p.ctx.Err() != nil {
			return n, fmt.Errorf("read %s from byte %d: %w", s.p.key, s.from, noEnd(err))
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

// noEnd makes an error of an end that comes too early.
func noEnd(err error) error {
	if err == io.EOF {
		return errors.New("the answer ends too early")
	}
	return err
}

func (s *stream) Close() error {
	if s.body == nil {
		return nil
	}
	err := s.body.Close()
	s.body = nil
	return err
}
