package notify

import (
	"strings"
	"unicode/utf8"
)

// width is how many characters a line of prose has. Command lines and links are never broken.
const width = 90

// page lays out plain text: paragraphs at the margin, and below each heading indented fields and paragraphs.
// What it is given is already escaped. Only headings and headlines stand at the margin, so that no text from
// a record can pass for one.
type page struct{ b strings.Builder }

// headline writes a paragraph at the margin.
func (p *page) headline(text string) { p.wrapped("", "", text) }

// section begins a new part.
func (p *page) section(title string) { p.b.WriteString("\n" + title + "\n") }

// gap leaves a line empty.
func (p *page) gap() { p.b.WriteString("\n") }

// para writes an indented paragraph.
func (p *page) para(text string) { p.wrapped("  ", "  ", text) }

// field writes a label and its value; nothing for an empty value.
func (p *page) field(label, value string) {
	if value != "" {
		p.wrapped("  "+label+strings.Repeat(" ", max(1, 12-len(label))), strings.Repeat(" ", 14), value)
	}
}

// item writes a paragraph that hangs from a mark such as "1." or "-".
func (p *page) item(mark, text string) {
	p.wrapped("  "+mark+" ", strings.Repeat(" ", 3+len(mark)), text)
}

// verbatim writes a line that is to be copied as it stands.
func (p *page) verbatim(indent, text string) { p.b.WriteString(indent + text + "\n") }

// wrapped breaks text into lines, the first after first, the others after rest. Words longer than two lines
// are broken too.
func (p *page) wrapped(first, rest, text string) {
	line, used := first, utf8.RuneCountInString(first)
	empty := true
	for word := range strings.FieldsSeq(text) {
		for _, piece := range pieces(word) {
			n := utf8.RuneCountInString(piece)
			if !empty && used+1+n > width {
				p.b.WriteString(line + "\n")
				line, used, empty = rest, utf8.RuneCountInString(rest), true
			}
			if !empty {
				line, used = line+" ", used+1
			}
			line, used, empty = line+piece, used+n, false
		}
	}
	p.b.WriteString(strings.TrimRight(line, " ") + "\n")
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
