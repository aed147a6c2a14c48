package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/trailwarden/trailwarden/internal/config/file"
	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
	"github.com/trailwarden/trailwarden/internal/ledger/anchor"
	"github.com/trailwarden/trailwarden/internal/ledger/dynamo"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

// unpacked is the folder of a function whose zip has this configuration in it, and the environment that the template gives it.
func unpacked(t *testing.T, document string) []string {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, artifact.Config), []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"LAMBDA_TASK_ROOT=" + root, "TRAILWARDEN_CONFIG=" + artifact.Config}
}

// ofYAML is what `trailwarden deploy` makes of a configuration file.
func ofYAML(t *testing.T, text string) string {
	t.Helper()
	s, err := artifact.Configure(file.Parse("trailwarden.yaml", []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return string(s.Document)
}

// secrets stands before the simulated AWS as its Secrets Manager, which has one secret.
func (d *deployed) secrets(t *testing.T, name, value string) string {
	t.Helper()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
			d.world.ServeHTTP(w, r)
			return
		}
		var in struct{ SecretId string }
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.SecretId != name {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"__type":"ResourceNotFoundException"}`)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"Name": name, "SecretString": value})
	}))
	t.Cleanup(front.Close)
	return "AWS_ENDPOINT_URL=" + front.URL
}

// TestConfigurationInTheZip runs the binary with what travels in the zip beside it: channels whose secrets AWS keeps, routes, anchors.
func TestConfigurationInTheZip(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the built Lambda binary takes the configuration in its zip")
	}
	binary := buildBinary(t)

	t.Run("Slack, its secret in Secrets Manager", func(t *testing.T) {
		d := prepare(t)
		posted := new(lockedBuffer)
		slack := httptest.NewServer(notifytest.Slack("/services/canary", posted))
		t.Cleanup(slack.Close)
		member, _ := json.Marshal(map[string]string{"url": slack.URL + "/services/canary"})
		environment := append(unpacked(t, ofYAML(t, `version: 1
notify:
  slack:
    webhook_url: secretsmanager:trailwarden/slack#url
  allow_addresses: [127.0.0.1]
routing:
  routes:
    - severity: critical
      channels: [slack]
    - channels: [sns]
`)), d.secrets(t, "trailwarden/slack", string(member)))
		d.start(t, binary, environment...)
		if a := d.invoke(t, d.stop(t)); a.Failed || !d.logging(t) {
			t.Fatalf("answer %s, logging %t\n%s", a.Body, d.logging(t), d.output)
		}
		if got := posted.String(); !strings.Contains(got, "main") || !strings.Contains(got, "repaired") {
			t.Errorf("Slack was told %q\n%s", got, d.output)
		}
		if d.mailed("repaired") {
			t.Errorf("the route sends it to Slack only, and there is a mail: %+v", d.mail())
		}
		if strings.Contains(d.output.String(), "canary") {
			t.Errorf("the secret is in the log:\n%s", d.output)
		}
	})

	for name, test := range map[string]struct {
		document, says string
		again          bool
	}{
		"cut off":                    {`{"version":1,"notify.slack.bot_`, "cannot be read as JSON", false},
		"garbage":                    {"\x00\xff{{{{", "cannot be read as JSON", false},
		"too long":                   {`{"version":1,"compat":"` + strings.Repeat("x", 2<<20) + `"}`, "longer than", false},
		"unknown keys":               {`{"version":1,"notify.slak.channel":"C0123456789"}`, "did you mean", false},
		"bad values":                 {`{"version":1,"repair_budget":-1,"watch.heartbeat":"x","routing":{"routes":[{"channels":[]}]}}`, "is not a duration", false},
		"a literal token":            {`{"version":1,"notify.slack.bot_token":"xoxb-canary"}`, "a secret does not belong into this file", false},
		"a channel that cannot work": {`{"version":1,"notify.email.smtp":"mail.example.org:25","notify.pagerduty.routing_key":"secretsmanager:gone"}`, "email", true},
		"an anchor without an owner": {`{"version":1,"anchor.bucket":"anchors"}`, "anchor.bucket_owner", false},
	} {
		t.Run("broken: "+name, func(t *testing.T) {
			d := deploy(t, binary, unpacked(t, test.document)...)
			// Without a ledger an event comes again until everybody was told of it.
			if a := d.invoke(t, d.stop(t)); a.Failed != test.again || !d.logging(t) || !d.mailed("repaired") {
				t.Errorf("answer %s, logging %t, mails %+v", a.Body, d.logging(t), d.mail())
			}
			if !d.logged(test.says) || !d.logged(`"level":"ERROR"`) || strings.Contains(d.output.String(), "canary") {
				t.Errorf("the log does not say %q, or too much:\n%.3000s", test.says, d.output)
			}
		})
	}
	t.Run("broken, and people are told", func(t *testing.T) {
		d := prepare(t)
		if err := dynamo.Create(t.Context(), d.admin, "trailwarden"); err != nil {
			t.Fatal(err)
		}
		environment := []string{"TRAILWARDEN_LEDGER=dynamodb://trailwarden", `TRAILWARDEN_SELF={"code_sha256":"x","queue":"q","react":{"name":"r","role":"r"},"sweep":{"name":"s","role":"s"},"rule":{"name":"r","account":"` + account + `"}}`}
		d.start(t, binary, append(environment, unpacked(t, `{"version":1,"notify.pagerduty.routing_key":5,"notify.slack.bot_token":"xoxb-canary"}`)...)...)
		for range 2 {
			d.invoke(t, `{"sweep":true}`)
		}
		told := 0
		for _, m := range d.mail() {
			if strings.Contains(m.Body, "notify.pagerduty.routing_key: wants a text") && strings.Contains(m.Body, "trailwarden deploy --update -c trailwarden.yaml") {
				told++
			}
			if strings.Contains(m.Body, "canary") {
				t.Errorf("the secret is in a mail: %s", m.Body)
			}
		}
		if told != 1 {
			t.Errorf("people were told %d times: %+v\n%s", told, d.mail(), d.output)
		}
	})
	t.Run("broken: the file is gone", func(t *testing.T) {
		d := deploy(t, binary, "LAMBDA_TASK_ROOT="+t.TempDir(), "TRAILWARDEN_CONFIG="+artifact.Config)
		if a := d.invoke(t, d.stop(t)); a.Failed || !d.logging(t) || !d.mailed("repaired") || !d.logged("file "+artifact.Config) {
			t.Errorf("answer %s, logging %t, mails %+v\n%s", a.Body, d.logging(t), d.mail(), d.output)
		}
	})
	t.Run("the environment wins", func(t *testing.T) {
		d := deploy(t, binary, append(unpacked(t, `{"version":1,"observe":true,"sns.topic_arn":"arn:aws:sns:eu-central-1:111122223333:nobody"}`), "TRAILWARDEN_OBSERVE=false")...)
		if a := d.invoke(t, d.stop(t)); a.Failed || !d.logging(t) || !d.mailed("repaired") {
			t.Errorf("answer %s, logging %t, mails %+v", a.Body, d.logging(t), d.mail())
		}
	})
	t.Run("the sweep anchors", func(t *testing.T) {
		d := prepare(t)
		if err := dynamo.Create(t.Context(), d.admin, "trailwarden"); err != nil {
			t.Fatal(err)
		}
		const keeper = "444455556666"
		who := d.world.Account(keeper).User("keeper")
		theirs := d.admin.Copy()
		theirs.Credentials = credentials.NewStaticCredentialsProvider(who.AccessKeyID, who.SecretAccessKey, who.SessionToken)
		buckets := s3.NewFromConfig(theirs, func(o *s3.Options) { o.UsePathStyle = true })
		if _, err := buckets.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("anchors"), ObjectLockEnabledForBucket: aws.Bool(true),
			CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}); err != nil {
			t.Fatal(err)
		}
		if _, err := buckets.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("anchors"), Policy: aws.String(
			`{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::anchors/*"}}`)}); err != nil {
			t.Fatal(err)
		}
		d.start(t, binary, append(unpacked(t, ofYAML(t, "version: 1\nanchor:\n  bucket: anchors\n  bucket_owner: "+keeper+"\n")), "TRAILWARDEN_LEDGER=dynamodb://trailwarden")...)
		if a := d.invoke(t, d.stop(t)); a.Failed || !d.logging(t) {
			t.Fatalf("answer %s\n%s", a.Body, d.output)
		}
		for range 2 { // the second one comes within ten minutes
			if a := d.invoke(t, `{"sweep":true}`); a.Failed {
				t.Fatalf("sweep: %s\n%s", a.Body, d.output)
			}
		}
		vault, err := anchor.Open(theirs, anchor.Options{Bucket: "anchors", Owner: keeper})
		if err != nil {
			t.Fatal(err)
		}
		anchors, err := vault.Read(t.Context(), time.Time{})
		if err != nil || len(anchors) != 1 || anchors[0].Fault != "" || !bytes.Contains(headsOf(anchors[0]), []byte(trailARN)) {
			t.Errorf("anchors %+v, %v\n%s", anchors, err, d.output)
		}
	})
}

func headsOf(a anchor.Anchor) []byte {
	text, _ := json.Marshal(a.Heads)
	return text
}
