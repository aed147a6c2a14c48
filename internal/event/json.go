package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// encoding/json judges the syntax of every document. What follows walks over bytes that it has found
// valid, or over the valid beginning of a broken document, because encoding/json does four things
// that let a forger say one thing to us and another to somebody else: it matches keys without regard
// to case, lets the last of two equal keys win, and replaces invalid UTF-8 and lone surrogates.

// syntaxError says what is wrong with data. The first valid bytes of data are the beginning of some
// valid document; the wrong byte follows them. A why that is empty means that data is valid.
func syntaxError(data []byte) (valid int, why string) {
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	if err == nil {
		return len(data), ""
	}
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return 0, err.Error()
	}
	if syntax.Error() == "unexpected end of JSON input" {
		return len(data), "it ends too early"
	}
	return max(0, int(syntax.Offset)-1), syntax.Error()
}

// space is the index of the first byte of b, from i on, that is no white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// trim cuts white space off both ends.
func trim(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }

// stringEnd is the index behind the string whose opening quote is b[i], -1 when b ends before.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return -1
}

// valueEnd is the index behind the value that begins at b[i], -1 when b ends before.
func valueEnd(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\r', '\t':
			i++
			continue
		default:
			for i < len(b) && !delimiter(b[i]) {
				i++
			}
			if i == len(b) {
				return -1
			}
		}
		if depth <= 0 {
			return i
		}
	}
	return -1
}

// delimiter says whether c ends a number or a word.
func delimiter(c byte) bool {
	switch c {
	case ',', ':', ']', '}', '"', '{', '[', ' ', '\n', '\r', '\t':
		return true
	}
	return false
}

// cursor steps through the elements of one array, or the members of one object.
type cursor struct {
	b     []byte
	i     int
	start int    // where the current element or member begins
	key   []byte // key of the current member as it is written, without its quotes
	at    int    // where the current value begins
	cut   bool   // b ended inside the current element or before the closing bracket
}

// enter begins at b[i], which is '{' or '['.
func enter(b []byte, i int) cursor { return cursor{b: b, i: i + 1, start: i} }

// next returns the next value. It returns nil behind the last one, and where b ends: then cut is set.
func (c *cursor) next(object bool) []byte {
	c.i = space(c.b, c.i)
	if c.i < len(c.b) && c.b[c.i] == ',' {
		c.i = space(c.b, c.i+1)
	}
	c.start, c.at, c.key = c.i, c.i, nil
	if c.i < len(c.b) && (c.b[c.i] == ']' || c.b[c.i] == '}') {
		return nil
	}
	c.cut = true
	if object {
		if c.i >= len(c.b) || c.b[c.i] != '"' {
			return nil
		}
		end := stringEnd(c.b, c.i)
		if end < 0 {
			return nil
		}
		c.key = c.b[c.i+1 : end-1]
		colon := space(c.b, end)
		if colon >= len(c.b) || c.b[colon] != ':' {
			return nil
		}
		c.at = space(c.b, colon+1)
	}
	end := valueEnd(c.b, c.at)
	if end <= c.at {
		return nil
	}
	c.cut, c.i = false, end
	return c.b[c.at:end]
}

// unescape appends to dst what the string with the content raw says. It refuses what has no meaning
// in Unicode.
func unescape(dst, raw []byte) ([]byte, string) {
	if !utf8.Valid(raw) {
		return dst, "invalid UTF-8"
	}
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 || i+1 >= len(raw) {
			return append(dst, raw...), ""
		}
		dst = append(dst, raw[:i]...)
		c := raw[i+1]
		raw = raw[i+2:]
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(raw)
			raw = raw[min(4, len(raw)):]
			if utf16.IsSurrogate(r) {
				if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
					return dst, "lone surrogate"
				}
				if r = utf16.DecodeRune(r, hex4(raw[2:])); r == utf8.RuneError {
					return dst, "lone surrogate"
				}
				raw = raw[6:]
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
}

// hex4 reads four hexadecimal digits, which encoding/json has seen to be such.
func hex4(b []byte) rune {
	var r rune
	for i := 0; i < 4 && i < len(b); i++ {
		c := b[i]
		switch {
		case c >= 'a':
			c -= 'a' - 10
		case c >= 'A':
			c -= 'A' - 10
		default:
			c -= '0'
		}
		r = r<<4 | rune(c&15)
	}
	return r
}

// kind names the kind of a value, for messages.
func kind(value []byte) string {
	if len(value) == 0 {
		return "nothing"
	}
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}
