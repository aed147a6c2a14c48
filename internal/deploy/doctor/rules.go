package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/trailwarden/trailwarden/internal/selfwatch"
)

// rules looks at the stack's other rules: the one that tells of changes to trailwarden itself, and those of an organization.
func (e *exam) rules(ctx context.Context) {
	api := eventbridge.NewFromConfig(e.Config, func(o *eventbridge.Options) { o.Retryer = retryer() })
	for _, id := range slices.Sorted(maps.Keys(e.Made.Resources)) {
		p := e.properties(id)
		rule := fmt.Sprint(p["Name"])
		if e.Made.Resources[id].Type != "AWS::Events::Rule" || rule == lastOf(e.View.Outputs["WatchRuleArn"], "/") {
			continue
		}
		name := "rule " + rule
		var bus *string
		if b, ok := p["EventBusName"].(string); ok {
			bus = &b
		}
		out, err := api.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &rule, EventBusName: bus})
		if err != nil {
			e.unread(name, err)
			continue
		}
		targets, err := api.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &rule, EventBusName: bus})
		if err != nil {
			e.unread(name, err)
			continue
		}
		lost := ""
		wanted, _ := p["Targets"].([]any)
		for _, t := range wanted {
			t, _ := t.(map[string]any)
			arn := fmt.Sprint(t["Arn"])
			if !slices.ContainsFunc(targets.Targets, func(has types.Target) bool { return aws.ToString(has.Arn) == arn }) {
				lost = arn
			}
		}
		switch {
		case !strings.HasPrefix(string(out.State), "ENABLED"):
			e.add(name, Wrong, "it is off: "+fmt.Sprint(p["Description"]), "aws events enable-rule --name "+Quote(rule))
		case !samePattern(p["EventPattern"], aws.ToString(out.EventPattern)):
			e.add(name, Wrong, "its pattern is not the one that was deployed", e.revert())
		case lost != "":
			e.add(name, Wrong, "it hands nothing to "+lost+" any more", e.revert())
		default:
			e.add(name, OK, strings.TrimSuffix(fmt.Sprint(p["Description"]), "."), "")
		}
	}
}

// samePattern compares event patterns, whose lists have no order.
func samePattern(want any, got string) bool {
	var have any
	if json.Unmarshal([]byte(got), &have) != nil {
		return false
	}
	text := func(v any) string {
		b, err := json.Marshal(ordered(v))
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	return text(want) == text(have)
}

// ordered sorts every list by the JSON of its items.
func ordered(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, item := range v {
			out[key] = ordered(item)
		}
		return out
	case []any:
		var list []string
		for _, item := range v {
			b, err := json.Marshal(ordered(item))
			if err != nil {
				return err.Error()
			}
			list = append(list, string(b))
		}
		slices.Sort(list)
		return list
	}
	return v
}

// Rules sees which rules hand events to the daemon's queue, and whether one of them takes every call that changes a trail.
func Rules(ctx context.Context, cfg aws.Config, queue, account string) []Check {
	const name = "rule"
	if part := strings.Split(queue, ":"); len(part) != 6 || part[4] != account {
		return []Check{{name, OK, "the queue is another account's: its rule is to be looked at from there", ""}}
	}
	api := eventbridge.NewFromConfig(cfg, func(o *eventbridge.Options) { o.Retryer = retryer() })
	out, err := api.ListRuleNamesByTarget(ctx, &eventbridge.ListRuleNamesByTargetInput{TargetArn: &queue})
	if err != nil {
		return []Check{unread(name, err)}
	}
	if len(out.RuleNames) == 0 {
		return []Check{{name, Wrong, "no rule hands events to " + lastOf(queue, ":") + ": only sweeps see what happens",
			"aws events put-targets --rule NAME --targets Id=queue,Arn=" + Quote(queue) + "; the rule itself is in what `trailwarden deploy --print-template` prints"}}
	}
	var checks []Check
	for _, rule := range out.RuleNames {
		found, err := api.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &rule})
		if err != nil {
			checks = append(checks, unread(name, err))
			continue
		}
		switch why := selfwatch.Narrowed(aws.ToString(found.EventPattern), account); {
		case !strings.HasPrefix(string(found.State), "ENABLED"):
			checks = append(checks, Check{name, Wrong, rule + " is off: no event tells of what happens to trails", "aws events enable-rule --name " + Quote(rule)})
		case why != "":
			checks = append(checks, Check{name, Wrong, rule + " does not take every call that changes a trail: " + why,
				"aws events put-rule --name " + Quote(rule) + " --event-pattern PATTERN; the pattern is in what `trailwarden deploy --print-template` prints"})
		default: // one that takes all is enough
			return []Check{{name, OK, rule + " is on, and hands every call that changes a trail to the queue", ""}}
		}
	}
	return checks
}
