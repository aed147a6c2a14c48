package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/trailwarden/trailwarden/internal/deploy/doctor"
)

// checksTable prints every check once, each that is not well with what mends it on a line of its own, which can be copied.
func checksTable(a *app, w io.Writer, checks []doctor.Check) {
	style := map[doctor.Status]string{doctor.OK: green, doctor.Waiting: yellow, doctor.Wrong: red, doctor.Unknown: yellow}
	names := 0
	for _, check := range checks {
		names = max(names, utf8.RuneCountInString(plain(check.Name)))
	}
	wide := columns(w)
	indent := len("unknown  ") + names + 2
	narrow := wide > 0 && wide-indent < 30 // then the text gets lines of its own
	if narrow {
		indent = 4
	}
	found := map[doctor.Status]int{}
	for _, check := range checks {
		found[check.Status]++
		status := a.paint(w, style[check.Status], fmt.Sprintf("%-7s", check.Status))
		lines := wrapped(plain(check.Text), wide-indent, wide > 0)
		if narrow {
			fmt.Fprintf(w, "%s  %s\n", status, plain(check.Name))
		} else {
			fmt.Fprintf(w, "%s  %-*s  %s\n", status, names, plain(check.Name), lines[0])
			lines = lines[1:]
		}
		if check.Mend != "" {
			isCommand := strings.HasPrefix(check.Mend, "aws ") || strings.HasPrefix(check.Mend, "trailwarden ")
			lines = append(lines, wrapped("mend: "+plain(check.Mend), wide-indent, wide > 0 && !isCommand)...)
		}
		for _, line := range lines {
			fmt.Fprintf(w, "%*s%s\n", indent, "", line)
		}
	}
	var sum []string
	for _, status := range []doctor.Status{doctor.Wrong, doctor.Unknown, doctor.Waiting, doctor.OK} {
		if found[status] > 0 {
			sum = append(sum, fmt.Sprintf("%d %s", found[status], status))
		}
	}
	if found[doctor.OK] == len(checks) {
		fmt.Fprintf(w, "\nAll is well: %s.\n", count(len(checks), "check"))
		return
	}
	fmt.Fprintf(w, "\n%s: %s.\n", count(len(checks), "check"), strings.Join(sum, ", "))
}

// wrapped breaks a text between words into lines of a width, if it is to; a word that is longer gets a line of its own.
func wrapped(text string, width int, really bool) []string {
	if !really {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
