package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedulertypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// timer sees that the sweep is started, and as often as deployed.
func (e *exam) timer(ctx context.Context) {
	const name = "timer"
	group, schedule := e.physical("SweepGroup"), e.physical("SweepTimer")
	if schedule == "" {
		e.add(name, Wrong, "the stack has no timer: nothing sweeps", "deploy again: trailwarden deploy --update")
		return
	}
	schedule = schedule[strings.LastIndexAny(schedule, "/|")+1:]
	group = group[strings.LastIndexByte(group, '/')+1:]
	out, err := scheduler.NewFromConfig(e.Config, func(o *scheduler.Options) { o.Retryer = retryer() }).GetSchedule(ctx, &scheduler.GetScheduleInput{Name: &schedule, GroupName: &group})
	if err != nil {
		e.unread(name, err)
		return
	}
	want, got := e.View.Parameters["SweepSchedule"], aws.ToString(out.ScheduleExpression)
	again := fmt.Sprintf("find out who did it (aws cloudtrail lookup-events), then put it back in the console: EventBridge, Schedules, %s", schedule)
	switch {
	case out.State != schedulertypes.ScheduleStateEnabled:
		e.add(name, Wrong, "the sweep's timer is off: what no event tells is not seen", again+", Enable")
	case want != "" && got != want:
		e.add(name, Wrong, fmt.Sprintf("the sweep's timer was changed: %s, deployed was %s", got, want), again)
	case out.Target == nil || aws.ToString(out.Target.Arn) != e.View.Outputs["SweepFunctionArn"]:
		e.add(name, Wrong, "the timer starts something else than the sweep", again)
	default:
		e.add(name, OK, "a sweep by "+got, "")
	}
}

// queues sees whether events wait, or could not be handled.
func (e *exam) queues(ctx context.Context) {
	api := sqs.NewFromConfig(e.Config, func(o *sqs.Options) { o.Retryer = retryer() })
	for _, q := range []struct {
		name, at string
		most     int
		text     string
		mend     string
	}{
		{"queue", e.View.Outputs["QueueUrl"], 100, "events wait: the function does not keep up, or does not run", "look at its log: aws logs tail /aws/lambda/" + e.name("react")},
		{"dead letters", e.View.Outputs["DeadLettersUrl"], 0, "events could not be handled", ""},
	} {
		out, err := api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.at, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
		if err != nil {
			e.unread(q.name, err)
			continue
		}
		waiting, err := strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"])
		if q.mend == "" {
			q.mend = "read them (aws sqs receive-message --queue-url " + q.at + "), mend the cause, then: aws sqs start-message-move-task --source-arn " + out.Attributes["QueueArn"]
		}
		switch {
		case err != nil:
			e.add(q.name, Unknown, "SQS does not say how many messages wait", "look again")
		case waiting > q.most:
			e.add(q.name, Wrong, fmt.Sprintf("%d %s", waiting, q.text), q.mend)
		case out.Attributes["SqsManagedSseEnabled"] == "false" && out.Attributes["KmsMasterKeyId"] == "":
			e.add(q.name, Wrong, "its messages are not encrypted any more", "aws sqs set-queue-attributes --queue-url "+q.at+" --attributes SqsManagedSseEnabled=true")
		default:
			e.add(q.name, OK, fmt.Sprintf("%s: %d waiting", queueName(q.at), waiting), "")
		}
	}
}

// name is what the stack's function or resource of a kind is called.
func (e *exam) name(kind string) string { return orUsual(e.View.Parameters["Name"]) + "-" + kind }

func orUsual(name string) string {
	if name == "" {
		return "trailwarden"
	}
	return name
}

// subscriptions sees whether anybody is told.
func (e *exam) subscriptions(ctx context.Context) {
	topic, mail := e.View.Outputs["TopicArn"], e.View.Parameters["NotificationEmail"]
	const name = "who is told"
	again := "aws sns subscribe --topic-arn " + topic + " --protocol email --notification-endpoint ADDRESS"
	pages := sns.NewListSubscriptionsByTopicPaginator(sns.NewFromConfig(e.Config, func(o *sns.Options) { o.Retryer = retryer() }), &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	var told, pending []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			e.unread(name, err)
			return
		}
		for _, s := range page.Subscriptions {
			to := aws.ToString(s.Protocol) + " " + aws.ToString(s.Endpoint)
			switch arn := aws.ToString(s.SubscriptionArn); {
			case arn == "PendingConfirmation":
				pending = append(pending, to)
			case strings.HasPrefix(arn, "arn:"):
				told = append(told, to)
			}
		}
	}
	if mail != "" && !contains(told, mail) && !contains(pending, mail) {
		e.add(name, Wrong, mail+" is not subscribed any more: somebody took it off", strings.Replace(again, "ADDRESS", mail, 1))
	}
	for _, to := range pending {
		e.add(name, Waiting, to+" has not confirmed: nothing is sent there", "click \"Confirm subscription\" in the mail from AWS Notifications; it comes again with: "+strings.Replace(again, "ADDRESS", to[strings.LastIndexByte(to, ' ')+1:], 1))
	}
	switch {
	case len(told) > 0:
		e.add(name, OK, strings.Join(told, ", "), "")
	case len(pending) == 0:
		e.add(name, Wrong, "nobody is subscribed to the topic", again)
	}
}

func contains(list []string, end string) bool {
	for _, item := range list {
		if strings.HasSuffix(item, " "+end) {
			return true
		}
	}
	return false
}

// begun is how long after a deployment alarms may still be without data, or sound until the first sweep is counted.
const begun = 15 * time.Minute

// alarms sees that all are there, tell, and are quiet.
func (e *exam) alarms(ctx context.Context) {
	const name = "alarms"
	var want []string
	for _, p := range e.Parts {
		if p.Type == "AWS::CloudWatch::Alarm" {
			want = append(want, p.Physical)
		}
	}
	if len(want) == 0 {
		if e.View.Parameters["EnableAlarms"] == "yes" {
			e.add(name, Wrong, "there are none, though they were asked for", "deploy again: trailwarden deploy --update")
			return
		}
		e.add(name, OK, "none were asked for (EnableAlarms is no)", "")
		return
	}
	have := map[string]cwtypes.MetricAlarm{}
	pages := cloudwatch.NewDescribeAlarmsPaginator(cloudwatch.NewFromConfig(e.Config, func(o *cloudwatch.Options) { o.Retryer = retryer() }),
		&cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: aws.String(e.name(""))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			e.unread(name, err)
			return
		}
		for _, a := range page.MetricAlarms {
			have[aws.ToString(a.AlarmName)] = a
		}
	}
	quiet := 0
	for _, n := range want {
		a, ok := have[n]
		switch {
		case !ok:
			e.add(name, Wrong, "the alarm "+n+" was deleted", "make the stack anew, or put it back in the console with what the template says")
		case !aws.ToBool(a.ActionsEnabled):
			e.add(name, Wrong, "the alarm "+n+" tells nobody: its actions are off", "aws cloudwatch enable-alarm-actions --alarm-names "+n)
		case a.StateValue == cwtypes.StateValueAlarm && e.Now.Sub(e.View.Made) < begun:
			e.add(name, Waiting, n+" sounds, as it may until the first sweeps are counted", "look again in a quarter of an hour")
		case a.StateValue == cwtypes.StateValueAlarm:
			e.add(name, Wrong, fmt.Sprintf("%s sounds: %s", n, aws.ToString(a.AlarmDescription)), "docs/operations.md, \"Read an alarm\"")
		default:
			quiet++
		}
	}
	if quiet == len(want) {
		e.add(name, OK, fmt.Sprintf("%d, all quiet", quiet), "")
	}
}

// concurrency sees that the functions find room to run in.
func (e *exam) concurrency(ctx context.Context) {
	const name, least = "Lambda concurrency", 10
	out, err := lambda.NewFromConfig(e.Config, func(o *lambda.Options) { o.Retryer = retryer() }).GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		e.unread(name, err)
		return
	}
	if out.AccountLimit == nil || out.AccountLimit.UnreservedConcurrentExecutions == nil {
		e.add(name, Unknown, "Lambda does not say", "look again")
		return
	}
	free := *out.AccountLimit.UnreservedConcurrentExecutions
	if free < least && e.View.Parameters["SweepReservedConcurrency"] == "-1" {
		e.add(name, Wrong, fmt.Sprintf("the account's functions share %d executions: others may starve trailwarden", free), "ask for more in Service Quotas (Lambda, Concurrent executions), or reserve some: trailwarden deploy --update --sweep-reserved-concurrency 2 --react-reserved-concurrency 5")
		return
	}
	e.add(name, OK, fmt.Sprintf("%d executions that nobody has reserved", free), "")
}
