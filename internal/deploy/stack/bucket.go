package stack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
)

// Object is where a zip or a template lies.
type Object struct {
	Bucket  string `json:"bucket"`  // its name
	Key     string `json:"key"`     // of the object
	Version string `json:"version"` // of the object; a text in brackets while it is not uploaded
	SHA256  string `json:"sha256"`  // of the zip, base64
}

// BucketFor is the usual name of an account's bucket in a Region.
func BucketFor(account, region string) string {
	return "trailwarden-artifacts-" + account + "-" + region
}

func (d *Deployer) objects() *s3.Client {
	return s3.NewFromConfig(d.patient(), func(o *s3.Options) {
		o.Retryer = retryer()
		o.UsePathStyle = d.Config.BaseEndpoint != nil
	})
}

// Upload puts a zip into the bucket, which it makes where there is none, and keeps private.
func (d *Deployer) Upload(ctx context.Context, key string, packed []byte) (Object, error) {
	api := d.objects()
	if err := d.bucket(ctx, api); err != nil {
		return Object{}, err
	}
	return d.put(ctx, api, Object{Bucket: d.Bucket, Key: key}, "the zip", "application/zip", packed)
}

// put puts something into a bucket, and tells its version and hash.
func (d *Deployer) put(ctx context.Context, api *s3.Client, o Object, what, kind string, content []byte) (Object, error) {
	o.SHA256 = artifact.SHA256(content)
	out, err := api.PutObject(ctx, &s3.PutObjectInput{Bucket: &o.Bucket, Key: &o.Key, Body: bytes.NewReader(content), ExpectedBucketOwner: &d.Account,
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: &o.SHA256, ContentType: &kind})
	if err != nil {
		return Object{}, explain("put "+what+" into "+o.Bucket, err)
	}
	if o.Version = aws.ToString(out.VersionId); o.Version == "" {
		return o, &Error{Text: "put " + what + " into " + o.Bucket + ": the bucket keeps no versions", Tip: "another bucket with --bucket, or: aws s3api put-bucket-versioning --bucket " + o.Bucket + " --versioning-configuration Status=Enabled"}
	}
	d.leave(what+" s3://"+o.Bucket+"/"+o.Key, fmt.Sprintf("aws s3api delete-object --bucket %s --key %s --version-id %s", o.Bucket, o.Key, o.Version))
	return o, nil
}

// Download reads a zip that was deployed.
func (d *Deployer) Download(ctx context.Context, o Object) ([]byte, error) {
	out, err := d.objects().GetObject(ctx, &s3.GetObjectInput{Bucket: &o.Bucket, Key: &o.Key, VersionId: &o.Version, ExpectedBucketOwner: &d.Account})
	if err != nil {
		return nil, explain("read the deployed zip", err)
	}
	defer out.Body.Close()
	packed, err := io.ReadAll(io.LimitReader(out.Body, 100<<20))
	if err != nil {
		return nil, explain("read the deployed zip", err)
	}
	if got := artifact.SHA256(packed); got != o.SHA256 {
		return nil, &Error{Text: fmt.Sprintf("the deployed zip s3://%s/%s is not the one that the stack pins: its hash is %s, want %s", o.Bucket, o.Key, got, o.SHA256), Tip: "find out who wrote there, and deploy again with --zip and --baseline"}
	}
	return packed, nil
}

// bucket makes the bucket, or finds that it is ours, and sets what keeps it private.
func (d *Deployer) bucket(ctx context.Context, api *s3.Client) error {
	_, err := api.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &d.Bucket, ExpectedBucketOwner: &d.Account})
	if err != nil {
		in := &s3.CreateBucketInput{Bucket: &d.Bucket}
		if d.Config.Region != "us-east-1" {
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(d.Config.Region)}
		}
		_, failed := api.CreateBucket(ctx, in)
		switch code := codeOf(failed); {
		case failed == nil && statusOf(err) == http.StatusNotFound:
			d.leave("the bucket "+d.Bucket+", private", "aws s3api delete-bucket --bucket "+d.Bucket+" (when it is empty)")
		case failed == nil, code == "BucketAlreadyOwnedByYou":
		case code == "BucketAlreadyExists":
			return &Error{Text: "make the bucket " + d.Bucket + ": the name is taken, by another account", Code: code, Tip: "choose another name with --bucket; nothing was made"}
		default:
			return explain("make the bucket "+d.Bucket, failed)
		}
	}
	yes := aws.Bool(true)
	if _, err := api.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &d.Bucket, ExpectedBucketOwner: &d.Account, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
		BlockPublicAcls: yes, BlockPublicPolicy: yes, IgnorePublicAcls: yes, RestrictPublicBuckets: yes}}); err != nil {
		return explain("close the bucket "+d.Bucket+" to the public", err)
	}
	if _, err := api.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &d.Bucket, ExpectedBucketOwner: &d.Account,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}); err != nil {
		return explain("have the bucket "+d.Bucket+" keep versions", err)
	}
	if _, err := api.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &d.Bucket, ExpectedBucketOwner: &d.Account, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}}}}}); err != nil {
		return explain("have the bucket "+d.Bucket+" encrypt", err)
	}
	if _, err := api.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &d.Bucket, ExpectedBucketOwner: &d.Account, Policy: aws.String(d.onlyTLS())}); err != nil {
		return explain("set the policy of the bucket "+d.Bucket, err)
	}
	return nil
}

// onlyTLS is the bucket's policy.
func (d *Deployer) onlyTLS() string {
	arn := "arn:" + partition(d.Config.Region) + ":s3:::" + d.Bucket
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"OnlyOverTLS","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":[%q,%q],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`, arn, arn+"/*")
}
