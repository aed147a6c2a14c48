package dynamo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/trailwarden/trailwarden/internal/ledger"
)

const (
	piece     = 350_000  // bytes of a blob's piece in the table
	maxPieces = 24       // so that a blob in the table costs at most 8,400 writes of 1 KB
	maxObject = 64 << 20 // bytes of a blob in the bucket
	prefix    = "evidence/"
)

// Keep keeps data in the bucket, where there is one, else in pieces in the table. Its line in the table, which says since
// when, is written last: what has no line is not kept.
func (s *Store) Keep(ctx context.Context, data []byte, now time.Time) (string, error) {
	hash := sha256.Sum256(data)
	sum := hex.EncodeToString(hash[:])
	line := key{partitionBlobs, sum}.item().with(item{"kept": text(sortable(now)), "size": integer(int64(len(data)))})
	var err error
	switch {
	case s.o.Bucket != "" && len(data) > maxObject:
		err = fmt.Errorf("%d MB are more than the %d MB that trailwarden keeps as one object", len(data)>>20, maxObject>>20)
	case s.o.Bucket != "":
		line["bucket"] = text(s.o.Bucket)
		err = s.upload(ctx, sum, data, hash[:])
	case len(data) > piece*maxPieces:
		err = fmt.Errorf("%d MB are too large for the table: give the ledger an S3 bucket for evidence", len(data)>>20)
	default:
		line["pieces"] = integer(int64((len(data) + piece - 1) / piece))
		err = s.putPieces(ctx, sum, data)
	}
	if err == nil {
		err = s.putItem(ctx, line, condition{})
	}
	if err != nil {
		return "", fmt.Errorf("keep data in ledger: %w", err)
	}
	return sum, nil
}

func (s *Store) putItem(ctx context.Context, i item, c condition) error {
	return s.call(ctx, "PutItem", func(ctx context.Context) error {
		return s.ask(ctx, "PutItem", one{TableName: s.table, Item: i}.on(c), nil)
	})
}

func (s *Store) putPieces(ctx context.Context, sum string, data []byte) error {
	for n := 0; len(data) > 0; n++ {
		some := data[:min(piece, len(data))]
		data = data[len(some):]
		i := key{"blob/" + sum, fmt.Sprintf("%05d", n)}.item()
		i["data"] = value{B: some}
		if err := s.putItem(ctx, i, condition{}); err != nil {
			return err
		}
	}
	return nil
}

// upload puts an object that is never written twice: its name is what it holds.
func (s *Store) upload(ctx context.Context, sum string, data, hash []byte) error {
	err := s.retry(ctx, "s3:PutObject", "bucket "+s.o.Bucket, int64(len(data)), func(ctx context.Context) error {
		in := &s3.PutObjectInput{Bucket: &s.o.Bucket, Key: aws.String(prefix + sum), Body: bytes.NewReader(data), IfNoneMatch: aws.String("*"), ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(hash))}
		if s.o.Owner != "" {
			in.ExpectedBucketOwner = &s.o.Owner
		}
		_, err := s.objects().PutObject(ctx, in)
		return err
	})
	if codeOf(err) == "PreconditionFailed" {
		return nil // it is there
	}
	return err
}

// Blob is that of ledger.Store.
func (s *Store) Blob(ctx context.Context, sum string) ([]byte, error) {
	data, err := s.data(ctx, sum)
	if err != nil {
		return nil, err
	}
	return data, ledger.CheckBlob(sum, data)
}

// data reads a blob as it is now.
func (s *Store) data(ctx context.Context, sum string) ([]byte, error) {
	if sum == "" {
		return nil, ledger.ErrNoBlob
	}
	line, err := s.get(ctx, key{partitionBlobs, sum})
	if err != nil {
		return nil, fmt.Errorf("read from ledger: %w", err)
	}
	if line == nil {
		return nil, ledger.ErrNoBlob
	}
	if bucket := line.text("bucket"); bucket != "" {
		return s.download(ctx, bucket, sum, line.integer("size"))
	}
	var data []byte
	err = s.query(ctx, selection{pk: "blob/" + sum}, func(i item) error {
		data = append(data, i["data"].B...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read from ledger: %w", err)
	}
	return data, nil
}

func (s *Store) download(ctx context.Context, bucket, sum string, size int64) (data []byte, err error) {
	err = s.retry(ctx, "s3:GetObject", "bucket "+bucket, size, func(ctx context.Context) error {
		in := &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(prefix + sum)}
		if s.o.Owner != "" {
			in.ExpectedBucketOwner = &s.o.Owner
		}
		out, err := s.objects().GetObject(ctx, in)
		if err != nil {
			return err
		}
		defer out.Body.Close()
		data, err = io.ReadAll(io.LimitReader(out.Body, maxObject+1))
		return err
	})
	if codeOf(err) == "NoSuchKey" {
		return nil, ledger.ErrNoBlob
	}
	if err != nil {
		return nil, fmt.Errorf("read from ledger: %w", err)
	}
	return data, nil
}

// forgetBlob removes a blob, unless it was kept again since. An object that the role may not delete is left to the
// bucket's lifecycle rule.
func (s *Store) forgetBlob(ctx context.Context, line item) error {
	sum := line.text("sk")
	err := s.deleteItem(ctx, key{partitionBlobs, sum}, condition{"#kept = :kept", map[string]string{"#kept": "kept"}, item{":kept": line["kept"]}})
	if codeOf(err) == "ConditionalCheckFailedException" {
		// Kept again, or deleted by a try whose answer was lost: then its pieces are still there.
		var kept item
		if kept, err = s.get(ctx, key{partitionBlobs, sum}); err == nil && kept != nil {
			return nil
		}
	}
	if err != nil {
		return err
	}
	if bucket := line.text("bucket"); bucket != "" {
		err := s.retry(ctx, "s3:DeleteObject", "bucket "+bucket, 0, func(ctx context.Context) error {
			in := &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(prefix + sum)}
			if s.o.Owner != "" {
				in.ExpectedBucketOwner = &s.o.Owner
			}
			_, err := s.objects().DeleteObject(ctx, in)
			return err
		})
		if codeOf(err) == "AccessDenied" {
			return nil
		}
		return err
	}
	var pieces []key
	for n := range line.integer("pieces") {
		pieces = append(pieces, key{"blob/" + sum, fmt.Sprintf("%05d", n)})
	}
	return s.deleteMany(ctx, pieces)
}

func (s *Store) deleteItem(ctx context.Context, k key, c condition) error {
	return s.call(ctx, "DeleteItem", func(ctx context.Context) error {
		return s.ask(ctx, "DeleteItem", one{TableName: s.table, Key: k.item()}.on(c), nil)
	})
}

// codeOf is AWS's error code; "" for nil and for what is none of AWS's errors.
func codeOf(err error) string {
	if failed, ok := errors.AsType[*CallError](err); ok {
		return failed.Code
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}
