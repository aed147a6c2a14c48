package main

import (
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/config/file"
	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
)

// slackAndMore is a configuration for a deployed function. It has a name of its own, so that no command reads it unasked.
const slackAndMore = `version: 1
time_zone: Europe/Berlin
ledger: trailwarden.db
anchor: {bucket: anchors, bucket_owner: 444455556666}
notify:
  securityhub: true
  slack:
    bot_token: secretsmanager:trailwarden/slack#bot_token
    channel: C0123456789
routing:
  routes:
    - {severity: critical, channels: [slack], continue: true}
    - {channels: [sns]}
`

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// parameters are those of the one stack.
func (s *site) parameters() map[string]string {
	s.t.Helper()
	list := s.world.Stacks()
	if len(list) != 1 {
		s.t.Fatalf("there are %d stacks", len(list))
	}
	return list[0].Parameters
}

// deployedZip is the zip that the stack names.
func (s *site) deployedZip() artifact.Artifact {
	s.t.Helper()
	p := s.parameters()
	api := s3.NewFromConfig(s.config(s.world.Account(demoAccount).Role("platform", "terraform"), "198.51.100.10"), func(o *s3.Options) { o.UsePathStyle, o.DisableLogOutputChecksumValidationSkipped = true, true })
	out, err := api.GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: aws.String(p["ArtifactBucket"]), Key: aws.String(p["ArtifactKey"]), VersionId: aws.String(p["ArtifactVersion"])})
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Body.Close()
	packed, err := io.ReadAll(out.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a, err := artifact.Open(packed)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// TestDeployConfiguration: what concerns a function goes into the zip, the roles may do what it needs and no more, an update without a file
// keeps what is deployed, and another file or none changes it.
func TestDeployConfiguration(t *testing.T) {
	s := newSite(t)
	s.write("settings.yaml", slackAndMore)
	t.Setenv("TRAILWARDEN_NOTIFY_PAGERDUTY_ROUTING_KEY", strings.Repeat("c0ffee11", 4))
	code, stdout, stderr := s.deploy("-c", "settings.yaml")
	if code != exitFindings || !strings.Contains(stdout, "deployed: stack trailwarden") {
		t.Fatalf("deploy: exit code %d\n%s%s", code, stdout, stderr)
	}
	for _, want := range []string{
		"ledger of settings.yaml is not deployed: the stack has a ledger of its own",
		"TRAILWARDEN_NOTIFY_PAGERDUTY_ROUTING_KEY of your environment is not deployed: put the secret into Secrets Manager",
		"Told by: sns (security@example.com), slack, securityhub; routes say who of what; the ledger's heads go to s3://anchors; configuration: settings.yaml",
		"secretsmanager:GetSecretValue", "securityhub:BatchImportFindings", "s3:PutObject",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q:\n%s", want, stderr)
		}
	}
	if strings.Contains(stdout+stderr, "c0ffee11") {
		t.Error("a secret is printed")
	}
	want := map[string]string{
		"Config": artifact.Config, "TimeZone": "Europe/Berlin", "SecurityHub": "yes", "AnchorBucket": "anchors", "AnchorBucketOwner": "444455556666", "EvidenceBucket": "", "EventBusArn": "", "ChatTopicArn": "",
		"SecretArns": "arn:aws:secretsmanager:" + demoRegion + ":" + demoAccount + ":secret:trailwarden/slack-??????",
	}
	has := func(when string, want map[string]string) {
		t.Helper()
		got := s.parameters()
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: %s is %q, want %q", when, name, got[name], value)
			}
		}
	}
	has("deployed", want)
	const document = `{"anchor.bucket":"anchors","anchor.bucket_owner":"444455556666","notify.securityhub":true,"notify.slack.bot_token":"secretsmanager:trailwarden/slack#bot_token",` +
		`"notify.slack.channel":"C0123456789","routing":{"routes":[{"severity":"critical","channels":["slack"],"continue":true},{"channels":["sns"]}]},"version":1}`
	if a := s.deployedZip(); string(a.Config) != document || a.Pinned == nil {
		t.Errorf("in the zip there is %s", a.Config)
	}

	first := maps.Clone(s.parameters())
	code, stdout, stderr = s.run("deploy", "--update", "--yes", "--zip", s.zip)
	if code != exitFindings || !strings.Contains(stdout, "unchanged: ") {
		t.Errorf("an update without the file: exit code %d\n%s%s", code, stdout, stderr)
	}
	s.run("deploy", "--update", "--yes", "--zip", s.zip, "--sweep-schedule", "rate(2 minutes)")
	has("an update of something else", want)
	if s.parameters()["ArtifactSha256"] != first["ArtifactSha256"] {
		t.Error("an update without the file is another zip")
	}

	// A flag given by hand wins over what follows from the file.
	s.write("settings.yaml", strings.Replace(slackAndMore, "  securityhub: true\n", "", 1))
	code, stdout, stderr = s.run("deploy", "--update", "--yes", "--zip", s.zip, "-c", "settings.yaml", "--secret-arns", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:mine-AbCdEf", "--time-zone", "UTC")
	if code != exitFindings || !strings.Contains(stdout, "updated: ") {
		t.Errorf("an update of the file: exit code %d\n%s%s", code, stdout, stderr)
	}
	has("another file", map[string]string{"SecurityHub": "no", "SecretArns": "arn:aws:secretsmanager:eu-central-1:111122223333:secret:mine-AbCdEf", "TimeZone": "UTC", "AnchorBucket": "anchors"})
	if a := s.deployedZip(); bytes.Contains(a.Config, []byte("securityhub")) {
		t.Errorf("in the zip there is %s", a.Config)
	}

	s.run("deploy", "--update", "--yes", "--zip", s.zip, "--no-config")
	has("--no-config", map[string]string{"Config": "", "SecurityHub": "no", "SecretArns": "", "AnchorBucket": ""})
	if a := s.deployedZip(); a.Config != nil || a.Pinned == nil {
		t.Errorf("in the zip there is %s, pinned: %t", a.Config, a.Pinned != nil)
	}
}

// TestDeployRefusesConfiguration: what would not work in a function is said before anything is asked of AWS.
func TestDeployRefusesConfiguration(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		says []string
	}{
		"SMTP":               {"notify: {email: {smtp: \"mail.example.org:25\"}}\n", []string{"settings.yaml:2:24: notify.email.smtp", "--email ADDRESS"}},
		"shoutrrr":           {"notify: {shoutrrr: {url: \"ssm:/x\"}}\n", []string{"notify.shoutrrr.url", "notify.webhook"}},
		"a file":             {"notify: {teams: {webhook_url: \"file:/run/secrets/teams\"}}\n", []string{"has no such file", "aws secretsmanager create-secret"}},
		"a token":            {"notify: {slack: {bot_token: xoxb-canary}}\n", []string{"a secret does not belong into this file"}},
		"half a bot":         {"notify: {slack: {bot_token: \"ssm:/slack\"}}\n", []string{"notify.slack", "docs/channels/slack.md"}},
		"a route to nowhere": {"routing: {routes: [{channels: [pagerduty]}]}\n", []string{"the channel pagerduty is not on"}},
		"an anchor's owner":  {"anchor: {bucket: anchors}\n", []string{"anchor.bucket_owner"}},
		"a misspelt key":     {"notfy: {}\n", []string{`unknown key "notfy"`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			before := len(s.world.Calls())
			s.write("settings.yaml", "version: 1\n"+test.text)
			code, stdout, stderr := s.deploy("-c", "settings.yaml")
			if code != exitUsage || s.there() != "" {
				t.Errorf("exit code %d, there is %q", code, s.there())
			}
			for _, call := range s.world.Calls()[before:] {
				if strings.Contains(call.Principal, "deployer") {
					t.Errorf("AWS was asked: %s", call.Op)
				}
			}
			for _, want := range test.says {
				if !strings.Contains(stderr, want) {
					t.Errorf("it does not say %q:\n%s%s", want, stdout, stderr)
				}
			}
			if strings.Contains(stdout+stderr, "canary") {
				t.Error("the secret is printed")
			}
		})
	}
}

// TestDeployWhatLiesHere: trailwarden.yaml in the working folder is read without being named, as every verb does.
func TestDeployWhatLiesHere(t *testing.T) {
	s := newSite(t)
	s.write("trailwarden.yaml", "version: 1\nregion: "+demoRegion+"\nwatch:\n  heartbeat: 12h\n")
	code, stdout, stderr := s.run("deploy", "--dry-run", "--history", "0", "--zip", s.zip, "--email", "security@example.com", "-o", "json")
	if code != exitOK || !strings.Contains(stdout, `"from": "trailwarden.yaml"`) {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, _ = s.run("deploy", "--dry-run", "--history", "0", "--zip", s.zip, "--email", "security@example.com", "--no-config"); code != exitOK ||
		!strings.Contains(stdout, "Told by: sns (security@example.com); configuration: no file") {
		t.Errorf("--no-config: exit code %d\n%s", code, stdout)
	}
	if code, stdout, _ = s.run("deploy", "--dry-run", "--history", "0", "--zip", s.zip, "--email", "security@example.com", "--no-config", "--security-hub", "yes",
		"--event-bus-arn", "arn:aws:events:eu-central-1:111122223333:event-bus/security"); code != exitOK || !strings.Contains(stdout, "Told by: sns (security@example.com), securityhub, eventbridge; configuration: no file") {
		t.Errorf("channels by flags: exit code %d\n%s", code, stdout)
	}
	// An update does not take what was not named, whatever is in it, and says that it is another.
	s.deploy()
	before := s.parameters()["ArtifactSha256"]
	s.write("trailwarden.yaml", "version: 1\nwatch:\n  heartbeat: 6h\n")
	if _, stdout, stderr = s.run("deploy", "--update", "--yes", "--zip", s.zip); !strings.Contains(stdout, "unchanged: ") || !strings.Contains(stderr, "trailwarden.yaml is not what is deployed, and was not named: -c trailwarden.yaml deploys it") {
		t.Errorf("an update beside another file\n%s%s", stdout, stderr)
	}
	s.write("trailwarden.yaml", "version: 1\nnotify: {email: {smtp: \"mail.example.org:25\"}}\n")
	if _, stdout, stderr = s.run("deploy", "--update", "--yes", "--zip", s.zip); !strings.Contains(stdout, "unchanged: ") {
		t.Errorf("an update beside a file for the daemon\n%s%s", stdout, stderr)
	}
	s.write("trailwarden.yaml", "version: 1\nwatch:\n  heartbeat: 6h\n")
	t.Setenv("TRAILWARDEN_CONFIG", "trailwarden.yaml")
	if s.run("deploy", "--update", "--yes", "--zip", s.zip); s.parameters()["ArtifactSha256"] == before {
		t.Error("an update with the file that $TRAILWARDEN_CONFIG names changed nothing")
	}
}

// hashes are what differs from one run to the next in what deploy shows.
var hashes = regexp.MustCompile(`SHA-256 [A-Za-z0-9+/=]+`)

// TestDeployShows holds the beginning of what somebody sees before saying yes against a golden file.
func TestDeployShows(t *testing.T) {
	golden, err := filepath.Abs(filepath.Join("testdata", "golden", "deploy.dry-run.golden"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	s.write("settings.yaml", slackAndMore)
	code, stdout, stderr := s.run("deploy", "--dry-run", "--history", "0", "--zip", s.zip, "--email", "security@example.com", "-c", "settings.yaml")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	// Resources, permissions and costs are held against their own tables elsewhere.
	head, _, _ := strings.Cut(stdout, "\nWhat changes\n")
	got := "---- standard error\n" + stderr + "---- standard output\n" + hashes.ReplaceAllString(head, "SHA-256 ")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("what deploy shows is another; look at it and run with -update (-want +got):\n%s", diff)
	}
}

// TestOperationsPage: the configuration that docs/operations.md shows is one that can be deployed.
func TestOperationsPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(page), "### Channels and configuration of a deployed function\n")
	_, block, _ := strings.Cut(chapter, "```yaml\n")
	block, _, found := strings.Cut(block, "```")
	if !found {
		t.Fatal("it shows none")
	}
	settings, err := artifact.Configure(file.Parse("trailwarden.yaml", []byte(block)))
	if err != nil || settings.Document == nil || len(settings.Stays) > 0 {
		t.Fatalf("%+v, %v", settings, err)
	}
	cfg, err := artifact.Configuration(artifact.Config, settings.Document)
	if err != nil {
		t.Fatal(err)
	}
	if err := channels.CheckDeployed(cfg); err != nil {
		t.Error(err)
	}
}
