package baseline

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/trailwarden/trailwarden/internal/schematest"
	"github.com/trailwarden/trailwarden/internal/trail"
)

var (
	now  = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	home = trail.ARN{Partition: "aws", Region: "eu-central-1", Account: "111122223333", Name: "main"}
)

// healthy is a trail as it should be.
func healthy() trail.State {
	return trail.State{
		ARN: home, Exists: true, Caller: trail.Caller{Account: home.Account}, ReadAt: now,
		Read: slices.DeleteFunc(trail.Groups(), func(g trail.Group) bool { return g == trail.GroupRecreate }),
		Settings: trail.Settings{
			Logging: true, Bucket: "audit-logs", GlobalEvents: true, MultiRegion: true, Validation: true,
			Selectors: trail.Selectors{Basic: []trail.Selector{{ReadWrite: "All", Management: true}}},
			Tags:      map[string]string{"protected": "yes"},
		},
		Status: trail.Status{Logging: true, Started: now.Add(-time.Hour), Delivered: now.Add(-time.Minute), DigestDelivered: now.Add(-time.Minute)},
	}
}

// states generates settings of all kinds.
func states() *rapid.Generator[trail.State] {
	return rapid.Custom(func(t *rapid.T) trail.State {
		s := healthy()
		s.Logging = rapid.Bool().Draw(t, "logging")
		s.Prefix = rapid.SampledFrom([]string{"", "main", "Main"}).Draw(t, "prefix")
		s.Key = rapid.SampledFrom([]string{"", "arn:aws:kms:eu-central-1:111122223333:key/1"}).Draw(t, "key")
		s.MultiRegion = rapid.Bool().Draw(t, "regions")
		s.GlobalEvents = s.MultiRegion || rapid.Bool().Draw(t, "global")
		s.Validation = rapid.Bool().Draw(t, "validation")
		s.EventConfig.MaxEventSize = rapid.SampledFrom([]string{"", "Standard", "Large"}).Draw(t, "size")
		if rapid.Bool().Draw(t, "advanced") {
			s.Selectors = trail.Selectors{Advanced: []trail.AdvancedSelector{{Name: "all", Fields: []trail.FieldSelector{
				{Field: "eventCategory", Equals: []string{"Management"}},
			}}}}
		} else {
			s.Selectors.Basic[0].ReadWrite = rapid.SampledFrom([]string{"", "All", "ReadOnly", "WriteOnly"}).Draw(t, "rw")
			s.Selectors.Basic[0].Management = rapid.Bool().Draw(t, "management")
			s.Selectors.Basic[0].Data = []trail.DataResource{{Type: "AWS::S3::Object", Values: rapid.SliceOfN(rapid.SampledFrom([]string{"arn:aws:s3:::b/", "arn:aws:s3:::a/"}), 0, 2).Draw(t, "values")}}
		}
		s.Tags = rapid.MapOfN(rapid.SampledFrom([]string{"protected", "aws:own", "team"}), rapid.SampledFrom([]string{"yes", ""}), 0, 3).Draw(t, "tags")
		return s
	})
}

// TestCapturedIsNoDrift: a trail that was just pinned is as it is pinned, whatever it is like; and every setting counts.
func TestCapturedIsNoDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, other := states().Draw(t, "state"), states().Draw(t, "other")
		f := File{}.Capture([]trail.State{s}, nil, now, "me")
		pinned, ok := f.Lookup(home)
		if !ok {
			t.Fatal("not pinned")
		}
		if d := trail.Compare(pinned, s); len(d) > 0 {
			t.Fatalf("drift right after the capture: %+v", d)
		}
		var differs []trail.Field
		for _, row := range trail.Table {
			if row.Print(home, s.Settings) != row.Print(home, other.Settings) {
				differs = append(differs, row.Field)
			}
		}
		report := f.Assess(Survey{States: []trail.State{other}, At: now})
		var reported []trail.Field
		for _, d := range report.Trails[0].Drifts {
			reported = append(reported, d.Field)
		}
		if diff := cmp.Diff(differs, reported); diff != "" {
			t.Fatalf("drift (-differs +reported):\n%s", diff)
		}
		// Accepting what differs, field by field, ends the drift.
		accepted := f.Trails[0]
		for _, field := range differs {
			accepted = accepted.Accept(other, field)
		}
		if d := trail.Compare(accepted.Baseline(), other); len(d) > 0 {
			t.Fatalf("drift after accepting %v: %+v", differs, d)
		}
	})
}

// TestPlanIsKept: a plan survives being written and read; it stands while nothing moves, and falls with any setting.
func TestPlanIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, other := states().Draw(t, "state"), states().Draw(t, "other")
		f := File{}.Capture([]trail.State{states().Draw(t, "pinned")}, nil, now, "me")
		plan := func(s trail.State, at time.Time) Plan { return f.Plan(Survey{States: []trail.State{s}, At: at}) }
		document, err := json.Marshal(plan(s, now))
		if err != nil {
			t.Fatal(err)
		}
		kept, err := DecodePlan(document)
		if err != nil {
			t.Fatal(err)
		}
		if err := kept.Still(plan(s, now.Add(time.Hour))); err != nil {
			t.Fatalf("nothing has moved: %v", err)
		}
		for _, p := range kept.Trails {
			if len(p.Calls()) > 0 {
				t.Fatal("a plan that was read from a document has calls to make")
			}
		}
		moved := slices.ContainsFunc(trail.Table, func(row trail.Row) bool { return row.Print(home, s.Settings) != row.Print(home, other.Settings) })
		if err := kept.Still(plan(other, now)); len(kept.Trails) > 0 && len(kept.Trails[0].Actions) > 0 && moved != errors.Is(err, ErrMoved) {
			t.Fatalf("moved is %t: %v", moved, err)
		}
		f.Trails[0].Bucket = "other"
		if err := kept.Still(plan(s, now)); !errors.Is(err, ErrMoved) {
			t.Fatalf("another baseline: %v", err)
		}
	})
}

// TestPlanOfAll: a person's plan covers groups that the guard may not repair.
func TestPlanOfAll(t *testing.T) {
	f := File{}.Capture([]trail.State{healthy()}, []trail.Group{}, now, "me")
	s := healthy()
	s.Logging, s.Validation = false, false
	p := f.Plan(Survey{States: []trail.State{s}, At: now})
	var ops []trail.Op
	for _, a := range p.Trails[0].Actions {
		ops = append(ops, a.Op)
	}
	if diff := cmp.Diff([]trail.Op{trail.UpdateTrail, trail.StartLogging}, ops); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"cloudtrail:StartLogging", "cloudtrail:UpdateTrail"}, p.Permissions); diff != "" {
		t.Error(diff)
	}
}

// TestDocumentsFitTheSchemas validates what is written against what is published.
func TestDocumentsFitTheSchemas(t *testing.T) {
	f := File{}.Capture([]trail.State{healthy()}, nil, now, "me")
	f.Requirements = []Requirement{{Name: "all", Accounts: []string{"all"}, Regions: []string{"all"}, Write: true, Bucket: "elsewhere"}}
	f.Trails[0].Approvals = []Approval{{Fields: []trail.Field{trail.FieldTags}, Who: "Ada", Why: "CHG-7", Until: now.Add(time.Hour)}}
	broken, decoy, gone := healthy(), healthy(), trail.State{ARN: home, Deleted: true, Caller: trail.Caller{Account: home.Account}}
	broken.Logging, broken.Tags, broken.Insights = false, nil, []trail.Insight{{Type: "ApiCallRateInsight"}}
	broken.Read = slices.DeleteFunc(slices.Clone(broken.Read), func(g trail.Group) bool { return g == trail.GroupEventConfig })
	decoy.ARN.Name, decoy.Logging = "decoy", false
	for name, states := range map[string][]trail.State{"well": {healthy()}, "broken": {broken, decoy}, "gone": {gone}} {
		s := Survey{States: states, Accounts: []string{home.Account}, Regions: []string{home.Region}, At: now}
		if name == "broken" {
			s.Failures = []Failure{{Where: "eu-west-1", Error: "denied", Hint: "allow it"}}
		}
		for file, document := range map[string]any{"check.v1.json": f.Assess(s), "plan.v1.json": f.Plan(s)} {
			written, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			if err := schematest.Fits(t, schematest.Published(t, "../../schemas/"+file), written); err != nil {
				t.Errorf("%s, %s: %v\n%s", name, file, err, written)
			}
		}
	}
	report := f.Assess(Survey{States: []trail.State{broken, decoy}, Accounts: []string{home.Account}, Regions: []string{home.Region}, At: now})
	if len(report.Trails[0].Approved) != 1 || len(report.Unpinned) != 1 || len(report.Unmet) != 1 || !report.Drifted() {
		t.Errorf("got %+v", report)
	}
}

func TestDoubts(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*trail.State)
		want   string
	}{
		"none":           {func(*trail.State) {}, ""},
		"gone":           {func(s *trail.State) { s.Exists = false }, "it does not exist"},
		"stopped":        {func(s *trail.State) { s.Logging = false }, "it is stopped"},
		"read only":      {func(s *trail.State) { s.Selectors.Basic[0].ReadWrite = "ReadOnly" }, "it does not record management events that change something"},
		"no management":  {func(s *trail.State) { s.Selectors.Basic[0].Management = false }, "it does not record management events that change something; it does not record management events that only read"},
		"a source less":  {func(s *trail.State) { s.Selectors.Basic[0].ExcludeSources = []string{"kms.amazonaws.com"} }, "only where"},
		"unread":         {func(s *trail.State) { s.Read = []trail.Group{trail.GroupSettings, trail.GroupLogging} }, "its selectors could not be read"},
		"default of AWS": {func(s *trail.State) { s.Selectors = trail.Selectors{} }, ""},
	} {
		s := healthy()
		test.change(&s)
		got := strings.Join(Doubts(s), "; ")
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestCaptureKeepsDecisions: capturing again is about settings, not about what people decided.
func TestCaptureKeepsDecisions(t *testing.T) {
	old := File{}.Capture([]trail.State{healthy()}, []trail.Group{trail.GroupTags}, now, "me")
	old.Trails[0].Ignore = []trail.Field{trail.FieldTopic}
	old.Trails[0].Approvals = []Approval{{Who: "Ada"}}
	old.Requirements = []Requirement{{Name: "r"}}
	s := healthy()
	s.Prefix = "new"
	got := old.Capture([]trail.State{s}, nil, now.Add(time.Hour), "you")
	want := old.Canonical()
	want.Serial, want.Captured, want.Trails[0].Prefix = 2, Captured{now.Add(time.Hour), "you"}, "new"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := old.Capture([]trail.State{s}, trail.Groups(), now, "you"); len(got.Trails[0].Repair) != len(trail.Groups()) {
		t.Errorf("repair %v", got.Trails[0].Repair)
	}
}

// TestEverySettingIsPinned: of settings in which every field has a value, none is lost on the way into the file and
// back. A field that is new in trail.Settings must be added to the file.
func TestEverySettingIsPinned(t *testing.T) {
	var all trail.Settings
	fill(reflect.ValueOf(&all).Elem())
	if diff := cmp.Diff(all, Of(trail.State{ARN: home, Settings: all}).Settings()); diff != "" {
		t.Errorf("(-trail +pinned):\n%s", diff)
	}
	// Every row of trail's table is a key of the file, by the same name.
	for _, row := range trail.Table {
		i := slices.IndexFunc(reflect.VisibleFields(reflect.TypeFor[Trail]()), func(f reflect.StructField) bool { return f.Tag.Get("json") == string(row.Field) })
		if i < 0 {
			t.Errorf("the file has no key %s", row.Field)
		}
	}
}

// fill gives every field a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"x": "x"}))
	}
}
