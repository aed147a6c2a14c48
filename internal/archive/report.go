package archive

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Report is what people read of an archive.
type Report struct {
	Summary   Summary    `json:"summary"`
	Incidents []Incident `json:"incidents"`
	Findings  []Finding  `json:"findings"`
	Windows   []Window   `json:"blind_windows"`
	Damaged   []Damage   `json:"damaged"` // not filtered: what could not be read could hold anything

	Deliveries []Stream `json:"-"` // when files were delivered, for a picture
}

// Summary counts.
type Summary struct {
	Files     int64     `json:"files"`
	Earlier   int64     `json:"files_left_out,omitempty"` // by their names all in them is older than asked for
	Digests   int64     `json:"digest_files"`
	Records   int64     `json:"records"`
	Skipped   int64     `json:"records_skipped"` // over 1 MiB
	Packed    int64     `json:"bytes_read"`
	Unpacked  int64     `json:"bytes_unpacked"`
	Copies    int       `json:"copies"`        // findings that were read more than once count here for each time more
	From      time.Time `json:"from"`          // the first that the archive tells of: delivery of a file, or a finding
	To        time.Time `json:"to"`            // the last; open blind windows are counted until then
	BlindTime float64   `json:"blind_seconds"` // the longest that any one trail was blind, by records
}

// Incident is the findings on one trail in one stretch of time.
type Incident struct {
	ID       string                `json:"id"`
	Trail    incident.TrailRef     `json:"trail"`
	Severity incident.Severity     `json:"severity"`
	Outcome  incident.Outcome      `json:"outcome"` // attempted, noted, restored (recording was back by the end) or open
	From     time.Time             `json:"from"`
	To       time.Time             `json:"to"`
	Rules    []string              `json:"rules"`
	Actors   []string              `json:"actors"` // ARNs, or names where there is none
	Events   []string              `json:"event_ids"`
	Blind    *incident.BlindWindow `json:"blind_window,omitempty"`
}

// pause is how long a trail must be left alone, while it records, for what follows to be another incident.
const pause = time.Hour

// Query says what of an archive is asked for. Zero fields ask for all.
type Query struct {
	From, To   time.Time // findings in [From, To), windows that overlap it
	Accounts   []string
	Regions    []string
	Principals []string // parts of an actor's ARN, name, principal or address, in any case
	Rules      []string // ids, or a family such as "trail"
	Severity   incident.Severity
}

// NewReport makes a report. Windows and incidents are found in all that is known, and filtered then: a stop
// before the time that is asked for can have an end in it.
func NewReport(r Result, q Query) Report {
	first, last := r.span()
	report := Report{
		Summary: Summary{Files: r.Files, Earlier: r.Earlier, Digests: r.Digests, Records: r.Records, Skipped: r.Skipped, Packed: r.Packed,
			Unpacked: r.Unpacked, From: first, To: last},
		Deliveries: r.Streams, Findings: []Finding{}, Windows: []Window{}, Incidents: []Incident{}, Damaged: append([]Damage{}, r.Damaged...),
	}
	wanted := map[string]bool{}
	for _, f := range r.Findings {
		if q.wants(f) {
			report.Findings = append(report.Findings, f)
			report.Summary.Copies += f.Copies - 1
			wanted[f.EventID+f.Where+f.File] = true
		}
	}
	all := windows(r, last)
	for _, w := range all {
		if q.wantsWindow(w) {
			report.Windows = append(report.Windows, w)
			if w.Certainty == incident.FromRecords {
				report.Summary.BlindTime = max(report.Summary.BlindTime, w.Seconds)
			}
		}
	}
	for _, group := range groups(r.Findings, all) {
		if slices.ContainsFunc(group, func(f Finding) bool { return wanted[f.EventID+f.Where+f.File] }) {
			report.Incidents = append(report.Incidents, join(group, all))
		}
	}
	slices.SortStableFunc(report.Incidents, func(a, b Incident) int { return a.From.Compare(b.From) })
	return report
}

// span is the first and last time that the archive tells of.
func (r Result) span() (first, last time.Time) {
	add := func(t time.Time) {
		if first.IsZero() || t.Before(first) {
			first = t
		}
		if t.After(last) {
			last = t
		}
	}
	for _, f := range r.Findings {
		if !f.EventTime.IsZero() {
			add(f.EventTime)
		}
	}
	for _, s := range r.Streams {
		add(time.Unix(s.Minutes[0]*60, 0).UTC())
		add(time.Unix(s.Minutes[len(s.Minutes)-1]*60, 0).UTC())
	}
	for _, c := range r.Chains {
		add(time.Unix(c.Times[0], 0).UTC())
		add(time.Unix(c.Times[len(c.Times)-1], 0).UTC())
	}
	return first, last
}

func (q Query) wants(f Finding) bool {
	switch {
	case !q.From.IsZero() && f.EventTime.Before(q.From), !q.To.IsZero() && !f.EventTime.Before(q.To),
		!listed(q.Accounts, f.Account), !listed(q.Regions, f.Record.Region),
		q.Severity != "" && f.Severity.Rank() < q.Severity.Rank():
		return false
	}
	return q.wantsRule(f) && q.wantsActor(f.Actor)
}

func (q Query) wantsRule(f Finding) bool {
	return len(q.Rules) == 0 || slices.ContainsFunc(append([]string{f.Rule}, f.Also...), func(id string) bool {
		return slices.ContainsFunc(q.Rules, func(asked string) bool { return id == asked || strings.HasPrefix(id, asked+".") })
	})
}

func (q Query) wantsActor(a *incident.Actor) bool {
	if len(q.Principals) == 0 {
		return true
	}
	if a == nil {
		return false
	}
	text := strings.ToLower(strings.Join([]string{a.ARN, a.Name, a.Issuer, a.InvokedBy, a.SourceIP, a.Account}, "\n"))
	return slices.ContainsFunc(q.Principals, func(asked string) bool { return strings.Contains(text, strings.ToLower(asked)) })
}

func (q Query) wantsWindow(w Window) bool {
	to := q.To
	if to.IsZero() {
		to = w.end().Add(1)
	}
	return (w.overlaps(q.From, to) || w.Seconds == 0 && !w.From.Before(q.From) && w.From.Before(to)) &&
		listed(q.Accounts, w.Account) && listed(q.Regions, w.Region)
}

func listed(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }

// groups puts findings on one trail together that belong to one story: while it is stopped, and while less
// than an hour passes from one to the next.
func groups(findings []Finding, windows []Window) [][]Finding {
	open := map[incident.TrailRef]int{}
	var all [][]Finding
	for _, f := range findings { // ascending by time
		i, ok := open[f.Trail]
		if ok {
			last := all[i][len(all[i])-1]
			blind := slices.ContainsFunc(windows, func(w Window) bool {
				return w.Certainty == incident.FromRecords && w.Trail == f.Trail && !f.EventTime.Before(w.From) && !f.EventTime.After(w.end())
			})
			if blind || f.EventTime.Sub(last.EventTime) < pause {
				all[i] = append(all[i], f)
				continue
			}
		}
		open[f.Trail] = len(all)
		all = append(all, []Finding{f})
	}
	return all
}

// join makes an incident of findings.
func join(group []Finding, windows []Window) Incident {
	first, last := group[0], group[len(group)-1]
	inc := Incident{ID: first.ID, Trail: first.Trail, Severity: first.Severity, Outcome: incident.Attempted, From: first.EventTime, To: last.EventTime}
	for _, f := range group {
		if f.Severity.Rank() > inc.Severity.Rank() {
			inc.Severity = f.Severity
		}
		if f.Outcome != incident.Attempted {
			inc.Outcome = incident.Noted
		}
		inc.Rules = append(inc.Rules, f.Rule)
		inc.Events = append(inc.Events, f.EventID)
		if f.Actor != nil {
			inc.Actors = append(inc.Actors, cmp.Or(f.Actor.ARN, f.Actor.Name, f.Actor.InvokedBy, f.Actor.SourceIP))
		}
	}
	for _, w := range windows {
		if w.Certainty == incident.FromRecords && w.Trail == first.Trail && slices.Contains(inc.Events, w.StoppedBy) {
			blind := w.BlindWindow
			inc.Outcome, inc.Blind = incident.Restored, &blind
			if w.Open {
				inc.Outcome = incident.Open
			}
		}
	}
	inc.Rules = unique(inc.Rules)
	inc.Actors = unique(inc.Actors)
	return inc
}

// unique drops what was there before, and keeps the order.
func unique(list []string) []string {
	var once []string
	for _, s := range list {
		if s != "" && !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}
