package event

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Longest texts of a Bad, in bytes.
const (
	maxExcerpt = 1024
	maxWhere   = 1024
	maxWhy     = 512
)

// bad keeps a piece that could not be decoded. After limits.bads of them it only counts, but it keeps
// the first of each SQS message all the same: a message without a record and without a Bad would
// count as handled, and be deleted.
func (d *decoder) bad(piece []byte, at spot, f *fault) {
	if len(d.bads) >= d.limits.bads && (at.carrier.MessageID == "" || at.carrier.MessageID == d.badMessage) {
		d.uncounted++
		return
	}
	d.badMessage = at.carrier.MessageID
	sum := sha256.Sum256(piece)
	d.bads = append(d.bads, Bad{
		Where:     ascii(at.where.join(f.at).String(), maxWhere),
		Why:       ascii(f.why, maxWhy),
		SHA256:    hex.EncodeToString(sum[:]),
		Size:      len(piece),
		Excerpt:   escape(piece, maxExcerpt),
		MessageID: at.carrier.MessageID,
	})
}

// escape makes text that is safe on a terminal and in a log line: printable ASCII, at most limit
// bytes, everything else and the backslash as Go escapes.
func escape(text []byte, limit int) string {
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		var next string
		switch {
		case r == utf8.RuneError && size == 1:
			next = `\x` + hex.EncodeToString(text[:1])
		case r == '"':
			next = `"`
		case r == '\'':
			next = `'`
		default:
			next = strconv.QuoteRuneToASCII(r)
			next = next[1 : len(next)-1]
		}
		if out.Len()+len(next) > limit {
			break
		}
		out.WriteString(next)
		text = text[size:]
	}
	return out.String()
}

// ascii makes our own words safe where they may hold a byte of the input: it is escape, but it leaves
// what is escaped already.
func ascii(text string, limit int) string {
	var out strings.Builder
	for _, r := range text {
		next := string(r)
		if r < ' ' || r > '~' {
			next = escape([]byte(next), limit)
		}
		if out.Len()+len(next) > limit {
			break
		}
		out.WriteString(next)
	}
	return out.String()
}

// quote makes a text from the input fit for a message.
func quote(text string) string {
	const most = 80
	if len(text) > most {
		return strconv.QuoteToASCII(text[:most]) + "..."
	}
	return strconv.QuoteToASCII(text)
}

// place is a path to a piece of the input, such as "Records[3].body.detail". The input itself is "".
type place string

func (p place) String() string {
	if p == "" || p[0] == ' ' {
		return "input" + string(p)
	}
	return strings.TrimSuffix(string(p), ": ")
}

// join puts a path inside p behind p.
func (p place) join(inner place) place {
	switch {
	case inner == "":
		return p
	case p == "" || inner[0] == '[' || inner[0] == ' ' || strings.HasSuffix(string(p), ": "):
		return p + inner
	}
	return p + "." + inner
}

func (p place) index(i int) place { return p + place("["+strconv.Itoa(i)+"]") }

// line is a line of a document of JSON lines.
func (p place) line(n int) place { return p.join(place("line " + strconv.Itoa(n) + ": ")) }

// position tells a line and column of the document p, both from 1; columns are bytes.
func (p place) position(line, column int) place {
	at := ", column " + strconv.Itoa(column)
	if strings.HasSuffix(string(p), ": ") { // p is a line already
		return place(p.String() + at)
	}
	text := "line " + strconv.Itoa(line) + at
	if p == "" {
		return place(text)
	}
	return place(p.String() + " (" + text + ")")
}

// keyPlace is the place of a member. A key that is no plain word is quoted.
func keyPlace(key []byte) place {
	for _, c := range key {
		if !(c == '_' || c == '-' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
			return place("[" + quote(string(key)) + "]")
		}
	}
	if len(key) == 0 || len(key) > 64 {
		return place("[" + quote(string(key)) + "]")
	}
	return place(key)
}
