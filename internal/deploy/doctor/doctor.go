// Package doctor examines a deployment: each check says how a part is and, where something is wrong, the command that
// mends it. It only reads. What the deployment should be is taken from CloudFormation's record of the stack, not from the
// functions' own environment, which somebody may have changed.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"github.com/trailwarden/trailwarden/internal/deploy/stack"
	"github.com/trailwarden/trailwarden/internal/selfwatch"
)

// Status is how a part is.
type Status string

const (
	OK      Status = "ok"
	Waiting Status = "waiting" // it takes a person or some time, as it does after a deployment
	Wrong   Status = "wrong"
	Unknown Status = "unknown" // it could not be read
)

// Check is one thing that was examined.
type Check struct {
	Name   string `json:"check"`
	Status Status `json:"status"`
	Text   string `json:"text"`           // how it is, in a sentence
	Mend   string `json:"mend,omitempty"` // command, or what to do; empty when all is well
}

// Deployment is a stack to examine.
type Deployment struct {
	Config aws.Config
	View   stack.View
	Name   string // of the stack
	Parts  []stack.Part
	Now    time.Time
}

// exam collects checks.
type exam struct {
	Deployment
	checks []Check
}

func (e *exam) add(name string, status Status, text, mend string) {
	e.checks = append(e.checks, Check{name, status, text, mend})
}

// unread adds what could not be read.
func (e *exam) unread(name string, err error) {
	code := ""
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	mend := "check the network and the credentials, and look again"
	switch code {
	case "AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation":
		mend = "use credentials that may read it: `trailwarden deploy --print-policy` prints what that takes"
	}
	switch code {
	case "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NotFound", "NotFoundException", "ResourceNotFoundException":
		e.add(name, Wrong, "it is gone: somebody deleted it", "find out who did it (aws cloudtrail lookup-events), then make the stack anew: trailwarden destroy --stack-name "+e.Name+", and deploy")
		return
	}
	text := err.Error()
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		text = op.Operation() + ": " + op.Err.Error()
	}
	e.add(name, Unknown, "could not be read: "+text, mend)
}

// retryer tries three times; a person waits.
func retryer() aws.Retryer { return retry.AddWithMaxBackoffDelay(retry.NewStandard(), time.Second) }

// Examine makes all checks of the stack's own parts.
func (d Deployment) Examine(ctx context.Context) []Check {
	e := &exam{Deployment: d}
	e.stack()
	e.self(ctx)
	e.timer(ctx)
	e.queues(ctx)
	e.subscriptions(ctx)
	e.alarms(ctx)
	e.concurrency(ctx)
	return e.checks
}

// physical finds a resource of the stack by its id in the template.
func (e *exam) physical(id string) string {
	for _, p := range e.Parts {
		if p.ID == id {
			return p.Physical
		}
	}
	return ""
}

func (e *exam) stack() {
	v := e.View
	switch {
	case v.Underway():
		e.add("stack", Waiting, "CloudFormation is at work on it: "+v.Status, "look again when it is done")
	case !v.Stands():
		e.add("stack", Wrong, "it is in state "+v.Status+": "+v.Reason, "trailwarden destroy --stack-name "+e.Name+", then deploy again")
	case !v.Protected:
		e.add("stack", Wrong, "nothing protects it against deletion", "aws cloudformation update-termination-protection --enable-termination-protection --stack-name "+e.Name)
	default:
		e.add("stack", OK, v.Status+", protected against deletion, release "+v.Parameters["Release"], "")
	}
}

// expected is how functions and rule should be, by CloudFormation's record.
func (d Deployment) expected() (selfwatch.Expect, error) {
	o, p := d.View.Outputs, d.View.Parameters
	part := strings.Split(o["QueueArn"], ":")
	if len(part) != 6 {
		return selfwatch.Expect{}, fmt.Errorf("the stack %s has no output QueueArn: it is not of trailwarden.yaml", d.Name)
	}
	function := func(arn, role string) selfwatch.Function {
		return selfwatch.Function{Name: arn[strings.LastIndexByte(arn, ':')+1:], Role: role}
	}
	rule := o["WatchRuleArn"]
	return selfwatch.Expect{
		CodeSHA256: p["ArtifactSha256"], Queue: o["QueueArn"], RepairPolicy: o["RepairPolicyArn"],
		React: function(o["ReactFunctionArn"], o["ReactRoleArn"]), Sweep: function(o["SweepFunctionArn"], o["SweepRoleArn"]),
		Rule: selfwatch.Rule{Name: rule[strings.LastIndexByte(rule, '/')+1:], Account: part[4]},
	}, nil
}

// self asks what the sweep asks of its own deployment.
func (e *exam) self(ctx context.Context) {
	const name = "functions, rule, mapping, policies"
	expect, err := e.expected()
	if err != nil {
		e.add(name, Wrong, err.Error(), "name the right stack with --stack-name")
		return
	}
	found, err := (&selfwatch.Watch{Config: e.Config, Expect: expect}).Look(ctx)
	for _, f := range found {
		e.add(f.Rule, Wrong, fmt.Sprintf("%s: %s (want %s, got %s)", f.Resource, f.Text, f.Want, f.Got), e.mend(f))
	}
	switch {
	case err != nil:
		e.unread(name, err)
	case len(found) == 0:
		e.add(name, OK, "code, roles, environment, rule, target and mapping are as deployed", "")
	}
}

// mend is the command that mends a finding. To deploy again would not: CloudFormation does not see what was changed past it.
func (e *exam) mend(f selfwatch.Finding) string {
	o, p := e.View.Outputs, e.View.Parameters
	switch f.Rule {
	case "iam.policy-detached":
		return "trailwarden deploy --repair on --stack-name " + e.Name
	case "lambda.code":
		return fmt.Sprintf("aws lambda update-function-code --function-name %s --s3-bucket %s --s3-key %s --s3-object-version %s", f.Resource, p["ArtifactBucket"], p["ArtifactKey"], p["ArtifactVersion"])
	case "lambda.mapping-deleted":
		return fmt.Sprintf("aws lambda create-event-source-mapping --function-name %s --event-source-arn %s --batch-size 10 --function-response-types ReportBatchItemFailures", o["ReactFunctionArn"], o["QueueArn"])
	case "bus.targets-removed":
		return fmt.Sprintf("aws events put-targets --rule %s --targets Id=queue,Arn=%s", f.Resource, o["QueueArn"])
	}
	if strings.HasPrefix(f.Mend, "aws ") || strings.HasPrefix(f.Mend, "see who listens") {
		return f.Mend
	}
	return "find out who did it (aws cloudtrail lookup-events), then make it anew: trailwarden destroy --stack-name " + e.Name + ", and deploy"
}

// queueName is the name in a queue's URL.
func queueName(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return at
	}
	return u.Path[strings.LastIndexByte(u.Path, '/')+1:]
}
