package notify

import (
	"strings"
)

var (
	// marks stand for what makes text bold, struck out or code, or a link of two texts that stand side by side.
	marks = strings.NewReplacer("*", "∗", "~", "∼", "`", "'", "](", "] (", "][", "] [", "]:", "] :")
	// italics begin and end at the edge of a word; underscores within one do nothing.
	italics = Lazily(`(^|[^\pL\pN])_+|_+($|[^\pL\pN])`)
	// mentions begin a word, as no @ in an ARN or e-mail address does.
	mentions = Lazily(`(^|[^\pL\pN])@`)
	// pictures are names between colons; the colons of ARNs follow a letter, a digit or another colon.
	pictures = Lazily(`(^|[^\pL\pN:]):([A-Za-z0-9_'+-]+):`)
	// heads are what makes a line a heading, a list or a quotation.
	heads = Lazily(`^\s*([#+>|-]|[0-9]+[.)]\s)`)
)

// Bare makes a text of a Page mean itself wherever some markdown is obeyed and nobody can say which: what any of them
// would take for markup gives way to what looks alike. Angle brackets and & stay: whoever writes for Slack escapes them.
func Bare(s string) string {
	s = pictures().ReplaceAllString(s, "$1꞉$2꞉")
	s = mentions().ReplaceAllString(s, "$1＠")
	s = marks.Replace(s)
	s = italics().ReplaceAllStringFunc(s, func(m string) string { return strings.ReplaceAll(m, "_", "＿") })
	if heads().MatchString(s) {
		s = "· " + strings.TrimSpace(s)
	}
	return s
}
