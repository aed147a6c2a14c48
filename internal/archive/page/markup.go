package page

import (
	"bufio"
	"html"
	"strconv"
)

// markup writes HTML. Text comes from records, and so from whoever wrote them: escape is what it goes
// through. html/template does that too, and adds 23 MB to the program: with it the linker keeps every method of every type.
type markup struct{ *bufio.Writer }

// raw writes markup of ours.
func (m markup) raw(parts ...string) {
	for _, p := range parts {
		m.WriteString(p) // an error stays, and Flush tells it
	}
}

// element writes an element that holds text; class may be empty.
func (m markup) element(name, class, text string) {
	m.raw("<", name, attribute("class", class), ">", escape(text), "</", name, ">")
}

// attribute is an attribute with what stands before it; nothing when it has no value.
func attribute(name, value string) string {
	if value == "" {
		return ""
	}
	return " " + name + `="` + escape(value) + `"`
}

// escape is text for an element or a quoted attribute.
func escape(text string) string { return html.EscapeString(Plain(text)) }

// table is one under way: row by row, then its end.
type table struct{ markup }

// cell is one of a row; below stands under its text, softly.
type cell struct{ class, text, below string }

func prose(text string) cell   { return cell{text: text} }
func whole(text string) cell   { return cell{class: "t", text: text} } // on one line
func number(n int) cell        { return cell{class: "n", text: strconv.Itoa(n)} }
func graded(grade string) cell { return cell{class: grade, text: grade} } // in the grade's colour

func (m markup) table(heads ...string) table {
	m.raw(`<div class="scroll"><table><tr>`)
	for _, h := range heads {
		m.element("th", "", h)
	}
	m.raw("</tr>\n")
	return table{m}
}

func (t table) row(cells ...cell) {
	t.raw("<tr>")
	for _, c := range cells {
		t.raw("<td", attribute("class", c.class), ">", escape(c.text))
		if c.below != "" {
			t.raw("<br>")
			t.element("span", "soft", c.below)
		}
		t.raw("</td>")
	}
	t.raw("</tr>\n")
}

func (t table) end() { t.raw("</table></div>\n") }
