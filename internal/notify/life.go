package notify

import (
	"fmt"
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// news puts what happened last in the incident's life before or behind what the headline says of the trail.
func news(inc incident.Incident, said string) string {
	switch inc.Stage {
	case incident.StageAgain:
		return "AGAIN, for the " + nth(inc.Count) + " time: " + said
	case incident.StageEscalated:
		if a := inc.Alarm; a != nil && a.Escalated > 0 {
			return "ESCALATED, nobody has taken it on for " + span(a.At.Sub(a.Since).Seconds()) + ": " + said
		}
		return "ESCALATED: " + said
	case incident.StageReminded:
		if a := inc.Alarm; a != nil {
			return "STILL OPEN, and nobody has taken it on for " + span(a.At.Sub(a.Since).Seconds()) + ": " + said
		}
		return "STILL OPEN: " + said
	case incident.StageAcknowledged:
		return "ACKNOWLEDGED: " + said
	case incident.StageEvidence:
		if inc.Evidence == nil {
			return "MORE IS KNOWN: " + said
		}
		return fmt.Sprintf("EVIDENCE, %s: %s", events(inc.Evidence.Calls, inc.Evidence.Changes), said)
	}
	return said
}

// stageWord is what a subject says of the stage, after the outcome; empty where the outcome says it all.
func stageWord(inc incident.Incident) string {
	switch inc.Stage {
	case incident.StageAgain:
		return nth(inc.Count) + " time"
	case incident.StageEscalated:
		return "ESCALATED"
	case incident.StageReminded:
		return "STILL OPEN"
	case incident.StageAcknowledged:
		return "acknowledged"
	case incident.StageEvidence:
		return "more is known"
	}
	return ""
}

// nth is an ordinal number: "2nd", "13th".
func nth(n int) string {
	end := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, end)
}

// confirmsItself says whether the incident is nothing but the record of our own call: where a ledger is kept, such a
// record confirms the incident that it belongs to instead.
func confirmsItself(inc incident.Incident) bool {
	return inc.Outcome == incident.Confirmed && inc.Count == 0
}

func (w *writer) warning() {
	if w.inc.Warning != "" {
		w.page.section(Warning, "What is wrong with trailwarden itself")
		w.page.para(stop(w.sentence(w.inc.Warning)))
	}
}

func (w *writer) contested() {
	if w.inc.Contested != "" {
		w.page.section(Conflict, "The repairs are being undone")
		w.page.para(stop(w.sentence(w.inc.Contested)))
	}
}

// evidence says what was done while nothing was recorded, as far as Event history tells.
func (w *writer) evidence() {
	e := w.inc.Evidence
	if e == nil {
		return
	}
	w.page.section(Meantime, "Meanwhile, according to Event history")
	w.page.field("Read", "Event history from "+moment(e.From, nil)+" to "+moment(e.To, nil)+", read "+w.clock(e.ReadAt))
	w.page.field("Found", events(e.Calls, e.Changes))
	if !e.Complete {
		w.page.field("INCOMPLETE", stop(w.sentence(e.Incomplete)+" More may come"))
	}
	for i, p := range e.Principals {
		if i == w.items {
			w.page.para(fmt.Sprintf("… and %d more principals.", len(e.Principals)-i))
			break
		}
		line := w.text(p.ARN) + ": " + events(p.Calls, p.Changes)
		if names := w.list(p.Names); names != "" {
			line += ": " + names
		}
		if from := w.list(p.IPs); from != "" {
			line += "; from " + from
		}
		w.page.item("-", line, "")
	}
	if e.Unknown != "" {
		w.page.apart(stop(w.sentence(e.Unknown)))
	}
}

func events(all, changes int) string {
	switch {
	case all == 0:
		return "no management events"
	case all == 1 && changes == 1:
		return "1 management event, a change"
	case all == 1:
		return "1 management event, a mere read"
	}
	return fmt.Sprintf("%d management events, %d of them changes", all, changes)
}

// list is a few texts in a line.
func (w *writer) list(texts []string) string {
	const few = 5
	var b strings.Builder
	for i, s := range texts {
		if i == few {
			fmt.Fprintf(&b, " and %d more", len(texts)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(Plain(s, 80))
	}
	return b.String()
}

// again lists each of the times that the trail was tampered with. Of many the first and the latest are shown.
func (w *writer) again() {
	all := w.inc.Tamperings
	if Own(w.inc) {
		if w.inc.Findings[0].Rule == "own.storm" {
			w.listed()
		}
		return
	}
	if w.inc.Count < 2 {
		return
	}
	w.page.section(Again, fmt.Sprintf("Tampered with %d times within this incident", w.inc.Count))
	for i, t := range all {
		if hidden := len(all) - w.items; hidden > 0 && i > 0 && i <= hidden {
			if i == 1 {
				w.page.para(fmt.Sprintf("… %d more …", hidden+w.inc.Count-len(all)))
			}
			continue
		}
		what := w.text(t.Event)
		if t.Event == "" {
			what = "found by a sweep"
		}
		line := w.clock(t.At) + ": " + what
		if t.Principal != "" {
			line += " by " + w.text(t.Principal)
		}
		line += ": " + w.text(string(t.Outcome))
		if b := t.BlindWindow; b != nil && !b.Open {
			line += ", blind for " + span(b.Seconds)
		}
		w.page.item("-", line, "")
	}
}

func (w *writer) taken() {
	a := w.inc.Acknowledged
	if a == nil {
		return
	}
	w.page.section(Taken, "Who has taken it on")
	w.page.field("By", w.text(a.By))
	w.page.field("At", moment(a.At, w.loc))
	w.page.field("Note", w.sentence(a.Note))
}
