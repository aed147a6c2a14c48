package notifytest

import (
	"fmt"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Own are incidents of trailwarden itself, which name no trail.
func Own() []Sample {
	own := func(rule, title, text string, severity incident.Severity, outcome incident.Outcome) incident.Incident {
		return incident.Incident{
			SchemaVersion: incident.SchemaVersion, ID: incident.ID("", rule+string(outcome)), Outcome: outcome, Severity: severity,
			Findings: []incident.Finding{{Rule: rule, Title: title, Severity: severity, Text: text}},
			Drifts:   []incident.Drift{}, Actions: []incident.Action{}, NextSteps: []incident.Step{},
			OpenedAt: at("23:04:11"), SeenAt: at("23:04:11"), Source: "sweep", Stage: incident.StageOpened, Count: 1,
			Ledger: &incident.LedgerHead{Chain: "trailwarden", Seq: 41, Hash: head(41).Hash},
		}
	}
	with := func(inc incident.Incident, reason, step, command string) incident.Incident {
		inc.Reason = reason
		inc.NextSteps = []incident.Step{{Text: step, Command: command}}
		return inc
	}
	storm := own("own.storm", "40 incidents at once", "40 incidents on 20 trails by 3 principals waited to be told; each is listed, and kept in the ledger under its id", incident.Critical, incident.Open)
	for i := range 40 {
		storm.Tamperings = append(storm.Tamperings, incident.Tampering{
			ID: incident.ID("storm", fmt.Sprint(i)), Rule: "trail.stop", At: at("23:04:11"), Outcome: incident.Repaired,
			Trail: fmt.Sprintf("arn:aws:cloudtrail:eu-west-1:123456789012:trail/t%02d", i%20), Principal: fmt.Sprintf("arn:aws:iam::123456789012:user/mallory%d", i%3),
		})
	}
	const fails = "The channel slack cannot tell anybody"
	return []Sample{
		{"own_channel", with(own("own.channel", "A channel fails", fails, incident.High, incident.Open), "tell Slack: chat.postMessage answered token_revoked",
			"Mend the channel slack. Its messages are kept, and sent when it works again.", "trailwarden notify test --channel slack")},
		{"own_channel_again", own("own.channel", "A channel fails", "The channel slack works again; what it missed is being sent", incident.High, incident.Restored)},
		{"own_queue", with(own("own.queue", "The queue cannot be read", "No event reaches the guard: only the sweep finds what is done to trails", incident.High, incident.Open),
			"AccessDenied", "Find out whether somebody did this on purpose, and mend it.", "trailwarden doctor")},
		{"own_input", with(own("own.input", "Input that is no CloudTrail record", "Something was received that cannot be decoded. It is kept; nothing else of this hour of the kind is told", incident.Medium, incident.Noted),
			"detail: not a JSON object; SHA-256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, 17 bytes",
			"Look at what was received, and find out who sent it.", "trailwarden incidents show --quarantine 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")},
		{"own_heartbeat", own("own.heartbeat", "trailwarden is watching", "All is as it should be on our side; 0 incidents are open. If this message does not come every 24h0m0s, somebody has silenced the guard", incident.Info, incident.Noted)},
		{"own_credentials", own("own.credentials", "Somebody uses trailwarden's credentials", "A call was made with trailwarden's role that trailwarden did not make", incident.Critical, incident.Open)},
		{"own_storm", storm},
		{"own_welcome", with(own("own.welcome", "trailwarden has begun to watch", "It watches over CloudTrail in the account 123456789012. Pinned trails: 3. Messages about incidents come the way that this one came", incident.Info, incident.Noted),
			"", "Acknowledge this message, so that it stands in the ledger that somebody hears.", "trailwarden incidents ack inc-0123456789abcdef")},
		{"own_maintenance", own("own.maintenance", "Maintenance begins", "Until 2026-11-24T02:00:00Z incidents of trail org-trail are told to slack alone. They are recorded and repaired as always. ada@example.com answers for it: the trail moves to another bucket", incident.Low, incident.Noted)},
	}
}
