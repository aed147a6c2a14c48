package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Prose is the message for people: plain text that says what happened, since when nothing was recorded, who
// did it, what was repaired and what to do next. Times are UTC, and local too where loc is not nil.
func Prose(inc incident.Incident, loc *time.Location) string { return PageOf(inc, loc).String() }

// most is how many steps a person is asked to do.
const most = 5

// writer writes the parts of a page in their order.
type writer struct {
	page  Page
	inc   incident.Incident
	loc   *time.Location
	items int // entries of one list
	many  int // incidents of a storm
	short int // bytes of one text from a record, escaped
	long  int // bytes of one of our own sentences, which may quote such a text
}

func (w *writer) text(s string) string     { return Plain(s, w.short) }
func (w *writer) sentence(s string) string { return Plain(s, w.long) }

func (w *writer) head() {
	if w.inc.Drill {
		w.page.Drill = "THIS IS A DRILL: the trail was tampered with on purpose, to prove that this message reaches you."
	}
	w.page.Headline = severityWord(w.inc.Severity) + ": " + headline(w.inc)
	if w.inc.Partial {
		w.page.Partial = "This message may be incomplete: something that belongs to it could not be read or done."
	}
	switch w.inc.Outcome {
	case incident.Rejected: // what the record claims has perhaps not happened
		return
	case incident.Attempted: // the headline has said it all
		if len(w.inc.Findings) == 1 {
			return
		}
	}
	if confirmsItself(w.inc) && len(w.inc.Findings) == 1 {
		return
	}
	for i, f := range w.inc.Findings {
		if i == w.items {
			w.page.Findings = append(w.page.Findings, Block{Kind: Para, Text: fmt.Sprintf("… and %d more findings.", len(w.inc.Findings)-i)})
			break
		}
		w.page.Findings = append(w.page.Findings, Block{Kind: Item, Label: "-", Text: stop(w.sentence(f.Text))})
	}
}

func (w *writer) blind() {
	b := w.inc.BlindWindow
	if b == nil {
		return
	}
	w.page.section(Blind, "What was not recorded")
	w.page.field("From", moment(b.From, w.loc))
	switch {
	case b.Open:
		w.page.field("To", "still open, "+span(b.Seconds)+" so far")
	case b.To != nil:
		w.page.field("To", moment(*b.To, w.loc))
		w.page.field("Length", span(b.Seconds))
	}
	w.page.field("Known from", w.certainty(b.Certainty))
	w.page.apart("In that time this trail delivered nothing. Event history keeps management events for 90 days " +
		"whatever a trail does, so they can still be read there. Data events, network activity events and " +
		"Insights of that time are lost unless another trail recorded them.")
}

// lost says what the trail did not cover any more against what is pinned, and what it still does not.
func (w *writer) lost() {
	c := w.inc.Coverage
	if c == nil || len(c.Lost) == 0 {
		return
	}
	w.page.section(Lost, "What the trail no longer covered, against what is pinned")
	w.losses(c.Lost)
	switch {
	case len(c.Remaining) == 0 && w.inc.RepairedAt != nil:
		w.page.apart("All of this is covered again.")
	case len(c.Remaining) > 0 && w.inc.RepairedAt != nil:
		w.page.section(Lost, "What it still does not cover")
		w.losses(c.Remaining)
	}
}

func (w *writer) losses(list []incident.Loss) {
	for i, l := range list {
		if i == w.items {
			w.page.para(fmt.Sprintf("… and %d more.", len(list)-i))
			return
		}
		w.page.item("-", w.sentence(l.Text), "")
	}
}

func (w *writer) certainty(c string) string {
	switch c {
	case incident.FromStatus:
		return "the trail's own start and stop times"
	case incident.FromRecords:
		return "the times of records: exact to about a second"
	case "from_files":
		return "the delivered log files: exact to some minutes"
	}
	return w.text(c)
}

func (w *writer) drifts() {
	if len(w.inc.Drifts) == 0 {
		return
	}
	switch w.inc.Outcome {
	case incident.Repaired, incident.Restored, incident.Confirmed:
		w.page.section(Differs, "Still not as wanted")
	default:
		w.page.section(Differs, "What is not as wanted")
	}
	for i, d := range w.inc.Drifts {
		if i == w.items {
			w.page.para(fmt.Sprintf("… and %d more settings.", len(w.inc.Drifts)-i))
			break
		}
		if d.Field == "exists" {
			w.page.item("-", "the trail does not exist", "")
			continue
		}
		w.page.item("-", w.text(d.Field)+": wanted "+orNothing(w.text(d.Want))+", found "+orNothing(w.text(d.Got)), "")
	}
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func (w *writer) done() {
	if Own(w.inc) {
		if w.inc.Reason != "" {
			w.page.section(Done, "What is known of it")
			w.page.para(stop(w.sentence(w.inc.Reason)))
		}
		return
	}
	w.page.section(Done, "What was done")
	for i, a := range w.inc.Actions {
		if i == w.items {
			w.page.para(fmt.Sprintf("… and %d more calls.", len(w.inc.Actions)-i))
			break
		}
		w.action(a)
	}
	if at := w.inc.RepairedAt; at != nil {
		w.page.item("-", w.clock(*at)+": read back, and as wanted", "")
	}
	if len(w.inc.Actions) == 0 {
		w.page.para(w.nothingDone())
	}
	if w.inc.Reason != "" {
		w.page.para("Why: " + stop(w.sentence(w.inc.Reason)))
	}
}

func (w *writer) action(a incident.Action) {
	op := w.text(a.Op)
	target := ""
	if a.Target != w.inc.Trail.ARN {
		target = " on " + w.text(a.Target)
	}
	switch {
	case a.At == nil:
		line := commandLine(w.inc, a)
		if w.inSteps(line) {
			line = ""
		}
		w.page.item("-", op+target+" is what would mend it; it was not called", line)
		return
	case a.Error != "":
		why := ": " + w.sentence(a.Error)
		if strings.Contains(w.inc.Reason, a.Error) {
			why = "" // it is told below
		}
		w.page.item("-", w.clock(*a.At)+": "+op+target+" failed"+why, "")
		return
	}
	how := "accepted by AWS"
	if a.Unread {
		how += ", sent before the state could be read because AWS did not answer in time"
	}
	if a.RequestID != "" {
		how += " (request " + w.text(a.RequestID) + ")"
	}
	w.page.item("-", w.clock(*a.At)+": "+op+target+" "+how, "")
}

// clock is a moment without its date, where that is the day on which it all began.
func (w *writer) clock(t time.Time) string {
	text, day := moment(t, w.loc), w.inc.OpenedAt.UTC().Format("2006-01-02 ")
	if w.loc == nil || w.loc == time.UTC || !strings.HasPrefix(text, day) {
		return strings.TrimPrefix(text, day)
	}
	return t.UTC().Format("15:04:05 UTC") + t.In(w.loc).Format(" (15:04:05 MST)")
}

// nothingDone says why no call was made.
func (w *writer) nothingDone() string {
	switch w.inc.Outcome {
	case incident.Restored:
		return "No call was made by this run: when the state was read, it was well again."
	case incident.Confirmed: // without calls, somebody else made the repair
		return "Nothing more: this confirms a repair that was made before."
	case incident.Attempted:
		return "Nothing: AWS refused the call, so nothing was changed."
	case incident.Rejected:
		return "Nothing: no trail is touched because of a record that does not fit."
	case incident.Noted:
		return "Nothing: this call is reported, not undone."
	}
	return "Nothing was changed."
}

func (w *writer) inSteps(command string) bool {
	for _, s := range w.inc.NextSteps {
		if s.Command == command {
			return true
		}
	}
	return false
}

// commandLine is the AWS CLI's line for a call that was not made, of checked parts; empty where there is none.
func commandLine(inc incident.Incident, a incident.Action) string {
	if a.Op != "StartLogging" || a.Target != inc.Trail.ARN || inc.Trail.Check() != nil {
		return ""
	}
	return "aws cloudtrail start-logging --region " + inc.Trail.Region + " --name " + inc.Trail.ARN
}

func (w *writer) steps() {
	if len(w.inc.NextSteps) == 0 {
		return
	}
	w.page.section(Next, "What to do next")
	for i, s := range w.inc.NextSteps[:min(most, len(w.inc.NextSteps))] {
		text, command := stop(w.sentence(s.Text)), s.Command
		if command != "" && !copyable(command) { // half a command line is worse than none
			text, command = text+" (The command line cannot be shown here; it stands in the incident.)", ""
		}
		w.page.item(fmt.Sprintf("%d.", i+1), text, command)
	}
}

// copyable says whether a command line can be shown just as it is. None of ours has a URL in it.
func copyable(command string) bool {
	return len(command) <= 600 && !strings.Contains(command, "://") && escape(mask(command), 700, "") == command
}

// stop ends a sentence.
func stop(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "]") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}
