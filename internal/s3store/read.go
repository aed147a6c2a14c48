package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/trailwarden/trailwarden/internal/archive"
)

const (
	patience = 30 * time.Second // in which a connection has to bring enough
	enough   = 16 << 10         // bytes; the end of an object is enough too
	attempts = 4                // connections in a row that do not bring enough
)

var (
	errSlow  = fmt.Errorf("S3 sent less than %d kB in %s", enough>>10, patience)
	errShort = errors.New("the connection ended before the object did")
)

// object is an object that is read. Where a connection fails or stalls, the next one goes on from there.
type object struct {
	bucket *bucket
	key    string
	ctx    context.Context

	part   *watched // what the connection brings; nil when there is none
	at     int64    // bytes that were read
	size   int64    // negative when unknown
	etag   string
	failed int // connections in a row
}

// answer is what S3 says of an object that it sends.
type answer struct {
	body     io.ReadCloser
	size     int64  // of the body; negative when unknown
	part     string // Content-Range
	etag     string
	metadata map[string]string
}

// Read implements archive.Store.
func (s *Store) Read(ctx context.Context, name, key string) (archive.Content, error) {
	o := &object{bucket: s.in(ctx, name), key: key, ctx: ctx, size: -1}
	got, err := o.open()
	if err != nil {
		return archive.Content{}, failed("read", o.bucket.name, o.key, err)
	}
	o.size, o.etag = got.size, got.etag
	return archive.Content{ReadCloser: o, Size: o.size, Metadata: got.metadata}, nil
}

// open asks for what was not read yet. Its error is final: the SDK asked again where that helps.
func (o *object) open() (answer, error) {
	w := watchOver(o.ctx, patience)
	got, ok := o.bucket.quick.get(w.ctx, o.key, o.at, o.etag)
	if !ok {
		w.end()
		w = watchOver(o.ctx, (attempts-1)*patience)
		var err error
		if got, err = o.bucket.get(w.ctx, o.key, o.at, o.etag); err != nil {
			w.end()
			return answer{}, w.cause(err)
		}
	}
	o.part = w.over(got.body)
	if o.at > 0 && !strings.HasPrefix(got.part, fmt.Sprintf("bytes %d-", o.at)) {
		return answer{}, errors.Join(fmt.Errorf("S3 does not go on at byte %d, but sends %q", o.at, got.part), o.Close())
	}
	return got, nil
}

// Read implements io.Reader.
func (o *object) Read(p []byte) (int, error) {
	for {
		if o.part == nil {
			if _, err := o.open(); err != nil {
				return 0, failed("read", o.bucket.name, o.key, err)
			}
		}
		n, err := o.part.Read(p)
		o.at += int64(n)
		if o.part.brought {
			o.failed = 0
		}
		switch {
		case err == nil:
			return n, nil
		case err == io.EOF && (o.size < 0 || o.at >= o.size):
			return n, io.EOF
		case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
			err = errShort
		}
		_ = o.Close() // it has failed already
		if o.failed++; o.failed == attempts || o.etag == "" || o.ctx.Err() != nil {
			return n, failed("read", o.bucket.name, o.key, err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// Close implements io.Closer.
func (o *object) Close() error {
	if o.part == nil {
		return nil
	}
	err := o.part.Close()
	o.part = nil
	return err
}

// get asks for an object from byte at on, by way of the SDK, which knows all that S3 can answer and asks
// again where that helps.
func (b *bucket) get(ctx context.Context, key string, at int64, etag string) (answer, error) {
	in := &s3.GetObjectInput{Bucket: &b.name, Key: &key}
	if at > 0 {
		in.Range, in.IfMatch = aws.String(fmt.Sprintf("bytes=%d-", at)), &etag
	}
	out, err := b.client.GetObject(ctx, in)
	if err != nil {
		return answer{}, err
	}
	got := answer{body: out.Body, size: -1, part: aws.ToString(out.ContentRange), etag: aws.ToString(out.ETag), metadata: map[string]string{}}
	if out.ContentLength != nil {
		got.size = *out.ContentLength
	}
	for name, value := range out.Metadata {
		got.metadata[strings.ToLower(name)] = value
	}
	return got, nil
}
