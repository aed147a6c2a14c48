package artifact

import (
	"debug/elf"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/config/file"
)

// TestConfigure: what travels, what is a parameter, what stays, and what is refused, of every key that there is.
func TestConfigure(t *testing.T) {
	want := map[fate][]string{
		travels: {"repair_budget", "remediators", "watch.heartbeat", "evidence.regions", "evidence.bucket", "evidence.bucket_owner", "anchor.bucket", "anchor.bucket_owner",
			"notify.securityhub", "notify.eventbridge.bus", "notify.amazonq.topic_arn", "notify.slack.webhook_url", "notify.slack.bot_token", "notify.slack.channel",
			"notify.pagerduty.routing_key", "notify.pagerduty.region", "notify.webhook.url", "notify.webhook.secret", "notify.teams.webhook_url",
			"notify.alertmanager.urls", "notify.alertmanager.username", "notify.alertmanager.password", "notify.alertmanager.bearer_token",
			"notify.allow_addresses", "notify.proxy", "notify.stdout", "routing"},
		parameter: {"compat", "observe", "time_zone"},
		refused:   {"notify.email.smtp", "notify.email.from", "notify.email.to", "notify.email.username", "notify.email.password", "notify.shoutrrr.url"},
		unsaid:    {"version", "baseline", "region", "log_format"},
		stays: {"sns.topic_arn", "accounts", "repair", "restore_role_arn", "member_role", "ledger", "retention", "watch.queue_url", "watch.sweep", "watch.listen",
			"watch.canary", "watch.canary_every", "watch.canary_within"},
	}
	got := map[fate][]string{}
	for _, k := range config.Keys {
		f, why := fateOf(k.Name)
		got[f] = append(got[f], k.Name)
		if (f == stays || f == refused) != (why != "") {
			t.Errorf("%s: what to do instead is %q", k.Name, why)
		}
		if Deployed(k.Name) != (f == travels || f == parameter) {
			t.Errorf("%s is deployed: %t", k.Name, Deployed(k.Name))
		}
	}
	sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff(want, got, sorted); diff != "" {
		t.Errorf("a new key needs a fate; look at what Configure does with it (-want +got):\n%s", diff)
	}
}

const whole = `version: 1
time_zone: Europe/Berlin
observe: true
region: eu-central-1
ledger: trailwarden.db
repair_budget: 50
evidence:
  regions: []
  bucket: evidence-111122223333
anchor:
  bucket: anchors
  bucket_owner: 444455556666
notify:
  slack:
    bot_token: secretsmanager:trailwarden/slack#bot_token
    channel: C0123456789
  pagerduty:
    routing_key: ssm:/trailwarden/pagerduty
routing:
  routes:
    - {severity: critical, channels: [pagerduty], continue: true}
    - {channels: [sns, slack]}
`

// TestConfigurationTravels: what Configure makes is what the function reads, in the same bytes each time, in a zip that is the same each time.
func TestConfigurationTravels(t *testing.T) {
	s, err := Configure(file.Parse("t.yaml", []byte(whole)))
	if err != nil {
		t.Fatal(err)
	}
	const document = `{"anchor.bucket":"anchors","anchor.bucket_owner":"444455556666","evidence.bucket":"evidence-111122223333","notify.pagerduty.routing_key":"ssm:/trailwarden/pagerduty",` +
		`"notify.slack.bot_token":"secretsmanager:trailwarden/slack#bot_token","notify.slack.channel":"C0123456789","repair_budget":50,` +
		`"routing":{"routes":[{"severity":"critical","channels":["pagerduty"],"continue":true},{"channels":["sns","slack"]}]},"version":1}`
	if diff := cmp.Diff(document, string(s.Document)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"TimeZone": "Europe/Berlin", "Mode": "observe"}, s.Parameters); diff != "" {
		t.Error(diff)
	}
	if len(s.Stays) != 1 || s.Stays[0].Key != "ledger" {
		t.Errorf("stays %v", s.Stays)
	}
	read, err := config.Load(config.JSON(Config, s.Document))
	if err != nil {
		t.Fatal(err)
	}
	written, _ := config.Load(file.Parse("t.yaml", []byte(whole)))
	for _, k := range config.Keys {
		if f, _ := fateOf(k.Name); f == travels {
			if diff := cmp.Diff(k.Of(written), k.Of(read), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-written +read): %s", k.Name, diff)
			}
		}
	}
	a := Artifact{Bootstrap: program(elf.EM_AARCH64), Config: s.Document}
	one, err := a.Pack()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Open(one)
	if err != nil || string(opened.Config) != document {
		t.Errorf("opened: %s, %v", opened.Config, err)
	}
	two, err := opened.Pack()
	if err != nil || SHA256(one) != SHA256(two) {
		t.Errorf("packed again it is another zip: %v", err)
	}
	a.Config = []byte(`{"version":1,"notify.slak":1}`)
	broken, err := a.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(broken); err == nil || !strings.Contains(err.Error(), "the configuration in the zip") {
		t.Errorf("a broken configuration: %v", err)
	}
}

// TestNothingTravels: a file that says nothing to a function makes no file for it, and observe: false permits nothing.
func TestNothingTravels(t *testing.T) {
	s, err := Configure(file.Parse("t.yaml", []byte("version: 1\nobserve: false\nregion: eu-central-1\nnotify:\n  allow_addresses: []\n")))
	if err != nil || s.Document != nil || len(s.Parameters) != 0 || len(s.Stays) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestConfigureRefuses: what would not work in a function is said where it stands, with what to do; and all of it at once.
func TestConfigureRefuses(t *testing.T) {
	_, err := Configure(file.Parse("t.yaml", []byte(`version: 1
notify:
  email: {smtp: "mail.example.org:25"}
  shoutrrr: {url: "file:/run/secrets/shoutrrr"}
  slack: {bot_token: "file:/run/secrets/slack", channel: C0123456789}
anchor: {bucket: anchors}
`)))
	problems, _ := errors.AsType[config.Problems](err)
	var got []string
	for _, p := range problems {
		got = append(got, p.Error())
	}
	want := []string{
		"t.yaml:3:17: notify.email.smtp: this is not in the Lambda function\n  hint: take it out of the file that you deploy with: --email ADDRESS has SNS send the mails",
		"t.yaml:4:19: notify.shoutrrr.url: this is not in the Lambda function\n  hint: take it out of the file that you deploy with, and use notify.webhook, or a daemon (`trailwarden watch`)",
		"t.yaml:5:22: notify.slack.bot_token: a deployed function has no such file\n  hint: put the secret into Secrets Manager (aws secretsmanager create-secret --name trailwarden/NAME --secret-string …), and write secretsmanager:trailwarden/NAME",
		"configuration: anchor.bucket_owner: it is missing\n  hint: write which account the bucket belongs to, so that no other can take its place",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	literal := config.Env([]string{"TRAILWARDEN_NOTIFY_SLACK_BOT_TOKEN=xoxb-canary"})
	if _, err := Configure(literal); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a literal secret: %v", err)
	}
}
