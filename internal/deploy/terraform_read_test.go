package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// tfReader takes a resource's values and knows which were never asked for.
type tfReader struct {
	values map[string]any
	left   map[string]bool
}

func readerOf(values map[string]any) tfReader {
	r := tfReader{values, map[string]bool{}}
	for name := range values {
		r.left[name] = true
	}
	return r
}

func (r tfReader) take(name string) any {
	delete(r.left, name)
	return r.values[name]
}

// block is a block that is there once or not at all.
func (r tfReader) block(name string) map[string]any {
	list, _ := r.take(name).([]any)
	if len(list) == 0 {
		return nil
	}
	m, _ := list[0].(map[string]any)
	return m
}

// properties renames attributes: AWS's name, Terraform's name.
func (r tfReader) properties(pairs ...string) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = r.take(pairs[i+1])
	}
	return out
}

// last is the end of an ARN, a URL or a name.
func last(v any) string {
	text := fmt.Sprint(v)
	return text[strings.LastIndexAny(text, ":/")+1:]
}

// asTemplate reads Terraform's resources as the templates have them: properties by "type name", in the same words. What it
// does not understand is a problem, and in what was worked out so is an attribute that nobody looked at.
func asTemplate(resources []tfResource, strict bool) (map[string]map[string]any, []string) {
	out, problems := map[string]map[string]any{}, []string{}
	for _, resource := range slices.SortedStableFunc(slices.Values(resources), partsLast) {
		known, plain := renamed[resource.Type]
		r := readerOf(resource.Values)
		switch {
		case resource.Mode != "managed":
			continue
		case parts[resource.Type] != "":
			whole := parts[resource.Type] + " " + last(r.take(map[bool]string{true: "rule", false: "role"}[resource.Type == "aws_cloudwatch_event_target"]))
			if out[whole] == nil {
				problems = append(problems, whole+" is not there")
				continue
			}
			list, item := part(resource.Type, r)
			items, _ := out[whole][list].([]any)
			out[whole][list] = append(items, item)
		case plain:
			p := r.properties(known[2:]...)
			if special[resource.Type] != nil {
				special[resource.Type](r, p)
			}
			out[known[0]+" "+last(p[known[1]])] = p
			beside(resource.Type, r, p, out)
		default:
			problems = append(problems, resource.Type+" is not known here")
		}
		for name := range r.left {
			if strict {
				problems = append(problems, fmt.Sprintf("%s.%s has %s, which nobody looked at", resource.Type, resource.Name, name))
			}
		}
	}
	for key := range out {
		out[key] = simplest(out[key]).(map[string]any)
	}
	return out, problems
}

// parts are what is a resource in Terraform and a part of one in a template.
var parts = map[string]string{"aws_cloudwatch_event_target": "AWS::Events::Rule", "aws_iam_role_policy": "AWS::IAM::Role", "aws_iam_role_policy_attachment": "AWS::IAM::Role"}

func partsLast(a, b tfResource) int { return len(parts[a.Type]) - len(parts[b.Type]) }

// part gives the property that the part is in, and the part.
func part(kind string, r tfReader) (string, any) {
	switch kind {
	case "aws_iam_role_policy":
		return "Policies", r.properties("PolicyName", "name", "PolicyDocument", "policy")
	case "aws_iam_role_policy_attachment":
		return "ManagedPolicyArns", r.take("policy_arn")
	}
	p := r.properties("Id", "target_id", "Arn", "arn", "RoleArn", "role_arn")
	if dead := r.block("dead_letter_config"); dead != nil {
		p["DeadLetterConfig"] = map[string]any{"Arn": dead["arn"]}
	}
	if input := r.block("input_transformer"); input != nil {
		p["InputTransformer"] = readerOf(input).properties("InputPathsMap", "input_paths", "InputTemplate", "input_template")
	}
	r.take("event_bus_name")
	return "Targets", p
}

// renamed are the types of resources: the template's type, the property that names it, then pairs of a property and its attribute.
var renamed = map[string][]string{
	"aws_cloudwatch_event_rule":       {"AWS::Events::Rule", "Name", "Name", "name", "Description", "description", "EventPattern", "event_pattern", "State", "state", "EventBusName", "event_bus_name", "Tags", "tags"},
	"aws_cloudwatch_event_bus":        {"AWS::Events::EventBus", "Name", "Name", "name", "Description", "description", "Tags", "tags"},
	"aws_cloudwatch_event_bus_policy": {"AWS::Events::EventBusPolicy", "EventBusName", "EventBusName", "event_bus_name", "Policy", "policy"},
	"aws_cloudwatch_event_archive": {"AWS::Events::Archive", "ArchiveName", "ArchiveName", "name", "SourceArn", "event_source_arn", "Description", "description",
		"RetentionDays", "retention_days"},
	"aws_sqs_queue": {"AWS::SQS::Queue", "QueueName", "QueueName", "name", "SqsManagedSseEnabled", "sqs_managed_sse_enabled", "VisibilityTimeout", "visibility_timeout_seconds",
		"MessageRetentionPeriod", "message_retention_seconds", "RedrivePolicy", "redrive_policy", "RedriveAllowPolicy", "redrive_allow_policy", "Tags", "tags"},
	"aws_sns_topic":              {"AWS::SNS::Topic", "TopicName", "TopicName", "name", "DisplayName", "display_name", "KmsMasterKeyId", "kms_master_key_id", "Tags", "tags"},
	"aws_sns_topic_policy":       {"AWS::SNS::TopicPolicy", "Topics", "Topics", "arn", "PolicyDocument", "policy"},
	"aws_sns_topic_subscription": {"AWS::SNS::Subscription", "Endpoint", "TopicArn", "topic_arn", "Protocol", "protocol", "Endpoint", "endpoint"},
	"aws_lambda_function": {"AWS::Lambda::Function", "FunctionName", "FunctionName", "function_name", "Description", "description", "Runtime", "runtime",
		"Architectures", "architectures", "Handler", "handler", "Role", "role", "MemorySize", "memory_size", "Timeout", "timeout", "Tags", "tags"},
	"aws_lambda_event_source_mapping": {"AWS::Lambda::EventSourceMapping", "FunctionName", "FunctionName", "function_name", "EventSourceArn", "event_source_arn",
		"Enabled", "enabled", "BatchSize", "batch_size", "FunctionResponseTypes", "function_response_types", "Tags", "tags"},
	"aws_lambda_function_event_invoke_config": {"AWS::Lambda::EventInvokeConfig", "FunctionName", "FunctionName", "function_name", "Qualifier", "qualifier",
		"MaximumRetryAttempts", "maximum_retry_attempts", "MaximumEventAgeInSeconds", "maximum_event_age_in_seconds"},
	"aws_scheduler_schedule_group": {"AWS::Scheduler::ScheduleGroup", "Name", "Name", "name", "Tags", "tags"},
	"aws_scheduler_schedule": {"AWS::Scheduler::Schedule", "Name", "Name", "name", "GroupName", "group_name", "Description", "description",
		"ScheduleExpression", "schedule_expression", "State", "state"},
	"aws_dynamodb_table": {"AWS::DynamoDB::Table", "TableName", "TableName", "name", "BillingMode", "billing_mode",
		"DeletionProtectionEnabled", "deletion_protection_enabled", "Tags", "tags"},
	"aws_cloudwatch_log_group":           {"AWS::Logs::LogGroup", "LogGroupName", "LogGroupName", "name", "RetentionInDays", "retention_in_days", "KmsKeyId", "kms_key_id", "Tags", "tags"},
	"aws_cloudwatch_log_resource_policy": {"AWS::Logs::ResourcePolicy", "PolicyName", "PolicyName", "policy_name", "PolicyDocument", "policy_document"},
	"aws_cloudwatch_log_metric_filter":   {"AWS::Logs::MetricFilter", "FilterName", "FilterName", "name", "LogGroupName", "log_group_name", "FilterPattern", "pattern"},
	"aws_iam_role": {"AWS::IAM::Role", "RoleName", "RoleName", "name", "Description", "description", "PermissionsBoundary", "permissions_boundary",
		"AssumeRolePolicyDocument", "assume_role_policy", "Tags", "tags"},
	"aws_iam_policy": {"AWS::IAM::ManagedPolicy", "ManagedPolicyName", "ManagedPolicyName", "name", "Description", "description", "PolicyDocument", "policy", "Tags", "tags"},
	"aws_cloudwatch_metric_alarm": {"AWS::CloudWatch::Alarm", "AlarmName", "AlarmName", "alarm_name", "AlarmDescription", "alarm_description", "Namespace", "namespace",
		"MetricName", "metric_name", "Statistic", "statistic", "Period", "period", "EvaluationPeriods", "evaluation_periods", "DatapointsToAlarm", "datapoints_to_alarm",
		"ComparisonOperator", "comparison_operator", "Threshold", "threshold", "TreatMissingData", "treat_missing_data", "AlarmActions", "alarm_actions",
		"OKActions", "ok_actions", "Tags", "tags"},
	"aws_cloudwatch_dashboard": {"AWS::CloudWatch::Dashboard", "DashboardName", "DashboardName", "dashboard_name", "DashboardBody", "dashboard_body"},
}

// special are the properties that are built in another way.
var special = map[string]func(tfReader, map[string]any){
	"aws_cloudwatch_event_rule": func(_ tfReader, p map[string]any) {
		if p["State"] == nil {
			p["State"] = "ENABLED"
		}
		if p["EventBusName"] == "default" {
			delete(p, "EventBusName")
		}
	},
	"aws_lambda_function": func(r tfReader, p map[string]any) {
		p["Code"] = r.properties("S3Bucket", "s3_bucket", "S3Key", "s3_key", "S3ObjectVersion", "s3_object_version")
		if n := r.take("reserved_concurrent_executions"); simplest(n) != "-1" {
			p["ReservedConcurrentExecutions"] = n
		}
		p["LoggingConfig"] = readerOf(r.block("logging_config")).properties("LogGroup", "log_group", "LogFormat", "log_format", "SystemLogLevel", "system_log_level")
		p["Environment"] = map[string]any{"Variables": r.block("environment")["variables"]}
	},
	"aws_lambda_event_source_mapping": func(r tfReader, p map[string]any) {
		p["FunctionName"] = last(p["FunctionName"])
		p["ScalingConfig"] = map[string]any{"MaximumConcurrency": r.block("scaling_config")["maximum_concurrency"]}
	},
	"aws_lambda_function_event_invoke_config": func(r tfReader, p map[string]any) {
		success := readerOf(r.block("destination_config")).block("on_success")
		p["DestinationConfig"] = map[string]any{"OnSuccess": map[string]any{"Destination": success["destination"]}}
	},
	"aws_scheduler_schedule": func(r tfReader, p map[string]any) {
		p["FlexibleTimeWindow"] = map[string]any{"Mode": r.block("flexible_time_window")["mode"]}
		target := readerOf(r.block("target"))
		to := target.properties("Arn", "arn", "RoleArn", "role_arn", "Input", "input")
		to["RetryPolicy"] = readerOf(target.block("retry_policy")).properties("MaximumRetryAttempts", "maximum_retry_attempts", "MaximumEventAgeInSeconds", "maximum_event_age_in_seconds")
		p["Target"] = to
	},
	"aws_dynamodb_table": func(r tfReader, p map[string]any) {
		attributes, _ := r.take("attribute").([]any)
		definitions := []any{}
		for _, a := range attributes {
			definitions = append(definitions, readerOf(a.(map[string]any)).properties("AttributeName", "name", "AttributeType", "type"))
		}
		p["AttributeDefinitions"] = definitions
		p["KeySchema"] = []any{map[string]any{"AttributeName": r.take("hash_key"), "KeyType": "HASH"}, map[string]any{"AttributeName": r.take("range_key"), "KeyType": "RANGE"}}
		p["TimeToLiveSpecification"] = readerOf(r.block("ttl")).properties("AttributeName", "attribute_name", "Enabled", "enabled")
		p["PointInTimeRecoverySpecification"] = map[string]any{"PointInTimeRecoveryEnabled": r.block("point_in_time_recovery")["enabled"]}
		if sse := r.block("server_side_encryption"); sse != nil {
			p["SSESpecification"] = map[string]any{"SSEEnabled": sse["enabled"], "SSEType": "KMS", "KMSMasterKeyId": sse["kms_key_arn"]}
		}
	},
	"aws_cloudwatch_log_group": func(r tfReader, _ map[string]any) { r.take("skip_destroy") }, // TestTerraformKeepsEvidence
	"aws_cloudwatch_log_metric_filter": func(r tfReader, p map[string]any) {
		p["MetricTransformations"] = readerOf(r.block("metric_transformation")).properties("MetricNamespace", "namespace", "MetricName", "name", "MetricValue", "value")
	},
	"aws_cloudwatch_metric_alarm": func(r tfReader, p map[string]any) {
		dimensions, _ := r.take("dimensions").(map[string]any)
		list := []any{}
		for _, name := range slices.Sorted(maps.Keys(dimensions)) {
			list = append(list, map[string]any{"Name": name, "Value": dimensions[name]})
		}
		p["Dimensions"] = list
	},
}

// beside adds what is within a resource in Terraform and beside it in a template.
func beside(kind string, r tfReader, p map[string]any, out map[string]map[string]any) {
	switch kind {
	case "aws_sqs_queue":
		out["AWS::SQS::QueuePolicy "+last(p["QueueName"])] = map[string]any{"Queues": p["QueueName"], "PolicyDocument": r.take("policy")}
	case "aws_lambda_function":
		if r.take("publish") == true {
			out["AWS::Lambda::Version "+last(p["FunctionName"])] = map[string]any{"FunctionName": p["FunctionName"]}
		}
	}
}

// nameless are the template types that have no name of their own, with what they belong to.
var nameless = map[string]string{
	"AWS::SQS::QueuePolicy": "Queues", "AWS::SNS::TopicPolicy": "Topics", "AWS::SNS::Subscription": "Endpoint", "AWS::Lambda::Version": "FunctionName",
	"AWS::Lambda::EventSourceMapping": "FunctionName", "AWS::Lambda::EventInvokeConfig": "FunctionName", "AWS::Scheduler::Schedule": "Name",
	"AWS::Events::EventBusPolicy": "EventBusName", "AWS::Logs::ResourcePolicy": "PolicyName", "AWS::Logs::MetricFilter": "FilterName",
}

// ofTemplates are the properties of stacks by "type name", as asTemplate has them.
func ofTemplates(stacks ...Made) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, stack := range stacks {
		for _, r := range stack.Resources {
			name, ok := nameless[r.Type]
			if !ok {
				name = namings[r.Type].property
			}
			p := maps.Clone(r.Properties)
			switch r.Type {
			case "AWS::Lambda::Version": // the hash is held in a data source's condition (tests/trailwarden.tftest.hcl), and a version has no description
				delete(p, "CodeSha256")
				delete(p, "Description")
			case "AWS::SQS::QueuePolicy":
				p["Queues"] = last(p["Queues"].([]any)[0])
			case "AWS::SNS::TopicPolicy":
				p["Topics"] = p["Topics"].([]any)[0]
			case "AWS::Events::EventBusPolicy": // Terraform writes the whole policy
				statement := maps.Clone(p["Statement"].(map[string]any))
				statement["Sid"] = p["StatementId"]
				p = map[string]any{"EventBusName": p["EventBusName"], "Policy": map[string]any{"Version": "2012-10-17", "Statement": []any{statement}}}
			case "AWS::Events::Rule": // Terraform tells the ARN of a log group without :*
				target := maps.Clone(p["Targets"].([]any)[0].(map[string]any))
				target["Arn"] = strings.TrimSuffix(fmt.Sprint(target["Arn"]), ":*")
				p["Targets"] = target
			}
			tags := map[string]any{}
			list, _ := p["Tags"].([]any)
			for _, tag := range list {
				tags[fmt.Sprint(tag.(map[string]any)["Key"])] = tag.(map[string]any)["Value"]
			}
			if list != nil {
				p["Tags"] = tags
			}
			out[r.Type+" "+last(p[name])] = simplest(p).(map[string]any)
		}
	}
	return out
}

// simplest makes what means the same the same: a list of one is its item, lists of texts are sorted, numbers and switches are texts, JSON
// in a text is what it says, and what is null or holds nothing is not there.
func simplest(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, item := range v {
			if got := simplest(item); got != nil {
				out[key] = got
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		out := []any{}
		texts := true
		for _, item := range v {
			got := simplest(item)
			_, text := got.(string)
			texts = texts && text
			out = append(out, got)
		}
		if texts {
			slices.SortFunc(out, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		}
		switch len(out) {
		case 0:
			return nil
		case 1:
			return out[0]
		}
		return out
	case string:
		var document map[string]any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &document) == nil {
			return simplest(document)
		}
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case nil:
		return nil
	}
	return fmt.Sprint(v)
}
