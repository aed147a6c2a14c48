package notify

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Plain makes a text from a record fit for people's eyes: what a terminal or a mail program would obey, or
// not show, is written out (\u202e), links do not link, keys are masked. The result has at most limit
// bytes (at least markLen), and its mark "…[truncated, sha256 …]" when something was cut off, with the hash of the whole text.
func Plain(s string, limit int) string {
	return escape(strings.ReplaceAll(mask(s), "://", "[:]//"), limit, s)
}

// escape writes out what is not visible in s and cuts at a rune border. The hash in the mark is that of whole.
func escape(s string, limit int, whole string) string {
	var b strings.Builder
	marks, fits := 0, 0 // fits: how much of b leaves room for the mark
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+size]
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError && size == 1:
			piece = fmt.Sprintf(`\x%02x`, s[i])
		case !visible(r) || marks > 2: // a tower of accents covers the lines around it
			piece = written(r)
		}
		if b.Len()+len(piece) > limit {
			return b.String()[:fits] + cutMark(whole)
		}
		b.WriteString(piece)
		i += size
		if b.Len()+markLen <= limit {
			fits = b.Len()
		}
	}
	return b.String()
}

// visible says whether r shows itself and leaves its neighbours alone. Of white space only the blank passes.
func visible(r rune) bool {
	return unicode.IsPrint(r) && r != '\u2800' &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func written(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// cutMark stands for what was cut off. Two texts that begin alike keep different marks.
func cutMark(whole string) string {
	sum := sha256.Sum256([]byte(whole))
	return fmt.Sprintf("…[truncated, sha256 %x]", sum[:8])
}

// markLen is the length of every cutMark.
const markLen = len("…[truncated, sha256 0123456789abcdef]")

// cut masks s and shortens it to at most limit bytes (at least markLen), at a rune border, with the mark.
func cut(s string, limit int) string {
	masked := mask(s)
	if len(masked) <= limit {
		return masked
	}
	keep := max(0, limit-markLen)
	for keep > 0 && !utf8.RuneStart(masked[keep]) {
		keep--
	}
	return masked[:keep] + cutMark(s)
}

var (
	accessKey    = Lazily(`(AKIA|ASIA)[A-Z0-9]{12,124}`)
	sessionToken = Lazily(`(IQoJ|FwoG|FQoG|AQoD)[A-Za-z0-9/+=_%-]{20,}`)
)

// mask hides access keys, but for their last four characters, and session tokens. The incident holds
// none in fields of their own; yet AWS quotes some in error messages, and a caller may put one anywhere.
func mask(s string) string {
	if !strings.Contains(s, "IA") && !strings.Contains(s, "oJ") && !strings.Contains(s, "oG") && !strings.Contains(s, "oD") {
		return s
	}
	s = accessKey().ReplaceAllStringFunc(s, func(key string) string { return key[:4] + "****" + key[len(key)-4:] })
	return sessionToken().ReplaceAllString(s, "[session token]")
}

// Lazily compiles a regular expression when it is first used: a function that starts cold has a trail to start again first.
func Lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
