package doctor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Clock holds this machine's clock against AWS's: signatures are refused from five minutes on, and times in messages mislead.
func Clock(ctx context.Context, cfg aws.Config, now func() time.Time) Check {
	const name, most = "clock", 30 * time.Second
	out, err := sts.NewFromConfig(cfg, func(o *sts.Options) { o.Retryer = retryer() }).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		e := &exam{}
		e.unread(name, err)
		return e.checks[0]
	}
	theirs, ok := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !ok {
		return Check{name, Unknown, "AWS's answer has no time", "look again"}
	}
	off := now().Sub(theirs).Round(time.Second)
	if off > most || off < -most {
		return Check{name, Wrong, fmt.Sprintf("this machine's clock is off by %s", off), "set it: timedatectl set-ntp true"}
	}
	return Check{name, OK, fmt.Sprintf("within %s of AWS's", most), ""}
}

// Queue sees whether the daemon's queue can be read, and what waits there.
func Queue(ctx context.Context, cfg aws.Config, at string) Check {
	const name, most = "queue", 100
	out, err := sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.Retryer = retryer() }).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &at, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
	if err != nil {
		e := &exam{}
		e.unread(name, err)
		return e.checks[0]
	}
	waiting, err := strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"])
	switch {
	case err != nil:
		return Check{name, Unknown, "SQS does not say how many messages wait", "look again"}
	case waiting > most:
		return Check{name, Wrong, fmt.Sprintf("%d events wait: the daemon does not keep up, or does not run", waiting), "look at its log: journalctl -u trailwarden"}
	}
	if out.Attributes["RedrivePolicy"] == "" {
		return Check{name, Wrong, "it has no queue for events that cannot be handled: such an event comes again for ever", "aws sqs set-queue-attributes --queue-url " + at + ` --attributes '{"RedrivePolicy":"{\"deadLetterTargetArn\":\"ARN\",\"maxReceiveCount\":\"5\"}"}'`}
	}
	return Check{name, OK, fmt.Sprintf("%s: %d waiting", queueName(at), waiting), ""}
}

// Health asks the daemon itself, where it answers.
func Health(ctx context.Context, listen string) Check {
	const name = "daemon"
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	at := "http://" + listen + "/-/healthy"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return Check{name, Wrong, err.Error(), "set listen to an address such as 127.0.0.1:9402"}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return Check{name, Wrong, "it does not answer: " + err.Error(), "systemctl restart trailwarden; journalctl -u trailwarden"}
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return Check{name, Wrong, fmt.Sprintf("it says that it is not well: %s", res.Status), "curl " + at + "; journalctl -u trailwarden"}
	}
	return Check{name, OK, "it answers at " + listen + " and keeps its time", ""}
}

// Allowed asks IAM whether a principal may make calls, without making them.
func Allowed(ctx context.Context, cfg aws.Config, principal string, actions []string) []Check {
	const name = "permissions"
	role := RoleOf(principal)
	out, err := iam.NewFromConfig(cfg, func(o *iam.Options) { o.Retryer = retryer() }).SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &role, ActionNames: actions})
	if err != nil {
		e := &exam{}
		e.unread(name, err)
		e.checks[0].Mend = "allow iam:SimulatePrincipalPolicy to whoever runs doctor; reading trails is tried all the same"
		return e.checks
	}
	var denied []string
	for _, r := range out.EvaluationResults {
		if r.EvalDecision != iamtypes.PolicyEvaluationDecisionTypeAllowed {
			denied = append(denied, aws.ToString(r.EvalActionName))
		}
	}
	slices.Sort(denied)
	if len(denied) > 0 {
		return []Check{{name, Wrong, role + " may not " + strings.Join(denied, ", "), "attach deploy/iam/watch.json and deploy/iam/repair.json to it, and look for a boundary or service control policy"}}
	}
	return []Check{{name, OK, fmt.Sprintf("%s may make the %d calls that it needs", role, len(actions)), ""}}
}

// RoleOf is the role of a session: arn:aws:sts::1:assumed-role/NAME/SESSION is of arn:aws:iam::1:role/NAME. A role with a path
// cannot be told from its sessions.
func RoleOf(principal string) string {
	head, rest, ok := strings.Cut(principal, ":assumed-role/")
	if !ok {
		return principal
	}
	role, _, _ := strings.Cut(rest, "/")
	return strings.Replace(head, ":sts:", ":iam:", 1) + ":role/" + role
}
