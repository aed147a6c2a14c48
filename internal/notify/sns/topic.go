package sns

import (
	"errors"
	"fmt"
	"strings"

	"github.com/trailwarden/trailwarden/internal/notify"
)

const topicForm = "arn:aws:sns:REGION:ACCOUNT:NAME"

var (
	partitionForm = notify.Lazily(`^aws(-[a-z0-9]+)*$`)
	nameForm      = notify.Lazily(`^[A-Za-z0-9_-]+$`) // counted below: {1,256} would take half a millisecond to compile
)

// CheckTopicARN holds s against the grammar of a topic's ARN, in any partition. Its error says what is wrong, and
// what to set.
func CheckTopicARN(s string) error {
	const set = "set sns.topic_arn, TRAILWARDEN_SNS_TOPIC_ARN or SNSARN to " + topicForm
	if s == "" {
		return errors.New("check SNS topic: no topic ARN is given: " + set)
	}
	shown := s
	if len(shown) > 300 {
		shown = shown[:300] + "…"
	}
	wrong := func(what string, args ...any) error {
		return fmt.Errorf("check SNS topic: %q %s: %s", shown, fmt.Sprintf(what, args...), set)
	}
	part := strings.Split(s, ":")
	switch {
	case strings.TrimSpace(s) != s:
		return wrong("has white space around it")
	case part[0] != "arn":
		return wrong("is not an ARN")
	case len(part) >= 3 && part[2] != "sns":
		return wrong("is an ARN of %s, not of a topic", part[2])
	case len(part) == 7:
		return wrong("is the ARN of a subscription: its topic is the part before the last colon")
	case len(part) != 6:
		return wrong("has %d parts instead of 6", len(part))
	case !partitionForm().MatchString(part[1]):
		return wrong("has the partition %q, which AWS has not", part[1])
	case !forms["region"]().MatchString(part[3]):
		return wrong("has no Region in its fourth part")
	case !forms["account"]().MatchString(part[4]):
		return wrong("has no 12-digit account id in its fifth part")
	case len(part[5]) > 256 || !nameForm().MatchString(strings.TrimSuffix(part[5], ".fifo")):
		return wrong("has no topic name in its last part: 1 to 256 letters, digits, '-' and '_', and .fifo at the end of a FIFO topic's")
	}
	return nil
}
