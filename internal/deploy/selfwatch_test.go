package deploy

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/selfwatch"
)

// TestSelfwatchExpectsTheTemplate: what was just deployed is as both functions expect it, in an AWS that gives back what the template makes.
func TestSelfwatchExpectsTheTemplate(t *testing.T) {
	for name, stack := range map[string]Made{"everything": everything(t), "least": made(t, "trailwarden", artifact("Mode", "observe"))} {
		for _, id := range []string{"React", "Sweep"} {
			text, given := at(t, stack.Resources[id].Properties, "Environment", "Variables").(map[string]any)[selfwatch.Variable].(string)
			if !given {
				t.Errorf("%s: %s is not told what to look for", name, id)
				continue
			}
			expect, err := selfwatch.Parse(text)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if expect.Schedule == nil || expect.Events == nil {
				t.Errorf("%s: %s is not told of timer and queue", name, id)
			}
			w := selfwatch.Watch{Expect: expect, Config: aws.Config{Region: region, HTTPClient: &http.Client{Transport: asDeployed(t, stack)}, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}}
			found, err := w.Look(t.Context())
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, f := range found {
				t.Errorf("%s: %s finds on what was just deployed: %s %s: %s (want %s, got %s)", name, id, f.Rule, f.Resource, f.Text, f.Want, f.Got)
			}
		}
		var pattern, deployed any
		if err := json.Unmarshal([]byte(selfwatch.Rule{Account: account}.Pattern()), &pattern); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(encode(t, stack.Resources["WatchRule"].Properties["EventPattern"])), &deployed); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(deployed, pattern, sorted); diff != "" {
			t.Errorf("the pattern that people are told to put back (-template +told)\n%s", diff)
		}
	}
}

// sorted compares lists as sets.
var sorted = cmp.Transformer("sorted", func(list []any) map[string]bool {
	set := map[string]bool{}
	for _, x := range list {
		set[fmt.Sprint(x)] = true
	}
	return set
})

// asDeployed answers a look with what a stack's template says.
func asDeployed(t *testing.T, stack Made) roundTrip {
	of := func(id string) map[string]any { return maps.Clone(stack.Resources[id].Properties) }
	return func(r *http.Request) (*http.Response, error) {
		part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		var out any = map[string]any{}
		function := map[string]string{"trailwarden-react": "React", "trailwarden-sweep": "Sweep"}
		switch last := part[len(part)-1]; {
		case last == "configuration":
			f := of(function[part[2]])
			f["CodeSha256"] = of(function[part[2]] + "Code")["CodeSha256"]
			out = f
		case last == "event-source-mappings":
			m := of("ReactMapping")
			m["State"] = "Enabled"
			out = map[string]any{"EventSourceMappings": []any{m}}
		case part[0] == "schedules":
			out = of("SweepTimer")
		case op == "DescribeRule":
			rule := of("WatchRule")
			rule["EventPattern"] = encode(t, rule["EventPattern"])
			out = rule
		case op == "ListTargetsByRule":
			out = of("WatchRule")
		case op == "GetQueueAttributes":
			attributes := map[string]string{"Policy": encode(t, of("QueuePolicy")["PolicyDocument"]), "DelaySeconds": "0"}
			for name, value := range of("Queue") {
				switch value := value.(type) {
				case map[string]any:
					attributes[name] = encode(t, value)
				default:
					attributes[name] = fmt.Sprint(value)
				}
			}
			out = map[string]any{"Attributes": attributes}
		}
		body := encode(t, out)
		if strings.Contains(r.Header.Get("Authorization"), "/iam/") {
			in, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			role := "ReactRole"
			if strings.Contains(string(in), "trailwarden-sweep") {
				role = "SweepRole"
			}
			var members string
			for _, arn := range of(role)["ManagedPolicyArns"].([]any) {
				members += fmt.Sprintf("<member><PolicyArn>%s</PolicyArn></member>", arn)
			}
			body = "<R><ListAttachedRolePoliciesResult><AttachedPolicies>" + members + "</AttachedPolicies></ListAttachedRolePoliciesResult></R>"
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: r}, nil
	}
}
