package schematest

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// comments collects those of types ("Type") and of their fields ("Type.Field").
func comments(t *testing.T, sources []string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range sources {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("there is no %s (%v)", pattern, err)
		}
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range parsed.Decls {
				if group, ok := decl.(*ast.GenDecl); ok && group.Tok == token.TYPE {
					collect(out, group)
				}
			}
		}
	}
	return out
}

func collect(out map[string]string, group *ast.GenDecl) {
	oneLine := func(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }
	for _, spec := range group.Specs {
		named := spec.(*ast.TypeSpec)
		name, text := named.Name.Name, oneLine(group.Doc)
		for _, start := range []string{" is ", " are ", " "} { // "File is a baseline file." describes as "A baseline file."
			if rest, ok := strings.CutPrefix(text, name+start); ok {
				text = strings.ToUpper(rest[:1]) + rest[1:]
			}
		}
		out[name] = text
		fields, ok := named.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range fields.Fields.List {
			for _, member := range field.Names {
				out[name+"."+member.Name] = cmp.Or(oneLine(field.Comment), strings.TrimSuffix(oneLine(field.Doc), "."))
			}
		}
	}
}
