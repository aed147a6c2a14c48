// Package schematest holds the JSON Schemas that we publish against the Go types that they are generated from, and the documents that we
// write against the schemas. It is for tests.
package schematest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
)

// Document is a published schema and what it is generated from.
type Document struct {
	Path     string // of the file in schemas/
	Title    string
	Of       reflect.Type
	Types    map[reflect.Type]*jsonschema.Schema // of types that their Go kind says too little of
	Sources  []string                            // patterns of Go files; the comments of the types in them describe
	Verbatim bool                                // comments of fields describe as they stand, not as sentences
	Closed   bool                                // to members that a later version might add
	Complete func(Member)                        // adds what types cannot say; nil for nothing
}

// Member is a member of an object, as far as types and comments describe it.
type Member struct {
	Field  string // "Type.Field" in Go
	Name   string // in JSON
	Tag    reflect.StructTag
	Schema *jsonschema.Schema
	Object *jsonschema.Schema // that it is a member of
}

// Check holds the published file against what the type says today, or writes it.
func (d Document) Check(t *testing.T, update bool) {
	t.Helper()
	schema, err := jsonschema.ForType(d.Of, &jsonschema.ForOptions{TypeSchemas: d.Types})
	if err != nil {
		t.Fatal(err)
	}
	d.describe(t, schema, d.Of, comments(t, d.Sources))
	members, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf(`{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://github.com/trailwarden/trailwarden/schemas/%s","title":%q,`, filepath.Base(d.Path), d.Title)
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, append([]byte(head), members[1:]...), "", "  "); err != nil {
		t.Fatal(err)
	}
	generated := strings.ReplaceAll(pretty.String(), `\u0026`, "&") + "\n"
	if update {
		if err := os.WriteFile(d.Path, []byte(generated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	published, err := os.ReadFile(d.Path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(published), generated); diff != "" {
		t.Errorf("%s is stale; run this test with -update (-published +generated):\n%s", d.Path, diff)
	}
}

// describe completes a generated schema: what is said of each member, and what the types cannot say.
func (d Document) describe(t *testing.T, s *jsonschema.Schema, of reflect.Type, comments map[string]string) {
	t.Helper()
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
	if !d.Closed {
		s.AdditionalProperties = nil
	}
	s.Description = comments[of.Name()]
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous || name == "" || name == "-" || !field.IsExported() {
			continue
		}
		owner := of
		if len(field.Index) > 1 {
			owner = of.FieldByIndex(field.Index[:1]).Type
		}
		m := Member{owner.Name() + "." + field.Name, name, field.Tag, s.Properties[name], s}
		d.describe(t, m.Schema, field.Type, comments)
		comment := comments[m.Field]
		if comment == "" {
			t.Errorf("%s has no comment to describe it by", m.Field)
		} else if !d.Verbatim {
			comment = strings.ToUpper(comment[:1]) + comment[1:] + "."
		}
		m.Schema.Description = comment
		if d.Complete != nil {
			d.Complete(m)
		}
	}
}

// TrailARN is the schema of a trail's ARN.
func TrailARN() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: `^arn:aws(-[a-z0-9]+)*:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[A-Za-z0-9._-]{3,128}$`}
}

// OneOf is the schema of a text that is one of a few.
func OneOf[T ~string](values ...T) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, v := range values {
		s.Enum = append(s.Enum, v)
	}
	return s
}

// Published is the schema in a file.
func Published(t *testing.T, path string) *jsonschema.Resolved {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Resolved(t, text)
}

// Resolved is a schema, ready to be held against documents.
func Resolved(t *testing.T, text []byte) *jsonschema.Resolved {
	t.Helper()
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

// Fits holds a document, which is JSON, against a schema.
func Fits(t *testing.T, schema *jsonschema.Resolved, document []byte) error {
	t.Helper()
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatalf("it is no JSON: %v\n%s", err, document)
	}
	return schema.Validate(v)
}
