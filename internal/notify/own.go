package notify

import (
	"fmt"
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Own says whether an incident is about trailwarden itself and no trail: a deployment that was changed, a channel that fails, a sign of
// life, a storm of incidents told as one. Of such there is no call, nobody who made it, and nothing that was not recorded.
func Own(inc incident.Incident) bool {
	return inc.Trail.ARN == "" && inc.Record == nil && len(inc.Findings) > 0 &&
		(inc.Source == incident.SourceSelf || strings.HasPrefix(inc.Findings[0].Rule, "own."))
}

// Quiet says whether an incident of trailwarden's own is a mere sign of life, for channels that wake people.
func Quiet(inc incident.Incident) bool {
	return Own(inc) && (inc.Findings[0].Rule == "own.heartbeat" || inc.Findings[0].Rule == "own.maintenance")
}

// titleForm is what titles of our own are made of.
var titleForm = Lazily(`^[A-Za-z0-9][A-Za-z0-9 ,'-]{0,59}$`)

// ownTitle is what an incident of our own is called, in printable ASCII.
func ownTitle(inc incident.Incident) string {
	title := inc.Findings[0].Title
	if !titleForm().MatchString(title) {
		return "something about the guard"
	}
	return title
}

// ownLine is the subject of an incident of our own. Other subjects begin with CloudTrail.
func ownLine(inc incident.Incident, limit int) string {
	text := ownTitle(inc)
	if !strings.HasPrefix(text, "trailwarden") {
		text = "trailwarden: " + text
	}
	if inc.Outcome == incident.Restored {
		text += ", well again"
	}
	if word := stageWord(inc); word != "" {
		text += ", " + word
	}
	return shorten(text, limit)
}

// ownStory is the headline of an incident of our own.
func ownStory(inc incident.Incident) string {
	text := ownTitle(inc) + "."
	if !strings.HasPrefix(text, "trailwarden") {
		text = "trailwarden itself: " + text
	}
	if inc.Outcome == incident.Restored {
		text += " It is well again."
	}
	return text
}

// listed are the incidents that a storm holds, each with its trail and its principal: none hides among the others.
func (w *writer) listed() {
	w.page.section(Again, fmt.Sprintf("The %d incidents", len(w.inc.Tamperings)))
	for i, t := range w.inc.Tamperings {
		if i == w.many {
			w.page.para(fmt.Sprintf("… and %d more: `trailwarden incidents list` has them.", len(w.inc.Tamperings)-i))
			break
		}
		line := w.clock(t.At) + ": " + w.text(t.Rule) + " on " + orNothing(w.text(t.Trail))
		if t.Principal != "" {
			line += " by " + w.text(t.Principal)
		}
		w.page.item("-", line+": "+w.text(string(t.Outcome))+", "+w.text(t.ID), "")
	}
}
