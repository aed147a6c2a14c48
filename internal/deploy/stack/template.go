package stack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/url"
	"path"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// template puts a proposal's template beside its zip, and gives the URL of that version of it. One that lies there already
// is not put again: its name has its hash.
func (d *Deployer) template(ctx context.Context, p Proposal) (string, error) {
	text := []byte(p.Template)
	o := Object{Bucket: p.Parameters["ArtifactBucket"], Key: path.Join(path.Dir(p.Parameters["ArtifactKey"]), fmt.Sprintf("template-%x.yaml", sha256.Sum256(text)))}
	api := d.objects()
	if there, err := api.GetObject(ctx, &s3.GetObjectInput{Bucket: &o.Bucket, Key: &o.Key, ExpectedBucketOwner: &d.Account}); err == nil {
		defer there.Body.Close()
		o.Version = aws.ToString(there.VersionId)
		if got, err := io.ReadAll(io.LimitReader(there.Body, int64(len(text))+1)); err == nil && bytes.Equal(got, text) && o.Version != "" {
			return d.address(ctx, o)
		}
	}
	o, err := d.put(ctx, api, o, "the template", "application/yaml", text)
	if err != nil {
		return "", err
	}
	return d.address(ctx, o)
}

// address is an object's URL, as CloudFormation takes it: AWS's own, wherever our calls go.
func (d *Deployer) address(ctx context.Context, o Object) (string, error) {
	at, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, s3.EndpointParameters{Region: &d.Config.Region, Bucket: &o.Bucket})
	if err != nil {
		return "", fmt.Errorf("find the bucket %s: %w", o.Bucket, err)
	}
	at.URI.Path = path.Join(at.URI.Path, "/", o.Key)
	at.URI.RawQuery = url.Values{"versionId": {o.Version}}.Encode()
	return at.URI.String(), nil
}
