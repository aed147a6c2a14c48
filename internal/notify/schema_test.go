package notify

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/schematest"
)

// TestSchemas holds the published schemas against the types that they are generated from; -update writes them.
// Descriptions are the types' own comments.
func TestSchemas(t *testing.T) {
	for _, d := range []schematest.Document{
		{Path: "../../schemas/incident.v1.json", Title: "trailwarden incident", Of: reflect.TypeFor[incident.Incident]()},
		{Path: "../../schemas/notification.v1.json", Title: "trailwarden notification for machines", Of: reflect.TypeFor[Message]()},
	} {
		d.Types = map[reflect.Type]*jsonschema.Schema{
			reflect.TypeFor[incident.Outcome]():  schematest.OneOf(incident.Outcomes...),
			reflect.TypeFor[incident.Severity](): schematest.OneOf(incident.Severities...),
			reflect.TypeFor[time.Time](): {Type: "string", Format: "date-time",
				Pattern: `^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$`},
		}
		d.Sources, d.Verbatim = []string{"../incident/incident.go", "../incident/life.go", "machine.go"}, true
		d.Complete = func(m schematest.Member) {
			switch m.Field {
			case "Incident.SchemaVersion":
				m.Schema.Const = jsonschema.Ptr(any(incident.SchemaVersion))
			case "Incident.ID":
				m.Schema.Pattern = "^inc-[0-9a-f]{16}$"
			case "BlindWindow.Seconds":
				m.Schema.Minimum = jsonschema.Ptr(0.0)
			}
		}
		d.Check(t, *update)
	}
}

// TestMessagesFitTheSchemas validates what is sent against what is published.
func TestMessagesFitTheSchemas(t *testing.T) {
	message, record := schematest.Published(t, "../../schemas/notification.v1.json"), schematest.Published(t, "../../schemas/incident.v1.json")
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
