package yaml

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// Limits far above any real file, and low enough that the parser answers within seconds.
const (
	maxBlank = 100 // blank lines in a row
	maxDepth = 16  // brackets, or list marks on one line, within each other

	maxProblems = 100 // the rest is counted
)

// readable says whether the bytes are text that a YAML parser can be given, and notes why not.
func (d *Document) readable(data []byte) bool {
	if len(data) > d.limits.Size {
		d.Problem(nil, "", fmt.Sprintf("the file is longer than %d MiB", d.limits.Size>>20), d.limits.Hint)
		return false
	}
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(data, []byte(mark)) {
			d.Problem(nil, "", "the file begins with a byte order mark", `save it as plain "UTF-8", without BOM`)
			return false
		}
	}
	text := strings.ToValidUTF8(string(data), "\uFFFD")
	d.lines = strings.Split(text, "\n")
	blank := 0
	for i, rest := 0, string(data); i < len(d.lines); i++ {
		line, after, _ := strings.Cut(rest, "\n")
		rest = after
		at := func(byteOffset int) *token.Token {
			return &token.Token{Position: &token.Position{Line: i + 1, Column: utf8.RuneCountInString(line[:byteOffset]) + 1}}
		}
		if strings.TrimSpace(line) == "" {
			blank++
		} else {
			blank = 0
		}
		if blank > maxBlank {
			d.Problem(at(0), "", fmt.Sprintf("more than %d blank lines in a row", maxBlank), "take them away")
			return false
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 && len(indent) < len(strings.TrimRight(line, "\r")) {
			d.Problem(at(tab), "", "the line is indented with a tab", "YAML wants spaces")
			return false
		}
		for offset, r := range line {
			_, size := utf8.DecodeRuneInString(line[offset:])
			switch {
			case r == utf8.RuneError && size == 1:
				d.Problem(at(offset), "", "this is not UTF-8", `save the file as "UTF-8"`)
				return false
			case r == '\r' && strings.TrimRight(line[offset:], "\r") == "" && size == len(line)-offset:
				// The end of a line as Windows writes it.
			case unicode.IsControl(r) && r != '\t', r == '\uFEFF', r == '\u2028', r == '\u2029':
				d.Problem(at(offset), "", fmt.Sprintf("control character %U", r), "take it away")
				return false
			}
		}
	}
	return true
}

// simple says whether the tokens are such that our files need them, and notes why not.
func (d *Document) simple(tokens token.Tokens) bool {
	open, marks, keys, line := 0, 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, marks = t.Position.Line, 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			d.Problem(t, "", "anchors, aliases and merged keys are not taken", "write the value out")
			return false
		case token.TagType:
			d.Problem(t, "", "tags are not taken", "write the value by itself, in quotes if it is text")
			return false
		case token.DirectiveType:
			d.Problem(t, "", "directives are not taken", "take the line away")
			return false
		case token.SequenceStartType, token.MappingStartType:
			open++
		case token.SequenceEndType, token.MappingEndType:
			open--
		case token.SequenceEntryType, token.MappingKeyType:
			marks++
		case token.MappingValueType:
			keys++
		}
		if open > maxDepth || marks > maxDepth {
			d.Problem(t, "", fmt.Sprintf("more than %d levels within each other", maxDepth), "no key needs that")
			return false
		}
		if keys > d.limits.Keys {
			d.Problem(t, "", fmt.Sprintf("more than %d keys", d.limits.Keys), "is this the right file?")
			return false
		}
	}
	return true
}

// excerpt is a line with a caret under a column, cut to what fits a terminal.
func (d *Document) excerpt(line, column int) string {
	if line < 1 || line > len(d.lines) {
		return ""
	}
	const width = 100
	text := []rune(Printable(strings.TrimRight(d.lines[line-1], "\r")))
	column = max(1, min(column, len(text)+1))
	from := 0
	if column > width {
		from = column - width/2
	}
	shown := text[from:min(len(text), from+width)]
	number := fmt.Sprintf("%5d | ", line)
	return strings.TrimRight(number+string(shown), " ") + "\n" + strings.Repeat(" ", len(number)-2) + "| " + strings.Repeat(" ", column-1-from) + "^"
}

// Printable puts one mark in place of every character that a terminal would act on.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '\uFFFD'
		}
		return r
	}, s)
}
