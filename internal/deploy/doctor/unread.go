package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/trailwarden/trailwarden/internal/awscall"
)

// Codes by which AWS says the same thing, each service in its own way.
var (
	deniedCodes    = []string{"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "UnauthorizedOperation", "Forbidden"}
	goneCodes      = []string{"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NotFound", "NotFoundException", "ResourceNotFoundException", "NoSuchEntity"}
	throttledCodes = []string{"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"}
)

// callOf is the call that an error is of: the SDK's clients say so, and selfwatch's reads begin with it.
func callOf(err error) string {
	if call, ok := errors.AsType[*smithy.OperationError](err); ok {
		return call.Operation()
	}
	if _, ok := errors.AsType[*awscall.Error](err); !ok && !errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	call, _, _ := strings.Cut(err.Error(), " ")
	return call
}

// answered is what AWS's answer comes to: its code, empty where the answer is none of AWS's, and a text for people.
func answered(err error) (code, text string) {
	op := ""
	if call := callOf(err); call != "" {
		op = call + ": "
	}
	if refused, ok := errors.AsType[*awscall.Error](err); ok && refused.Guessed {
		return "", fmt.Sprintf("%sthe answer is none of AWS's (HTTP status %d)", op, refused.Status)
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode(), op + api.ErrorCode() + ": " + api.ErrorMessage()
	}
	refused, isRefused := errors.AsType[*net.OpError](err)
	res, hasStatus := errors.AsType[*awshttp.ResponseError](err)
	_, garbled := errors.AsType[*smithy.DeserializationError](err)
	to, hasPlace := errors.AsType[*url.Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || hasPlace && to.Timeout() || isRefused && refused.Timeout():
		return "", op + "no answer in time"
	case isRefused:
		return "", op + refused.Error()
	case hasStatus && res.HTTPStatusCode() > 0 && (garbled || res.HTTPStatusCode() >= 400):
		return "", fmt.Sprintf("%sthe answer is none of AWS's (HTTP status %d)", op, res.HTTPStatusCode())
	}
	if call, ok := errors.AsType[*smithy.OperationError](err); ok {
		return "", op + call.Err.Error()
	}
	return "", err.Error()
}

// says tells whether AWS refused with one of the codes.
func says(err error, codes []string) bool {
	if err == nil {
		return false
	}
	code, _ := answered(err)
	return slices.Contains(codes, code)
}

const unreached = "see that this machine reaches the service (network, proxy, AWS_ENDPOINT_URL), and look again: trailwarden doctor"

// unread is the check of something that could not be read.
func unread(name string, err error) Check {
	code, text := answered(err)
	mend := unreached
	switch {
	case slices.Contains(deniedCodes, code):
		mend = "use credentials that may read it: `trailwarden deploy --print-policy` prints what that takes"
	case slices.Contains(throttledCodes, code):
		mend = "others use up what AWS allows in a second: look again in a minute"
	case code != "":
		mend = "look again: trailwarden doctor; AWS's code says what it is about"
	}
	return Check{name, Unknown, "could not be read: " + text, mend}
}

// unread adds what could not be read, or is gone.
func (e *exam) unread(name string, err error) {
	if says(err, goneCodes) {
		e.add(name, Wrong, "it is gone: somebody deleted it", e.revert())
		return
	}
	e.checks = append(e.checks, unread(name, err))
}
