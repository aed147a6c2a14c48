package notify

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

func TestPermanent(t *testing.T) {
	plain := errors.New("topic gone")
	marked := fmt.Errorf("notify: %w", Permanent(plain))
	if !IsPermanent(marked) || !errors.Is(marked, plain) || marked.Error() != "notify: topic gone" {
		t.Errorf("Permanent changes the error: %v", marked)
	}
	if IsPermanent(plain) || IsPermanent(nil) || Permanent(nil) != nil {
		t.Error("an error is permanent that nobody marked")
	}
}

func TestPlain(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"aws-cli/2.31.4 md/awscrt#0.27.6", 100, "aws-cli/2.31.4 md/awscrt#0.27.6"},
		{"Jürgen Müller 李雷 é", 100, "Jürgen Müller 李雷 é"},
		{"a\u202eb\r\n\tc\x1b[31m", 100, `a\u202eb\r\n\tc\u001b[31m`},
		{"\xff\U000e0041\u00a0", 100, `\xff\U000e0041\u00a0`},
		{"a\u0301\u0302\u0303\u0304b\u0301", 100, "a\u0301\u0302" + `\u0303\u0304` + "b\u0301"},
		{"see https://evil.example", 100, "see https[:]//evil.example"},
		{"key " + canaryKey + ".", 100, "key AKIA****ARY9."},
		{"token " + canaryToken, 100, "token [session token]"},
		{strings.Repeat("a", 60), 60, strings.Repeat("a", 60)},
		{strings.Repeat("a", 61), 60, strings.Repeat("a", 60-markLen) + "…[truncated, sha256 35d5fc17cfbbadd0]"},
		{strings.Repeat("€", 30), 60, strings.Repeat("€", (60-markLen)/3) + "…[truncated, sha256 6977477c324d7c21]"},
	} {
		if got := Plain(c.in, c.limit); got != c.want {
			t.Errorf("Plain(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
	// Texts that begin alike stay apart.
	if Plain(strings.Repeat("a", 200)+"1", 60) == Plain(strings.Repeat("a", 200)+"2", 60) {
		t.Error("two long texts look the same")
	}
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "less than 0.1 s", 0.04: "less than 0.1 s", 0.5: "0.5 s", 2.34: "2.3 s", 9: "9 s", 9.96: "10 s", 42: "42 s", 59.4: "59 s",
		59.6: "1 min", 185: "3 min 5 s", 3600: "1 h", 7440: "2 h 4 min", 86399: "23 h 59 min", 273600: "3 d 4 h", 86400 * 400: "400 d",
	} {
		if got := span(seconds); got != want {
			t.Errorf("span(%v) = %q, want %q", seconds, got, want)
		}
	}
}

func TestMoment(t *testing.T) {
	when := at("2026-11-23T22:30:00Z")
	for _, c := range []struct {
		loc  *time.Location
		want string
	}{
		{nil, "2026-11-23 22:30:00 UTC"},
		{time.UTC, "2026-11-23 22:30:00 UTC"},
		{berlin, "2026-11-23 22:30:00 UTC (23:30:00 CET)"},
		{time.FixedZone("IST", 19800), "2026-11-23 22:30:00 UTC (2026-11-24 04:00:00 IST)"},
	} {
		if got := moment(when, c.loc); got != c.want {
			t.Errorf("moment in %v = %q, want %q", c.loc, got, c.want)
		}
	}
	if got := moment(time.Time{}, berlin); got != "unknown" {
		t.Errorf("zero time is %q", got)
	}
}

// TestSubjectKeepsTheEnds shortens a name so that trails that differ at either end stay apart, and leaves all
// other parts whole.
func TestSubjectKeepsTheEnds(t *testing.T) {
	long := trail.ARN{Partition: "aws", Region: "ap-southeast-2", Account: "123456789012", Name: "first" + strings.Repeat("x", 118) + "last1"}
	inc := with(sampleOf(long, "PutEventConfiguration"), refuse)
	inc.Drill = true
	got := Subject(inc)
	if len(got) > 99 || !strings.HasSuffix(got, " (123456789012/ap-southeast-2): DRILL, attempted, PutEventConfiguration refused") {
		t.Errorf("subject is %q", got)
	}
	if got := Subject(with(sampleOf(long, "StopLogging"), repair)); !strings.HasPrefix(got, "CloudTrail firstx") || !strings.Contains(got, "xlast1 (") || len(got) != 99 {
		t.Errorf("subject is %q", got)
	}
}

// TestSubjectTellsTheOutcome keeps mail rules alive: what follows the colon begins with the outcome.
func TestSubjectTellsTheOutcome(t *testing.T) {
	for _, outcome := range incident.Outcomes {
		inc := with(sampleOf(orgTrail, "StopLogging"), func(inc *incident.Incident) { inc.Outcome = outcome })
		if want := "CloudTrail org-trail (123456789012/eu-west-1): " + string(outcome) + ", "; !strings.HasPrefix(Subject(inc), want) {
			t.Errorf("subject %q does not begin with %q", Subject(inc), want)
		}
	}
}

// TestLinksAreOurs gives no link to a place, or about a principal, that a record could choose.
func TestLinksAreOurs(t *testing.T) {
	base := with(sampleOf(orgTrail, "StopLogging"), repair)
	for name, c := range map[string]struct {
		change func(*incident.Incident)
		want   int
	}{
		"all":                       {func(*incident.Incident) {}, 3},
		"user":                      {func(i *incident.Incident) { i.Actor.ARN, i.Actor.Issuer = "arn:aws:iam::123456789012:user/div/a+b", "" }, 3},
		"event id is no UUID":       {func(i *incident.Incident) { i.Record.EventID = "../../evil" }, 2},
		"event of another Region":   {func(i *incident.Incident) { i.Record.Region = "us-east-1" }, 2},
		"principal elsewhere":       {func(i *incident.Incident) { i.Actor.Issuer = "arn:aws:iam::999999999999:role/x" }, 2},
		"principal is no ARN":       {func(i *incident.Incident) { i.Actor.Issuer = "arn:aws:iam::123456789012:role/x#/evil?" }, 2},
		"root":                      {func(i *incident.Incident) { i.Actor.ARN, i.Actor.Issuer = "arn:aws:iam::123456789012:root", "" }, 2},
		"trail does not fit":        {func(i *incident.Incident) { i.Trail.Region = "evil.example/" }, 0},
		"partition without console": {func(i *incident.Incident) { i.Trail = incident.RefOf(elsewhere("aws-iso", "us-iso-east-1")) }, 0},
	} {
		inc := base
		record, actor := *base.Record, *base.Actor
		inc.Record, inc.Actor = &record, &actor
		c.change(&inc)
		got := links(inc)
		if len(got) != c.want {
			t.Errorf("%s: %d links, want %d: %v", name, len(got), c.want, got)
		}
		for _, l := range got {
			if !strings.HasPrefix(l.url, "https://eu-west-1.console.aws.amazon.com/") || strings.ContainsAny(l.url, " \"<>") {
				t.Errorf("%s: link to %s", name, l.url)
			}
		}
	}
}

// TestObserveGivesTheCommand prints the exact line for a repair that was not made, once.
func TestObserveGivesTheCommand(t *testing.T) {
	inc := samples()["observe"]
	const line = "aws cloudtrail start-logging --region eu-west-1 --name arn:aws:cloudtrail:eu-west-1:123456789012:trail/org-trail"
	if n := strings.Count(Prose(inc, nil), line); n != 1 {
		t.Errorf("the command stands %d times in:\n%s", n, Prose(inc, nil))
	}
	inc.NextSteps = nil
	if n := strings.Count(Prose(inc, nil), line); n != 1 {
		t.Errorf("without steps the command stands %d times in:\n%s", n, Prose(inc, nil))
	}
	inc.Actions[0].Target = "arn:aws:cloudtrail:eu-west-1:123456789012:trail/x; rm -rf"
	if strings.Contains(Prose(inc, nil), "--name arn:aws:cloudtrail:eu-west-1:123456789012:trail/x;") {
		t.Error("an unchecked target stands in a command line")
	}
}
