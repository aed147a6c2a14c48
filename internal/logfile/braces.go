package logfile

import "bytes"

// walker finds the ends of objects.
//
// A brace counts when it stands outside of strings, which is when an even number of quotes stand
// before it. So it goes from brace to brace with IndexByte and counts the quotes between with Count:
// both look at 32 bytes at a time. Only where there is a backslash it looks at each byte.
type walker struct {
	// other is shown a record's own members behind one of its inner objects, and says whether they prove
	// that nobody asked for the record.
	other func(members []byte) bool

	slash int // the next backslash, when it is not before the place that is looked at; -1: not known
}

// end is the index behind the object that begins at b[i], -1 when b ends before, and what other said. In
// text that is no valid JSON it may be anywhere.
func (w *walker) end(b []byte, i int) (end int, other bool) {
	depth, inside, at := 0, false, i
	open, shut := i, find(b, i, '}')
	if w.slash < i {
		w.slash = find(b, i, '\\')
	}
	for tries := 2; ; {
		brace := min(open, shut)
		if w.slash < brace {
			at, inside = quotes(b, at, brace, inside)
			w.slash = find(b, at, '\\')
		} else if bytes.Count(b[at:brace], quote)&1 == 1 {
			inside = !inside
		}
		if brace >= len(b) {
			return -1, false
		}
		at = brace + 1
		if brace == open {
			open = find(b, at, '{')
			if !inside {
				depth++
			}
			continue
		}
		shut = find(b, at, '}')
		if inside {
			continue
		}
		depth--
		if depth == 0 {
			return at, other
		}
		if depth == 1 && tries > 0 {
			if tries--; w.other(b[at:]) {
				other, tries = true, 0
			}
		}
	}
}

var quote = []byte{'"'}

// find is the index of c in b from i on, len(b) when there is none.
func find(b []byte, i int, c byte) int {
	if i >= len(b) {
		return len(b)
	}
	if n := bytes.IndexByte(b[i:], c); n >= 0 {
		return i + n
	}
	return len(b)
}

// quotes goes over b[i:end] byte by byte. It may end one byte later, when the last one is a backslash.
func quotes(b []byte, i, end int, inside bool) (int, bool) {
	for i < end {
		switch b[i] {
		case '"':
			inside = !inside
		case '\\':
			i++
		}
		i++
	}
	return i, inside
}

// space is the index of the first byte of b, from i on, that is no white space of JSON.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipper goes over one object, in as many pieces as it comes in.
type skipper struct {
	depth           int
	inside, escaped bool
}

// over returns how many bytes of b belong to the object, and whether it ended there.
func (s *skipper) over(b []byte) (int, bool) {
	for i, c := range b {
		switch {
		case s.escaped:
			s.escaped = false
		case s.inside:
			s.escaped, s.inside = c == '\\', c != '"'
		case c == '"':
			s.inside = true
		case c == '{':
			s.depth++
		case c == '}':
			if s.depth--; s.depth == 0 {
				return i + 1, true
			}
		}
	}
	return len(b), false
}
