package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/trailwarden/trailwarden/internal/awscall"
)

// CallError is a call of AWS that failed for good, or for longer than it may take.
type CallError struct {
	Op    string // with its service, as in a policy: "dynamodb:Query"
	On    string // the table or the bucket
	Code  string // AWS's error code; "" when there was no answer that could be read
	Hint  string // what a person can do about it; may be empty
	Tries int
	// Doubt says that the call may have taken effect all the same.
	Doubt bool
	Err   error

	again bool
}

func (e *CallError) Error() string {
	said := fmt.Sprintf("call %s on %s: %v", e.Op, e.On, e.Err)
	if e.Tries > 1 {
		said += fmt.Sprintf(" (%d tries)", e.Tries)
	}
	if e.Hint != "" {
		said += "; " + e.Hint
	}
	return said
}

func (e *CallError) Unwrap() error { return e.Err }

// shortest and longest pause between two tries.
const shortest, longest = 15 * time.Millisecond, 300 * time.Millisecond

// errNothingDone is a batch of which DynamoDB did nothing: it is throttling.
var errNothingDone = errors.New("DynamoDB did no part of the batch")

// call calls DynamoDB until it answers well, answers that trying again is of no use, or the time is up.
func (s *Store) call(ctx context.Context, op string, do func(context.Context) error) error {
	return s.retry(ctx, "dynamodb:"+op, "table "+s.table, 0, do)
}

// retry is call for any service. What moves many bytes has more time: a second for each 4 MB.
func (s *Store) retry(ctx context.Context, op, on string, bytes int64, do func(context.Context) error) error {
	limit := s.o.Limit + time.Duration(bytes>>22)*time.Second
	if s.closed.Load() {
		return errClosed
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	doubt := false
	for pause, tries := shortest, 1; ; tries++ {
		// One try has less than all of the time, so that a connection that hangs costs a try and not the call.
		bounded, done := context.WithTimeout(limited, limit*2/5)
		err := do(bounded)
		done()
		if err == nil {
			return nil
		}
		failed := s.failure(op, on, err)
		failed.Tries = tries
		doubt = doubt || failed.Doubt
		failed.Doubt = doubt
		if !failed.again {
			return failed
		}
		if cause := ctx.Err(); cause != nil {
			return failed
		}
		// Jitter: writers that met once do not meet again.
		wait := time.NewTimer(pause/3 + rand.N(pause))
		select {
		case <-limited.Done():
			wait.Stop()
			return failed
		case <-wait.C:
		}
		pause = min(2*pause, longest)
	}
}

// failure tells the kinds of failures apart, by code.
func (s *Store) failure(op, on string, err error) *CallError {
	failed := &CallError{Op: op, On: on, Err: err}
	if outer, ok := errors.AsType[*smithy.OperationError](err); ok {
		failed.Err = outer.Err
	}
	api, answered := errors.AsType[smithy.APIError](err)
	refused, lean := errors.AsType[*awscall.Error](err)
	if !answered || lean && refused.Guessed {
		// No answer, or none that can be read.
		failed.again, failed.Doubt = true, !errors.Is(err, errNothingDone)
		failed.Hint = "check the network and, if AWS_ENDPOINT_URL is set, that the endpoint answers"
		if errors.Is(err, context.DeadlineExceeded) {
			failed.Err = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
		} else if _, ok := errors.AsType[*awshttp.ResponseError](err); ok || lean || errors.Is(err, errGarbled) {
			failed.Hint = "something between here and AWS answered in its place: check proxies and AWS_ENDPOINT_URL"
		}
		return failed
	}
	failed.Code = api.ErrorCode()
	failed.Err = fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	status := 0
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok { // of S3
		status = answer.HTTPStatusCode()
	} else if lean {
		status = refused.Status
	}
	switch {
	case failed.Code == "TransactionCanceledException":
		failed.Err = &cancelled{err, reasonsOf(err)}
		failed.again = passes(err)
		failed.Hint = hints["ThrottlingException"]
	case passing[failed.Code]:
		failed.again = true
		failed.Hint = hints["ThrottlingException"]
	case status >= 500 || status == 429:
		failed.again = true
		failed.Hint = "AWS is in trouble; it is tried again at the next occasion"
	default:
		failed.Hint = s.hint(failed, status)
	}
	failed.Doubt = status >= 500
	return failed
}

// passing are the codes that pass by themselves.
var passing = map[string]bool{
	"ProvisionedThroughputExceededException": true,
	"ThrottlingException":                    true,
	"Throttling":                             true,
	"RequestLimitExceeded":                   true,
	"LimitExceededException":                 true,
	"TransactionConflictException":           true,
	"TransactionInProgressException":         true,
	"ReplicatedWriteConflictException":       true,
	"InternalServerError":                    true,
	"InternalFailure":                        true,
	"InternalError":                          true,
	"ServiceUnavailable":                     true,
	"RequestTimeout":                         true,
	"SlowDown":                               true,
	"ConditionalRequestConflict":             true,
	"OperationAborted":                       true,
}

// hints say what a person can do, by code. %s is the table or the bucket.
var hints = map[string]string{
	"ThrottlingException":         "DynamoDB is throttling: see the table's ThrottledRequests and, if it has a maximum throughput or provisioned capacity, raise it or switch to on demand",
	"ResourceNotFoundException":   "there is no such table in this account and Region: check the table's name, AWS_REGION and which account the credentials belong to, or create the table (`trailwarden deploy` does)",
	"NoSuchBucket":                "there is no such bucket: check its name, or create it",
	"PermanentRedirect":           "the bucket is in another Region than the table: use one in the table's Region",
	"ValidationException":         "DynamoDB does not take the request: the table needs a partition key pk and a sort key sk, both strings, as `trailwarden deploy` makes it",
	"ExpiredToken":                "the session has expired: log in again",
	"ExpiredTokenException":       "the session has expired: log in again",
	"UnrecognizedClientException": "AWS does not know these credentials, or the Region is not enabled for the account",
	"InvalidSignatureException":   "the secret key or the clock of this machine is wrong",
	"SignatureDoesNotMatch":       "the secret key or the clock of this machine is wrong",
}

func (s *Store) hint(failed *CallError, status int) string {
	if strings.HasPrefix(failed.Code, "AccessDenied") || status == 403 && hints[failed.Code] == "" {
		action := failed.Op
		if action == "dynamodb:TransactWriteItems" {
			action = "dynamodb:PutItem, dynamodb:DeleteItem and dynamodb:ConditionCheckItem" // policies know no transactions
		}
		return fmt.Sprintf("allow %s on %s to the role that trailwarden runs as, and look for a policy that denies it", action, failed.On)
	}
	return hints[failed.Code]
}

// cancelled is a transaction that was not done, and why.
type cancelled struct {
	error
	reasons []reason
}

func (c *cancelled) Error() string {
	var codes []string
	for _, r := range c.reasons {
		if r.Code != "" && r.Code != "None" && (len(codes) == 0 || codes[len(codes)-1] != r.Code) {
			codes = append(codes, r.Code)
		}
	}
	return "TransactionCanceledException: " + strings.Join(codes, ", ")
}

func (c *cancelled) Unwrap() error { return c.error }

func reasonsOf(err error) []reason {
	refused, ok := errors.AsType[*awscall.Error](err)
	if !ok || refused.Code != "TransactionCanceledException" {
		return nil
	}
	var said struct{ CancellationReasons []reason }
	if json.Unmarshal(refused.Body, &said) != nil {
		return nil
	}
	return said.CancellationReasons
}

// passes says whether a transaction was cancelled only for reasons that pass: it met another, or throttling.
func passes(err error) bool {
	known := false
	for _, r := range reasonsOf(err) {
		switch r.Code {
		case "", "None":
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			known = true
		default:
			return false
		}
	}
	return known
}
