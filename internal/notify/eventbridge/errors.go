package eventbridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/smithy-go"

	"github.com/trailwarden/trailwarden/internal/notify"
)

// PutError is an event that was not taken. Its text holds no more of AWS's message than is fit to be shown.
type PutError struct {
	Bus  string
	Code string // AWS's error code; empty when no answer came
	Hint string // what a person can do about it; may be empty
	Err  error
}

func (e *PutError) Error() string {
	text := fmt.Sprintf("put event on bus %s: %s", notify.Plain(e.Bus, 400), notify.Plain(e.Err.Error(), 600))
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *PutError) Unwrap() error { return e.Err }

const allow = "allow events:PutEvents on this bus to the role that trailwarden runs as, in the role's policy and, " +
	"for a bus of another account, in the bus's policy"

// permanent lists the codes that come again until a person has changed something, with what to change.
var permanent = map[string]string{
	"AccessDeniedException":           allow,
	"AccessDenied":                    allow,
	"NotAuthorizedForSourceException": "EventBridge takes no event with trailwarden's source from this account: use another bus",
	"NotAuthorizedForDetailTypeException": "EventBridge takes no event with trailwarden's detail-type from this account: " +
		"use another bus",
	"ResourceNotFoundException": "the bus does not exist: create it, or set notify.eventbridge.bus or TRAILWARDEN_NOTIFY_EVENTBRIDGE_BUS to one that does",
	"InvalidArgument":           "EventBridge does not take the event: see its own words above",
	"MalformedDetail":           "EventBridge does not take the event: see its own words above",
	"ValidationException":       "EventBridge does not take the event: see its own words above",
	"OperationDisabledException": "EventBridge is switched off for this account and Region: ask AWS, " +
		"or use another Region's bus",
}

// hints are for errors that may pass, and mostly do not without somebody's help.
var hints = map[string]string{
	"InvalidClientTokenId":        "AWS does not know these credentials: see which ones are used, and that they are not deleted",
	"UnrecognizedClientException": "AWS does not know these credentials: see which ones are used, and that they are not deleted",
	"InvalidSignatureException":   "the secret key or the clock of this machine is wrong",
	"ExpiredTokenException":       "the session has expired: log in again",
}

func (c *Channel) failure(ctx context.Context, err error) error {
	failed := &PutError{Bus: c.Bus, Err: err}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return c.coded(failed, api.ErrorCode())
	}
	if cause := context.Cause(ctx); cause != nil {
		failed.Err = cause
	}
	return failed
}

// refused is for entries that were not taken by a call that went well.
func (c *Channel) refused(a answer) error {
	for _, e := range a.Entries {
		if e.ErrorCode != "" {
			return c.coded(&PutError{Bus: c.Bus, Err: errors.New(e.ErrorCode + ": " + e.ErrorMessage)}, e.ErrorCode)
		}
	}
	return &PutError{Bus: c.Bus, Err: errors.New("EventBridge says that the event failed, and not why")}
}

func (c *Channel) coded(failed *PutError, code string) error {
	failed.Code = code
	if hint, ok := permanent[code]; ok {
		failed.Hint = hint
		return notify.Permanent(failed)
	}
	failed.Hint = hints[code]
	return failed
}
