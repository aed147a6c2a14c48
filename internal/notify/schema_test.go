package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/trailwarden/trailwarden/internal/incident"
)

const schemaPlace = "https://github.com/trailwarden/trailwarden/schemas/"

// TestSchemas holds the published schemas against the types that they are generated from; -update writes them.
// Descriptions are the types' own comments.
func TestSchemas(t *testing.T) {
	for _, s := range []struct {
		file, title string
		of          reflect.Type
	}{
		{"incident.v1.json", "trailwarden incident", reflect.TypeFor[incident.Incident]()},
		{"notification.v1.json", "trailwarden notification for machines", reflect.TypeFor[Message]()},
	} {
		members, err := json.Marshal(generate(t, s.of))
		if err != nil {
			t.Fatal(err)
		}
		head := fmt.Sprintf(`{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":%q,"title":%q,`, schemaPlace+s.file, s.title)
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, append([]byte(head), members[1:]...), "", "  "); err != nil {
			t.Fatal(err)
		}
		pretty.WriteByte('\n')
		compareFile(t, "../../schemas/"+s.file, bytes.ReplaceAll(pretty.Bytes(), []byte(`\u0026`), []byte("&")))
	}
}

// TestMessagesFitTheSchemas validates what is sent against what is published.
func TestMessagesFitTheSchemas(t *testing.T) {
	message, record := published(t, "notification.v1.json"), published(t, "incident.v1.json")
	for name, inc := range samples() {
		doc, err := Machine(inc, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		var whole map[string]any
		if err := json.Unmarshal(doc, &whole); err != nil {
			t.Fatal(err)
		}
		if err := message.Validate(whole); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := record.Validate(whole["trailwarden"]); err != nil {
			t.Errorf("%s: incident: %v", name, err)
		}
	}
	for name, broken := range map[string]func(map[string]any){
		"outcome":      func(m map[string]any) { m["trailwarden"].(map[string]any)["outcome"] = "fine" },
		"incident id":  func(m map[string]any) { m["trailwarden"].(map[string]any)["id"] = "inc-1" },
		"no detail":    func(m map[string]any) { delete(m, "detail") },
		"null actions": func(m map[string]any) { m["trailwarden"].(map[string]any)["actions"] = nil },
		"wrong time":   func(m map[string]any) { m["trailwarden"].(map[string]any)["seen_at"] = "yesterday" },
	} {
		doc, err := Machine(samples()["repaired"], 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		var whole map[string]any
		if err := json.Unmarshal(doc, &whole); err != nil {
			t.Fatal(err)
		}
		broken(whole)
		if message.Validate(whole) == nil {
			t.Errorf("the schema takes a message with a wrong %s", name)
		}
	}
}

func published(t *testing.T, file string) *jsonschema.Resolved {
	t.Helper()
	text, err := os.ReadFile("../../schemas/" + file)
	if err != nil {
		t.Fatal(err)
	}
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

func generate(t *testing.T, of reflect.Type) *jsonschema.Schema {
	t.Helper()
	var outcomes, severities []any
	for _, o := range incident.Outcomes {
		outcomes = append(outcomes, o)
	}
	for _, s := range incident.Severities {
		severities = append(severities, s)
	}
	schema, err := jsonschema.ForType(of, &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[incident.Outcome]():  {Type: "string", Enum: outcomes},
		reflect.TypeFor[incident.Severity](): {Type: "string", Enum: severities},
		reflect.TypeFor[time.Time](): {Type: "string", Format: "date-time",
			Pattern: `^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$`},
	}})
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	for _, file := range []string{"../incident/incident.go", "../incident/life.go", "machine.go"} {
		readComments(t, file, comments)
	}
	describe(t, schema, of, comments)
	return schema
}

// describe completes a generated schema: what is said of each member, and what the types cannot say.
func describe(t *testing.T, s *jsonschema.Schema, of reflect.Type, comments map[string]string) {
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
	if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() {
		return
	}
	s.AdditionalProperties = nil // version 1 may grow
	s.Description = comments[of.Name()]
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous || name == "-" {
			continue
		}
		member := s.Properties[name]
		describe(t, member, field.Type, comments)
		owner := of
		if len(field.Index) > 1 {
			owner = of.FieldByIndex(field.Index[:1]).Type
		}
		comment := comments[owner.Name()+"."+field.Name]
		if comment == "" {
			t.Errorf("%s.%s has no comment to describe it by", owner, field.Name)
		}
		member.Description = comment
		switch owner.Name() + "." + field.Name {
		case "Incident.SchemaVersion":
			member.Const = jsonschema.Ptr(any(incident.SchemaVersion))
		case "Incident.ID":
			member.Pattern = "^inc-[0-9a-f]{16}$"
		case "BlindWindow.Seconds":
			member.Minimum = jsonschema.Ptr(0.0)
		}
	}
}

// readComments collects the comments of a file's types ("Type") and of their fields ("Type.Field").
func readComments(t *testing.T, file string, comments map[string]string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	oneLine := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	for _, decl := range parsed.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.TYPE {
			continue
		}
		for _, spec := range group.Specs {
			named := spec.(*ast.TypeSpec)
			// "Message is the notification …" describes as "The notification …".
			text := oneLine(group.Doc.Text())
			for _, start := range []string{named.Name.Name + " is ", named.Name.Name + " "} {
				if rest, ok := strings.CutPrefix(text, start); ok {
					text = strings.ToUpper(rest[:1]) + rest[1:]
				}
			}
			comments[named.Name.Name] = text
			fields, ok := named.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range fields.Fields.List {
				text := f.Comment.Text()
				if text == "" {
					text = f.Doc.Text()
				}
				for _, name := range f.Names {
					comments[fmt.Sprintf("%s.%s", named.Name.Name, name.Name)] = oneLine(text)
				}
			}
		}
	}
}
