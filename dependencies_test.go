package trailwarden_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every direct dependency stands in docs/dependencies.md with the version that go.mod has, and nothing
// stands there that is gone.
func TestDependenciesAreExplained(t *testing.T) {
	gomod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	// | `module` | version | … |
	explained := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (v\\S+) \\|").FindAllStringSubmatch(string(doc), -1) {
		explained[row[1]] = row[2]
	}
	tools := toolModules(string(gomod))
	required := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(?:require )?\s*([a-z0-9.-]+\.[a-z]+/\S+) (v\S+)( // indirect)?$`).FindAllStringSubmatch(string(gomod), -1) {
		path, version, indirect := m[1], m[2], m[3] != "" && !tools[m[1]]
		required[path] = true
		switch got, ok := explained[path]; {
		case !ok && !indirect:
			t.Errorf("docs/dependencies.md does not say why we need %s", path)
		case ok && got != version:
			t.Errorf("docs/dependencies.md says %s %s; go.mod has %s", path, got, version)
		}
	}
	if len(required) == 0 {
		t.Error("go.mod was not understood: no dependency found in it")
	}
	for path := range explained {
		if !required[path] {
			t.Errorf("docs/dependencies.md explains %s, which go.mod does not have", path)
		}
	}
}

// toolModules guesses the modules of go.mod's tool lines, which are marked as indirect.
func toolModules(gomod string) map[string]bool {
	modules := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^tool (\S+)`).FindAllStringSubmatch(gomod, -1) {
		for path := m[1]; strings.Contains(path, "/"); path = path[:strings.LastIndexByte(path, '/')] {
			modules[path] = true
		}
	}
	return modules
}
