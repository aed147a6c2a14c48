// Package notify says what an incident is told like: the subject, the prose for people, the short line
// for telephones and the JSON document for machines. It is pure and knows no channel; each channel that
// drags a dependency is a package below it.
//
// Every text of an incident may have been written by an attacker. For people it goes through Plain; for
// machines it stays as it was written, as JSON that no terminal and no mail program can stumble over.
// Subjects, command lines and links hold nothing but fixed words and parts whose grammar was checked.
package notify

import (
	"context"
	"errors"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Notifier tells people or machines of an incident. An error that IsPermanent finds to be permanent will come
// again however often it is tried: a person has to change something, and others must be told meanwhile.
// Any other error is worth another try.
type Notifier interface {
	Notify(ctx context.Context, inc incident.Incident) error
}

// Permanent marks err as one that no further try will mend. The mark is no part of its text.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// IsPermanent says whether err, or an error that it wraps, was marked by Permanent.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[permanent](err)
	return ok
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Channel is a Notifier with the name that the configuration, the routes and the outbox know it by, such as "sns".
type Channel struct {
	Name string
	Notifier
}

// After marks err as one that is worth another try, but not before d has passed: the receiver said so (Retry-After).
func After(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return after{err, d}
}

// RetryAfter is how long the receiver asked us to wait, false when it did not.
func RetryAfter(err error) (time.Duration, bool) {
	a, ok := errors.AsType[after](err)
	return a.pause, ok
}

type after struct {
	error
	pause time.Duration
}

func (a after) Unwrap() error { return a.error }

// Memory keeps what a channel has to know of an incident's earlier messages, such as the id of a message that is to be
// updated. It outlives the process where there is a ledger. A key that was never remembered is recalled as "".
type Memory interface {
	Recall(ctx context.Context, key string) (string, error)
	Remember(ctx context.Context, key, value string) error
}
