package slack

import (
	"encoding/json"
	"html"
	"strings"
)

// preview draws a payload about as Slack does, so that people can look at it: see testdata/preview.html.
func preview(name string, doc []byte) string {
	var m struct {
		Text   string
		Blocks []element
	}
	if err := json.Unmarshal(doc, &m); err != nil {
		return html.EscapeString(err.Error())
	}
	var b strings.Builder
	b.WriteString("<h2>" + html.EscapeString(name) + "</h2><div class=m><b>trailwarden</b> <span class=app>APP</span>")
	for _, e := range m.Blocks {
		b.WriteString(e.draw())
	}
	return b.String() + "</div>\n"
}

type element struct {
	Type, URL string
	Text      json.RawMessage
	Style     json.RawMessage
	Offset    int
	Elements  []element
}

func (e element) text() string {
	var s string
	var o struct{ Text string }
	if json.Unmarshal(e.Text, &s) != nil {
		_ = json.Unmarshal(e.Text, &o)
		s = o.Text
	}
	return strings.ReplaceAll(html.EscapeString(s), "\n", "<br>")
}

func (e element) draw() string {
	var inner strings.Builder
	for _, child := range e.Elements {
		if e.Type == "rich_text_list" {
			inner.WriteString("<li>" + child.draw() + "</li>")
			continue
		}
		inner.WriteString(child.draw())
	}
	switch e.Type {
	case "header":
		return "<div class=header>" + e.text() + "</div>"
	case "rich_text":
		return "<div class=rich>" + inner.String() + "</div>"
	case "rich_text_section":
		return "<div>" + inner.String() + "</div>"
	case "rich_text_preformatted":
		return "<pre>" + inner.String() + "</pre>"
	case "rich_text_list":
		if string(e.Style) == `"ordered"` {
			return "<ol style='counter-reset: i " + string(rune('0'+e.Offset)) + "'>" + inner.String() + "</ol>"
		}
		return "<ul>" + inner.String() + "</ul>"
	case "context":
		return "<div class=context>" + inner.String() + "</div>"
	case "link":
		return "<a href='" + html.EscapeString(e.URL) + "'>" + e.text() + "</a>"
	case "text":
		if len(e.Style) > 0 {
			return "<b>" + e.text() + "</b>"
		}
	}
	return e.text()
}

func previewPage(body string) string {
	return `<!doctype html><meta charset=utf-8><title>Slack, about as it looks</title><style>
body{font:15px/1.46 Lato,Arial,sans-serif;color:#1d1c1d;max-width:720px;margin:1em auto}
h2{font-size:13px;color:#616061;margin:2em 0 .5em}.m{border-left:4px solid #ddd;padding:.2em 1em}
.app{font-size:10px;background:#ddd;padding:1px 3px;border-radius:2px}.header{font-size:18px;font-weight:900;margin:.3em 0}
.rich{margin:.5em 0}ul,ol{margin:.1em 0;padding-left:1.8em}ol{list-style:none}li>div{display:inline}ol li:before{counter-increment:i;content:counter(i) ". "}
pre{background:#f8f8f8;border:1px solid #ddd;border-radius:4px;padding:.5em;margin:.3em 0;font-size:12px;white-space:pre-wrap;word-break:break-all}
.context{font-size:13px;color:#616061;word-break:break-all}a{color:#1264a3}</style>
` + body
}
