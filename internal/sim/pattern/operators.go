package pattern

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

// test says whether one scalar of the event satisfies one alternative of a field.
type test func(value) bool

// errAbsent is what parseTest answers for {"exists": false}, which no value can satisfy.
var errAbsent = errors.New("wants no value")

// parseTest reads one alternative of a field: a scalar, or an object with one operator.
func parseTest(n node, at place) (test, error) {
	switch n.kind {
	case object:
		if len(n.items) != 1 {
			return nil, at.errorf("want exactly one operator, have %d", len(n.items))
		}
		return parseOperator(n.names[0], n.items[0], at.field(n.names[0]))
	case array:
		return nil, at.errorf("want a value or an operator, have %s", n.kind)
	case digits:
		return func(v value) bool { return v.kind == digits && v.num.canon == n.num.canon }, nil
	case text:
		return exactly(n.text), nil
	}
	return func(v value) bool { return v.kind == n.kind && v.text == n.text }, nil
}

func parseOperator(name string, n node, at place) (test, error) {
	switch name {
	case "prefix", "suffix":
		if n.kind != object {
			return stringTest(name, n, at)
		}
		if len(n.items) != 1 || n.names[0] != "equals-ignore-case" {
			return nil, at.errorf("want a string or {\"equals-ignore-case\": string}")
		}
		return stringTest(name+"-ignore-case", n.items[0], at.field("equals-ignore-case"))
	case "equals-ignore-case", "wildcard":
		return stringTest(name, n, at)
	case "anything-but":
		return parseAnythingBut(n, at)
	case "numeric":
		return parseNumeric(n, at)
	case "cidr":
		return parseCIDR(n, at)
	case "exists":
		if n.kind != truth {
			return nil, at.errorf("want true or false, have %s", n.kind)
		}
		if n.text == "false" {
			return nil, errAbsent
		}
		return func(value) bool { return true }, nil
	}
	return nil, at.errorf("unknown operator")
}

// exactly matches one string. An IP address also matches its other spellings, as in event-ruler.
func exactly(want string) test {
	addr, isAddr := parseAddr(want)
	return func(v value) bool {
		if v.kind != text {
			return false
		}
		if v.text == want || !isAddr {
			return v.text == want
		}
		other, ok := parseAddr(v.text)
		return ok && other == addr
	}
}

// stringTest makes the test of an operator that takes one string and sees only strings.
func stringTest(name string, n node, at place) (test, error) {
	if n.kind != text {
		return nil, at.errorf("want a string, have %s", n.kind)
	}
	accepts := func(s string) bool { return s == n.text }
	folded := fold(n.text)
	switch name {
	case "prefix":
		accepts = func(s string) bool { return strings.HasPrefix(s, n.text) }
	case "suffix":
		accepts = func(s string) bool { return strings.HasSuffix(s, n.text) }
	case "prefix-ignore-case":
		accepts = func(s string) bool { return strings.HasPrefix(fold(s), folded) }
	case "suffix-ignore-case":
		accepts = func(s string) bool { return strings.HasSuffix(fold(s), folded) }
	case "equals-ignore-case":
		accepts = func(s string) bool { return fold(s) == folded }
	case "wildcard":
		parts, err := parseWildcard(n.text)
		if err != nil {
			return nil, at.errorf("%w", err)
		}
		accepts = func(s string) bool { return matchWildcard(parts, s) }
	}
	return func(v value) bool { return v.kind == text && accepts(v.text) }, nil
}

// parseAnythingBut reads a scalar, a list of strings or of numbers, or another operator with a
// string or a list of strings. The test accepts any present value that none of them accepts: with
// strings, also every number, true, false and null.
func parseAnythingBut(n node, at place) (test, error) {
	operator := ""
	if n.kind == object {
		if len(n.items) != 1 {
			return nil, at.errorf("want exactly one operator, have %d", len(n.items))
		}
		operator = n.names[0]
		at, n = at.field(operator), n.items[0]
		switch operator {
		case "prefix", "suffix", "equals-ignore-case", "wildcard":
		default:
			return nil, at.errorf("unknown operator in anything-but")
		}
	}
	items := n.items
	if n.kind != array {
		items = []node{n}
	}
	if len(items) == 0 {
		return nil, at.errorf("empty lists are not allowed")
	}
	var unwanted []test
	for _, item := range items {
		var t test
		var err error
		switch {
		case operator != "":
			if (operator == "prefix" || operator == "suffix") && item.kind == text && item.text == "" {
				return nil, at.errorf("an empty string is not allowed")
			}
			t, err = stringTest(operator, item, at)
		case item.kind != items[0].kind || item.kind != text && item.kind != digits:
			err = at.errorf("want only strings or only numbers, have %s", item.kind)
		case item.kind == digits && !item.num.inRange:
			err = at.errorf("%s is not within -5e9 and 5e9 with at most 6 decimals", item.text)
		case item.kind == digits:
			t, err = parseTest(item, at)
		default:
			t, err = stringTest("equals", item, at)
		}
		if err != nil {
			return nil, err
		}
		unwanted = append(unwanted, t)
	}
	return func(v value) bool {
		return !slices.ContainsFunc(unwanted, func(t test) bool { return t(v) })
	}, nil
}

// parseNumeric reads ["=", n], a bound such as ["<", n], or a lower and an upper bound in this order.
func parseNumeric(n node, at place) (test, error) {
	if n.kind != array || len(n.items) != 2 && len(n.items) != 4 {
		return nil, at.errorf("want a list of one or two pairs of operator and number")
	}
	for i := 0; i < len(n.items); i += 2 {
		if op, limit := n.items[i], n.items[i+1]; op.kind != text || limit.kind != digits {
			return nil, at.errorf("want pairs of operator and number, have %s and %s", op.kind, limit.kind)
		} else if !limit.num.inRange {
			return nil, at.errorf("%s is not within -5e9 and 5e9 with at most 6 decimals", limit.text)
		}
	}
	low, high := int64(-maxMicros), int64(maxMicros)
	op, limit := n.items[0].text, n.items[1].num.micros
	switch op {
	case "=":
		low, high = limit, limit
	case "<":
		high = limit - 1
	case "<=":
		high = limit
	case ">":
		low = limit + 1
	case ">=":
		low = limit
	default:
		return nil, at.errorf("unknown operator %q", op)
	}
	if len(n.items) == 4 {
		first, top := limit, n.items[3].num.micros
		if op != ">" && op != ">=" {
			return nil, at.errorf("a range begins with > or >=, not %s", op)
		}
		switch op := n.items[2].text; op {
		case "<":
			high = top - 1
		case "<=":
			high = top
		default:
			return nil, at.errorf("a range ends with < or <=, not %q", op)
		}
		if first >= top {
			return nil, at.errorf("the lower bound must be less than the upper bound")
		}
	}
	return func(v value) bool {
		return v.kind == digits && v.num.inRange && low <= v.num.micros && v.num.micros <= high
	}, nil
}

func parseCIDR(n node, at place) (test, error) {
	if n.kind != text {
		return nil, at.errorf("want a string, have %s", n.kind)
	}
	prefix, err := netip.ParsePrefix(n.text)
	if err != nil {
		return nil, at.errorf("%q is no CIDR block", n.text)
	}
	prefix = prefix.Masked()
	return func(v value) bool {
		addr, ok := parseAddr(v.text)
		return v.kind == text && ok && prefix.Contains(addr)
	}, nil
}

func parseAddr(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	return addr, err == nil && addr.Zone() == ""
}

// fold maps strings that differ only in case to the same string.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}
