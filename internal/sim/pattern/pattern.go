// Package pattern matches events against Amazon EventBridge event patterns, the way AWS's own
// matcher (aws/event-ruler) does: all operators, $or, and array consistency.
//
// A pattern that the package does not understand is an error that names the place, never a
// pattern that matches too much. These things differ from EventBridge on purpose: one path may be
// named only once in a branch (EventBridge lets the last one win in some callers), an $or that is
// not one is an error instead of a field of that name, and the complexity score that EventBridge
// gives to wildcards is not computed.
package pattern

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits that EventBridge documents, unless the comment says otherwise.
const (
	MaxPatternChars = 4096    // characters of a pattern, blanks included
	MaxBranches     = 1000    // combinations that all $or of a pattern may multiply to
	MaxDepth        = 1000    // levels of JSON
	MaxEventBytes   = 2 << 20 // bytes of an event; more than the 1 MiB that EventBridge lets in, for its envelope
)

// Pattern is a parsed event pattern. The zero value matches nothing. It is safe for concurrent use.
type Pattern struct {
	branches []branch
	wanted   map[string]bool // the paths of all fields and everything above them
}

// branch is one way to satisfy the pattern: every field must hold. $or multiplies branches.
type branch []field

// field is what a pattern asks of one path.
type field struct {
	path   string // names joined by dots, as event-ruler does, so that "a.b" and a: {b} are the same
	tests  []test // the field holds when one test accepts one value at path
	absent bool   // it also holds when there is no value at path: {"exists": false}
}

func (f field) accepts(v value) bool {
	for _, t := range f.tests {
		if t(v) {
			return true
		}
	}
	return false
}

// Parse reads an event pattern. Its errors name the place, such as
// `detail.eventName[1].prefix: want a string, have a number`.
func Parse(data []byte) (Pattern, error) { return ParseWithin(data, MaxPatternChars) }

// ParseWithin is Parse with another limit than EventBridge's on the number of characters.
func ParseWithin(data []byte, chars int) (Pattern, error) {
	if n := utf8.RuneCount(data); n > chars {
		return Pattern{}, fmt.Errorf("pattern has %d characters, more than %d", n, chars)
	}
	root, err := decode(data)
	if err != nil {
		return Pattern{}, err
	}
	if root.kind != object {
		return Pattern{}, fmt.Errorf("pattern must be an object, is %s", root.kind)
	}
	branches, err := parseObject(root, place{}, []branch{nil})
	if err != nil {
		return Pattern{}, err
	}
	p := Pattern{branches: branches, wanted: map[string]bool{}}
	for _, b := range branches {
		// The order matters to {"exists": false} inside arrays; see match.
		slices.SortFunc(b, func(x, y field) int { return strings.Compare(x.path, y.path) })
		for _, f := range b {
			p.wanted[f.path] = true
			for i, c := range f.path {
				if c == '.' {
					p.wanted[f.path[:i]] = true
				}
			}
		}
	}
	return p, nil
}

// place is where the parser stands: for people, and as the prefix of field paths.
type place struct {
	name string // as an error says it, with $or and list positions
	path string // prefix of field paths: empty, or names joined by dots with a dot at the end
	or   bool   // inside $or, where operators may not be field names
}

func (at place) field(name string) place {
	return place{name: at.name + dot(at.name) + name, path: at.path + name + ".", or: at.or}
}

func (at place) errorf(format string, args ...any) error {
	if at.name == "" {
		return fmt.Errorf(format, args...)
	}
	return fmt.Errorf(at.name+": "+format, args...)
}

func dot(name string) string {
	if name == "" {
		return ""
	}
	return "."
}

// parseObject adds the fields of one object of the pattern to each of the branches.
func parseObject(n node, at place, branches []branch) ([]branch, error) {
	if len(n.items) == 0 {
		return nil, at.errorf("empty objects are not allowed")
	}
	for i, item := range n.items {
		name := n.names[i]
		here := at.field(name)
		if slices.Contains(n.names[:i], name) {
			return nil, here.errorf("key is there twice")
		}
		var err error
		switch {
		case name == "$or":
			branches, err = parseOr(item, place{name: here.name, path: at.path, or: true}, branches)
		case at.or && reserved(name):
			err = here.errorf("an operator cannot be a field inside $or")
		case item.kind == object:
			branches, err = parseObject(item, here, branches)
		case item.kind == array:
			branches, err = parseField(item, here, branches)
		default:
			err = here.errorf("want a list or an object, have %s", item.kind)
		}
		if err != nil {
			return nil, err
		}
	}
	return branches, nil
}

// parseOr makes of each branch as many as there are alternatives.
func parseOr(n node, at place, branches []branch) ([]branch, error) {
	if n.kind != array {
		return nil, at.errorf("want a list of objects, have %s", n.kind)
	}
	if len(n.items) < 2 {
		return nil, at.errorf("want at least 2 objects, have %d", len(n.items))
	}
	var all []branch
	for i, item := range n.items {
		here := place{name: fmt.Sprintf("%s[%d]", at.name, i), path: at.path, or: true}
		if item.kind != object {
			return nil, here.errorf("want an object, have %s", item.kind)
		}
		some, err := parseObject(item, here, branches)
		if err != nil {
			return nil, err
		}
		if all = append(all, some...); len(all) > MaxBranches {
			return nil, at.errorf("more than %d combinations", MaxBranches)
		}
	}
	return all, nil
}

// parseField adds one field, the list of its alternatives, to each of the branches.
func parseField(n node, at place, branches []branch) ([]branch, error) {
	if len(n.items) == 0 {
		return nil, at.errorf("empty lists are not allowed")
	}
	f := field{path: strings.TrimSuffix(at.path, ".")}
	for i, item := range n.items {
		here := place{name: fmt.Sprintf("%s[%d]", at.name, i)}
		t, err := parseTest(item, here)
		switch {
		case errors.Is(err, errAbsent):
			f.absent = true
		case err != nil:
			return nil, err
		default:
			f.tests = append(f.tests, t)
		}
	}
	grown := make([]branch, 0, len(branches))
	for _, b := range branches {
		if slices.ContainsFunc(b, func(g field) bool { return g.path == f.path }) {
			return nil, at.errorf("path %s is there twice", f.path)
		}
		grown = append(grown, append(slices.Clip(b), f))
	}
	return grown, nil
}

// reserved says whether a name is an operator of today, or one that AWS keeps for later.
func reserved(name string) bool {
	switch name {
	case "exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr",
		"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case",
		"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range",
		"ip-address-in-range", "ip-address-not-in-range":
		return true
	}
	return false
}
