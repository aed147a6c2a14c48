package shoutrrr

import (
	"strings"
	"unicode/utf8"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// angles stand for those that mention people in Discord and Google Chat.
var angles = strings.NewReplacer("<", "‹", ">", "›")

// bare is a text that no service obeys.
func bare(s string) string { return angles.Replace(notify.Bare(s)) }

// text is the page in plain text, whole parts of it as far as the service's limit goes. The first parts matter most.
func (c *Channel) text(inc incident.Incident) string {
	p := notify.BriefOf(inc, c.Location)
	var parts []string
	if p.Drill != "" {
		parts = append(parts, bare(p.Drill))
	}
	parts = append(parts, bare(p.Headline))
	if lines := lines(p.Findings); lines != "" {
		parts = append(parts, lines)
	}
	for _, s := range p.Sections {
		if s.Topic == notify.Details {
			continue
		}
		parts = append(parts, bare(s.Title)+"\n"+lines(s.Blocks))
	}
	tail := ""
	if inc.Ledger != nil || inc.ID != "" {
		tail = bare(notify.Plain(inc.ID, 64))
	}
	out, left := "", c.limit-len(tail)-len(more)-2
	for i, part := range parts {
		if i == 0 && len(part) > left {
			part = clip(part, left)
		}
		if len(part)+2 > left {
			out += more
			break
		}
		if out != "" {
			out += "\n\n"
		}
		out += part
		left -= len(part) + 2
	}
	return strings.TrimSpace(out + "\n\n" + tail)
}

const more = "\n\n… The whole message is in the other channels and in the ledger."

func lines(list []notify.Block) string {
	var b strings.Builder
	for _, block := range list {
		switch block.Kind {
		case notify.Field:
			b.WriteString(bare(block.Label) + ": " + bare(block.Text))
		case notify.Link:
			b.WriteString(bare(block.Label) + ": " + block.URL)
		case notify.Item:
			b.WriteString("• " + bare(block.Text))
			if block.Command != "" {
				b.WriteString("\n  " + bare(block.Command))
			}
		default:
			b.WriteString(bare(block.Text))
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func clip(s string, limit int) string {
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
