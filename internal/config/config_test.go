package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/trailwarden/trailwarden/internal/secret"
)

var update = flag.Bool("update", false, "write the generated files anew")

const (
	topic = "arn:aws:sns:eu-west-1:111122223333:trailwarden"
	other = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:other"
)

func TestPrecedence(t *testing.T) {
	sns := keyOf(t, "sns.topic_arn")
	fromFile := Layer{Values: []Value{
		{Key: sns, Data: other, Origin: Origin{File, "trailwarden.yaml:3:14"}},
		{Key: keyOf(t, "region"), Data: "eu-west-3", Origin: Origin{File, "trailwarden.yaml:4:9"}},
	}}
	for _, test := range []struct {
		name  string
		file  Layer
		env   []string
		flags map[string]string

		key    string
		want   any
		origin string
	}{
		{name: "default", key: "sns.topic_arn", want: "", origin: "default"},
		{name: "the sample's variable", env: []string{"SNSARN=" + topic},
			key: "sns.topic_arn", want: topic, origin: "environment SNSARN"},
		{name: "ours wins over the sample's", env: []string{"SNSARN=" + topic, "TRAILWARDEN_SNS_TOPIC_ARN=" + other},
			key: "sns.topic_arn", want: other, origin: "environment TRAILWARDEN_SNS_TOPIC_ARN"},
		{name: "an empty variable is not set", env: []string{"SNSARN=" + topic, "TRAILWARDEN_SNS_TOPIC_ARN="},
			key: "sns.topic_arn", want: topic, origin: "environment SNSARN"},
		{name: "the file wins over the default", file: fromFile,
			key: "sns.topic_arn", want: other, origin: "file trailwarden.yaml:3:14"},
		{name: "the environment wins over the file", file: fromFile, env: []string{"SNSARN=" + topic},
			key: "sns.topic_arn", want: topic, origin: "environment SNSARN"},
		{name: "a flag wins over all", file: fromFile, env: []string{"TRAILWARDEN_REGION=eu-west-2"},
			flags: map[string]string{"region": "eu-west-1"},
			key:   "region", want: "eu-west-1", origin: "flag --region"},
		{name: "a boolean", env: []string{"TRAILWARDEN_OBSERVE=1"},
			key: "observe", want: true, origin: "environment TRAILWARDEN_OBSERVE"},
		{name: "a list", env: []string{"TRAILWARDEN_ACCOUNTS=012345678901, 111122223333"},
			key: "accounts", want: []string{"012345678901", "111122223333"}, origin: "environment TRAILWARDEN_ACCOUNTS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := Load(test.file, Env(test.env), Flags(test.flags))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, keyOf(t, test.key).Of(c)); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
			if got := c.Origins[test.key].String(); got != test.origin {
				t.Errorf("origin %q, want %q", got, test.origin)
			}
		})
	}
}

// All problems of all sources come at once, and what is good still counts: the Lambda function goes on
// with it, because a misspelt topic is no reason to leave a trail stopped.
func TestProblems(t *testing.T) {
	c, err := Load(
		Env([]string{"SNSARN=my-topic", "TRAILWARDEN_OBSERVE=ja", "TRAILWARDEN_TIME_ZONE=Europe/Berln",
			"TRAILWARDEN_SNS_TOPIC_ANR=" + topic, "TRAILWARDEN_ACCOUNTS=111122223333,1111-2222-3333", "TRAILWARDEN_COMPAT=2017"}),
		Flags(map[string]string{"region": "eu-west-1 ", "log-format": "xml"}),
	)
	const want = `environment SNSARN: sns.topic_arn: "my-topic" is not the ARN of an SNS topic
  hint: ` + "`aws sns list-topics`" + ` prints it: arn:aws:sns:REGION:ACCOUNT:NAME
environment TRAILWARDEN_OBSERVE: observe: "ja" is neither true nor false
  hint: use "true" or "false"
environment TRAILWARDEN_ACCOUNTS: accounts: "1111-2222-3333" is not a 12-digit account id
  hint: ` + "`aws sts get-caller-identity`" + ` prints yours; write it in quotes, without dashes
environment TRAILWARDEN_TIME_ZONE: time_zone: "Europe/Berln" is not the name of a time zone: this machine knows none of that name
  hint: use an IANA name such as Europe/Berlin, or UTC
environment TRAILWARDEN_SNS_TOPIC_ANR: no such variable
  hint: did you mean TRAILWARDEN_SNS_TOPIC_ARN?
flag --region: region: "eu-west-1 " is not the name of an AWS Region
  hint: take away the blanks around it; it looks like eu-west-1 or us-gov-east-1
flag --log-format: log_format: "xml" is not a log format
  hint: use "text" or "json"`
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	good, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	good.Compat = "2017"
	if diff := cmp.Diff(good, c, cmpopts.IgnoreFields(Config{}, "Origins")); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

func TestTopicARN(t *testing.T) {
	for arn, good := range map[string]bool{
		topic: true,
		other: true,
		"arn:aws-cn:sns:cn-north-1:012345678901:a": true,
		topic + ".fifo": true, // delivers no e-mail, and everything else in order
		topic + ":0a1b2c3d-0000-0000-0000-000000000000": false, // a subscription
		"arn:aws:sqs:eu-west-1:111122223333:queue":      false,
		"arn:aws:sns:eu-west-1:1111:trailwarden":        false,
		topic + "\n":                                    false,
		"https://example.org/":                          false,
	} {
		if problem := keyOf(t, "sns.topic_arn").Verify(arn); (problem == nil) != good {
			t.Errorf("%q: %v", arn, problem)
		}
	}
}

// A secret that stands in the environment is used, and shown nowhere: not by config show, not in a file that config
// init writes, not in a problem.
func TestSecrets(t *testing.T) {
	const token = "xoxb-hushhush-1234"
	c, err := Load(Env([]string{"TRAILWARDEN_NOTIFY_SLACK_BOT_TOKEN=" + token, "TRAILWARDEN_NOTIFY_SLACK_WEBHOOK_URL=file:/run/secrets/slack"}))
	if err != nil {
		t.Fatal(err)
	}
	if here, ok := c.Notify.Slack.BotToken.Here(); !ok || here.Reveal() != token {
		t.Error("the token is lost")
	}
	for key, want := range map[string]string{"notify.slack.bot_token": "[redacted]", "notify.slack.webhook_url": "file:/run/secrets/slack", "notify.webhook.url": ""} {
		if got := keyOf(t, key).Of(c); got != want {
			t.Errorf("%s shows %q, want %q", key, got, want)
		}
	}
	for key, bad := range map[string]string{
		"notify.slack.bot_token": "xoxp-hushhush", "notify.slack.webhook_url": "hooks.slack.com/hushhush", "notify.pagerduty.routing_key": "hushhush",
		"notify.webhook.url": "https://user:hushhush@example.org/", "notify.webhook.secret": "whsec_good hushhush", "notify.teams.webhook_url": "https://exa mple/%zzhushhush",
		"notify.alertmanager.password": " hushhush",
	} {
		_, err := Load(Env([]string{keyOf(t, key).Env()[0] + "=" + bad}))
		if err == nil || strings.Contains(err.Error(), "hushhush") {
			t.Errorf("%s: %v", key, err)
		}
	}
	for _, text := range []string{string(YAML(c)), fmt.Sprintf("%v %+v %#v", c, c, c)} {
		if strings.Contains(text, "hushhush") {
			t.Errorf("shown:\n%s", text)
		}
	}
	if strings.Contains(string(YAML(c)), "redacted") {
		t.Error("the file has a mark for a secret")
	}
	if !strings.Contains(string(YAML(c)), "\n    webhook_url: file:/run/secrets/slack\n") {
		t.Error("the reference does not stand in the file")
	}
}

// Every field of Config has one row, and every row is complete.
func TestTable(t *testing.T) {
	var c Config
	fields := map[any]string{} // by address
	var collect func(v reflect.Value, path string)
	collect = func(v reflect.Value, path string) {
		for i := range v.NumField() {
			name := path + v.Type().Field(i).Name
			switch f := v.Field(i); {
			case f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[secret.Ref]():
				collect(f, name+".")
			case name != "Origins":
				fields[f.Addr().Interface()] = name
			}
		}
	}
	collect(reflect.ValueOf(&c).Elem(), "")
	names := map[string]bool{}
	for _, k := range Keys {
		at := k.at(&c)
		if fields[at] == "" {
			t.Errorf("%s: its field has another row too, or is none of Config", k.Name)
		}
		delete(fields, at)
		if names[k.Name] {
			t.Errorf("%s: two rows", k.Name)
		}
		names[k.Name] = true
		if !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s: Doc is not a sentence: %q", k.Name, k.Doc)
		}
		if k.Kind() != Bool && (k.Want == "" || k.Hint == "") {
			t.Errorf("%s: an error would not say what is wanted and what to do", k.Name)
		}
		if k.Example == "" && k.Default == "" {
			t.Errorf("%s: nothing to show as an example", k.Name)
		}
		for _, text := range []string{k.Default, k.Example} {
			if _, problem := k.Parse(text); text != "" && problem != nil {
				t.Errorf("%s: %v", k.Name, problem)
			}
		}
	}
	for _, name := range fields {
		t.Errorf("field %s has no row", name)
	}
}

func TestSchemaIsPublished(t *testing.T) {
	golden(t, "../../schemas/config.v1.json", func(string) string { return string(Schema()) })
	var s jsonschema.Schema
	if err := s.UnmarshalJSON(Schema()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true}); err != nil {
		t.Fatal(err)
	}
}

func TestPageHasTheTable(t *testing.T) {
	const begin, end = "<!-- keys: begin (go test ./internal/config -update) -->\n", "<!-- keys: end -->"
	golden(t, "../../docs/configuration.md", func(page string) string {
		before, rest, found := strings.Cut(page, begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Fatalf("docs/configuration.md has no place for the table: %q … %q", begin, end)
		}
		return before + begin + Markdown() + end + after
	})
}

func TestNearest(t *testing.T) {
	known := []string{"sns.topic_arn", "accounts", "observe", "region"}
	for word, want := range map[string]string{
		"acounts": "accounts", "Observe": "observe", "regoin": "region", "sns.topic-arn": "sns.topic_arn",
		"x": "", "": "", "colour": "", strings.Repeat("a", 1<<20): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}

func keyOf(t *testing.T, name string) Key {
	t.Helper()
	for _, k := range Keys {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("no key %q", name)
	return Key{}
}

// golden holds a file against what want makes of it.
func golden(t *testing.T, path string, want func(got string) string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	wanted := want(string(data))
	if *update {
		if err := os.WriteFile(filepath.FromSlash(path), []byte(wanted), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(wanted, string(data)); diff != "" {
		t.Errorf("%s is stale; run go test ./internal/config -update (-want +got):\n%s", path, diff)
	}
}

// TestDefaultsAreValid: Load takes them as they are.
func TestDefaultsAreValid(t *testing.T) {
	for _, k := range Keys {
		if _, problem := k.Parse(k.Default); problem != nil {
			t.Errorf("%s: %v", k.Name, problem)
		}
	}
}

// TestTopicName: the length that the pattern leaves out is counted.
func TestTopicName(t *testing.T) {
	for length, good := range map[int]bool{1: true, 256: true, 257: false} {
		arn := "arn:aws:sns:eu-west-1:111122223333:" + strings.Repeat("x", length)
		cfg, problems := FromEnv([]string{"SNSARN=" + arn})
		if (problems == nil) != good || good != (cfg.SNS.TopicARN == arn) {
			t.Errorf("%d characters: %v, %q", length, problems, cfg.SNS.TopicARN)
		}
	}
}
