package deploy

import (
	"fmt"
	"strings"
)

// A naming says by which property a type of resource is named, and what Ref and the attribute Arn then are. In ref and
// arn, {n} is the name, {p} {r} {a} are partition, Region and account.
type naming struct{ property, ref, arn string }

var namings = map[string]naming{
	"AWS::Events::Rule":             {"Name", "{n}", "arn:{p}:events:{r}:{a}:rule/{n}"},
	"AWS::Events::EventBus":         {"Name", "{n}", "arn:{p}:events:{r}:{a}:event-bus/{n}"},
	"AWS::Events::Archive":          {"ArchiveName", "{n}", "arn:{p}:events:{r}:{a}:archive/{n}"},
	"AWS::SQS::Queue":               {"QueueName", "https://sqs.{r}.amazonaws.com/{a}/{n}", "arn:{p}:sqs:{r}:{a}:{n}"},
	"AWS::SNS::Topic":               {"TopicName", "arn:{p}:sns:{r}:{a}:{n}", "arn:{p}:sns:{r}:{a}:{n}"},
	"AWS::Lambda::Function":         {"FunctionName", "{n}", "arn:{p}:lambda:{r}:{a}:function:{n}"},
	"AWS::DynamoDB::Table":          {"TableName", "{n}", "arn:{p}:dynamodb:{r}:{a}:table/{n}"},
	"AWS::Logs::LogGroup":           {"LogGroupName", "{n}", "arn:{p}:logs:{r}:{a}:log-group:{n}:*"},
	"AWS::IAM::Role":                {"RoleName", "{n}", "arn:{p}:iam::{a}:role/{n}"},
	"AWS::IAM::ManagedPolicy":       {"ManagedPolicyName", "arn:{p}:iam::{a}:policy/{n}", "arn:{p}:iam::{a}:policy/{n}"},
	"AWS::CloudWatch::Alarm":        {"AlarmName", "{n}", "arn:{p}:cloudwatch:{r}:{a}:alarm:{n}"},
	"AWS::CloudWatch::Dashboard":    {"DashboardName", "{n}", ""},
	"AWS::Scheduler::ScheduleGroup": {"Name", "{n}", "arn:{p}:scheduler:{r}:{a}:schedule-group/{n}"},
}

// ref is a parameter, a pseudo parameter, or what Ref of a resource gives.
func (m *maker) ref(name string) any {
	switch name {
	case "AWS::Partition":
		return m.stack.Partition
	case "AWS::AccountId":
		return m.stack.Account
	case "AWS::Region":
		return m.stack.Region
	case "AWS::StackName":
		return m.stack.Name
	case "AWS::NoValue":
		return nothing{}
	}
	if v, ok := m.parameters[name]; ok {
		return v
	}
	return m.named(name, func(n naming) string { return n.ref })
}

func (m *maker) attribute(resource, attribute string) any {
	switch attribute {
	case "Arn":
		return m.named(resource, func(n naming) string { return n.arn })
	case "QueueName":
		return m.named(resource, func(naming) string { return "{n}" })
	}
	return m.fail("attribute %s of %s is not known here", attribute, resource)
}

// named fills in the shape of a resource's identifier.
func (m *maker) named(id string, shape func(naming) string) any {
	r, ok := section(m.template.Doc, "Resources")[id].(map[string]any)
	if !ok {
		return m.fail("there is nothing named %s", id)
	}
	kind, _ := r["Type"].(string)
	n, known := namings[kind]
	properties, _ := r["Properties"].(map[string]any)
	name, isText := m.value(properties[n.property]).(string)
	if !known || !isText {
		return m.fail("%s is a %s, whose name is not known here", id, kind)
	}
	if kind == "AWS::Events::Rule" && properties["EventBusName"] != nil {
		name = fmt.Sprint(m.value(properties["EventBusName"])) + "/" + name
	}
	return strings.NewReplacer("{n}", name, "{p}", m.stack.Partition, "{r}", m.stack.Region, "{a}", m.stack.Account).Replace(shape(n))
}
