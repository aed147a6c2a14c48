package file

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/trailwarden/trailwarden/internal/baseline"
)

// TestUpdateKeepsComments: what people wrote stays where it was, though a trail comes in above.
func TestUpdateKeepsComments(t *testing.T) {
	old := strings.NewReplacer(
		"    s3_bucket_name: audit-logs\n    s3_key_prefix: main\n", "    # the auditors' own bucket\n    # since 2024\n    s3_bucket_name: audit-logs # not ours\n    s3_key_prefix: main\n",
		`      protected: "yes"`, `      protected: "yes" # a "#" in the guard's policy`,
		"    insight_selectors: []", "    # to be removed with what it is about\n    insight_selectors: []",
	).Replace(full(t)) + "# the end\n"
	f, problems := Parse("b.yaml", []byte(old))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	first := f.Trails[0]
	first.ARN.Name = "a-new-one"
	f.Trails = append(f.Trails, first)
	f.Serial++
	got := string(Update([]byte(old), f))
	golden(t, "updated.yaml", got)
	again, problems := Parse("again.yaml", []byte(got))
	if len(problems) > 0 || again.Hash() != f.Hash() {
		t.Fatalf("%v\n%s", problems, got)
	}
	if twice := string(Update([]byte(got), f)); twice != got {
		t.Errorf("updated again:\n%s", twice)
	}
}

// TestUpdateLosesNoComment, wherever they stand and whatever changes around them.
func TestUpdateLosesNoComment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, g := files().Draw(t, "old"), files().Draw(t, "new")
		g.Trails = append(g.Trails, f.Trails[0])
		if g.Trails[0].ARN == f.Trails[0].ARN {
			g.Trails = g.Trails[1:]
		}
		g = distinct(g)
		lines := strings.SplitAfter(string(Format(f)), "\n")
		var text strings.Builder
		n := 0
		for _, line := range lines {
			switch rapid.IntRange(0, 9).Draw(t, "comment") {
			case 0:
				n++
				fmt.Fprintf(&text, "# comment %d.\n", n)
			case 1:
				if strings.HasSuffix(line, "\n") {
					n++
					line = fmt.Sprintf("%s # comment %d.\n", strings.TrimSuffix(line, "\n"), n)
				}
			}
			text.WriteString(line)
		}
		got := string(Update([]byte(text.String()), g))
		for i := range n {
			if c := fmt.Sprintf("# comment %d.", i+1); strings.Count(got, c) != 1 {
				t.Fatalf("%q stands there %d times\n%s\nwas\n%s", c, strings.Count(got, c), got, text.String())
			}
		}
		again, problems := Parse("again", []byte(got))
		if len(problems) > 0 || again.Hash() != g.Hash() {
			t.Fatalf("%v\n%s", problems, got)
		}
	})
}

// distinct leaves out trails that are pinned twice.
func distinct(f baseline.File) baseline.File {
	seen := map[string]bool{}
	var out []baseline.Trail
	for _, one := range f.Trails {
		if !seen[one.ARN.String()] {
			out = append(out, one)
		}
		seen[one.ARN.String()] = true
	}
	f.Trails = out
	return f
}
