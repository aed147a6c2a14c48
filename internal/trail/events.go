package trail

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Events is a part of the events of one kind: those that fulfil at least one clause. No clause at all is
// no event, a clause without conditions is every event.
type Events []Clause

// Clause is conditions that an event must fulfil together, in the order of their fields.
type Clause []Condition

// Condition says which values of a field an event may have: one that matches one of Any (with no Any,
// every value) and none of None.
type Condition struct {
	Field     string
	Any, None []Pattern
}

// Pattern matches values of a field.
type Pattern struct {
	Op    string // "is", "starts with" or "ends with"
	Value string
}

const (
	is         = "is"
	startsWith = "starts with"
	endsWith   = "ends with"
)

// All tells whether every event of the kind is meant.
func (e Events) All() bool { return len(e) == 1 && len(e[0]) == 0 }

// covers tells whether each event of other is one of e. What cannot be decided is no.
func (e Events) covers(other Events) bool {
	for _, c := range other {
		if !slices.ContainsFunc(e, c.implies) {
			return false
		}
	}
	return true
}

// String writes the condition for people: equal parts of the events are written equally.
func (e Events) String() string {
	switch {
	case len(e) == 0:
		return "none"
	case e.All():
		return "all"
	}
	var out []string
	for _, c := range e {
		out = append(out, c.String())
	}
	return strings.Join(out, " or ")
}

func (c Clause) String() string {
	var out []string
	for _, condition := range c {
		out = append(out, condition.String())
	}
	text := strings.Join(out, " and ")
	if len(c) > 1 {
		return "(" + text + ")"
	}
	return text
}

func (c Condition) String() string {
	var any, none []string
	for _, p := range c.Any {
		any = append(any, p.Op+" "+word(p.Value))
	}
	for _, p := range c.None {
		none = append(none, "not "+p.Op+" "+word(p.Value))
	}
	var parts []string
	if len(any) > 0 {
		parts = append(parts, strings.Join(any, "|"))
	}
	parts = append(parts, none...)
	return word(c.Field) + " " + strings.Join(parts, ", ")
}

// word quotes a value that could be taken for more than one word.
func word(v string) string {
	plain := v != ""
	for i := 0; i < len(v) && plain; i++ {
		c := v[i]
		plain = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._:/@+*$", c) >= 0
	}
	if plain {
		return v
	}
	return strconv.QuoteToASCII(v)
}

// covers tells whether p matches everything that q matches.
func (p Pattern) covers(q Pattern) bool {
	switch {
	case p.Op == startsWith && q.Op != endsWith:
		return strings.HasPrefix(q.Value, p.Value)
	case p.Op == endsWith && q.Op != startsWith:
		return strings.HasSuffix(q.Value, p.Value)
	}
	return p == q || p.Op != is && p.Value == ""
}

// apart tells whether no value matches both.
func (p Pattern) apart(q Pattern) bool {
	if p.Op == is || q.Op == is || p.Op == q.Op {
		return !p.covers(q) && !q.covers(p)
	}
	return false // a value may begin as p says and end as q says
}

// implies tells whether each event that fulfils c fulfils d.
func (c Clause) implies(d Clause) bool {
	for _, want := range d {
		if !slices.ContainsFunc(c, func(have Condition) bool { return have.implies(want) }) {
			return false
		}
	}
	return true
}

func (c Condition) implies(d Condition) bool {
	if c.Field != d.Field || len(d.Any) > 0 && len(c.Any) == 0 {
		return false
	}
	if len(d.Any) > 0 {
		for _, p := range c.Any {
			if !slices.ContainsFunc(d.Any, func(q Pattern) bool { return q.covers(p) }) {
				return false
			}
		}
	}
	for _, n := range d.None {
		excluded := slices.ContainsFunc(c.None, func(q Pattern) bool { return q.covers(n) })
		missed := len(c.Any) > 0 && !slices.ContainsFunc(c.Any, func(p Pattern) bool { return !p.apart(n) })
		if !excluded && !missed {
			return false
		}
	}
	return true
}

// tidy brings a condition into its one form. ok is false when no value fulfils it.
func (c Condition) tidy() (_ Condition, ok bool) {
	none := widest(c.None)
	if slices.ContainsFunc(none, func(p Pattern) bool { return p.Op != is && p.Value == "" }) {
		return c, false
	}
	if len(c.Any) == 0 {
		return Condition{Field: c.Field, None: none}, true
	}
	any := widest(c.Any)
	any = slices.DeleteFunc(any, func(p Pattern) bool {
		return slices.ContainsFunc(none, func(n Pattern) bool { return n.covers(p) })
	})
	if len(any) == 0 {
		return c, false
	}
	none = slices.DeleteFunc(none, func(n Pattern) bool {
		return !slices.ContainsFunc(any, func(p Pattern) bool { return !p.apart(n) })
	})
	if any[0].Op != is && any[0].Value == "" {
		any = nil
	}
	return Condition{Field: c.Field, Any: any, None: none}, true
}

// widest leaves out the patterns that another one covers, and sorts.
func widest(patterns []Pattern) []Pattern {
	if len(patterns) < 2 {
		return slices.Clone(patterns)
	}
	sorted := slices.Clone(patterns)
	slices.SortFunc(sorted, comparePatterns)
	sorted = slices.Compact(sorted)
	return slices.DeleteFunc(slices.Clone(sorted), func(p Pattern) bool {
		return slices.ContainsFunc(sorted, func(q Pattern) bool { return q != p && q.covers(p) && !(p.covers(q) && p.Op < q.Op) })
	})
}

func comparePatterns(a, b Pattern) int {
	return cmp.Or(strings.Compare(a.Value, b.Value), strings.Compare(a.Op, b.Op))
}

// clauseOf brings conditions into their one form. ok is false when no event fulfils them.
func clauseOf(conditions []Condition) (_ Clause, ok bool) {
	out := make(Clause, 0, len(conditions))
	for _, c := range conditions {
		t, ok := c.tidy()
		if !ok {
			return nil, false
		}
		if len(t.Any)+len(t.None) > 0 {
			out = append(out, t)
		}
	}
	if len(out) > 1 {
		slices.SortFunc(out, compareConditions)
		out = slices.CompactFunc(out, func(a, b Condition) bool { return compareConditions(a, b) == 0 })
	}
	return out, true
}

func compareConditions(a, b Condition) int {
	return cmp.Or(strings.Compare(a.Field, b.Field),
		slices.CompareFunc(a.Any, b.Any, comparePatterns), slices.CompareFunc(a.None, b.None, comparePatterns))
}

// union brings clauses into the one form of the events that fulfil any of them, as far as that can be
// found: two that differ in one field become one, and one that is part of another goes.
func union(clauses []Clause) Events {
	// Sorted first: where there is more than one way to put clauses together, the same one is taken for
	// selectors in any order.
	e := Events(clauses)
	slices.SortFunc(e, compareClauses)
	for merged := true; merged && len(e) > 1; {
		merged = false
		for i := 0; i < len(e) && !merged; i++ {
			for j := i + 1; j < len(e) && !merged; j++ {
				var one Clause
				if one, merged = join(e[i], e[j]); merged {
					e[i] = one
					e = slices.Delete(e, j, j+1)
				}
			}
		}
	}
	slices.SortFunc(e, compareClauses)
	return e
}

func compareClauses(a, b Clause) int { return slices.CompareFunc(a, b, compareConditions) }

// join makes one clause of two that together are no more and no less.
func join(a, b Clause) (Clause, bool) {
	switch {
	case a.implies(b):
		return b, true
	case b.implies(a):
		return a, true
	case len(a) != len(b):
		return nil, false
	}
	at := -1
	for i := range a {
		if compareConditions(a[i], b[i]) == 0 {
			continue
		}
		if at >= 0 || a[i].Field != b[i].Field {
			return nil, false
		}
		at = i
	}
	one, ok := joinConditions(a[at], b[at])
	if !ok {
		return nil, false
	}
	conditions := slices.Clone(a)
	conditions[at] = one
	return clauseOf(conditions)
}

func joinConditions(a, b Condition) (Condition, bool) {
	if len(a.Any) > 0 && len(b.Any) > 0 {
		if !slices.Equal(a.None, b.None) {
			return a, false
		}
		return Condition{Field: a.Field, Any: slices.Concat(a.Any, b.Any), None: a.None}, true
	}
	if len(a.Any) > 0 {
		a, b = b, a
	}
	// a is "everything but": left out of both together is what a leaves out and b does not take.
	left := Condition{Field: a.Field}
	for _, n := range a.None {
		rest, ok := b.without(n)
		if !ok {
			return a, false
		}
		left.None = append(left.None, rest...)
	}
	return left, true
}

// without is what of a pattern's values does not fulfil the condition; ok is false when that cannot be written as patterns.
func (c Condition) without(p Pattern) (_ []Pattern, ok bool) {
	var out []Pattern
	for _, n := range c.None {
		switch {
		case n.covers(p):
			return []Pattern{p}, true
		case p.covers(n):
			out = append(out, n)
		case !p.apart(n):
			return nil, false
		}
	}
	// From here on, all of p that is not in out passes None.
	taken, missed := len(c.Any) == 0, true
	for _, q := range c.Any {
		taken = taken || q.covers(p)
		missed = missed && q.apart(p)
	}
	switch {
	case taken:
		return out, true
	case missed && len(c.Any) > 0:
		return []Pattern{p}, true
	}
	return nil, false
}
