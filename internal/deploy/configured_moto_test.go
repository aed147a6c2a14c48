package deploy

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/trailwarden/trailwarden/internal/cloud/vault"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

// keep puts a text into moto's Secrets Manager.
func (m moto) keep(t *testing.T, name, text string) {
	t.Helper()
	m.call(t, "secretsmanager", "POST", "/", encode(t, map[string]string{"Name": name, "SecretString": text, "ClientRequestToken": strings.Repeat("0", 32)}),
		"X-Amz-Target", "secretsmanager.CreateSecret", "Content-Type", "application/x-amz-json-1.1")
}

// TestConfiguredOnMoto: one command deploys with a configuration file: the function that was deployed, with the deployed environment, the
// deployed zip and the deployed role's policies enforced, starts the trail and tells Slack by a URL that Secrets Manager keeps; the sweep puts
// the ledger's heads into the bucket. Without the parameters that deploy derives from the file neither could read the secret.
func TestConfiguredOnMoto(t *testing.T) {
	t.Parallel()
	binary := lambdaBinary(t)
	n := newNewcomer(t)
	told := new(lockedBuffer)
	slack := httptest.NewServer(notifytest.Slack("/services/canary", told))
	t.Cleanup(slack.Close)
	n.keep(t, "trailwarden/slack", `{"url":"`+slack.URL+`/services/canary"}`)
	objects := s3.NewFromConfig(n.admin, func(o *s3.Options) { o.UsePathStyle = true })
	ok(t)(objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("anchors"), ObjectLockEnabledForBucket: aws.Bool(true),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	ok(t)(nil, os.WriteFile(filepath.Join(n.dir, "settings.yaml"), []byte(`version: 1
notify:
  slack:
    webhook_url: secretsmanager:trailwarden/slack#url
  allow_addresses: [127.0.0.1]
anchor:
  bucket: anchors
  bucket_owner: "`+motoAccount+`"
`), 0o600))
	code, stdout, stderr := n.types("deploy", "--yes", "-c", "settings.yaml", "--email", "security@example.com", "--zip", "function.zip")
	if code != 0 && code != 3 && code != 5 || !strings.Contains(stdout, "deployed: stack trailwarden") || !strings.Contains(stderr, "Told by: sns (security@example.com), slack") {
		t.Fatalf("deploy: exit code %d\n%s%s", code, stdout, stderr)
	}
	derived := []string{"SecretArns", "arn:aws:secretsmanager:" + region + ":" + motoAccount + ":secret:trailwarden/slack-??????", "AnchorBucket", "anchors", "AnchorBucketOwner", motoAccount, "Config", "trailwarden.config.json"}
	n.judgeable(t, "trailwarden", artifact(derived...))
	n.queue = n.queueURL(t, "trailwarden-events")
	n.mapped(t, false)

	zip := "LAMBDA_TASK_ROOT=" + n.unpacked()
	react, _ := n.start(t, binary, "trailwarden-react", n.session(t, "trailwarden-react"), append(n.environment(t, "trailwarden-react"), zip))
	sweep, _ := n.start(t, binary, "trailwarden-sweep", n.session(t, "trailwarden-sweep"), append(n.environment(t, "trailwarden-sweep"), zip))
	n.stop(t)
	events := batch(t, n.received(t, n.queue))
	n.enforced(t, react, events)
	n.enforced(t, sweep, []byte(`{"sweep":true}`))
	if got := told.tail(1 << 20); !n.logging(t) || !strings.Contains(got, "main") || !strings.Contains(got, "StopLogging") {
		t.Errorf("logging %t, Slack was told %q", n.logging(t), got)
	}
	list, err := objects.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("anchors")})
	ok(t)(list, err)
	if len(list.Contents) == 0 || !strings.HasPrefix(*list.Contents[0].Key, "trailwarden/anchors/") {
		t.Errorf("%d anchors are in the bucket", len(list.Contents))
	}

	// Both may read the secret by what deploy derived from the file, and neither may without it.
	for _, grants := range [][]string{derived, nil} {
		n.judgeable(t, "trailwarden", artifact(grants...))
		for _, role := range []string{"trailwarden-react", "trailwarden-sweep"} {
			cfg, as := n.admin.Copy(), n.session(t, role)
			cfg.Credentials = credentials.NewStaticCredentialsProvider(as.AccessKeyID, as.SecretAccessKey, as.SessionToken)
			n.enforce(t, true)
			_, err := (&vault.Vault{Config: cfg}).Secret(t.Context(), "secretsmanager", "trailwarden/slack")
			n.enforce(t, false)
			if (err == nil) != (grants != nil) {
				t.Errorf("%s with the parameters %v: %v", role, grants, err)
			}
		}
	}
	n.mapped(t, true)
}
