package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/trailwarden/trailwarden/internal/sim/pattern"
)

// tampering is a call that somebody makes, as CloudTrail writes it down.
type tampering struct {
	service, name string
	parameters    string // requestParameters
	elements      string // responseElements; empty is null
	told          bool   // whether it is about trailwarden itself, so that people are to hear of it
}

// event is the call as EventBridge has it, in an account.
func (d tampering) event(account string) string {
	return fmt.Sprintf(`{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.%s","account":%q,"time":"2026-01-05T09:00:00Z","region":%q,"resources":[],"detail":%s}`,
		d.service, account, region, d.detail(account, d.name))
}

func (d tampering) detail(account, id string) string {
	elements := d.elements
	if elements == "" {
		elements = "null"
	}
	return fmt.Sprintf(`{"eventVersion":"1.11","eventID":%q,"eventTime":"2026-01-05T09:00:00Z","eventSource":"%s.amazonaws.com","eventName":%q,"awsRegion":%q,"recipientAccountId":%q,
		"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%s:user/mallory"},"sourceIPAddress":"203.0.113.9","requestParameters":%s,"responseElements":%s,"readOnly":false}`,
		id, d.service, d.name, region, account, account, strings.ReplaceAll(d.parameters, "ACCOUNT", account), strings.ReplaceAll(elements, "ACCOUNT", account))
}

// tamperings are what somebody could do to each part of a deployment, and beside each the same to something else.
var tamperings = []tampering{
	{"lambda", "UpdateFunctionCode20150331v2", `{"functionName":"trailwarden-react","dryRun":false,"publish":false}`, "", true},
	{"lambda", "UpdateFunctionConfiguration20150331v2", `{"functionName":"arn:aws:lambda:eu-central-1:ACCOUNT:function:trailwarden-sweep","timeout":1}`, "", true},
	{"lambda", "PutFunctionConcurrency20171031", `{"functionName":"trailwarden-react","reservedConcurrentExecutions":0}`, "", true},
	{"lambda", "DeleteFunction20150331", `{"functionName":"trailwarden-sweep"}`, "", true},
	{"lambda", "UpdateEventSourceMapping20150331", `{"uUID":"1","enabled":false}`, `{"functionArn":"arn:aws:lambda:eu-central-1:ACCOUNT:function:trailwarden-react"}`, true},
	{"lambda", "DeleteEventSourceMapping20150331", `{"uUID":"1"}`, `{"functionArn":"arn:aws:lambda:eu-central-1:ACCOUNT:function:trailwarden-react:1"}`, true},
	{"lambda", "UpdateFunctionCode20150331v2", `{"functionName":"shop"}`, "", false},
	{"lambda", "UpdateEventSourceMapping20150331", `{"uUID":"2","enabled":false}`, `{"functionArn":"arn:aws:lambda:eu-central-1:ACCOUNT:function:shop"}`, false},
	{"events", "DisableRule", `{"name":"trailwarden-watch"}`, "", true},
	{"events", "PutRule", `{"name":"trailwarden-self","state":"DISABLED"}`, "", true},
	{"events", "DeleteRule", `{"name":"trailwarden-members","eventBusName":"trailwarden"}`, "", true},
	{"events", "DisableRule", `{"name":"trailwarden-heartbeat"}`, "", true},
	{"events", "DeleteEventBus", `{"name":"trailwarden"}`, "", true},
	{"events", "RemoveTargets", `{"rule":"trailwarden-watch","ids":["queue"]}`, "", true},
	{"events", "PutTargets", `{"rule":"trailwarden-self","targets":[{"id":"people"}]}`, "", true},
	{"events", "RemoveTargets", `{"rule":"trailwarden-members","ids":["queue"]}`, "", true},
	{"events", "RemoveTargets", `{"rule":"trailwarden-heartbeat","ids":["witness"]}`, "", true},
	{"events", "DisableRule", `{"name":"nightly"}`, "", false},
	{"events", "RemoveTargets", `{"rule":"nightly","ids":["1"]}`, "", false},
	{"scheduler", "UpdateSchedule", `{"name":"trailwarden-sweep","groupName":"trailwarden","state":"DISABLED"}`, "", true},
	{"scheduler", "DeleteSchedule", `{"name":"trailwarden-sweep","groupName":"trailwarden"}`, "", true},
	{"scheduler", "DeleteScheduleGroup", `{"name":"trailwarden"}`, "", true},
	{"scheduler", "DeleteSchedule", `{"name":"reports","groupName":"default"}`, "", false},
	{"sqs", "PurgeQueue", `{"queueUrl":"https://sqs.eu-central-1.amazonaws.com/ACCOUNT/trailwarden-events"}`, "", true},
	{"sqs", "DeleteQueue", `{"queueUrl":"https://sqs.eu-central-1.amazonaws.com/ACCOUNT/trailwarden-dead-letters"}`, "", true},
	{"sqs", "SetQueueAttributes", `{"queueUrl":"https://sqs.eu-central-1.amazonaws.com/ACCOUNT/orders"}`, "", false},
	{"sns", "DeleteTopic", `{"topicArn":"arn:aws:sns:eu-central-1:ACCOUNT:trailwarden"}`, "", true},
	{"sns", "Unsubscribe", `{"subscriptionArn":"arn:aws:sns:eu-central-1:ACCOUNT:trailwarden:0f3f4e2a-7b6e-4b0b-9a55-2f5a3d3f0c11"}`, "", true},
	{"sns", "DeleteTopic", `{"topicArn":"arn:aws:sns:eu-central-1:ACCOUNT:alerts"}`, "", false},
	{"dynamodb", "UpdateTable", `{"tableName":"trailwarden","deletionProtectionEnabled":false}`, "", true},
	{"dynamodb", "DeleteTable", `{"tableName":"arn:aws:dynamodb:eu-central-1:ACCOUNT:table/trailwarden"}`, "", true},
	{"dynamodb", "DeleteTable", `{"tableName":"orders"}`, "", false},
	{"monitoring", "DeleteAlarms", `{"alarmNames":["billing","trailwarden-no-heartbeat"]}`, "", true},
	{"monitoring", "SetAlarmState", `{"alarmName":"trailwarden-no-heartbeat","stateValue":"OK"}`, "", true},
	{"monitoring", "DeleteAlarms", `{"alarmNames":["billing"]}`, "", false},
	{"monitoring", "SetAlarmState", `{"alarmName":"billing","stateValue":"OK"}`, "", false},
	{"logs", "DeleteLogGroup", `{"logGroupName":"/aws/lambda/trailwarden-react"}`, "", true},
	{"logs", "PutRetentionPolicy", `{"logGroupName":"/aws/lambda/trailwarden-sweep","retentionInDays":1}`, "", true},
	{"logs", "DeleteLogGroup", `{"logGroupName":"/aws/lambda/shop"}`, "", false},
	{"logs", "CreateLogStream", `{"logGroupName":"/aws/lambda/trailwarden-react","logStreamName":"x"}`, "", false},
	{"iam", "DetachRolePolicy", `{"roleName":"trailwarden-react","policyArn":"arn:aws:iam::ACCOUNT:policy/other"}`, "", true},
	{"iam", "PutRolePolicy", `{"roleName":"trailwarden-sweep","policyName":"x"}`, "", true},
	{"iam", "UpdateAssumeRolePolicy", `{"roleName":"trailwarden-restore"}`, "", true},
	{"iam", "DeleteRolePolicy", `{"roleName":"trailwarden-timer","policyName":"invoke"}`, "", true},
	{"iam", "DeleteRole", `{"roleName":"trailwarden-heartbeat"}`, "", true},
	{"iam", "CreatePolicyVersion", `{"policyArn":"arn:aws:iam::ACCOUNT:policy/trailwarden-watch","setAsDefault":true}`, "", true},
	{"iam", "DeletePolicy", `{"policyArn":"arn:aws:iam::ACCOUNT:policy/trailwarden-repair"}`, "", true},
	{"iam", "DeletePolicyVersion", `{"policyArn":"arn:aws:iam::ACCOUNT:policy/trailwarden-boundary","versionId":"v1"}`, "", true},
	{"iam", "AttachRolePolicy", `{"roleName":"developers","policyArn":"arn:aws:iam::aws:policy/ReadOnlyAccess"}`, "", false},
}

// ourselves are the patterns of the rules that tell people of what is done to trailwarden itself, by the rules' names.
func ourselves(t *testing.T, stack Made) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for _, r := range stack.Resources {
		if r.Type == "AWS::Events::Rule" && strings.Contains(encode(t, r.Properties["Targets"]), `"people"`) {
			out[r.Properties["Name"].(string)] = r.Properties["EventPattern"].(map[string]any)
		}
	}
	return out
}

// TestRuleOnOurselvesIsWhole: what somebody does to any part of trailwarden is told, what is done to other things is not; and nothing stands in a pattern
// without a call that is heard of by it alone.
func TestRuleOnOurselvesIsWhole(t *testing.T) {
	rules := ourselves(t, made(t, "trailwarden", artifact("OrganizationId", "o-exampleorg1")))
	if len(rules) == 0 {
		t.Fatal("no rule tells people")
	}
	told := func(without string, patternOf func(map[string]any) map[string]any) (list []int) {
		for name, document := range rules {
			if name == without {
				if document = patternOf(document); document == nil {
					continue
				}
			}
			p, err := pattern.Parse([]byte(encode(t, document)))
			ok(t)(p, err)
			for i, d := range tamperings {
				if matches(t, p, d.event(account)) && !slices.Contains(list, i) {
					list = append(list, i)
				}
			}
		}
		slices.Sort(list)
		return list
	}
	all := told("", nil)
	for i, d := range tamperings {
		if slices.Contains(all, i) != d.told {
			t.Errorf("%s %s: told %v, want %v", d.name, d.parameters, !d.told, d.told)
		}
	}
	for name, document := range rules {
		for _, place := range leaves(document) {
			less := told(name, func(whole map[string]any) map[string]any { return without(t, whole, place) })
			if slices.Equal(less, all) {
				t.Errorf("rule %s: without %v the same is told: add one that it is for, or take it out", name, place)
			}
		}
	}
}

// leaves are the paths of all items of the lists in a pattern that choose by resource: those of $or and of source.
func leaves(document map[string]any) (paths [][]any) {
	for i := range document["source"].([]any) {
		paths = append(paths, []any{"source", i})
	}
	for i, alternative := range document["detail"].(map[string]any)["$or"].([]any) {
		for block, fields := range alternative.(map[string]any) {
			for field, list := range fields.(map[string]any) {
				for j := range list.([]any) {
					paths = append(paths, []any{"detail", "$or", i, block, field, j})
				}
			}
		}
	}
	return paths
}

// without is a copy of the pattern in which an item matches nothing any more.
func without(t *testing.T, document map[string]any, path []any) map[string]any {
	t.Helper()
	var copied map[string]any
	ok(t)(nil, json.Unmarshal([]byte(encode(t, document)), &copied))
	var at any = copied
	for _, step := range path[:len(path)-1] {
		switch step := step.(type) {
		case string:
			at = at.(map[string]any)[step]
		case int:
			at = at.([]any)[step]
		}
	}
	at.([]any)[path[len(path)-1].(int)] = "nothing is called so"
	return copied
}

// TestPatternsFit: a pattern has no more characters than an account takes by default, whatever the name; 4096 would take a quota raised.
func TestPatternsFit(t *testing.T) {
	const most = 2048
	for _, template := range Templates {
		p := maps.Clone(samples()[template])
		p["Name"] = strings.Repeat("n", 30)
		stack := mustMake(t, template, Stack{Partition: "aws-us-gov", Account: account, Region: "us-gov-west-1", Parameters: p})
		for id, r := range stack.Resources {
			if text := encode(t, r.Properties["EventPattern"]); r.Type == "AWS::Events::Rule" && len(text) > most {
				t.Errorf("%s: the pattern of %s has %d characters with the longest name, EventBridge takes %d until the quota is raised", template, id, len(text), most)
			}
		}
	}
}

// toldOfItself puts every call on the bus and sees which ones the deployed rules on trailwarden itself let through. Their target is a queue here:
// moto 5.2.1 delivers to no topic.
func (s stack) toldOfItself(t *testing.T) {
	t.Helper()
	rules := eventbridge.NewFromConfig(s.admin)
	queue, err := sqs.NewFromConfig(s.admin).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("people")})
	ok(t)(queue, err)
	for name := range ourselves(t, mustMake(t, "trailwarden", Stack{Account: motoAccount, Region: region, Parameters: artifact()})) {
		ok(t)(rules.RemoveTargets(t.Context(), &eventbridge.RemoveTargetsInput{Rule: &name, Ids: []string{"people"}}))
		ok(t)(rules.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: &name, Targets: []types.Target{{Id: aws.String("people"), Arn: aws.String("arn:aws:sqs:" + region + ":" + motoAccount + ":people")}}}))
	}
	var events []types.PutEventsRequestEntry
	want := map[string]bool{}
	for i, d := range tamperings {
		id := fmt.Sprintf("%s-%d", d.name, i)
		events = append(events, types.PutEventsRequestEntry{Source: aws.String("aws." + d.service), DetailType: aws.String("AWS API Call via CloudTrail"), Detail: aws.String(d.detail(motoAccount, id))})
		if d.told {
			want[id] = true
		}
	}
	forged := tamperings[0].detail(motoAccount, "forged")
	events = append(events, types.PutEventsRequestEntry{Source: aws.String("my.app"), DetailType: aws.String("AWS API Call via CloudTrail"), Detail: &forged})
	s.putEvents(t, events...)
	for _, body := range s.received(t, *queue.QueueUrl) {
		var event struct {
			Detail struct{ EventID string }
		}
		ok(t)(nil, json.Unmarshal([]byte(body), &event))
		if !want[event.Detail.EventID] {
			t.Errorf("%s was told, and is not about trailwarden, or twice", event.Detail.EventID)
		}
		delete(want, event.Detail.EventID)
	}
	if len(want) > 0 {
		t.Errorf("nobody was told of %v", slices.Sorted(maps.Keys(want)))
	}
}
