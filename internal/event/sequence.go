package event

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// sequence decodes a document that is not one JSON value: JSON lines, several values that are spread
// over lines, or a value that is broken.
//
// The lines tell which. If lines are values by themselves, a broken line is one Bad and reading goes
// on at the next line. Otherwise the break is one Bad, however many lines follow it: there is no
// telling where the document would go on.
func (d *decoder) sequence(data []byte, at spot) {
	lines := jsonLines(data)
	// Between lines, a broken one may be the beginning of a value that is spread over lines. Looking
	// for its end costs time; spare bounds the total.
	spare := len(data)
	r := reader{rest: data, line: 1, column: 1}
	for n := 0; ; n++ {
		r.advance(space(r.rest, 0))
		if len(r.rest) == 0 {
			return
		}
		here := at.in(at.where.line(r.line), CarrierLines)
		if text := r.text(); lines && whole(text) {
			d.document(text, here)
			r.advance(len(text))
			continue
		}

		window := r.rest
		if lines && spare <= 0 {
			window = r.text()
		}
		valid, why := syntaxError(window)
		spare -= valid
		end := -1
		if r.rest[0] == '{' || r.rest[0] == '[' {
			end = valueEnd(window[:valid], 0)
		}
		if end < 0 {
			d.broken(&r, why, valid, lines, n, at, here)
			continue
		}
		if n == 0 && !lines && !follows(r.rest[end:]) {
			here = at // it is the one value of the document
		}
		d.value(r.rest[:end], here)
		r.advance(end)
		if tail := r.text(); len(trim(tail)) > 0 {
			if !lines {
				tail = r.rest
			}
			d.trailing(&r, tail, at)
		}
	}
}

// broken skips a value that is broken: its line, or all that is left. What is complete in it is
// decoded.
func (d *decoder) broken(r *reader, why string, valid int, lines bool, n int, at, here spot) {
	piece := r.rest
	switch {
	case lines:
		piece, at = r.text(), here
		if valid >= len(piece) { // it was looked for on the lines that follow, too
			valid, why = syntaxError(piece)
		}
	case n > 0 && piece[0] != '{' && piece[0] != '[':
		d.trailing(r, piece, at)
		return
	case at.cut && valid == len(piece):
		d.salvage(piece, at)
		r.advance(len(piece))
		return
	}
	line, column := r.position(valid)
	begin, inside, read := d.salvage(piece[:valid], at)
	why = "syntax error: " + why
	if read > 0 {
		why += "; what stands before it was read: " + strconv.Itoa(read) + " elements"
	}
	at.where = inside.position(line, column)
	if begin == len(piece) {
		begin = 0
	}
	d.bad(piece[begin:], at, &fault{why: why})
	r.advance(len(piece))
}

// trailing skips what follows a complete value.
func (d *decoder) trailing(r *reader, tail []byte, at spot) {
	at.where = at.where.position(r.line, r.column)
	d.bad(tail, at, &fault{why: "trailing data after a complete JSON value"})
	r.advance(len(tail))
}

// salvage decodes the complete elements of a list that breaks off: of an array, or of a list of
// records or envelopes in an object. b is valid up to its end. It returns where the broken part
// begins, its place, and how many elements were complete.
func (d *decoder) salvage(b []byte, at spot) (begin int, inside place, read int) {
	if len(b) == 0 {
		return 0, at.where, 0
	}
	c := enter(b, 0)
	if b[0] == '[' {
		n := d.elements(&c, at, CarrierArray)
		return c.start, at.where.index(n), n
	}
	for b[0] == '{' {
		value := c.next(true)
		if kind := listKind(c.key); kind != "" && c.at < len(b) && b[c.at] == '[' {
			list, inner := enter(b, c.at), at
			inner.where = at.where.join(place(c.key))
			n := d.elements(&list, inner, kind)
			read += n
			if value == nil {
				return list.start, inner.where.index(n), read
			}
		}
		if value == nil {
			break
		}
	}
	if read > 0 {
		begin = c.start
	}
	return begin, at.where, read
}

// jsonLines says whether a document's lines are values by themselves: the first of them is, or at
// least half of them are.
func jsonLines(data []byte) bool {
	all, good := 0, 0
	for text := range bytes.Lines(data) {
		if len(trim(text)) == 0 {
			continue
		}
		all++
		if whole(text) {
			good++
			if all == 1 {
				return true
			}
		}
	}
	return good > 0 && 2*good >= all
}

// whole says whether a line is a document by itself.
func whole(text []byte) bool {
	text = trim(text)
	if len(text) == 0 {
		return false
	}
	return (text[0] == '{' || text[0] == '[') && json.Valid(text) || bytes.HasPrefix(text, base64Magic)
}

// follows says whether another value follows on a line of its own.
func follows(rest []byte) bool {
	i := space(rest, 0)
	return i < len(rest) && (rest[i] == '{' || rest[i] == '[') && bytes.IndexByte(rest[:i], '\n') >= 0
}

// reader is a place in a text, with its line and column: both from 1, columns in bytes.
type reader struct {
	rest         []byte
	line, column int
}

// text is the rest of the line.
func (r *reader) text() []byte {
	text, _, _ := bytes.Cut(r.rest, []byte{'\n'})
	return text
}

// position is the line and column n bytes further on.
func (r *reader) position(n int) (line, column int) {
	passed := r.rest[:n]
	if last := bytes.LastIndexByte(passed, '\n'); last >= 0 {
		return r.line + bytes.Count(passed, []byte{'\n'}), n - last
	}
	return r.line, r.column + n
}

func (r *reader) advance(n int) {
	r.line, r.column = r.position(n)
	r.rest = r.rest[n:]
}
