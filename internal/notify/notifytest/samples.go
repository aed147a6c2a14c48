// Package notifytest is what every channel's tests share: sample incidents for each stage of a life, hostile texts,
// canary secrets, and what is to be checked of a message in each syntax. It imports no channel, and no testing, so
// that samples can also be shown to people.
package notifytest

import (
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Berlin is a local time for samples.
var Berlin = time.FixedZone("CET", 3600)

// Sample is an incident at one point of its life.
type Sample struct {
	Name     string // for golden files
	Incident incident.Incident
}

// Life is one incident from its begin to its end, in order, and what else changes a message: one that is open, one
// that failed, a drill, another partition.
func Life() []Sample {
	begun := Repaired()
	out := []Sample{{"opened", Failed()}, {"repaired", begun}}

	evidence := begun
	evidence.Stage, evidence.Ledger = incident.StageEvidence, head(14)
	evidence.Evidence = &incident.Evidence{
		From: begun.BlindWindow.From, To: *begun.BlindWindow.To, ReadAt: at("23:20:00"), Complete: true, Calls: 3, Changes: 2,
		Principals: []incident.Principal{
			{ARN: begun.Actor.ARN, Calls: 2, Changes: 2, Names: []string{"CreateAccessKey", "AttachUserPolicy"}, IPs: []string{"203.0.113.9"}},
			{ARN: "config.amazonaws.com", Calls: 1, Names: []string{"GetBucketPolicy"}, IPs: []string{}},
		},
		Unknown: "Event history holds no data events: what was read from or written to buckets in that time cannot be known",
		SHA256:  "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	}
	out = append(out, Sample{"evidence", evidence})

	again := evidence
	again.Stage, again.Count, again.Evidence, again.Ledger = incident.StageAgain, 2, nil, head(17)
	again.Tamperings = append(again.Tamperings[:1:1], incident.Tampering{
		ID: "inc-b8c1f3a4d5e60718", Rule: "trail.stop", At: at("23:09:30"), EventID: "1d4e9b5f-8a1c-4b67-8e8f-2c3d4e5f6071",
		Event: "StopLogging", Principal: begun.Actor.ARN, Outcome: incident.Repaired, BlindWindow: window("23:09:30", "23:10:12"),
	})
	again.BlindWindow = again.Tamperings[1].BlindWindow
	again.RepairedAt = ptr(at("23:10:13"))
	again.Actions = []incident.Action{{Op: "StartLogging", Target: begun.Trail.ARN, At: ptr(at("23:10:12")), RequestID: "2a1f3e4d-5c6b-4708-9988-776655443322"}}
	out = append(out, Sample{"again", again})

	escalated := again
	escalated.Stage, escalated.Count, escalated.Outcome, escalated.Ledger = incident.StageEscalated, 5, incident.Failed, head(31)
	escalated.Reason = "StartLogging failed: ThrottlingException, because somebody else makes the same call all the time"
	escalated.Contested = begun.Actor.ARN + " has undone the repair again and again: 5 times within 10m0s"
	escalated.BlindWindow = &incident.BlindWindow{From: at("23:13:02"), Seconds: 95, Open: true, Certainty: incident.FromStatus}
	escalated.RepairedAt, escalated.Drifts = nil, []incident.Drift{{Field: "logging", Want: "true", Got: "false"}}
	escalated.Actions = []incident.Action{{Op: "StartLogging", Target: begun.Trail.ARN, At: ptr(at("23:13:05")), Error: "ThrottlingException"}}
	out = append(out, Sample{"escalated", escalated})

	acknowledged := escalated
	acknowledged.Stage, acknowledged.Ledger = incident.StageAcknowledged, head(33)
	acknowledged.Acknowledged = &incident.Ack{By: "ada@example.com", At: at("23:15:40"), Note: "mallory's key is disabled; looking at what else she did"}
	out = append(out, Sample{"acknowledged", acknowledged})

	confirmed := again
	confirmed.Stage, confirmed.Outcome, confirmed.Ledger = incident.StageConfirmed, incident.Confirmed, head(36)
	confirmed.Acknowledged = acknowledged.Acknowledged
	out = append(out, Sample{"confirmed", confirmed})

	drill := begun
	drill.Drill = true
	out = append(out, Sample{"drill", drill}, Sample{"observed", Observed()}, Sample{"china", China()})
	for i := range out {
		out[i].Incident.NextSteps = incident.Steps(out[i].Incident)
	}
	return out
}

// Repaired is a trail that was stopped and started again.
func Repaired() incident.Incident {
	const arn = "arn:aws:cloudtrail:eu-west-1:123456789012:trail/org-trail"
	inc := incident.Incident{
		SchemaVersion: incident.SchemaVersion,
		ID:            "inc-a7b0e2939c4d5f60",
		Trail:         incident.TrailRef{ARN: arn, Name: "org-trail", Account: "123456789012", Region: "eu-west-1", Partition: "aws"},
		Outcome:       incident.Repaired,
		Severity:      incident.Critical,
		Findings: []incident.Finding{{
			Rule: "trail.stop", Title: "Trail stopped", Severity: incident.Critical, Attack: "T1562.008",
			Text: "StopLogging took effect: nothing is recorded by this trail until it is started again",
		}},
		Record: &incident.Record{
			EventID: "0c3d8a4e-7f0b-4a56-9d7e-1b2c3d4e5f60", EventName: "StopLogging", EventSource: "cloudtrail.amazonaws.com",
			EventTime: at("23:04:11"), Account: "123456789012", Region: "eu-west-1",
			RequestID: "5b8f5f3a-1d0c-4a3b-8f77-2f2d6a1c9e10", DeliveryID: "6f1c2b3a-0000-4444-8888-9d9e9f000001",
		},
		Actor: &incident.Actor{
			Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/Operations/mallory", Account: "123456789012",
			Issuer: "arn:aws:iam::123456789012:role/Operations", KeySuffix: "QX7L", SourceIP: "203.0.113.9",
			UserAgent: "aws-cli/2.31.4 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.7",
		},
		BlindWindow: window("23:04:11", "23:04:53"),
		Drifts:      []incident.Drift{},
		Actions:     []incident.Action{{Op: "StartLogging", Target: arn, At: ptr(at("23:04:53")), RequestID: "1f0e2d3c-4b5a-4697-8877-665544332211"}},
		OpenedAt:    at("23:04:11"),
		SeenAt:      at("23:04:52"),
		RepairedAt:  ptr(at("23:04:54")),
		Source:      "eventbridge",
		Stage:       incident.StageRepaired,
		Count:       1,
		Ledger:      head(12),
	}
	inc.Tamperings = []incident.Tampering{{
		ID: inc.ID, Rule: "trail.stop", At: inc.OpenedAt, EventID: inc.Record.EventID, Event: "StopLogging", Principal: inc.Actor.ARN,
		Outcome: incident.Repaired, BlindWindow: inc.BlindWindow,
	}}
	inc.NextSteps = incident.Steps(inc)
	return inc
}

// Failed is a trail that was changed, and could not be put back.
func Failed() incident.Incident {
	inc := Repaired()
	denied := "UpdateTrail " + inc.Trail.ARN + ": AccessDenied"
	inc.Stage, inc.Outcome, inc.Severity = incident.StageOpened, incident.Failed, incident.High
	inc.Reason = "UpdateTrail failed: " + denied + "; allow cloudtrail:UpdateTrail on the trail to the role that trailwarden runs as"
	inc.Record.EventName = "UpdateTrail"
	inc.Findings = []incident.Finding{{
		Rule: "trail.update.multi-region-off", Title: "Multi-Region recording switched off", Severity: incident.High, Attack: "T1562.008",
		Text: "UpdateTrail took effect: events of all other Regions are no longer recorded",
	}}
	inc.Tamperings[0].Event, inc.Tamperings[0].Outcome, inc.Tamperings[0].Rule = "UpdateTrail", incident.Failed, inc.Findings[0].Rule
	inc.Tamperings[0].BlindWindow, inc.BlindWindow, inc.RepairedAt = nil, nil, nil
	inc.Drifts = []incident.Drift{
		{Field: "multi_region", Want: "true", Got: "false"},
		{Field: "kms_key_id", Want: "arn:aws:kms:eu-west-1:123456789012:key/4a3b2c1d", Got: ""},
	}
	inc.Coverage = &incident.Coverage{
		Lost:      []incident.Loss{{Name: "regions", Text: "Events of all Regions but eu-west-1 are no longer recorded."}},
		Remaining: []incident.Loss{},
	}
	inc.Actions = []incident.Action{{Op: "UpdateTrail", Target: inc.Trail.ARN, At: ptr(at("23:04:53")), Error: denied}}
	inc.Warning = "the ledger could not be written for 4 minutes: disk full"
	inc.NextSteps = incident.Steps(inc)
	return inc
}

// Observed is a trail that was stopped, and that trailwarden only watches.
func Observed() incident.Incident {
	inc := Repaired()
	inc.Stage, inc.Outcome, inc.Observe = incident.StageOpened, incident.Open, true
	inc.Reason = "observe mode: no call that changes anything is made"
	inc.BlindWindow = &incident.BlindWindow{From: inc.OpenedAt, Seconds: 185, Open: true, Certainty: incident.FromRecords}
	inc.Tamperings[0].Outcome, inc.Tamperings[0].BlindWindow, inc.RepairedAt = incident.Open, inc.BlindWindow, nil
	inc.Drifts = []incident.Drift{{Field: "logging", Want: "true", Got: "false"}}
	inc.Actions = []incident.Action{{Op: "StartLogging", Target: inc.Trail.ARN}}
	inc.NextSteps = incident.Steps(inc)
	return inc
}

// China is Repaired in another partition, found by a sweep.
func China() incident.Incident {
	inc := Repaired()
	inc.Trail = incident.TrailRef{
		ARN: "arn:aws-cn:cloudtrail:cn-northwest-1:210987654321:trail/audit-2026", Name: "audit-2026", Account: "210987654321",
		Region: "cn-northwest-1", Partition: "aws-cn",
	}
	inc.Actions[0].Target = inc.Trail.ARN
	inc.Record, inc.Actor, inc.Source = nil, nil, "sweep"
	inc.Findings[0].Text = "The sweep found the trail stopped: no event told of it"
	inc.Tamperings[0].EventID, inc.Tamperings[0].Event, inc.Tamperings[0].Principal = "", "", ""
	inc.Ledger.Chain = inc.Trail.ARN
	inc.NextSteps = incident.Steps(inc)
	return inc
}

func head(seq int64) *incident.LedgerHead {
	return &incident.LedgerHead{
		Chain: "arn:aws:cloudtrail:eu-west-1:123456789012:trail/org-trail", Seq: seq,
		Hash: "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
	}
}

func window(from, to string) *incident.BlindWindow {
	return incident.Window(at(from), at(to), at(to), incident.FromStatus)
}

// at is a time of the day on which it all happens.
func at(clock string) time.Time {
	t, err := time.Parse(time.RFC3339, "2026-11-23T"+clock+"Z")
	if err != nil {
		panic(err) // a constant of this file
	}
	return t
}

func ptr[T any](v T) *T { return &v }
