// Package route says who is told of an incident, when, how often, and who besides when nobody takes it on. It is pure:
// what was done stands in the incident itself (incident.Alarm).
//
// Routing changes who is told and never what is recorded or repaired. An incident that no route fits is told to everybody,
// and so is what says that a channel fails or that the guard lives: no route can hide that.
package route

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Plan is the routing of a deployment.
type Plan struct {
	All     []string // every channel that is on
	Rules   []Rule
	Steps   []Step // in the order of time
	Windows []Window
	Repeat  time.Duration // how often people are reminded, unless a rule says otherwise; 0 for never
	Group   Group         // unless a rule says otherwise
}

// Match says of which incidents something is. What is empty fits all.
type Match struct {
	Severity incident.Severity // at least
	Accounts []string
	Regions  []string
	Trail    string // a pattern of names or ARNs
	Rule     string // a pattern of rules
	Drill    *bool
}

// Rule sends incidents to channels.
type Rule struct {
	Match
	Channels []string
	Continue bool
	Group    Group
	Repeat   time.Duration
}

// Group is how long a message waits for others of its channel. What is critical waits for nobody.
type Group struct {
	Wait     time.Duration // for the first
	Interval time.Duration // after a group was sent
}

// Step tells further channels when nobody has acknowledged for a while.
type Step struct {
	Match
	After    time.Duration
	Channels []string
}

// Window is maintenance.
type Window struct {
	Match
	From, Until time.Time
	Channels    []string // who is told meanwhile; may be empty
	Who, Why    string
}

// Target is a channel that is to be told, and how.
type Target struct {
	Channel string
	Group   Group
	Repeat  time.Duration
}

// everybody lists the rules that every channel is told of, whatever the routes say.
var everybody = []string{"own.channel", "own.heartbeat", "own.maintenance", "own.welcome"}

// Targets says who is told of an incident as it stands: by the window it falls into, else by the rules, and those that it was escalated to.
func (p Plan) Targets(inc incident.Incident, now time.Time) (out []Target) {
	if len(inc.Findings) > 0 && slices.Contains(everybody, inc.Findings[0].Rule) {
		return p.named(p.All, Target{})
	}
	if w, open := p.Window(inc, now); open {
		return p.named(w.Channels, Target{Repeat: p.Repeat})
	}
	fits := false
	for _, r := range p.Rules {
		if !r.Fits(inc) {
			continue
		}
		fits = true
		t := Target{Group: p.Group, Repeat: p.Repeat}
		if r.Group != (Group{}) {
			t.Group = r.Group
		}
		if r.Repeat > 0 {
			t.Repeat = r.Repeat
		}
		out = merge(out, p.named(r.Channels, t))
		if !r.Continue {
			break
		}
	}
	if !fits || len(out) == 0 { // a route to channels that are switched off is no reason for silence
		out = p.named(p.All, Target{Group: p.Group, Repeat: p.Repeat})
	}
	if inc.Alarm != nil {
		steps := p.steps(inc)
		for _, s := range steps[:min(inc.Alarm.Escalated, len(steps))] {
			out = merge(out, p.named(s.Channels, Target{Repeat: p.Repeat}))
		}
	}
	if inc.Severity == incident.Critical {
		for i := range out {
			out[i].Group = Group{}
		}
	}
	return out
}

// named makes targets of those channels that are on.
func (p Plan) named(channels []string, as Target) (out []Target) {
	for _, name := range channels {
		if as.Channel = name; slices.Contains(p.All, name) {
			out = merge(out, []Target{as})
		}
	}
	return out
}

// merge adds targets; of two for one channel the first counts.
func merge(all, more []Target) []Target {
	for _, t := range more {
		if !slices.ContainsFunc(all, func(have Target) bool { return have.Channel == t.Channel }) {
			all = append(all, t)
		}
	}
	return all
}

// steps are the steps of escalation for an incident.
func (p Plan) steps(inc incident.Incident) (out []Step) {
	for _, s := range p.Steps {
		if s.Fits(inc) {
			out = append(out, s)
		}
	}
	return out
}

// Window is the maintenance that an incident falls into at a time.
func (p Plan) Window(inc incident.Incident, now time.Time) (Window, bool) {
	for _, w := range p.Windows {
		if !now.Before(w.From) && now.Before(w.Until) && w.Fits(inc) {
			return w, true
		}
	}
	return Window{}, false
}

// Due is what is to be done now about an incident that is open: escalated says that further steps are due, reminded that those who
// were told are to be told again. The Alarm is what it has with that. Neither: nothing is to
// be done. Of what is below medium nobody is reminded.
func (p Plan) Due(inc incident.Incident, now time.Time) (alarm incident.Alarm, escalated, reminded bool) {
	alarm = incident.Alarm{Since: inc.SeenAt, At: inc.SeenAt}
	if inc.Alarm != nil {
		alarm = *inc.Alarm
		if alarm.At.IsZero() {
			alarm.At = alarm.Since
		}
	}
	if inc.Well() || inc.Acknowledged != nil {
		return alarm, false, false
	}
	if _, open := p.Window(inc, now); open {
		return alarm, false, false
	}
	steps := p.steps(inc)
	for alarm.Escalated < len(steps) && now.Sub(alarm.Since) >= steps[alarm.Escalated].After {
		alarm.Escalated++
		escalated = true
	}
	shortest := time.Duration(0)
	for _, t := range p.Targets(inc, now) {
		if t.Repeat > 0 && (shortest == 0 || t.Repeat < shortest) {
			shortest = t.Repeat
		}
	}
	due := shortest > 0 && now.Sub(alarm.At) >= shortest && inc.Severity.Rank() >= incident.Medium.Rank()
	for _, w := range p.Windows { // what was told to others than usual is told to the usual when that ends
		due = due || !now.Before(w.Until) && !alarm.At.Before(w.From) && alarm.At.Before(w.Until) && w.Fits(inc)
	}
	if !escalated && due {
		alarm.Reminded++
		reminded = true
	}
	if escalated || reminded {
		alarm.At = now
	}
	return alarm, escalated, reminded
}

// Fits says whether something is of an incident.
func (m Match) Fits(inc incident.Incident) bool {
	rules := slices.ContainsFunc(inc.Findings, func(f incident.Finding) bool { return like(m.Rule, f.Rule) })
	return inc.Severity.Rank() >= m.Severity.Rank() &&
		(len(m.Accounts) == 0 || slices.Contains(m.Accounts, inc.Trail.Account)) &&
		(len(m.Regions) == 0 || slices.Contains(m.Regions, inc.Trail.Region)) &&
		(m.Trail == "" || like(m.Trail, inc.Trail.Name) || like(m.Trail, inc.Trail.ARN)) &&
		(m.Rule == "" || rules) &&
		(m.Drill == nil || *m.Drill == inc.Drill)
}

// like holds a name against a pattern, in which * stands for anything, also a slash, which is a border to path.Match.
func like(pattern, name string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(name, "/", "\x00"))
	return err == nil && ok
}
