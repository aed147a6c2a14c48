// Package s3store is S3 as the archives' Store, for everybody who reads them: the command line, and the
// scanner that runs as a Lambda function.
package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/cloud/chain"
)

// Store reads S3, and writes small objects. Each bucket is asked in its own Region. A Store of a Config is ready; Open makes one
// that is patient.
type Store struct {
	Config aws.Config

	mu      sync.Mutex
	buckets map[string]*bucket
}

// bucket is one in its Region.
type bucket struct {
	name   string
	client *s3.Client
	quick  *quick // nil when only the SDK can ask
}

const headerTimeout = 30 * time.Second // for the beginning of an answer

// Open uses the whole AWS credential chain. What S3 answers with "slow down" is asked again, more slowly.
// connections is how many requests are made at the same time.
func Open(ctx context.Context, o cloud.Options, connections int) (*Store, error) {
	cfg, err := chain.Load(ctx, o)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	cfg.Retryer = retryer
	if client, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		// No limit for a whole answer: a log file may be large and the line slow.
		cfg.HTTPClient = client.WithTimeout(0).WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, connections
			t.ResponseHeaderTimeout = headerTimeout
		})
	}
	return &Store{Config: cfg}, nil
}

func retryer() aws.Retryer {
	return retry.NewStandard(func(s *retry.StandardOptions) { s.MaxAttempts = 6 })
}

// in is a bucket, in its Region.
func (s *Store) in(ctx context.Context, name string) *bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[name]; b != nil {
		return b
	}
	if s.buckets == nil {
		s.buckets = map[string]*bucket{}
	}
	options := func(o *s3.Options) {
		o.UsePathStyle = s.Config.BaseEndpoint != nil
		o.DisableLogOutputChecksumValidationSkipped = true // files are hashed where it matters
	}
	c := s3.NewFromConfig(s.Config, options)
	// Who may not ask where the bucket is goes on with the Region that was configured.
	if where, err := c.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &name}); err == nil {
		cfg := s.Config.Copy()
		cfg.Region = string(where.LocationConstraint)
		switch cfg.Region {
		case "":
			cfg.Region = "us-east-1"
		case "EU": // as it was called in 2007
			cfg.Region = "eu-west-1"
		}
		c = s3.NewFromConfig(cfg, options)
	}
	b := &bucket{name: name, client: c, quick: newQuick(ctx, c, name)}
	s.buckets[name] = b
	return b
}

// List implements archive.Store.
func (s *Store) List(ctx context.Context, bucket, prefix string, yield func(archive.Object) error) error {
	pages := s3.NewListObjectsV2Paginator(s.in(ctx, bucket).client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list s3://%s/%s: %w", bucket, prefix, err)
		}
		for _, o := range page.Contents {
			if err := yield(archive.Object{Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// ReadRange implements archive.Ranges. A connection that does not bring enough ends with an error, after which the
// rest of the piece is asked for again.
func (s *Store) ReadRange(ctx context.Context, bucket, key, etag string, from, to int64) (archive.Range, error) {
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", from, to-1))}
	if etag != "" {
		in.IfMatch = &etag
	}
	w := watchOver(ctx, (attempts-1)*patience) // the SDK asks again within it
	out, err := s.in(ctx, bucket).client.GetObject(w.ctx, in)
	if err != nil {
		w.end()
		return archive.Range{}, failed("read", bucket, key, w.cause(err))
	}
	body := w.over(out.Body)
	_, size, _ := strings.Cut(aws.ToString(out.ContentRange), "/")
	total, err := strconv.ParseInt(size, 10, 64)
	if err != nil { // it answered with the whole object
		return archive.Range{}, errors.Join(fmt.Errorf("read s3://%s/%s: the store knows no ranges", bucket, key), body.Close())
	}
	return archive.Range{ReadCloser: body, ETag: aws.ToString(out.ETag), Total: total}, nil
}

// Write makes an object, or replaces it.
func (s *Store) Write(ctx context.Context, bucket, key, contentType string, data []byte) error {
	if _, err := s.in(ctx, bucket).client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, ContentType: &contentType, Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))),
	}); err != nil {
		return failed("write", bucket, key, err)
	}
	return nil
}

// failed gives an error a name that package archive knows, where it has one.
func failed(verb, bucket, key string, err error) error {
	var coded smithy.APIError
	if errors.As(err, &coded) {
		switch coded.ErrorCode() {
		case "NoSuchKey", "NotFound":
			err = fs.ErrNotExist
		case "PreconditionFailed":
			err = archive.ErrChanged
		}
	}
	return fmt.Errorf("%s s3://%s/%s: %w", verb, bucket, key, err)
}
