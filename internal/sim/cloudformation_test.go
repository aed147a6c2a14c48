package sim

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

// twoThings is a template of a role and a table that is retained.
func twoThings(r StackRequest) Blueprint {
	return Blueprint{Step: time.Second, Outputs: map[string]string{"Table": "ledger"}, Resources: []StackResource{
		{ID: "Ledger", Type: "AWS::DynamoDB::Table", Physical: "ledger", Retain: true},
		{ID: "Role", Type: "AWS::IAM::Role", Physical: "role-" + r.Parameters["Name"]},
	}, Fails: r.Parameters["Fails"], Reason: "no"}
}

type stackClient struct {
	*site
	*cloudformation.Client
}

// change makes a change set and executes it; it answers AWS's error code, or the status of a change set that cannot be executed.
func (c stackClient) change(ctx context.Context, kind types.ChangeSetType, retainExcept bool, parameters ...string) string {
	in := &cloudformation.CreateChangeSetInput{StackName: aws.String("s"), ChangeSetName: aws.String("one"), ChangeSetType: kind, TemplateBody: aws.String("template"),
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam}}
	for i := 0; i < len(parameters); i += 2 {
		p := types.Parameter{ParameterKey: &parameters[i], ParameterValue: &parameters[i+1]}
		if parameters[i+1] == "(previous)" {
			p.ParameterValue, p.UsePreviousValue = nil, aws.Bool(true)
		}
		in.Parameters = append(in.Parameters, p)
	}
	if _, err := c.CreateChangeSet(ctx, in); err != nil {
		return code(err)
	}
	set, err := c.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{StackName: in.StackName, ChangeSetName: in.ChangeSetName})
	if err != nil {
		return code(err)
	}
	if set.ExecutionStatus != types.ExecutionStatusAvailable {
		if _, err := c.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{StackName: in.StackName, ChangeSetName: in.ChangeSetName}); err != nil {
			return code(err)
		}
		return string(set.Status)
	}
	if _, err := c.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{StackName: in.StackName, ChangeSetName: in.ChangeSetName, RetainExceptOnCreate: &retainExcept}); err != nil {
		return code(err)
	}
	c.Advance(time.Minute)
	return c.status(ctx, "s")
}

func (c stackClient) status(ctx context.Context, name string) string {
	out, err := c.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if err != nil {
		return code(err)
	}
	return string(out.Stacks[0].StackStatus)
}

// A template in a bucket is read with the caller's rights, in the version that the URL names.
func TestTemplateURL(t *testing.T) {
	s := newSite(t, Options{})
	var seen string
	s.Blueprints(func(r StackRequest) Blueprint {
		seen = r.Template
		return twoThings(r)
	})
	objects := s3.NewFromConfig(s.config, func(o *s3.Options) { o.UsePathStyle = true })
	bucket, key := aws.String("templates"), aws.String("a/t.yaml")
	if _, err := objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(s.config.Region)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := objects.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}); err != nil {
		t.Fatal(err)
	}
	var versions []string
	for _, text := range []string{strings.Repeat("x", 60_000), "the newest"} {
		out, err := objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader(text)})
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, *out.VersionId)
	}
	at := "https://templates.s3." + s.config.Region + ".amazonaws.com/a/t.yaml"
	for name, c := range map[string]struct {
		url, body string
		want      string // code of the error
		reads     int    // bytes of the template
	}{
		"pinned":              {url: at + "?versionId=" + versions[0], reads: 60_000},
		"newest":              {url: at, reads: len("the newest")},
		"too large in itself": {body: strings.Repeat("x", 51_201), want: "ValidationError"},
		"both":                {url: at, body: "x", want: "ValidationError"},
		"no such object":      {url: at + "x", want: "ValidationError"},
		"no such version":     {url: at + "?versionId=x", want: "ValidationError"},
		"not a bucket":        {url: "https://example.com/a/t.yaml", want: "ValidationError"},
	} {
		seen = ""
		in := &cloudformation.CreateChangeSetInput{StackName: aws.String(strings.ReplaceAll(name, " ", "-")), ChangeSetName: aws.String("one"), ChangeSetType: types.ChangeSetTypeCreate,
			Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam}}
		if c.url != "" {
			in.TemplateURL = &c.url
		}
		if c.body != "" {
			in.TemplateBody = &c.body
		}
		_, err := cloudformation.NewFromConfig(s.config).CreateChangeSet(t.Context(), in)
		if got := code(err); got != c.want || len(seen) != c.reads {
			t.Errorf("%s: error %q, want %q; a template of %d bytes, want %d", name, got, c.want, len(seen), c.reads)
		}
	}
}

// A stack comes, fails, changes and goes as CloudFormation documents it.
func TestStacks(t *testing.T) {
	ctx := t.Context()
	begin := func() stackClient {
		s := newSite(t, Options{})
		s.Blueprints(twoThings)
		return stackClient{s, cloudformation.NewFromConfig(s.config)}
	}
	same := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	c := begin()
	same("update of nothing", c.change(ctx, types.ChangeSetTypeUpdate, true, "Name", "a"), "ValidationError")
	same("create", c.change(ctx, types.ChangeSetTypeCreate, true, "Name", "a"), "CREATE_COMPLETE")
	same("create again", c.change(ctx, types.ChangeSetTypeCreate, true, "Name", "a"), "ValidationError")
	same("update without a change", c.change(ctx, types.ChangeSetTypeUpdate, true, "Name", "(previous)"), "FAILED")
	same("update", c.change(ctx, types.ChangeSetTypeUpdate, true, "Name", "b"), "UPDATE_COMPLETE")
	same("update that fails", c.change(ctx, types.ChangeSetTypeUpdate, true, "Name", "c", "Fails", "Role"), "UPDATE_ROLLBACK_COMPLETE")
	if got := c.Stacks()[0].Parameters; got["Name"] != "b" {
		t.Errorf("after the rollback the parameters are %v", got)
	}
	_, err := c.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: aws.String("s"), EnableTerminationProtection: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String("s")})
	same("delete what is protected", code(err), "ValidationError")
	c.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: aws.String("s"), EnableTerminationProtection: aws.Bool(false)})
	id := c.Stacks()[0].ID
	c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String("s")})
	c.Advance(time.Minute)
	same("deleted, by name", c.status(ctx, "s"), "ValidationError")
	same("deleted, by id", c.status(ctx, id), "DELETE_COMPLETE")
	same("what is retained", c.resources(t, id), "Ledger DELETE_SKIPPED, Role DELETE_COMPLETE")

	for _, test := range []struct {
		except bool
		left   string
	}{{true, "Role CREATE_FAILED"}, {false, "Ledger DELETE_SKIPPED, Role CREATE_FAILED"}} {
		c := begin()
		same("create that fails", c.change(ctx, types.ChangeSetTypeCreate, test.except, "Fails", "Role"), "ROLLBACK_COMPLETE")
		same("what the rollback leaves", c.resources(t, "s"), test.left)
		same("update of what failed", c.change(ctx, types.ChangeSetTypeUpdate, true, "Name", "a"), "ValidationError")
	}
}

func (c stackClient) resources(t *testing.T, name string) string {
	t.Helper()
	out, err := c.ListStackResources(t.Context(), &cloudformation.ListStackResourcesInput{StackName: &name})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, r := range out.StackResourceSummaries {
		list = append(list, *r.LogicalResourceId+" "+string(r.ResourceStatus))
	}
	return strings.Join(list, ", ")
}

// A bucket keeps its settings, and versions once it is told to.
func TestBucketSettings(t *testing.T) {
	s, ctx := newSite(t, Options{}), t.Context()
	s.bucketFor(t, "artifacts")
	bucket, key := aws.String("artifacts"), aws.String("k")
	block := &s3types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true)}
	if _, err := s.objects.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: bucket}); code(err) != "NoSuchPublicAccessBlockConfiguration" {
		t.Errorf("before: %v", err)
	}
	if _, err := s.objects.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: bucket, PublicAccessBlockConfiguration: block}); err != nil {
		t.Fatal(err)
	}
	got, err := s.objects.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*block, *got.PublicAccessBlockConfiguration, cmp.AllowUnexported(s3types.PublicAccessBlockConfiguration{})); diff != "" {
		t.Error(diff)
	}
	put := func(text string) string {
		out, err := s.objects.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader(text)})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(out.VersionId)
	}
	if v := put("0"); v != "" {
		t.Errorf("a version %q before versions are kept", v)
	}
	if _, err := s.objects.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}); err != nil {
		t.Fatal(err)
	}
	first, second := put("1"), put("2")
	old, err := s.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, VersionId: &first})
	if err != nil {
		t.Fatal(err)
	}
	if content, err := io.ReadAll(old.Body); err != nil || first == second || string(content) != "1" {
		t.Errorf("the first of %q and %q is %q: %v", first, second, content, err)
	}
}
