// Package page writes reports of archives in the forms that the command line and the Lambda scanner share:
// the page, the document and its lines.
package page

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/trailwarden/trailwarden/internal/archive"
)

// Document is a report as one JSON document.
type Document struct {
	SchemaVersion int  `json:"schema_version"`
	Partial       bool `json:"partial"`     // files could not be read, or were not
	Interrupted   bool `json:"interrupted"` // files are missing because the scan was ended before its end
	archive.Report
}

// NewDocument makes the document of a report. unfinished: the scan was ended before its end.
func NewDocument(r archive.Report, unfinished bool) Document {
	return Document{SchemaVersion: 1, Partial: unfinished || len(r.Damaged) > 0, Interrupted: unfinished, Report: r}
}

// Line is one line of a report as JSON lines: one of its pointers is not nil.
type Line struct {
	Kind string `json:"kind"` // finding, blind_window, damaged
	*archive.Finding
	Window  *archive.Window `json:"blind_window,omitempty"`
	Damaged *archive.Damage `json:"damaged,omitempty"`
}

// Lines is a report as JSON lines.
func Lines(r archive.Report) []Line {
	lines := []Line{}
	for i := range r.Findings {
		lines = append(lines, Line{Kind: "finding", Finding: &r.Findings[i]})
	}
	for i := range r.Windows {
		lines = append(lines, Line{Kind: "blind_window", Window: &r.Windows[i]})
	}
	for i := range r.Damaged {
		lines = append(lines, Line{Kind: "damaged", Damaged: &r.Damaged[i]})
	}
	return lines
}

// Encode writes one JSON document.
func Encode(w io.Writer, document any, indent string) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(document); err != nil {
		return fmt.Errorf("encode data: %w", err)
	}
	return nil
}

// Actor is who made the call, and from where.
func Actor(f archive.Finding) (name, address string) {
	if f.Actor == nil {
		return "-", "-"
	}
	return cmp.Or(f.Actor.ARN, f.Actor.Name, f.Actor.InvokedBy, "-"), cmp.Or(f.Actor.SourceIP, "-")
}

// Time writes a time in UTC, to the second.
func Time(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// Length writes a number of seconds.
func Length(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	if d >= 48*time.Hour {
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d/time.Hour%24)
	}
	return d.String()
}

// Thousands writes a number with commas.
func Thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plain escapes what a terminal would act on: text that comes from records may be an attacker's.
func Plain(s string) string {
	if strings.IndexFunc(s, hidden) < 0 && strings.ToValidUTF8(s, "") == s {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case hidden(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden says of a character that it has no picture of its own: control and direction marks among them.
func hidden(r rune) bool { return !unicode.IsPrint(r) }
