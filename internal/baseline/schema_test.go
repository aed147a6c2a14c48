package baseline

import (
	"flag"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/trailwarden/trailwarden/internal/schematest"
	"github.com/trailwarden/trailwarden/internal/trail"
)

var update = flag.Bool("update", false, "write the generated files anew")

// TestSchemas holds the published schemas against the types that they are generated from; -update writes them.
// Descriptions are the types' own comments.
func TestSchemas(t *testing.T) {
	var fields []trail.Field
	for _, row := range trail.Table {
		fields = append(fields, row.Field)
	}
	for _, d := range []schematest.Document{
		{Path: "../../schemas/baseline.v1.json", Title: "trailwarden.baseline.yaml", Of: reflect.TypeFor[File](), Closed: true},
		{Path: "../../schemas/plan.v1.json", Title: "trailwarden plan", Of: reflect.TypeFor[Plan]()},
		{Path: "../../schemas/check.v1.json", Title: "trailwarden check", Of: reflect.TypeFor[Report]()},
	} {
		d.Types = map[reflect.Type]*jsonschema.Schema{
			reflect.TypeFor[trail.ARN]():   schematest.TrailARN(),
			reflect.TypeFor[trail.Group](): schematest.OneOf(trail.Groups()...),
			reflect.TypeFor[trail.Field](): schematest.OneOf(append(fields, trail.FieldExists)...),
			reflect.TypeFor[time.Time]():   {Type: "string", Format: "date-time"},
		}
		d.Sources, d.Complete = []string{"*.go"}, complete
		d.Check(t, *update)
	}
}

// complete adds what the file's tags and rules say of a member.
func complete(m schematest.Member) {
	switch m.Tag.Get("yaml") {
	case "optional":
		m.Object.Required = slices.DeleteFunc(m.Object.Required, func(name string) bool { return name == m.Name })
	case "digits":
		m.Schema.Items.Type, m.Schema.Items.Types = "", []string{"string", "integer"}
	}
	switch m.Field {
	case "File.Version":
		m.Schema.Const = jsonschema.Ptr(any(Version))
	case "File.Serial":
		m.Schema.Minimum = jsonschema.Ptr(1.0)
	case "Selector.ReadWrite":
		m.Schema.Enum = []any{"All", "ReadOnly", "WriteOnly"}
	case "Trail.EventSize":
		m.Schema.Enum = []any{"Standard", "Large"}
	}
}
