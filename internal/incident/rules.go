package incident

import (
	"fmt"

	"github.com/trailwarden/trailwarden/internal/event"
)

// CloudTrailSource is the eventSource of the calls that rules are about. Other services have calls
// of the same names.
const CloudTrailSource = "cloudtrail.amazonaws.com"

// Rule is what a call means. Ids are those of the catalogue of ways to blind a trail; the ids of calls
// whose parameters decide are the catalogue's family ("trail.update").
type Rule struct {
	ID       string
	Event    string // eventName
	Title    string
	Severity Severity
	Attack   string // MITRE ATT&CK technique
	Effect   string // what it costs, completing "… took effect: "
}

// impairLogs is ATT&CK's "Impair Defenses: Disable or Modify Cloud Logs".
const impairLogs = "T1562.008"

// Rules has a row for each watched call: first the eight of the 2017 AWS sample, then what came since.
var Rules = []Rule{
	{"trail.stop", "StopLogging", "Trail stopped", Critical, impairLogs,
		"nothing is recorded by this trail until it is started again"},
	{"trail.start", "StartLogging", "Logging started", Info, "",
		"the trail records"},
	{"trail.update", "UpdateTrail", "Trail changed", High, impairLogs,
		"what is recorded, or where it is delivered, may have changed"},
	{"trail.delete", "DeleteTrail", "Trail deleted", Critical, impairLogs,
		"the trail is gone with its selectors, insights and tags; logs already delivered stay"},
	{"trail.decoy", "CreateTrail", "Trail created", Low, "T1537",
		"a new trail can carry the whole record to another bucket, or use up the quota of trails"},
	{"trail.tags.removed", "RemoveTags", "Tags removed from a trail", Low, impairLogs,
		"protection by policies that test the trail's tags may no longer hold"},
	{"trail.tags.overwritten", "AddTags", "Tags added to a trail, or overwritten", Low, impairLogs,
		"protection by policies that test the trail's tags may no longer hold"},
	{"trail.selectors", "PutEventSelectors", "Event selectors changed", High, impairLogs,
		"the trail may record fewer events while it still counts as logging"},

	{"trail.insights.off", "PutInsightSelectors", "Insights changed", Medium, impairLogs,
		"unusual rates of calls or errors may no longer be found"},
	{"trail.eventconfig", "PutEventConfiguration", "Event configuration changed", Low, impairLogs,
		"enrichment, aggregation or the maximum size of events may have changed"},
}

// unknownCall stands for calls that change something in CloudTrail and have no rule: suspicious by default.
var unknownCall = Rule{ID: "cloudtrail.other", Title: "Unrecognised CloudTrail call", Severity: Low, Attack: impairLogs,
	Effect: "trailwarden has no rule for this call"}

// RuleFor finds the rule that judges a record. It is false for records that are nothing to this
// program: calls of other services and calls that only read.
func RuleFor(r event.Record) (Rule, bool) {
	if r.Source != CloudTrailSource {
		return Rule{}, false
	}
	for _, rule := range Rules {
		if rule.Event == r.Name {
			return rule, true
		}
	}
	if r.ReadOnly || reads(r.Name) {
		return Rule{}, false
	}
	return unknownCall, true
}

// reads tells calls that only read by their name, for old records that have no readOnly member.
func reads(name string) bool {
	for _, prefix := range []string{"Get", "List", "Describe", "Lookup", "Search"} {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			return true
		}
	}
	return false
}

// Judge says what a watched record means.
func Judge(rule Rule, r event.Record) Finding {
	f := Finding{Rule: rule.ID, Title: rule.Title, Severity: rule.Severity, Attack: rule.Attack}
	if r.Succeeded() {
		f.Text = fmt.Sprintf("%s took effect: %s", callName(rule, r), rule.Effect)
		return f
	}
	// A refused attempt changed nothing, yet it shows what somebody wants.
	f.Attempt = true
	if f.Severity.Rank() > Medium.Rank() {
		f.Severity = Medium
	}
	f.Text = fmt.Sprintf("%s was refused by AWS: nothing changed", callName(rule, r))
	return f
}

// callName is the name of the call in fixed words: an unknown name is text from the record and does not
// belong into a sentence of ours.
func callName(rule Rule, r event.Record) string {
	if rule.Event == "" {
		return "A call to CloudTrail"
	}
	return rule.Event
}
