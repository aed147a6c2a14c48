package deploy

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/selfwatch"
	"github.com/trailwarden/trailwarden/internal/sim/runtimeapi"
)

func (s stack) stop(t *testing.T) {
	t.Helper()
	ok(t)(cloudtrail.NewFromConfig(s.admin).StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: aws.String("main")}))
	s.put(t, "aws.cloudtrail", "StopLogging")
}

// TestDeployedOnMoto: a StopLogging that is put on the bus reaches the deployed queue by the deployed rule; the built function, with
// the deployed environment and the deployed role's policies enforced, starts the trail again and tells people.
func TestDeployedOnMoto(t *testing.T) {
	t.Parallel()
	binary := lambdaBinary(t)
	m := startMoto(t)
	s := m.deployTemplate(t, binary)
	s.furnish(t)
	s.mapped(t, false)

	for _, forged := range []string{"my.app", "aws.events.forged"} {
		s.put(t, forged, "StopLogging")
	}
	s.put(t, "aws.cloudtrail", "GetTrailStatus")
	if got := s.received(t, s.queue); len(got) != 0 {
		t.Fatalf("the deployed rule let %d events through that are forged or only read: %s", len(got), got)
	}
	s.stop(t)
	events := s.received(t, s.queue)
	if len(events) != 1 {
		t.Fatalf("%d events reached the deployed queue, want one", len(events))
	}
	environment, as := s.environment(t, "trailwarden-react"), s.session(t, "trailwarden-react")
	s.enforce(t, true) // also when it starts
	api, _ := s.start(t, binary, "trailwarden-react", as, environment)
	answer := s.enforced(t, api, batch(t, events))
	if answer.Failed || !strings.Contains(string(answer.Body), `"batchItemFailures":[]`) {
		t.Errorf("the function answers %s", answer.Body)
	}
	if !s.logging(t) {
		t.Error("the trail does not log again")
	}
	sweep, _ := s.start(t, binary, "trailwarden-sweep", s.session(t, "trailwarden-sweep"), s.environment(t, "trailwarden-sweep"))
	told := s.told(t, sweep)
	if len(told) == 0 || !strings.Contains(told[0], "repaired") { // and perhaps that the repair is confirmed
		t.Errorf("people were told %d times: %.300s", len(told), told)
	}
	s.neighbours(t, as)
	s.killed(t, api, sweep)
	s.toldOfItself(t)
	s.mapped(t, true)
	s.watched(t)
	s.destroyed(t)
}

// told is what people have received at the next sweep. The sweep's answer says nothing here: it may not look at itself on moto (see watched).
func (s stack) told(t *testing.T, sweep *runtimeapi.Server) (list []string) {
	t.Helper()
	s.enforced(t, sweep, []byte(`{"sweep":true}`))
	for _, m := range s.received(t, s.consumer) {
		if strings.Contains(m, "trail/main") { // and not of the mapping that the test switched off
			list = append(list, m)
		}
	}
	return list
}

// neighbours sees that the function's role may do nothing beside what it needs: one refusal for each neighbouring action.
func (s stack) neighbours(t *testing.T, as aws.Credentials) {
	t.Helper()
	cfg := s.admin.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(as.AccessKeyID, as.SecretAccessKey, as.SessionToken)
	topics, queues, rules := sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg), eventbridge.NewFromConfig(cfg)
	ctx, main := t.Context(), aws.String("main")
	topic, rule := aws.String("arn:aws:sns:"+region+":"+motoAccount+":trailwarden"), aws.String("trailwarden-watch")
	s.refused(t, "the function's role", trailCalls(ctx, cfg, s.trail, "audit-logs-"+motoAccount+"-"+region))
	s.refused(t, "the function's role", map[string]func() (any, error){
		"Subscribe": func() (any, error) {
			return topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:" + region + ":" + motoAccount + ":consumer")})
		},
		"DeleteTopic": func() (any, error) { return topics.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: topic}) },
		"SendMessage": func() (any, error) {
			return queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &s.queue, MessageBody: main})
		},
		"PurgeQueue":  func() (any, error) { return queues.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: &s.queue}) },
		"DisableRule": func() (any, error) { return rules.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: rule}) },
		"PutRule": func() (any, error) {
			return rules.PutRule(ctx, &eventbridge.PutRuleInput{Name: rule, EventPattern: aws.String(`{"source":["x"]}`)})
		},
		"AssumeRole (nobody)": func() (any, error) {
			return sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + motoAccount + ":role/trailwarden-sweep"), RoleSessionName: aws.String("xx")})
		},
	})
}

// trailCalls are those that no role makes without the restore role, on trail main.
func trailCalls(ctx context.Context, cfg aws.Config, arn, bucket string) map[string]func() (any, error) {
	trails, main := cloudtrail.NewFromConfig(cfg), aws.String("main")
	return map[string]func() (any, error){
		"StopLogging": func() (any, error) { return trails.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: main}) },
		"DeleteTrail": func() (any, error) { return trails.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: main}) },
		"UpdateTrail": func() (any, error) { return trails.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: main}) },
		"CreateTrail": func() (any, error) {
			return trails.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: aws.String("more"), S3BucketName: &bucket})
		},
		"PutEventSelectors": func() (any, error) {
			return trails.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{TrailName: main})
		},
		"PutInsightSelectors": func() (any, error) {
			return trails.PutInsightSelectors(ctx, &cloudtrail.PutInsightSelectorsInput{TrailName: main, InsightSelectors: []trailtypes.InsightSelector{}})
		},
		"AddTags": func() (any, error) {
			return trails.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: &arn, TagsList: []trailtypes.Tag{{Key: main}}})
		},
	}
}

// killed uses the kill switch: nothing is repaired, watching and telling go on, and when it is undone repairs do too.
func (s stack) killed(t *testing.T, api, sweep *runtimeapi.Server) {
	t.Helper()
	policy := url.Values{"RoleName": {"trailwarden-react"}, "PolicyArn": {"arn:aws:iam::" + motoAccount + ":policy/trailwarden-repair"}}
	s.query(t, "iam", "DetachRolePolicy", policy)
	s.stop(t)
	events := s.received(t, s.queue)
	s.enforced(t, api, batch(t, events))
	if s.logging(t) {
		t.Error("the kill switch was used, and the trail was started")
	}
	if told := s.told(t, sweep); len(told) == 0 {
		t.Error("the kill switch was used, and nobody was told of the stopped trail")
	}
	s.query(t, "iam", "AttachRolePolicy", policy)
	s.enforced(t, api, batch(t, events))
	if !s.logging(t) {
		t.Error("the kill switch was undone, and the event that came again started nothing")
	}
}

// watched holds selfwatch against what was deployed, as it is and tampered with, under the sweep's own policies.
func (s stack) watched(t *testing.T) {
	t.Helper()
	var expect selfwatch.Expect
	for _, variable := range s.environment(t, "trailwarden-sweep") {
		if text, found := strings.CutPrefix(variable, selfwatch.Variable+"="); found {
			var err error
			expect, err = selfwatch.Parse(text)
			ok(t)(nil, err)
		}
	}
	cfg, as := s.admin.Copy(), s.session(t, "trailwarden-sweep")
	cfg.Credentials = credentials.NewStaticCredentialsProvider(as.AccessKeyID, as.SecretAccessKey, as.SessionToken)
	// moto 5.2.1 finds no signature of a REST call without a body good, the AWS CLI's neither: Lambda's and Scheduler's reads are not enforced.
	cfg.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		by := r.Header.Get("Authorization")
		s.enforce(t, !strings.Contains(by, "/lambda/") && !strings.Contains(by, "/scheduler/"))
		return http.DefaultTransport.RoundTrip(r)
	})}
	// moto 5.2.1 leaves a stack's timer and its queue's policy out: they are put by hand, as the template has them.
	made, err := load(t, "trailwarden").Make(Stack{Account: motoAccount, Region: region, Parameters: artifact()})
	ok(t)(made, err)
	ok(t)(sqs.NewFromConfig(s.admin).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &s.queue, Attributes: map[string]string{
		"Policy": encode(t, made.Resources["QueuePolicy"].Properties["PolicyDocument"])}}))
	s.call(t, "scheduler", "POST", "/schedule-groups/trailwarden", "{}")
	timer := maps.Clone(made.Resources["SweepTimer"].Properties)
	timer["GroupName"] = "trailwarden"
	s.call(t, "scheduler", "POST", "/schedules/trailwarden-sweep", encode(t, timer))
	look := func() []string {
		defer s.enforce(t, false)
		findings, err := (&selfwatch.Watch{Config: cfg, Expect: expect}).Look(t.Context())
		ok(t)(findings, err)
		got := []string{}
		for _, f := range findings {
			got = append(got, f.Rule)
		}
		return got
	}
	if got := look(); len(got) != 0 {
		t.Errorf("on what was deployed selfwatch finds %v", got)
	}
	rules := eventbridge.NewFromConfig(s.admin)
	ok(t)(rules.DisableRule(t.Context(), &eventbridge.DisableRuleInput{Name: aws.String("trailwarden-watch")}))
	ok(t)(rules.RemoveTargets(t.Context(), &eventbridge.RemoveTargetsInput{Rule: aws.String("trailwarden-watch"), Ids: []string{"queue"}}))
	s.query(t, "iam", "DetachRolePolicy", url.Values{"RoleName": {"trailwarden-sweep"}, "PolicyArn": {"arn:aws:iam::" + motoAccount + ":policy/trailwarden-repair"}})
	s.call(t, "lambda", "PUT", "/2017-10-31/functions/trailwarden-react/concurrency", `{"ReservedConcurrentExecutions":0}`)
	s.call(t, "lambda", "PUT", "/2015-03-31/functions/trailwarden-react/code", `{"ZipFile":"`+base64.StdEncoding.EncodeToString(zipped(t, os.Args[0]))+`"}`)
	want := []string{"lambda.code", "lambda.throttled", "bus.rule-disabled", "bus.targets-removed", "iam.policy-detached"}
	if diff := cmp.Diff(want, look()); diff != "" {
		t.Errorf("after tampering selfwatch finds (-want +got)\n%s", diff)
	}
}

// destroyed deletes the stack and sees that evidence is what stays.
func (s stack) destroyed(t *testing.T) {
	t.Helper()
	var before struct {
		Members []struct {
			ID   string `xml:"LogicalResourceId"`
			Type string `xml:"ResourceType"`
		} `xml:"DescribeStackResourcesResult>StackResources>member"`
	}
	ok(t)(nil, xml.Unmarshal(s.query(t, "cloudformation", "DescribeStackResources", url.Values{"StackName": {"trailwarden"}}), &before))
	if len(before.Members) < 15 {
		t.Errorf("moto made %d resources", len(before.Members))
	}
	for _, role := range []string{"trailwarden-react", "trailwarden-sweep"} { // which the test attached
		for _, policy := range []string{"watch", "self", "repair"} {
			if role != "trailwarden-sweep" || policy != "repair" {
				s.query(t, "iam", "DetachRolePolicy", url.Values{"RoleName": {role}, "PolicyArn": {"arn:aws:iam::" + motoAccount + ":policy/trailwarden-" + policy}})
			}
		}
	}
	s.query(t, "cloudformation", "DeleteStack", url.Values{"StackName": {"trailwarden"}})
	var functions struct {
		Functions []struct{ FunctionName string }
	}
	ok(t)(nil, json.Unmarshal(s.call(t, "lambda", "GET", "/2015-03-31/functions", ""), &functions))
	if len(functions.Functions) != 0 {
		t.Errorf("functions stay: %+v", functions)
	}
	rules, err := eventbridge.NewFromConfig(s.admin).ListRules(t.Context(), &eventbridge.ListRulesInput{})
	ok(t)(rules, err)
	if len(rules.Rules) != 0 {
		t.Errorf("rules stay: %d", len(rules.Rules))
	}
	tables := s.call(t, "dynamodb", "POST", "/", "{}", "X-Amz-Target", "DynamoDB_20120810.ListTables")
	if !strings.Contains(string(tables), `"trailwarden"`) {
		t.Errorf("the ledger is gone with the stack: %s", tables)
	}
	queues, err := sqs.NewFromConfig(s.admin).ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String("trailwarden")})
	ok(t)(queues, err)
	if len(queues.QueueUrls) != 1 || !strings.HasSuffix(queues.QueueUrls[0], "/trailwarden-dead-letters") {
		t.Errorf("of the queues there stay %v, want the dead letters, which are evidence", queues.QueueUrls)
	}
	groups := s.call(t, "logs", "POST", "/", "{}", "X-Amz-Target", "Logs_20140328.DescribeLogGroups")
	for _, name := range []string{"/aws/lambda/trailwarden-react", "/aws/lambda/trailwarden-sweep"} {
		if !strings.Contains(string(groups), name) {
			t.Errorf("the log %s is gone with the stack", name)
		}
	}
}
