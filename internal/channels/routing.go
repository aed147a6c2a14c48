package channels

import (
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify/route"
)

// usualRepeat is how often people are reminded unless the configuration says otherwise.
const usualRepeat = 4 * time.Hour

// Routing is who is told of what, as the configuration has it.
func Routing(cfg config.Config) route.Plan {
	p := route.Plan{Repeat: usualRepeat}
	r := cfg.Routing
	if r == nil {
		return p
	}
	if r.RepeatInterval != "" {
		p.Repeat = lasting(r.RepeatInterval)
	}
	p.Group = route.Group{Wait: lasting(r.GroupWait), Interval: lasting(r.GroupInterval)}
	for _, x := range r.Routes {
		p.Rules = append(p.Rules, route.Rule{
			Match: match(x.Match), Channels: x.Channels, Continue: x.Continue,
			Group: route.Group{Wait: lasting(x.GroupWait), Interval: lasting(x.GroupInterval)}, Repeat: lasting(x.RepeatInterval),
		})
	}
	for _, x := range r.Escalation {
		p.Steps = append(p.Steps, route.Step{Match: match(x.Match), After: lasting(x.After), Channels: x.Channels})
	}
	for _, x := range r.Maintenance {
		p.Windows = append(p.Windows, route.Window{Match: match(x.Match), From: x.From, Until: x.Until, Channels: x.Channels, Who: x.Who, Why: x.Why})
	}
	return p
}

func match(m config.Match) route.Match {
	out := route.Match{Severity: incident.Severity(m.Severity), Accounts: m.Accounts, Regions: m.Regions, Trail: m.Trail, Rule: m.Rule}
	if m.Drill != "" {
		only := m.Drill == "only"
		out.Drill = &only
	}
	return out
}

// lasting is a duration that the configuration has checked; 0 for "".
func lasting(text string) time.Duration {
	d, err := config.Duration(text)
	if err != nil {
		return 0
	}
	return d
}

// Check lists what is wrong with channels and routes beyond what each key can tell, without calling anybody.
func Check(o Options) (problems config.Problems) {
	shared := o.shared()
	on := Configured(o.Config)
	for _, name := range on {
		r := rowOf(name)
		if err := (&Channel{name: name, row: r, shared: shared}).Check(); err != nil {
			problems = append(problems, config.Problem{
				Where: place(o.Config, r.key), Key: r.key, Message: err.Error(), Hint: "see docs/channels/" + name + ".md",
			})
		}
	}
	if o.Config.Routing == nil {
		return problems
	}
	off := func(at string, names []string) {
		for _, name := range names {
			if !slices.Contains(on, name) {
				problems = append(problems, config.Problem{
					Where: place(o.Config, "routing"), Key: "routing." + at, Message: fmt.Sprintf("the channel %s is not on", name),
					Hint: "set its key, or take it out of the route",
				})
			}
		}
	}
	for i, x := range o.Config.Routing.Routes {
		off(fmt.Sprintf("routes[%d].channels", i), x.Channels)
	}
	for i, x := range o.Config.Routing.Escalation {
		off(fmt.Sprintf("escalation[%d].channels", i), x.Channels)
	}
	for i, x := range o.Config.Routing.Maintenance {
		off(fmt.Sprintf("maintenance[%d].channels", i), x.Channels)
	}
	return problems
}

// CheckDeployed is Check of what a deployed function has: the stack's topic is on whatever the configuration says.
func CheckDeployed(cfg config.Config) error {
	cfg.SNS.TopicARN = "arn:aws:sns:us-east-1:111122223333:trailwarden"
	if problems := Check(Options{Config: cfg, AWS: aws.Config{Region: "us-east-1"}}); len(problems) > 0 {
		return problems
	}
	return nil
}

// place is where a key got its value from.
func place(cfg config.Config, key string) string {
	if from := cfg.Origins[key]; from.Source != config.Default && from.Source != "" {
		return from.String()
	}
	return "configuration"
}
