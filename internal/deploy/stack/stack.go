// Package stack brings a template into an AWS account and takes it out again: a private bucket for the zip, a change set
// that people look at before it is executed, and the stack's way until it is done. Whatever it makes on the way it
// remembers, so that a deployment that ends half way can say what is there and how to be rid of it.
package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
)

// Deployer works on one stack of one account in one Region.
type Deployer struct {
	Config   aws.Config
	Account  string
	Name     string // of the stack
	Bucket   string // for zips
	Progress func(done, all int, doing string)
	// Pause waits between two looks; nil waits by the clock.
	Pause func(context.Context, time.Duration) error

	made []Leftover
}

// Leftover is something that was made and is there, and the command that removes it.
type Leftover struct {
	What   string `json:"what"`   // what there is, in words
	Remove string `json:"remove"` // the command that removes it for good
}

// Leftovers lists what was made so far and is no part of a stack that stands.
func (d *Deployer) Leftovers() []Leftover { return slices.Clone(d.made) }

func (d *Deployer) leave(what, remove string) { d.made = append(d.made, Leftover{what, remove}) }

func (d *Deployer) forget(part string) {
	d.made = slices.DeleteFunc(d.made, func(l Leftover) bool { return strings.Contains(l.What, part) })
}

// Error is a call that AWS refused, or a stack that did not come about.
type Error struct {
	Text string
	Code string // of AWS, or of the handler of a resource; empty where there is none
	Tip  string // what to do next
	Err  error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Text
	}
	return e.Text + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *Error) Hint() string { return e.Tip }

// tips by code. Denials and names that are taken mean the same for the APIs and for the handlers of resources.
var tips = []struct {
	codes []string
	tip   string
}{
	{[]string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedTaggingOperation", "Forbidden"},
		"use credentials that may deploy: `trailwarden deploy --print-policy` prints what that takes; look for a service control policy or permissions boundary too"},
	{[]string{"AlreadyExists", "EntityAlreadyExists", "ResourceConflict"},
		"another stack, or what an earlier one left, has that name: choose another with --name, or remove it (roles have one name in all Regions)"},
	{[]string{"InvalidClientTokenId", "UnrecognizedClientException", "ExpiredToken", "ExpiredTokenException", "SignatureDoesNotMatch", "AuthFailure", "OptInRequired", "InvalidSignatureException"},
		"check the AWS credentials (environment, profile or role), that the Region is enabled for the account, and the clock"},
	{[]string{"ServiceLimitExceeded", "LimitExceededException", "LimitExceeded", "TooManyBuckets"},
		"a quota of the account is used up: Service Quotas in the console shows it"},
	{[]string{"Throttling", "ThrottlingException", "ServiceUnavailable", "InternalFailure", "ServiceInternalError"}, "AWS is throttling or in trouble: do it again"},
}

func tipFor(code string) string {
	for _, t := range tips {
		if slices.Contains(t.codes, code) {
			return t.tip
		}
	}
	return ""
}

// explain makes an Error of a failed call.
func explain(what string, err error) error {
	if err == nil {
		return nil
	}
	code := codeOf(err)
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return &Error{Text: what, Err: context.Canceled}
	}
	short := err
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		short = op.Err
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorMessage() != "" {
		short = fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	tip := tipFor(code)
	if code == "" {
		tip = "check the credentials, the network and, if AWS_ENDPOINT_URL is set, that the endpoint answers"
	}
	return &Error{Text: what, Code: code, Tip: tip, Err: short}
}

func codeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

func statusOf(err error) int {
	if res, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return res.HTTPStatusCode()
	}
	return 0
}

func (d *Deployer) formation() *cloudformation.Client {
	return cloudformation.NewFromConfig(d.Config, func(o *cloudformation.Options) { o.Retryer = retryer() })
}

// whole is a context for a call that changes something: whoever ends the deployment meanwhile still has its answer waited for, so
// that what there is afterwards is known.
func whole(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
}

func (d *Deployer) pause(ctx context.Context, t time.Duration) error {
	if d.Pause != nil {
		return d.Pause(ctx, t)
	}
	select {
	case <-ctx.Done():
		return explain("wait for CloudFormation", ctx.Err())
	case <-time.After(t):
		return nil
	}
}

// View is a stack as it is.
type View struct {
	ID, Status string
	Reason     string // of the status
	Parameters map[string]string
	Outputs    map[string]string
	Tags       map[string]string
	Protected  bool // against deletion
	Made       time.Time
}

// Underway says whether CloudFormation is at work on it.
func (v View) Underway() bool {
	return strings.HasSuffix(v.Status, "_IN_PROGRESS") && v.Status != string(types.StackStatusReviewInProgress)
}

// Going says whether CloudFormation is removing it.
func (v View) Going() bool { return v.Status == "DELETE_IN_PROGRESS" }

// Stands says whether there is a stack that works, as far as CloudFormation goes.
func (v View) Stands() bool {
	switch v.Status {
	case "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS":
		return true
	}
	return false
}

// Look reads the stack; false when there is none.
func (d *Deployer) Look(ctx context.Context) (View, bool, error) { return d.look(ctx, d.Name) }

func (d *Deployer) look(ctx context.Context, name string) (View, bool, error) {
	out, err := d.formation().DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	// ValidationError is how CloudFormation says that there is no such stack: it has no code of its own.
	if codeOf(err) == "ValidationError" || err == nil && len(out.Stacks) == 0 {
		return View{}, false, nil
	}
	if err != nil {
		return View{}, false, explain("read the stack "+d.Name, err)
	}
	s := out.Stacks[0]
	v := View{ID: aws.ToString(s.StackId), Status: string(s.StackStatus), Reason: aws.ToString(s.StackStatusReason), Protected: aws.ToBool(s.EnableTerminationProtection),
		Made: aws.ToTime(s.CreationTime), Parameters: map[string]string{}, Outputs: map[string]string{}, Tags: map[string]string{}}
	for _, p := range s.Parameters {
		v.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	for _, o := range s.Outputs {
		v.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	for _, t := range s.Tags {
		v.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return v, true, nil
}

// Part is one resource of the stack.
type Part struct{ ID, Type, Physical, Status string }

// Parts lists the resources of a stack, by its name or id.
func (d *Deployer) Parts(ctx context.Context, name string) ([]Part, error) {
	var list []Part
	pages := cloudformation.NewListStackResourcesPaginator(d.formation(), &cloudformation.ListStackResourcesInput{StackName: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return list, explain("list the resources of "+d.Name, err)
		}
		for _, r := range page.StackResourceSummaries {
			list = append(list, Part{aws.ToString(r.LogicalResourceId), aws.ToString(r.ResourceType), aws.ToString(r.PhysicalResourceId), string(r.ResourceStatus)})
		}
	}
	return list, nil
}

// Template is the text of a stack's template, by its name or id, as CloudFormation was given it.
func (d *Deployer) Template(ctx context.Context, name string) (string, error) {
	out, err := d.formation().GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &name, TemplateStage: types.TemplateStageOriginal})
	if err != nil {
		return "", explain("read the template of "+d.Name, err)
	}
	return aws.ToString(out.TemplateBody), nil
}

// Protect switches the stack's termination protection on or off.
func (d *Deployer) Protect(ctx context.Context, on bool) error {
	_, err := d.formation().UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: &d.Name, EnableTerminationProtection: &on})
	return explain("set the termination protection of "+d.Name, err)
}

// patient is the configuration with time for large bodies.
func (d *Deployer) patient() aws.Config {
	cfg := d.Config.Copy()
	if client, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		cfg.HTTPClient = client.WithTimeout(15 * time.Minute).WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = 5 * time.Minute })
	}
	return cfg
}
