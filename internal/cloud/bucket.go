package cloud

import (
	"context"
	"errors"
	"net/http"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// BucketOwner asks S3 whether a bucket belongs to an account, by HeadBucket with the owner that is expected: whoever is
// refused with it and not without it was told that it belongs to another. It needs s3:ListBucket on the bucket; where that
// is refused the answer is trail.OwnerUnknown and the error says so.
func (c *Client) BucketOwner(ctx context.Context, bucket, account string) (trail.Ownership, error) {
	err := c.head(ctx, bucket, account)
	if err == nil {
		return trail.OwnerExpected, nil
	}
	if call, ok := errors.AsType[*trail.CallError](err); ok && (call.Code == "NotFound" || call.Code == "NoSuchBucket") {
		return trail.OwnerMissing, nil
	}
	if trail.ClassOf(err) != trail.ClassDenied {
		return trail.OwnerUnknown, err
	}
	if c.head(ctx, bucket, "") == nil {
		return trail.OwnerOther, nil
	}
	return trail.OwnerUnknown, err
}

// head asks for a bucket, in whatever Region it is.
func (c *Client) head(ctx context.Context, bucket, owner string) error {
	header := http.Header{}
	if owner != "" {
		header.Set("X-Amz-Expected-Bucket-Owner", owner)
	}
	region := c.Config.Region
	return c.retry(ctx, "HeadBucket", bucket, func(ctx context.Context) error {
		for range 2 {
			_, err := c.lean().Do(ctx, awscall.Request{Service: awscall.S3, Region: region, Method: http.MethodHead, Bucket: bucket, Header: header})
			refused, ok := errors.AsType[*awscall.Error](err)
			if !ok {
				return err
			}
			elsewhere := refused.Header.Get("X-Amz-Bucket-Region")
			if refused.Status == http.StatusForbidden || elsewhere == "" || elsewhere == region {
				return err
			}
			region = elsewhere
		}
		return errors.New("S3 does not say in which Region the bucket is")
	})
}
