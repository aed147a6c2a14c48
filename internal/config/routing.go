package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// Channels lists every channel by the name that routes call it by, in the order in which they are told.
var Channels = []string{
	"sns", "email", "slack", "pagerduty", "webhook", "securityhub", "teams", "eventbridge", "amazonq", "alertmanager", "stdout", "shoutrrr",
}

// severities are what a rule may begin at, in ascending order; drills what it may say of drills.
var (
	severities = []string{"info", "low", "medium", "high", "critical"}
	drills     = []string{"only", "never"}
)

// Routing says who is told of what, and how often. Durations are as [Duration] reads them. Nil is: everybody of everything.
type Routing struct {
	GroupWait      string   `json:"group_wait,omitempty"`      // how long what is below critical waits for more of its kind
	GroupInterval  string   `json:"group_interval,omitempty"`  // and how long after a group was sent the next one is
	RepeatInterval string   `json:"repeat_interval,omitempty"` // how often people are reminded of what is open and nobody has taken on
	Routes         []Route  `json:"routes,omitempty"`          // the first that fits decides
	Escalation     []Step   `json:"escalation,omitempty"`      // who is told when nobody acknowledges
	Maintenance    []Window `json:"maintenance,omitempty"`     // when others are told than usual
}

// Match says of which incidents a rule is. What is empty fits all.
type Match struct {
	Severity string   `json:"severity,omitempty"` // at least
	Accounts []string `json:"accounts,omitempty" yaml:"digits"`
	Regions  []string `json:"regions,omitempty"`
	Trail    string   `json:"trail,omitempty"` // a pattern of trail names or ARNs, such as org-*
	Rule     string   `json:"rule,omitempty"`  // a pattern of rules, such as trail.*
	Drill    string   `json:"drill,omitempty"` // "only" or "never"
}

// Route sends incidents to channels.
type Route struct {
	Match
	Channels       []string `json:"channels"`
	Continue       bool     `json:"continue,omitempty"` // look at the routes below too
	GroupWait      string   `json:"group_wait,omitempty"`
	GroupInterval  string   `json:"group_interval,omitempty"`
	RepeatInterval string   `json:"repeat_interval,omitempty"`
}

// Step tells further channels of an incident that is open and that nobody has acknowledged.
type Step struct {
	After string `json:"after"`
	Match
	Channels []string `json:"channels"`
}

// Window is maintenance: it changes who is told, and nothing else.
type Window struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Match
	Channels []string `json:"channels,omitempty"` // who is told meanwhile; none: nobody, and the ledger keeps it
	Who      string   `json:"who"`                // who answers for it
	Why      string   `json:"why"`
}

// longest is how long a maintenance window may be: what is to last belongs into a route.
const longest = 7 * 24 * time.Hour

const routingLines = `group_wait: 30s
group_interval: 5m
repeat_interval: 4h
routes:
  - severity: critical
    channels: [pagerduty]
    continue: true
  - trail: "sandbox-*"
    channels: [slack]
  - channels: [sns, slack]
escalation:
  - after: 15m
    severity: high
    channels: [pagerduty]
maintenance:
  - from: 2026-12-01T20:00:00Z
    until: 2026-12-01T22:00:00Z
    trail: org-trail
    channels: [slack]
    who: ada@example.org
    why: the trail moves to another bucket`

var routingKeys = []Key{{
	Name: "routing",
	Doc:  "Who is told of what: routes, repetition, escalation, maintenance; none means every channel of everything. In the environment it is JSON.",
	Example: `{"group_wait":"30s","group_interval":"5m","repeat_interval":"4h","routes":[` +
		`{"severity":"critical","channels":["pagerduty"],"continue":true},{"trail":"sandbox-*","channels":["slack"]},{"channels":["sns","slack"]}],` +
		`"escalation":[{"after":"15m","severity":"high","channels":["pagerduty"]}],` +
		`"maintenance":[{"from":"2026-12-01T20:00:00Z","until":"2026-12-01T22:00:00Z","trail":"org-trail","channels":["slack"],` +
		`"who":"ada@example.org","why":"the trail moves to another bucket"}]}`,
	Lines: routingLines,
	Want:  "routes, escalation and maintenance", Hint: "docs/channels/README.md shows one",
	at: func(c *Config) any { return &c.Routing },
}}

// Fault is what is wrong at one place of a section, such as "routes[0].channels".
type Fault struct{ Path, Message, Hint string }

// Faults lists what is wrong with the section.
func (r *Routing) Faults() (all []Fault) {
	wrong := func(path, hint, format string, args ...any) {
		all = append(all, Fault{path, fmt.Sprintf(format, args...), hint})
	}
	lasts := func(path, text string) time.Duration {
		d, err := Duration(text)
		if err != nil && text != "" {
			wrong(path, "write it as 30s, 15m or 4h", "%s is not a duration", quoted(text))
		}
		return d
	}
	lasts("group_wait", r.GroupWait)
	lasts("group_interval", r.GroupInterval)
	lasts("repeat_interval", r.RepeatInterval)
	for i, route := range r.Routes {
		at := fmt.Sprintf("routes[%d]", i)
		route.Match.faults(at, wrong)
		if len(route.Channels) == 0 {
			wrong(at+".channels", "who is not to be told for a time is said under maintenance, with an end", "a route needs a channel")
		}
		known(at, route.Channels, wrong)
		lasts(at+".group_wait", route.GroupWait)
		lasts(at+".group_interval", route.GroupInterval)
		lasts(at+".repeat_interval", route.RepeatInterval)
	}
	var last time.Duration
	for i, step := range r.Escalation {
		at := fmt.Sprintf("escalation[%d]", i)
		step.Match.faults(at, wrong)
		known(at, step.Channels, wrong)
		if d := lasts(at+".after", step.After); d <= last {
			wrong(at+".after", "write the steps in the order of time", "the step is not after the one before")
		} else {
			last = d
		}
		if len(step.Channels) == 0 {
			wrong(at+".channels", "name one", "a step needs a channel")
		}
	}
	for i, w := range r.Maintenance {
		at := fmt.Sprintf("maintenance[%d]", i)
		w.Match.faults(at, wrong)
		known(at, w.Channels, wrong)
		switch d := w.Until.Sub(w.From); {
		case d <= 0:
			wrong(at+".until", "write an end that is after the begin", "the window ends before it begins")
		case d > longest:
			wrong(at+".until", "write one for each week", "a window of more than 7 days")
		}
		for _, text := range []struct{ key, value string }{{"who", w.Who}, {"why", w.Why}} {
			if strings.TrimSpace(text.value) == "" || len(text.value) > 200 {
				wrong(at+"."+text.key, "it is told when the window opens", "wants a text of at most 200 characters")
			}
		}
	}
	return all
}

func (m Match) faults(at string, wrong func(path, hint, format string, args ...any)) {
	if m.Severity != "" && !slices.Contains(severities, m.Severity) {
		wrong(at+".severity", Suggest(m.Severity, "use one of ", severities), "%s is not a severity", quoted(m.Severity))
	}
	for i, account := range m.Accounts {
		if len(account) != 12 || strings.Trim(account, "0123456789") != "" {
			wrong(fmt.Sprintf("%s.accounts[%d]", at, i), "write its 12 digits in quotes", "%s is not an account id", quoted(account))
		}
	}
	for _, p := range []struct{ key, pattern string }{{"trail", m.Trail}, {"rule", m.Rule}} {
		if _, err := path.Match(p.pattern, ""); err != nil {
			wrong(at+"."+p.key, "write it as org-* or trail.*", "%s is not a pattern", quoted(p.pattern))
		}
	}
	if m.Drill != "" && !slices.Contains(drills, m.Drill) {
		wrong(at+".drill", `use "only" or "never", or leave it out`, "%s says nothing about drills", quoted(m.Drill))
	}
}

func known(at string, names []string, wrong func(path, hint, format string, args ...any)) {
	for i, name := range names {
		if !slices.Contains(Channels, name) {
			wrong(fmt.Sprintf("%s.channels[%d]", at, i), Suggest(name, "the channels are ", Channels), "%s is not a channel", quoted(name))
		}
	}
}

// parseRouting reads the section as JSON, as the environment has it.
func parseRouting(text string) (*Routing, *Problem) {
	if text == "" {
		return nil, nil
	}
	var r Routing
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	err := dec.Decode(&r)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows it")
		}
	}
	if err != nil {
		return nil, &Problem{Key: "routing", Message: "the value cannot be read as JSON: " + err.Error(), Hint: routingKeys[0].Hint}
	}
	if faults := r.Faults(); len(faults) > 0 {
		return nil, &Problem{Key: "routing." + faults[0].Path, Message: faults[0].Message, Hint: faults[0].Hint}
	}
	return &r, nil
}

// String is the section as JSON, which YAML reads too; empty for none.
func (r *Routing) String() string {
	if r == nil {
		return ""
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return "" // texts, times and lists can always be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}
