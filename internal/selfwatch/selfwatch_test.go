package selfwatch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
)

const expected = `{"code_sha256":"good","queue":"arn:aws:sqs:eu-central-1:111122223333:trailwarden-events","repair_policy":"arn:aws:iam::111122223333:policy/trailwarden-repair",
"react":{"name":"trailwarden-react","role":"arn:aws:iam::111122223333:role/trailwarden-react"},"sweep":{"name":"trailwarden-sweep","role":"arn:aws:iam::111122223333:role/trailwarden-sweep"},
"rule":{"name":"trailwarden-watch","account":"111122223333"}}`

const watched = `{"source":["aws.cloudtrail"],"detail-type":["AWS API Call via CloudTrail"],"account":["111122223333"],"detail":{"eventSource":["cloudtrail.amazonaws.com"],
"eventName":["StopLogging","StartLogging","UpdateTrail","DeleteTrail","CreateTrail","AddTags","RemoveTags","PutEventSelectors","PutInsightSelectors","PutEventConfiguration"]}}`

// deployment is an AWS that answers for one deployment; tests change its parts.
type deployment struct {
	functions   map[string]map[string]any // by name
	concurrency map[string]any            // by name
	mappings    []map[string]any
	rule        map[string]any
	targets     []map[string]any
	attached    map[string][]string // by role
	refuse      map[string]string   // operation -> error code
	hosts       map[string]string   // service in the signature -> host and Region
}

func whole() *deployment {
	function := func(name string) map[string]any {
		return map[string]any{"FunctionName": name, "CodeSha256": "good", "Role": "arn:aws:iam::111122223333:role/" + name, "Runtime": "provided.al2023", "State": "Active",
			"Environment": map[string]any{"Variables": map[string]any{"TRAILWARDEN_OBSERVE": "false"}}}
	}
	return &deployment{
		functions:   map[string]map[string]any{"trailwarden-react": function("trailwarden-react"), "trailwarden-sweep": function("trailwarden-sweep")},
		concurrency: map[string]any{},
		mappings:    []map[string]any{{"UUID": "u1", "State": "Enabled", "EventSourceArn": "arn:aws:sqs:eu-central-1:111122223333:trailwarden-events"}},
		rule:        map[string]any{"State": "ENABLED", "EventPattern": watched},
		targets:     []map[string]any{{"Id": "queue", "Arn": "arn:aws:sqs:eu-central-1:111122223333:trailwarden-events"}},
		attached: map[string][]string{"trailwarden-react": {"arn:aws:iam::111122223333:policy/trailwarden-watch", "arn:aws:iam::111122223333:policy/trailwarden-repair"},
			"trailwarden-sweep": {"arn:aws:iam::111122223333:policy/trailwarden-repair"}},
		refuse: map[string]string{}, hosts: map[string]string{},
	}
}

func (d *deployment) RoundTrip(r *http.Request) (*http.Response, error) {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	scope := strings.Split(credential, "/")
	d.hosts[scope[3]] = r.URL.Host + " " + scope[2]
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var in struct{ Name, Rule string }
	var form url.Values
	if r.Body != nil {
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &in) // IAM's is a form
		form, _ = url.ParseQuery(string(body))
	}
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var out any
	switch {
	case part[len(part)-1] == "configuration":
		op = "GetFunctionConfiguration"
		if f, ok := d.functions[part[2]]; ok {
			out = f
		}
	case part[len(part)-1] == "concurrency":
		op, out = "GetFunctionConcurrency", map[string]any{"ReservedConcurrentExecutions": d.concurrency[part[2]]}
	case part[len(part)-1] == "event-source-mappings":
		op, out = "ListEventSourceMappings", map[string]any{"EventSourceMappings": d.mappings}
	case op == "DescribeRule":
		if d.rule != nil {
			out = d.rule
		}
	case op == "ListTargetsByRule":
		out = map[string]any{"Targets": d.targets}
	case form.Get("Action") == "ListAttachedRolePolicies":
		// In two pages, as IAM may.
		op = form.Get("Action")
		list, more := d.attached[form.Get("RoleName")], ""
		if len(list) > 1 && form.Get("Marker") == "" {
			list, more = list[:1], "<IsTruncated>true</IsTruncated><Marker>m</Marker>"
		} else if len(list) > 1 {
			list = list[1:]
		}
		var b strings.Builder
		for _, arn := range list {
			fmt.Fprintf(&b, "<member><PolicyName>x</PolicyName><PolicyArn>%s</PolicyArn></member>", arn)
		}
		out = "<ListAttachedRolePoliciesResponse><ListAttachedRolePoliciesResult><AttachedPolicies>" + b.String() + "</AttachedPolicies>" + more + "</ListAttachedRolePoliciesResult></ListAttachedRolePoliciesResponse>"
	}
	answer := func(status int, v any) (*http.Response, error) {
		body, ok := v.(string)
		if !ok {
			b, _ := json.Marshal(v)
			body = string(b)
		}
		return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: r}, nil
	}
	switch code := d.refuse[op]; {
	case code != "" && form.Get("Action") != "":
		return answer(403, "<ErrorResponse><Error><Type>Sender</Type><Code>"+code+"</Code><Message>no</Message></Error></ErrorResponse>")
	case code != "":
		return answer(400, map[string]any{"__type": "com.amazonaws#" + code, "message": "no"})
	case out == nil:
		return answer(404, map[string]any{"__type": "ResourceNotFoundException", "message": "none"})
	}
	return answer(200, out)
}

func seen(t *testing.T, d *deployment, region string) ([]string, error) {
	t.Helper()
	e, err := Parse(expected)
	if err != nil {
		t.Fatal(err)
	}
	w := Watch{Expect: e, Config: aws.Config{Region: region, HTTPClient: &http.Client{Transport: d}, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")}}
	findings, err := w.Look(t.Context())
	got := []string{}
	for _, f := range findings {
		got = append(got, f.Rule+" "+f.Resource)
		if f.Text == "" || f.Mend == "" || f.Severity.Rank() < 0 {
			t.Errorf("%s tells too little: %+v", f.Rule, f)
		}
	}
	return got, err
}

// TestLook: a deployment that is whole has no finding, and each way to switch it off unseen has one.
func TestLook(t *testing.T) {
	react, rule := "trailwarden-react", "trailwarden-watch"
	queue := "arn:aws:sqs:eu-central-1:111122223333:trailwarden-events"
	environment := func(d *deployment, name, key, value string) {
		d.functions[name]["Environment"].(map[string]any)["Variables"].(map[string]any)[key] = value
	}
	for _, c := range []struct {
		name   string
		change func(*deployment)
		want   []string
	}{
		{"whole", func(*deployment) {}, []string{}},
		{"other code", func(d *deployment) { d.functions[react]["CodeSha256"] = "evil" }, []string{"lambda.code " + react}},
		{"other code in the sweep", func(d *deployment) { d.functions["trailwarden-sweep"]["CodeSha256"] = "evil" }, []string{"lambda.code trailwarden-sweep"}},
		{"another role", func(d *deployment) { d.functions[react]["Role"] = "arn:aws:iam::111122223333:role/weak" }, []string{"lambda.config " + react}},
		{"a layer", func(d *deployment) {
			d.functions[react]["Layers"] = []map[string]any{{"Arn": "arn:aws:lambda:eu-central-1:1:layer:x:1"}}
		}, []string{"lambda.config " + react}},
		{"observe mode by the environment", func(d *deployment) { environment(d, react, "TRAILWARDEN_OBSERVE", "true") }, []string{"lambda.config " + react}},
		{"a wrapper, in both", func(d *deployment) {
			environment(d, react, "AWS_LAMBDA_EXEC_WRAPPER", "/x")
			environment(d, "trailwarden-sweep", "AWS_LAMBDA_EXEC_WRAPPER", "/x")
		}, []string{"lambda.config " + react, "lambda.config trailwarden-sweep"}},
		{"a function deleted", func(d *deployment) { delete(d.functions, react) }, []string{"lambda.deleted " + react}},
		{"concurrency 0", func(d *deployment) { d.concurrency[react] = 0 }, []string{"lambda.throttled " + react}},
		{"concurrency 5", func(d *deployment) { d.concurrency[react] = 5 }, []string{}},
		{"mapping off", func(d *deployment) { d.mappings[0]["State"] = "Disabled" }, []string{"lambda.mapping-changed " + queue}},
		{"mapping gone", func(d *deployment) { d.mappings = nil }, []string{"lambda.mapping-deleted " + queue}},
		{"mapping of another queue", func(d *deployment) { d.mappings[0]["EventSourceArn"] = queue + "2" }, []string{"lambda.mapping-deleted " + queue}},
		{"rule off", func(d *deployment) { d.rule["State"] = "DISABLED" }, []string{"bus.rule-disabled " + rule}},
		{"rule deleted", func(d *deployment) { d.rule = nil }, []string{"bus.rule-deleted " + rule}},
		{"a call left out", func(d *deployment) { d.rule["EventPattern"] = strings.Replace(watched, `"StopLogging",`, "", 1) }, []string{"bus.rule-changed " + rule}},
		{"another account", func(d *deployment) {
			d.rule["EventPattern"] = strings.Replace(watched, "111122223333", "444455556666", 1)
		}, []string{"bus.rule-changed " + rule}},
		{"a condition added", func(d *deployment) {
			d.rule["EventPattern"] = strings.Replace(watched, `"eventName"`, `"userAgent":["x"],"eventName"`, 1)
		}, []string{"bus.rule-changed " + rule}},
		{"a wider rule", func(d *deployment) { d.rule["EventPattern"] = `{"source":["aws.cloudtrail","aws.s3"]}` }, []string{}},
		{"target gone", func(d *deployment) { d.targets = nil }, []string{"bus.targets-removed " + rule}},
		{"target replaced", func(d *deployment) { d.targets[0]["Arn"] = queue + "2" }, []string{"bus.targets-removed " + rule}},
		{"a constant instead of the event", func(d *deployment) { d.targets[0]["Input"] = "{}" }, []string{"bus.targets-changed " + rule}},
		{"a listener", func(d *deployment) { d.targets = append(d.targets, map[string]any{"Arn": queue + "2"}) }, []string{"bus.targets-changed " + rule}},
		{"the kill switch", func(d *deployment) { d.attached["trailwarden-react"] = nil }, []string{"iam.policy-detached arn:aws:iam::111122223333:role/trailwarden-react"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := whole()
			c.change(d)
			got, err := seen(t, d, "eu-central-1")
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("findings (-want +got)\n%s", diff)
			}
		})
	}
}

// TestRefusedReads: what may not be read is said, hides nothing else, and is no finding.
func TestRefusedReads(t *testing.T) {
	for _, op := range []string{"GetFunctionConfiguration", "GetFunctionConcurrency", "ListEventSourceMappings", "DescribeRule", "ListTargetsByRule", "ListAttachedRolePolicies"} {
		d := whole()
		d.refuse[op] = "AccessDeniedException"
		got, err := seen(t, d, "eu-central-1")
		if len(got) != 0 || err == nil || !strings.Contains(err.Error(), op+" ") || !strings.Contains(err.Error(), "AccessDeniedException: no") {
			t.Errorf("%s refused: findings %v, error %v", op, got, err)
		}
	}
	d := whole()
	d.refuse["DescribeRule"] = "AccessDeniedException"
	d.functions["trailwarden-react"]["CodeSha256"] = "evil"
	if got, err := seen(t, d, "eu-central-1"); len(got) != 1 || err == nil {
		t.Errorf("a refused read hides other code: %v, %v", got, err)
	}
}

// TestEndpoints: each service is asked where it is, and signed for there, in every partition.
func TestEndpoints(t *testing.T) {
	for region, want := range map[string]map[string]string{
		"eu-central-1":  {"lambda": "lambda.eu-central-1.amazonaws.com eu-central-1", "events": "events.eu-central-1.amazonaws.com eu-central-1", "iam": "iam.amazonaws.com us-east-1"},
		"cn-north-1":    {"lambda": "lambda.cn-north-1.amazonaws.com.cn cn-north-1", "events": "events.cn-north-1.amazonaws.com.cn cn-north-1", "iam": "iam.cn-north-1.amazonaws.com.cn cn-north-1"},
		"us-gov-east-1": {"lambda": "lambda.us-gov-east-1.amazonaws.com us-gov-east-1", "events": "events.us-gov-east-1.amazonaws.com us-gov-east-1", "iam": "iam.us-gov.amazonaws.com us-gov-west-1"},
	} {
		d := whole()
		if _, err := seen(t, d, region); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, d.hosts); diff != "" {
			t.Errorf("%s (-want +got)\n%s", region, diff)
		}
	}
	if _, err := seen(t, whole(), "us-iso-east-1"); err == nil || !strings.Contains(err.Error(), "IAM") {
		t.Errorf("where IAM is not known: %v", err)
	}
}

func TestParse(t *testing.T) {
	for _, text := range []string{"", "{}", "null", strings.Replace(expected, `"good"`, `""`, 1), strings.Replace(expected, `"queue"`, `"que"`, 1)} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q is taken for an expectation", text)
		}
	}
}
