package sns

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// stopped is the incident of a trail that was stopped and started again.
func stopped() incident.Incident {
	opened := time.Date(2026, 11, 23, 23, 4, 11, 0, time.UTC)
	back := opened.Add(42 * time.Second)
	a := trail.ARN{Partition: "aws", Region: "eu-west-1", Account: "123456789012", Name: "org-trail"}
	return incident.Incident{
		SchemaVersion: incident.SchemaVersion, ID: incident.ID(a.String(), "event-1"), Trail: incident.RefOf(a),
		Outcome: incident.Repaired, Severity: incident.Critical,
		Findings: []incident.Finding{{Rule: "trail.stop", Title: "Trail stopped", Severity: incident.Critical, Text: "StopLogging took effect"}},
		Record: &incident.Record{
			EventID: "0c3d8a4e-7f0b-4a56-9d7e-1b2c3d4e5f60", EventName: "StopLogging", EventSource: "cloudtrail.amazonaws.com",
			EventTime: opened, Account: a.Account, Region: a.Region,
		},
		Actor:       &incident.Actor{Type: "IAMUser", ARN: "arn:aws:iam::123456789012:user/mallory", Account: a.Account, SourceIP: "203.0.113.9"},
		BlindWindow: incident.Window(opened, back, back, incident.FromStatus),
		OpenedAt:    opened, SeenAt: back, RepairedAt: &back, Source: "eventbridge",
	}
}

// TestOnePublishForAll: one message carries prose for people, the document for machines and a line for telephones.
func TestOnePublishForAll(t *testing.T) {
	c, s := open(t, topic)
	inc := stopped()
	if err := c.Notify(t.Context(), inc); err != nil {
		t.Fatal(err)
	}
	p := s.one(t)
	machine, err := notify.Machine(inc, 128<<10)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"default": string(machine), "email": notify.Prose(inc, nil), "email-json": string(machine), "sqs": string(machine),
		"lambda": string(machine), "http": string(machine), "https": string(machine), "sms": notify.Short(inc),
	}
	if diff := cmp.Diff(want, p.forms); diff != "" {
		t.Errorf("forms (-want +got):\n%s", diff)
	}
	attributes := map[string]string{
		"severity": "critical", "account": "123456789012", "region": "eu-west-1", "outcome": "repaired", "stage": "repaired", "rule": "trail.stop", "incident_id": inc.ID,
	}
	if diff := cmp.Diff(attributes, p.attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if p.topic != topic || p.subject != notify.Subject(inc) {
		t.Errorf("topic %s, subject %s", p.topic, p.subject)
	}
	// The configuration says us-east-1; SNS takes the message in the topic's Region only.
	if !strings.Contains(p.authorization, "/eu-central-1/sns/") {
		t.Errorf("the request is signed for another Region: %s", p.authorization)
	}
}

// TestLocalTime: the prose has the reader's time beside UTC.
func TestLocalTime(t *testing.T) {
	c, s := open(t, topic)
	c.Location = time.FixedZone("CET", 3600)
	if err := c.Notify(t.Context(), stopped()); err != nil {
		t.Fatal(err)
	}
	if email := s.one(t).forms["email"]; !strings.Contains(email, "2026-11-23 23:04:11 UTC (2026-11-24 00:04:11 CET)") {
		t.Errorf("no local time in:\n%s", email)
	}
}

// TestSNSTakesEverything: whatever a record holds, SNS's limits are kept and the message goes out.
func TestSNSTakesEverything(t *testing.T) {
	for name, bad := range map[string]string{
		"control characters": strings.Repeat("\x01\x1b\u202e", 8000),
		"quotes":             strings.Repeat(`"\`, 20000),
		"four bytes":         strings.Repeat("😀", 10000),
		"invalid UTF-8":      strings.Repeat("\xff", 40000),
		"empty":              "",
	} {
		for _, compat := range []bool{false, true} {
			c, s := open(t, topic)
			c.Compat2017 = compat
			inc := stopped()
			inc.ID, inc.Reason, inc.Source, inc.Outcome, inc.Severity = bad, bad, bad, incident.Outcome(bad), incident.Severity(bad)
			inc.Trail = incident.TrailRef{ARN: bad, Name: bad, Account: bad, Region: bad, Partition: bad}
			*inc.Record = incident.Record{EventID: bad, EventName: bad, EventSource: bad, Account: bad, Region: bad, ErrorMessage: bad}
			*inc.Actor = incident.Actor{Type: bad, ARN: bad, Account: bad, Name: bad, Issuer: bad, SourceIP: bad, UserAgent: bad}
			for range 60 {
				inc.Findings = append(inc.Findings, incident.Finding{Rule: bad, Title: bad, Text: bad})
				inc.Drifts = append(inc.Drifts, incident.Drift{Field: bad, Want: bad, Got: bad})
				inc.Actions = append(inc.Actions, incident.Action{Op: bad, Target: bad, Error: bad})
				inc.NextSteps = append(inc.NextSteps, incident.Step{Text: bad, Command: bad})
			}
			inc.Event = json.RawMessage(`{"detail":"` + strings.Repeat(`\"`, 120000) + `"}`)
			if err := c.Notify(t.Context(), inc); err != nil {
				t.Errorf("%s, compat %v: %v", name, compat, err)
				continue
			}
			if p := s.one(t); !json.Valid([]byte(p.forms["default"])) {
				t.Errorf("%s, compat %v: the machine document is broken", name, compat)
			}
		}
	}
}

// TestCompat2017 sends what the sample sent: two mails for a stop, each the event under the sample's subject.
func TestCompat2017(t *testing.T) {
	c, s := open(t, topic)
	c.Compat2017 = true
	stop := stopped()
	stop.Event = json.RawMessage(`{"version":"0","detail":{"eventName":"StopLogging","requestParameters":{"name":"org-trail"}}}`)
	start := stopped()
	start.Outcome, start.Record.EventName = incident.Confirmed, "StartLogging"
	start.Event = json.RawMessage(`{"version":"0","detail":{"eventName":"StartLogging","requestParameters":{"name":"org-trail"}}}`)
	for _, inc := range []incident.Incident{stop, start} {
		if err := c.Notify(t.Context(), inc); err != nil {
			t.Fatal(err)
		}
	}
	type mail struct {
		Subject string
		Forms   map[string]string
		Extras  int
	}
	var got []mail
	for _, p := range s.got {
		got = append(got, mail{p.subject, p.forms, len(p.attributes)})
	}
	want := []mail{
		{`CloudTrail event- "StopLogging" received. Will automatically enable logging.`, map[string]string{"default": string(stop.Event)}, 0},
		{`CloudTrail event- "StartLogging" received`, map[string]string{"default": string(start.Event)}, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}

	// What the sample never saw is told all the same.
	sweep := stopped()
	sweep.Record, sweep.Actor, sweep.Source = nil, nil, "sweep"
	if err := c.Notify(t.Context(), sweep); err != nil {
		t.Fatal(err)
	}
	if p := s.got[2]; p.subject != notify.Subject(sweep) || p.forms["email"] == "" {
		t.Errorf("a sweep's incident goes out as %q", p.subject)
	}
}

// TestFIFO: messages of a trail keep their order, and the same news is the same message.
func TestFIFO(t *testing.T) {
	c, s := open(t, topic+".fifo")
	failed, repaired, other := stopped(), stopped(), stopped()
	failed.Outcome = incident.Failed
	other.Trail.ARN, other.ID = "arn:aws:cloudtrail:eu-west-1:123456789012:trail/other", "inc-0000000000000000"
	for _, inc := range []incident.Incident{failed, repaired, repaired, other} {
		if err := c.Notify(t.Context(), inc); err != nil {
			t.Fatal(err)
		}
	}
	p := s.got
	if p[0].group != p[1].group || p[1].group == p[3].group {
		t.Errorf("groups %s, %s, %s", p[0].group, p[1].group, p[3].group)
	}
	if p[0].deduplication == p[1].deduplication || p[1].deduplication != p[2].deduplication || p[2].deduplication == p[3].deduplication {
		t.Errorf("deduplication ids %s, %s, %s, %s", p[0].deduplication, p[1].deduplication, p[2].deduplication, p[3].deduplication)
	}
}

// TestFailures: each failure says what to do, whether another try is of use, and no secret.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer    answer
		permanent bool
		says      string
	}{
		"topic deleted": {answer{status: 404, code: "NotFound", message: "Topic does not exist"}, true, "create it, or set"},
		"not allowed": {answer{status: 403, code: "AuthorizationError", message: "User: arn:aws:sts::123456789012:assumed-role/tw/x " +
			"is not authorized to perform: SNS:Publish on resource: " + topic}, true, "allow sns:Publish"},
		"parameter":        {answer{status: 400, code: "InvalidParameter", message: "Invalid parameter: Subject"}, true, "Invalid parameter: Subject"},
		"key denied":       {answer{status: 400, code: "KMSAccessDenied", message: "denied"}, true, "kms:GenerateDataKey"},
		"key disabled":     {answer{status: 400, code: "KMSDisabled", message: "disabled"}, true, "enable it"},
		"key going":        {answer{status: 400, code: "KMSInvalidState", message: "pending deletion"}, true, "cancel that"},
		"key gone":         {answer{status: 400, code: "KMSNotFound", message: "none"}, true, "another key"},
		"endpoint off":     {answer{status: 400, code: "EndpointDisabled", message: "off"}, true, "ARN of a topic"},
		"throttled":        {answer{status: 429, code: "Throttled", message: "Rate exceeded"}, false, "Rate exceeded"},
		"key throttled":    {answer{status: 400, code: "KMSThrottling", message: "Rate exceeded"}, false, "Rate exceeded"},
		"AWS in trouble":   {answer{status: 500, code: "InternalError", message: "sorry"}, false, "sorry"},
		"proxy in between": {answer{status: 503, raw: "<html>Service Unavailable</html>"}, false, "503"},
		"garbage":          {answer{status: 200, raw: "\x00\x1b[2J not XML <<<"}, false, "publish to " + topic},
		"expired":          {answer{status: 403, code: "ExpiredToken", message: "The security token included in the request is expired"}, false, "log in again"},
		"wrong clock or key": {answer{status: 403, code: "SignatureDoesNotMatch", message: "The Canonical String should have been 'POST\n/\n\n" +
			"x-amz-security-token:" + sessionToken + "\nkey " + accessKey}, false, "clock"},
		"unknown code":  {answer{status: 418, code: "SomethingNew", message: "new\u009b31m\u202e"}, false, "SomethingNew"},
		"never answers": {answer{hang: true}, false, "no answer within 5s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{answers: []answer{c.answer, c.answer, c.answer, c.answer, c.answer}}
				channel, err := Open(config("http://sns.invalid", inProcess{s}), topic)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				err = channel.Notify(t.Context(), stopped())
				if err == nil {
					t.Fatal("no error")
				}
				if took := time.Since(began); took > Timeout {
					t.Errorf("it took %v", took)
				}
				if notify.IsPermanent(err) != c.permanent {
					t.Errorf("permanent is %v: %v", notify.IsPermanent(err), err)
				}
				text := err.Error()
				if !strings.Contains(text, c.says) || !strings.Contains(text, topic) {
					t.Errorf("error does not say %q: %s", c.says, text)
				}
				for _, bad := range []string{secretKey, sessionToken[:40], accessKey, "\x1b", "\u009b", "\u202e", "\n"} {
					if strings.Contains(text, bad) {
						t.Errorf("error holds %q: %q", bad, text)
					}
				}
				failed, ok := errors.AsType[*PublishError](err)
				if !ok || c.answer.raw == "" && failed.Code != c.answer.code {
					t.Errorf("error is %#v, want a PublishError with code %q", err, c.answer.code)
				}
			})
		})
	}
}

// TestThrottledOnce: a passing trouble costs no notification.
func TestThrottledOnce(t *testing.T) {
	for _, code := range []string{"Throttled", "KMSThrottling"} {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{answers: []answer{{status: 429, code: code, message: "Rate exceeded"}}}
			c, err := Open(config("http://sns.invalid", inProcess{s}), topic)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Notify(t.Context(), stopped()); err != nil {
				t.Fatal(err)
			}
			s.one(t)
		})
	}
}

// TestCallerIsInAHurry: the time that is left to the caller counts, and so does his giving up.
func TestCallerIsInAHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := Open(config("http://sns.invalid", inProcess{&stub{answers: []answer{{hang: true}, {hang: true}}}}), topic)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := c.Notify(ctx, stopped()); !errors.Is(err, context.DeadlineExceeded) || notify.IsPermanent(err) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, giveUp := context.WithCancel(t.Context())
		giveUp()
		if err := c.Notify(ctx, stopped()); !errors.Is(err, context.Canceled) || notify.IsPermanent(err) {
			t.Errorf("given up: %v", err)
		}
	})
}

// TestNobodyListens: a refused connection is worth another try, and its error names the topic.
func TestNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := Open(config("http://sns.invalid", refused{}), topic)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Notify(t.Context(), stopped())
		if err == nil || notify.IsPermanent(err) || !strings.Contains(err.Error(), topic) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%v", err)
		}
	})
}
