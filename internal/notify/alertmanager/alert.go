package alertmanager

import (
	"regexp"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// alert is one of API v2.
type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     string            `json:"startsAt"`
	EndsAt       string            `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// compose makes the alert of an incident.
func compose(inc incident.Incident, loc *time.Location, now time.Time) alert {
	page := notify.BriefOf(inc, loc)
	a := alert{
		Labels:   labels(inc),
		StartsAt: begun(inc, now).UTC().Format(time.RFC3339),
		EndsAt:   now.Add(firing(inc)).UTC().Format(time.RFC3339),
		Annotations: map[string]string{
			"summary":     written(page.Subject),
			"description": written(description(page)),
			"stage":       written(notify.Plain(string(notify.StageOf(inc)), 40)),
			"outcome":     written(notify.Plain(string(inc.Outcome), 40)),
		},
	}
	if inc.Acknowledged != nil {
		a.Annotations["acknowledged_by"] = written(notify.Plain(inc.Acknowledged.By, 160))
	}
	for _, s := range page.Sections {
		switch s.Topic {
		case notify.Links:
			a.GeneratorURL = s.Blocks[0].URL
		case notify.Next:
			a.Annotations["next_steps"] = written(strings.Join(s.Lines(), "\n"))
		}
	}
	return a
}

// begun is when the incident began. A record may claim any time, and Alertmanager takes none that is after the end.
func begun(inc incident.Incident, now time.Time) time.Time {
	if at := inc.OpenedAt; !at.IsZero() && at.Before(now) {
		return at
	}
	return now
}

// firing is how long the alert goes on when nothing more is told of its incident. Alertmanager ends an alert that names no
// end after five minutes.
func firing(inc incident.Incident) time.Duration {
	if notify.Ended(inc) || inc.Outcome == incident.Confirmed {
		return 0
	}
	switch inc.Outcome {
	case incident.Open, incident.Failed:
		return 7 * 24 * time.Hour
	case incident.Repaired: // the record that confirms it may be lost
		return 24 * time.Hour
	}
	return time.Hour // something happened, and is over
}

// labels are what an alert is known and routed by: a short list, of values that do not change in the life of an incident,
// but for the severity.
func labels(inc incident.Incident) map[string]string {
	out := map[string]string{"alertname": "CloudTrailTampering"}
	if notify.Own(inc) {
		out["alertname"] = "Trailwarden" // about itself; the label rule says what
	}
	add := func(name, value string) {
		if value != "" { // Alertmanager takes an empty label for none
			out[name] = written(notify.Plain(value, 200))
		}
	}
	add("severity", string(inc.Severity))
	add("incident_id", inc.ID)
	add("account", inc.Trail.Account)
	add("region", inc.Trail.Region)
	add("trail", inc.Trail.Name)
	if len(inc.Findings) > 0 {
		add("rule", inc.Findings[0].Rule)
	}
	if inc.Drill {
		out["drill"] = "true"
	}
	return out
}

// description is the page from its headline to what was done.
func description(p notify.Page) string {
	var lines []string
	for _, text := range []string{p.Drill, p.Headline} {
		if text != "" {
			lines = append(lines, text)
		}
	}
	lines = append(lines, notify.Section{Blocks: p.Findings}.Lines()...)
	if p.Partial != "" {
		lines = append(lines, p.Partial)
	}
	for _, s := range p.Sections {
		if s.Topic == notify.Next || s.Topic == notify.Links {
			continue
		}
		lines = append(lines, "", s.Title+":")
		lines = append(lines, s.Lines()...)
	}
	text := strings.Join(lines, "\n")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "\n… the incident has more."
	}
	return text
}

// maxText in bytes is what most receivers behind Alertmanager take.
const maxText = 8 << 10

// written writes out what some receiver's syntax would obey: mentions, tags, links, templates. Which receiver that is only
// Alertmanager knows: its templates put annotations as they are into Slack's mrkdwn, HTML and Markdown.
func written(s string) string {
	return mention.ReplaceAllString(entity.ReplaceAllString(active.Replace(s), `\u0026$1`), `$1\u0040`)
}

var (
	active  = strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "](", `]\u0028`, "{{", `{\u007b`)
	entity  = regexp.MustCompile(`&(#?[A-Za-z0-9]+;)`)
	mention = regexp.MustCompile(`(^|[^A-Za-z0-9._-])@`)
)
