package selfwatch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// rule sees whether the rule is on, takes every watched call, and hands it to the queue as it is.
func (l *look) rule(ctx context.Context, e Expect) {
	r, err := l.describeRule(ctx, e.Rule.Name)
	if codeOf(err) == "ResourceNotFoundException" {
		l.find("bus.rule-deleted", incident.Critical, e.Rule.Name, "the rule is gone: no event tells of what happens to trails", e.Rule.Name, "nothing", ask)
		return
	}
	if err != nil {
		l.fail(err, e.Rule.Name, "bus.rule-", "bus.targets-")
		return
	}
	if !strings.HasPrefix(r.State, "ENABLED") {
		l.find("bus.rule-disabled", incident.Critical, e.Rule.Name, "the rule is off: no event tells of what happens to trails", "ENABLED", r.State, "aws events enable-rule --name "+e.Rule.Name)
	}
	if why := Narrowed(r.EventPattern, e.Rule.Account); why != "" {
		l.find("bus.rule-changed", incident.Critical, e.Rule.Name, "the rule no longer takes every call that changes a trail: "+why, "every watched call", r.EventPattern,
			fmt.Sprintf("aws events put-rule --name %s --state ENABLED --event-pattern '%s'", e.Rule.Name, e.Rule.Pattern()))
	}
	targets, err := l.targets(ctx, e.Rule.Name)
	if err != nil {
		l.fail(err, e.Rule.Name, "bus.targets-")
		return
	}
	i := slices.IndexFunc(targets, func(t target) bool { return t.Arn == e.Queue })
	switch {
	case i < 0:
		l.find("bus.targets-removed", incident.Critical, e.Rule.Name, "the rule hands nothing to the queue any more", e.Queue, fmt.Sprintf("%d other targets", len(targets)), e.putTarget())
	case targets[i].Input != "" || targets[i].InputPath != "" || len(targets[i].InputTransformer) > 0:
		l.find("bus.targets-changed", incident.Critical, e.Rule.Name, "the rule hands something else to the queue than the event", "the event", "another text", e.putTarget())
	}
	if len(targets) > 1 {
		l.find("bus.targets-changed", incident.Low, e.Rule.Name, "the rule has targets besides the queue", "1", fmt.Sprint(len(targets)), "see who listens: aws events list-targets-by-rule --rule "+e.Rule.Name)
	}
}

// Pattern is the rule's event pattern, as the template has it.
func (r Rule) Pattern() string {
	names := []string{}
	for _, known := range incident.Rules {
		if !slices.Contains(names, known.Event) {
			names = append(names, known.Event)
		}
	}
	b, _ := json.Marshal(map[string]any{ // of strings: it cannot fail
		"source": []string{"aws.cloudtrail"}, "detail-type": []string{"AWS API Call via CloudTrail"}, "account": []string{r.Account},
		"detail": map[string]any{"eventSource": []string{"cloudtrail.amazonaws.com"}, "eventName": names},
	})
	return string(b)
}

// putTarget is the command that puts the rule's target back.
func (e Expect) putTarget() string {
	target := map[string]any{"Id": "queue", "Arn": e.Queue}
	if e.Events != nil {
		target["DeadLetterConfig"] = map[string]string{"Arn": e.Events.DeadLetters}
	}
	b, _ := json.Marshal([]any{target}) // of strings: it cannot fail
	return fmt.Sprintf("aws events put-targets --rule %s --targets '%s'", e.Rule.Name, b)
}

// Narrowed says which watched call a pattern leaves out, empty when none. A pattern that says anything else than ours is taken for
// narrower: what is added to a pattern can only take away.
func Narrowed(text, account string) string {
	var p struct {
		Source     []any `json:"source"`
		DetailType []any `json:"detail-type"`
		Account    []any `json:"account"`
		Detail     struct {
			Source []any `json:"eventSource"`
			Name   []any `json:"eventName"`
		} `json:"detail"`
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return "it has conditions that were not deployed"
	}
	for _, c := range []struct {
		name, want string
		has        []any
	}{
		{"source", "aws.cloudtrail", p.Source}, {"detail-type", "AWS API Call via CloudTrail", p.DetailType}, {"account", account, p.Account},
		{"detail.eventSource", "cloudtrail.amazonaws.com", p.Detail.Source},
	} {
		if c.has != nil && !slices.Contains(c.has, any(c.want)) {
			return fmt.Sprintf("%s leaves out %q", c.name, c.want)
		}
	}
	for _, r := range incident.Rules {
		if p.Detail.Name != nil && !slices.Contains(p.Detail.Name, any(r.Event)) {
			return fmt.Sprintf("detail.eventName leaves out %q", r.Event)
		}
	}
	return ""
}
