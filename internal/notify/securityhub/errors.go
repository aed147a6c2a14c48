package securityhub

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/trailwarden/trailwarden/internal/notify"
)

// FindingError is a finding that was not taken. Its text holds no more of AWS's message than is fit to be shown.
type FindingError struct {
	Doing string // what was tried, and where
	Code  string // AWS's error code; empty when no answer came
	Hint  string // what a person can do about it; may be empty
	Err   error
}

func (e *FindingError) Error() string {
	text := e.Doing + ": " + notify.Plain(e.Err.Error(), 600)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *FindingError) Unwrap() error { return e.Err }

const allow = "allow securityhub:BatchImportFindings and securityhub:BatchUpdateFindings to the role that trailwarden runs as"

// permanent lists the codes that come again until a person has changed something, with what to change.
var permanent = map[string]string{
	"InvalidAccessException": "Security Hub is not enabled here: enable it in this account and Region, or take notify.securityhub out of the configuration",
	"AccessDeniedException":  allow,
	"AccessDenied":           allow,
	"InvalidInputException":  "Security Hub does not take the finding: see its own words above",
	"InvalidInput":           "Security Hub does not take the finding: see its own words above",
	"ValidationException":    "Security Hub does not take the finding: see its own words above",
	"FindingSizeExceeded":    "the finding is larger than 240 KB: report this as a fault of trailwarden",
}

// hints are for errors that may pass, and mostly do not without somebody's help.
var hints = map[string]string{
	"InvalidClientTokenId":        "AWS does not know these credentials: see which ones are used, and that they are not deleted",
	"UnrecognizedClientException": "AWS does not know these credentials: see which ones are used, and that they are not deleted",
	"InvalidSignatureException":   "the secret key or the clock of this machine is wrong",
	"ExpiredTokenException":       "the session has expired: log in again",
	"LimitExceededException":      "the account imports too many findings: see its quotas of Security Hub",
}

func (c *Channel) failure(ctx context.Context, doing string, err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return c.coded(api.ErrorCode(), doing, err)
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return c.coded("", doing, err)
}

// refused is for findings that were not taken by a call that went well.
func (c *Channel) refused(all []failed) error {
	const doing = "import finding into Security Hub"
	if len(all) == 0 {
		return c.coded("", doing, errors.New("the finding failed, and Security Hub does not say why"))
	}
	return c.coded(all[0].ErrorCode, doing, errors.New(all[0].ErrorCode+": "+all[0].ErrorMessage))
}

// coded tells the kinds of errors apart. Codes of single findings come with and without "Exception".
func (c *Channel) coded(code, doing string, err error) error {
	failed := &FindingError{Doing: fmt.Sprintf("%s (%s/%s)", doing, c.Account, c.Region), Code: code, Err: err}
	for _, name := range []string{code, strings.TrimSuffix(code, "Exception")} {
		if hint, ok := permanent[name]; ok && name != "" {
			failed.Hint = hint
			return notify.Permanent(failed)
		}
	}
	failed.Hint = hints[code]
	return failed
}
