package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

func (e *exam) sns() *sns.Client {
	return sns.NewFromConfig(e.Config, func(o *sns.Options) { o.Retryer = retryer() })
}

// topic sees that nobody has kept trailwarden, its alarms or its rules from telling.
func (e *exam) topic(ctx context.Context) {
	const name = "topic"
	arn := e.View.Outputs["TopicArn"]
	out, err := e.sns().GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
	if err != nil {
		e.unread(name, err)
		return
	}
	key := e.View.Parameters["TopicKeyArn"]
	switch diff := e.policyDiffers("TopicPolicy", out.Attributes["Policy"]); {
	case diff != "":
		e.add(name, Wrong, "who may send to it was changed: its policy "+diff, e.revert())
	case out.Attributes["KmsMasterKeyId"] != key:
		e.add(name, Wrong, fmt.Sprintf("its key is %s, deployed was %s", cmp.Or(out.Attributes["KmsMasterKeyId"], "none"), cmp.Or(key, "none")), e.revert())
	default:
		e.add(name, OK, "only trailwarden, its alarms and its rules may send to "+lastOf(arn, ":"), "")
	}
}

// subscriptions sees whether anybody is told.
func (e *exam) subscriptions(ctx context.Context) {
	topic, mail := e.View.Outputs["TopicArn"], e.View.Parameters["NotificationEmail"]
	const name = "who is told"
	again := func(protocol, address string) string {
		return "aws sns subscribe --topic-arn " + Quote(topic) + " --protocol " + Quote(protocol) + " --notification-endpoint " + address
	}
	format := e.View.Parameters["EmailFormat"]
	if format == "" {
		format = "email"
	}
	pages := sns.NewListSubscriptionsByTopicPaginator(e.sns(), &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
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
	for _, to := range pending {
		protocol, address, _ := strings.Cut(to, " ")
		e.add(name, Waiting, to+" has not confirmed: nothing is sent there", "click \"Confirm subscription\" in the mail from AWS Notifications; to have it sent again: "+again(protocol, Quote(address)))
	}
	switch {
	case mail != "" && !endsWith(told, mail) && !endsWith(pending, mail):
		e.add(name, Wrong, sentence(mail+" is not subscribed any more, somebody took it off", map[bool]string{true: "nobody is told of anything"}[len(told) == 0]), again(format, Quote(mail)))
	case len(told) == 0 && len(pending) == 0:
		e.add(name, Wrong, "nobody is subscribed to the topic: nobody is told of anything", again("email", "ADDRESS"))
	case len(told) > 0:
		e.add(name, OK, few(told), "")
	}
}

// begun is how long after a deployment alarms may still be without data, or sound until the first sweep is counted.
const begun = 15 * time.Minute

func (e *exam) cloudwatch() *cloudwatch.Client {
	return cloudwatch.NewFromConfig(e.Config, func(o *cloudwatch.Options) { o.Retryer = retryer() })
}

// heartbeat asks when a sweep came to its end last.
func (e *exam) heartbeat(ctx context.Context) {
	const name, past = "sweep", time.Hour
	every := e.sweepEvery()
	since := max(past, 3*every)
	out, err := e.cloudwatch().GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{Namespace: aws.String("Trailwarden"), MetricName: aws.String("Heartbeat"),
		Dimensions: []cwtypes.Dimension{{Name: aws.String("Function"), Value: aws.String(lastOf(e.View.Outputs["SweepFunctionArn"], ":"))}},
		StartTime:  aws.Time(e.Now.Add(-since)), EndTime: aws.Time(e.Now), Period: aws.Int32(60), Statistics: []cwtypes.Statistic{cwtypes.StatisticSum}})
	if err != nil {
		e.unread(name, err)
		return
	}
	var last time.Time
	for _, p := range out.Datapoints {
		if at := aws.ToTime(p.Timestamp); at.After(last) && aws.ToFloat64(p.Sum) > 0 {
			last = at
		}
	}
	log := "aws logs tail --since 1h " + Quote("/aws/lambda/"+e.name("sweep"))
	ago := e.Now.Sub(last).Truncate(time.Minute)
	switch {
	case last.IsZero() && e.Now.Sub(e.View.Made) < begun:
		e.add(name, Waiting, "none is counted yet: CloudWatch takes a few minutes after a deployment", "look again in a quarter of an hour: trailwarden doctor")
	case last.IsZero():
		e.add(name, Wrong, fmt.Sprintf("none came to its end in the last %s: nobody looks at the trails", plainly(since)), log)
	case ago > 3*every+5*time.Minute:
		e.add(name, Wrong, fmt.Sprintf("the last one came to its end %s ago, and one is due every %s", plainly(ago), plainly(every)), log)
	default:
		e.add(name, OK, "the last one that is counted came to its end "+plainly(max(ago, time.Minute))+" ago", "")
	}
}

// plainly writes minutes and hours as people do.
func plainly(d time.Duration) string {
	switch {
	case d == time.Hour:
		return "hour"
	case d >= 2*time.Hour && d%time.Hour == 0:
		return count(int(d/time.Hour), "hour")
	}
	return count(int(d/time.Minute), "minute")
}

// alarms sees that all are there, watch what was deployed, tell, and are quiet.
func (e *exam) alarms(ctx context.Context) {
	const name = "alarms"
	want := map[string]string{} // id in the template by name
	var names []string
	for _, p := range e.Parts {
		if p.Type == "AWS::CloudWatch::Alarm" {
			want[p.Physical] = p.ID
			names = append(names, p.Physical)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		if e.View.Parameters["EnableAlarms"] == "no" {
			e.add(name, OK, "none were asked for (EnableAlarms is no)", "")
			return
		}
		e.add(name, Wrong, "CloudFormation knows of none in this stack, though they were asked for", e.own("deploy --update"))
		return
	}
	have := map[string]cwtypes.MetricAlarm{}
	pages := cloudwatch.NewDescribeAlarmsPaginator(e.cloudwatch(), &cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: aws.String(e.name(""))})
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
	for _, n := range names {
		a, ok := have[n]
		switch {
		case !ok:
			e.add(name, Wrong, "the alarm "+n+" was deleted", e.revert())
		case !aws.ToBool(a.ActionsEnabled):
			e.add(name, Wrong, "the alarm "+n+" tells nobody: its actions are off", "aws cloudwatch enable-alarm-actions --alarm-names "+Quote(n))
		case e.alarmDiffers(want[n], a) != "":
			e.add(name, Wrong, "the alarm "+n+" was changed: "+e.alarmDiffers(want[n], a), e.revert())
		case a.StateValue == cwtypes.StateValueAlarm && e.Now.Sub(e.View.Made) < begun:
			e.add(name, Waiting, n+" sounds, as it may until the first sweeps are counted", "look again in a quarter of an hour: trailwarden doctor")
		case a.StateValue == cwtypes.StateValueAlarm:
			e.add(name, Wrong, fmt.Sprintf("%s sounds: %s", n, aws.ToString(a.AlarmDescription)), "docs/operations.md, \"Read an alarm\", says what to do about "+strings.TrimPrefix(n, e.name("")))
		default:
			quiet++
		}
	}
	if quiet == len(names) {
		e.add(name, OK, fmt.Sprintf("%d, all quiet", quiet), "")
	}
}

// alarmDiffers says in what an alarm is not the one of the template: what makes it sound, and whom it tells.
func (e *exam) alarmDiffers(id string, a cwtypes.MetricAlarm) string {
	p := e.properties(id)
	if p == nil {
		return ""
	}
	number := func(v *int32) string { return fmt.Sprint(aws.ToInt32(v)) }
	for _, c := range []struct{ property, got string }{
		{"Namespace", aws.ToString(a.Namespace)}, {"MetricName", aws.ToString(a.MetricName)}, {"ComparisonOperator", string(a.ComparisonOperator)},
		{"Threshold", fmt.Sprint(aws.ToFloat64(a.Threshold))}, {"Period", number(a.Period)}, {"EvaluationPeriods", number(a.EvaluationPeriods)},
		{"TreatMissingData", aws.ToString(a.TreatMissingData)},
	} {
		if want, ok := p[c.property]; ok && fmt.Sprint(want) != c.got {
			return fmt.Sprintf("%s is %s, deployed was %v", c.property, cmp.Or(c.got, "none"), want)
		}
	}
	actions, _ := p["AlarmActions"].([]any)
	for _, to := range actions {
		if !slices.Contains(a.AlarmActions, fmt.Sprint(to)) {
			return "it does not tell " + lastOf(fmt.Sprint(to), ":") + " any more"
		}
	}
	return ""
}
