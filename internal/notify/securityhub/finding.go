package securityhub

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Limits of ASFF, in characters.
const (
	maxTitle       = 256
	maxDescription = 1024
	maxField       = 2048
	maxText        = 512 // of a recommendation
	maxID          = 512
)

// finding is the incident as ASFF.
func (c *Channel) finding(inc incident.Incident) Finding {
	page := notify.BriefOf(inc, nil)
	f := Finding{
		SchemaVersion: "2018-10-08",
		ID:            c.id(inc),
		ProductARN:    c.product(inc),
		ProductName:   "trailwarden",
		CompanyName:   "trailwarden",
		GeneratorID:   rule(inc),
		AccountID:     c.Account,
		Title:         page.Subject,
		Description:   description(page),
		CreatedAt:     stamp(inc.OpenedAt, c.Now()),
		UpdatedAt:     stamp(c.Now(), c.Now()),
		// Severity and types are the provider's own here: people may set others on the finding, and keep them.
		Provider: Provider{
			Severity: Severity{Label: severity(inc), Original: original(inc)},
			Types:    []string{"TTPs/Defense Evasion", "Software and Configuration Checks/AWS Security Best Practices"},
		},
		RecordState:   "ACTIVE",
		ProductFields: c.fields(inc),
		Resources:     []Resource{c.resource(inc)},
		Remediation:   remediation(page),
		Action:        action(inc),
		SourceURL:     trailPage(page),
		Sample:        inc.Drill,
	}
	if !inc.OpenedAt.IsZero() {
		f.FirstObservedAt = f.CreatedAt
	}
	if !inc.SeenAt.IsZero() && !inc.SeenAt.Before(inc.OpenedAt) {
		f.LastObservedAt = stamp(inc.SeenAt, c.Now())
	}
	if notify.Ended(inc) {
		f.RecordState = "ARCHIVED"
	}
	return f
}

// id names the finding: the same over the incident's whole life.
func (c *Channel) id(inc incident.Incident) string {
	id := cmp.Or(inc.ID, notify.Identity(inc))
	return clip("trailwarden/"+c.Region+"/"+c.Account+"/"+notify.Plain(id, 200), maxID)
}

// product is the default product of the account, which every account has.
func (c *Channel) product(inc incident.Incident) string {
	partition := "aws"
	switch {
	case strings.HasPrefix(c.Region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(c.Region, "us-gov-"):
		partition = "aws-us-gov"
	case inc.Trail.Check() == nil && inc.Trail.Region == c.Region:
		partition = inc.Trail.Partition
	}
	return "arn:" + partition + ":securityhub:" + c.Region + ":" + c.Account + ":product/" + c.Account + "/default"
}

func severity(inc incident.Incident) string {
	switch inc.Severity {
	case incident.Critical:
		return "CRITICAL"
	case incident.High:
		return "HIGH"
	case incident.Low:
		return "LOW"
	case incident.Info:
		return "INFORMATIONAL"
	}
	return "MEDIUM"
}

func original(inc incident.Incident) string {
	if inc.Severity.Rank() < 0 {
		return "unknown"
	}
	return string(inc.Severity)
}

func rule(inc incident.Incident) string {
	if len(inc.Findings) == 0 || strings.TrimSpace(inc.Findings[0].Rule) == "" {
		return "trailwarden"
	}
	return "trailwarden/" + notify.Plain(inc.Findings[0].Rule, 100)
}

func description(p notify.Page) string {
	text := strings.TrimSpace(p.Drill + " " + p.Headline)
	for _, b := range p.Findings {
		text += " " + b.Text
	}
	if p.Partial != "" {
		text += " " + p.Partial
	}
	return clip(text, maxDescription)
}

// resource is the trail, or the account where no trail is known.
func (c *Channel) resource(inc incident.Incident) Resource {
	if inc.Trail.Check() != nil {
		return Resource{Type: "AwsAccount", ID: "AWS::::Account:" + c.Account}
	}
	r := Resource{Type: "AwsCloudTrailTrail", ID: inc.Trail.ARN, Region: inc.Trail.Region}
	switch p := inc.Trail.Partition; p {
	case "aws", "aws-cn", "aws-us-gov":
		r.Partition = p
	}
	return r
}

// fields is what ASFF has no member for.
func (c *Channel) fields(inc incident.Incident) map[string]string {
	out := map[string]string{}
	set := func(name, value string) {
		if value = strings.TrimSpace(notify.Plain(value, maxField)); value != "" {
			out["trailwarden/"+name] = clip(value, maxField)
		}
	}
	set("incident_id", inc.ID)
	set("message_id", notify.Identity(inc))
	set("stage", string(notify.StageOf(inc)))
	set("outcome", string(inc.Outcome))
	set("reason", inc.Reason)
	set("trail_account", inc.Trail.Account)
	set("trail_region", inc.Trail.Region)
	set("version", c.Version)
	if inc.Count > 1 {
		set("count", fmt.Sprint(inc.Count))
	}
	if inc.Drill {
		set("drill", "true")
	}
	if w := inc.BlindWindow; w != nil {
		set("blind_from", w.From.UTC().Format(time.RFC3339))
		if w.To != nil {
			set("blind_to", w.To.UTC().Format(time.RFC3339))
		}
		set("blind_open", fmt.Sprint(w.Open))
		set("blind_seconds", fmt.Sprintf("%.0f", w.Seconds))
	}
	if len(inc.Findings) > 0 {
		set("attack", inc.Findings[0].Attack)
	}
	if r := inc.Record; r != nil {
		set("event_name", r.EventName)
		set("event_id", r.EventID)
		set("request_id", r.RequestID)
	}
	if a := inc.Actor; a != nil {
		set("principal", a.ARN)
		set("principal_type", a.Type)
		set("role", a.Issuer)
		set("source_ip", a.SourceIP)
		set("user_agent", a.UserAgent)
	}
	for i, d := range inc.Drifts[:min(8, len(inc.Drifts))] {
		set(fmt.Sprintf("drift/%d", i+1), d.Field+": wanted "+d.Want+", found "+d.Got)
	}
	if l := inc.Ledger; l != nil {
		set("ledger_hash", l.Hash)
		set("ledger_seq", fmt.Sprint(l.Seq))
	}
	return out
}

// remediation is what to do next, and where.
func remediation(p notify.Page) *Remediation {
	text := ""
	for _, s := range p.Sections {
		if s.Topic != notify.Next {
			continue
		}
		for _, b := range s.Blocks {
			text += strings.TrimSpace(b.Label+" "+b.Text) + " "
		}
	}
	if text = clip(strings.TrimSpace(text), maxText); text == "" {
		return nil
	}
	return &Remediation{Recommendation{Text: text, URL: trailPage(p)}}
}

// trailPage is the console's page about the trail.
func trailPage(p notify.Page) string {
	for _, s := range p.Sections {
		if s.Topic == notify.Links && len(s.Blocks) > 0 {
			return s.Blocks[0].URL
		}
	}
	return ""
}

// action is the call that was made.
func action(inc incident.Incident) *Action {
	r, a := inc.Record, inc.Actor
	if r == nil || strings.TrimSpace(r.EventName) == "" || inc.Outcome == incident.Rejected {
		return nil
	}
	call := Call{API: notify.Plain(r.EventName, 128)}
	if strings.TrimSpace(r.EventSource) != "" {
		call.ServiceName = notify.Plain(r.EventSource, 128)
	}
	if !r.EventTime.IsZero() {
		call.FirstSeen, call.LastSeen = stamp(r.EventTime, r.EventTime), stamp(r.EventTime, r.EventTime)
	}
	if a != nil {
		if ip, err := netip.ParseAddr(a.SourceIP); err == nil && ip.Is4() {
			call.CallerType, call.RemoteIP = "remoteIp", &RemoteIP{ip.String()}
		} else if domain := notify.Plain(a.SourceIP, 128); err != nil && strings.HasSuffix(domain, ".amazonaws.com") {
			call.CallerType, call.Domain = "domain", &Domain{domain}
		}
	}
	return &Action{ActionType: "AWS_API_CALL", Call: call}
}

// stamp is a time as ASFF wants it; other where it is not known.
func stamp(t, other time.Time) string {
	if t.IsZero() {
		t = other
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// clip shortens a text that is fit for eyes to at most limit characters.
func clip(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	runes := []rune(s)
	return strings.TrimSpace(string(runes[:limit-1])) + "…"
}
