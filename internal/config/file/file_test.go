package file

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/schematest"
	"github.com/trailwarden/trailwarden/internal/secret"
)

var update = flag.Bool("update", false, "write testdata anew")

var withoutOrigins = cmpopts.IgnoreFields(config.Config{}, "Origins")

func TestParse(t *testing.T) {
	least, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	full := least
	full.SNS.TopicARN, full.Compat, full.Observe = "arn:aws:sns:eu-west-1:111122223333:trailwarden", "2017", true
	full.Accounts, full.Region = []string{"012345678901", "111122223333"}, "eu-west-1"
	full.LogFormat, full.TimeZone = "json", "Europe/Berlin"
	for _, test := range []struct {
		name, text string
		want       config.Config
	}{
		{"least", "version: 1\n", least},
		{"without a last newline", "version: 1", least},
		{"comments", "# mine\n---\nversion: 1 # one\n", least},
		{"full", `
version: 1
sns:
  topic_arn: arn:aws:sns:eu-west-1:111122223333:trailwarden
compat: 2017
observe: true
accounts:
  - 012345678901
  - "111122223333"
region: eu-west-1
log_format: json
time_zone: Europe/Berlin
`, full},
		{"other ways of writing", "time_zone: 'Europe/Berlin'\r\n\"log_format\": json\r\nregion: eu-west-1\r\n" +
			"accounts: ['012345678901', 111122223333]\r\nobserve: true\r\ncompat: '2017'\r\n" +
			"sns: {topic_arn: \"arn:aws:sns:eu-west-1:111122223333:trailwarden\"}\r\nversion: 1\r\n", full},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := config.Load(Parse("trailwarden.yaml", []byte(test.text)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, c, withoutOrigins); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOriginIsLineAndColumn(t *testing.T) {
	c, err := config.Load(Parse("a.yaml", []byte("version: 1\nsns:\n  topic_arn: arn:aws:sns:eu-west-1:111122223333:t\n")))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Origins["sns.topic_arn"].String(), "file a.yaml:3:14"; got != want {
		t.Errorf("origin %q, want %q", got, want)
	}
}

// Every way to get a file wrong, where the problems must stand, and in testdata what the operator reads.
func TestProblems(t *testing.T) {
	v := "version: 1\n"
	var got strings.Builder
	for _, test := range []struct {
		name, text string
		at         string // line:column of each problem, 0:0 for the file as a whole
	}{
		{"empty", "", "0:0"},
		{"only comments", "# nothing\n", "0:0"},
		{"no version", "observe: true\n", "0:0"},
		{"version of the future", "version: 2\n", "1:10"},
		{"version as text", "version: '1'\n", "1:10"},
		{"unknown key", v + "acounts: []\n", "2:1"},
		{"unknown key in a section", v + "sns:\n  topic: x\n", "3:3"},
		{"unknown section", v + "slack:\n  url: x\n", "2:1"},
		{"key at the wrong place", v + "topic_arn: x\n", "2:1"},
		{"key with a dot", v + "sns.topic_arn: x\n", "2:1"},
		{"key in capitals", v + "Region: x\n", "2:1"},
		{"name of the variable", v + "SNSARN: x\n", "2:1"},
		{"number as a key", v + "12: x\n", "2:1"},
		{"duplicate key", v + "observe: true\nobserve: false\n", "3:1"},
		{"duplicate section", v + "sns:\n  topic_arn: ''\nsns:\n  topic_arn: ''\n", "4:1"},
		{"no value", v + "region:\nobserve: true\n", "2:1"},
		{"empty section", v + "sns:\n", "2:1"},
		{"section with a value", v + "sns: arn\n", "2:1"},
		{"secret", v + "notify:\n  slack:\n    bot_token: xoxb-canary\n", "4:16"},
		{"secret as a number", v + "notify:\n  slack:\n    bot_token: 5\n", "4:16"},
		{"secret with blanks", v + "notify:\n  slack:\n    bot_token: ' xoxb-canary'\n", "4:16"},
		{"no place for a secret", v + "notify:\n  slack:\n    bot_token: 'file:'\n", "4:16"},
		{"channel's section with a value", v + "notify:\n  slack: xoxb-x\n", "3:3"},
		{"yes for true", v + "observe: yes\n", "2:10"},
		{"boolean in quotes", v + "observe: 'true'\n", "2:10"},
		{"boolean for text", v + "region: true\n", "2:9"},
		{"number for text", v + "region: 5\n", "2:9"},
		{"group for text", v + "region:\n  name: eu-west-1\n", "3:3"},
		{"list for text", v + "region: [eu-west-1]\n", "2:9"},
		{"text for a list", v + "accounts: 111122223333\n", "2:11"},
		{"bad items of a list", v + "accounts:\n  - 1\n  - 111122223333\n  - [2]\n  -\n", "3:5 5:5 6:5"},
		{"fraction for an account", v + "accounts: [1.5]\n", "2:12"},
		{"malformed topic", v + "sns:\n  topic_arn: trailwarden\n", "3:14"},
		{"unknown value", v + "log_format: xml\n", "2:13"},
		{"everything at once", "observe: ja\nregion: Europe\nsns:\n  topic_arn: x\n  topic: y\n", "1:10 2:9 4:14 5:3 0:0"},
		{"list for a file", "- a\n", "1:1"},
		{"text for a file", "hello\n", "1:1"},
		{"two documents", v + "---\n" + v, "3:1"},
		{"syntax", v + "region: eu: west\n", "2:9"},
		{"open bracket", v + "accounts: [1\n", "2:11"},
		{"open quote", v + "region: \"eu\n", "2:9"},
		{"tab", v + "sns:\n\ttopic_arn: x\n", "3:1"},
		{"tab after a blank", v + "sns:\n  \ttopic_arn: x\n", "3:3"},
		{"byte order mark", "\xef\xbb\xbf" + v, "0:0"},
		{"UTF-16", "\xff\xfev\x00e\x00", "0:0"},
		{"not UTF-8", v + "# caf\xe9\n", "2:6"},
		{"escape character", v + "region: \x1b[31m\n", "2:9"},
		{"NUL", v + "region: \x00\n", "2:9"},
		{"anchor", v + "region: &a eu-west-1\n", "2:9"},
		{"merge", v + "<<: {observe: true}\n", "2:1"},
		{"tag", v + "region: !!str 5\n", "2:9"},
		{"directive", "%YAML 1.1\n---\n" + v, "1:1"},
		{"too long", v + strings.Repeat("#\n", 1<<19), "0:0"},
		{"blank lines", v + strings.Repeat("\n", 200), "102:1"},
		{"brackets", v + "region: " + strings.Repeat("[", 1000), "2:25"},
		{"dashes", v + strings.Repeat("- ", 1000), "2:33"},
		{"wide line", v + "region: " + strings.Repeat("x ", 200) + "# é\n" + strings.Repeat(" ", 150) + "y: z\n", "3:151"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := config.Load(Parse("trailwarden.yaml", []byte(test.text)))
			problems, _ := err.(config.Problems)
			var at []string
			for _, p := range problems {
				at = append(at, fmt.Sprintf("%d:%d", p.Line, p.Column))
				if p.Hint == "" {
					t.Errorf("no hint: %v", p)
				}
			}
			if diff := cmp.Diff(test.at, strings.Join(at, " ")); diff != "" {
				t.Errorf("places (-want +got):\n%s\n%v", diff, err)
			}
			fmt.Fprintf(&got, "== %s\n%v\n\n", test.name, err)
		})
	}
	path := filepath.Join("testdata", "problems.golden")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s is stale; look at the change and run with -update (-want +got):\n%s", path, diff)
	}
}

func TestReadSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	_, err := config.Load(Read(filepath.Join(dir, "none.yaml")))
	if err == nil || !strings.Contains(err.Error(), "trailwarden config init --out") {
		t.Errorf("missing file: %v", err)
	}
	if _, err := config.Load(Read(dir)); err == nil {
		t.Error("a directory was read as a file")
	}
}

// Texts for which the YAML parser takes quadratic time or deep recursion answer soon: they are refused first.
func TestHostileTextsAnswerSoon(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("[", maxSize), strings.Repeat("{a: ", maxSize/4), strings.Repeat("- ", maxSize/2),
		strings.Repeat("? ", maxSize/2), strings.Repeat("&a ", maxSize/3), "a: &a [x]\nb: " + strings.Repeat("[*a,", maxSize/8),
		"a: |" + strings.Repeat("\n", maxSize-10), "a: |\n" + strings.Repeat(" \n", maxSize/2-10), strings.Repeat("a: b\n", maxSize/5),
		"a: |\n" + strings.Repeat(strings.Repeat("\n", 100)+" b\n", maxSize/104-1),
		"accounts: [" + strings.Repeat("1,", maxSize/40) + "]",
	} {
		start := time.Now()
		if _, err := config.Load(Parse("x", []byte(text))); err == nil {
			t.Errorf("%.20q: no error", text)
		}
		// A generous bound: unrefused, each of these takes minutes.
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%.20q took %v", text, took)
		}
	}
}

// The file that `config init` gives: as it is, with every comment mark taken away, and of any configuration.
func TestInitFile(t *testing.T) {
	none, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	text := config.YAML(none)
	again, err := config.Load(Parse("init", text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(none, again, withoutOrigins); diff != "" {
		t.Errorf("as it is (-want +got):\n%s", diff)
	}

	marked := regexp.MustCompile(`(?m)^#(\S|  )`) // a comment proper begins with one blank
	all, err := config.Load(Parse("init", marked.ReplaceAll(text, []byte("$1"))))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range config.Keys {
		if all.Origins[k.Name].Source != config.File {
			t.Errorf("%s does not stand in the file", k.Name)
		}
	}
}

func TestYAMLGivesTheSameConfiguration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sources := rapid.SampledFrom([]config.Source{config.Default, config.File})
		account := rapid.StringMatching(`[0-9]{12}`)
		layer := config.Layer{}
		for _, k := range config.Keys {
			if sources.Draw(t, k.Name) == config.Default {
				continue
			}
			var data any
			switch {
			case k.Name == "time_zone":
				data = rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "Etc/GMT+5"}).Draw(t, "zone")
			case k.Name == "version":
				data = 1
			case k.Check != nil && k.Kind() == config.Text:
				data = k.Example
			case k.Kind() == config.Number:
				data = rapid.IntRange(0, 1000).Draw(t, "number")
			case k.Kind() == config.Bool:
				data = rapid.Bool().Draw(t, "bool")
			case k.Kind() == config.List && k.Name != "accounts":
				data = rapid.SliceOfN(rapid.SampledFrom(strings.Split(k.Example, ",")), 1, 5).Draw(t, "items")
			case k.Kind() == config.List:
				data = rapid.SliceOfN(account, 1, 5).Draw(t, "list")
			case k.Kind() == config.Section:
				data, _ = k.Parse(k.Example)
			case k.Kind() == config.Secret:
				place := rapid.StringMatching(`(file|secretsmanager|ssm):[!-~]([ -~]{0,20}[!-~])?`).Draw(t, "place")
				ref, err := secret.Parse(place)
				if err != nil {
					t.Fatal(err)
				}
				data = ref
			case k.Values != nil:
				data = rapid.SampledFrom(k.Values).Draw(t, "value")
			default:
				data = rapid.StringMatching(k.Form).Draw(t, "text")
			}
			layer.Values = append(layer.Values, config.Value{Key: k, Data: data, Origin: config.Origin{Source: config.File}})
		}
		want, err := config.Load(layer)
		if err != nil {
			t.Fatal(err)
		}
		got, err := config.Load(Parse("yaml", config.YAML(want)))
		if err != nil {
			t.Fatalf("%v\n%s", err, config.YAML(want))
		}
		if diff := cmp.Diff(want, got, withoutOrigins); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// What an editor marks by the schema and what the parser refuses are the same, but for names of time
// zones and for numbers, where the parser is the stricter.
func TestSchemaAgreesWithParser(t *testing.T) {
	schema := schematest.Resolved(t, config.Schema())
	topics := []any{"arn:aws:sns:eu-west-1:111122223333:t", "arn:aws:sqs:eu-west-1:111122223333:t", "", nil, 5.0, true}
	values := map[string][]any{
		"version":    {1.0, 2.0, "1", nil},
		"compat":     {"", "2017", 2017.0, 2018.0, "x", true},
		"observe":    {true, false, "true", 1.0, nil},
		"accounts":   {[]any{"012345678901"}, []any{"1"}, []any{true}, []any{}, "012345678901", map[string]any{}},
		"region":     {"eu-west-1", "us-gov-east-1", "Europe", "", 1.0, []any{"eu-west-1"}},
		"log_format": {"text", "json", "xml", true},
		"time_zone":  {"UTC", "Europe/Berlin", true, 1.0},
		"colour":     {"red"},
		"sns":        {"x", nil, map[string]any{"topic": "x"}},
	}
	for _, topic := range topics {
		values["sns"] = append(values["sns"], map[string]any{"topic_arn": topic})
	}
	rapid.Check(t, func(t *rapid.T) {
		doc := map[string]any{"version": 1.0}
		for name, choice := range values {
			// Most keys are left out, or nothing would ever be valid.
			if rapid.IntRange(0, 3).Draw(t, name) == 0 {
				doc[name] = rapid.SampledFrom(choice).Draw(t, "value of "+name)
			}
		}
		text, err := json.Marshal(doc) // JSON is YAML
		if err != nil {
			t.Fatal(err)
		}
		bySchema := schema.Validate(doc)
		_, byParser := config.Load(Parse("x", text))
		if (bySchema == nil) != (byParser == nil) {
			t.Fatalf("%s\nschema: %v\nparser: %v", text, bySchema, byParser)
		}
	})
}

// Any text either parses, and then its rendering parses to the same configuration, or gives problems
// that say what is wrong, where within the text, and with nothing in them that a terminal acts on.
func FuzzParse(f *testing.F) {
	f.Add([]byte("version: 1\nsns:\n  topic_arn: arn:aws:sns:eu-west-1:111122223333:t\naccounts: [012345678901]\n"))
	f.Add([]byte("version: 1\ncompat: '2017'\nobserve: true\nregion: >-\n  eu-west-1\ntime_zone: Europe/Berlin\n"))
	f.Add([]byte("# x\r\n---\r\n? version\r\n: 1\r\n...\r\n"))
	f.Add([]byte("version: 1\n&a *a !t <<: {a: [b, {c: d}], \"\\u0061\": 'x''y'}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Load(Parse("f", text))
		if err == nil {
			again, err := config.Load(Parse("again", config.YAML(c)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c, again, withoutOrigins, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("(-first +again):\n%s", diff)
			}
			return
		}
		lines := strings.Count(string(text), "\n") + 1
		for _, p := range err.(config.Problems) {
			if p.Message == "" || p.Hint == "" || p.Line < 0 || p.Line > lines {
				t.Errorf("%#v", p)
			}
			if strings.ContainsAny(p.Error(), "\x00\x1b\r\u202e") {
				t.Errorf("not printable: %q", p.Error())
			}
		}
	})
}
