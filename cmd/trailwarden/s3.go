package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/cloud"
)

// s3Store reads S3. Each bucket is asked in its own Region.
type s3Store struct {
	config aws.Config

	mu      sync.Mutex
	buckets map[string]*s3.Client
}

// newS3Store uses the whole AWS credential chain. What S3 answers with "slow down" is asked again, more slowly.
func newS3Store(ctx context.Context, o cloud.Options, connections int) (*s3Store, error) {
	cfg, err := cloud.Load(ctx, o)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	cfg.Retryer = func() aws.Retryer { return retry.NewStandard(func(s *retry.StandardOptions) { s.MaxAttempts = 6 }) }
	roots := cloud.Roots()
	// No limit for a whole answer: a log file may be large and the line slow.
	cfg.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
		t.MaxIdleConnsPerHost = connections
		t.ResponseHeaderTimeout = 30 * time.Second
	})
	return &s3Store{config: cfg, buckets: map[string]*s3.Client{}}, nil
}

// in is the client of a bucket.
func (s *s3Store) in(ctx context.Context, bucket string) *s3.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.buckets[bucket]; c != nil {
		return c
	}
	options := func(o *s3.Options) {
		o.UsePathStyle = s.config.BaseEndpoint != nil
		o.DisableLogOutputChecksumValidationSkipped = true // files are hashed where it matters
	}
	c := s3.NewFromConfig(s.config, options)
	// Who may not ask where the bucket is goes on with the Region that was configured.
	if where, err := c.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &bucket}); err == nil {
		cfg := s.config.Copy()
		cfg.Region = string(where.LocationConstraint)
		switch cfg.Region {
		case "":
			cfg.Region = "us-east-1"
		case "EU": // as it was called in 2007
			cfg.Region = "eu-west-1"
		}
		c = s3.NewFromConfig(cfg, options)
	}
	s.buckets[bucket] = c
	return c
}

// List implements archive.Store.
func (s *s3Store) List(ctx context.Context, bucket, prefix string, yield func(archive.Object) error) error {
	pages := s3.NewListObjectsV2Paginator(s.in(ctx, bucket), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
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

// Read implements archive.Store.
func (s *s3Store) Read(ctx context.Context, bucket, key string) (archive.Content, error) {
	out, err := s.in(ctx, bucket).GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	var coded smithy.APIError
	if errors.As(err, &coded) && (coded.ErrorCode() == "NoSuchKey" || coded.ErrorCode() == "NotFound") {
		return archive.Content{}, fmt.Errorf("read s3://%s/%s: %w", bucket, key, fs.ErrNotExist)
	}
	if err != nil {
		return archive.Content{}, fmt.Errorf("read s3://%s/%s: %w", bucket, key, err)
	}
	c := archive.Content{ReadCloser: out.Body, Size: -1, Metadata: map[string]string{}}
	if out.ContentLength != nil {
		c.Size = *out.ContentLength
	}
	for name, value := range out.Metadata {
		c.Metadata[strings.ToLower(name)] = value
	}
	return c, nil
}

// trailKeys asks CloudTrail for public keys, in the trail's Region.
type trailKeys struct{ client *cloudtrail.Client }

// PublicKeys implements archive.Keys.
func (k trailKeys) PublicKeys(ctx context.Context, from, to time.Time) (map[string][]byte, error) {
	keys := map[string][]byte{}
	pages := cloudtrail.NewListPublicKeysPaginator(k.client, &cloudtrail.ListPublicKeysInput{StartTime: &from, EndTime: &to})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list public keys: %w", err)
		}
		for _, key := range page.PublicKeyList {
			keys[aws.ToString(key.Fingerprint)] = key.Value
		}
	}
	return keys, nil
}

// s3Path takes s3://bucket/prefix apart; it is false for other arguments.
func s3Path(arg string) (bucket, prefix string, ok bool) {
	rest, ok := strings.CutPrefix(arg, "s3://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	return bucket, prefix, ok && bucket != ""
}

// places is one Source of many.
type places []archive.Source

// Files implements archive.Source.
func (p places) Files(ctx context.Context, yield func(archive.File) error, lost func(string, error)) error {
	for _, from := range p {
		if err := from.Files(ctx, yield, lost); err != nil {
			return err
		}
	}
	return nil
}
