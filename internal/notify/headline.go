package notify

import (
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

func severityWord(s incident.Severity) string {
	if s.Rank() < 0 {
		return "NOTICE"
	}
	return strings.ToUpper(string(s))
}

// where names the trail in fixed words and checked parts.
func where(inc incident.Incident) string {
	if inc.Trail.Check() == nil {
		return "CloudTrail trail " + inc.Trail.Name + " (account " + inc.Trail.Account + ", " + inc.Trail.Region + ")"
	}
	var place []string
	if accountForm().MatchString(inc.Trail.Account) {
		place = append(place, "account "+inc.Trail.Account)
	}
	if regionForm().MatchString(inc.Trail.Region) {
		place = append(place, inc.Trail.Region)
	}
	if len(place) == 0 {
		return "an unnamed CloudTrail trail"
	}
	return "an unnamed CloudTrail trail (" + strings.Join(place, ", ") + ")"
}

// headline says in one or two sentences what happened to the trail and how it is now.
func headline(inc incident.Incident) string { return news(inc, story(inc)) }

func story(inc incident.Incident) string {
	if Own(inc) {
		return ownStory(inc)
	}
	c, trail := callOf(inc), where(inc)
	whole := upper(trail) + " " + c.was
	switch inc.Outcome {
	case incident.Repaired:
		return whole + mended(inc, " and repaired", " and has been started again") + leftover(inc)
	case incident.Restored:
		return whole + mended(inc, ", and is well again", ", and was logging again when it was looked at") + leftover(inc)
	case incident.Confirmed:
		if !confirmsItself(inc) {
			return whole + mended(inc, " and repaired", " and has been started again") + " The repair is confirmed." + leftover(inc)
		}
		return "trailwarden's own " + c.event + " on " + trail + " is on record: the repair is confirmed."
	case incident.Noted:
		return whole + "." + isNow(inc)
	case incident.Attempted:
		return "Somebody tried to " + strings.Replace(c.try, "%", trail, 1) + ". AWS refused the call; nothing changed."
	case incident.Open:
		if inc.Observe {
			return whole + "." + isNow(inc) + " It was not repaired: trailwarden only observes here."
		}
		return whole + "." + isNow(inc) + " It was not repaired: a person must decide."
	case incident.Failed:
		return whole + ", and the repair FAILED." + isNow(inc) + " It will be tried again."
	case incident.Rejected:
		claim := trail + " " + c.was
		if inc.Record != nil && inc.Record.ErrorCode != "" {
			claim = "somebody tried to " + strings.Replace(c.try, "%", trail, 1) + " and was refused"
		}
		return "A record was rejected, and nothing was done because of it. It claims that " + claim + "."
	}
	return whole + "."
}

// mended says how a trail came back, and how long it was blind.
func mended(inc incident.Incident, other, stop string) string {
	if !wasStopped(inc) {
		return other + "."
	}
	if blind := blindFor(inc); blind != "" {
		return stop + ". It recorded nothing for " + blind + "."
	}
	return stop + "."
}

// leftover warns when a mended trail is not wholly as wanted.
func leftover(inc incident.Incident) string {
	if len(inc.Drifts) == 0 {
		return ""
	}
	return " Not all is as wanted yet: see below."
}

// isNow says how the trail is, where that is bad.
func isNow(inc incident.Incident) string {
	switch {
	case inc.Gone():
		return " IT DOES NOT EXIST ANY MORE."
	case stopped(inc):
		return " IT IS NOT LOGGING."
	case doubtful(inc):
		return " IT IS NOT KNOWN TO BE LOGGING."
	}
	return ""
}

func upper(s string) string {
	if strings.HasPrefix(s, "an ") {
		return "A" + s[1:]
	}
	return s
}
