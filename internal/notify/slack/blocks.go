package slack

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Limits of Slack, in characters, that a message has to stay under.
const (
	maxHeader  = 150   // of a header's text
	maxPlain   = 2000  // of one text of a context
	maxAll     = 10000 // of all texts; Slack refuses messages somewhere above 13000
	maxPreform = 3000
)

// message is the payload of chat.postMessage, chat.update and of an incoming webhook.
type message struct {
	Channel   string  `json:"channel,omitempty"`
	TS        string  `json:"ts,omitempty"`        // of the message that is brought up to date
	Thread    string  `json:"thread_ts,omitempty"` // of the message that this one answers
	Broadcast bool    `json:"reply_broadcast,omitempty"`
	Text      string  `json:"text"` // mrkdwn, for telephones and screen readers
	Blocks    []block `json:"blocks"`
	// Links that a text may hold are never looked at.
	UnfurlLinks bool `json:"unfurl_links"`
	UnfurlMedia bool `json:"unfurl_media"`
}

// block is a block, or an element of one.
type block struct {
	Type     string  `json:"type"`
	Text     any     `json:"text,omitempty"` // *plain of a header, string of an element
	Emoji    *bool   `json:"emoji,omitempty"`
	Style    any     `json:"style,omitempty"`  // *style, or "bullet" and "ordered" of a list
	Offset   int     `json:"offset,omitempty"` // of an ordered list that goes on
	URL      string  `json:"url,omitempty"`
	Elements []block `json:"elements,omitempty"`
}

type plain struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Emoji bool   `json:"emoji"`
}

type style struct {
	Bold bool `json:"bold"`
}

// compose makes the message of an incident.
func compose(inc incident.Incident, loc *time.Location) message {
	page := notify.BriefOf(inc, loc)
	m := message{Text: fallback(inc, page), Blocks: []block{header(inc, page), lead(page)}}
	size := length(m.Blocks)
	for _, s := range page.Sections {
		var b block
		if s.Topic == notify.Details {
			b = details(s)
		} else {
			b = section(s)
		}
		if n := length([]block{b}); size+n <= maxAll {
			m.Blocks, size = append(m.Blocks, b), size+n
		} else if s.Topic == notify.Details {
			m.Blocks = append(m.Blocks, small("This message was too long: the incident has more. "+notify.Plain(inc.ID, 64)))
		}
	}
	return m
}

// answer is what is new, for the incident's thread.
func answer(inc incident.Incident, loc *time.Location) message {
	page := notify.BriefOf(inc, loc)
	m := message{Text: fallback(inc, page), Blocks: []block{lead(notify.Page{Drill: page.Drill, Headline: page.Headline, Partial: page.Partial})}}
	stage := notify.StageOf(inc)
	m.Broadcast = stage == incident.StageAgain || stage == incident.StageEscalated || stage == incident.StageReminded
	for _, s := range page.Sections {
		for _, topic := range newsOf[stage] {
			if s.Topic == topic {
				m.Blocks = append(m.Blocks, section(s))
			}
		}
	}
	return m
}

// newsOf says which sections tell what is new in a stage.
var newsOf = map[incident.Stage][]notify.Topic{
	incident.StageOpened:       {notify.Warning, notify.Differs, notify.Done},
	incident.StageRepaired:     {notify.Warning, notify.Blind, notify.Differs, notify.Done},
	incident.StageAgain:        {notify.Warning, notify.Conflict, notify.Again, notify.Who, notify.Done},
	incident.StageConfirmed:    {notify.Warning},
	incident.StageEscalated:    {notify.Warning, notify.Conflict, notify.Differs, notify.Done, notify.Next},
	incident.StageReminded:     {notify.Warning, notify.Conflict, notify.Differs, notify.Done, notify.Next},
	incident.StageAcknowledged: {notify.Taken},
	incident.StageEvidence:     {notify.Meantime, notify.Who},
}

// lights show from afar how bad it is.
var lights = map[incident.Severity]string{
	incident.Critical: "🔴", incident.High: "🟠", incident.Medium: "🟡", incident.Low: "🔵", incident.Info: "⚪",
}

// title is one line: fixed words and checked parts.
func title(inc incident.Incident, page notify.Page) string {
	if inc.Severity.Rank() < 0 {
		return page.Subject
	}
	return strings.ToUpper(string(inc.Severity)) + ": " + page.Subject
}

func fallback(inc incident.Incident, page notify.Page) string { return escape(title(inc, page)) }

// escape makes a text mean itself in mrkdwn.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func header(inc incident.Incident, page notify.Page) block {
	text := title(inc, page)
	light := lights[inc.Severity]
	if notify.Ended(inc) {
		light = "🟢"
	}
	if light != "" {
		text = light + " " + text
	}
	return block{Type: "header", Text: &plain{"plain_text", cut(text, maxHeader), true}}
}

// lead says what happened.
func lead(page notify.Page) block {
	b := block{Type: "rich_text"}
	if page.Drill != "" {
		b.Elements = append(b.Elements, line(bold(page.Drill+"\n")))
	}
	b.Elements = append(b.Elements, line(text(page.Headline)))
	b.Elements = append(b.Elements, pieces(page.Findings)...)
	if page.Partial != "" {
		b.Elements = append(b.Elements, line(bold(page.Partial)))
	}
	return b
}

func section(s notify.Section) block {
	return block{Type: "rich_text", Elements: append([]block{line(bold(s.Title + "\n"))}, pieces(s.Blocks)...)}
}

// pieces lays out blocks: fields and paragraphs as lines, items as lists, command lines as they stand, links in a row.
func pieces(list []notify.Block) []block {
	var out []block
	items := 0 // in ordered lists so far
	for i, b := range list {
		switch b.Kind {
		case notify.Field:
			out = join(out, "\n", bold(b.Label), text("  "+b.Text))
		case notify.Link:
			out = join(out, "  ·  ", block{Type: "link", URL: b.URL, Text: b.Label})
		case notify.Item:
			kind := "bullet"
			if strings.HasSuffix(b.Label, ".") {
				kind = "ordered"
			}
			open := i > 0 && list[i-1].Kind == notify.Item && list[i-1].Command == ""
			if !open {
				l := block{Type: "rich_text_list", Style: kind}
				if kind == "ordered" {
					l.Offset = items
				}
				out = append(out, l)
			}
			l := &out[len(out)-1]
			l.Elements = append(l.Elements, line(text(b.Text)))
			items++
			if b.Command != "" {
				out = append(out, block{Type: "rich_text_preformatted", Elements: []block{text(cut(b.Command, maxPreform))}})
			}
		default:
			out = join(out, "\n", text(b.Text))
		}
	}
	return out
}

// join puts elements into the line before, or begins one.
func join(out []block, sep string, elements ...block) []block {
	if n := len(out); n > 0 && out[n-1].Type == "rich_text_section" {
		out[n-1].Elements = append(append(out[n-1].Elements, text(sep)), elements...)
		return out
	}
	return append(out, line(elements...))
}

// details are small print.
func details(s notify.Section) block {
	var lines []string
	for _, b := range s.Blocks {
		lines = append(lines, b.Label+": "+b.Text)
	}
	return small(strings.Join(lines, "\n"))
}

func small(text string) block {
	no := false
	return block{Type: "context", Elements: []block{{Type: "plain_text", Text: cut(text, maxPlain), Emoji: &no}}}
}

func line(elements ...block) block { return block{Type: "rich_text_section", Elements: elements} }

// text is an element, which Slack does not take empty.
func text(s string) block {
	if s == "" {
		s = "–"
	}
	return block{Type: "text", Text: s}
}

func bold(s string) block { return block{Type: "text", Text: s, Style: &style{true}} }

// cut shortens a text to at most limit characters, as Slack counts them: in UTF-16.
func cut(s string, limit int) string {
	if units(s) <= limit {
		return s
	}
	n := 0
	for i, r := range s {
		if n += size(r); n > limit-1 {
			return s[:i] + "…"
		}
	}
	return s
}

func units(s string) int {
	n := 0
	for _, r := range s {
		n += size(r)
	}
	return n
}

func size(r rune) int {
	if r > 0xffff {
		return 2
	}
	return 1
}

// length counts the characters of all texts.
func length(list []block) int {
	n := 0
	for _, b := range list {
		switch t := b.Text.(type) {
		case string:
			n += utf8.RuneCountInString(t)
		case *plain:
			n += utf8.RuneCountInString(t.Text)
		}
		n += length(b.Elements)
	}
	return n
}
