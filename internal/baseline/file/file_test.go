package file

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/schematest"
	"github.com/trailwarden/trailwarden/internal/trail"
)

var update = flag.Bool("update", false, "write testdata anew")

var withoutPlaces = cmpopts.IgnoreFields(baseline.File{}, "Places", "Name")

// full has everything that a file can have.
func full(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "full.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestParse(t *testing.T) {
	f, problems := Parse("b.yaml", []byte(full(t)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	a, err := trail.ParseARN("arn:aws:cloudtrail:eu-central-1:111122223333:trail/main")
	if err != nil {
		t.Fatal(err)
	}
	got, ok := f.Lookup(a)
	if !ok {
		t.Fatal("not pinned")
	}
	until := time.Date(2026, 12, 1, 18, 0, 0, 0, time.UTC)
	want := trail.Baseline{
		ARN: a, Repair: []trail.Group{"logging", "settings", "recreate"}, Ignore: []trail.Field{"tags"},
		Approved: []trail.Approval{{Fields: []trail.Field{"kms_key_id"}, Want: "arn:aws:kms:eu-central-1:111122223333:key/2", Who: "Ada", Why: "CHG-7", Until: until}},
		Want: trail.Settings{
			Logging: true, Bucket: "audit-logs", Prefix: "main", Topic: "arn:aws:sns:eu-central-1:111122223333:files",
			Key:      "arn:aws:kms:eu-central-1:111122223333:key/1",
			LogGroup: "arn:aws:logs:eu-central-1:111122223333:log-group:trail:*", LogRole: "arn:aws:iam::111122223333:role/trail",
			GlobalEvents: true, MultiRegion: true, Organization: true, Validation: true,
			Selectors: trail.Selectors{Advanced: []trail.AdvancedSelector{
				{Name: "all", Fields: []trail.FieldSelector{{Field: "eventCategory", Equals: []string{"Management"}}}},
				{Fields: []trail.FieldSelector{
					{Field: "eventCategory", Equals: []string{"Data"}}, {Field: "resources.type", Equals: []string{"AWS::S3::Object"}},
					{Field: "resources.ARN", StartsWith: []string{"arn:aws:s3:::secret/"}},
				}},
			}},
			Insights: []trail.Insight{{Type: "ApiCallRateInsight", Categories: []string{"Management"}}},
			EventConfig: trail.EventConfig{
				Aggregations: []trail.Aggregation{{Category: "Data", Templates: []string{"API_ACTIVITY"}}},
				ContextKeys:  []trail.ContextKeys{{Type: "TagContext", Equals: []string{"team"}}}, MaxEventSize: "Large",
			},
			Tags: map[string]string{"protected": "yes", "": "", "a: b": "1"},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(trail.Baseline{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if f.Requirements[0].Accounts[0] != "012345678901" {
		t.Errorf("requirements: %+v", f.Requirements)
	}
	b := trail.ARN{Partition: "aws", Region: "eu-west-1", Account: "111122223333", Name: "basic"}
	if second, ok := f.Lookup(b); !ok || len(second.Repair) != 1 || second.Repair[0] != trail.GroupLogging {
		t.Errorf("without repair: %+v, want logging only", second)
	}
	if _, ok := f.Lookup(trail.ARN{}); ok {
		t.Error("a trail that is not in the file is pinned")
	}
}

// TestProblems has every way to get a file wrong, where the problems must stand, and in testdata what is said of them.
// (FAULTS.md F13)
func TestProblems(t *testing.T) {
	good := full(t)
	edit := func(pairs ...string) string {
		text := good
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(text, pairs[i]) {
				t.Fatalf("testdata/full.yaml has no %q", pairs[i])
			}
			text = strings.Replace(text, pairs[i], pairs[i+1], 1)
		}
		return text
	}
	var got strings.Builder
	for _, test := range []struct {
		name, text string
		at         string // line:column of each problem, 0:0 for the file as a whole
	}{
		{"good", good, ""},
		{"only comments", "# nothing\n", "0:0 0:0 0:0 0:0 0:0"},
		{"version of the future", edit("version: 1", "version: 2"), "2:1"},
		{"serial zero", edit("serial: 7", "serial: 0"), "3:1"},
		{"unknown key at the top", edit("serial: 7", "serial: 7\nserail: 8"), "4:1"},
		{"unknown key in a trail", edit("s3_bucket_name", "s3_bucket"), "8:5 18:5"},
		{"unknown key in a selector", edit("field_selectors:", "fields:"), "30:11 31:11"},
		{"repeated key in a trail", edit("    logging: true", "    logging: true\n    logging: false"), "18:5"},
		{"repeated tag", edit(`      protected: "yes"`, "      protected: \"yes\"\n      protected: \"no\""), "51:7"},
		{"boolean in quotes", edit("logging: true", `logging: "true"`), "17:14"},
		{"yes for true", edit("logging: true", `logging: yes`), "17:14"},
		{"boolean for a tag", edit(`protected: "yes"`, `protected: true`), "50:18"},
		{"number for a tag", edit(`protected: "yes"`, `protected: 5`), "50:18"},
		{"text for a list", edit("equals: [Management]", "equals: Management"), "33:23"},
		{"list for text", edit("s3_key_prefix: main", "s3_key_prefix: [main]"), "19:20"},
		{"no value", edit("s3_key_prefix: main", "s3_key_prefix:"), "19:5"},
		{"malformed trail ARN", edit("arn:aws:cloudtrail:eu-central-1:111122223333:trail/main", "main"), "8:10"},
		{"trail pinned twice", edit("eu-west-1:111122223333:trail/basic", "eu-central-1:111122223333:trail/main"), "53:5"},
		{"unknown group", edit("recreate]", "recreat]"), "9:33"},
		{"unknown field to ignore", edit("ignore: [tags]", "ignore: [tag, what]"), "10:14 10:19"},
		{"unknown field to approve", edit("- fields: [kms_key_id]", "- fields: [kms_key]"), "12:18"},
		{"approval without an end", edit("        until: 2026-12-01T18:00:00Z\n", ""), "12:9"},
		{"date for a time", edit("2026-12-01T18:00:00Z", "2026-12-01"), "16:16"},
		{"missing settings", edit("    kms_key_id: arn:aws:kms:eu-central-1:111122223333:key/1\n", "", "    is_multi_region_trail: true\n", ""), "8:5 8:5"},
		{"no bucket", edit("s3_bucket_name: audit-logs", `s3_bucket_name: ""`), "18:5"},
		{"basic and advanced", edit("      advanced:\n", "      basic: []\n      advanced:\n", "      basic: []\n", "      basic:\n        - {read_write_type: All, include_management_events: true}\n"), "28:5"},
		{"unknown kind of events", edit("read_write_type: WriteOnly", "read_write_type: Writeonly"), "67:11"},
		{"unknown size", edit("max_event_size: Large", "max_event_size: Huge"), "48:5"},
		{"bad requirement", edit("accounts: [012345678901]", "accounts: [1234, all]", "regions: [all]", "regions: [Europe]"), "80:16 80:22 81:15"},
		{"empty requirement", edit("    management_write: true\n", "", "    log_file_validation: true\n    s3_bucket_name: audit-logs\n", ""), "79:5"},
		{"nothing pinned", "version: 1\nserial: 1\ncaptured: {at: 2026-11-23T02:00:00Z, by: me}\ntrails: []\n", "4:1"},
		{"list for a trail", edit("  - arn: arn:aws:cloudtrail:eu-west-1", "  - []\n  - arn: arn:aws:cloudtrail:eu-west-1"), "53:5"},
		{"merge", edit("serial: 7", "serial: 7\n<<: {}"), "4:1"},
		{"anchor", edit("serial: 7", "serial: &a 7"), "3:9"},
		{"two documents", good + "---\nversion: 1\n", fmt.Sprintf("%d:1", strings.Count(good, "\n")+2)},
		{"control character", edit("CHG-7", "CHG\x1b[2J"), "15:17"},
		{"list for a file", "- a\n", "1:1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, problems := Parse("b.yaml", []byte(test.text))
			var at []string
			for _, p := range problems {
				at = append(at, fmt.Sprintf("%d:%d", p.Line, p.Column))
				if p.Hint == "" {
					t.Errorf("no hint: %v", p)
				}
			}
			if diff := cmp.Diff(test.at, strings.Join(at, " ")); diff != "" {
				t.Errorf("places (-want +got):\n%s\n%v", diff, problems)
			}
			fmt.Fprintf(&got, "== %s\n%v\n\n", test.name, problems)
		})
	}
	golden(t, "problems.golden", got.String())
}

// TestHostileTextsAnswerSoon: texts for which the parser would take quadratic time are refused first. (FAULTS.md F13)
func TestHostileTextsAnswerSoon(t *testing.T) {
	// Fault F13.
	n := limits.Size
	for _, text := range []string{
		strings.Repeat("[", n), strings.Repeat("{a: ", n/4), strings.Repeat("- ", n/2), strings.Repeat("? ", n/2),
		"a: &a [x]\nb: " + strings.Repeat("[*a,", n/8), strings.Repeat("a: b\n", n/5), "trails:\n" + strings.Repeat("  - a: b\n", limits.Keys-2),
		"a: |" + strings.Repeat("\n", n-10), "trails: [" + strings.Repeat("1,", n/40) + "]", strings.Repeat("a", n),
		"a: \"" + strings.Repeat("\\u0041", n/7) + "\"\n",
	} {
		start := time.Now()
		if _, problems := Parse("x", []byte(text)); len(problems) == 0 {
			t.Errorf("%.20q: no problem", text)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%.20q took %v", text, took)
		} else if took > time.Second {
			t.Logf("%.20q took %v", text, took)
		}
	}
}

// TestFormat: how a file looks in version control. Written again, it is the same.
func TestFormat(t *testing.T) {
	f, problems := Parse("b.yaml", []byte(full(t)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	text := Format(f)
	golden(t, "formatted.yaml", string(text))
	again, problems := Parse("again.yaml", text)
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, text)
	}
	if f.Hash() != again.Hash() {
		t.Error("the hash depends on layout")
	}
	again.Trails[0].Prefix = "x"
	if f.Hash() == again.Hash() {
		t.Error("the hash does not depend on a setting")
	}
}

// TestFormatRoundTrip: what is written is read back, whatever the trails are called and tagged.
func TestFormatRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := files().Draw(t, "file")
		text := Format(f)
		got, problems := Parse("x", text)
		if len(problems) > 0 {
			t.Fatalf("%v\n%s", problems, text)
		}
		if diff := cmp.Diff(f.Canonical(), got, withoutPlaces); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, text)
		}
		if again := Format(got); string(again) != string(text) {
			t.Fatalf("formatted again it is\n%s\nfirst it was\n%s", again, text)
		}
		if f.Hash() != got.Hash() {
			t.Fatal("another hash")
		}
		document, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		same, err := baseline.Decode(document)
		if err != nil || same.Hash() != f.Hash() {
			t.Fatalf("as JSON: %v\n%s", err, document)
		}
	})
}

// files generates valid files with hostile texts in them.
func files() *rapid.Generator[baseline.File] {
	return rapid.Custom(func(t *rapid.T) baseline.File {
		text := rapid.OneOf(rapid.SampledFrom([]string{"", "yes", "null", "5", "~", "- a", "a: b", "#x", "arn:aws:s3:::", "'", `"\`, "\x1b[2J", "\u2028", "😀", "<&>", " x ", "\n", "\t", "0x1f", "1e3", "2026-01-01"}), rapid.String())
		texts := rapid.SliceOfN(text, 0, 3)
		f := baseline.File{
			Version: 1, Serial: rapid.IntRange(1, 1<<30).Draw(t, "serial"),
			Captured: baseline.Captured{At: time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "at"), 0).UTC(), By: text.Draw(t, "by")},
		}
		seen := map[trail.ARN]bool{}
		for range rapid.IntRange(1, 3).Draw(t, "trails") {
			one := baseline.Trail{
				ARN: trail.ARN{Partition: "aws", Region: rapid.SampledFrom([]string{"eu-west-1", "us-east-1"}).Draw(t, "region"),
					Account: "111122223333", Name: rapid.StringMatching(`[a-z]{3,5}`).Draw(t, "name")},
				Repair:  rapid.SliceOfDistinct(rapid.SampledFrom(trail.Groups()), func(g trail.Group) trail.Group { return g }).Draw(t, "repair"),
				Logging: rapid.Bool().Draw(t, "logging"), Bucket: "b" + text.Draw(t, "bucket"), Prefix: text.Draw(t, "prefix"),
				Key: text.Draw(t, "key"), MultiRegion: rapid.Bool().Draw(t, "regions"),
				Insights:  []baseline.Insight{{Type: text.Draw(t, "type"), Categories: texts.Draw(t, "categories")}},
				EventSize: rapid.SampledFrom([]string{"Standard", "Large"}).Draw(t, "size"),
			}
			if tags := rapid.MapOfN(text, text, 0, 4).Draw(t, "tags"); len(tags) > 0 {
				one.Tags = tags
			}
			if seen[one.ARN] {
				continue
			}
			seen[one.ARN] = true
			for range rapid.IntRange(0, 2).Draw(t, "selectors") {
				if len(one.Selectors.Basic) > 0 || rapid.Bool().Draw(t, "basic") && len(one.Selectors.Advanced) == 0 {
					one.Selectors.Basic = append(one.Selectors.Basic, baseline.Selector{
						ReadWrite: rapid.SampledFrom([]string{"All", "ReadOnly", "WriteOnly"}).Draw(t, "rw"), Management: rapid.Bool().Draw(t, "management"),
						ExcludeSources: texts.Draw(t, "sources"), Data: []baseline.DataResource{{Type: text.Draw(t, "type"), Values: texts.Draw(t, "values")}},
					})
				} else {
					one.Selectors.Advanced = append(one.Selectors.Advanced, baseline.AdvancedSelector{Name: text.Draw(t, "name"), Fields: []baseline.FieldSelector{
						{Field: text.Draw(t, "field"), Equals: texts.Draw(t, "equals"), NotEndsWith: texts.Draw(t, "not")},
					}})
				}
			}
			if rapid.Bool().Draw(t, "approved") {
				one.Approvals = []baseline.Approval{{Fields: []trail.Field{trail.FieldTags}, Who: text.Draw(t, "who"), Why: text.Draw(t, "why"), Want: text.Draw(t, "want"), Until: f.Captured.At}}
			}
			f.Trails = append(f.Trails, one)
		}
		if rapid.Bool().Draw(t, "required") {
			f.Requirements = []baseline.Requirement{{Name: text.Draw(t, "name"), Accounts: []string{"012345678901"}, Regions: []string{"all"}, Write: true, Bucket: text.Draw(t, "bucket")}}
		}
		return f
	})
}

// TestLoad: a baseline that is configured and cannot be used is never the same as none, and never an empty one.
// (FAULTS.md A28, F11)
func TestLoad(t *testing.T) {
	good := full(t)
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "b.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f, err := Load(write(good), baseline.Used{})
	if err != nil {
		t.Fatal(err)
	}
	used := f.Used()
	for _, test := range []struct {
		name, path, why string
		last            baseline.Used
	}{
		{name: "the same again", path: write(good), last: used},
		{name: "with comments", path: write(good + "# reviewed\n"), last: used},
		{name: "a newer one", path: write(strings.Replace(strings.Replace(good, "serial: 7", "serial: 8", 1), "audit-logs", "other", 1)), last: used},
		{name: "missing", path: filepath.Join(t.TempDir(), "b.yaml"), why: baseline.Missing},
		{name: "a directory", path: t.TempDir(), why: baseline.Unreadable},
		{name: "empty", path: write(""), why: baseline.Empty},
		{name: "blank", path: write("\n\n"), why: baseline.Empty},
		{name: "comments only", path: write("# captured tomorrow\n"), why: baseline.Empty},
		{name: "no trail", path: write("version: 1\nserial: 9\ncaptured: {at: 2026-11-23T02:00:00Z, by: me}\ntrails: []\n"), why: baseline.Invalid},
		{name: "cut short", path: write(good[:len(good)/2]), why: baseline.Invalid},
		{name: "an older one", path: write(strings.Replace(good, "serial: 7", "serial: 6", 1)), last: used, why: baseline.RolledBack},
		{name: "changed under its serial", path: write(strings.Replace(good, "audit-logs", "mallory-drop", 1)), last: used, why: baseline.Swapped},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(test.path, test.last)
			if test.why == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			unusable, ok := errors.AsType[*baseline.Unusable](err)
			if !ok || unusable.Why != test.why || unusable.Hint() == "" || unusable.Path != test.path {
				t.Errorf("got %#v, want %s", err, test.why)
			}
		})
	}
}

// TestSchemaAgrees: what the parser takes, the published schema takes, and what is misspelt neither does.
func TestSchemaAgrees(t *testing.T) {
	schema := schematest.Published(t, "../../../schemas/baseline.v1.json")
	rapid.Check(t, func(t *rapid.T) {
		f := files().Draw(t, "file")
		document, err := json.Marshal(f.Canonical())
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(document, &doc); err != nil {
			t.Fatal(err)
		}
		noNull(doc)
		if err := schema.Validate(doc); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		doc["trails"].([]any)[0].(map[string]any)["loging"] = true
		if schema.Validate(doc) == nil {
			t.Fatal("the schema takes a misspelt key")
		}
	})
}

// noNull puts the empty list or object, as YAML has it, in place of Go's null.
func noNull(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			noNull(item)
		}
	case map[string]any:
		for name, value := range v {
			noNull(value)
			switch {
			case value == nil && name == "tags":
				v[name] = map[string]any{}
			case value == nil:
				v[name] = []any{}
			}
		}
	}
}

// FuzzParse: any text either parses, and then what is written of it parses to the same, or gives problems that say
// what is wrong, where in the text, and with nothing in them that a terminal acts on.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "full.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("version: 1\nserial: 1\ntrails:\n- {arn: x, tags: {a: 1, ? b : c}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, problems := Parse("f", text)
		if len(problems) == 0 {
			again, problems := Parse("again", Format(b))
			if len(problems) > 0 || again.Hash() != b.Hash() {
				t.Fatalf("%v\n%s", problems, Format(b))
			}
		}
		lines := strings.Count(string(text), "\n") + 1
		for _, p := range problems {
			if p.Message == "" || p.Hint == "" || p.Line < 0 || p.Line > lines {
				t.Errorf("%#v", p)
			}
			if strings.ContainsAny(p.Error(), "\x00\x1b\r\u202e") {
				t.Errorf("not printable: %q", p.Error())
			}
		}
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is stale; look at the change and run with -update (-want +got):\n%s", path, diff)
	}
}

// BenchmarkParse reads a file of 1,000 trails.
func BenchmarkParse(b *testing.B) {
	text, err := os.ReadFile(filepath.Join("testdata", "full.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	f, _ := Parse("b", text)
	one := f.Trails[1]
	for i := range 1000 {
		one.ARN.Name = fmt.Sprintf("trail%d", i)
		f.Trails = append(f.Trails, one)
	}
	text = Format(f)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, problems := Parse("b", text); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}
