// Package deployment answers for the parts that trailwarden.yaml deploys and sim has no model of: functions, mapping, rule, timer, queue
// and policies, as they are read by whoever looks whether all is as deployed. Tests change them as an attacker would.
package deployment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

const (
	Account = "111122223333"
	Region  = "eu-central-1"
	React   = "trailwarden-react"
	Sweep   = "trailwarden-sweep"
	Watch   = "trailwarden-watch"
	Queue   = "arn:aws:sqs:" + Region + ":" + Account + ":trailwarden-events"
	Role    = "arn:aws:iam::" + Account + ":role/" // of a function, by its name
	Repair  = "arn:aws:iam::" + Account + ":policy/trailwarden-repair"
	dead    = "arn:aws:sqs:" + Region + ":" + Account + ":trailwarden-dead-letters"
	rule    = "arn:aws:events:" + Region + ":" + Account + ":rule/" + Watch
)

// Self is TRAILWARDEN_SELF of this deployment.
const Self = `{"code_sha256":"good","queue":"` + Queue + `","repair_policy":"` + Repair + `",
"react":{"name":"` + React + `","role":"` + Role + React + `"},"sweep":{"name":"` + Sweep + `","role":"` + Role + Sweep + `"},
"rule":{"name":"` + Watch + `","account":"` + Account + `"},
"schedule":{"group":"trailwarden","name":"` + Sweep + `","expression":"rate(1 minute)","role":"` + Role + `trailwarden-timer"},
"events":{"dead_letters":"` + dead + `","senders":["` + rule + `"]}}`

// Pattern is that of the rule.
const Pattern = `{"source":["aws.cloudtrail"],"detail-type":["AWS API Call via CloudTrail"],"account":["` + Account + `"],"detail":{"eventSource":["cloudtrail.amazonaws.com"],
"eventName":["StopLogging","StartLogging","UpdateTrail","DeleteTrail","CreateTrail","AddTags","RemoveTags","PutEventSelectors","PutInsightSelectors","PutEventConfiguration"]}}`

// Policy is that of the queue, as SQS gives it back.
const Policy = `{"Version":"2012-10-17","Statement":[
{"Sid":"OnlyTheseRulesSend","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"SQS:SendMessage","Resource":"` + Queue + `","Condition":{"ArnEquals":{"aws:SourceArn":"` + rule + `"}}},
{"Sid":"OnlyTheFunctionReceives","Effect":"Deny","Principal":"*","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:ChangeMessageVisibility"],"Resource":"` + Queue + `",
"Condition":{"ArnNotEquals":{"aws:PrincipalArn":"` + Role + React + `"}}},
{"Sid":"NobodyPurges","Effect":"Deny","Principal":{"AWS":"*"},"Action":"sqs:PurgeQueue","Resource":"` + Queue + `"},
{"Sid":"OnlyOverTLS","Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"` + Queue + `","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`

// Deployment is an http.Handler that answers for one deployment. Its parts have the members of AWS's own answers.
type Deployment struct {
	Next http.Handler // what it does not answer; nil for nothing more

	mu    sync.Mutex
	parts Parts
	hosts map[string]string
}

// Parts are what was deployed.
type Parts struct {
	Functions   map[string]map[string]any // by name
	Concurrency map[string]any            // by name
	Mappings    []map[string]any
	Rule        map[string]any // nil when it was deleted, as with Timer and Queue
	Targets     []map[string]any
	Attached    map[string][]string // policies, by role
	Timer       map[string]any
	Queue       map[string]string // its attributes
	Refuse      map[string]string // operation -> error code
}

// Environment are the variables of a function.
func (p *Parts) Environment(function string) map[string]any {
	return p.Functions[function]["Environment"].(map[string]any)["Variables"].(map[string]any)
}

// New is a deployment that is whole.
func New() *Deployment {
	d := &Deployment{hosts: map[string]string{}}
	d.Heal()
	return d
}

// Heal makes it whole again.
func (d *Deployment) Heal() { d.Change(func(p *Parts) { *p = whole() }) }

// Change changes its parts.
func (d *Deployment) Change(how func(*Parts)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	how(&d.parts)
}

// Hosts are where each service was asked, and the Region that the request was signed for.
func (d *Deployment) Hosts() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.hosts)
}

func whole() Parts {
	function := func(name string) map[string]any {
		return map[string]any{"FunctionName": name, "CodeSha256": "good", "Role": Role + name, "Runtime": "provided.al2023", "State": "Active", "Timeout": 60, "MemorySize": 256,
			"Environment": map[string]any{"Variables": map[string]any{"TRAILWARDEN_OBSERVE": "false", "TRAILWARDEN_SELF": Self}}}
	}
	return Parts{
		Functions:   map[string]map[string]any{React: function(React), Sweep: function(Sweep)},
		Concurrency: map[string]any{},
		Mappings:    []map[string]any{{"UUID": "u1", "State": "Enabled", "EventSourceArn": Queue, "FunctionResponseTypes": []string{"ReportBatchItemFailures"}}},
		Rule:        map[string]any{"State": "ENABLED", "EventPattern": Pattern},
		Targets:     []map[string]any{{"Id": "queue", "Arn": Queue}},
		Attached:    map[string][]string{React: {"arn:aws:iam::" + Account + ":policy/trailwarden-watch", Repair}, Sweep: {Repair}},
		Timer: map[string]any{"State": "ENABLED", "ScheduleExpression": "rate(1 minute)", "FlexibleTimeWindow": map[string]any{"Mode": "OFF"},
			"Target": map[string]any{"Arn": "arn:aws:lambda:" + Region + ":" + Account + ":function:" + Sweep, "RoleArn": Role + "trailwarden-timer", "Input": `{"sweep":true}`}},
		Queue: map[string]string{"QueueArn": Queue, "VisibilityTimeout": "360", "MessageRetentionPeriod": "1209600", "DelaySeconds": "0", "MaximumMessageSize": "1048576",
			"SqsManagedSseEnabled": "true", "RedrivePolicy": `{"deadLetterTargetArn":"` + dead + `","maxReceiveCount":5}`, "Policy": Policy},
		Refuse: map[string]string{},
	}
}

func (d *Deployment) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	op, out := d.parts.answer(r, body)
	code := d.parts.Refuse[op]
	if _, credential, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		scope := strings.Split(credential, "/")
		d.hosts[scope[3]] = r.Host + " " + scope[2]
	}
	d.mu.Unlock()
	switch {
	case op == "" && d.Next != nil:
		r.Body = io.NopCloser(bytes.NewReader(body))
		d.Next.ServeHTTP(w, r)
	case op == "":
		http.NotFound(w, r)
	case code != "" && op == "ListAttachedRolePolicies":
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>", code)
	case code != "":
		refuse(w, http.StatusBadRequest, "com.amazonaws#"+code, "no")
	case out == nil && op == "GetQueueAttributes":
		refuse(w, http.StatusBadRequest, "com.amazonaws.sqs#QueueDoesNotExist", "none")
	case out == nil:
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", "none")
	default:
		if text, ok := out.(string); ok {
			_, _ = io.WriteString(w, text)
			return
		}
		_ = json.NewEncoder(w).Encode(out)
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
}

// answer finds the operation, empty for one that it does not answer, and its answer, nil when the thing was deleted.
func (p *Parts) answer(r *http.Request, body []byte) (op string, out any) {
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	last := part[len(part)-1]
	_, target, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	form, _ := url.ParseQuery(string(body))
	switch {
	case len(part) == 4 && last == "configuration":
		if f, ok := p.Functions[part[2]]; ok {
			out = f
		}
		return "GetFunctionConfiguration", out
	case len(part) == 4 && last == "concurrency":
		return "GetFunctionConcurrency", map[string]any{"ReservedConcurrentExecutions": p.Concurrency[part[2]]}
	case last == "event-source-mappings":
		return "ListEventSourceMappings", map[string]any{"EventSourceMappings": p.Mappings}
	case len(part) == 2 && part[0] == "schedules":
		if p.Timer != nil && last == Sweep && r.URL.Query().Get("groupName") == "trailwarden" {
			out = p.Timer
		}
		return "GetSchedule", out
	case target == "DescribeRule":
		if p.Rule != nil {
			out = p.Rule
		}
		return target, out
	case target == "ListTargetsByRule":
		return target, map[string]any{"Targets": p.Targets}
	case target == "GetQueueAttributes" && strings.Contains(string(body), "/trailwarden-events"):
		if p.Queue != nil {
			out = map[string]any{"Attributes": p.Queue}
		}
		return target, out
	case form.Get("Action") == "ListAttachedRolePolicies":
		return form.Get("Action"), attached(p.Attached[form.Get("RoleName")], form.Get("Marker"))
	}
	return "", nil
}

// attached lists policies, in two pages as IAM may.
func attached(list []string, marker string) string {
	more := ""
	if len(list) > 1 && marker == "" {
		list, more = list[:1], "<IsTruncated>true</IsTruncated><Marker>m</Marker>"
	} else if len(list) > 1 {
		list = slices.Clone(list[1:])
	}
	var b strings.Builder
	for _, arn := range list {
		fmt.Fprintf(&b, "<member><PolicyName>x</PolicyName><PolicyArn>%s</PolicyArn></member>", arn)
	}
	return "<ListAttachedRolePoliciesResponse><ListAttachedRolePoliciesResult><AttachedPolicies>" + b.String() + "</AttachedPolicies>" + more +
		"</ListAttachedRolePoliciesResult></ListAttachedRolePoliciesResponse>"
}

// Way is one way to switch trailwarden off, or to blind it, unseen.
type Way struct {
	Name string
	Do   func(*Parts)
	Want []string // findings: rule and resource
}

// Ways are those that a look at the deployment sees.
func Ways() []Way {
	var all []Way
	way := func(name, want string, do func(*Parts)) {
		all = append(all, Way{name, do, strings.Split(want, ", ")})
	}
	for _, f := range []string{React, Sweep} {
		way(f+": other code", "lambda.code "+f, func(p *Parts) { p.Functions[f]["CodeSha256"] = "evil" })
		way(f+": another role", "lambda.config "+f, func(p *Parts) { p.Functions[f]["Role"] = Role + "weak" })
		way(f+": a layer", "lambda.config "+f, func(p *Parts) {
			p.Functions[f]["Layers"] = []map[string]any{{"Arn": "arn:aws:lambda:eu-central-1:1:layer:x:1"}}
		})
		way(f+": in a network that leads nowhere", "lambda.config "+f, func(p *Parts) { p.Functions[f]["VpcConfig"] = map[string]any{"SubnetIds": []string{"subnet-1"}} })
		way(f+": a second to run", "lambda.config "+f, func(p *Parts) { p.Functions[f]["Timeout"] = 1 })
		way(f+": observe mode by the environment", "lambda.config "+React, func(p *Parts) { p.Environment(f)["TRAILWARDEN_OBSERVE"] = "true" })
		way(f+": told to look for nothing", "lambda.config "+React, func(p *Parts) { delete(p.Environment(f), "TRAILWARDEN_SELF") })
		way(f+": a wrapper", "lambda.config "+f+", lambda.config "+React, func(p *Parts) { p.Environment(f)["AWS_LAMBDA_EXEC_WRAPPER"] = "/x" })
		way(f+": deleted", "lambda.deleted "+f, func(p *Parts) { delete(p.Functions, f) })
		way(f+": concurrency 0", "lambda.throttled "+f, func(p *Parts) { p.Concurrency[f] = 0 })
		way(f+": repairs off", "iam.policy-detached "+Role+f, func(p *Parts) { p.Attached[f] = nil })
	}
	way("mapping off", "lambda.mapping-changed "+Queue, func(p *Parts) { p.Mappings[0]["State"] = "Disabled" })
	way("mapping deleted", "lambda.mapping-deleted "+Queue, func(p *Parts) { p.Mappings = nil })
	way("mapping of another queue", "lambda.mapping-deleted "+Queue, func(p *Parts) { p.Mappings[0]["EventSourceArn"] = Queue + "2" })
	way("mapping with a filter", "lambda.mapping-changed "+Queue, func(p *Parts) {
		p.Mappings[0]["FilterCriteria"] = map[string]any{"Filters": []map[string]string{{"Pattern": `{"body":{"x":["y"]}}`}}}
	})
	way("mapping that takes no answer", "lambda.mapping-changed "+Queue, func(p *Parts) { delete(p.Mappings[0], "FunctionResponseTypes") })
	way("mapping that collects", "lambda.mapping-changed "+Queue, func(p *Parts) { p.Mappings[0]["MaximumBatchingWindowInSeconds"] = 300 })
	way("rule off", "bus.rule-disabled "+Watch, func(p *Parts) { p.Rule["State"] = "DISABLED" })
	way("rule deleted", "bus.rule-deleted "+Watch, func(p *Parts) { p.Rule = nil })
	pattern := func(old, new string) func(*Parts) {
		return func(p *Parts) { p.Rule["EventPattern"] = strings.Replace(Pattern, old, new, 1) }
	}
	way("a call left out", "bus.rule-changed "+Watch, pattern(`"StopLogging",`, ""))
	way("another account", "bus.rule-changed "+Watch, pattern(Account, "444455556666"))
	way("a condition added", "bus.rule-changed "+Watch, pattern(`"eventName"`, `"userAgent":["x"],"eventName"`))
	way("target gone", "bus.targets-removed "+Watch, func(p *Parts) { p.Targets = nil })
	way("target replaced", "bus.targets-removed "+Watch, func(p *Parts) { p.Targets[0]["Arn"] = Queue + "2" })
	way("a constant instead of the event", "bus.targets-changed "+Watch, func(p *Parts) { p.Targets[0]["Input"] = "{}" })
	way("a listener", "bus.targets-changed "+Watch, func(p *Parts) { p.Targets = append(p.Targets, map[string]any{"Arn": Queue + "2"}) })
	timer := "bus.schedule-changed " + Sweep
	way("timer off", timer, func(p *Parts) { p.Timer["State"] = "DISABLED" })
	way("timer deleted", "bus.schedule-deleted "+Sweep, func(p *Parts) { p.Timer = nil })
	way("timer once a year", timer, func(p *Parts) { p.Timer["ScheduleExpression"] = "rate(365 days)" })
	way("timer of another function", timer, func(p *Parts) {
		p.Timer["Target"].(map[string]any)["Arn"] = "arn:aws:lambda:" + Region + ":" + Account + ":function:other"
	})
	way("timer with another input", timer, func(p *Parts) { p.Timer["Target"].(map[string]any)["Input"] = `{"sweep":false}` })
	way("timer with another role", timer, func(p *Parts) { p.Timer["Target"].(map[string]any)["RoleArn"] = Role + "weak" })
	way("timer within a day", timer, func(p *Parts) {
		p.Timer["FlexibleTimeWindow"] = map[string]any{"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1440}
	})
	way("timer that has ended", timer, func(p *Parts) { p.Timer["EndDate"] = 1.7e9 })
	attributes := "notify.queue-attributes " + Queue
	for name, value := range map[string]string{"MessageRetentionPeriod": "60", "VisibilityTimeout": "43200", "DelaySeconds": "900", "MaximumMessageSize": "1024",
		"KmsMasterKeyId": "alias/theirs", "RedrivePolicy": ""} {
		way("queue: "+name, attributes, func(p *Parts) { p.Queue[name] = value })
	}
	way("queue: one try", attributes, func(p *Parts) { p.Queue["RedrivePolicy"] = strings.Replace(p.Queue["RedrivePolicy"], "5}", `"1"}`, 1) })
	way("queue deleted", "notify.queue-deleted "+Queue, func(p *Parts) { p.Queue = nil })
	policy := func(old, new string) func(*Parts) {
		return func(p *Parts) { p.Queue["Policy"] = strings.Replace(Policy, old, new, 1) }
	}
	way("queue: no policy", attributes, func(p *Parts) { delete(p.Queue, "Policy") })
	way("queue: open to another account", attributes, policy(`"Statement":[`, `"Statement":[{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"sqs:*","Resource":"`+Queue+`"},`))
	way("queue: read by others", attributes, policy(`"sqs:ReceiveMessage",`, ""))
	way("queue: purged by others", attributes, policy(`"sqs:PurgeQueue"`, `"sqs:SetQueueAttributes"`))
	way("queue: fed by all rules", attributes, policy(rule, strings.Replace(rule, Watch, "*", 1)))
	way("queue: fed by nobody", attributes, policy(`"Statement":[`, `"Statement":[{"Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"`+Queue+`"},`))
	slices.SortStableFunc(all, func(a, b Way) int { return strings.Compare(a.Name, b.Name) })
	return all
}
