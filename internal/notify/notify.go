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
