// Package anchor puts the heads of all chains where whoever owns the ledger cannot alter them: into an S3 bucket of another
// account, under Object Lock in compliance mode, which nobody can shorten or remove before its time, that account's root
// included. A ledger that is rewritten or cut off afterwards no longer has the heads that were anchored.
//
// Object Lock hinders neither new versions nor delete markers: anchors are read by version, and each is held against the
// hash in its own key.
package anchor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/trailwarden/trailwarden/internal/ledger"
)

const (
	// Retain is how long an anchor is locked, where Options say nothing. It should be longer than the ledger's retention.
	Retain = 400 * 24 * time.Hour
	// Limit is how long a call may take, tries included, where Options say nothing.
	Limit = 5 * time.Second
	// Prefix of the keys, where Options say nothing.
	Prefix = "trailwarden/anchors/"
)

// Options are where anchors go. Bucket and Owner have to be given.
type Options struct {
	Bucket string
	Owner  string // account that the bucket must belong to: 12 digits
	Region string // of the bucket; "" for that of the configuration
	Prefix string
	Retain time.Duration
	Limit  time.Duration
}

// Bucket is where anchors go. It is safe for use by several goroutines.
type Bucket struct {
	o      Options
	client *s3.Client
}

// Anchor is what stood in the bucket at one time.
type Anchor struct {
	Key     string        `json:"key"`     // PREFIX2026/03/01/120000Z-SHA256.json
	Version string        `json:"version"` // of the object
	Time    time.Time     `json:"time"`    // when it was made, by the clock of who made it
	Stored  time.Time     `json:"stored"`  // when S3 received it; zero for one that was just put
	Until   time.Time     `json:"until"`   // locked until; zero when S3 does not say
	Heads   []ledger.Head `json:"heads"`   // of all chains; nil when they are not to be trusted
	// Fault says what is wrong with it, in a sentence; empty when it holds.
	Fault string `json:"fault,omitempty"`
}

// document is the content of an anchor, as canonical JSON.
type document struct {
	SchemaVersion int           `json:"schema_version"`
	Time          time.Time     `json:"time"`
	Heads         []ledger.Head `json:"heads"`
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// Open makes a bucket for anchors. It calls nothing.
func Open(cfg aws.Config, o Options) (*Bucket, error) {
	if o.Bucket == "" {
		return nil, errors.New("open anchors: no bucket is named")
	}
	if !accountID.MatchString(o.Owner) {
		return nil, fmt.Errorf("open anchors: %q is no account id of 12 digits: say which account bucket %s belongs to, so that no other can take its place", o.Owner, o.Bucket)
	}
	if o.Region != "" {
		cfg.Region = o.Region
	}
	if o.Retain == 0 {
		o.Retain = Retain
	}
	if o.Limit == 0 {
		o.Limit = Limit
	}
	if o.Prefix == "" {
		o.Prefix = Prefix
	}
	client := s3.NewFromConfig(cfg, func(c *s3.Options) {
		c.UsePathStyle = cfg.BaseEndpoint != nil
		c.Retryer = retry.NewStandard(func(r *retry.StandardOptions) { r.MaxAttempts, r.MaxBackoff = 4, time.Second })
	})
	return &Bucket{o: o, client: client}, nil
}

// Put anchors the heads of all chains as they are at a time. Putting them again makes another version, which does no harm.
func (b *Bucket) Put(ctx context.Context, heads []ledger.Head, now time.Time) (Anchor, error) {
	heads = slices.Clone(heads)
	slices.SortFunc(heads, func(x, y ledger.Head) int { return strings.Compare(x.Chain, y.Chain) })
	a := Anchor{Time: now.UTC().Round(0), Heads: heads, Until: now.UTC().Add(b.o.Retain).Truncate(time.Second)}
	raw, err := json.Marshal(document{SchemaVersion: 1, Time: a.Time, Heads: append([]ledger.Head{}, heads...)})
	if err != nil {
		return Anchor{}, fmt.Errorf("anchor ledger: %w", err)
	}
	body, err := ledger.Canonical(raw)
	if err != nil {
		return Anchor{}, fmt.Errorf("anchor ledger: %w", err)
	}
	sum := sha256.Sum256(body)
	a.Key = b.o.Prefix + a.Time.Format("2006/01/02/150405Z-") + hex.EncodeToString(sum[:]) + ".json"
	ctx, cancel := context.WithTimeout(ctx, b.o.Limit)
	defer cancel()
	out, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.o.Bucket, ExpectedBucketOwner: &b.o.Owner, Key: &a.Key, Body: bytes.NewReader(body), ContentType: aws.String("application/json"),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, // Object Lock wants it named
		ChecksumSHA256:    aws.String(base64.StdEncoding.EncodeToString(sum[:])),
		ObjectLockMode:    types.ObjectLockModeCompliance, ObjectLockRetainUntilDate: &a.Until,
	})
	if err != nil {
		return Anchor{}, b.failure("anchor ledger", "s3:PutObject and s3:PutObjectRetention", err)
	}
	a.Version = aws.ToString(out.VersionId)
	if a.Version == "" || a.Version == "null" {
		return Anchor{}, fmt.Errorf("anchor ledger: bucket %s has taken the anchor without a version: it keeps none, and locks nothing", b.o.Bucket)
	}
	return a, nil
}

// Deposit is Put for who asks only whether it is done.
func (b *Bucket) Deposit(ctx context.Context, heads []ledger.Head, now time.Time) error {
	_, err := b.Put(ctx, heads, now)
	return err
}

// Heads are the heads of all anchors that hold: what ledger.Verify is to find in the chains.
func Heads(anchors []Anchor) []ledger.Head {
	var all []ledger.Head
	for _, a := range anchors {
		all = append(all, a.Heads...)
	}
	return all
}

// hints say what a person can do, by code.
var hints = map[string]string{
	"InvalidRequest":        "the bucket has no Object Lock: make one with it (`aws s3api create-bucket --object-lock-enabled-for-bucket`), or switch it on for this one",
	"NoSuchBucket":          "there is no such bucket: check its name",
	"PermanentRedirect":     "the bucket is in another Region: say which",
	"ExpiredToken":          "the session has expired: log in again",
	"InvalidAccessKeyId":    "AWS does not know these credentials",
	"SignatureDoesNotMatch": "the secret key or the clock of this machine is wrong",
}

func (b *Bucket) failure(what, action string, err error) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		if op, ok := errors.AsType[*smithy.OperationError](err); ok {
			err = op.Err
		}
		return fmt.Errorf("%s: bucket %s: %w", what, b.o.Bucket, err)
	}
	hint := hints[api.ErrorCode()]
	if api.ErrorCode() == "AccessDenied" {
		hint = fmt.Sprintf("allow %s to trailwarden's role, in its own policy and in the bucket's, and see that the bucket belongs to account %s", action, b.o.Owner)
	}
	if hint != "" {
		hint = "; " + hint
	}
	return fmt.Errorf("%s: bucket %s: %w%s", what, b.o.Bucket, api, hint)
}
