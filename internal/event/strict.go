package event

import (
	"bytes"
	"strconv"
)

// member is one member of an object.
type member struct {
	key   []byte // unescaped
	value []byte // as it stands
}

// fault is what is wrong inside a piece, and where in it.
type fault struct {
	at  place
	why string
}

// under returns the fault as seen from the object or array around.
func (f *fault) under(outer place) *fault {
	f.at = outer.join(f.at)
	return f
}

// members lists the members of the object b, without looking into them, and appends them to dst.
func members(b []byte, dst []member, limit int) ([]member, *fault) {
	seen, bottom := keys{}, len(dst)
	for c := enter(b, 0); ; {
		value := c.next(true)
		if value == nil {
			return dst, nil
		}
		key, why := plainKey(c.key)
		if why != "" {
			return dst, &fault{at: keyPlace(c.key), why: "key has " + why}
		}
		if len(dst)-bottom == limit {
			return dst, &fault{why: "more than " + strconv.Itoa(limit) + " keys"}
		}
		dst = append(dst, member{key: key, value: value})
		if seen.twice(key, dst[bottom:len(dst)-1]) {
			return dst, &fault{at: keyPlace(key), why: "duplicate key"}
		}
	}
}

// keys finds keys that occur twice in one object. Most objects are small, so it remembers nothing
// until there are many keys.
type keys struct{ many map[string]bool }

// few is the number of keys up to which looking at each is faster than a map.
const few = 24

func (k *keys) twice(key []byte, before []member) bool {
	if len(before) < few {
		for _, m := range before {
			if bytes.Equal(m.key, key) {
				return true
			}
		}
		return false
	}
	if k.many == nil {
		k.many = make(map[string]bool, 2*few)
		for _, m := range before {
			k.many[string(m.key)] = true
		}
	}
	if k.many[string(key)] {
		return true
	}
	k.many[string(key)] = true
	return false
}

// plainKey is what a key says.
func plainKey(raw []byte) ([]byte, string) {
	if plain(raw) {
		return raw, ""
	}
	return unescape(nil, raw)
}

// plain says whether a string is ASCII without escapes, which is to say nearly always.
func plain(raw []byte) bool {
	for _, c := range raw {
		if c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// strict looks at all there is inside a record: every key, every string, the depth.
type strict struct {
	depth   int      // deepest nesting that is allowed
	stack   []member // keys of the objects around the place it is at
	scratch []byte
}

// check returns the first fault inside the value that begins at b[i], and the index behind the value.
func (s *strict) check(b []byte, i, depth int) (int, *fault) {
	switch b[i] {
	case '"':
		end := stringEnd(b, i)
		return end, s.text(b[i+1 : end-1])
	case '{', '[':
		if depth == s.depth {
			return 0, &fault{why: "nested deeper than " + strconv.Itoa(s.depth) + " levels"}
		}
	default:
		return valueEnd(b, i), nil
	}
	object := b[i] == '{'
	bottom := len(s.stack)
	seen := keys{}
	// The cursor is not used here: it would look for the end of each value once a level.
	for n := 0; ; n++ {
		i = space(b, i+1)               // behind the bracket or the comma
		if b[i] == '}' || b[i] == ']' { // it is empty
			return i + 1, nil
		}
		var key []byte
		if object {
			end := stringEnd(b, i)
			raw := b[i+1 : end-1]
			var why string
			if key, why = plainKey(raw); why != "" {
				return 0, &fault{at: keyPlace(raw), why: "key has " + why}
			}
			if seen.twice(key, s.stack[bottom:]) {
				return 0, &fault{at: keyPlace(key), why: "duplicate key"}
			}
			s.stack = append(s.stack, member{key: key})
			i = space(b, space(b, end)+1) // behind the colon
		}
		end, f := s.check(b, i, depth+1)
		if f != nil && object {
			return 0, f.under(keyPlace(key))
		}
		if f != nil {
			return 0, f.under(place("").index(n))
		}
		i = space(b, end)
		if b[i] != ',' {
			s.stack = s.stack[:bottom]
			return i + 1, nil
		}
	}
}

func (s *strict) text(raw []byte) *fault {
	if plain(raw) {
		return nil
	}
	var why string
	if s.scratch, why = unescape(s.scratch[:0], raw); why != "" {
		return &fault{why: why}
	}
	return nil
}
