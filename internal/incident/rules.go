package incident

import (
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// CloudTrailSource is the eventSource of the calls that rules are about. Other services have calls
// of the same names.
const CloudTrailSource = "cloudtrail.amazonaws.com"

// Rule is what a call means. Its id is that of the catalogue of ways to blind a trail. Calls whose parameters
// decide have, besides the catalogue's rows, one of their family ("trail.update") for when they cannot.
type Rule struct {
	ID       string
	Event    string // eventName, without version
	Title    string
	Severity Severity
	Attack   string // MITRE ATT&CK techniques, separated by ", "
	When     string // when a call of that name is meant, for people
	Effect   string // what it costs, completing "… took effect: "
	Aim      string // what a refused call was about, completing "it was to "

	// holds says whether the parameters are what the row is about. Nil in the row that stands for its call
	// where no other row does.
	holds func(call) bool
	// settled says that the parameters are known and no pinned setting got weaker by them. Nil in rows of
	// calls whose parameters do not matter.
	settled func(call) bool
}

// unknownCall stands for calls that change something in CloudTrail and have no rule: suspicious by default.
var unknownCall = Rule{ID: "cloudtrail.other", Title: "Unrecognised CloudTrail call", Severity: Low, Attack: impairLogs,
	When:   "any other call to CloudTrail that is not known to only read, and tags of what is no trail",
	Effect: "trailwarden has no rule for this call"}

// RuleFor says whether a record is watched, and by which family. It is false for records that are nothing to
// this program: calls of other services and calls that only read.
func RuleFor(r event.Record) (Rule, bool) {
	if r.Source != CloudTrailSource {
		return Rule{}, false
	}
	name := CallName(r.Name)
	if ofNoTrail(name, r) {
		return unknownCall, true
	}
	if i := slices.IndexFunc(Rules, func(rule Rule) bool { return rule.Event == name && rule.holds == nil }); i >= 0 {
		return Rules[i], true
	}
	if r.ReadOnly || reads(r.Name) {
		return Rule{}, false
	}
	return unknownCall, true
}

// Findings says what a record means by every rule that holds, the highest severity first; it is empty when the
// record is not watched. pinned is what the trail is pinned to be, but for the ignored fields; nil where nothing is
// pinned: then no change is claimed that only a comparison could show.
func Findings(r event.Record, pinned *trail.Settings, ignored ...trail.Field) []Finding {
	family, watched := RuleFor(r)
	if !watched {
		return nil
	}
	c := readCall(r, pinned, ignored)
	var held []Rule
	for _, rule := range Rules {
		if rule.Event == family.Event && rule.holds != nil && c.known && rule.holds(c) {
			held = append(held, rule)
		}
	}
	if len(held) == 0 {
		return []Finding{judgeFamily(family, c)}
	}
	slices.SortStableFunc(held, func(a, b Rule) int { return b.Severity.Rank() - a.Severity.Rank() })
	findings := make([]Finding, len(held))
	for i, rule := range held {
		findings[i] = Judge(rule, r)
	}
	return findings
}

// Judge says what a record means by one rule that holds for it.
func Judge(rule Rule, r event.Record) Finding {
	f := Finding{Rule: rule.ID, Title: rule.Title, Severity: rule.Severity, Attack: rule.Attack}
	if r.Succeeded() {
		f.Text = callText(rule) + " took effect: " + rule.Effect
		return f
	}
	// A refused attempt changed nothing, yet it shows what somebody wants.
	f.Attempt = true
	if f.Severity.Rank() > Medium.Rank() {
		f.Severity = Medium
	}
	f.Text = callText(rule) + " was refused by AWS: nothing changed"
	if rule.Aim != "" {
		f.Text += "; it was to " + rule.Aim
	}
	return f
}

// judgeFamily says what a call means for which no row's parameters hold, and why no more can be said.
func judgeFamily(family Rule, c call) Finding {
	f := Judge(family, c.record)
	switch {
	case family.settled == nil:
	case !c.known && f.Attempt:
		f.Text += "; the record does not hold its parameters"
	case !c.known:
		f.Text = callText(family) + " took effect: the record does not hold its parameters, so only the trail itself can tell what changed"
	case c.excused || family.settled(c):
		f.Severity = Info
		if !f.Attempt {
			f.Text = callText(family) + " took effect: no pinned setting got weaker by it"
		}
	case !f.Attempt && c.pinned == nil:
		f.Text += "; without pinned settings its parameters do not tell"
	case !f.Attempt:
		f.Text += "; its parameters do not tell"
	}
	return f
}

// callText is the name of the call in fixed words: an unknown name is text from the record and does not
// belong into a sentence of ours.
func callText(rule Rule) string {
	if rule.Event == "" {
		return "A call to CloudTrail"
	}
	return rule.Event
}

// CallName is the name of the watched call that an eventName stands for: AWS appends the date of the API, and
// a version, to the names of some calls ("UpdateFunctionCode20150331v2"). Names of other calls stay as they are.
func CallName(eventName string) string {
	name := eventName
	if i := strings.LastIndexByte(name, 'v'); i >= 0 && i+1 < len(name) && digits(name[i+1:]) {
		name = name[:i]
	}
	if cut := len(name) - len("20131101"); cut > 0 && digits(name[cut:]) {
		name = name[:cut]
	}
	if !slices.ContainsFunc(Rules, func(rule Rule) bool { return rule.Event == name }) {
		return eventName
	}
	return name
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// reads tells calls that only read by their name, for old records that have no readOnly member.
func reads(name string) bool {
	for _, prefix := range []string{"Get", "List", "Describe", "Lookup", "Search"} {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			return true
		}
	}
	return false
}
