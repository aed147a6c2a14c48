package trailwarden_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFaultsAreProven holds docs/faults.md against the code: every fault has its row, and the tests that a row names are
// there and name the fault.
func TestFaultsAreProven(t *testing.T) {
	text, err := os.ReadFile("docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, group := range []struct {
		letter string
		n      int
	}{{"A", 30}, {"B", 16}, {"C", 18}, {"D", 15}, {"E", 14}, {"F", 14}, {"G", 18}, {"H", 12}} {
		for i := range group.n {
			want = append(want, fmt.Sprintf("%s%d", group.letter, i+1))
		}
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(string(text)) {
		cell := strings.Split(strings.TrimSpace(line), " | ")
		id := strings.TrimPrefix(cell[0], "| ")
		if len(want) == 0 || id != want[0] {
			continue
		}
		want = want[1:]
		if len(cell) != 3 {
			t.Errorf("%s: %d cells, want 3", id, len(cell))
			continue
		}
		proof := strings.TrimSuffix(cell[2], " |")
		if proof == "" {
			t.Errorf("%s: say what proves it, or why nothing can", id)
		}
		dir := ""
		for _, name := range quoted.FindAllStringSubmatch(proof, -1) {
			if !strings.HasPrefix(name[1], "Test") && !strings.HasPrefix(name[1], "Fuzz") {
				dir = name[1]
				continue
			}
			if why := proves(t, dir, name[1], id); why != "" {
				t.Errorf("%s: %s in %s %s", id, name[1], dir, why)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("from %s on rows are missing, or not in order", want[0])
	}
}

// proves says why a test is no proof of a fault.
func proves(t *testing.T, dir, test, id string) string {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, body, ok := strings.Cut(string(code), "func "+test+"(")
		if !ok {
			continue
		}
		named := regexp.MustCompile(`^(Test|Fuzz)`+id+`([^0-9]|$)`).MatchString(test) || regexp.MustCompile(`\b`+id+`\b`).MatchString(body)
		if !named {
			return "does not name it"
		}
		return ""
	}
	return "is not there"
}
