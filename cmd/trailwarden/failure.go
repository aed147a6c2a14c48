package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/trailwarden/trailwarden/internal/config"
)

// What the process exits with.
const (
	exitOK          = 0
	exitError       = 1   // the job could not be done
	exitUsage       = 2   // the command line or the configuration is not valid
	exitFindings    = 3   // there is drift, or there are findings
	exitUnrepaired  = 4   // a repair failed or was refused
	exitPartial     = 5   // a file, Region, account or channel could not be done
	exitInterrupted = 130 // a signal ended it
)

// worst lists the codes from the weightiest down: of several, the first counts.
var worst = []int{exitInterrupted, exitUsage, exitError, exitUnrepaired, exitFindings, exitPartial}

// failure is an error with what the process exits with and what the operator can do next. A verb
// returns one, or several with errors.Join; an error that is none exits with 1.
type failure struct {
	code int
	hint string // "" when there is nothing to say
	err  error  // nil: nothing is printed, the code says it all
}

func (f *failure) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit with %d", f.code)
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// Hint says what to do next. Errors of other packages may have this method too.
func (f *failure) Hint() string { return f.hint }

// fail is an error that ends in an exit code. Without an error it ends in silence.
func fail(code int, hint string, err error) error { return &failure{code: code, hint: hint, err: err} }

// usage is an error of the command line.
func usage(hint, format string, args ...any) error {
	return fail(exitUsage, hint, fmt.Errorf(format, args...))
}

// codeOf is the exit code of an error: of several that were joined, the weightiest.
func codeOf(err error) int {
	if err == nil {
		return exitOK
	}
	code := exitOK
	for _, part := range parts(err) {
		c := exitError
		var f *failure
		var problems config.Problems
		switch {
		case errors.As(part, &f):
			c = f.code
		case errors.As(part, &problems):
			c = exitUsage
		}
		if code == exitOK || slices.Index(worst, c) < slices.Index(worst, code) {
			code = c
		}
	}
	return code
}

// parts takes joined errors apart.
func parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, part := range joined.Unwrap() {
		all = append(all, parts(part)...)
	}
	return all
}

// report prints what went wrong, each error with its hint. It is the one place that does.
func (a *app) report(err error) {
	if err == nil {
		return
	}
	for _, part := range parts(err) {
		var f *failure
		if errors.As(part, &f) && f.err == nil {
			continue
		}
		var problems config.Problems
		if errors.As(part, &problems) {
			for _, p := range problems {
				fmt.Fprintf(a.stderr, "%s %s\n", a.paint(a.stderr, red, "error:"), plainLines(p.Error()))
			}
			continue
		}
		fmt.Fprintf(a.stderr, "%s %s\n", a.paint(a.stderr, red, "error:"), plainLines(part.Error()))
		var hinted interface{ Hint() string }
		if errors.As(part, &hinted) && hinted.Hint() != "" {
			fmt.Fprintf(a.stderr, "%s %s\n", a.paint(a.stderr, bold, "hint:"), plainLines(hinted.Hint()))
		}
	}
}
