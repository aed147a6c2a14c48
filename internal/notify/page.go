package notify

import (
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Page is what people are told of an incident, part by part, before a channel gives it its looks. The order is the
// same everywhere. Its texts are fit for eyes (Plain), and escaped for no syntax: whoever writes mrkdwn, HTML or
// Markdown escapes every one of them. Command lines and links stand in members of their own, and are ours.
type Page struct {
	Subject  string    // one line of printable ASCII, as of Subject
	Drill    string    // says that this is a drill; empty when it is none
	Headline string    // severity, what happened, where, and how it ended: fixed words and checked parts
	Findings []Block   // what each finding means
	Partial  string    // says that something may be missing; empty when nothing is
	Sections []Section // the rest; none is empty
}

// Section is one part of a page.
type Section struct {
	Topic  Topic
	Title  string // fixed words
	Blocks []Block
}

// Topic names a section for channels that lay some of them out in a way of their own.
type Topic string

// Topics, in the order of the page.
const (
	Warning  Topic = "warning"  // what is wrong with trailwarden itself
	Conflict Topic = "conflict" // who keeps undoing the repairs
	Blind    Topic = "blind"    // since when nothing was recorded
	Meantime Topic = "meantime" // what was done meanwhile
	Lost     Topic = "lost"     // what the trail did not cover any more
	Who      Topic = "who"      // who did it and from where
	Again    Topic = "again"    // each of the times
	Differs  Topic = "differs"  // wanted and found
	Done     Topic = "done"     // what was repaired, or why not
	Taken    Topic = "taken"    // who has taken it on
	Next     Topic = "next"     // what to do next
	Links    Topic = "links"    // where to look
	Details  Topic = "details"  // ids, rules, times
)

// Kind says what a Block is.
type Kind string

const (
	Para  Kind = "para"  // Text
	Field Kind = "field" // Label and Text
	Item  Kind = "item"  // Label is the mark of the list, "-" or "1."; Text, and perhaps Command
	Link  Kind = "link"  // Label and URL
)

// Block is one piece of a section.
type Block struct {
	Kind    Kind
	Label   string // fixed words
	Text    string
	Command string // a command line, to be copied as it stands
	URL     string // https, of checked parts
	Gap     bool   // stands apart from what is before it
}

// PageOf composes the page of an incident. Times are UTC, and local too where loc is not nil.
func PageOf(inc incident.Incident, loc *time.Location) Page {
	return compose(writer{inc: inc, loc: loc, items: 10, many: 100, short: 300, long: 600})
}

// BriefOf is PageOf for a chat: lists and texts are shorter, so that it stays on one screen as a rule.
func BriefOf(inc incident.Incident, loc *time.Location) Page {
	return compose(writer{inc: inc, loc: loc, items: 4, many: 12, short: 160, long: 320})
}

// compose writes the parts in their order. A list of blocks or a section that nothing is written to is left out.
func compose(w writer) Page {
	w.page.Subject = Subject(w.inc)
	w.head()
	w.warning()
	w.contested()
	w.blind()
	w.evidence()
	w.lost()
	w.who()
	w.again()
	w.drifts()
	w.done()
	w.taken()
	w.steps()
	w.links()
	w.details()
	return w.page
}

// section begins a new part.
func (p *Page) section(topic Topic, title string) {
	p.Sections = append(p.Sections, Section{Topic: topic, Title: title})
}

func (p *Page) add(b Block) {
	s := &p.Sections[len(p.Sections)-1]
	s.Blocks = append(s.Blocks, b)
}

func (p *Page) para(text string) { p.add(Block{Kind: Para, Text: text}) }

// apart is a paragraph that stands apart from what is before it.
func (p *Page) apart(text string) { p.add(Block{Kind: Para, Text: text, Gap: true}) }

// field adds a label and its value; nothing for an empty value.
func (p *Page) field(label, value string) {
	if value != "" {
		p.add(Block{Kind: Field, Label: label, Text: value})
	}
}

func (p *Page) item(mark, text, command string) {
	p.add(Block{Kind: Item, Label: mark, Text: text, Command: command})
}
