package sns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/trailwarden/trailwarden/internal/notify"
)

// PublishError is a publish that failed. Its text holds no more of AWS's message than is fit to be shown.
type PublishError struct {
	TopicARN string
	Code     string // AWS's error code; empty when no answer came
	Hint     string // what a person can do about it; may be empty
	Err      error
}

func (e *PublishError) Error() string {
	text := fmt.Sprintf("publish to %s: %s", notify.Plain(e.TopicARN, 400), notify.Plain(e.Err.Error(), 600))
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *PublishError) Unwrap() error { return e.Err }

// permanent lists the error codes that come again until a person has changed something, with what to change. Codes
// that are not in it are worth another try: throttling, AWS in trouble, credentials about to be renewed.
var permanent = map[string]string{
	"NotFound": "the topic does not exist: create it, or set %s to one that does",
	"AuthorizationError": "allow sns:Publish on this topic to the role that trailwarden runs as, in the role's policy and, " +
		"for a topic of another account, in the topic's policy",
	"InvalidParameter":      "SNS does not take the message or the topic ARN: see its own words above; a FIFO topic's ARN ends in .fifo",
	"ParameterValueInvalid": "SNS does not take the message: see its own words above",
	"InvalidSecurity":       "SNS does not accept the signature: see that the endpoint is SNS's own and is called over HTTPS",
	"EndpointDisabled":      "the endpoint behind this ARN is switched off: use the ARN of a topic",
	"KMSAccessDenied":       "allow kms:GenerateDataKey and kms:Decrypt on the topic's key to the role that trailwarden runs as, in the key's policy too",
	"KMSDisabled":           "the topic's KMS key is disabled: enable it, or give the topic another key",
	"KMSInvalidState":       "the topic's KMS key cannot be used, perhaps because it is to be deleted: cancel that and enable it, or give the topic another key",
	"KMSNotFound":           "the topic's KMS key does not exist: give the topic another key",
	"KMSOptInRequired":      "the account that owns the topic's KMS key must subscribe to KMS: give the topic another key",
}

// hints are for errors that may pass, and mostly do not without somebody's help.
var hints = map[string]string{
	"InvalidClientTokenId":        "AWS does not know these credentials: see which ones are used, and that they are not deleted",
	"UnrecognizedClientException": "AWS does not know these credentials: see which ones are used, and that they are not deleted",
	"SignatureDoesNotMatch":       "the secret key or the clock of this machine is wrong",
	"ExpiredToken":                "the session has expired: log in again",
}

// failure tells the kinds of errors apart, by code.
func (c *Channel) failure(ctx context.Context, err error) error {
	failed := &PublishError{TopicARN: c.TopicARN, Err: err}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		failed.Code = api.ErrorCode()
		if hint, ok := permanent[failed.Code]; ok {
			failed.Hint = strings.ReplaceAll(hint, "%s", cmp.Or(c.Setting, "sns.topic_arn, TRAILWARDEN_SNS_TOPIC_ARN or SNSARN"))
			return notify.Permanent(failed)
		}
		failed.Hint = hints[failed.Code]
		return failed
	}
	if cause := context.Cause(ctx); cause != nil {
		failed.Err = cause
	}
	return failed
}
