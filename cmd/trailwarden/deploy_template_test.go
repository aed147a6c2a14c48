package main

import (
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
	"github.com/trailwarden/trailwarden/internal/sim"
)

// The template lies beside the zip as it is in the repository, once however often it is deployed; who may not read it there is told so, and
// what is left is said.
func TestDeployPutsTheTemplate(t *testing.T) {
	s := newSite(t)
	objects := s3.NewFromConfig(s.config(s.world.Account(demoAccount).Role("platform", "terraform"), "198.51.100.10"), func(o *s3.Options) { o.UsePathStyle = true })
	bucket := aws.String(stack.BucketFor(demoAccount, demoRegion))
	s.deploy()
	for _, schedule := range []string{"rate(5 minutes)", "rate(10 minutes)"} {
		if code, stdout, stderr := s.run("deploy", "--update", "--yes", "--zip", s.zip, "--sweep-schedule", schedule); code != exitFindings {
			t.Fatalf("update: exit code %d\n%s%s", code, stdout, stderr)
		}
	}
	list, err := objects.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, v := range list.Versions {
		keys = append(keys, *v.Key)
	}
	if len(keys) != 2 {
		t.Fatalf("in the bucket there are %v, want a zip and a template", keys)
	}
	template, err := deploy.Load("trailwarden")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if strings.HasSuffix(key, ".zip") {
			continue
		}
		out, err := objects.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(out.Body)
		out.Body.Close()
		if err != nil || string(text) != template.Text {
			t.Errorf("%s is not the template: %v", key, err)
		}
	}
}

func TestDeployTemplateUnread(t *testing.T) {
	s := newSite(t)
	_, policy, _ := s.run("deploy", "--print-policy")
	if err := s.world.Account(demoAccount).Restrict("deployer", sim.Identity{Policies: []string{strings.Replace(policy, `"s3:GetObjectVersion"`, `"s3:GetObjectTagging"`, 1)}}); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := s.deploy()
	if code != exitError || s.there() != "bucket" {
		t.Errorf("exit code %d, there is %q", code, s.there())
	}
	for _, want := range []string{"make a change set", "S3 error: Access Denied", "left: the template s3://", "left: the zip s3://", "left: the bucket"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q:\n%s", want, stderr)
		}
	}
}
