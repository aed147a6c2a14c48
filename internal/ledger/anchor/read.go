package anchor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	readers   = 8        // anchors that are read at the same time
	maxAnchor = 16 << 20 // bytes of one: some fifty thousand chains
)

// Read reads all versions of all anchors that were made on the day of since or later, the oldest first; the zero time is
// for all. One that does not hold comes with a Fault and without heads: who altered or hid an anchor left this trace.
func (b *Bucket) Read(ctx context.Context, since time.Time) ([]Anchor, error) {
	anchors, err := b.list(ctx, since)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	next := make(chan *Anchor)
	for range readers {
		wait.Go(func() {
			for a := range next {
				if err := b.read(ctx, a); err != nil {
					cancel(err)
				}
			}
		})
	}
	for n := range anchors {
		if anchors[n].Fault == "" {
			next <- &anchors[n]
		}
	}
	close(next)
	wait.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return anchors, nil
}

// list lists versions and delete markers.
func (b *Bucket) list(ctx context.Context, since time.Time) ([]Anchor, error) {
	in := &s3.ListObjectVersionsInput{Bucket: &b.o.Bucket, ExpectedBucketOwner: &b.o.Owner, Prefix: &b.o.Prefix}
	if !since.IsZero() {
		in.KeyMarker = aws.String(b.o.Prefix + since.UTC().Format("2006/01/02/"))
	}
	var anchors []Anchor
	for pages := s3.NewListObjectVersionsPaginator(b.client, in); pages.HasMorePages(); {
		limited, cancel := context.WithTimeout(ctx, b.o.Limit)
		page, err := pages.NextPage(limited)
		cancel()
		if err != nil {
			return nil, b.failure("read anchors", "s3:ListBucketVersions", err)
		}
		for _, v := range page.Versions {
			anchors = append(anchors, Anchor{Key: aws.ToString(v.Key), Version: aws.ToString(v.VersionId), Stored: aws.ToTime(v.LastModified)})
		}
		for _, m := range page.DeleteMarkers {
			at := aws.ToTime(m.LastModified)
			anchors = append(anchors, Anchor{Key: aws.ToString(m.Key), Version: aws.ToString(m.VersionId), Stored: at,
				Fault: fmt.Sprintf("Somebody hid this anchor with a delete marker at %s; its versions are still there.", at.UTC().Format(time.RFC3339))})
		}
	}
	slices.SortStableFunc(anchors, func(x, y Anchor) int {
		if x.Key != y.Key {
			return strings.Compare(x.Key, y.Key)
		}
		return x.Stored.Compare(y.Stored)
	})
	return anchors, nil
}

// read reads one version.
func (b *Bucket) read(ctx context.Context, a *Anchor) error {
	ctx, cancel := context.WithTimeout(ctx, b.o.Limit)
	defer cancel()
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.o.Bucket, ExpectedBucketOwner: &b.o.Owner, Key: &a.Key, VersionId: &a.Version})
	if err != nil {
		return b.failure("read anchor "+a.Key, "s3:GetObjectVersion", err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(io.LimitReader(out.Body, maxAnchor+1))
	if err != nil {
		return fmt.Errorf("read anchor %s: %w", a.Key, err)
	}
	a.judge(body)
	// Without s3:GetObjectRetention S3 does not say how an object is locked.
	if out.ObjectLockMode != "" {
		a.Until = aws.ToTime(out.ObjectLockRetainUntilDate)
		if out.ObjectLockMode != types.ObjectLockModeCompliance && a.Fault == "" {
			a.Fault = "It is not locked in compliance mode: who may bypass governance can remove it."
		}
	}
	return nil
}

// judge holds the content against the hash in the key.
func (a *Anchor) judge(body []byte) {
	sum := sha256.Sum256(body)
	if !strings.HasSuffix(a.Key, "-"+hex.EncodeToString(sum[:])+".json") {
		a.Fault = "Its content is not what its name says: somebody else put it there."
		return
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil || d.SchemaVersion != 1 {
		a.Fault = "Its content is no anchor that this trailwarden knows."
		return
	}
	a.Time, a.Heads = d.Time, d.Heads
}
