package selfwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/awscall"
)

// codeOf is AWS's code of a refusal, empty where there was no answer.
func codeOf(err error) string {
	if refused, ok := errors.AsType[*awscall.Error](err); ok {
		return refused.Code
	}
	return ""
}

// caller reads. One read may take five seconds.
type caller struct{ awscall.Caller }

const patience = 5 * time.Second

// read makes one read, and says of what where it fails.
func read(ctx context.Context, op, target string, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := call(ctx); err != nil {
		return fmt.Errorf("%s %s: %w", op, target, err)
	}
	return nil
}

func (c caller) get(ctx context.Context, s awscall.Service, op, target, path string, out any) error {
	return read(ctx, op, target, func(ctx context.Context) error { return c.REST(ctx, s, "", http.MethodGet, path, nil, out) })
}

type configuration struct {
	CodeSha256, Role, Runtime, State, LastModified string

	Timeout, MemorySize       int
	Layers, FileSystemConfigs []json.RawMessage
	Environment               struct{ Variables map[string]string }
	VpcConfig                 struct{ SubnetIds []string }
}

func (c caller) configuration(ctx context.Context, name string) (out configuration, err error) {
	return out, c.get(ctx, awscall.Lambda, "GetFunctionConfiguration", name, "/2015-03-31/functions/"+url.PathEscape(name)+"/configuration", &out)
}

// concurrency is what is reserved for a function, nil when nothing is.
func (c caller) concurrency(ctx context.Context, name string) (*int, error) {
	var out struct{ ReservedConcurrentExecutions *int }
	err := c.get(ctx, awscall.Lambda, "GetFunctionConcurrency", name, "/2019-09-30/functions/"+url.PathEscape(name)+"/concurrency", &out)
	return out.ReservedConcurrentExecutions, err
}

type mapping struct {
	UUID, State, EventSourceArn    string
	FilterCriteria                 struct{ Filters []json.RawMessage }
	FunctionResponseTypes          []string
	MaximumBatchingWindowInSeconds int
}

// mappings are those between a queue and a function.
func (c caller) mappings(ctx context.Context, function, queue string) ([]mapping, error) {
	var out struct{ EventSourceMappings []mapping }
	query := url.Values{"EventSourceArn": {queue}, "FunctionName": {function}}
	err := c.get(ctx, awscall.Lambda, "ListEventSourceMappings", function, "/2015-03-31/event-source-mappings?"+query.Encode(), &out)
	var ours []mapping
	for _, m := range out.EventSourceMappings {
		if m.EventSourceArn == queue {
			ours = append(ours, m)
		}
	}
	return ours, err
}

type scheduled struct {
	State, ScheduleExpression string
	StartDate, EndDate        *float64 // seconds since 1970
	FlexibleTimeWindow        struct{ Mode string }
	Target                    struct{ Arn, Input, RoleArn string }
}

func (c caller) timer(ctx context.Context, s Schedule) (out scheduled, err error) {
	path := "/schedules/" + url.PathEscape(s.Name) + "?" + url.Values{"groupName": {s.Group}}.Encode()
	return out, c.get(ctx, awscall.Scheduler, "GetSchedule", s.Name, path, &out)
}

type described struct{ State, EventPattern string }

func (c caller) describeRule(ctx context.Context, name string) (out described, err error) {
	return out, c.events(ctx, "DescribeRule", name, map[string]string{"Name": name}, &out)
}

type target struct {
	Arn, Input, InputPath string
	InputTransformer      map[string]any
}

func (c caller) targets(ctx context.Context, rule string) ([]target, error) {
	var out struct{ Targets []target }
	err := c.events(ctx, "ListTargetsByRule", rule, map[string]string{"Rule": rule}, &out)
	return out.Targets, err
}

func (c caller) events(ctx context.Context, op, target string, in, out any) error {
	return read(ctx, op, target, func(ctx context.Context) error { return c.JSON(ctx, awscall.EventBridge, "", "AWSEvents."+op, in, out) })
}

// attributes are a queue's, all of them.
func (c caller) attributes(ctx context.Context, account, name string) (map[string]string, error) {
	var out struct{ Attributes map[string]string }
	err := read(ctx, "GetQueueAttributes", name, func(ctx context.Context) error {
		at, err := c.Address(ctx, awscall.SQS)
		if err != nil {
			return err
		}
		in := map[string]any{"QueueUrl": at + "/" + account + "/" + name, "AttributeNames": []string{"All"}}
		return c.JSON(ctx, awscall.SQS, "", "AmazonSQS.GetQueueAttributes", in, &out)
	})
	return out.Attributes, err
}

// attached are the ARNs of a role's managed policies.
func (c caller) attached(ctx context.Context, role string) (map[string]bool, error) {
	all := map[string]bool{}
	form := url.Values{"Action": {"ListAttachedRolePolicies"}, "Version": {"2010-05-08"}, "RoleName": {role[strings.LastIndexByte(role, '/')+1:]}}
	for {
		var out struct {
			ARNs      []string `xml:"ListAttachedRolePoliciesResult>AttachedPolicies>member>PolicyArn"`
			Truncated bool     `xml:"ListAttachedRolePoliciesResult>IsTruncated"`
			Marker    string   `xml:"ListAttachedRolePoliciesResult>Marker"`
		}
		if err := read(ctx, "ListAttachedRolePolicies", role, func(ctx context.Context) error { return c.Query(ctx, awscall.IAM, "", form, &out) }); err != nil {
			return nil, err
		}
		for _, arn := range out.ARNs {
			all[arn] = true
		}
		if !out.Truncated || out.Marker == "" || out.Marker == form.Get("Marker") {
			return all, nil
		}
		form.Set("Marker", out.Marker)
	}
}
