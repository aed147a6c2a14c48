package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/deploy/doctor"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// What AWS answers is printed so that a terminal does nothing with it, each check once, and a command on a line of its own.
func TestChecksTable(t *testing.T) {
	var out strings.Builder
	checksTable(&app{}, &out, []doctor.Check{
		{Name: "clock", Status: doctor.OK, Text: "right"},
		{Name: "trail \x1b[2J", Status: doctor.Wrong, Text: "a\nb \u202e", Mend: "aws x --name 'y\x07'"},
	})
	const want = `ok       clock          right
wrong    trail \x1b[2J  a\nb \u202e
                        mend: aws x --name 'y\a'

2 checks: 1 wrong, 1 ok.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := wrapped("one two three longest-of-all four", 9, true); !cmp.Equal(got, []string{"one two", "three", "longest-of-all", "four"}) {
		t.Errorf("%q", got)
	}
}

// A command that is printed is about the AWS that was examined, wherever it is typed.
func TestReaching(t *testing.T) {
	for _, test := range []struct{ mend, want string }{
		{"aws events enable-rule --name x", "aws events enable-rule --name x --profile p --region eu-west-1 --endpoint-url http://127.0.0.1:1"},
		{"aws a && aws b", "aws a --profile p --region eu-west-1 --endpoint-url http://127.0.0.1:1 && aws b --profile p --region eu-west-1 --endpoint-url http://127.0.0.1:1"},
		{"trailwarden plan; then: x", "trailwarden plan --profile p --region eu-west-1 --endpoint-url http://127.0.0.1:1; then: x"},
		{"look again", "look again"},
	} {
		a := &app{env: []string{"AWS_REGION=eu-central-1"}}
		r := reach{aws: cloud.Options{Profile: "p", Endpoint: "http://127.0.0.1:1"}}
		if got := a.reaching(test.mend, r, config.Config{Region: "eu-west-1"}); got != test.want {
			t.Errorf("%s", cmp.Diff(test.want, got))
		}
	}
	if got := (&app{}).reaching("aws x", reach{}, config.Config{}); got != "aws x" {
		t.Errorf("with nothing given: %q", got)
	}
}

// TestNeeds: IAM is asked about each call on something that the call is about, and about nothing that is not configured.
func TestNeeds(t *testing.T) {
	at := &field{self: "arn:aws:iam::111122223333:user/daemon", region: "eu-central-1"}
	asked := func(cfg config.Config, queue string) map[string][]string {
		all := map[string][]string{}
		for _, n := range needs(cfg, at, queue) {
			for _, action := range n.Actions {
				service, _, _ := strings.Cut(action, ":")
				if n.Resource != "*" && strings.Split(n.Resource, ":")[2] != service {
					t.Errorf("%s is asked about %s", action, n.Resource)
				}
				all[n.Resource] = append(all[n.Resource], action)
			}
		}
		return all
	}
	const queue = "arn:aws:sqs:eu-central-1:111122223333:events"
	if got := asked(config.Config{}, queue)[queue]; !slices.Contains(got, "sqs:GetQueueAttributes") {
		t.Errorf("of the queue: %v", got)
	}
	for resource, actions := range asked(config.Config{Observe: true}, "") {
		if strings.Contains(resource, ":sqs:") || slices.Contains(actions, "cloudtrail:StartLogging") {
			t.Errorf("without a queue, and observing only: %v on %s", actions, resource)
		}
	}
}

// A pinned trail: what is said of it, and what mends it.
func TestTrailCheck(t *testing.T) {
	arn := trail.ARN{Partition: "aws", Region: "eu-central-1", Account: "111122223333", Name: "main"}
	drift := []baseline.Drift{{Field: trail.FieldLogging}}
	for name, test := range map[string]struct {
		report baseline.TrailReport
		silent bool
		status doctor.Status
		text   string
		mend   string
	}{
		"as pinned":      {baseline.TrailReport{}, false, doctor.OK, "as pinned, and it delivers", ""},
		"just started":   {baseline.TrailReport{}, true, doctor.Waiting, "has delivered nothing yet", "look again"},
		"drifted":        {baseline.TrailReport{Drifts: drift, Delivery: "x"}, false, doctor.Wrong, "drifted: logging", "trailwarden plan"},
		"not delivering": {baseline.TrailReport{Delivery: "no log file was ever delivered"}, false, doctor.Wrong, "no log file was ever delivered", "aws cloudtrail get-trail-status --name " + arn.String()},
		"its bucket":     {baseline.TrailReport{Bucket: "it is another account's"}, false, doctor.Wrong, "it is another account's", "docs/baseline.md"},
		"partly read":    {baseline.TrailReport{Unread: []trail.Group{trail.GroupTags}}, false, doctor.Unknown, "could not be read whole: tags", "trailwarden check"},
	} {
		test.report.ARN = arn
		got := trailCheck(test.report, test.silent)
		if got.Status != test.status || !strings.Contains(got.Text, test.text) || !strings.Contains(got.Mend, test.mend) || (got.Mend == "") != (test.mend == "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for days, want := range map[int]struct {
		status doctor.Status
		text   string
	}{0: {doctor.OK, "captured today"}, 1: {doctor.OK, "captured yesterday"}, 180: {doctor.OK, "captured 180 days ago"}, 181: {doctor.Waiting, "half a year"}, -1: {doctor.OK, "captured today"}} {
		got := age(baseline.File{Captured: baseline.Captured{At: now.AddDate(0, 0, -days), By: "me"}}, now)
		if got.Status != want.status || !strings.Contains(got.Text, want.text) {
			t.Errorf("%d days: %+v", days, got)
		}
	}
}

// The configuration that is deployed: whether it is the file here, and whether its channels would take a message.
func TestDoctorAsksDeployedChannels(t *testing.T) {
	s := newSite(t)
	file := func(text string) {
		t.Helper()
		if err := os.WriteFile("trailwarden.yaml", []byte("version: 1\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := func(name string) doctor.Check {
		t.Helper()
		_, stdout, stderr := s.run("doctor", "-o", "json")
		fits(t, "doctor.v1.json", stdout)
		var report examined
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		for _, check := range report.Checks {
			if check.Name == name {
				return check
			}
		}
		return doctor.Check{}
	}
	file("notify:\n  eventbridge:\n    bus: default\n  webhook:\n    url: secretsmanager:trailwarden/hook\n    secret: secretsmanager:trailwarden/key\n")
	if code, stdout, stderr := s.deploy("-c", "trailwarden.yaml"); code != exitFindings {
		t.Fatalf("deploy: %d\n%s%s", code, stdout, stderr)
	}
	if got := found("configuration"); got.Status != doctor.OK || !strings.Contains(got.Text, "webhook, eventbridge") {
		t.Errorf("as deployed: %+v", got)
	}
	if got := found("channel eventbridge"); got.Status != doctor.OK {
		t.Errorf("a bus that is there: %+v", got)
	}
	if got := found("channel webhook"); got.Status == doctor.OK || got.Mend == "" {
		t.Errorf("a secret that nobody can read: %+v", got)
	}
	file("notify:\n  eventbridge:\n    bus: other\n")
	if got := found("configuration"); got.Status != doctor.Wrong || !strings.HasPrefix(got.Mend, "trailwarden deploy --update -c trailwarden.yaml") {
		t.Errorf("another file: %+v", got)
	}
	if err := os.Remove("trailwarden.yaml"); err != nil {
		t.Fatal(err)
	}
	if got := found("configuration"); got.Status != doctor.OK {
		t.Errorf("without a file: %+v", got)
	}
}
