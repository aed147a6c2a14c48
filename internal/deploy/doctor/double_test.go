package doctor

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
	"github.com/trailwarden/trailwarden/internal/selfwatch"
)

const account, region = "111122223333", "eu-central-1"

type object = map[string]any

// answers is an AWS that answers for one deployment, on the wire; tests change its parts. Its answers are made of the template.
type answers struct {
	made      deploy.Made
	code      string // of both functions
	target    bool
	schedule  object
	queue     object // attributes of both queues
	topic     map[string]string
	members   string              // subscriptions, XML
	alarms    string              // XML
	attached  map[string][]string // policy ARNs by role
	inline    map[string]map[string]any
	documents map[string][]any  // versions of managed policies, the last of which is in force
	boundary  map[string]string // by role
	trust     map[string]any
	rules     map[string]object // state and pattern
	table     object
	backups   string
	swept     time.Time
	free      int
	denied    map[string]string // by what denies them: actions that a simulation denies
	simulated []string          // actions and resources that were asked about
	refused   string            // operation that is denied
	dead      string            // operation that is never answered
	queueGone bool
}

// deployed is the stack of the template, and an AWS in which it is as deployed.
func deployed(t *testing.T) (Deployment, *answers) {
	t.Helper()
	template, err := deploy.Load("trailwarden")
	if err != nil {
		t.Fatal(err)
	}
	parameters := map[string]string{"ArtifactBucket": "zips", "ArtifactKey": "k", "ArtifactVersion": "v", "ArtifactSha256": strings.Repeat("A", 43) + "=", "NotificationEmail": "security@example.com",
		"Name": "trailwarden", "SweepSchedule": "rate(1 minute)", "EnableAlarms": "yes", "SweepReservedConcurrency": "-1", "Release": "v1", "RestoreTrailArns": "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"}
	made, err := template.Make(deploy.Stack{Account: account, Region: region, Parameters: parameters})
	if err != nil {
		t.Fatal(err)
	}
	d := Deployment{Name: "trailwarden", Made: made, Now: time.Unix(1e9, 0).Add(24 * time.Hour), View: stack.View{ID: "arn:aws:cloudformation:" + region + ":" + account + ":stack/trailwarden/1", Status: "CREATE_COMPLETE", Protected: true,
		Parameters: parameters, Outputs: made.Outputs, Made: time.Unix(1e9, 0)}}
	timer := made.Resources["SweepTimer"].Properties
	x := &answers{made: made, code: parameters["ArtifactSha256"], target: true, free: 1000, swept: d.Now.Add(-time.Minute), backups: "ENABLED",
		schedule: object{"State": "ENABLED", "ScheduleExpression": "rate(1 minute)", "Target": timer["Target"], "FlexibleTimeWindow": object{"Mode": "OFF"}},
		queue: object{"ApproximateNumberOfMessages": "0", "SqsManagedSseEnabled": "true", "QueueArn": "arn:aws:sqs:" + region + ":" + account + ":trailwarden-dead-letters",
			"MessageRetentionPeriod": fmt.Sprint(selfwatch.Retention), "VisibilityTimeout": fmt.Sprint(selfwatch.Visibility), "DelaySeconds": "0", "MaximumMessageSize": "1048576",
			"RedrivePolicy": text(made.Resources["Queue"].Properties["RedrivePolicy"])},
		topic:    map[string]string{"Policy": text(made.Resources["TopicPolicy"].Properties["PolicyDocument"])},
		table:    object{"DeletionProtectionEnabled": true},
		members:  "<member><SubscriptionArn>arn:aws:sns:x</SubscriptionArn><Protocol>email</Protocol><Endpoint>security@example.com</Endpoint></member>",
		attached: map[string][]string{}, inline: map[string]map[string]any{}, documents: map[string][]any{}, boundary: map[string]string{}, trust: map[string]any{}, rules: map[string]object{}, denied: map[string]string{}}
	for id, r := range made.Resources {
		p := stack.Part{ID: id, Type: r.Type, Status: "CREATE_COMPLETE", Physical: id}
		name := fmt.Sprint(r.Properties["RoleName"])
		switch r.Type {
		case "AWS::CloudWatch::Alarm":
			p.Physical = fmt.Sprint(r.Properties["AlarmName"])
			x.alarms += x.alarm(p.Physical, "OK", true)
		case "AWS::Events::Rule":
			x.rules[fmt.Sprint(r.Properties["Name"])] = object{"State": "ENABLED", "EventPattern": text(r.Properties["EventPattern"])}
		case "AWS::IAM::ManagedPolicy":
			p.Physical = "arn:aws:iam::" + account + ":policy/" + fmt.Sprint(r.Properties["ManagedPolicyName"])
			x.documents[p.Physical] = []any{r.Properties["PolicyDocument"]}
		case "AWS::IAM::Role":
			x.boundary[name], x.trust[name] = fmt.Sprint(r.Properties["PermissionsBoundary"]), r.Properties["AssumeRolePolicyDocument"]
			list, _ := r.Properties["ManagedPolicyArns"].([]any)
			for _, arn := range list {
				x.attached[name] = append(x.attached[name], fmt.Sprint(arn))
			}
			x.inline[name] = map[string]any{}
			list, _ = r.Properties["Policies"].([]any)
			for _, one := range list {
				one := one.(object)
				x.inline[name][fmt.Sprint(one["PolicyName"])] = one["PolicyDocument"]
			}
		}
		d.Parts = append(d.Parts, p)
	}
	d.Config = over(x)
	return d, x
}

// over is a configuration with which every call goes to a double.
func over(double http.RoundTripper) aws.Config {
	return aws.Config{Region: region, HTTPClient: &http.Client{Transport: double}, BaseEndpoint: aws.String("http://aws.invalid"), Credentials: credentials.NewStaticCredentialsProvider("x", "y", "")}
}

// asked is a call's operation, where the protocol names one, its form and its body.
func asked(r *http.Request) (op string, form url.Values, body string, err error) {
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return "", nil, "", err
		}
		body = string(b)
	}
	form, _ = url.ParseQuery(body) // a body that is JSON is no form
	if _, op, _ = strings.Cut(r.Header.Get("X-Amz-Target"), "."); op == "" {
		op = form.Get("Action")
	}
	return op, form, body, nil
}

func xmlOf(op, members string) string {
	return fmt.Sprintf("<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", op, members)
}

const denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: x may not</Message></Error></ErrorResponse>"

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (x *answers) alarm(name, state string, tells bool) string {
	for _, r := range x.made.Resources {
		if p := r.Properties; r.Type == "AWS::CloudWatch::Alarm" && fmt.Sprint(p["AlarmName"]) == name {
			actions, _ := p["AlarmActions"].([]any)
			return fmt.Sprintf("<member><AlarmName>%s</AlarmName><StateValue>%s</StateValue><ActionsEnabled>%t</ActionsEnabled><Namespace>%v</Namespace><MetricName>%v</MetricName><ComparisonOperator>%v</ComparisonOperator>"+
				"<Threshold>%v</Threshold><Period>%v</Period><EvaluationPeriods>%v</EvaluationPeriods><TreatMissingData>%v</TreatMissingData><AlarmActions><member>%v</member></AlarmActions></member>",
				name, state, tells, p["Namespace"], p["MetricName"], p["ComparisonOperator"], p["Threshold"], p["Period"], p["EvaluationPeriods"], p["TreatMissingData"], actions[0])
		}
	}
	return ""
}

func (x *answers) set(name, state string, tells bool) {
	x.alarms = strings.Replace(x.alarms, x.alarm(name, "OK", true), x.alarm(name, state, tells), 1)
}

func (x *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	op, form, body, err := asked(r)
	if err != nil {
		return nil, err
	}
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if op == "" {
		op = part[0] + " " + part[len(part)-1]
	}
	if op == x.dead {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	answer := func(status int, v any) (*http.Response, error) {
		whole, ok := v.(string)
		if !ok {
			whole = text(v)
		}
		return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(whole)), Request: r}, nil
	}
	result := func(members string) (*http.Response, error) {
		return answer(200, xmlOf(op, members))
	}
	var in struct{ Name, Rule, QueueUrl string }
	_ = json.Unmarshal([]byte(body), &in) // of the calls that are JSON
	switch {
	case op == x.refused && form.Get("Action") != "":
		return answer(403, denied)
	case op == x.refused:
		return answer(403, object{"__type": "AccessDeniedException", "message": "no"})
	case part[len(part)-1] == "configuration":
		id := map[string]string{"trailwarden-react": "React", "trailwarden-sweep": "Sweep"}[part[2]]
		p := x.made.Resources[id].Properties
		return answer(200, object{"CodeSha256": x.code, "Role": p["Role"], "Runtime": p["Runtime"], "State": "Active", "Environment": p["Environment"], "Timeout": p["Timeout"], "MemorySize": p["MemorySize"]})
	case part[len(part)-1] == "concurrency":
		return answer(200, object{})
	case part[len(part)-1] == "event-source-mappings":
		p := x.made.Resources["ReactMapping"].Properties
		return answer(200, object{"EventSourceMappings": []object{{"UUID": "u", "State": "Enabled", "EventSourceArn": p["EventSourceArn"], "BatchSize": p["BatchSize"], "FunctionResponseTypes": p["FunctionResponseTypes"], "ScalingConfig": p["ScalingConfig"]}}})
	case strings.Contains(r.URL.Path, "account-settings"):
		return answer(200, object{"AccountLimit": object{"UnreservedConcurrentExecutions": x.free}})
	case strings.HasPrefix(r.URL.Path, "/schedules/"):
		return answer(200, x.schedule)
	case op == "DescribeRule" && x.rules[in.Name] != nil:
		return answer(200, x.rules[in.Name])
	case op == "DescribeRule":
		return answer(400, object{"__type": "ResourceNotFoundException", "message": "no"})
	case op == "ListTargetsByRule":
		var targets []object
		for _, rule := range x.made.Resources {
			list, _ := rule.Properties["Targets"].([]any)
			for _, target := range list {
				if fmt.Sprint(rule.Properties["Name"]) == in.Rule && x.target {
					targets = append(targets, object{"Id": "queue", "Arn": target.(object)["Arn"]})
				}
			}
		}
		return answer(200, object{"Targets": targets})
	case op == "GetQueueAttributes" && x.queueGone:
		return answer(400, object{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"})
	case op == "GetQueueAttributes":
		attributes := object{}
		for name, value := range x.queue {
			attributes[name] = value
		}
		if id := map[bool]string{true: "DeadLettersPolicy", false: "QueuePolicy"}[strings.Contains(in.QueueUrl, "dead")]; attributes["Policy"] == nil {
			attributes["Policy"] = text(x.made.Resources[id].Properties["PolicyDocument"])
		}
		return answer(200, object{"Attributes": attributes})
	case op == "ListSubscriptionsByTopic":
		return result("<Subscriptions>" + x.members + "</Subscriptions>")
	case op == "GetTopicAttributes":
		entries := ""
		for name, value := range x.topic {
			entries += "<entry><key>" + name + "</key><value>" + escaped(value) + "</value></entry>"
		}
		return result("<Attributes>" + entries + "</Attributes>")
	case op == "DescribeAlarms":
		return result("<MetricAlarms>" + x.alarms + "</MetricAlarms>")
	case op == "GetMetricStatistics":
		return result("<Datapoints><member><Timestamp>" + x.swept.UTC().Format(time.RFC3339) + "</Timestamp><Sum>1</Sum></member></Datapoints>")
	case op == "DescribeTable":
		return answer(200, object{"Table": x.table})
	case op == "DescribeContinuousBackups":
		return answer(200, object{"ContinuousBackupsDescription": object{"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": object{"PointInTimeRecoveryStatus": x.backups}}})
	case op == "SimulatePrincipalPolicy" && x.denied == nil:
		return answer(403, denied)
	case op == "SimulatePrincipalPolicy":
		return result(x.simulation(form))
	}
	if members, ok := x.identity(op, form); ok {
		return result(members)
	}
	if form.Get("Action") != "" {
		return answer(404, "<ErrorResponse><Error><Code>NoSuchEntity</Code><Message>"+op+"</Message></Error></ErrorResponse>")
	}
	return answer(400, object{"__type": "UnknownOperationException", "message": op})
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a builder takes everything
	return b.String()
}

// identity answers for IAM, which hands documents out percent-encoded.
func (x *answers) identity(op string, form url.Values) (string, bool) {
	role, arn := form.Get("RoleName"), form.Get("PolicyArn")
	document := func(v any) string { return url.PathEscape(text(v)) }
	switch {
	case op == "GetRole" && x.trust[role] != nil:
		return fmt.Sprintf("<Role><RoleName>%s</RoleName><AssumeRolePolicyDocument>%s</AssumeRolePolicyDocument><PermissionsBoundary><PermissionsBoundaryArn>%s</PermissionsBoundaryArn></PermissionsBoundary></Role>",
			role, document(x.trust[role]), x.boundary[role]), true
	case op == "ListAttachedRolePolicies":
		out := ""
		for _, arn := range x.attached[role] {
			out += "<member><PolicyArn>" + escaped(arn) + "</PolicyArn></member>"
		}
		return "<AttachedPolicies>" + out + "</AttachedPolicies>", true
	case op == "ListRolePolicies":
		out := ""
		for name := range x.inline[role] {
			out += "<member>" + name + "</member>"
		}
		return "<PolicyNames>" + out + "</PolicyNames>", true
	case op == "GetRolePolicy":
		return "<PolicyDocument>" + document(x.inline[role][form.Get("PolicyName")]) + "</PolicyDocument>", true
	case op == "GetPolicy" && len(x.documents[arn]) > 0:
		return fmt.Sprintf("<Policy><DefaultVersionId>v%d</DefaultVersionId></Policy>", len(x.documents[arn])), true
	case op == "GetPolicyVersion":
		n := int(form.Get("VersionId")[1] - '1')
		return "<PolicyVersion><Document>" + document(x.documents[arn][n]) + "</Document></PolicyVersion>", true
	case op == "ListPolicyVersions":
		out := ""
		for n := range x.documents[arn] {
			out += fmt.Sprintf("<member><VersionId>v%d</VersionId></member>", n+1)
		}
		return "<Versions>" + out + "</Versions>", true
	}
	return "", false
}

// simulation allows everything but what is denied.
func (x *answers) simulation(form url.Values) string {
	out := ""
	resource := form.Get("ResourceArns.member.1")
	for n := 1; form.Has(fmt.Sprintf("ActionNames.member.%d", n)); n++ {
		action := form.Get(fmt.Sprintf("ActionNames.member.%d", n))
		x.simulated = append(x.simulated, action+" "+resource)
		decision, more := "allowed", ""
		switch x.denied[action] {
		case byOrganization:
			decision, more = "explicitDeny", "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations></OrganizationsDecisionDetail>"
		case byBoundary:
			decision, more = "implicitDeny", "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>false</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>"
		case byPolicies:
			decision = "implicitDeny"
		}
		out += fmt.Sprintf("<member><EvalActionName>%s</EvalActionName><EvalDecision>%s</EvalDecision>%s</member>", action, decision, more)
	}
	return "<EvaluationResults>" + out + "</EvaluationResults>"
}

// without is a list without one of its items.
func without(list []string, item string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == item })
}
