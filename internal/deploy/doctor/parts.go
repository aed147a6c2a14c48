package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
)

// queues sees whether events wait, or could not be handled, and who may send what could not be.
func (e *exam) queues(ctx context.Context) {
	for _, q := range []struct {
		name, at, policy string
		most             int
		text             string
		mend             string
	}{
		{"waiting events", e.View.Outputs["QueueUrl"], "", 100, "wait: the function does not keep up, or does not run", "aws logs tail --since 1h " + Quote("/aws/lambda/"+e.name("react"))},
		{"dead letters", e.View.Outputs["DeadLettersUrl"], "DeadLettersPolicy", 0, "could not be handled", ""},
	} {
		a, err := attributes(ctx, e.Config, q.at)
		if err != nil {
			e.unread(q.name, err)
			continue
		}
		waiting, err := strconv.Atoi(a["ApproximateNumberOfMessages"])
		if q.mend == "" {
			q.mend = "aws sqs receive-message --queue-url " + Quote(q.at) + " shows them; when the cause is mended: aws sqs start-message-move-task --source-arn " + Quote(a["QueueArn"])
		}
		diff := e.policyDiffers(q.policy, a["Policy"])
		switch {
		case err != nil:
			e.add(q.name, Unknown, "SQS does not say how many messages wait", "look again: trailwarden doctor")
		case q.policy != "" && diff != "":
			e.add(q.name, Wrong, "who may send to them was changed: the queue's policy "+diff, e.revert())
		case a["SqsManagedSseEnabled"] == "false" && a["KmsMasterKeyId"] == "":
			e.add(q.name, Wrong, "its messages are not encrypted any more", "aws sqs set-queue-attributes --queue-url "+Quote(q.at)+" --attributes SqsManagedSseEnabled=true")
		case waiting > q.most:
			e.add(q.name, Wrong, count(waiting, "event")+" "+q.text, q.mend)
		default:
			e.add(q.name, OK, fmt.Sprintf("%s: %d waiting", queueName(q.at), waiting), "")
		}
	}
}

// attributes are all those of a queue.
func attributes(ctx context.Context, cfg aws.Config, queue string) (map[string]string, error) {
	out, err := sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.Retryer = retryer() }).GetQueueAttributes(ctx,
		&sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

// policyDiffers compares a resource's own policy with that of the template's resource.
func (e *exam) policyDiffers(id, got string) string {
	want, ok := e.properties(id)["PolicyDocument"]
	switch {
	case !ok:
		return ""
	case got == "":
		return "is gone"
	}
	return differs(want, got)
}

// table sees that the ledger cannot be deleted by mistake, and can be put back.
func (e *exam) table(ctx context.Context) {
	const name = "ledger's protection"
	table := e.View.Outputs["LedgerName"]
	if table == "" {
		return
	}
	api := dynamodb.NewFromConfig(e.Config, func(o *dynamodb.Options) { o.Retryer = retryer() })
	out, err := api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		e.unread(name, err)
		return
	}
	if !aws.ToBool(out.Table.DeletionProtectionEnabled) {
		e.add(name, Wrong, "nothing protects the table "+table+" against deletion", "aws dynamodb update-table --deletion-protection-enabled --table-name "+Quote(table))
		return
	}
	backups, err := api.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &table})
	if err != nil {
		e.unread(name, err)
		return
	}
	d := backups.ContinuousBackupsDescription
	if d == nil || d.PointInTimeRecoveryDescription == nil || d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != dynamotypes.PointInTimeRecoveryStatusEnabled {
		e.add(name, Wrong, "the table "+table+" cannot be put back to an earlier time any more", "aws dynamodb update-continuous-backups --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true --table-name "+Quote(table))
		return
	}
	e.add(name, OK, "it cannot be deleted without a step before, and every second of 35 days can be put back", "")
}

// concurrency sees that the functions find room to run in.
func (e *exam) concurrency(ctx context.Context) {
	const name, least = "Lambda concurrency", 10
	free, said, err := stack.Unreserved(ctx, e.Config)
	if err != nil {
		e.checks = append(e.checks, unread(name, err)) // an account's settings are never gone
		return
	}
	if !said {
		e.add(name, Unknown, "Lambda does not say", "look again: trailwarden doctor")
		return
	}
	if free < least && e.View.Parameters["SweepReservedConcurrency"] == "-1" {
		e.add(name, Wrong, fmt.Sprintf("the account's functions share %d executions: others may starve trailwarden", free),
			"ask for more (console: Service Quotas, Lambda, Concurrent executions), then reserve some: "+e.own("deploy --update --sweep-reserved-concurrency 2 --react-reserved-concurrency 5"))
		return
	}
	e.add(name, OK, fmt.Sprintf("%d executions that nobody has reserved", free), "")
}

// sweepEvery is how often the sweep is started.
func (e *exam) sweepEvery() time.Duration {
	return time.Duration(deploy.SweepMinutes(e.View.Parameters["SweepSchedule"])) * time.Minute
}

// Rates says whether the sweep's reads fit into what CloudTrail allows: ten reads a second of each kind in a Region, which nobody can
// raise. trails are how many there are by Region; every pinned one is read whole in each sweep, by six calls of different kinds.
func Rates(trails map[string]int, every time.Duration) Check {
	const name, allowed, kind = "API rate", 10, "CloudTrail answers 10 reads a second of each kind"
	region, most := "", 0
	for r, n := range trails {
		if n > most || n == most && r < region {
			region, most = r, n
		}
	}
	takes := time.Duration(most) * time.Second / allowed
	if takes > every/2 {
		return Check{name, Wrong, fmt.Sprintf("%s: the %d trails of %s take %s of every %s", kind, most, region, takes, every),
			fmt.Sprintf("sweep less often: trailwarden deploy --update --sweep-schedule 'rate(%d minutes)'", int(2*takes/time.Minute)+1)}
	}
	return Check{name, OK, fmt.Sprintf("%s: a sweep takes at most %s of them in a second", kind, count(min(most, allowed), "call")), ""}
}

// endsWith says whether one of a list ends with a word.
func endsWith(list []string, end string) bool {
	return slices.ContainsFunc(list, func(item string) bool { return strings.HasSuffix(item, " "+end) })
}
