package deploy

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/sim/pattern"
)

const (
	account = "111122223333"
	region  = "eu-central-1"
	mainARN = "arn:aws:cloudtrail:" + region + ":" + account + ":trail/main"
)

// artifact are the parameters that every stack of trailwarden.yaml needs.
func artifact(more ...string) map[string]string {
	p := map[string]string{
		"ArtifactBucket": "trailwarden-artifacts", "ArtifactKey": "trailwarden.zip", "ArtifactVersion": "v1",
		"ArtifactSha256": strings.Repeat("A", 43) + "=", "NotificationEmail": "security@example.com",
	}
	for i := 0; i < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	return p
}

// samples are parameters for each template.
func samples() map[string]map[string]string {
	bus := "arn:aws:events:" + region + ":" + account + ":event-bus/trailwarden"
	return map[string]map[string]string{
		"trailwarden": artifact(), "forwarder": {"HomeRegion": "eu-west-1"},
		"organization": {"OrganizationId": "o-exampleorg1", "QueueArn": "arn:aws:sqs:" + region + ":" + account + ":trailwarden-events",
			"DeadLettersArn": "arn:aws:sqs:" + region + ":" + account + ":trailwarden-dead-letters", "TopicArn": "arn:aws:sns:" + region + ":" + account + ":trailwarden"},
		"member-role":  {"CentralAccountId": account, "OrganizationId": "o-exampleorg1", "CentralBusArn": bus},
		"member-rules": {"CentralBusArn": bus},
		"witness":      {"WatchedAccountId": account, "WatchedRegion": region, "NotificationEmail": "board@example.com"},
	}
}

func load(t *testing.T, name string) Template {
	t.Helper()
	template, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func made(t *testing.T, name string, parameters map[string]string) Made {
	t.Helper()
	made, err := load(t, name).Make(Stack{Account: account, Region: region, Parameters: parameters})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestCfnLint(t *testing.T) {
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("NOT PROVEN HERE: that CloudFormation's schemas take the templates, for cfn-lint is not installed")
	}
	files, _ := filepath.Glob("../../deploy/cloudformation/*.yaml")
	if len(files) != len(Templates) {
		t.Fatalf("%d templates on disk, %d are listed", len(files), len(Templates))
	}
	// One that is looked for in every Region: a resource that some Region lacks would be told.
	if out, err := exec.Command(lint, append([]string{"--format", "parseable", "--include-checks", "I", "--"}, files...)...).CombinedOutput(); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

// TestPlain: what StackSets refuse, what another partition does not have, and what is too large for an upload in one request.
func TestPlain(t *testing.T) {
	literal := regexp.MustCompile(`\b[0-9]{12}\b|\b(us|eu|ap|sa|ca|cn|me|af|il)-(gov-)?(north|south|east|west|central|northeast|southeast)+-[0-9]\b|amazonaws\.com\.cn`)
	for _, name := range Templates {
		template := load(t, name)
		limit := 51_200 // without a bucket; trailwarden.yaml goes beside the zip, which needs one (docs/decisions/019)
		if name == "trailwarden" {
			limit = 1_000_000
		}
		if len(template.Text) > limit {
			t.Errorf("%s has %d bytes: CloudFormation takes %d", name, len(template.Text), limit)
		}
		for _, key := range []string{"Transform", "Macros"} {
			if template.Doc[key] != nil {
				t.Errorf("%s has a %s, which StackSets refuse", name, key)
			}
		}
		for id, r := range section(template.Doc, "Resources") {
			kind := fmt.Sprint(r.(map[string]any)["Type"])
			if kind == "AWS::CloudFormation::Stack" || strings.HasPrefix(kind, "AWS::Serverless") || strings.HasPrefix(kind, "Custom::") {
				t.Errorf("%s: %s is a %s", name, id, kind)
			}
			for text := range texts(r) {
				if strings.Contains(text, "arn:aws:") || literal.MatchString(text) {
					t.Errorf("%s: %s assumes a partition, a Region or an account: %q", name, id, text)
				}
			}
		}
		for id, p := range section(template.Doc, "Parameters") {
			p := p.(map[string]any)
			if preset := fmt.Sprint(p["Default"]); strings.Contains(preset, "arn:aws") || literal.MatchString(preset) {
				t.Errorf("%s: the default of %s assumes something: %s", name, id, preset)
			}
			if description := fmt.Sprint(p["Description"]); len(description) < 20 || !strings.HasSuffix(description, ".") {
				t.Errorf("%s: %s is not described", name, id)
			}
			if p["Type"] == "String" && p["AllowedValues"] == nil && p["AllowedPattern"] == nil && p["MinLength"] == nil {
				t.Errorf("%s: %s may be anything", name, id)
			}
		}
	}
}

// texts are all strings within a value.
func texts(v any) map[string]bool {
	found := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			found[v] = true
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for key, item := range v {
				found[key] = true
				walk(item)
			}
		}
	}
	walk(v)
	return found
}

// TestParametersAreGrouped: the console shows each in a group, and no group names what is not there.
func TestParametersAreGrouped(t *testing.T) {
	for _, name := range Templates {
		doc := load(t, name).Doc
		var grouped []string
		for _, g := range section(section(doc, "Metadata"), "AWS::CloudFormation::Interface")["ParameterGroups"].([]any) {
			for _, p := range g.(map[string]any)["Parameters"].([]any) {
				grouped = append(grouped, p.(string))
			}
		}
		slices.Sort(grouped)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(section(doc, "Parameters"))), grouped); diff != "" {
			t.Errorf("%s: groups of parameters (-declared +grouped)\n%s", name, diff)
		}
	}
}

// TestEverywhere: each template works out in every partition, with every switch on and off, and what it names is there.
func TestEverywhere(t *testing.T) {
	for _, place := range []Stack{
		{Partition: "aws", Account: account, Region: region}, {Partition: "aws-cn", Account: account, Region: "cn-north-1"},
		{Partition: "aws-us-gov", Account: account, Region: "us-gov-west-1"},
	} {
		for name, parameters := range samples() {
			place.Parameters = parameters
			for id, r := range mustMake(t, name, place).Resources {
				for text := range texts(r.Properties) {
					if strings.HasPrefix(text, "arn:") && !strings.HasPrefix(text, "arn:"+place.Partition+":") && !slices.Contains(slices.Collect(maps.Values(parameters)), text) {
						t.Errorf("%s in %s: %s has %s", name, place.Partition, id, text)
					}
					if strings.Contains(text, "${") {
						t.Errorf("%s: %s has %q left to fill in", name, id, text)
					}
				}
			}
		}
	}
	everything := artifact("Mode", "repair", "RestoreTrailArns", mainARN, "RestoreLogRoleArns", "arn:aws:iam::"+account+":role/logs",
		"OrganizationId", "o-exampleorg1", "MemberAccounts", "444455556666,777788889999", "HeartbeatBusArn", "arn:aws:events:eu-west-1:999999999999:event-bus/trailwarden-witness",
		"TopicKeyArn", "arn:aws:kms:eu-central-1:111122223333:key/a", "LedgerKeyArn", "arn:aws:kms:eu-central-1:111122223333:key/b", "LogKeyArn", "arn:aws:kms:eu-central-1:111122223333:key/b",
		"ReactReservedConcurrency", "5", "SweepReservedConcurrency", "2", "Baseline", "trailwarden.baseline.json", "Compat", "2017")
	all := made(t, "trailwarden", everything)
	if declared := section(load(t, "trailwarden").Doc, "Resources"); len(all.Resources) != len(declared) {
		t.Errorf("with every switch on there are %d resources, the template has %d", len(all.Resources), len(declared))
	}
	least := made(t, "trailwarden", artifact("Mode", "observe", "EnableAlarms", "no", "EnableDashboard", "no", "NotificationEmail", ""))
	for _, id := range []string{"RepairPolicy", "RestoreRole", "NoHeartbeat", "Dashboard", "Subscription", "HeartbeatRule", "HeartbeatRole"} {
		if _, there := least.Resources[id]; there {
			t.Errorf("%s is there with every switch off", id)
		}
	}
	if home := made(t, "forwarder", map[string]string{"HomeRegion": region}); len(home.Resources) != 1 || home.Resources["Nothing"].ID == "" {
		t.Errorf("in its home Region the forwarder makes %v: a bus that forwards to itself never ends", slices.Collect(maps.Keys(home.Resources)))
	}
}

func mustMake(t *testing.T, name string, place Stack) Made {
	t.Helper()
	made, err := load(t, name).Make(place)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestParametersAreHeldAgainstTheTemplate: what CloudFormation would refuse is refused before it is asked, all at once.
func TestParametersAreHeldAgainstTheTemplate(t *testing.T) {
	_, err := load(t, "trailwarden").Make(Stack{Account: account, Region: region,
		Parameters: artifact("NotificationEmail", "security at example", "Mode", "destroy", "ArtifactSha256", "abc", "Colour", "red")})
	for _, want := range []string{
		`NotificationEmail: "security at example" is not one e-mail address`, `Mode: "destroy" is not one of [repair observe]`, `ArtifactSha256: "abc" is not 44 characters`,
		"there is no parameter Colour",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want in it: %s", err, want)
		}
	}
	const key = "arn:aws:kms:eu-central-1:111122223333:key/"
	for want, parameters := range map[string][]string{
		`SecretArns: "slack" is not what fits`:           {"SecretArns", "arn:aws:ssm:eu-central-1:111122223333:parameter/a, slack"},
		"Topic and ledger need different keys":           {"TopicKeyArn", key + "a", "LedgerKeyArn", key + "a"},
		"The topic's key may not be among KeyArns":       {"TopicKeyArn", key + "a", "KeyArns", key + "b," + key + "a"},
		"The ledger's key may not be among KeyArns":      {"LedgerKeyArn", key + "a", "KeyArns", key + "a"},
		`EvidenceBucket: "s3://evidence" is not what`:    {"EvidenceBucket", "s3://evidence"},
		`AnchorBucketOwner: "security" is not what fits`: {"AnchorBucketOwner", "security"},
	} {
		if _, err := load(t, "trailwarden").Make(Stack{Account: account, Region: region, Parameters: artifact(parameters...)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: the error is %v, want in it: %s", parameters, err, want)
		}
	}
	if _, err := load(t, "trailwarden").Make(Stack{Account: account, Region: region, Parameters: artifact("TopicKeyArn", key+"a", "LedgerKeyArn", key+"b", "KeyArns", key+"c")}); err != nil {
		t.Errorf("three keys: %v", err)
	}
	if _, err := load(t, "trailwarden").Make(Stack{}); err == nil || !strings.Contains(err.Error(), "ArtifactBucket is missing: Private, versioned bucket") {
		t.Errorf("without parameters: %v", err)
	}
}

// at follows keys and indexes into a value.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				t.Fatalf("%v: there is no mapping that has %q, but %v", path, step, v)
			}
			v = m[step]
		case int:
			list, ok := v.([]any)
			if !ok || len(list) <= step {
				t.Fatalf("%v: there is no item %d in %v", path, step, v)
			}
			v = list[step]
		}
	}
	return v
}

// TestSingleAccount holds what matters in trailwarden.yaml, as moto ignores half of it.
func TestSingleAccount(t *testing.T) {
	stack := made(t, "trailwarden", artifact())
	for _, c := range []struct {
		resource string
		path     []any
		want     any
		why      string
	}{
		{"Queue", []any{"SqsManagedSseEnabled"}, true, "EventBridge cannot send to a queue under alias/aws/sqs"},
		{"Queue", []any{"VisibilityTimeout"}, int64(360), "six times the function's time-out"},
		{"Queue", []any{"RedrivePolicy", "maxReceiveCount"}, int64(5), "throttles raise the count, and good messages are not to die of it"},
		{"WatchRule", []any{"Targets", 0, "Arn"}, "arn:aws:sqs:eu-central-1:111122223333:trailwarden-events", "events are kept before they are handled"},
		{"WatchRule", []any{"Targets", 0, "DeadLetterConfig", "Arn"}, "arn:aws:sqs:eu-central-1:111122223333:trailwarden-dead-letters", "what cannot be sent is not lost"},
		{"QueuePolicy", []any{"PolicyDocument", "Statement", 0, "Condition", "ArnEquals", "aws:SourceArn"}, []any{"arn:aws:events:eu-central-1:111122223333:rule/trailwarden-watch"}, "only this rule sends"},
		{"QueuePolicy", []any{"PolicyDocument", "Statement", 1, "Effect"}, "Deny", "nobody else reads events away"},
		{"QueuePolicy", []any{"PolicyDocument", "Statement", 1, "Condition", "ArnNotEquals", "aws:PrincipalArn"}, "arn:aws:iam::111122223333:role/trailwarden-react", "but the function"},
		{"ReactMapping", []any{"FunctionResponseTypes"}, []any{"ReportBatchItemFailures"}, "one bad message does not repeat its neighbours"},
		{"ReactMapping", []any{"ScalingConfig", "MaximumConcurrency"}, "5", "a flood leaves concurrency to the sweep"},
		{"React", []any{"Runtime"}, "provided.al2023", ""},
		{"React", []any{"Architectures"}, []any{"arm64"}, ""},
		{"React", []any{"Code", "S3ObjectVersion"}, "v1", "the code is pinned"},
		{"React", []any{"Environment", "Variables", "TRAILWARDEN_LEDGER"}, "dynamodb://trailwarden", ""},
		{"React", []any{"Environment", "Variables", "TRAILWARDEN_REPAIR"}, "start", "everything but StartLogging begins as a report"},
		{"ReactCode", []any{"CodeSha256"}, strings.Repeat("A", 43) + "=", "another zip fails the stack"},
		{"SweepCode", []any{"CodeSha256"}, strings.Repeat("A", 43) + "=", "another zip fails the stack"},
		{"SweepTimer", []any{"ScheduleExpression"}, "rate(1 minute)", ""},
		{"SweepTimer", []any{"FlexibleTimeWindow", "Mode"}, "OFF", ""},
		{"SweepTimer", []any{"Target", "Input"}, `{"sweep":true}`, ""},
		{"SweepTimer", []any{"Target", "RetryPolicy"}, map[string]any{"MaximumRetryAttempts": int64(0), "MaximumEventAgeInSeconds": int64(60)}, "the next sweep comes anyway"},
		{"SweepInvocation", []any{"MaximumRetryAttempts"}, int64(0), "the next sweep comes anyway"},
		{"Ledger", []any{"DeletionProtectionEnabled"}, true, ""},
		{"Ledger", []any{"PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"}, true, ""},
		{"Ledger", []any{"TimeToLiveSpecification"}, map[string]any{"AttributeName": "expires", "Enabled": true}, ""},
		{"Ledger", []any{"BillingMode"}, "PAY_PER_REQUEST", ""},
		{"Subscription", []any{"Protocol"}, "email", ""},
		{"NoHeartbeat", []any{"TreatMissingData"}, "breaching", "silence is an alarm"},
		{"NoHeartbeat", []any{"ComparisonOperator"}, "LessThanThreshold", ""},
		{"NoHeartbeat", []any{"Dimensions"}, []any{map[string]any{"Name": "Function", "Value": "trailwarden-sweep"}}, ""},
		{"ReactLog", []any{"RetentionInDays"}, "400", ""},
		{"SelfRule", []any{"Targets", 0, "Arn"}, "arn:aws:sns:eu-central-1:111122223333:trailwarden", "people are told past the functions"},
	} {
		if diff := cmp.Diff(c.want, at(t, stack.Resources[c.resource].Properties, c.path...)); diff != "" {
			t.Errorf("%s %v (%s)\n%s", c.resource, c.path, c.why, diff)
		}
	}
	var kept []string
	alarms := map[string]string{}
	for id, r := range stack.Resources {
		if r.Deletion == "Retain" {
			kept = append(kept, id)
		}
		if r.Type == "AWS::CloudWatch::Alarm" {
			alarms[fmt.Sprint(r.Properties["Namespace"], " ", r.Properties["MetricName"])] = id
			if fmt.Sprint(r.Properties["AlarmActions"]) != "[arn:aws:sns:eu-central-1:111122223333:trailwarden]" {
				t.Errorf("%s tells nobody", id)
			}
		}
	}
	slices.Sort(kept)
	if diff := cmp.Diff([]string{"DeadLetters", "Ledger", "ReactLog", "SweepLog"}, kept); diff != "" {
		t.Errorf("evidence that stays when the stack is deleted (-want +got)\n%s", diff)
	}
	for _, metric := range []string{"AWS/Lambda Errors", "AWS/Lambda Throttles", "AWS/SQS ApproximateNumberOfMessagesVisible", "AWS/SQS ApproximateAgeOfOldestMessage",
		"Trailwarden Heartbeat", "Trailwarden RepairFailed", "Trailwarden OpenBlindWindows", "AWS/Events FailedInvocations"} {
		if alarms[metric] == "" {
			t.Errorf("no alarm looks at %s", metric)
		}
	}
}

// patterns are the rules that decide what reaches a queue, by template and id.
var patterns = [][2]string{{"trailwarden", "WatchRule"}, {"forwarder", "TrailRule"}, {"organization", "MemberRule"}, {"member-rules", "TrailRule"}}

// TestPatternsTakeEveryWatchedCall: each call that has a rule in the catalogue reaches the queue, and nothing forged does.
func TestPatternsTakeEveryWatchedCall(t *testing.T) {
	calls := map[string]bool{}
	for _, r := range incident.Rules {
		calls[r.Event] = true
	}
	for _, where := range patterns {
		p := patternOf(t, where[0], where[1])
		for name := range calls {
			if !matches(t, p, genuine(name)) {
				t.Errorf("%s %s: %s does not match", where[0], where[1], name)
			}
		}
		for what, event := range map[string]string{
			"a custom event with the right detail-type": strings.Replace(genuine("StopLogging"), `"source":"aws.cloudtrail"`, `"source":"my.app"`, 1),
			"no source":              strings.Replace(genuine("StopLogging"), `"source":"aws.cloudtrail",`, ``, 1),
			"another service's call": strings.Replace(genuine("StopLogging"), `"eventSource":"cloudtrail.amazonaws.com"`, `"eventSource":"redshift.amazonaws.com"`, 1),
			"a call that reads":      genuine("GetTrailStatus"),
			"another detail-type":    strings.Replace(genuine("StopLogging"), "AWS API Call via CloudTrail", "AWS Console Sign In via CloudTrail", 1),
		} {
			if matches(t, p, event) {
				t.Errorf("%s %s takes %s", where[0], where[1], what)
			}
		}
		elsewhere := strings.Replace(genuine("StopLogging"), `"account":"`+account, `"account":"444455556666`, 1)
		if where[0] != "organization" && matches(t, p, elsewhere) {
			t.Errorf("%s %s takes an event of another account", where[0], where[1])
		}
	}
	named := samples()["organization"]
	named["MemberAccounts"] = "444455556666"
	p := patternIn(t, made(t, "organization", named), "MemberRule")
	if matches(t, p, genuine("StopLogging")) || !matches(t, p, strings.Replace(genuine("StopLogging"), `"account":"`+account, `"account":"444455556666`, 1)) {
		t.Error("organization: the accounts that were named are not those that are taken")
	}
}

func genuine(name string) string {
	return `{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.cloudtrail","account":"` + account + `","time":"2026-01-05T09:00:00Z",
	"region":"` + region + `","resources":[],"detail":{"eventVersion":"1.11","eventSource":"cloudtrail.amazonaws.com","eventName":"` + name + `","awsRegion":"` + region + `",
	"requestParameters":{"name":"main"},"responseElements":null}}`
}

func patternOf(t *testing.T, template, rule string) pattern.Pattern {
	t.Helper()
	return patternIn(t, made(t, template, samples()[template]), rule)
}

func patternIn(t *testing.T, stack Made, rule string) pattern.Pattern {
	t.Helper()
	text := encode(t, stack.Resources[rule].Properties["EventPattern"])
	if len(text) > 4096 {
		t.Errorf("the pattern of %s has %d characters, EventBridge takes 4096", rule, len(text))
	}
	p, err := pattern.Parse([]byte(text))
	if err != nil {
		t.Fatalf("pattern of %s: %v", rule, err)
	}
	return p
}

func matches(t *testing.T, p pattern.Pattern, event string) bool {
	t.Helper()
	ok, err := p.Match([]byte(event))
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// TestRuleOnOurselves: what somebody does to trailwarden reaches people, what others do to other things does not.
func TestRuleOnOurselves(t *testing.T) {
	// Fault H3.
	p := patternOf(t, "trailwarden", "SelfRule")
	event := func(service, name, detail string) string {
		return `{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.` + service + `","account":"` + account + `","region":"` + region + `","resources":[],
		"detail":{"eventSource":"` + service + `.amazonaws.com","eventName":"` + name + `",` + detail + `}}`
	}
	for _, c := range []struct {
		service, name, detail string
		want                  bool
	}{
		{"lambda", "UpdateFunctionCode20150331v2", `"requestParameters":{"functionName":"trailwarden-react"}`, true},
		{"lambda", "PutFunctionConcurrency20171031", `"requestParameters":{"functionName":"arn:aws:lambda:eu-central-1:111122223333:function:trailwarden-sweep"}`, true},
		{"lambda", "UpdateEventSourceMapping20150331", `"requestParameters":{"uUID":"1","enabled":false},"responseElements":{"functionArn":"arn:aws:lambda:eu-central-1:111122223333:function:trailwarden-react"}`, true},
		{"lambda", "UpdateFunctionCode20150331v2", `"requestParameters":{"functionName":"shop"}`, false},
		{"events", "DisableRule", `"requestParameters":{"name":"trailwarden-watch"}`, true},
		{"events", "RemoveTargets", `"requestParameters":{"rule":"trailwarden-watch","ids":["queue"]}`, true},
		{"events", "PutRule", `"requestParameters":{"name":"trailwarden-self","state":"DISABLED"}`, true},
		{"events", "PutRule", `"requestParameters":{"name":"nightly"}`, false},
		{"scheduler", "UpdateSchedule", `"requestParameters":{"name":"trailwarden-sweep","groupName":"trailwarden"}`, true},
		{"sqs", "PurgeQueue", `"requestParameters":{"queueUrl":"https://sqs.eu-central-1.amazonaws.com/111122223333/trailwarden-events"}`, true},
		{"sqs", "SetQueueAttributes", `"requestParameters":{"queueUrl":"https://sqs.eu-central-1.amazonaws.com/111122223333/orders"}`, false},
		{"sns", "DeleteTopic", `"requestParameters":{"topicArn":"arn:aws:sns:eu-central-1:111122223333:trailwarden"}`, true},
		{"sns", "Unsubscribe", `"requestParameters":{"subscriptionArn":"arn:aws:sns:eu-central-1:111122223333:trailwarden:1-2"}`, true},
		{"dynamodb", "UpdateTable", `"requestParameters":{"tableName":"trailwarden","deletionProtectionEnabled":false}`, true},
		{"monitoring", "DisableAlarmActions", `"requestParameters":{"alarmNames":["trailwarden-no-heartbeat"]}`, true},
		{"monitoring", "DeleteAlarms", `"requestParameters":{"alarmNames":["billing"]}`, false},
		{"logs", "DeleteLogGroup", `"requestParameters":{"logGroupName":"/aws/lambda/trailwarden-react"}`, true},
		{"logs", "CreateLogStream", `"requestParameters":{"logGroupName":"/aws/lambda/trailwarden-react"}`, false},
		{"iam", "DetachRolePolicy", `"requestParameters":{"roleName":"trailwarden-react","policyArn":"arn:aws:iam::111122223333:policy/trailwarden-repair"}`, true},
		{"iam", "CreatePolicyVersion", `"requestParameters":{"policyArn":"arn:aws:iam::111122223333:policy/trailwarden-repair"}`, true},
		{"iam", "UpdateAssumeRolePolicy", `"requestParameters":{"roleName":"trailwarden-restore"}`, true},
		{"iam", "AttachRolePolicy", `"requestParameters":{"roleName":"developers","policyArn":"arn:aws:iam::aws:policy/ReadOnlyAccess"}`, false},
	} {
		if got := matches(t, p, event(c.service, c.name, c.detail)); got != c.want {
			t.Errorf("%s %s: told %v, want %v", c.name, c.detail, got, c.want)
		}
	}
	forwarded := patternOf(t, "forwarder", "SelfRule")
	killed := event("iam", "DetachRolePolicy", `"requestParameters":{"roleName":"trailwarden-react","policyArn":"arn:aws:iam::111122223333:policy/trailwarden-repair"}`)
	if !matches(t, forwarded, killed) || !matches(t, p, killed) {
		t.Error("the kill switch is used where IAM's events appear, and nobody hears of it")
	}
}

// TestTrust: who may become which role.
func TestTrust(t *testing.T) {
	member := made(t, "member-role", samples()["member-role"])
	trust := at(t, member.Resources["MemberRole"].Properties, "AssumeRolePolicyDocument", "Statement", 0)
	want := map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]any{"AWS": "arn:aws:iam::111122223333:root"},
		"Condition": map[string]any{
			"StringEquals": map[string]any{"aws:PrincipalOrgID": "o-exampleorg1"},
			"ArnEquals":    map[string]any{"aws:PrincipalArn": []any{"arn:aws:iam::111122223333:role/trailwarden-react", "arn:aws:iam::111122223333:role/trailwarden-sweep"}},
		},
	}
	if diff := cmp.Diff(want, trust); diff != "" {
		t.Errorf("trust of the member's role: the account, the role by condition, the organization (-want +got)\n%s", diff)
	}
	bus := at(t, made(t, "organization", samples()["organization"]).Resources["BusPolicy"].Properties, "Statement", "Condition", "StringEquals").(map[string]any)
	if bus["aws:PrincipalOrgID"] != "o-exampleorg1" {
		t.Errorf("the central bus is open to %v", bus)
	}
	silence := made(t, "witness", samples()["witness"]).Resources["Silence"].Properties
	if silence["TreatMissingData"] != "breaching" {
		t.Error("the witness takes silence for health")
	}
}

// TestTemplatesInTheBinary: what travels in the binary is what is in the repository.
func TestTemplatesInTheBinary(t *testing.T) {
	for _, name := range Templates {
		onDisk, err := os.ReadFile("../../deploy/cloudformation/" + name + ".yaml")
		if err != nil || string(onDisk) != load(t, name).Text {
			t.Errorf("%s differs from the file (%v)", name, err)
		}
	}
}
