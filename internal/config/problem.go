package config

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Where   string `json:"where"`            // file, "environment NAME" or "flag --NAME"
	Line    int    `json:"line,omitempty"`   // in a file, from 1
	Column  int    `json:"column,omitempty"` // in characters, from 1
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`    // what to do next
	Excerpt string `json:"excerpt,omitempty"` // the line of the file, and a caret under the column
}

func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Where)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	if p.Excerpt != "" {
		b.WriteString("\n" + p.Excerpt)
	}
	if p.Hint != "" {
		b.WriteString("\n  hint: " + p.Hint)
	}
	return b.String()
}

// Place is a place in a file, each from 1; the zero place is none.
type Place struct{ Line, Column int }

// Problems is all that is wrong with a configuration, in the order of its sources.
type Problems []Problem

func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "\n")
}

// Nearest is the known word that somebody who typed word may have meant, empty when none is near.
func Nearest(word string, known []string) string {
	best, least := "", min(max(1, len(word)/3), 5)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// Suggest is the hint for a word that is none of the known ones: the one that was meant, or after a few words
// of introduction all of them.
func Suggest(word, introduction string, known []string) string {
	near := Nearest(word, known)
	for _, k := range known {
		if near == "" && len(word) > 2 && (strings.HasPrefix(k, word) || strings.HasSuffix(k, "_"+word)) {
			near = k
		}
	}
	if near == "" {
		return introduction + strings.Join(known, ", ")
	}
	return fmt.Sprintf("did you mean %q?", near)
}

// distance counts the edits from a to b: insert, delete, replace, or swap two neighbours.
func distance(a, b string) int {
	// Nobody means a word of such a length, and the work is len(a) times len(b).
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
