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
		l.find("bus.rule-deleted", incident.Critical, e.Rule.Name, "the rule is gone: no event tells of what happens to trails", e.Rule.Name, "nothing", redeploy)
		return
	}
	if err != nil {
		l.fail(err)
		return
	}
	if !strings.HasPrefix(r.State, "ENABLED") {
		l.find("bus.rule-disabled", incident.Critical, e.Rule.Name, "the rule is off: no event tells of what happens to trails", "ENABLED", r.State, "aws events enable-rule --name "+e.Rule.Name)
	}
	if why := narrowed(r.EventPattern, e.Rule.Account); why != "" {
		l.find("bus.rule-changed", incident.Critical, e.Rule.Name, "the rule no longer takes every call that changes a trail: "+why, "every watched call", r.EventPattern, redeploy)
	}
	targets, err := l.targets(ctx, e.Rule.Name)
	if err != nil {
		l.fail(err)
		return
	}
	i := slices.IndexFunc(targets, func(t target) bool { return t.Arn == e.Queue })
	switch {
	case i < 0:
		l.find("bus.targets-removed", incident.Critical, e.Rule.Name, "the rule hands nothing to the queue any more", e.Queue, fmt.Sprintf("%d other targets", len(targets)), redeploy)
	case targets[i].Input != "" || targets[i].InputPath != "" || len(targets[i].InputTransformer) > 0:
		l.find("bus.targets-changed", incident.Critical, e.Rule.Name, "the rule hands something else to the queue than the event", "the event", "another text", redeploy)
	}
	if len(targets) > 1 {
		l.find("bus.targets-changed", incident.Low, e.Rule.Name, "the rule has targets besides the queue", "1", fmt.Sprint(len(targets)), "see who listens: aws events list-targets-by-rule --rule "+e.Rule.Name)
	}
}

// narrowed says which watched call a pattern leaves out, empty when none. A pattern that says anything else than ours is taken for
// narrower: what is added to a pattern can only take away.
func narrowed(text, account string) string {
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
