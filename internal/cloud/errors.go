package cloud

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// classify makes a *trail.CallError of what the SDK returned. Codes decide, never texts.
func (c *Client) classify(ctx context.Context, op, target string, err error, tries int) *trail.CallError {
	call := &trail.CallError{Op: op, Target: target, Class: trail.ClassUnknown, Tries: tries, Err: err}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		call.Code = api.ErrorCode()
		call.Err = fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
		if class, known := codes[call.Code]; known {
			call.Class = class
		} else if status := statusOf(err); status >= 500 || status == 429 {
			call.Class = trail.ClassRetry
		}
		call.Hint = c.hint(call)
		return call
	}
	// No answer, or none that can be read: the network failed, or the request could not be signed.
	switch sent, wrong := new(smithyhttp.RequestSendError), new(tls.CertificateVerificationError); {
	case c.loggedOut(ctx):
		call.Class = trail.ClassLogin
	case errors.As(err, &wrong):
		// Whoever stands between us and AWS will not go away by asking again.
		call.Err, call.Hint = cause(err), "the certificate of the endpoint is not one to be trusted: somebody may be listening in, or the roots (SSL_CERT_FILE) lack those of a proxy of yours"
		return call
	case errors.As(err, &sent), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		call.Class = trail.ClassRetry
	}
	call.Err = cause(err)
	call.Hint = c.hint(call)
	return call
}

// statusOf is the HTTP status of an error of AWS, 0 when there is none.
func statusOf(err error) int {
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}
	if answer, ok := errors.AsType[*awscall.Error](err); ok {
		return answer.Status
	}
	return 0
}

// iamAction is the IAM action that a call needs.
func iamAction(op string) string {
	switch op {
	case "HeadBucket":
		return "s3:ListBucket"
	case "DescribeRegions":
		return "ec2:DescribeRegions"
	case "DescribeOrganization", "ListDelegatedAdministrators":
		return "organizations:" + op
	case "GetCallerIdentity":
		return "sts:" + op
	}
	return "cloudtrail:" + op
}

// loggedOut says whether there are no credentials to be had.
func (c *Client) loggedOut(ctx context.Context) bool {
	if c.Config.Credentials == nil {
		return true
	}
	_, err := c.Config.Credentials.Retrieve(ctx)
	return err != nil && ctx.Err() == nil
}

// cause takes off the SDK's own wrapping, which repeats the operation.
func cause(err error) error {
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		return op.Err
	}
	return err
}

// hint says what a person can do about a failed call.
func (c *Client) hint(call *trail.CallError) string {
	switch call.Class {
	case trail.ClassDenied:
		if call.Op == assumeRole {
			return fmt.Sprintf("see whether repairs were switched off: is the policy trailwarden-repair, which allows sts:AssumeRole on %s, attached to trailwarden's role? If it is, see that the role exists and trusts trailwarden's (parameter RestoreTrailArns)", call.Target)
		}
		return fmt.Sprintf("allow %s on %s to trailwarden's role, and look for a service control policy or permissions boundary that denies it", iamAction(call.Op), call.Target)
	case trail.ClassLogin:
		return "check the AWS credentials (environment, profile or role), that the Region is enabled for the account, and the clock"
	case trail.ClassWrongPlace:
		return "check that the credentials belong to the trail's account and that the trail's ARN names its home Region"
	case trail.ClassOrg:
		return "repair it from the organization's management account or its delegated administrator"
	case trail.ClassGone:
		return "list the trails of its home Region: it was deleted, or the name is used from another Region or account"
	case trail.ClassRetry:
		if call.Code == "" {
			return "check the network and, if AWS_ENDPOINT_URL is set, that the endpoint answers"
		}
		return "AWS is throttling or in trouble; it is tried again"
	case trail.ClassQuota:
		return "somebody has to make room: a Region has room for five trails and a trail for fifty tags, and trailwarden deletes nothing; `aws cloudtrail list-trails` shows them, Event history who made them"
	case trail.ClassExists:
		return "a trail of this name is there already, perhaps not yours: the next look compares it with the baseline"
	case trail.ClassInput:
		return "CloudTrail does not take what the baseline wants: see `trailwarden baseline check`"
	case trail.ClassUnknown:
		return "trailwarden does not know this answer of AWS; it goes on trying, and somebody should look"
	case trail.ClassDependency:
		return "repair what the trail stands on: its bucket policy, key policy, topic, log group or role"
	}
	return ""
}
