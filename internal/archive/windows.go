package archive

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// FromFiles is the certainty of a blind window whose bounds are times of delivered files.
const FromFiles = "from_files"

// How sure it is that nothing was recorded in a window.
const (
	High   = "high"   // a record says so, or two kinds of evidence do
	Medium = "medium" // one kind of evidence that a quiet time does not explain
	Low    = "low"    // a quiet time would look the same
)

// Window is a time in which a trail, or all trails of a Region together, recorded nothing.
type Window struct {
	incident.BlindWindow
	Account   string            `json:"account"`
	Region    string            `json:"region"`         // whose records are missing: of records, the trail's home Region
	Trail     incident.TrailRef `json:"trail,omitzero"` // zero when only the files of a Region tell
	Sure      string            `json:"sure"`
	Why       []string          `json:"why"`                  // the evidence, in sentences
	StoppedBy string            `json:"stopped_by,omitempty"` // event id
	StartedBy string            `json:"started_by,omitempty"` // event id
	Activity  []Principal       `json:"activity,omitempty"`   // who did what around it
}

// end is where the window ends; of an open one, what has been seen of it.
func (w Window) end() time.Time {
	if w.To != nil {
		return *w.To
	}
	return w.From.Add(time.Duration(w.Seconds * float64(time.Second)))
}

func (w Window) overlaps(from, to time.Time) bool { return w.From.Before(to) && from.Before(w.end()) }

// windows finds all blind windows of an archive. now is the end of what the archive can tell of: an open
// window is counted until then.
func windows(r Result, now time.Time) []Window {
	all := stops(r.Findings, now)
	chains := missingDigests(r.Chains, now)
	for i := range chains {
		confirm(&chains[i], all)
	}
	all = append(all, chains...)
	for _, s := range r.Streams {
		for _, gap := range gaps(s) {
			if recorded(r.Chains, gap) {
				continue // digest files say that there was nothing to deliver
			}
			confirm(&gap, all)
			compare(&gap, r.Streams)
			all = append(all, gap)
		}
	}
	slices.SortFunc(all, func(a, b Window) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Certainty, b.Certainty), cmp.Compare(a.Account, b.Account),
			cmp.Compare(a.Region, b.Region), cmp.Compare(a.Trail.Name, b.Trail.Name))
	})
	return all
}

// stops joins the records that stop a trail with the ones that start it.
func stops(findings []Finding, now time.Time) []Window {
	byTrail := map[incident.TrailRef][]Finding{}
	var trails []incident.TrailRef
	for _, f := range findings { // ascending by time
		if f.Attempt || f.Trail.Name == "" || f.EventTime.IsZero() {
			continue
		}
		if byTrail[f.Trail] == nil {
			trails = append(trails, f.Trail)
		}
		byTrail[f.Trail] = append(byTrail[f.Trail], f)
	}
	var all []Window
	for _, ref := range trails {
		open := Window{}
		for _, f := range byTrail[ref] {
			switch blind := !open.From.IsZero(); {
			case (f.EventName == "StopLogging" || f.EventName == "DeleteTrail") && !blind:
				open = Window{
					BlindWindow: incident.BlindWindow{From: f.EventTime}, Account: ref.Account, Region: ref.Region, Trail: ref, Sure: High,
					StoppedBy: f.EventID,
					Why:       []string{fmt.Sprintf("%s took effect at %s", f.EventName, stamp(f.EventTime))},
				}
			case f.EventName == "StartLogging" && blind:
				open.BlindWindow = *incident.Window(open.From, f.EventTime, now, incident.FromRecords)
				open.StartedBy = f.EventID
				open.Why = append(open.Why, fmt.Sprintf("StartLogging took effect at %s", stamp(f.EventTime)))
				all = append(all, open)
				open = Window{}
			}
		}
		if !open.From.IsZero() {
			open.BlindWindow = *incident.Window(open.From, time.Time{}, now, incident.FromRecords)
			open.Why = append(open.Why, "no StartLogging follows in these files")
			all = append(all, open)
		}
	}
	return all
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// confirm raises a window that the files tell of, when records tell of one at the same time.
func confirm(w *Window, by []Window) {
	for _, other := range by {
		if other.Account != w.Account || !other.overlaps(w.From, w.end()) || other.Certainty == w.Certainty && other.Trail == w.Trail {
			continue
		}
		w.Sure = High
		switch other.Certainty {
		case incident.FromRecords:
			w.Why = append(w.Why, fmt.Sprintf("records say that trail %s was stopped at that time", other.Trail.Name))
		default:
			w.Why = append(w.Why, fmt.Sprintf("digest files of trail %s are missing at that time", other.Trail.Name))
		}
	}
}
