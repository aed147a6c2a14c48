package notify

import (
	"strings"
	"unicode/utf8"
)

// width is how many characters a line of prose has. Command lines and links are never broken.
const width = 90

// String is the page as plain text: paragraphs at the margin, and below each heading indented fields and paragraphs.
// Only headings and headlines stand at the margin, so that no text from a record can pass for one.
func (p Page) String() string {
	var l layout
	if p.Drill != "" {
		l.wrapped("", "", p.Drill)
		l.gap()
	}
	l.wrapped("", "", p.Headline)
	if len(p.Findings) > 0 {
		l.gap()
		l.blocks(p.Findings)
	}
	if p.Partial != "" {
		l.gap()
		l.wrapped("", "", p.Partial)
	}
	for _, s := range p.Sections {
		l.gap()
		l.b.WriteString(s.Title + "\n")
		l.blocks(s.Blocks)
	}
	return l.b.String()
}

type layout struct{ b strings.Builder }

func (l *layout) blocks(list []Block) {
	for _, b := range list {
		if b.Gap {
			l.gap()
		}
		switch b.Kind {
		case Field, Link:
			l.wrapped("  "+b.Label+strings.Repeat(" ", max(1, 12-len(b.Label))), strings.Repeat(" ", 14), b.Text+b.URL)
		case Item:
			hang := strings.Repeat(" ", 3+len(b.Label))
			l.wrapped("  "+b.Label+" ", hang, b.Text)
			if b.Command != "" {
				l.b.WriteString(hang + b.Command + "\n")
			}
		default:
			l.wrapped("  ", "  ", b.Text)
		}
	}
}

// gap leaves a line empty.
func (l *layout) gap() { l.b.WriteString("\n") }

// wrapped breaks text into lines, the first after first, the others after rest. Words longer than two lines
// are broken too.
func (l *layout) wrapped(first, rest, text string) {
	line, used := first, utf8.RuneCountInString(first)
	empty := true
	for word := range strings.FieldsSeq(text) {
		for _, piece := range pieces(word) {
			n := utf8.RuneCountInString(piece)
			if !empty && used+1+n > width {
				l.b.WriteString(line + "\n")
				line, used, empty = rest, utf8.RuneCountInString(rest), true
			}
			if !empty {
				line, used = line+" ", used+1
			}
			line, used, empty = line+piece, used+n, false
		}
	}
	l.b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// pieces cuts a word that would not fit on two lines.
func pieces(word string) []string {
	if utf8.RuneCountInString(word) <= 2*width {
		return []string{word}
	}
	var out []string
	for runes := []rune(word); len(runes) > 0; {
		n := min(len(runes), width-20)
		out = append(out, string(runes[:n]))
		runes = runes[n:]
	}
	return out
}

// Lines is the section without its title as single lines, for channels that know no other layout.
func (s Section) Lines() []string {
	out := []string{}
	for _, b := range s.Blocks {
		switch b.Kind {
		case Field, Link:
			out = append(out, b.Label+": "+b.Text+b.URL)
		case Item:
			out = append(out, b.Label+" "+b.Text)
			if b.Command != "" {
				out = append(out, b.Command)
			}
		default:
			out = append(out, b.Text)
		}
	}
	return out
}
