package email

import (
	"html"
	"regexp"
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// style is what mail programs know of CSS: no scripts, no images, nothing from elsewhere. The rules that matter stand
// at the elements too, since some programs drop this.
const style = `<style>
:root{color-scheme:light dark;supported-color-schemes:light dark}
@media (prefers-color-scheme:dark){
body,.bg{background:#0f1419!important}
.card{background:#1a2129!important;border-color:#2f3943!important}
.text{color:#e3e8ed!important}
.dim{color:#9aa7b3!important}
.rule{border-color:#2f3943!important}
.code{background:#0f1419!important;border-color:#2f3943!important;color:#d5dde5!important}
.drill{background:#3b2f0b!important;color:#f5dd90!important;border-color:#8a6d1a!important}
a{color:#7fb4ff!important}
}
@media (max-width:480px){.label{display:block!important;width:auto!important;padding-bottom:0!important}.value{display:block!important;padding-top:0!important}.pad{padding:16px!important}}
</style>`

const (
	font = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
	mono = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;"
)

// HTML is the page as a mail's HTML part. Every text is escaped; the only links are the page's own.
func HTML(p notify.Page, inc incident.Incident) string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">` +
		`<meta name="color-scheme" content="light dark"><meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no"><title>` +
		html.EscapeString(p.Subject) + `</title>` + style + `</head><body class="bg" style="margin:0;padding:0;background:#eef1f4">` +
		`<div style="display:none;max-height:0;overflow:hidden">` + text(p.Headline) + `</div>` +
		`<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:24px 8px">` +
		`<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" style="max-width:680px;background:#ffffff;border:1px solid #d7dde3;border-radius:8px;overflow:hidden;text-align:left">`)
	colour, word := looks(inc)
	b.WriteString(`<tr><td bgcolor="` + colour + `" style="background:` + colour + `;padding:10px 24px;` + font + `font-size:13px;font-weight:600;letter-spacing:.04em;color:#ffffff">` +
		word + `</td></tr><tr><td class="pad" style="padding:20px 24px 24px">`)
	if p.Drill != "" {
		b.WriteString(`<div class="drill" style="` + font + `font-size:14px;line-height:20px;font-weight:600;background:#fff6d9;color:#5c4700;border:1px solid #e3c766;border-radius:6px;padding:10px 12px;margin:0 0 16px">` +
			text(p.Drill) + `</div>`)
	}
	b.WriteString(`<h1 class="text" style="` + font + `font-size:19px;line-height:27px;font-weight:600;color:#16202a;margin:0 0 12px;overflow-wrap:anywhere">` + text(p.Headline) + `</h1>`)
	blocks(&b, p.Findings)
	if p.Partial != "" {
		paragraph(&b, p.Partial)
	}
	for _, s := range p.Sections {
		b.WriteString(`<h2 class="dim rule" style="` + font + `font-size:12px;line-height:18px;font-weight:600;letter-spacing:.05em;text-transform:uppercase;color:#5b6875;` +
			`border-top:1px solid #e4e8ec;margin:20px 0 8px;padding-top:16px">` + text(s.Title) + `</h2>`)
		blocks(&b, s.Blocks)
	}
	b.WriteString(`</td></tr></table><div class="dim" style="` + font + `font-size:12px;line-height:18px;color:#5b6875;padding:12px 8px">` +
		`Sent by trailwarden, which watches over CloudTrail. All messages of this incident are one thread.</div></td></tr></table></body></html>` + "\n")
	return b.String()
}

// looks gives the bar over the message its colour and its word.
func looks(inc incident.Incident) (colour, word string) {
	severity := "Notice"
	if inc.Severity.Rank() >= 0 {
		severity = strings.ToUpper(string(inc.Severity[:1])) + string(inc.Severity[1:])
	}
	word = map[incident.Stage]string{
		incident.StageOpened: "open", incident.StageRepaired: "repaired", incident.StageAgain: "tampered with again", incident.StageConfirmed: "repair confirmed",
		incident.StageEscalated: "escalated", incident.StageReminded: "still open", incident.StageAcknowledged: "acknowledged", incident.StageEvidence: "evidence",
	}[notify.StageOf(inc)]
	switch inc.Outcome {
	case incident.Repaired, incident.Restored, incident.Confirmed:
		colour = "#1c7c4a"
	case incident.Open, incident.Failed:
		colour = "#b3261e"
	case incident.Attempted, incident.Noted, incident.Rejected:
		colour, word = "#8a5a00", string(inc.Outcome)
	default:
		colour, word = "#44515e", "notice"
	}
	switch notify.StageOf(inc) {
	case incident.StageAgain:
		colour = "#a8470a"
	case incident.StageEscalated, incident.StageReminded:
		colour = "#b3261e"
	}
	if inc.Drill {
		word = "drill · " + word
	}
	return colour, "trailwarden · " + severity + " · " + word
}

const body = font + "font-size:14px;line-height:21px;color:#16202a;"

func paragraph(b *strings.Builder, s string) {
	b.WriteString(`<p class="text" style="` + body + `margin:0 0 8px;overflow-wrap:anywhere">` + text(s) + `</p>`)
}

// blocks writes blocks, runs of fields and links as one table.
func blocks(b *strings.Builder, list []notify.Block) {
	table := false
	for _, block := range list {
		row := block.Kind == notify.Field || block.Kind == notify.Link
		if table && (!row || block.Gap) {
			b.WriteString(`</table>`)
			table = false
		}
		if row && !table {
			b.WriteString(`<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="margin:0 0 8px">`)
			table = true
		}
		switch block.Kind {
		case notify.Field, notify.Link:
			value := text(block.Text)
			if block.Kind == notify.Link {
				value = `<a href="` + html.EscapeString(block.URL) + `" style="color:#0b57d0">Open in the AWS console</a>`
			}
			b.WriteString(`<tr><td class="dim label" width="128" valign="top" style="` + body + `color:#5b6875;padding:2px 12px 2px 0;width:128px">` + text(block.Label) +
				`</td><td class="text value" valign="top" style="` + body + `padding:2px 0;overflow-wrap:anywhere;word-break:break-word">` + value + `</td></tr>`)
		case notify.Item:
			mark := block.Label
			if mark == "-" {
				mark = "•"
			}
			b.WriteString(`<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="margin:0 0 6px"><tr><td class="dim" width="24" valign="top" style="` + body + `color:#5b6875;width:24px">` +
				text(mark) + `</td><td class="text" valign="top" style="` + body + `overflow-wrap:anywhere;word-break:break-word">` + text(block.Text))
			if block.Command != "" {
				b.WriteString(`<div class="code" style="` + mono + `font-size:12.5px;line-height:19px;color:#16202a;background:#f4f6f8;border:1px solid #e4e8ec;border-radius:6px;padding:8px 10px;margin:6px 0 4px;white-space:pre-wrap;overflow-wrap:anywhere;word-break:break-word">` +
					text(block.Command) + `</div>`)
			}
			b.WriteString(`</td></tr></table>`)
		default:
			paragraph(b, block.Text)
		}
	}
	if table {
		b.WriteString(`</table>`)
	}
}

// linking is what makes some mail programs take the words around it for an address that they link to.
var linking = regexp.MustCompile(`//|[.@]\pL`)

// text escapes a text for HTML. Mail programs make links of what looks like the name of a host, whoever wrote it; a
// piece of markup in its middle keeps them from it, and is neither seen nor copied.
func text(s string) string {
	return linking.ReplaceAllStringFunc(html.EscapeString(s), func(m string) string {
		if m == "//" {
			return "<span>//</span>"
		}
		return "<span>" + m[:1] + "</span>" + m[1:]
	})
}
