package baseline

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/trailwarden/trailwarden/internal/trail"
)

var update = flag.Bool("update", false, "write the generated files anew")

// TestSchemas holds the published schemas against the types that they are generated from; -update writes them.
// Descriptions are the types' own comments.
func TestSchemas(t *testing.T) {
	for _, s := range []struct {
		file, title string
		of          reflect.Type
		open        bool // to members that a later version adds
	}{
		{"baseline.v1.json", "trailwarden.baseline.yaml", reflect.TypeFor[File](), false},
		{"plan.v1.json", "trailwarden plan", reflect.TypeFor[Plan](), true},
		{"check.v1.json", "trailwarden check", reflect.TypeFor[Report](), true},
	} {
		g := generator{t, comments(t), s.open}
		members, err := json.Marshal(g.schema(s.of))
		if err != nil {
			t.Fatal(err)
		}
		head := fmt.Sprintf(`{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://github.com/trailwarden/trailwarden/schemas/%s","title":%q,`, s.file, s.title)
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, append([]byte(head), members[1:]...), "", "  "); err != nil {
			t.Fatal(err)
		}
		pretty.WriteByte('\n')
		path := filepath.Join("..", "..", "schemas", s.file)
		if *update {
			if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		published, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(published), pretty.String()); diff != "" {
			t.Errorf("%s is stale; run go test ./internal/baseline -update (-published +generated):\n%s", path, diff)
		}
	}
}

type generator struct {
	t        *testing.T
	comments map[string]string
	open     bool
}

func (g generator) schema(of reflect.Type) *jsonschema.Schema {
	var groups, fields []any
	for _, group := range trail.Groups() {
		groups = append(groups, group)
	}
	for _, row := range trail.Table {
		fields = append(fields, row.Field)
	}
	fields = append(fields, trail.FieldExists)
	s, err := jsonschema.ForType(of, &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[trail.ARN]():   {Type: "string", Pattern: `^arn:aws(-[a-z0-9]+)*:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[A-Za-z0-9._-]{3,128}$`},
		reflect.TypeFor[trail.Group](): {Type: "string", Enum: groups},
		reflect.TypeFor[trail.Field](): {Type: "string", Enum: fields},
		reflect.TypeFor[time.Time]():   {Type: "string", Format: "date-time"},
	}})
	if err != nil {
		g.t.Fatal(err)
	}
	g.describe(s, of)
	return s
}

// describe completes a generated schema: what is said of each member, and what the types cannot say.
func (g generator) describe(s *jsonschema.Schema, of reflect.Type) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		if of.Kind() == reflect.Slice {
			s.Type, s.Types, s = "array", nil, s.Items
		}
		of = of.Elem()
	}
	if len(s.Types) > 0 { // what is left out is left out, and not null
		s.Type, s.Types = s.Types[len(s.Types)-1], nil
	}
	if of.Kind() != reflect.Struct || s.Type == "string" {
		return
	}
	if g.open {
		s.AdditionalProperties = nil
	}
	s.Description = g.comments[of.Name()]
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous || name == "-" || !field.IsExported() {
			continue
		}
		member := s.Properties[name]
		g.describe(member, field.Type)
		comment := g.comments[of.Name()+"."+field.Name]
		if comment == "" {
			g.t.Errorf("%s.%s has no comment to describe it by", of, field.Name)
		}
		member.Description = strings.ToUpper(comment[:min(1, len(comment))]) + comment[min(1, len(comment)):] + "."
		if field.Tag.Get("yaml") == "optional" {
			s.Required = slices.DeleteFunc(s.Required, func(r string) bool { return r == name })
		}
		if field.Tag.Get("yaml") == "digits" {
			member.Items.Type, member.Items.Types = "", []string{"string", "integer"}
		}
		switch of.Name() + "." + field.Name {
		case "File.Version":
			member.Const = jsonschema.Ptr(any(Version))
		case "File.Serial":
			member.Minimum = jsonschema.Ptr(1.0)
		case "Selector.ReadWrite":
			member.Enum = []any{"All", "ReadOnly", "WriteOnly"}
		case "Trail.EventSize":
			member.Enum = []any{"Standard", "Large"}
		}
	}
}

// comments collects those of this package's types ("Type") and of their fields ("Type.Field").
func comments(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	oneLine := func(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.TYPE {
				continue
			}
			for _, spec := range group.Specs {
				named := spec.(*ast.TypeSpec)
				// "File is a baseline file." describes as "A baseline file."
				text := oneLine(group.Doc)
				for _, start := range []string{named.Name.Name + " is ", named.Name.Name + " are ", named.Name.Name + " "} {
					if rest, ok := strings.CutPrefix(text, start); ok {
						text = strings.ToUpper(rest[:1]) + rest[1:]
					}
				}
				out[named.Name.Name] = text
				fields, ok := named.Type.(*ast.StructType)
				if !ok {
					continue
				}
				for _, field := range fields.Fields.List {
					for _, name := range field.Names {
						comment := oneLine(field.Comment)
						if comment == "" {
							comment = strings.TrimSuffix(oneLine(field.Doc), ".")
						}
						out[named.Name.Name+"."+name.Name] = comment
					}
				}
			}
		}
	}
	return out
}
