package notify

import (
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// call is what a watched call is named like, in fixed words.
type call struct {
	event string // eventName
	was   string // completing "trail X …"
	try   string // completing "somebody tried to …", the trail standing for %
	short string // for subjects
}

var calls = []call{
	{"StopLogging", "was stopped", "stop %", "stopped"},
	{"StartLogging", "was started", "start %", "started"},
	{"UpdateTrail", "was changed", "change %", "settings changed"},
	{"DeleteTrail", "was deleted", "delete %", "deleted"},
	{"CreateTrail", "was created", "create %", "created"},
	{"AddTags", "had tags added or overwritten", "add or overwrite tags of %", "tags added"},
	{"RemoveTags", "had tags removed", "remove tags from %", "tags removed"},
	{"PutEventSelectors", "had its event selectors changed", "change the event selectors of %", "selectors changed"},
	{"PutInsightSelectors", "had its Insights changed", "change the Insights of %", "Insights changed"},
	{"PutEventConfiguration", "had its event configuration changed", "change the event configuration of %", "configuration changed"},
}

// callOf is what happened to the trail. Names of calls from records only choose a row here: none is printed.
func callOf(inc incident.Incident) call {
	if inc.Record == nil {
		switch {
		case inc.Gone():
			return call{was: "was found deleted", short: "found deleted"}
		case foundStopped(inc):
			return call{was: "was found stopped", short: "found stopped"}
		}
		return call{was: "was found changed", short: "found changed"}
	}
	for _, c := range calls {
		if c.event == inc.Record.EventName {
			return c
		}
	}
	return call{was: "was named in a call that trailwarden does not know", try: "make a call that trailwarden does not know, about %", short: "unknown call"}
}

// foundStopped says whether a sweep's finding is that the trail was stopped.
func foundStopped(inc incident.Incident) bool {
	return len(inc.Findings) > 0 && inc.Findings[0].Rule == "trail.stop"
}

// stopped says whether the trail was not logging when it was last read.
func stopped(inc incident.Incident) bool {
	for _, d := range inc.Drifts {
		if d.Field == "logging" && d.Got == "false" {
			return true
		}
	}
	return false
}

// doubtful says whether recording was lost, and nothing shows that it is back.
func doubtful(inc incident.Incident) bool {
	return inc.BlindWindow != nil && inc.BlindWindow.Open
}

// wasStopped says whether the incident is about recording that was lost by a stop.
func wasStopped(inc incident.Incident) bool {
	if inc.Record != nil {
		return inc.Record.EventName == "StopLogging"
	}
	return foundStopped(inc)
}

// blindFor is the length of a closed blind window; empty when there is none.
func blindFor(inc incident.Incident) string {
	if w := inc.BlindWindow; w != nil && !w.Open {
		return span(w.Seconds)
	}
	return ""
}

// ending says how it ended, for subjects. Its first word is the outcome.
func ending(inc incident.Incident) string {
	c := callOf(inc)
	switch inc.Outcome {
	case incident.Confirmed:
		if confirmsItself(inc) {
			return "confirmed, repair recorded"
		}
		fallthrough
	case incident.Repaired, incident.Restored:
		if !wasStopped(inc) {
			return string(inc.Outcome) + ", " + c.short
		}
		if blind := blindFor(inc); blind != "" {
			return string(inc.Outcome) + ", logging again after " + blind
		}
		return string(inc.Outcome) + ", logging again"
	case incident.Attempted:
		if c.event != "" {
			return "attempted, " + c.event + " refused"
		}
		return "attempted, " + c.short + " refused"
	case incident.Open, incident.Failed:
		switch {
		case inc.Gone():
			return string(inc.Outcome) + ", DELETED"
		case stopped(inc):
			return string(inc.Outcome) + ", NOT LOGGING"
		case doubtful(inc):
			return string(inc.Outcome) + ", not known to be logging"
		}
		return string(inc.Outcome) + ", " + c.short
	case incident.Rejected:
		return "rejected, record does not fit"
	case incident.Noted:
		if stopped(inc) {
			return "noted, " + c.short + ", NOT LOGGING"
		}
		return "noted, " + c.short
	}
	return "unknown outcome"
}

// Subject is one line for a mail's subject: "CloudTrail NAME (ACCOUNT/REGION): OUTCOME, …", printable ASCII,
// under 100 characters, beginning with a letter. All messages about a trail begin alike.
func Subject(inc incident.Incident) string { return line(inc, 99) }

// Short is one line for telephones: at most 140 bytes, of characters that every telephone knows.
func Short(inc incident.Incident) string {
	severity, id := "", ""
	if inc.Severity.Rank() >= 0 {
		severity = strings.ToUpper(string(inc.Severity)) + " "
	}
	if idForm().MatchString(inc.ID) {
		id = ". " + inc.ID
	}
	return severity + line(inc, 140-len(severity)-len(id)) + id
}

// line is the subject in at most limit characters: the name gives way, in its middle.
func line(inc incident.Incident, limit int) string {
	if Own(inc) {
		return ownLine(inc, limit)
	}
	name, account, region := "unnamed trail", "unknown account", "unknown Region"
	if inc.Trail.Check() == nil {
		name = inc.Trail.Name
	}
	if accountForm().MatchString(inc.Trail.Account) {
		account = inc.Trail.Account
	}
	if regionForm().MatchString(inc.Trail.Region) && len(inc.Trail.Region) <= 20 {
		region = inc.Trail.Region
	}
	end := " (" + account + "/" + region + "): "
	if inc.Drill {
		end += "DRILL, "
	}
	detail := ending(inc)
	if word := stageWord(inc); word != "" {
		if brief, _, _ := strings.Cut(detail, ","); len("CloudTrail ")+3+len(end)+len(detail)+len(", ")+len(word) > limit {
			detail = brief
		}
		detail += ", " + word
	}
	end += detail
	return "CloudTrail " + shorten(name, limit-len("CloudTrail ")-len(end)) + end
}

// shorten takes out the middle of an ASCII text so that at most limit characters are left, at least 3.
func shorten(s string, limit int) string {
	limit = max(3, limit)
	if len(s) <= limit {
		return s
	}
	keep := limit - len("..")
	return s[:(keep+1)/2] + ".." + s[len(s)-keep/2:]
}
