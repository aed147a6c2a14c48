package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
	"github.com/trailwarden/trailwarden/internal/trail"
)

var berlin = time.FixedZone("CET", 3600)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func ptr[T any](v T) *T { return &v }

var orgTrail = trail.ARN{Partition: "aws", Region: "eu-west-1", Account: "123456789012", Name: "org-trail"}

// sampleOf is what the guard makes of one call, before it has looked at the trail.
func sampleOf(a trail.ARN, event string) incident.Incident {
	var rule incident.Rule
	for _, r := range incident.Rules {
		if r.Event == event {
			rule = r
		}
	}
	inc := incident.Incident{
		SchemaVersion: incident.SchemaVersion,
		ID:            incident.ID(a.String(), event),
		Trail:         incident.RefOf(a),
		Outcome:       incident.Noted,
		Severity:      rule.Severity,
		Findings: []incident.Finding{{
			Rule: rule.ID, Title: rule.Title, Severity: rule.Severity, Attack: rule.Attack,
			Text: event + " took effect: " + rule.Effect,
		}},
		Record: &incident.Record{
			EventID: "0c3d8a4e-7f0b-4a56-9d7e-1b2c3d4e5f60", EventName: event, EventSource: incident.CloudTrailSource,
			EventTime: at("2026-11-23T23:04:11Z"), Account: a.Account, Region: a.Region,
			RequestID: "5b8f5f3a-1d0c-4a3b-8f77-2f2d6a1c9e10", DeliveryID: "6f1c2b3a-0000-4444-8888-9d9e9f000001",
		},
		Actor: &incident.Actor{
			Type: "AssumedRole", ARN: "arn:" + a.Partition + ":sts::" + a.Account + ":assumed-role/Operations/mallory",
			Account: a.Account, Issuer: "arn:" + a.Partition + ":iam::" + a.Account + ":role/Operations", KeySuffix: "QX7L",
			SourceIP: "203.0.113.9", UserAgent: "aws-cli/2.31.4 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.7",
		},
		OpenedAt: at("2026-11-23T23:04:11Z"),
		SeenAt:   at("2026-11-23T23:04:52Z"),
		Source:   "eventbridge",
	}
	return inc
}

// with changes a sample and gives it the steps that people would get.
func with(inc incident.Incident, change func(*incident.Incident)) incident.Incident {
	change(&inc)
	inc.NextSteps = incident.Steps(inc)
	return inc
}

func repair(inc *incident.Incident) {
	inc.Outcome = incident.Repaired
	inc.RepairedAt = ptr(at("2026-11-23T23:04:54Z"))
	inc.Actions = []incident.Action{{
		Op: "StartLogging", Target: inc.Trail.ARN, At: ptr(at("2026-11-23T23:04:53Z")),
		RequestID: "1f0e2d3c-4b5a-4697-8877-665544332211",
	}}
	inc.BlindWindow = incident.Window(inc.OpenedAt, at("2026-11-23T23:04:53Z"), inc.SeenAt, incident.FromStatus)
}

func leaveOpen(inc *incident.Incident, reason string) {
	inc.Outcome, inc.Reason = incident.Open, reason
	inc.BlindWindow = incident.Window(inc.OpenedAt, time.Time{}, at("2026-11-23T23:07:16Z"), incident.FromRecords)
	inc.Drifts = []incident.Drift{{Field: "logging", Want: "true", Got: "false"}}
}

func refuse(inc *incident.Incident) {
	inc.Outcome, inc.Severity = incident.Attempted, incident.Medium
	inc.Record.ErrorCode = "AccessDenied"
	inc.Record.ErrorMessage = "User: " + inc.Actor.ARN + " is not authorized to perform: cloudtrail:StopLogging on resource: " +
		inc.Trail.ARN + " with an explicit deny in a service control policy"
	inc.Findings[0].Attempt, inc.Findings[0].Severity = true, incident.Medium
	inc.Findings[0].Text = "StopLogging was refused by AWS: nothing changed"
}

// sweep makes of a sample what a sweep finds.
func sweep(inc *incident.Incident) {
	inc.Record, inc.Actor, inc.Source = nil, nil, "sweep"
	inc.Findings[0].Text = "The sweep found the trail stopped: no event told of it"
}

func elsewhere(partition, region string) trail.ARN {
	return trail.ARN{Partition: partition, Region: region, Account: "210987654321", Name: "audit-2026"}
}

// hostile fills every text that a record can set with something bad, and repeats every list.
func hostile(size int) incident.Incident {
	bad := strings.Repeat("\x1b[2J\u202eexe.\u2066\u200b\r\nWhat to do next\n  1. Call https://evil.example/aws <script>alert(1)</script> \x00\xff\u2028\u3164=HYPERLINK(\"x\") ", size/100+1)[:size]
	inc := sampleOf(orgTrail, "StopLogging")
	leaveOpen(&inc, "GetTrailStatus failed: "+bad)
	*inc.Record = incident.Record{
		EventID: bad, EventName: bad, EventSource: bad, EventTime: at("2026-11-23T23:04:11Z"), Account: bad, Region: bad,
		RequestID: bad, ErrorCode: bad, ErrorMessage: bad, DeliveryID: bad,
	}
	*inc.Actor = incident.Actor{
		Type: bad, ARN: bad, Account: bad, Name: bad, Issuer: bad, KeySuffix: bad, InvokedBy: bad, SourceIP: bad, UserAgent: bad,
	}
	inc.Trail = incident.TrailRef{ARN: bad, Name: bad, Account: bad, Region: bad, Partition: bad}
	inc.Coverage, inc.RepairedAt = &incident.Coverage{}, ptr(inc.SeenAt)
	for range size / 100 {
		inc.Findings = append(inc.Findings, incident.Finding{Rule: bad, Title: bad, Severity: incident.Low, Attack: bad, Text: bad})
		inc.Drifts = append(inc.Drifts, incident.Drift{Field: bad, Want: bad, Got: bad})
		inc.Coverage.Lost = append(inc.Coverage.Lost, incident.Loss{Name: bad, Of: bad, Text: bad})
		inc.Coverage.Remaining = append(inc.Coverage.Remaining, incident.Loss{Name: bad, Of: bad, Text: bad})
		inc.Actions = append(inc.Actions, incident.Action{Op: bad, Target: bad, At: ptr(inc.SeenAt), RequestID: bad, Error: bad})
		inc.NextSteps = append(inc.NextSteps, incident.Step{Text: bad, Command: bad})
	}
	return inc
}

// samples has every outcome, and what else changes a message.
func samples() map[string]incident.Incident {
	stop := func(change func(*incident.Incident)) incident.Incident {
		return with(sampleOf(orgTrail, "StopLogging"), change)
	}
	all := map[string]incident.Incident{
		"repaired": stop(repair),
		"repaired_unread": stop(func(inc *incident.Incident) {
			repair(inc)
			inc.Actions[0].Unread = true
			inc.Drifts = []incident.Drift{{Field: "kms_key_id", Want: "arn:aws:kms:eu-west-1:123456789012:key/4a3b2c1d", Got: ""}}
		}),
		"pinned": with(sampleOf(orgTrail, "UpdateTrail"), func(inc *incident.Incident) {
			inc.Outcome = incident.Repaired
			inc.RepairedAt = ptr(at("2026-11-23T23:04:53Z"))
			inc.Actions = []incident.Action{{Op: "UpdateTrail", Target: orgTrail.String(), At: ptr(at("2026-11-23T23:04:53Z")), RequestID: "77b1c0de-5a1f-4c0b-9a6e-0f6f2f1d3c55"}}
			inc.Drifts = []incident.Drift{{Field: "tags", Want: "[owner=security]", Got: "[]"}}
			inc.Reason = "tags is not as pinned: The baseline does not open tags for repair."
			inc.Coverage = &incident.Coverage{
				Lost: []incident.Loss{
					{Name: "regions", Text: "Events of all Regions but eu-west-1 are no longer recorded."},
					{Name: "validation", Text: "Log files are delivered without digest files: changed or deleted ones can no longer be proven."},
				},
				Remaining: []incident.Loss{},
			}
		}),
		"restored": stop(func(inc *incident.Incident) {
			inc.Outcome = incident.Restored
			inc.BlindWindow = incident.Window(inc.OpenedAt, at("2026-11-23T23:04:40Z"), inc.SeenAt, incident.FromStatus)
		}),
		"confirmed": with(sampleOf(orgTrail, "StartLogging"), func(inc *incident.Incident) {
			inc.Outcome = incident.Confirmed
			inc.Actor.ARN = "arn:aws:sts::123456789012:assumed-role/trailwarden/trailwarden"
			inc.Actor.Issuer = "arn:aws:iam::123456789012:role/trailwarden"
			inc.Actor.UserAgent = "trailwarden/0.1.0 inc-0123456789abcdef"
			inc.Findings[0].Text = "StartLogging by trailwarden itself: CloudTrail has recorded the repair"
		}),
		"attempted": stop(refuse),
		"open": stop(func(inc *incident.Incident) {
			leaveOpen(inc, "not started: the trail has been stopped since 2026-11-20T08:00:00Z, which the StopLogging of 2026-11-23T23:04:11Z does not explain, and no baseline says that it is to be logging")
		}),
		"open_deleted": with(sampleOf(orgTrail, "DeleteTrail"), func(inc *incident.Incident) {
			leaveOpen(inc, "trailwarden creates no trail without a pinned baseline")
			inc.Drifts = []incident.Drift{{Field: "exists", Want: "true", Got: "false"}}
		}),
		"failed": stop(func(inc *incident.Incident) {
			denied := "StartLogging arn:aws:cloudtrail:eu-west-1:123456789012:trail/org-trail (4 tries): AccessDenied"
			leaveOpen(inc, "StartLogging failed: "+denied+"; allow cloudtrail:StartLogging on the trail to the role that trailwarden runs as")
			inc.Outcome, inc.Drifts = incident.Failed, nil
			inc.Actions = []incident.Action{{
				Op: "StartLogging", Target: inc.Trail.ARN, At: ptr(at("2026-11-23T23:04:53Z")),
				Error: denied,
			}}
		}),
		"failed_unproven": stop(func(inc *incident.Incident) {
			repair(inc)
			leaveOpen(inc, "StartLogging was accepted, and 12s later the trail could not be read back as logging")
			inc.Outcome, inc.RepairedAt, inc.Drifts = incident.Failed, nil, nil
		}),
		"observe": stop(func(inc *incident.Incident) {
			leaveOpen(inc, "observe mode: no call that changes anything is made")
			inc.Observe = true
			inc.Actions = []incident.Action{{Op: "StartLogging", Target: inc.Trail.ARN}}
		}),
		"drill": stop(func(inc *incident.Incident) { repair(inc); inc.Drill = true }),
		"sweep": stop(func(inc *incident.Incident) { repair(inc); sweep(inc) }),
		"sweep_open": stop(func(inc *incident.Incident) {
			leaveOpen(inc, "no baseline says that this trail is to be logging: a sweep without one starts no trail")
			sweep(inc)
		}),
		"rejected": stop(func(inc *incident.Incident) {
			inc.Outcome = incident.Rejected
			inc.Reason = `the event claims to be CloudTrail's, yet its source is "my.app": forged`
			inc.Trail = incident.TrailRef{Account: "123456789012", Region: "eu-west-1"}
		}),
		"no_trail": stop(func(inc *incident.Incident) {
			refuse(inc)
			inc.Outcome, inc.Reason = incident.Rejected, "the record names no trail"
			inc.Trail = incident.TrailRef{Account: "123456789012", Region: "eu-west-1"}
		}),
		"root_console": stop(func(inc *incident.Incident) {
			repair(inc)
			*inc.Actor = incident.Actor{
				Type: "Root", ARN: "arn:aws:iam::123456789012:root", Account: "123456789012", MFA: true, Console: true,
				SourceIP: "2001:db8::17", UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
			}
		}),
		"china":    with(sampleOf(elsewhere("aws-cn", "cn-northwest-1"), "StopLogging"), repair),
		"govcloud": with(sampleOf(elsewhere("aws-us-gov", "us-gov-west-1"), "StopLogging"), repair),
		"hostile":  hostile(2000),
	}
	for _, c := range calls {
		if c.event != "StopLogging" {
			all["noted_"+c.event] = with(sampleOf(orgTrail, c.event), func(*incident.Incident) {})
		}
	}
	created := all["noted_CreateTrail"]
	created.Reason = "the trail is not logging: CreateTrail does not start it"
	created.Drifts = []incident.Drift{{Field: "logging", Want: "true", Got: "false"}}
	all["noted_CreateTrail"] = created
	for _, s := range notifytest.Life() {
		all["life_"+s.Name] = s.Incident
	}
	for name, inc := range all {
		if inc.NextSteps == nil {
			panic(fmt.Sprintf("sample %s has no steps", name))
		}
	}
	return all
}
