package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/selfwatch"
)

// subject is one of those that the sweep asks of its own deployment.
type subject struct {
	name  string
	finds []string // how the ids of its findings begin
	calls []string // with which it is read
	fine  func(selfwatch.Expect) string
}

var subjects = []subject{
	{"functions", []string{"lambda."}, []string{"GetFunctionConfiguration", "GetFunctionConcurrency"}, func(x selfwatch.Expect) string {
		return fmt.Sprintf("%s and %s run what was deployed: code (SHA-256 %.12s…), role, environment", x.React.Name, x.Sweep.Name, x.CodeSHA256)
	}},
	{"mapping", []string{"lambda.mapping"}, []string{"ListEventSourceMappings"}, func(x selfwatch.Expect) string { return "the queue's events reach " + x.React.Name }},
	{"rule", []string{"bus."}, []string{"DescribeRule"}, func(x selfwatch.Expect) string {
		return x.Rule.Name + " is on, and takes every call that changes a trail"
	}},
	{"target", []string{"bus.targets"}, []string{"ListTargetsByRule"}, func(x selfwatch.Expect) string {
		return "the rule hands events to " + lastOf(x.Queue, ":") + " as they are"
	}},
	{"timer", []string{"bus.schedule"}, []string{"GetSchedule"}, func(x selfwatch.Expect) string {
		if x.Schedule == nil {
			return ""
		}
		return "a sweep by " + x.Schedule.Expression
	}},
	{"queue", []string{"notify.queue"}, []string{"GetQueueAttributes"}, func(x selfwatch.Expect) string {
		if x.Events == nil {
			return ""
		}
		return lastOf(x.Queue, ":") + " takes events from the rule alone, keeps them, and hands them to the function alone"
	}},
	{"repairs", []string{"iam."}, []string{"ListAttachedRolePolicies"}, func(x selfwatch.Expect) string {
		if x.RepairPolicy == "" {
			return "none, as deployed: mode observe watches and tells"
		}
		return "on: stopped trails are started again"
	}},
}

// lastOf is what stands behind the last of some characters.
func lastOf(s, separators string) string { return s[strings.LastIndexAny(s, separators)+1:] }

// subjectOf is the place in subjects of a finding: the longest beginning counts; -1 for none.
func subjectOf(rule string) int {
	best, length := -1, 0
	for i, s := range subjects {
		for _, start := range s.finds {
			if strings.HasPrefix(rule, start) && len(start) > length {
				best, length = i, len(start)
			}
		}
	}
	return best
}

// expected is how the deployment should be, by CloudFormation's record: what the template makes of the stack's parameters, and
// where that is not known what the stack's outputs say.
func (d Deployment) expected() (selfwatch.Expect, error) {
	o, p := d.View.Outputs, d.View.Parameters
	part := strings.Split(o["QueueArn"], ":")
	if len(part) != 6 {
		return selfwatch.Expect{}, fmt.Errorf("the stack %s has no output QueueArn: it is not of trailwarden.yaml", d.Name)
	}
	function := func(arn, role string) selfwatch.Function {
		return selfwatch.Function{Name: lastOf(arn, ":"), Role: role}
	}
	x := selfwatch.Expect{
		CodeSHA256: p["ArtifactSha256"], Queue: o["QueueArn"], RepairPolicy: o["RepairPolicyArn"],
		React: function(o["ReactFunctionArn"], o["ReactRoleArn"]), Sweep: function(o["SweepFunctionArn"], o["SweepRoleArn"]),
		Rule: selfwatch.Rule{Name: lastOf(o["WatchRuleArn"], "/"), Account: part[4]},
	}
	if timer := d.Made.Resources["SweepTimer"].Properties; timer != nil {
		target, _ := timer["Target"].(map[string]any)
		x.Schedule = &selfwatch.Schedule{Group: fmt.Sprint(timer["GroupName"]), Name: fmt.Sprint(timer["Name"]), Expression: fmt.Sprint(timer["ScheduleExpression"]), Role: fmt.Sprint(target["RoleArn"])}
	} else if p["SweepSchedule"] != "" && o["SweepFunctionArn"] != "" {
		name := strings.TrimSuffix(x.Sweep.Name, "-sweep")
		x.Schedule = &selfwatch.Schedule{Group: name, Name: x.Sweep.Name, Expression: p["SweepSchedule"]}
	}
	queue, policy := d.Made.Resources["Queue"].Properties, d.Made.Resources["QueuePolicy"].Properties
	redrive, _ := queue["RedrivePolicy"].(map[string]any)
	document, _ := policy["PolicyDocument"].(map[string]any)
	for _, s := range (deploy.Policy{Document: document}).Statements() {
		equals, _ := s.Condition["ArnEquals"].(map[string]any)
		if senders, ok := equals["aws:SourceArn"].([]any); ok && redrive != nil {
			x.Events = &selfwatch.Events{DeadLetters: fmt.Sprint(redrive["deadLetterTargetArn"])}
			for _, arn := range senders {
				x.Events.Senders = append(x.Events.Senders, fmt.Sprint(arn))
			}
		}
	}
	return x, nil
}

// self asks what the sweep asks of its own deployment.
func (e *exam) self(ctx context.Context) {
	expect, err := e.expected()
	if err != nil {
		e.add("functions", Wrong, err.Error(), "name the right stack: trailwarden doctor --stack-name NAME")
		return
	}
	found, err := (&selfwatch.Watch{Config: e.Config, Expect: expect}).Look(ctx)
	bad := make([]bool, len(subjects))
	var lines []Check
	resources := map[Check][]string{} // one cause is one line, whatever it is about
	for _, f := range found {
		if f.Want == selfwatch.Variable+" the same" && e.older() {
			continue
		}
		line := Check{"deployment", Wrong, f.Text, e.mend(f)}
		if i := subjectOf(f.Rule); i >= 0 {
			line.Name, bad[i] = subjects[i].name, true
		}
		if telling(f) {
			line.Text += fmt.Sprintf(" (found: %s; deployed: %s)", f.Got, f.Want)
		}
		if resources[line] == nil {
			lines = append(lines, line)
		}
		resources[line] = append(resources[line], lastOf(f.Resource, ":/"))
	}
	for _, line := range lines {
		e.add(line.Name, line.Status, strings.Join(resources[line], " and ")+": "+line.Text, line.Mend)
	}
	for _, one := range each(err) {
		call, _, _ := strings.Cut(one.Error(), " ") // selfwatch's errors begin with it
		i := slices.IndexFunc(subjects, func(s subject) bool { return slices.Contains(s.calls, call) })
		if i < 0 {
			e.unread("deployment", one)
		} else if !bad[i] { // one line of each is enough
			bad[i] = true
			e.unread(subjects[i].name, one)
		}
	}
	for i, s := range subjects {
		if fine := s.fine(expect); !bad[i] && fine != "" {
			e.add(s.name, OK, fine, "")
		}
	}
}

// telling says that what was found, beside what was deployed, tells more than the finding's text.
func telling(f selfwatch.Finding) bool {
	return len(f.Want)+len(f.Got) < 200 && !slices.Contains([]string{"", "nothing", "none", "not attached", "another text"}, f.Got) && !strings.HasSuffix(f.Got, " different")
}

// older says that the template gives the expectation to the sweep alone, as it once did.
func (e *exam) older() bool {
	environment, _ := e.properties("React")["Environment"].(map[string]any)
	variables, _ := environment["Variables"].(map[string]any)
	return variables[selfwatch.Variable] == nil
}

// each takes joined errors apart.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// mend is the command that mends a finding.
func (e *exam) mend(f selfwatch.Finding) string {
	p := e.View.Parameters
	switch f.Rule {
	case "iam.policy-detached":
		return e.own("deploy --repair on")
	case "lambda.code":
		return fmt.Sprintf("aws lambda update-function-code --function-name %s --s3-bucket %s --s3-key %s --s3-object-version %s",
			Quote(f.Resource), Quote(p["ArtifactBucket"]), Quote(p["ArtifactKey"]), Quote(p["ArtifactVersion"]))
	}
	if strings.HasPrefix(f.Mend, "aws ") || strings.HasPrefix(f.Mend, "see who listens") {
		return f.Mend
	}
	return e.revert()
}
