package trail

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// logsWithin is how old the latest log file may be: CloudTrail delivers about every five minutes.
	logsWithin = 30 * time.Minute
	// digestsWithin is how old the latest digest file may be: one comes every hour, also when nothing happened.
	digestsWithin = 2 * time.Hour
)

// Delivery tells whether what the trail records arrives. A trail can be logging with a broken bucket policy
// or key: no call complains, and nothing is delivered. The problem is in words, empty when ok; a trail that does
// not exist or is stopped has nothing to deliver and is ok here.
func Delivery(s State, now time.Time) (problem string, ok bool) {
	if !s.Exists || !slices.Contains(s.Read, GroupLogging) || !s.Status.Logging {
		return "", true
	}
	t := s.Status
	var problems []string
	since := func(what string, at time.Time, limit time.Duration) {
		if now.Sub(t.Started) <= limit || now.Sub(at) <= limit {
			return
		}
		switch {
		case at.IsZero() && t.Started.IsZero():
			problems = append(problems, fmt.Sprintf("no %s was ever delivered", what))
		case at.IsZero():
			problems = append(problems, fmt.Sprintf("no %s was delivered since the trail was started %s ago", what, age(now.Sub(t.Started))))
		default:
			problems = append(problems, fmt.Sprintf("the latest %s was delivered %s ago, more than the %s that is usual at most", what, age(now.Sub(at)), age(limit)))
		}
	}
	failed := func(what, code string) {
		if code != "" {
			problems = append(problems, fmt.Sprintf("CloudTrail cannot deliver %s: %s", what, code))
		}
	}
	failed("log files to the bucket "+s.Bucket, t.DeliveryError)
	if t.DeliveryError == "" {
		since("log file", t.Delivered, logsWithin)
	}
	failed("digest files to the bucket "+s.Bucket, t.DigestError)
	if t.DigestError == "" && s.Validation {
		since("digest file", t.DigestDelivered, digestsWithin)
	}
	failed("events to the log group "+s.LogGroup, t.LogsError)
	failed("notices to the topic "+s.Topic, t.NotificationsError)
	return strings.Join(problems, "; "), len(problems) == 0
}

// age writes a duration in the largest unit that fits.
func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d minutes", int(d.Minutes()))
}

// Toggled tells whether the trail was stopped or started between two readings of its status, even if it is as
// it was: before must be a status that was read.
func Toggled(before, after Status) bool {
	return after.Stopped.After(before.Stopped) || after.Started.After(before.Started)
}

// StoppedSince tells whether a trail that was logging when it was read before was stopped afterwards and is stopped still, by the service's own
// times: a trail that was made anew and never started was not.
func StoppedSince(before, after Status) bool {
	return before.Logging && !after.Logging && after.Stopped.After(before.Stopped) && after.Stopped.After(before.Started)
}
