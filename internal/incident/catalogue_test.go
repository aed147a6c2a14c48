package incident

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

var write = flag.Bool("update", false, "write docs/rules.md and the copy of the catalogue")

// entry is what the catalogue of ways to blind a trail says of one of them.
type entry struct {
	ID       string   `json:"id" yaml:"id"`
	Group    string   `json:"group" yaml:"group"`
	Event    string   `json:"event_name" yaml:"event_name"`
	Title    string   `json:"title" yaml:"title"`
	Severity Severity `json:"severity" yaml:"severity"`
	Attack   []string `json:"mitre" yaml:"mitre"`
}

const catalogueCopy = "testdata/catalogue.json"

// catalogue is the trail's part of the catalogue, from its copy; where the catalogue itself is at hand the copy
// must agree with it.
func catalogue(t *testing.T) []entry {
	t.Helper()
	original, err := os.ReadFile("../../../shared/facts/catalog.yaml")
	if err != nil {
		t.Logf("ONLY THE COPY OF THE CATALOGUE WAS READ: %v", err)
	} else {
		var all struct {
			Entries []entry `yaml:"entries"`
		}
		if err := yaml.Unmarshal(original, &all); err != nil {
			t.Fatal(err)
		}
		all.Entries = slices.DeleteFunc(all.Entries, func(e entry) bool { return e.Group != "trail" })
		golden(t, catalogueCopy, marshal(t, all.Entries))
	}
	data, err := os.ReadFile(catalogueCopy)
	if err != nil {
		t.Fatal(err)
	}
	var entries []entry
	if err := json.Unmarshal(data, &entries); err != nil {
		t.Fatal(err)
	}
	return entries
}

// TestCatalogue: every way to blind a trail that the catalogue knows has its row, which says the same of it.
func TestCatalogue(t *testing.T) {
	entries := catalogue(t)
	if len(entries) != 28 {
		t.Errorf("%d entries, want 28", len(entries))
	}
	for _, e := range entries {
		i := slices.IndexFunc(Rules, func(r Rule) bool { return r.ID == e.ID })
		if i < 0 {
			t.Errorf("%s has no rule", e.ID)
			continue
		}
		r := Rules[i]
		got := entry{ID: r.ID, Group: e.Group, Event: r.Event, Title: r.Title, Severity: r.Severity, Attack: strings.Split(r.Attack, ", ")}
		if d := cmp.Diff(e, got); d != "" {
			t.Errorf("%s (-catalogue +rule):\n%s", e.ID, d)
		}
	}
}

// TestRulesDoc holds docs/rules.md against the table: go test ./internal/incident -run TestRulesDoc -update
func TestRulesDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Rules

What trailwarden makes of a record, by the call and its parameters. Made from the table in internal/incident/table.go by
` + "`go test ./internal/incident -run TestRulesDoc -update`" + `; do not edit.

- Only calls to cloudtrail.amazonaws.com are judged; a version at the end of a call's name (` + "`StopLogging20131101v2`" + `) does not matter.
- Several rules may hold for one record. The row "in all other cases" stands where no other row of its call holds.
- A call that AWS refused changed nothing: its severity is medium at most, and the finding says that it was an attempt.
- "Pinned" is what the baseline says of the trail. Where nothing is pinned, no change is claimed that only a comparison shows.

| Id | Call | When | Severity | ATT&CK | What it means |
|---|---|---|---|---|---|
`)
	for _, r := range append(slices.Clone(Rules), unknownCall) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.ID, r.Event, r.When, r.Severity, r.Attack, r.Effect)
		if cells := strings.Join([]string{r.When, r.Effect, r.Title}, ""); strings.ContainsAny(cells, "|\n<") {
			t.Errorf("%s: text that breaks the table", r.ID)
		}
	}
	golden(t, "../../docs/rules.md", b.String())
}

func golden(t *testing.T, path, want string) {
	t.Helper()
	if *write {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(got), want); d != "" {
		t.Errorf("%s is out of date: run this test with -update (-file +now):\n%s", path, d)
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data) + "\n"
}
