package incident

import (
	"fmt"
	"time"
)

// Steps says what a person should do next about an incident, at most five steps. Nothing of a record
// gets into a command line but the trail's ARN, whose grammar was checked.
func Steps(inc Incident) []Step {
	if inc.Outcome == Confirmed {
		return []Step{}
	}
	steps := []Step{}
	add := func(text, command string) { steps = append(steps, Step{Text: text, Command: command}) }
	region, arn := inc.Trail.Region, inc.Trail.ARN

	switch {
	case arn == "":
		add("The record names no trail that can be told. Read all trails of its Region.", "")
	case inc.Outcome == Open || inc.Outcome == Failed:
		if inc.Gone() {
			add("The trail does not exist any more. Create it again as it was; Event history holds its last CreateTrail and UpdateTrail.", "")
			break
		}
		if inc.stopped() {
			add("If the trail is to record, start it.", fmt.Sprintf("aws cloudtrail start-logging --region %s --name %s", region, arn))
		}
		add("Look at the trail.", fmt.Sprintf("aws cloudtrail get-trail-status --region %s --name %s", region, arn))
	case inc.Outcome == Noted && inc.Severity.Rank() >= Medium.Rank():
		add("Compare the trail with what it should be.", fmt.Sprintf("aws cloudtrail get-trail --region %s --name %s", region, arn))
	}

	if w := inc.BlindWindow; w != nil {
		end := ""
		if w.To != nil {
			end = " --end-time " + w.To.Format(time.RFC3339)
		}
		add("Read what was done in the blind window: Event history keeps management events for 90 days.",
			fmt.Sprintf("aws cloudtrail lookup-events --region %s --start-time %s%s", region, w.From.Format(time.RFC3339), end))
	}
	if inc.Actor != nil && inc.Severity.Rank() >= Medium.Rank() && inc.Outcome != Rejected {
		add("Ask the owner of the principal whether this was planned. If not: disable its access key or role session, and look at what else it did.", "")
	}
	if inc.Outcome == Rejected {
		add("Find out who may send events to this deployment: its function, queue and event bus policies.", "")
	}
	return steps
}

// Gone says whether the trail was found not to exist.
func (inc Incident) Gone() bool {
	for _, d := range inc.Drifts {
		if d.Field == "exists" {
			return true
		}
	}
	return false
}

func (inc Incident) stopped() bool {
	return inc.BlindWindow != nil && inc.BlindWindow.Open
}
