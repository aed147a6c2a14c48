package teams

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// size is what a payload stays under, in bytes. Teams takes 28 KB, and in some places counts two bytes for a character.
const size = 14_000

// message is what a workflow's webhook takes.
type message struct {
	Type        string       `json:"type"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string  `json:"contentType"`
	ContentURL  *string `json:"contentUrl"` // always null
	Content     card    `json:"content"`
}

type card struct {
	Schema   string    `json:"$schema"`
	Type     string    `json:"type"`
	Version  string    `json:"version"`
	Fallback string    `json:"fallbackText"`
	Teams    teams     `json:"msteams"`
	Body     []element `json:"body"`
	Actions  []action  `json:"actions,omitempty"`
}

type teams struct {
	Width string `json:"width"`
}

// element is a Container of RichTextBlocks, or one of them.
type element struct {
	Type      string    `json:"type"`
	Style     string    `json:"style,omitempty"`
	Bleed     bool      `json:"bleed,omitempty"`
	Separator bool      `json:"separator,omitempty"`
	Spacing   string    `json:"spacing,omitempty"`
	Items     []element `json:"items,omitempty"`
	Inlines   []run     `json:"inlines,omitempty"`
}

type run struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Size     string `json:"size,omitempty"`
	Weight   string `json:"weight,omitempty"`
	FontType string `json:"fontType,omitempty"`
	Subtle   bool   `json:"isSubtle,omitempty"`
}

type action struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// compose makes the payload of an incident. What does not fit is left out, and that is said; headline and ids always fit.
func compose(inc incident.Incident, loc *time.Location) ([]byte, error) {
	page := notify.BriefOf(inc, loc)
	c := card{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.5",
		Fallback: plain(page.Subject), Teams: teams{Width: "Full"},
	}
	var sections []notify.Section
	var last []element // ids
	for _, s := range page.Sections {
		switch s.Topic {
		case notify.Links:
			for _, b := range s.Blocks {
				c.Actions = append(c.Actions, action{"Action.OpenUrl", b.Label, b.URL})
			}
		case notify.Details:
			last = []element{details(s)}
		default:
			sections = append(sections, s)
		}
	}
	c.Body = []element{head(inc, page)}
	left := false
	for _, s := range sections {
		one := section(s)
		with := append(c.Body[:len(c.Body):len(c.Body)], one)
		doc, err := encode(c, append(with, last...))
		if err != nil {
			return nil, err
		}
		if len(doc) > size {
			left = true
			continue
		}
		c.Body = with
	}
	if left {
		last = append(last, line("Small", run{Text: "This message was too long for Teams: the incident has more.", Weight: "Bolder"}))
	}
	return encode(c, append(c.Body, last...))
}

func encode(c card, body []element) ([]byte, error) {
	c.Body = body
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(message{"message", []attachment{{ContentType: "application/vnd.microsoft.card.adaptive", Content: c}}}); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// head says what happened, in the colour of how bad it is.
func head(inc incident.Incident, page notify.Page) element {
	h := element{Type: "Container", Style: "warning", Bleed: true}
	switch {
	case notify.Ended(inc):
		h.Style = "good"
	case inc.Severity.Rank() >= incident.High.Rank():
		h.Style = "attention"
	case inc.Severity.Rank() >= 0 && inc.Severity.Rank() <= incident.Low.Rank():
		h.Style = "accent"
	}
	if page.Drill != "" {
		h.Items = append(h.Items, line("None", run{Text: page.Drill, Weight: "Bolder"}))
	}
	h.Items = append(h.Items, line("None", run{Text: page.Headline, Size: "Medium", Weight: "Bolder"}))
	h.Items = append(h.Items, blocks(page.Findings)...)
	if page.Partial != "" {
		h.Items = append(h.Items, line("Small", run{Text: page.Partial, Weight: "Bolder"}))
	}
	return h
}

func section(s notify.Section) element {
	title := line("None", run{Text: s.Title, Weight: "Bolder"})
	return element{Type: "Container", Separator: true, Spacing: "Medium", Items: append([]element{title}, blocks(s.Blocks)...)}
}

func blocks(list []notify.Block) []element {
	var out []element
	for _, b := range list {
		switch b.Kind {
		case notify.Field:
			out = append(out, line("None", run{Text: b.Label + "  ", Subtle: true}, run{Text: b.Text}))
		case notify.Item:
			out = append(out, line("Small", run{Text: strings.Replace(b.Label, "-", "•", 1) + " " + b.Text}))
			if b.Command != "" {
				out = append(out, line("None", run{Text: b.Command, FontType: "Monospace", Size: "Small"}))
			}
		default:
			out = append(out, line("Small", run{Text: b.Text}))
		}
	}
	return out
}

// details are small print.
func details(s notify.Section) element {
	box := element{Type: "Container", Separator: true, Spacing: "Medium"}
	for _, b := range s.Blocks {
		box.Items = append(box.Items, line("None", run{Text: b.Label + ": " + b.Text, Size: "Small", Subtle: true}))
	}
	return box
}

func line(spacing string, runs ...run) element {
	for i := range runs {
		runs[i].Type, runs[i].Text = "TextRun", plain(runs[i].Text)
	}
	return element{Type: "RichTextBlock", Spacing: spacing, Inlines: runs}
}

// plain keeps clients from taking {{DATE(…)}} for a date of theirs.
func plain(s string) string {
	for strings.Contains(s, "{{") {
		s = strings.ReplaceAll(s, "{{", "{ {")
	}
	return s
}
