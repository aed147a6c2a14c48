package trail

import (
	"errors"
	"fmt"
)

// Class is what an error code of AWS means for what to do next. The classes and the codes in them come
// from CloudTrail's API model.
type Class string

const (
	ClassRetry      Class = "retry"             // throttled, in conflict, or AWS in trouble: later, for ever
	ClassDenied     Class = "denied"            // a permission is missing: tell at once, try slowly
	ClassGone       Class = "gone_or_elsewhere" // deleted, or asked for in the wrong place
	ClassWrongPlace Class = "wrong_place"       // wrong Region or account
	ClassOrg        Class = "org"               // only the management account may do this
	ClassDependency Class = "dependency"        // bucket, key, topic, log group or role is broken
	ClassExists     Class = "exists"            // there is one already, perhaps not ours
	ClassQuota      Class = "quota"             // full: a person must make room
	ClassEmpty      Class = "empty"             // nothing is set: no error for us
	ClassInput      Class = "input"             // our own request is wrong: never as it is again
	ClassLogin      Class = "login"             // credentials missing, wrong or expired, or the clock is off
	ClassUnknown    Class = "unknown"           // not in any list: tell, and try slowly
)

// CallError is a call to AWS that failed.
type CallError struct {
	Op     string // such as "StartLogging"
	Target string // ARN, Region or account that it was about
	Code   string // AWS's error code; empty when no answer came
	Class  Class
	Tries  int
	Hint   string // what a person can do about it; may be empty
	Err    error
}

func (e *CallError) Error() string {
	tries := ""
	if e.Tries > 1 {
		tries = fmt.Sprintf(" (%d tries)", e.Tries)
	}
	return fmt.Sprintf("%s %s%s: %v", e.Op, e.Target, tries, e.Err)
}

func (e *CallError) Unwrap() error { return e.Err }

// ClassOf is the class of a failed call, ClassUnknown for any other error.
func ClassOf(err error) Class {
	if call, ok := errors.AsType[*CallError](err); ok {
		return call.Class
	}
	return ClassUnknown
}
