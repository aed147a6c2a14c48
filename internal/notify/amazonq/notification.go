package amazonq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Notification is a custom notification, schema 1.0.
type Notification struct {
	Version  string   `json:"version"` // "1.0"
	Source   string   `json:"source"`  // "custom"
	ID       string   `json:"id"`      // the same however often the message is sent
	Content  Content  `json:"content"`
	Metadata Metadata `json:"metadata"`
}

// Content is what people see.
type Content struct {
	TextType    string   `json:"textType"` // "client-markdown"
	Title       string   `json:"title"`
	Description string   `json:"description"`
	NextSteps   []string `json:"nextSteps,omitempty"`
	Keywords    []string `json:"keywords,omitempty"`
}

// Metadata is what threads, buttons and filters go by.
type Metadata struct {
	ThreadID         string            `json:"threadId"` // the incident
	Summary          string            `json:"summary"`
	EventType        string            `json:"eventType"`
	RelatedResources []string          `json:"relatedResources,omitempty"`
	Context          map[string]string `json:"additionalContext"`
}

var (
	idForm    = notify.Lazily(`^inc-[0-9a-f]{16}$`)
	valueForm = notify.Lazily(`^[!-~]{1,256}$`) // what custom actions can take for a variable
)

// Render gives the notification as it is published.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	n := c.notification(inc)
	for limit := 16 << 10; ; limit /= 2 {
		n.Content.Description = clip(n.Content.Description, limit)
		doc, err := encode(n)
		if err != nil || len(doc) <= Limit {
			return doc, err
		}
		if limit < 512 {
			return nil, fmt.Errorf("it has %d bytes", len(doc))
		}
	}
}

func (c *Channel) notification(inc incident.Incident) Notification {
	page, stage := notify.BriefOf(inc, c.Location), notify.StageOf(inc)
	n := Notification{
		Version: "1.0", Source: "custom", ID: notify.Identity(inc),
		Content: Content{
			TextType: "client-markdown", Title: sentence(page.Subject), Description: description(page), NextSteps: steps(page), Keywords: keywords(inc),
		},
		Metadata: Metadata{ThreadID: notify.Identity(inc), Summary: page.Subject, EventType: "Trailwarden-Incident", Context: map[string]string{}},
	}
	if idForm().MatchString(inc.ID) {
		n.Metadata.ThreadID = inc.ID
	}
	for _, known := range incident.Stages {
		if stage == known {
			n.Metadata.EventType = "Trailwarden-Incident-" + strings.ToUpper(string(stage[:1])) + string(stage[1:])
		}
	}
	if inc.Trail.Check() == nil {
		n.Metadata.RelatedResources = []string{inc.Trail.ARN}
	}
	for name, value := range map[string]string{
		"incident_id": n.Metadata.ThreadID, "account": inc.Trail.Account, "region": inc.Trail.Region, "trail": inc.Trail.Name, "trail_arn": inc.Trail.ARN,
		"severity": string(inc.Severity), "outcome": string(inc.Outcome), "stage": string(stage), "drill": fmt.Sprint(inc.Drill),
	} {
		if (inc.Trail.Check() == nil || !strings.HasPrefix(name, "trail")) && valueForm().MatchString(value) && notify.Plain(value, 256) == value {
			n.Metadata.Context[name] = value
		}
	}
	return n
}

// description is the page but for what has a place of its own.
func description(p notify.Page) string {
	var b strings.Builder
	if p.Drill != "" {
		b.WriteString("*" + sentence(p.Drill) + "*\n\n")
	}
	b.WriteString("*" + sentence(p.Headline) + "*\n")
	blocks(&b, p.Findings)
	if p.Partial != "" {
		b.WriteString(sentence(p.Partial) + "\n")
	}
	for _, s := range p.Sections {
		if s.Topic == notify.Next || s.Topic == notify.Details {
			continue
		}
		b.WriteString("\n*" + sentence(s.Title) + "*\n")
		blocks(&b, s.Blocks)
	}
	return b.String()
}

func blocks(b *strings.Builder, list []notify.Block) {
	for _, block := range list {
		switch block.Kind {
		case notify.Field:
			b.WriteString(sentence(block.Label) + ": " + code(block.Text) + "\n")
		case notify.Link:
			b.WriteString(sentence(block.Label) + ": " + block.URL + "\n")
		case notify.Item:
			b.WriteString("• " + sentence(block.Text) + "\n")
			if block.Command != "" {
				b.WriteString("   " + code(block.Command) + "\n")
			}
		default:
			b.WriteString(sentence(block.Text) + "\n")
		}
	}
}

// steps are at most five sentences, with the command line that each is done by.
func steps(p notify.Page) []string {
	var out []string
	for _, s := range p.Sections {
		if s.Topic != notify.Next {
			continue
		}
		for _, b := range s.Blocks {
			step := sentence(b.Text)
			if b.Command != "" {
				step += " " + code(b.Command)
			}
			out = append(out, step)
		}
	}
	return out[:min(5, len(out))]
}

// keywords are of checked words.
func keywords(inc incident.Incident) []string {
	out := []string{"CloudTrail"}
	for _, word := range []string{string(inc.Severity), string(inc.Outcome), inc.Trail.Account, inc.Trail.Region} {
		if keywordForm().MatchString(word) {
			out = append(out, word)
		}
	}
	if len(inc.Findings) > 0 && keywordForm().MatchString(inc.Findings[0].Rule) {
		out = append(out, inc.Findings[0].Rule)
	}
	if inc.Drill {
		out = append(out, "drill")
	}
	return out
}

var keywordForm = notify.Lazily(`^[a-z0-9][a-z0-9.-]{0,40}$`)

// entities is what Slack wants to have escaped; Teams reads entities too.
var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'")

// sentence makes a text mean itself in Slack and in Teams.
func sentence(s string) string { return entities.Replace(notify.Bare(s)) }

// code shows a text as it is, in one line, between backticks.
func code(s string) string {
	if s = strings.TrimSpace(s); s == "" {
		return ""
	}
	return "`" + entities.Replace(s) + "`"
}

// clip shortens a text at the end of a line.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	s = s[:limit]
	if i := strings.LastIndexByte(s, '\n'); i >= 0 {
		s = s[:i+1]
	}
	return s + "… (cut: the whole message is in the other channels and in the ledger)\n"
}

func encode(n Notification) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(n); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
