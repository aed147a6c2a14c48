package teams

import (
	"encoding/json"
	"html"
	"strings"
)

// preview draws a card about as Teams does, so that people can look at it: see testdata/preview.html.
func preview(name string, doc []byte) string {
	var m struct{ Attachments []struct{ Content card } }
	if err := json.Unmarshal(doc, &m); err != nil || len(m.Attachments) != 1 {
		return "no card"
	}
	c := m.Attachments[0].Content
	var b strings.Builder
	b.WriteString("<h2>" + html.EscapeString(name) + "</h2><div class=card>")
	for _, e := range c.Body {
		b.WriteString(draw(e))
	}
	b.WriteString("<div class=actions>")
	for _, a := range c.Actions {
		b.WriteString("<a href='" + html.EscapeString(a.URL) + "'>" + html.EscapeString(a.Title) + "</a>")
	}
	return b.String() + "</div></div>\n"
}

func draw(e element) string {
	var inner strings.Builder
	for _, i := range e.Items {
		inner.WriteString(draw(i))
	}
	for _, r := range e.Inlines {
		inner.WriteString("<span class='" + strings.ToLower(strings.Join([]string{r.Weight, r.FontType, "s" + r.Size}, " ")))
		if r.Subtle {
			inner.WriteString(" subtle")
		}
		inner.WriteString("'>" + html.EscapeString(r.Text) + "</span>")
	}
	class := strings.ToLower(e.Type + " " + e.Style + " p" + e.Spacing)
	if e.Separator {
		class += " sep"
	}
	return "<div class='" + class + "'>" + inner.String() + "</div>"
}

func previewPage(body string) string {
	return `<!doctype html><meta charset=utf-8><title>Teams, about as it looks</title><style>
body{font:14px/1.4 "Segoe UI",Arial,sans-serif;color:#242424;max-width:760px;margin:1em auto;background:#f5f5f5}
h2{font-size:12px;color:#616161}.card{background:#fff;border-radius:4px;padding:12px;box-shadow:0 1px 3px #0003}
.attention{background:#fcf4f6}.good{background:#f1faf1}.warning{background:#fff9f5}.accent{background:#f0f6ff}.container[class*=" "]{padding:2px 4px}
.sep{border-top:1px solid #e0e0e0;margin-top:8px;padding-top:6px}.psmall{margin-top:4px}.bolder{font-weight:600}.smedium{font-size:17px}.ssmall{font-size:12px}
.subtle{color:#616161}.monospace{font-family:monospace;word-break:break-all}.actions a{display:inline-block;border:1px solid #d1d1d1;border-radius:4px;padding:4px 12px;margin:8px 6px 0 0;color:#242424;text-decoration:none}
.richtextblock{white-space:pre-wrap;overflow-wrap:anywhere}</style>
` + body
}
