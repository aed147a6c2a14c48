package ledger

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays may stand within each other: as deep as encoding/json reads.
const maxDepth = 10_000

// Canonical brings one JSON value into the form of RFC 8785: members sorted by the UTF-16 code units of their names, numbers as
// ECMAScript prints them, as few escapes as there can be, no white space. Equal values have equal bytes. It refuses what has no
// single meaning: repeated names, invalid UTF-8, halves of surrogate pairs, numbers that no float64 holds, more after the value.
// As RFC 8785 says, a number is a float64: digits beyond that are lost.
func Canonical(data []byte) ([]byte, error) {
	c := canonizer{in: data, out: make([]byte, 0, len(data))}
	if err := c.document(); err != nil {
		return nil, fmt.Errorf("canonicalize JSON: %w (byte %d)", err, c.at)
	}
	return c.out, nil
}

type canonizer struct {
	in    []byte
	at    int
	out   []byte
	depth int
}

var errEnd = errors.New("the value is cut off")

func (c *canonizer) document() error {
	if err := c.value(); err != nil {
		return err
	}
	if c.next(); c.at < len(c.in) {
		return errors.New("there is more after the value")
	}
	return nil
}

// next skips white space and returns the byte that follows, 0 at the end (which begins no value).
func (c *canonizer) next() byte {
	for ; c.at < len(c.in); c.at++ {
		if b := c.in[c.at]; b != ' ' && b != '\t' && b != '\n' && b != '\r' {
			return b
		}
	}
	return 0
}

func (c *canonizer) value() error {
	switch b := c.next(); {
	case b == '{':
		return c.nested(c.object)
	case b == '[':
		return c.nested(c.array)
	case b == '"':
		s, err := c.text()
		c.out = appendString(c.out, s)
		return err
	case b == '-' || '0' <= b && b <= '9':
		return c.number()
	case c.at == len(c.in):
		return errEnd
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(c.in[c.at:], []byte(word)) {
			c.at += len(word)
			c.out = append(c.out, word...)
			return nil
		}
	}
	return errors.New("this begins no JSON value")
}

func (c *canonizer) nested(read func() error) error {
	if c.depth++; c.depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	c.at++
	err := read()
	c.depth--
	return err
}

func (c *canonizer) array() error {
	c.out = append(c.out, '[')
	if c.next() == ']' {
		c.at++
		c.out = append(c.out, ']')
		return nil
	}
	for {
		if err := c.value(); err != nil {
			return err
		}
		switch c.next() {
		case ',':
			c.out = append(c.out, ',')
		case ']':
			c.at++
			c.out = append(c.out, ']')
			return nil
		default:
			return c.unexpected("a comma or the end of the array")
		}
		c.at++
	}
}

// member is one of an object: its name, and where name and value stand in out.
type member struct {
	name     string
	from, to int
}

func (c *canonizer) object() error {
	var few [16]member
	members, sorted := few[:0], true
	c.out = append(c.out, '{')
	begin := len(c.out)
	for c.next() != '}' || len(members) > 0 {
		if len(members) > 0 {
			c.out = append(c.out, ',')
		}
		m, err := c.member()
		if err != nil {
			return err
		}
		sorted = sorted && (len(members) == 0 || compareUTF16(members[len(members)-1].name, m.name) < 0)
		members = append(members, m)
		if c.next() == '}' {
			break
		}
		if c.next() != ',' {
			return c.unexpected("a comma or the end of the object")
		}
		c.at++
	}
	c.at++
	if !sorted {
		if err := c.sort(begin, members); err != nil {
			return err
		}
	}
	c.out = append(c.out, '}')
	return nil
}

func (c *canonizer) member() (m member, err error) {
	if c.next() != '"' {
		return m, c.unexpected("a member's name")
	}
	if m.name, err = c.text(); err != nil {
		return m, err
	}
	if c.next() != ':' {
		return m, c.unexpected("a colon")
	}
	c.at++
	m.from = len(c.out)
	c.out = append(appendString(c.out, m.name), ':')
	err = c.value()
	m.to = len(c.out)
	return m, err
}

// sort brings the members that stand in out from begin on into their order.
func (c *canonizer) sort(begin int, members []member) error {
	slices.SortFunc(members, func(a, b member) int { return compareUTF16(a.name, b.name) })
	was := slices.Clone(c.out[begin:])
	c.out = c.out[:begin]
	for i, m := range members {
		if i > 0 {
			if members[i-1].name == m.name {
				return fmt.Errorf("the name %q is there twice", m.name)
			}
			c.out = append(c.out, ',')
		}
		c.out = append(c.out, was[m.from-begin:m.to-begin]...)
	}
	return nil
}

// compareUTF16 compares texts by their UTF-16 code units. UTF-8 sorts the same but for what takes two units.
func compareUTF16(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && i < len(a) && !utf8.RuneStart(a[i]) {
		i--
	}
	if i == len(a) || i == len(b) {
		return len(a) - len(b)
	}
	return cmp.Compare(unitsOf(a[i:]), unitsOf(b[i:]))
}

// unitsOf is the UTF-16 of the first rune, as a number that sorts as they do.
func unitsOf(s string) uint32 {
	r, _ := utf8.DecodeRuneInString(s)
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return uint32(high)<<16 | uint32(low)
	}
	return uint32(r) << 16
}

func (c *canonizer) unexpected(want string) error {
	if c.at == len(c.in) {
		return errEnd
	}
	return fmt.Errorf("%q where %s should be", c.in[c.at], want)
}

// text reads the string that begins here and returns what it means.
func (c *canonizer) text() (string, error) {
	c.at++
	plain := c.at
	var s []byte // what was read before plain, once there was an escape
	for c.at < len(c.in) {
		switch b := c.in[c.at]; {
		case b == '"':
			c.at++
			if s == nil {
				return string(c.in[plain : c.at-1]), nil
			}
			return string(append(s, c.in[plain:c.at-1]...)), nil
		case b == '\\':
			s = append(s, c.in[plain:c.at]...)
			r, err := c.escape()
			if err != nil {
				return "", err
			}
			s = utf8.AppendRune(s, r)
			plain = c.at
		case b < 0x20:
			return "", errors.New("a control character in a string")
		case b < utf8.RuneSelf:
			c.at++
		default:
			r, size := utf8.DecodeRune(c.in[c.at:])
			if r == utf8.RuneError && size == 1 {
				return "", errors.New("invalid UTF-8")
			}
			c.at += size
		}
	}
	return "", errEnd
}

func (c *canonizer) escape() (rune, error) {
	if c.at+1 >= len(c.in) {
		return 0, errEnd
	}
	b := c.in[c.at+1]
	if b == 'u' {
		r, err := c.unit()
		if err != nil || !utf16.IsSurrogate(r) {
			return r, err
		}
		if !bytes.HasPrefix(c.in[c.at:], []byte(`\u`)) {
			return 0, errors.New("half of a surrogate pair")
		}
		low, err := c.unit()
		if err != nil {
			return 0, err
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return 0, errors.New("half of a surrogate pair")
		}
		return r, nil
	}
	i := bytes.IndexByte([]byte(`"\/bfnrt`), b)
	if i < 0 {
		return 0, fmt.Errorf("unknown escape %q", b)
	}
	c.at += 2
	return rune("\"\\/\b\f\n\r\t"[i]), nil
}

// unit reads \uXXXX.
func (c *canonizer) unit() (rune, error) {
	if c.at+6 > len(c.in) {
		return 0, errEnd
	}
	var r rune
	for _, b := range c.in[c.at+2 : c.at+6] {
		switch {
		case '0' <= b && b <= '9':
			r = r<<4 | rune(b-'0')
		case 'a' <= b|0x20 && b|0x20 <= 'f':
			r = r<<4 | rune(b|0x20-'a'+10)
		default:
			return 0, fmt.Errorf("%q is no hexadecimal digit", b)
		}
	}
	c.at += 6
	return r, nil
}

func (c *canonizer) number() error {
	begin := c.at
	digits := func() int {
		from := c.at
		for c.at < len(c.in) && '0' <= c.in[c.at] && c.in[c.at] <= '9' {
			c.at++
		}
		return c.at - from
	}
	is := func(set string) bool {
		if c.at < len(c.in) && bytes.IndexByte([]byte(set), c.in[c.at]) >= 0 {
			c.at++
			return true
		}
		return false
	}
	is("-")
	zero := c.at < len(c.in) && c.in[c.at] == '0'
	if n := digits(); n == 0 || zero && n > 1 {
		return errors.New("malformed number")
	}
	if is(".") && digits() == 0 {
		return errors.New("malformed number")
	}
	if is("eE") {
		is("+-")
		if digits() == 0 {
			return errors.New("malformed number")
		}
	}
	f, err := strconv.ParseFloat(string(c.in[begin:c.at]), 64)
	if err != nil {
		return errors.New("the number is too large for a float64")
	}
	c.out = appendNumber(c.out, f)
	return nil
}

// appendNumber prints f as ECMAScript's Number::toString does.
func appendNumber(out []byte, f float64) []byte {
	if f == 0 {
		return append(out, '0') // -0 too
	}
	if abs := math.Abs(f); 1e-6 <= abs && abs < 1e21 {
		return strconv.AppendFloat(out, f, 'f', -1, 64)
	}
	out = strconv.AppendFloat(out, f, 'e', -1, 64)
	// Go writes at least two digits of the exponent, ECMAScript no leading zero.
	if n := len(out); n >= 3 && out[n-2] == '0' && (out[n-3] == '-' || out[n-3] == '+') {
		out[n-2] = out[n-1]
		out = out[:n-1]
	}
	return out
}

// appendString quotes s with as few escapes as RFC 8785 allows.
func appendString(out []byte, s string) []byte {
	out = append(out, '"')
	plain := 0
	for i := range len(s) {
		b := s[i]
		if b >= 0x20 && b != '"' && b != '\\' {
			continue
		}
		out = append(out, s[plain:i]...)
		plain = i + 1
		if short := bytes.IndexByte([]byte("\"\\\b\f\n\r\t"), b); short >= 0 {
			out = append(out, '\\', `"\bfnrt`[short])
		} else {
			out = fmt.Appendf(out, `\u%04x`, b)
		}
	}
	return append(append(out, s[plain:]...), '"')
}
