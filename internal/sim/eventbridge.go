package sim

import (
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/sim/pattern"
)

func newEventBridge(w *World) *service {
	b := &buses{world: w, byARN: map[string]time.Time{}, rules: map[string]*rule{}}
	w.bus = b.offer
	w.readsReachBus = b.wantReads
	return &service{
		name: "events", source: "events.amazonaws.com", protocol: json11, targets: []string{"AWSEvents"},
		resource: b.denialResource,
		operations: []operation{
			jsonOp("PutRule", writes, b.putRule),
			jsonOp("DescribeRule", reads, b.describeRule),
			jsonOp("ListRules", reads, b.listRules),
			jsonOp("DeleteRule", writes, b.deleteRule),
			jsonOp("EnableRule", writes, b.enableRule),
			jsonOp("DisableRule", writes, b.disableRule),
			jsonOp("PutTargets", writes, b.putTargets),
			jsonOp("RemoveTargets", writes, b.removeTargets),
			jsonOp("ListTargetsByRule", reads, b.listTargets),
			jsonOp("ListRuleNamesByTarget", reads, b.listByTarget),
			jsonOp("PutEvents", dataWrites, b.putEvents),
			jsonOp("TestEventPattern", dataReads, b.testPattern),
			jsonOp("CreateEventBus", writes, b.createBus),
			jsonOp("DeleteEventBus", writes, b.deleteBus),
			jsonOp("DescribeEventBus", reads, b.describeBus),
			jsonOp("ListEventBuses", reads, b.listBuses),
		},
	}
}

// buses are all event buses of the world. Every account has the bus "default" in every Region. What is not here is refused
// by name, never ignored: cron expressions, input transformers, targets other than queues, topics and functions, buses of
// other accounts.
type buses struct {
	world *World
	byARN map[string]time.Time // custom buses, and when they were made
	rules map[string]*rule     // by ARN
}

// A rule sends the events of one bus that match its pattern to its targets, or makes events of its own on a schedule.
type rule struct {
	arn, name, bus, account, region string
	description, role, state        string
	patternText, schedule           string
	pattern                         pattern.Pattern
	every                           time.Duration // of the schedule
	version                         int           // ends an older schedule
	targets                         []target
}

const (
	enabled     = "ENABLED"
	enabledAll  = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" // reads as well
	disabled    = "DISABLED"
	defaultName = "default"
)

var (
	ruleName = regexp.MustCompile(`^[.\-_A-Za-z0-9]{1,64}$`)
	busName  = regexp.MustCompile(`^[.\-_A-Za-z0-9]{1,256}$`)
	rateRule = regexp.MustCompile(`^rate\(([1-9][0-9]{0,4}) (minute|hour|day)(s?)\)$`)
)

func invalidEvents(format string, args ...any) *apiError {
	return fail("ValidationException", format, args...)
}

// busOf resolves the name or ARN of a bus; "" is the default one.
func (b *buses) busOf(c *call, nameOrARN string) (string, error) {
	name := nameOrARN
	if strings.HasPrefix(name, "arn:") {
		name = name[strings.LastIndexByte(name, '/')+1:]
		if nameOrARN != c.arn("events", "event-bus/"+name) {
			return "", fail("ResourceNotFoundException", "Event bus %s does not exist.", nameOrARN)
		}
	}
	if name = cmp.Or(name, defaultName); name != defaultName {
		if _, ok := b.byARN[c.arn("events", "event-bus/"+name)]; !ok {
			return "", fail("ResourceNotFoundException", "Event bus %s does not exist.", name)
		}
	}
	return name, nil
}

func ruleARN(c *call, bus, name string) string {
	if bus != defaultName {
		name = bus + "/" + name
	}
	return c.arn("events", "rule/"+name)
}

// find returns an existing rule.
func (b *buses) find(c *call, bus, name string) (*rule, error) {
	bus, err := b.busOf(c, bus)
	if err != nil {
		return nil, err
	}
	r := b.rules[ruleARN(c, bus, name)]
	if r == nil {
		return nil, fail("ResourceNotFoundException", "Rule %s does not exist on EventBus %s.", name, bus)
	}
	c.resources = append(c.resources, recordResource{"AWS::Events::Rule", r.arn})
	return r, nil
}

// sorted gives the rules of one account and Region in the order of their ARNs.
func (b *buses) sorted(account, region string) []*rule {
	var list []*rule
	for _, arn := range slices.Sorted(maps.Keys(b.rules)) {
		if r := b.rules[arn]; r.account == account && r.region == region {
			list = append(list, r)
		}
	}
	return list
}

type onRule struct{ Name, Rule, EventBusName string }

func (b *buses) denialResource(c *call) string {
	var in onRule
	if json.Unmarshal(c.body, &in) != nil || in.Name+in.Rule == "" {
		return ""
	}
	return ruleARN(c, cmp.Or(in.EventBusName, defaultName), in.Name+in.Rule)
}

type putRuleInput struct {
	Name, EventBusName, EventPattern, ScheduleExpression, State, Description, RoleArn string
}

// putRule makes a rule or replaces it: what the call leaves out is gone. Targets stay.
func (b *buses) putRule(c *call, in *putRuleInput) (any, error) {
	bus, err := b.busOf(c, in.EventBusName)
	if err != nil {
		return nil, err
	}
	state := cmp.Or(in.State, enabled)
	switch {
	case !ruleName.MatchString(in.Name):
		return nil, invalidEvents("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+", in.Name)
	case in.EventPattern == "" && in.ScheduleExpression == "":
		return nil, invalidEvents("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	case in.ScheduleExpression != "" && bus != defaultName:
		return nil, invalidEvents("ScheduleExpression is supported only on the default event bus.")
	case state != enabled && state != enabledAll && state != disabled:
		return nil, invalidEvents("1 validation error detected: Value '%s' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [%s, %s, %s]", state, enabled, disabled, enabledAll)
	}
	next := rule{
		arn: ruleARN(c, bus, in.Name), name: in.Name, bus: bus, account: c.account, region: c.region,
		description: in.Description, role: in.RoleArn, state: state, patternText: in.EventPattern, schedule: in.ScheduleExpression,
	}
	if in.EventPattern != "" {
		if next.pattern, err = parseEventPattern(in.EventPattern); err != nil {
			return nil, err
		}
	}
	if in.ScheduleExpression != "" {
		if next.every, err = parseRate(in.ScheduleExpression); err != nil {
			return nil, err
		}
	}
	if old := b.rules[next.arn]; old != nil {
		next.targets, next.version = old.targets, old.version+1
		*old = next
	} else {
		b.rules[next.arn] = &next
	}
	b.startSchedule(b.rules[next.arn])
	c.resources = append(c.resources, recordResource{"AWS::Events::Rule", next.arn})
	return struct{ RuleArn string }{next.arn}, nil
}

func parseEventPattern(text string) (pattern.Pattern, error) {
	p, err := pattern.Parse([]byte(text))
	if err != nil {
		return p, fail("InvalidEventPatternException", "Event pattern is not valid. Reason: %s", err)
	}
	return p, nil
}

// parseRate reads rate(5 minutes). This world knows no cron expressions.
func parseRate(expression string) (time.Duration, error) {
	part := rateRule.FindStringSubmatch(expression)
	if part == nil || (part[1] == "1") != (part[3] == "") {
		if strings.HasPrefix(expression, "cron(") {
			return 0, invalidEvents("Parameter ScheduleExpression is not valid: cron expressions are not part of this simulated AWS, use rate(...).")
		}
		return 0, invalidEvents("Parameter ScheduleExpression is not valid.")
	}
	n, err := strconv.Atoi(part[1])
	if err != nil {
		return 0, invalidEvents("Parameter ScheduleExpression is not valid.")
	}
	return time.Duration(n) * map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[part[2]], nil
}

type ruleOutput struct {
	Name, Arn          string
	EventPattern       string `json:",omitempty"`
	ScheduleExpression string `json:",omitempty"`
	State              string
	Description        string `json:",omitempty"`
	RoleArn            string `json:",omitempty"`
	EventBusName       string
	CreatedBy          string `json:",omitempty"`
}

func (r *rule) output() ruleOutput {
	return ruleOutput{
		Name: r.name, Arn: r.arn, EventPattern: r.patternText, ScheduleExpression: r.schedule, State: r.state,
		Description: r.description, RoleArn: r.role, EventBusName: r.bus,
	}
}

func (b *buses) describeRule(c *call, in *onRule) (any, error) {
	r, err := b.find(c, in.EventBusName, in.Name)
	if err != nil {
		return nil, err
	}
	out := r.output()
	out.CreatedBy = r.account
	return out, nil
}

func (b *buses) listRules(c *call, in *struct{ NamePrefix, EventBusName string }) (any, error) {
	bus, err := b.busOf(c, in.EventBusName)
	if err != nil {
		return nil, err
	}
	out := struct{ Rules []ruleOutput }{[]ruleOutput{}}
	for _, r := range b.sorted(c.account, c.region) {
		if r.bus == bus && strings.HasPrefix(r.name, in.NamePrefix) {
			out.Rules = append(out.Rules, r.output())
		}
	}
	return out, nil
}

// deleteRule does not mind if there is no such rule.
func (b *buses) deleteRule(c *call, in *onRule) (any, error) {
	bus, err := b.busOf(c, in.EventBusName)
	if err != nil {
		return nil, err
	}
	r := b.rules[ruleARN(c, bus, in.Name)]
	if r == nil {
		return nil, nil
	}
	if len(r.targets) > 0 {
		return nil, invalidEvents("Rule can't be deleted since it has targets.")
	}
	delete(b.rules, r.arn)
	return nil, nil
}

func (b *buses) enableRule(c *call, in *onRule) (any, error)  { return b.setState(c, in, enabled) }
func (b *buses) disableRule(c *call, in *onRule) (any, error) { return b.setState(c, in, disabled) }

func (b *buses) setState(c *call, in *onRule, state string) (any, error) {
	r, err := b.find(c, in.EventBusName, in.Name)
	if err != nil {
		return nil, err
	}
	r.state = state
	return nil, nil
}

type busOutput struct{ Name, Arn string }

func (b *buses) createBus(c *call, in *struct{ Name string }) (any, error) {
	arn := c.arn("events", "event-bus/"+in.Name)
	if !busName.MatchString(in.Name) || in.Name == defaultName {
		return nil, invalidEvents("Parameter Name is not valid: %s", in.Name)
	}
	if _, ok := b.byARN[arn]; ok {
		return nil, fail("ResourceAlreadyExistsException", "Event bus %s already exists.", in.Name)
	}
	b.byARN[arn] = c.at
	return struct{ EventBusArn string }{arn}, nil
}

func (b *buses) deleteBus(c *call, in *struct{ Name string }) (any, error) {
	if in.Name == defaultName {
		return nil, invalidEvents("Cannot delete event bus default.")
	}
	for _, r := range b.sorted(c.account, c.region) {
		if r.bus == in.Name {
			return nil, invalidEvents("Event bus %s can't be deleted since it has rules.", in.Name)
		}
	}
	delete(b.byARN, c.arn("events", "event-bus/"+in.Name))
	return nil, nil
}

func (b *buses) describeBus(c *call, in *struct{ Name string }) (any, error) {
	name, err := b.busOf(c, in.Name)
	if err != nil {
		return nil, err
	}
	return busOutput{name, c.arn("events", "event-bus/"+name)}, nil
}

func (b *buses) listBuses(c *call, in *struct{ NamePrefix string }) (any, error) {
	out := struct{ EventBuses []busOutput }{[]busOutput{}}
	own := c.arn("events", "event-bus/")
	for _, arn := range append([]string{own + defaultName}, slices.Sorted(maps.Keys(b.byARN))...) {
		if name, ok := strings.CutPrefix(arn, own); ok && strings.HasPrefix(name, in.NamePrefix) {
			out.EventBuses = append(out.EventBuses, busOutput{name, arn})
		}
	}
	return out, nil
}
