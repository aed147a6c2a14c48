package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const tablesBegin, tablesEnd = "<!-- BEGIN TABLES -->\n", "<!-- END TABLES -->"

// TestTerraformReadme: each module's README has the tables of what goes in and what comes out, made from its files.
func TestTerraformReadme(t *testing.T) {
	for dir := range modules {
		m := parseModule(t, dir)
		path := filepath.Join(m.dir, "README.md")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, found := strings.Cut(string(text), tablesBegin)
		_, after, ends := strings.Cut(rest, tablesEnd)
		if !found || !ends {
			t.Fatalf("%s has no place for tables", path)
		}
		golden(t, path, before+tablesBegin+m.tables()+tablesEnd+after)
	}
}

func (m tfModule) tables() string {
	var b strings.Builder
	b.WriteString("\n## Inputs\n\n| name | type | default | what |\n|---|---|---|---|\n")
	e := &evaluation{module: m}
	text := func(kind, name, attribute string) string {
		return strings.ReplaceAll(e.value(m.blocks[kind+"."+name].Body.Attributes[attribute].Expr, nil).AsString(), "|", `\|`)
	}
	for _, name := range m.names("var") {
		attributes := m.blocks["var."+name].Body.Attributes
		preset := "required"
		if a := attributes["default"]; a != nil {
			value, _ := json.Marshal(plainValue(e.value(a.Expr, nil)))
			preset = fmt.Sprintf("`%s`", value)
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", name, m.source(attributes["type"].Expr.Range().SliceBytes), preset, text("var", name, "description"))
	}
	b.WriteString("\n## Outputs\n\n| name | what |\n|---|---|\n")
	for _, name := range m.names("output") {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, text("output", name, "description"))
	}
	return b.String() + "\n"
}

// source is a piece of the variables' file.
func (m tfModule) source(slice func([]byte) []byte) string {
	file, err := os.ReadFile(filepath.Join(m.dir, "variables.tf"))
	if err != nil {
		panic(err)
	}
	return string(slice(file))
}
