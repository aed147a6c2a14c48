package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/trailwarden/trailwarden/internal/awscall"
)

// Clock holds this machine's clock against AWS's: signatures are refused from five minutes on, and times in messages mislead. It takes
// no credentials: whatever AWS answers has a date.
func Clock(ctx context.Context, cfg aws.Config, now func() time.Time) Check {
	const name, most = "clock", 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	theirs, err := date(ctx, cfg)
	if err != nil {
		return unread(name, err)
	}
	off := now().Sub(theirs).Round(time.Second)
	if off > most || off < -most {
		side := map[bool]string{true: "fast", false: "slow"}[off > 0]
		return Check{name, Wrong, fmt.Sprintf("this machine's clock is %s %s, by AWS's (AWS refuses calls from five minutes on)", off.Abs(), side), "timedatectl set-ntp true"}
	}
	return Check{name, OK, fmt.Sprintf("within %d seconds of AWS's", int(most.Seconds())), ""}
}

// date is the time of AWS's answer to a request that asks for nothing.
func date(ctx context.Context, cfg aws.Config) (time.Time, error) {
	at, err := awscall.Caller{Config: cfg}.Address(ctx, awscall.STS)
	if err != nil {
		return time.Time{}, fmt.Errorf("find AWS: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, at, nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask AWS: %w", err)
	}
	res, err := cfg.HTTPClient.Do(req)
	if err != nil {
		return time.Time{}, err
	}
	res.Body.Close()
	t, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return time.Time{}, errors.New("the answer has no date")
	}
	return t, nil
}

// Queue sees whether the daemon's queue can be read, and what waits there; the ARN is empty where it cannot be read.
func Queue(ctx context.Context, cfg aws.Config, at string) (check Check, arn string) {
	const name, most = "queue", 100
	a, err := attributes(ctx, cfg, at)
	if says(err, goneCodes) {
		return Check{name, Wrong, "there is no queue " + at + ": only sweeps see what happens", "set watch.queue_url to the right one, or make it: docs/watch.md"}, ""
	}
	if err != nil {
		return unread(name, err), ""
	}
	arn = a["QueueArn"]
	waiting, err := strconv.Atoi(a["ApproximateNumberOfMessages"])
	switch {
	case err != nil:
		return Check{name, Unknown, "SQS does not say how many messages wait", "look again: trailwarden doctor"}, arn
	case waiting > most:
		return Check{name, Wrong, count(waiting, "event") + " wait: the daemon does not keep up, or does not run", "journalctl -u trailwarden --since -1h"}, arn
	case a["RedrivePolicy"] == "":
		return Check{name, Wrong, "it has no queue for events that cannot be handled: such an event comes again for ever",
			"aws sqs set-queue-attributes --queue-url " + Quote(at) + ` --attributes '{"RedrivePolicy":"{\"deadLetterTargetArn\":\"ARN\",\"maxReceiveCount\":\"5\"}"}' with the ARN of another queue`}, arn
	}
	return Check{name, OK, fmt.Sprintf("%s: %d waiting", queueName(at), waiting), ""}, arn
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

// Need is what a principal has to be allowed: some actions on one resource, "*" for actions that know none.
type Need struct {
	Resource string
	Actions  []string
}

// Allowed asks IAM whether a principal may make calls, without making them. Without a resource IAM would ask for all of them, which
// a policy for some does not allow.
func Allowed(ctx context.Context, cfg aws.Config, principal string, needs []Need) Check {
	const name = "permissions"
	who := RoleOf(principal)
	api := iam.NewFromConfig(cfg, func(o *iam.Options) { o.Retryer = retryer() })
	denied := map[string][]string{} // by what denies them
	asked := 0
	for _, n := range needs {
		out, err := api.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &who, ActionNames: n.Actions, ResourceArns: []string{n.Resource}})
		if err != nil {
			check := unread(name, err)
			if says(err, deniedCodes) {
				check.Mend = "allow iam:SimulatePrincipalPolicy to whoever runs doctor; reading trails is tried all the same"
			}
			return check
		}
		asked += len(n.Actions)
		for _, r := range out.EvaluationResults {
			if r.EvalDecision != types.PolicyEvaluationDecisionTypeAllowed {
				denied[denier(r)] = append(denied[denier(r)], aws.ToString(r.EvalActionName))
			}
		}
	}
	if len(denied) == 0 {
		return Check{name, OK, fmt.Sprintf("%s may make the %d calls that it needs", who, asked), ""}
	}
	var parts []string
	for _, by := range slices.Sorted(maps.Keys(denied)) {
		slices.Sort(denied[by])
		parts = append(parts, few(slices.Compact(denied[by]))+" ("+by+")")
	}
	mend := deniers[byOrganization]
	switch {
	case len(denied[byPolicies]) > 0:
		mend = "attach deploy/iam/watch.json and deploy/iam/repair.json to it"
	case len(denied[byBoundary]) > 0:
		mend = deniers[byBoundary]
	}
	return Check{name, Wrong, who + " may not " + strings.Join(parts, "; "), mend}
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
