package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const readme = "../../README.md"

// TestREADMEShowsTheDemo: the timeline in the README is what `make demo` prints.
func TestREADMEShowsTheDemo(t *testing.T) {
	var stdout, stderr strings.Builder
	if code := run(t.Context(), []string{"demo"}, strings.NewReader(""), &stdout, &stderr, nil); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	timeline, mail, ok := strings.Cut(stdout.String(), "The e-mail about the stopped trail")
	_, table, ok2 := strings.Cut(mail, "How it stands\n\n")
	if !ok || !ok2 {
		t.Fatal("the demo prints no mail, or no table")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	shown := "```\n" + strings.TrimSpace(timeline) + "\n\n… and the mail, as prose and as Email-JSON …\n\n" + table + "\n```\n"

	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- demo: begin (go test ./cmd/trailwarden -update) -->\n", "<!-- demo: end -->"
	before, rest, ok := strings.Cut(string(data), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the README has no place for the demo")
	}
	if old == shown {
		return
	}
	if !*update {
		t.Fatalf("the README shows another demo than there is: run go test ./cmd/trailwarden -update\nwant:\n%s", shown)
	}
	if err := os.WriteFile(readme, []byte(before+begin+shown+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestREADMECommands: each command that the README shows is there, and those of trailwarden work in an empty folder.
func TestREADMECommands(t *testing.T) {
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(filepath.Dir(readme), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	tried := 0
	for line := range strings.Lines(string(data)) {
		command, ok := strings.CutPrefix(line, "    ")
		if !ok {
			continue
		}
		command, _, _ = strings.Cut(command, "#")
		for part := range strings.SplitSeq(command, "&&") {
			words := strings.Fields(part)
			switch {
			case len(words) == 2 && words[0] == "make":
				if !strings.Contains(string(makefile), "\n"+words[1]+":") {
					t.Errorf("make has no target %s", words[1])
				}
				tried++
			case len(words) > 1 && words[0] == "bin/trailwarden":
				var stdout, stderr strings.Builder
				if code := run(t.Context(), words[1:], strings.NewReader(""), &stdout, &stderr, nil); code != exitOK {
					t.Errorf("%s: exit code %d: %s", strings.TrimSpace(part), code, stderr.String())
				}
				tried++
			}
		}
	}
	if tried < 5 {
		t.Errorf("found only %d commands in the README: does this test still read it rightly?", tried)
	}
}
