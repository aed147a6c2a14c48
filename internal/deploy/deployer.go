package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// A deed is what somebody who deploys may do to some types of resources.
type deed struct {
	sid       string
	types     []string // of the templates' resources; none for what is done besides
	actions   string   // blank-separated
	resources string   // blank-separated; {arn:SERVICE:REST} is an ARN in account and Region, {global:…} one without Region
	condition map[string]map[string]any
}

// deeds is the one source of the deployer's policy: trailwarden.yaml's types, and what the command line itself calls.
var deeds = []deed{
	{sid: "Stack", actions: "cloudformation:CreateChangeSet cloudformation:DescribeChangeSet cloudformation:DeleteChangeSet cloudformation:ExecuteChangeSet cloudformation:DescribeStacks cloudformation:DescribeStackEvents cloudformation:ListStackResources cloudformation:GetTemplate cloudformation:UpdateTerminationProtection cloudformation:DeleteStack",
		resources: "{arn:cloudformation:stack/{stack}/*}"},
	{sid: "Zip", actions: "s3:CreateBucket s3:ListBucket s3:PutBucketPublicAccessBlock s3:PutBucketVersioning s3:PutEncryptionConfiguration s3:PutBucketPolicy s3:PutObject s3:GetObject s3:GetObjectVersion",
		resources: "arn:{p}:s3:::{bucket} arn:{p}:s3:::{bucket}/*"},
	{sid: "Look", actions: "cloudtrail:Get* cloudtrail:List* cloudtrail:LookupEvents cloudwatch:DescribeAlarms cloudwatch:GetMetricStatistics ec2:DescribeRegions lambda:GetAccountSettings lambda:*EventSourceMapping* logs:DescribeLogGroups organizations:DescribeOrganization organizations:ListDelegatedAdministrators sns:Unsubscribe sns:GetSubscriptionAttributes sns:GetTopicAttributes sns:ListSubscriptionsByTopic events:DescribeEventBus securityhub:DescribeHub s3:ListBucket",
		types: []string{"AWS::Lambda::EventSourceMapping", "AWS::SNS::Subscription"}, resources: "*"},
	{sid: "Rules", types: []string{"AWS::Events::Rule"}, actions: "events:*Rule events:*Targets* events:*ag*Resource*", resources: "{arn:events:rule/{name}-*}"},
	{sid: "Queues", types: []string{"AWS::SQS::Queue", "AWS::SQS::QueuePolicy"}, actions: "sqs:CreateQueue sqs:DeleteQueue sqs:Get* sqs:SetQueueAttributes sqs:*Queue*ag*", resources: "{arn:sqs:{name}-*}"},
	{sid: "Functions", types: []string{"AWS::Lambda::Function", "AWS::Lambda::Version", "AWS::Lambda::EventInvokeConfig"},
		actions: "lambda:*Function lambda:Get* lambda:*FunctionCode lambda:*FunctionConfiguration lambda:*FunctionConcurrency lambda:*EventInvokeConfig lambda:PublishVersion lambda:List* lambda:*agResource", resources: "{arn:lambda:function:{name}-*}"},
	{sid: "Timer", types: []string{"AWS::Scheduler::Schedule", "AWS::Scheduler::ScheduleGroup"}, actions: "scheduler:*Schedule scheduler:*ScheduleGroup scheduler:*ag*Resource",
		resources: "{arn:scheduler:schedule/{name}/{name}-*} {arn:scheduler:schedule-group/{name}}"},
	{sid: "Topic", types: []string{"AWS::SNS::Topic", "AWS::SNS::TopicPolicy"}, actions: "sns:CreateTopic sns:DeleteTopic sns:Get* sns:SetTopicAttributes sns:Subscribe sns:List* sns:*agResource", resources: "{arn:sns:{name}}"},
	{sid: "Ledger", types: []string{"AWS::DynamoDB::Table"}, actions: "dynamodb:CreateTable dynamodb:DeleteTable dynamodb:Describe* dynamodb:UpdateTable dynamodb:UpdateTimeToLive dynamodb:UpdateContinuousBackups dynamodb:*ag*Resource dynamodb:GetResourcePolicy dynamodb:GetItem dynamodb:Query dynamodb:BatchGetItem",
		resources: "{arn:dynamodb:table/{name}}"},
	{sid: "Logs", types: []string{"AWS::Logs::LogGroup"}, actions: "logs:CreateLogGroup logs:DeleteLogGroup logs:PutRetentionPolicy logs:DeleteRetentionPolicy logs:*KmsKey logs:*ag*", resources: "{arn:logs:log-group:/aws/lambda/{name}-*}"},
	{sid: "Alarms", types: []string{"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"}, actions: "cloudwatch:PutMetricAlarm cloudwatch:DeleteAlarms cloudwatch:*ag*Resource cloudwatch:*Dashboard*",
		resources: "{arn:cloudwatch:alarm:{name}-*} {global:cloudwatch:dashboard/{name}}"},
	{sid: "Policies", types: []string{"AWS::IAM::ManagedPolicy"}, actions: "iam:CreatePolicy iam:DeletePolicy iam:GetPolicy iam:*PolicyVersion* iam:ListEntitiesForPolicy iam:*Policy*ag*", resources: "{global:iam:policy/{name}-*}"},
	{sid: "Roles", types: []string{"AWS::IAM::Role"}, actions: "iam:DeleteRole iam:GetRole iam:UpdateAssumeRolePolicy iam:UpdateRole* iam:GetRolePolicy iam:List* iam:*agRole iam:SimulatePrincipalPolicy", resources: "{global:iam:role/{name}-*}"},
	// Whoever deploys cannot give roles more than the boundary holds.
	{sid: "RolesWithinTheBoundary", types: []string{"AWS::IAM::Role"}, actions: "iam:CreateRole iam:AttachRolePolicy iam:DetachRolePolicy iam:PutRolePolicy iam:DeleteRolePolicy iam:PutRolePermissionsBoundary", resources: "{global:iam:role/{name}-*}",
		condition: map[string]map[string]any{"StringEquals": {"iam:PermissionsBoundary": "{boundary}"}}},
	{sid: "GiveRoles", types: []string{"AWS::IAM::Role"}, actions: "iam:PassRole", resources: "{global:iam:role/{name}-*}",
		condition: map[string]map[string]any{"StringEquals": {"iam:PassedToService": []string{"lambda.amazonaws.com", "scheduler.amazonaws.com", "events.amazonaws.com"}}}},
}

// Deployer is who deploys: what a policy for him depends on.
type Deployer struct {
	Partition, Account, Region string
	Stack                      string // name of the stack
	Name                       string // parameter Name
	Bucket                     string // of the zip
	Boundary                   string // ARN; empty for the template's own
}

// Policy is an IAM policy that lets somebody deploy, update, remove and examine trailwarden, and nothing else.
func (d Deployer) Policy() ([]byte, error) {
	boundary := d.Boundary
	if boundary == "" {
		boundary = fmt.Sprintf("arn:%s:iam::%s:policy/%s-boundary", d.Partition, d.Account, d.Name)
	}
	fill := func(text string) string {
		text = strings.NewReplacer("{p}", d.Partition, "{stack}", d.Stack, "{name}", d.Name, "{bucket}", d.Bucket, "{boundary}", boundary).Replace(text)
		text, _ = strings.CutSuffix(text, "}")
		if rest, ok := strings.CutPrefix(text, "{arn:"); ok {
			service, rest, _ := strings.Cut(rest, ":")
			return fmt.Sprintf("arn:%s:%s:%s:%s:%s", d.Partition, service, d.Region, d.Account, rest)
		}
		if rest, ok := strings.CutPrefix(text, "{global:"); ok {
			service, rest, _ := strings.Cut(rest, ":")
			return fmt.Sprintf("arn:%s:%s::%s:%s", d.Partition, service, d.Account, rest)
		}
		return text
	}
	type statement struct {
		Sid, Effect      string
		Action, Resource []string
		Condition        map[string]map[string]any `json:",omitempty"`
	}
	document := struct {
		Version   string
		Statement []statement
	}{Version: "2012-10-17"}
	for _, x := range deeds {
		s := statement{Sid: x.sid, Effect: "Allow", Action: strings.Fields(x.actions)}
		for _, r := range strings.Fields(x.resources) {
			s.Resource = append(s.Resource, fill(r))
		}
		for operator, keys := range x.condition {
			for key, value := range keys {
				if text, ok := value.(string); ok {
					value = fill(text)
				}
				s.Condition = map[string]map[string]any{operator: {key: value}}
			}
		}
		document.Statement = append(document.Statement, s)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(document); err != nil {
		return nil, fmt.Errorf("encode policy: %w", err)
	}
	return b.Bytes(), nil
}
