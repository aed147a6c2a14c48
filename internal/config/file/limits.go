package file

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
	maxSize  = 1 << 20 // bytes
	maxBlank = 100     // blank lines in a row
	maxDepth = 16      // brackets, or list marks on one line, within each other
	maxKeys  = 1000

	maxProblems = 100 // the rest is counted
)

// readable says whether the bytes are text that a YAML parser can be given, and notes why not.
func (d *document) readable(data []byte) bool {
	if len(data) > maxSize {
		d.problem(nil, "", "the file is longer than 1 MiB", "a configuration is a few lines; is this the right file?")
		return false
	}
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(data, []byte(mark)) {
			d.problem(nil, "", "the file begins with a byte order mark", `save it as plain "UTF-8", without BOM`)
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
			d.problem(at(0), "", fmt.Sprintf("more than %d blank lines in a row", maxBlank), "take them away")
			return false
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 && len(indent) < len(strings.TrimRight(line, "\r")) {
			d.problem(at(tab), "", "the line is indented with a tab", "YAML wants spaces")
			return false
		}
		for offset, r := range line {
			_, size := utf8.DecodeRuneInString(line[offset:])
			switch {
			case r == utf8.RuneError && size == 1:
				d.problem(at(offset), "", "this is not UTF-8", `save the file as "UTF-8"`)
				return false
			case r == '\r' && strings.TrimRight(line[offset:], "\r") == "" && size == len(line)-offset:
				// The end of a line as Windows writes it.
			case unicode.IsControl(r) && r != '\t', r == '\uFEFF', r == '\u2028', r == '\u2029':
				d.problem(at(offset), "", fmt.Sprintf("control character %U", r), "take it away")
				return false
			}
		}
	}
	return true
}

// simple says whether the tokens are such that a configuration needs them, and notes why not.
func (d *document) simple(tokens token.Tokens) bool {
	open, marks, keys, line := 0, 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, marks = t.Position.Line, 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			d.problem(t, "", "anchors, aliases and merged keys are not taken", "write the value out")
			return false
		case token.TagType:
			d.problem(t, "", "tags are not taken", "write the value by itself, in quotes if it is text")
			return false
		case token.DirectiveType:
			d.problem(t, "", "directives are not taken", "take the line away")
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
			d.problem(t, "", fmt.Sprintf("more than %d levels within each other", maxDepth), "no key needs that")
			return false
		}
		if keys > maxKeys {
			d.problem(t, "", fmt.Sprintf("more than %d keys", maxKeys), "is this the right file?")
			return false
		}
	}
	return true
}

// excerpt is a line with a caret under a column, cut to what fits a terminal.
func (d *document) excerpt(line, column int) string {
	if line < 1 || line > len(d.lines) {
		return ""
	}
	const width = 100
	text := []rune(printable(strings.TrimRight(d.lines[line-1], "\r")))
	column = max(1, min(column, len(text)+1))
	from := 0
	if column > width {
		from = column - width/2
	}
	shown := text[from:min(len(text), from+width)]
	number := fmt.Sprintf("%5d | ", line)
	return strings.TrimRight(number+string(shown), " ") + "\n" + strings.Repeat(" ", len(number)-2) + "| " + strings.Repeat(" ", column-1-from) + "^"
}

// printable puts one mark in place of every character that a terminal would act on.
func printable(s string) string {
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
