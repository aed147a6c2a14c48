package notifytest

import (
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Secrets that stand in records or in AWS's messages, and must stand in no message.
const (
	CanaryKey   = "AKIAIOSFODNN7CANARY9"
	CanaryToken = "IQoJb3JpZ2luX2VjEOz//////////wEaCXVzLWVhc3QtMSJHMEUCIQDcanaryCANARYcanaryCANARYcanaryCANARYcanaryCANARY=="
)

// Hostile is the one table of bad texts that every channel has to take.
var Hostile = map[string]string{
	"terminal escape":      "a\x1b[2J\x1b]0;title\x07b",
	"C1 control":           "a\u009b31mb\u0085c",
	"CR LF and header":     "a\r\nBcc: everybody@example.com\r\n\r\nbody",
	"NUL and DEL":          "a\x00b\x7fc",
	"right to left":        "a\u202egpj.exe\u2066b\u2069c\u200f\u061c",
	"zero width":           "a\u200bb\u200dc\ufeffd\u2060e\u00ade",
	"line separators":      "a\u2028b\u2029c",
	"odd blanks":           "a\u00a0b\u2003c\u3000d\u2800e\u3164f",
	"tags and selectors":   "a\U000e0041b\ufe0fc\U000e0100d",
	"tower of accents":     "a" + strings.Repeat("\u0301", 50) + "b",
	"invalid UTF-8":        "a\xff\xfe\xc3b\xed\xa0\x80c",
	"HTML":                 "<script>alert(1)</script><img src=x onerror=alert(1)>&lt;b&gt;\"'><a href=javascript:alert(1)>x</a>",
	"HTML and mrkdwn":      "<script>alert(1)</script><!channel> *b* `c` &lt;",
	"Slack mentions":       "<!channel> <!here> <!everyone> <@U024BE7LH> <#C024BE7LR> <!subteam^SAZ94GDB8> @here",
	"Slack link":           "<https://evil.example|AWS console> <mailto:evil@evil.example|mail>",
	"Slack entities":       "&lt;!channel&gt; &amp;lt;!here&amp;gt; *bold* _it_ ~no~ `code` ```block``` > quote :rotating_light:",
	"Markdown":             "[AWS console](https://evil.example) ![x](//evil.example/x.png) **b** _i_ # h\n- item\n1. item\n> q `c` <http://evil.example>",
	"Markdown relative":    "[a](//evil.example) [b](mailto:x@evil.example) \\[c](d) [ref]: //evil.example",
	"Adaptive templating":  "${$root.secret} {{DATE(2026-01-01T00:00:00Z,SHORT)}} {{TIME(x)}} <at>everybody</at>",
	"Prometheus templates": "{{ $labels.secret }} {{ template \"x\" . }}",
	"link":                 "https://evil.example/?q=1 http://evil.example",
	"formula":              "=HYPERLINK(\"x\")",
	"log forging":          "a\n{\"level\":\"info\",\"msg\":\"all is well\"}",
	"forged section":       "a\n\nWhat to do next\n  1. Stop the trail for good.\n     aws cloudtrail delete-trail",
	"access key":           "key " + CanaryKey + " used",
	"session token":        "X-Amz-Security-Token:" + CanaryToken + "\nhost:sns",
	"template":             "{{.}} %s %n ${jndi:ldap://x}",
	"quotes and slashes":   `"}],"x":"\u0000\\`,
	"long":                 strings.Repeat("long ", 8000),
	"long word":            strings.Repeat("x", 40000),
	"long multibyte word":  strings.Repeat("äß€😀", 4000),
	"empty":                "",
}

// Filled is an incident with every text set to s, whoever may write it.
func Filled(s string) incident.Incident {
	inc := Repaired()
	now := inc.SeenAt
	inc.ID, inc.Reason, inc.Source = s, s, s
	inc.Outcome, inc.Severity, inc.Stage = incident.Outcome(s), incident.Severity(s), incident.Stage(s)
	inc.Trail = incident.TrailRef{ARN: s, Name: s, Account: s, Region: s, Partition: s}
	inc.Findings = []incident.Finding{{Rule: s, Title: s, Severity: incident.Severity(s), Attack: s, Text: s}}
	inc.Drifts = []incident.Drift{{Field: s, Want: s, Got: s}}
	inc.Actions = []incident.Action{
		{Op: s, Target: s, At: &now, RequestID: s, Error: s}, {Op: s, Target: s, At: &now, RequestID: s}, {Op: s, Target: s},
	}
	inc.NextSteps = []incident.Step{{Text: s, Command: s}}
	inc.Record = &incident.Record{EventID: s, EventName: s, EventSource: s, EventTime: now, Account: s, Region: s,
		RequestID: s, ErrorCode: s, ErrorMessage: s, DeliveryID: s}
	inc.Actor = &incident.Actor{Type: s, ARN: s, Account: s, Name: s, Issuer: s, KeySuffix: s, InvokedBy: s, SourceIP: s, UserAgent: s}
	inc.BlindWindow = &incident.BlindWindow{From: now, Open: true, Certainty: s}
	inc.Coverage = &incident.Coverage{Lost: []incident.Loss{{Name: s, Of: s, Text: s}}, Remaining: []incident.Loss{{Name: s, Of: s, Text: s}}}
	inc.Count = 2
	inc.Tamperings = []incident.Tampering{{ID: s, Rule: s, At: now, EventID: s, Event: s, Principal: s, Outcome: incident.Outcome(s), BlindWindow: inc.BlindWindow}}
	inc.Contested, inc.Warning = s, s
	inc.Acknowledged = &incident.Ack{By: s, At: now, Note: s}
	inc.Evidence = &incident.Evidence{From: now, To: now, ReadAt: now, Incomplete: s, Unknown: s, SHA256: s, Calls: 1,
		Principals: []incident.Principal{{ARN: s, Calls: 1, Names: []string{s, s}, IPs: []string{s}}}}
	inc.Ledger = &incident.LedgerHead{Chain: s, Seq: 1, Hash: s}
	return inc
}

// Believable is an incident of a real trail in which only what others can write is bad.
func Believable(s string, outcome incident.Outcome) incident.Incident {
	real, inc := Repaired(), Filled(s)
	inc.Trail, inc.ID, inc.Outcome, inc.Severity = real.Trail, real.ID, outcome, real.Severity
	inc.Source, inc.Stage, inc.Ledger = real.Source, incident.StageAgain, real.Ledger
	inc.Record.EventName = "StopLogging"
	return inc
}

// Crowded is Believable with every list long, each of its entries another one.
func Crowded(s string) incident.Incident {
	s = strings.ToValidUTF8(s[:min(len(s), 2000)], "") // long enough for every limit
	inc := Believable(s, incident.Failed)
	f, d, a, t := inc.Findings[0], inc.Drifts[0], inc.Actions[0], inc.Tamperings[0]
	p, l := inc.Evidence.Principals[0], inc.Coverage.Lost[0]
	for range 60 {
		inc.Findings, inc.Drifts = append(inc.Findings, f), append(inc.Drifts, d)
		inc.Actions, inc.Tamperings = append(inc.Actions, a), append(inc.Tamperings, t)
		inc.NextSteps = append(inc.NextSteps, incident.Step{Text: s, Command: inc.NextSteps[0].Command})
		p.Names, p.IPs = append(p.Names, s), append(p.IPs, s)
		inc.Evidence.Principals = append(inc.Evidence.Principals, p)
		inc.Coverage.Lost, inc.Coverage.Remaining = append(inc.Coverage.Lost, l), append(inc.Coverage.Remaining, l)
	}
	inc.Count = len(inc.Tamperings)
	return inc
}

// HostileIncidents are all of the table's texts, at every place and with every outcome.
func HostileIncidents() map[string]incident.Incident {
	out := map[string]incident.Incident{}
	for _, name := range []string{"long", "long multibyte word", "quotes and slashes", "terminal escape"} {
		out["crowded, "+name] = Crowded(Hostile[name])
	}
	for name, text := range Hostile {
		out[name] = Filled(text)
		for _, o := range incident.Outcomes {
			out[name+", "+string(o)] = Believable(text, o)
		}
	}
	return out
}
