package selfwatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
)

// CallError is a read that AWS refused, or that did not come to an end.
type CallError struct {
	Op, Target    string
	Code, Message string // Code is empty when there was no answer
	Err           error
}

func (e *CallError) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("%s %s: %v", e.Op, e.Target, e.Err)
	}
	return fmt.Sprintf("%s %s: %s: %s", e.Op, e.Target, e.Code, e.Message)
}

func (e *CallError) Unwrap() error { return e.Err }

func codeOf(err error) string {
	if call, ok := errors.AsType[*CallError](err); ok {
		return call.Code
	}
	return ""
}

// caller makes signed calls. One of them may take five seconds.
type caller struct{ aws.Config }

const (
	patience = 5 * time.Second
	longest  = 1 << 20 // bytes of an answer
)

type configuration struct {
	CodeSha256, Role, Runtime, State string
	Timeout, MemorySize              int
	Layers, FileSystemConfigs        []json.RawMessage
	Environment                      struct{ Variables map[string]string }
	VpcConfig                        struct{ SubnetIds []string }
}

func (c caller) configuration(ctx context.Context, name string) (out configuration, err error) {
	return out, c.get(ctx, "lambda", "GetFunctionConfiguration", name, "/2015-03-31/functions/"+url.PathEscape(name)+"/configuration", &out)
}

// concurrency is what is reserved for a function, nil when nothing is.
func (c caller) concurrency(ctx context.Context, name string) (*int, error) {
	var out struct{ ReservedConcurrentExecutions *int }
	err := c.get(ctx, "lambda", "GetFunctionConcurrency", name, "/2019-09-30/functions/"+url.PathEscape(name)+"/concurrency", &out)
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
	err := c.get(ctx, "lambda", "ListEventSourceMappings", function, "/2015-03-31/event-source-mappings?"+query.Encode(), &out)
	var ours []mapping
	for _, m := range out.EventSourceMappings {
		if m.EventSourceArn == queue {
			ours = append(ours, m)
		}
	}
	return ours, err
}

func (c caller) get(ctx context.Context, service, op, target, path string, out any) error {
	return c.call(ctx, request{op: op, target: target, service: service, region: c.Region, method: http.MethodGet, path: path}, func(b []byte) error { return json.Unmarshal(b, out) })
}

type described struct{ State, EventPattern string }

func (c caller) describeRule(ctx context.Context, name string) (out described, err error) {
	return out, c.event(ctx, "DescribeRule", name, map[string]string{"Name": name}, &out)
}

type target struct {
	Arn, Input, InputPath string
	InputTransformer      map[string]any
}

func (c caller) targets(ctx context.Context, rule string) ([]target, error) {
	var out struct{ Targets []target }
	err := c.event(ctx, "ListTargetsByRule", rule, map[string]string{"Rule": rule}, &out)
	return out.Targets, err
}

func (c caller) event(ctx context.Context, op, target string, in, out any) error {
	return c.target(ctx, request{op: op, target: target, service: "events", region: c.Region}, "application/x-amz-json-1.1", "AWSEvents", in, out)
}

// target calls an operation that is named in a header.
func (c caller) target(ctx context.Context, r request, content, prefix string, in, out any) (err error) {
	if r.body, err = json.Marshal(in); err != nil {
		return fmt.Errorf("encode %s: %w", r.op, err)
	}
	r.method, r.path = http.MethodPost, "/"
	r.header = http.Header{"Content-Type": {content}, "X-Amz-Target": {prefix + "." + r.op}}
	return c.call(ctx, r, func(b []byte) error { return json.Unmarshal(b, out) })
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
		header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		if err := c.call(ctx, request{op: "ListAttachedRolePolicies", target: role, service: "iam", region: c.Region, method: http.MethodPost, path: "/", header: header, body: []byte(form.Encode())},
			func(b []byte) error { return xml.Unmarshal(b, &out) }); err != nil {
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

// request is a call on its way.
type request struct {
	op, target, service, region, method, path string
	header                                    http.Header
	body                                      []byte
}

func (c caller) call(ctx context.Context, r request, decode func([]byte) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	failed := &CallError{Op: r.op, Target: r.target}
	base, err := c.endpoint(ctx, &r)
	if err != nil {
		failed.Err = err
		return failed
	}
	req, err := http.NewRequestWithContext(ctx, r.method, base+r.path, strings.NewReader(string(r.body)))
	if err != nil {
		failed.Err = err
		return failed
	}
	for name := range r.header {
		req.Header.Set(name, r.header.Get(name))
	}
	identity, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		failed.Err = fmt.Errorf("no credentials: %w", err)
		return failed
	}
	sum := sha256.Sum256(r.body)
	if err := v4.NewSigner().SignHTTP(ctx, identity, req, hex.EncodeToString(sum[:]), r.service, r.region, time.Now()); err != nil {
		failed.Err = fmt.Errorf("sign: %w", err)
		return failed
	}
	res, err := c.HTTPClient.Do(req)
	if err != nil {
		failed.Err = err
		return failed
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, longest))
	if err != nil {
		failed.Err = err
		return failed
	}
	if res.StatusCode != http.StatusOK {
		failed.Code, failed.Message = refusal(res, body)
		return failed
	}
	if err := decode(body); err != nil {
		failed.Err = fmt.Errorf("decode the answer: %w", err)
		return failed
	}
	return nil
}

// endpoint is where a service is. CloudTrail's place tells the partition's domain, so that no table of them is kept here.
// IAM is in one place for all Regions; the request is changed to be signed for it.
func (c caller) endpoint(ctx context.Context, r *request) (string, error) {
	if c.BaseEndpoint != nil {
		return strings.TrimSuffix(*c.BaseEndpoint, "/"), nil
	}
	if r.service == "iam" {
		switch {
		case strings.HasPrefix(c.Region, "cn-"):
			r.region = "cn-north-1"
			return "https://iam.cn-north-1.amazonaws.com.cn", nil
		case strings.HasPrefix(c.Region, "us-gov-"):
			r.region = "us-gov-west-1"
			return "https://iam.us-gov.amazonaws.com", nil
		case strings.Contains(c.Region, "-iso"), strings.HasPrefix(c.Region, "eusc-"):
			return "", errors.New("where IAM is in this partition is not known here")
		}
		r.region = "us-east-1"
		return "https://iam.amazonaws.com", nil
	}
	at, err := cloudtrail.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, cloudtrail.EndpointParameters{Region: &c.Region})
	if err != nil {
		return "", fmt.Errorf("find %s: %w", r.service, err)
	}
	return "https://" + r.service + strings.TrimPrefix(at.URI.Host, "cloudtrail"), nil
}

// refusal reads AWS's error, in either of its two shapes.
func refusal(res *http.Response, body []byte) (code, message string) {
	var asJSON struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		Capital string `json:"Message"`
	}
	if json.Unmarshal(body, &asJSON) == nil {
		code = res.Header.Get("X-Amzn-Errortype")
		if code == "" {
			code = asJSON.Type
		}
		code, _, _ = strings.Cut(code, ":")
		return code[strings.LastIndexByte(code, '#')+1:], asJSON.Message + asJSON.Capital
	}
	var asXML struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	if xml.Unmarshal(body, &asXML) == nil && asXML.Code != "" {
		return asXML.Code, asXML.Message
	}
	return res.Status, ""
}
