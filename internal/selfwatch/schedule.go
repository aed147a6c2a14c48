package selfwatch

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Schedule is the timer that starts the sweep.
type Schedule struct {
	Group      string `json:"group"`
	Name       string `json:"name"`
	Expression string `json:"expression"`     // such as "rate(1 minute)"
	Role       string `json:"role,omitempty"` // ARN of the role it starts the sweep with
}

// SweepInput is what the timer hands to the sweep.
const SweepInput = `{"sweep":true}`

// schedule sees whether the timer still starts the sweep, as often as deployed.
func (l *look) schedule(ctx context.Context, e Expect) {
	want := e.Schedule
	if want == nil {
		return
	}
	s, err := l.timer(ctx, *want)
	if codeOf(err) == "ResourceNotFoundException" {
		l.find("bus.schedule-deleted", incident.Critical, want.Name, "the sweep's timer is gone: what no event tells of is not seen", want.Name, "nothing", want.put("create", e))
		return
	}
	if err != nil {
		l.mayRefuse(err, want.Name, "bus.schedule-")
		return
	}
	// All that is wrong with it is one finding: one command puts all of it right.
	wrong, wanted := []string{}, []string{}
	changed := func(what, want, got string) {
		if want != got {
			wrong, wanted = append(wrong, fmt.Sprintf("%s %s", what, got)), append(wanted, fmt.Sprintf("%s %s", what, want))
		}
	}
	changed("state", "ENABLED", s.State)
	changed("expression", want.Expression, s.ScheduleExpression)
	changed("target", e.functionARN(e.Sweep), s.Target.Arn)
	changed("input", SweepInput, compact(s.Target.Input))
	if want.Role != "" {
		changed("role", want.Role, s.Target.RoleArn)
	}
	if s.FlexibleTimeWindow.Mode != "" { // a window may be a day
		changed("flexible window", "OFF", s.FlexibleTimeWindow.Mode)
	}
	if s.StartDate != nil || s.EndDate != nil {
		changed("time of its own", "none", "set: it begins or ends some day")
	}
	if len(wrong) > 0 {
		l.find("bus.schedule-changed", incident.Critical, want.Name, "the sweep's timer does not start it as deployed: what no event tells of is not seen",
			strings.Join(wanted, ", "), strings.Join(wrong, ", "), want.put("update", e))
	}
}

// put is the command that puts the timer back.
func (s Schedule) put(verb string, e Expect) string {
	if s.Role == "" {
		return ask
	}
	target, _ := json.Marshal(map[string]any{ // of strings and numbers: it cannot fail
		"Arn": e.functionARN(e.Sweep), "RoleArn": s.Role, "Input": SweepInput,
		"RetryPolicy": map[string]int{"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
	})
	return fmt.Sprintf("aws scheduler %s-schedule --group-name %s --name %s --state ENABLED --schedule-expression '%s' --flexible-time-window Mode=OFF --target '%s'",
		verb, s.Group, s.Name, s.Expression, target)
}

// compact is a JSON text without what does not matter in it; any other text as it is.
func compact(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	b, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return string(b)
}
