package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/s3store"
)

// s3Store is S3, and the configuration with which others are asked.
type s3Store struct {
	*s3store.Store
	config aws.Config
}

func newS3Store(ctx context.Context, o cloud.Options, connections int) (*s3Store, error) {
	store, err := s3store.Open(ctx, o, connections)
	if err != nil {
		return nil, err
	}
	return &s3Store{store, store.Config}, nil
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

// Bytes implements archive.Sized.
func (p places) Bytes(ctx context.Context) (int64, error) {
	all := int64(0)
	for _, from := range p {
		n := int64(0)
		var err error
		if s, ok := from.(archive.Sized); ok {
			n, err = s.Bytes(ctx)
		} else {
			err = from.Files(ctx, func(f archive.File) error { n += max(0, f.Size); return ctx.Err() }, func(string, error) {})
		}
		if err != nil {
			return 0, err
		}
		all += n
	}
	return all, nil
}
