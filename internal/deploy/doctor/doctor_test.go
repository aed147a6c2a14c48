package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
)

const account, region = "111122223333", "eu-central-1"

type object = map[string]any

// answers is an AWS that answers for one deployment, on the wire; tests change its parts.
type answers struct {
	code      string // of both functions
	target    bool
	attached  bool
	schedule  object
	queue     object // attributes of both queues
	members   string // subscriptions, XML
	alarms    string // XML
	free      int
	refused   string // operation that is denied
	pattern   string
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
		"Name": "trailwarden", "SweepSchedule": "rate(1 minute)", "EnableAlarms": "yes", "SweepReservedConcurrency": "-1", "Release": "v1"}
	made, err := template.Make(deploy.Stack{Account: account, Region: region, Parameters: parameters})
	if err != nil {
		t.Fatal(err)
	}
	d := Deployment{Name: "trailwarden", Now: time.Unix(1e9, 0).Add(24 * time.Hour), View: stack.View{ID: "arn:aws:cloudformation:" + region + ":" + account + ":stack/trailwarden/1", Status: "CREATE_COMPLETE", Protected: true,
		Parameters: parameters, Outputs: made.Outputs, Made: time.Unix(1e9, 0)}}
	x := &answers{code: parameters["ArtifactSha256"], target: true, attached: true, free: 1000,
		schedule: object{"State": "ENABLED", "ScheduleExpression": "rate(1 minute)", "Target": object{"Arn": made.Outputs["SweepFunctionArn"], "RoleArn": "r"}},
		queue:    object{"ApproximateNumberOfMessages": "0", "SqsManagedSseEnabled": "true", "QueueArn": "arn:aws:sqs:" + region + ":" + account + ":trailwarden-dead-letters"},
		members:  "<member><SubscriptionArn>arn:aws:sns:x</SubscriptionArn><Protocol>email</Protocol><Endpoint>security@example.com</Endpoint></member>"}
	for id, r := range made.Resources {
		p := stack.Part{ID: id, Type: r.Type, Status: "CREATE_COMPLETE", Physical: id}
		switch name, _ := r.Properties["AlarmName"].(string); {
		case name != "":
			p.Physical = name
			x.alarms += alarm(name, "OK", true)
		case id == "SweepTimer", id == "SweepGroup":
			p.Physical, _ = r.Properties["Name"].(string)
		}
		d.Parts = append(d.Parts, p)
	}
	pattern, err := json.Marshal(made.Resources["WatchRule"].Properties["EventPattern"])
	if err != nil {
		t.Fatal(err)
	}
	x.pattern = string(pattern)
	d.Config = aws.Config{Region: region, HTTPClient: &http.Client{Transport: x}, BaseEndpoint: aws.String("http://aws.invalid"), Credentials: credentials.NewStaticCredentialsProvider("x", "y", "")}
	return d, x
}

func alarm(name, state string, tells bool) string {
	return fmt.Sprintf("<member><AlarmName>%s</AlarmName><StateValue>%s</StateValue><ActionsEnabled>%t</ActionsEnabled></member>", name, state, tells)
}

func (x *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(b)
	}
	form, _ := url.ParseQuery(body)
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if op == "" {
		op = form.Get("Action")
	}
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if op == "" {
		op = part[0] + " " + part[len(part)-1]
	}
	answer := func(status int, v any) (*http.Response, error) {
		text, ok := v.(string)
		if !ok {
			b, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
		return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
	}
	xml := func(members string) (*http.Response, error) {
		return answer(200, fmt.Sprintf("<%[1]sResponse><%[1]sResult>%s</%[1]sResult></%[1]sResponse>", op, members))
	}
	role := func(name string) string { return "arn:aws:iam::" + account + ":role/" + name }
	switch {
	case op == x.refused && form.Get("Action") != "":
		return answer(403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>")
	case op == x.refused:
		return answer(403, object{"__type": "AccessDeniedException", "message": "no"})
	case part[len(part)-1] == "configuration":
		return answer(200, object{"CodeSha256": x.code, "Role": role(part[2]), "Runtime": "provided.al2023", "State": "Active", "Environment": object{"Variables": object{}}})
	case part[len(part)-1] == "concurrency":
		return answer(200, object{})
	case part[len(part)-1] == "event-source-mappings":
		return answer(200, object{"EventSourceMappings": []object{{"UUID": "u", "State": "Enabled", "FunctionResponseTypes": []string{"ReportBatchItemFailures"}, "EventSourceArn": "arn:aws:sqs:" + region + ":" + account + ":trailwarden-events"}}})
	case strings.Contains(r.URL.Path, "account-settings"):
		return answer(200, object{"AccountLimit": object{"UnreservedConcurrentExecutions": x.free}})
	case strings.HasPrefix(r.URL.Path, "/schedules/"):
		return answer(200, x.schedule)
	case op == "DescribeRule":
		return answer(200, object{"State": "ENABLED", "EventPattern": x.pattern})
	case op == "ListTargetsByRule" && x.target:
		return answer(200, object{"Targets": []object{{"Id": "queue", "Arn": "arn:aws:sqs:" + region + ":" + account + ":trailwarden-events"}}})
	case op == "ListTargetsByRule":
		return answer(200, object{})
	case op == "ListAttachedRolePolicies" && x.attached:
		return xml("<AttachedPolicies><member><PolicyArn>arn:aws:iam::" + account + ":policy/trailwarden-repair</PolicyArn></member></AttachedPolicies>")
	case op == "ListAttachedRolePolicies":
		return xml("")
	case op == "GetQueueAttributes" && x.queueGone:
		return answer(400, object{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"})
	case op == "GetQueueAttributes":
		return answer(200, object{"Attributes": x.queue})
	case op == "ListSubscriptionsByTopic":
		return xml("<Subscriptions>" + x.members + "</Subscriptions>")
	case op == "DescribeAlarms":
		return xml("<MetricAlarms>" + x.alarms + "</MetricAlarms>")
	}
	return answer(404, object{"__type": "UnknownOperationException", "message": op})
}

// What is as deployed is well; each thing that was changed is found, and the command that mends it is said.
func TestExamine(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Deployment, *answers)
		check  string
		status Status
		mend   string // a part of it
	}{
		"as deployed":     {func(*Deployment, *answers) {}, "", OK, ""},
		"other code":      {func(_ *Deployment, x *answers) { x.code = "other" }, "lambda.code", Wrong, "aws lambda update-function-code --function-name trailwarden-react --s3-bucket zips --s3-key k --s3-object-version v"},
		"target removed":  {func(_ *Deployment, x *answers) { x.target = false }, "bus.targets-removed", Wrong, "aws events put-targets --rule trailwarden-watch"},
		"kill switch":     {func(_ *Deployment, x *answers) { x.attached = false }, "iam.policy-detached", Wrong, "trailwarden deploy --repair on"},
		"timer off":       {func(_ *Deployment, x *answers) { x.schedule["State"] = "DISABLED" }, "timer", Wrong, "Enable"},
		"timer slower":    {func(_ *Deployment, x *answers) { x.schedule["ScheduleExpression"] = "rate(1440 minutes)" }, "timer", Wrong, "EventBridge, Schedules"},
		"timer elsewhere": {func(_ *Deployment, x *answers) { x.schedule["Target"] = object{"Arn": "x", "RoleArn": "r"} }, "timer", Wrong, "EventBridge, Schedules"},
		"dead letters":    {func(_ *Deployment, x *answers) { x.queue["ApproximateNumberOfMessages"] = "1" }, "dead letters", Wrong, "aws sqs start-message-move-task --source-arn arn:aws:sqs:eu-central-1:111122223333:trailwarden-dead-letters"},
		"not encrypted":   {func(_ *Deployment, x *answers) { x.queue["SqsManagedSseEnabled"] = "false" }, "queue", Wrong, "SqsManagedSseEnabled=true"},
		"queue gone":      {func(_ *Deployment, x *answers) { x.queueGone = true }, "queue", Wrong, "trailwarden destroy"},
		"nobody told":     {func(_ *Deployment, x *answers) { x.members = "" }, "who is told", Wrong, "aws sns subscribe --topic-arn arn:aws:sns:eu-central-1:111122223333:trailwarden --protocol email --notification-endpoint security@example.com"},
		"not confirmed": {func(_ *Deployment, x *answers) {
			x.members = strings.Replace(x.members, "arn:aws:sns:x", "PendingConfirmation", 1)
		}, "who is told", Waiting, "Confirm subscription"},
		"alarm deleted": {func(_ *Deployment, x *answers) {
			x.alarms = strings.Replace(x.alarms, alarm("trailwarden-no-heartbeat", "OK", true), "", 1)
		}, "alarms", Wrong, "template"},
		"alarm muted":  {func(_ *Deployment, x *answers) { x.set("trailwarden-no-heartbeat", "OK", false) }, "alarms", Wrong, "aws cloudwatch enable-alarm-actions --alarm-names trailwarden-no-heartbeat"},
		"alarm sounds": {func(_ *Deployment, x *answers) { x.set("trailwarden-no-heartbeat", "ALARM", true) }, "alarms", Wrong, "docs/operations.md"},
		"alarm sounds, just begun": {func(d *Deployment, x *answers) {
			x.set("trailwarden-no-heartbeat", "ALARM", true)
			d.Now = d.View.Made.Add(time.Minute)
		}, "alarms", Waiting, "look again"},
		"no concurrency":        {func(_ *Deployment, x *answers) { x.free = 3 }, "Lambda concurrency", Wrong, "--sweep-reserved-concurrency"},
		"not protected":         {func(d *Deployment, _ *answers) { d.View.Protected = false }, "stack", Wrong, "aws cloudformation update-termination-protection --enable-termination-protection --stack-name trailwarden"},
		"half deleted":          {func(d *Deployment, _ *answers) { d.View.Status = "DELETE_FAILED" }, "stack", Wrong, "trailwarden destroy"},
		"may not read alarms":   {func(_ *Deployment, x *answers) { x.refused = "DescribeAlarms" }, "alarms", Unknown, "--print-policy"},
		"may not read the rule": {func(_ *Deployment, x *answers) { x.refused = "DescribeRule" }, "functions, rule, mapping, policies", Unknown, "--print-policy"},
	} {
		t.Run(name, func(t *testing.T) {
			d, x := deployed(t)
			test.change(&d, x)
			found := test.check == ""
			for _, c := range d.Examine(t.Context()) {
				if c.Status != OK && c.Mend == "" {
					t.Errorf("%s is %s, and nothing says how to mend it", c.Name, c.Status)
				}
				if c.Status == OK && c.Mend != "" {
					t.Errorf("%s is well, and is to be mended: %s", c.Name, c.Mend)
				}
				if c.Name == test.check && c.Status == test.status && strings.Contains(c.Mend, test.mend) {
					found = true
				} else if c.Status != OK && test.check == "" {
					t.Errorf("%s is %s: %s", c.Name, c.Status, c.Text)
				}
			}
			if !found {
				t.Errorf("not found: %s %s, to be mended with %q, but %s", test.check, test.status, test.mend, cmp.Diff([]Check{}, d.Examine(t.Context())))
			}
		})
	}
}

func (x *answers) set(name, state string, tells bool) {
	x.alarms = strings.Replace(x.alarms, alarm(name, "OK", true), alarm(name, state, tells), 1)
}

func TestRoleOf(t *testing.T) {
	for in, want := range map[string]string{
		"arn:aws:sts::111122223333:assumed-role/daemon/i-1": "arn:aws:iam::111122223333:role/daemon",
		"arn:aws:iam::111122223333:user/alice":              "arn:aws:iam::111122223333:user/alice",
	} {
		if got := RoleOf(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
