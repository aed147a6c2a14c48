package trail

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var main = ARN{Partition: "aws", Region: "eu-central-1", Account: "111122223333", Name: "main"}

func TestParseARN(t *testing.T) {
	for _, good := range []string{
		"arn:aws:cloudtrail:us-east-1:111122223333:trail/main",
		"arn:aws-cn:cloudtrail:cn-north-1:111122223333:trail/a.b_c-d",
		"arn:aws-us-gov:cloudtrail:us-gov-west-1:111122223333:trail/123",
		"arn:aws-eusc:cloudtrail:eusc-de-east-1:111122223333:trail/main",
		"arn:aws:cloudtrail:apiso-centralnorth-2r:143434273843:trail/stratus-red-team-ct-stop-trail-buykxbqejv",
	} {
		a, err := ParseARN(good)
		if err != nil || a.String() != good {
			t.Errorf("ParseARN(%q) = %v, %v", good, a, err)
		}
	}
	for _, bad := range []string{
		"", "main", "arn:aws:cloudtrail:us-east-1:111122223333:trail/", "arn:aws:cloudtrail:us-east-1:111122223333:eventdatastore/x",
		"arn:aws:s3:us-east-1:111122223333:trail/main", "arn:evil:cloudtrail:us-east-1:111122223333:trail/main",
		"arn:aws:cloudtrail:us-east-1:1111:trail/main", "arn:aws:cloudtrail:../x:111122223333:trail/main",
		"arn:aws:cloudtrail:us-east-1:111122223333:trail/a--b", "arn:aws:cloudtrail:us-east-1:111122223333:trail/main:extra",
		"arn:aws:cloudtrail:us-east-1:111122223333:trail/m\u0430in", "arn:aws:cloudtrail:us-east-1:111122223333:trail/main\n",
		"arn:aws:cloudtrail:us-east-1:111122223333:trail/" + strings.Repeat("a", 10000),
	} {
		if a, err := ParseARN(bad); err == nil {
			t.Errorf("ParseARN(%.80q) = %v, want an error", bad, a)
		} else if len(err.Error()) > 700 {
			t.Errorf("ParseARN(%.80q): the error repeats %d bytes of the input", bad, len(err.Error()))
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"abc": true, "a.b_c-d": true, strings.Repeat("a", 128): true, "1.2.3": true,
		"ab": false, strings.Repeat("a", 129): false, "a..b": false, "a.-b": false, "-abc": false, "abc_": false,
		"192.168.5.4": false, "my trail": false, "trail/x": false, "trаil": false, "abc\x00": false,
	} {
		if err := CheckName(name); (err == nil) != good {
			t.Errorf("CheckName(%.40q): %v", name, err)
		}
	}
}

func TestResolve(t *testing.T) {
	for _, test := range []struct{ typed, region, want string }{
		{"main", "eu-central-1", "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"},
		{"main", "cn-north-1", "arn:aws-cn:cloudtrail:cn-north-1:111122223333:trail/main"},
		{"main", "us-gov-west-1", "arn:aws-us-gov:cloudtrail:us-gov-west-1:111122223333:trail/main"},
		{"main", "us-iso-east-1", "arn:aws-iso:cloudtrail:us-iso-east-1:111122223333:trail/main"},
		{"main", "us-isob-east-1", "arn:aws-iso-b:cloudtrail:us-isob-east-1:111122223333:trail/main"},
		{"main", "eusc-de-east-1", "arn:aws-eusc:cloudtrail:eusc-de-east-1:111122223333:trail/main"},
		{"arn:aws:cloudtrail:us-east-1:444455556666:trail/org", "eu-central-1", "arn:aws:cloudtrail:us-east-1:444455556666:trail/org"},
	} {
		a, err := Resolve(test.typed, test.region, "111122223333")
		if err != nil || a.String() != test.want {
			t.Errorf("Resolve(%s in %s) = %v, %v; want %s", test.typed, test.region, a, err, test.want)
		}
	}
}

// full has a value in every setting, so that a row which forgets one shows.
func full() Settings {
	return Settings{
		Logging: true, Bucket: "logs", Prefix: "p", Topic: "arn:topic", Key: "arn:key", LogGroup: "arn:group", LogRole: "arn:role",
		GlobalEvents: true, MultiRegion: true, Organization: true, Validation: true,
		Selectors: Selectors{Basic: []Selector{{
			ReadWrite: "All", Management: true, ExcludeSources: []string{"kms.amazonaws.com"},
			Data: []DataResource{{Type: "AWS::S3::Object", Values: []string{"arn:aws:s3"}}},
		}}, Advanced: []AdvancedSelector{{Name: "any", Fields: []FieldSelector{{
			Field: "eventCategory", Equals: []string{"Data"}, NotEquals: []string{"bd"}, StartsWith: []string{"b"},
			NotStartsWith: []string{"c"}, EndsWith: []string{"d"}, NotEndsWith: []string{"e"},
		}}}}},
		Insights: []Insight{{Type: "ApiCallRateInsight", Categories: []string{"Data"}}},
		EventConfig: EventConfig{
			Aggregations: []Aggregation{{Category: "Data", Templates: []string{"API_ACTIVITY"}}},
			ContextKeys:  []ContextKeys{{Type: "TagContext", Equals: []string{"team"}}}, MaxEventSize: "Large",
		},
		Tags: map[string]string{"owner": "security"},
	}
}

func everything() State {
	s := State{ARN: main, Exists: true, Settings: full()}
	for _, row := range Table {
		if !slices.Contains(s.Read, row.Group) {
			s.Read = append(s.Read, row.Group)
		}
	}
	return s
}

// TestEveryFieldIsCompared changes each field of Settings, however deep, and wants a drift. The one that may differ
// is the name of an advanced selector: it is free text and means nothing.
func TestEveryFieldIsCompared(t *testing.T) {
	baseline := Baseline{ARN: main, Want: full()}
	if drifts := Compare(baseline, everything()); len(drifts) > 0 {
		t.Fatalf("a state that equals its baseline drifts: %v", drifts)
	}
	var walk func(v reflect.Value, path string, changed func() []Drift)
	walk = func(v reflect.Value, path string, changed func() []Drift) {
		check := func() {
			if path == ".Selectors.Advanced[0].Name" {
				return
			}
			if len(changed()) == 0 {
				t.Errorf("no row of the table compares %s", path)
			}
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i), path+"."+v.Type().Field(i).Name, changed)
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), changed)
			}
			old := v.Interface()
			v.Set(reflect.Zero(v.Type()))
			if len(changed()) == 0 {
				t.Errorf("no row of the table sees that %s is empty", path)
			}
			v.Set(reflect.ValueOf(old))
		case reflect.Map:
			v.SetMapIndex(reflect.ValueOf("owner"), reflect.ValueOf("mallory"))
			check()
			v.SetMapIndex(reflect.ValueOf("owner"), reflect.ValueOf("security"))
		case reflect.Bool:
			v.SetBool(!v.Bool())
			check()
			v.SetBool(!v.Bool())
		case reflect.String:
			old := v.String()
			v.SetString("changed")
			check()
			v.SetString(old)
		default:
			t.Fatalf("%s has a kind that this test does not know", path)
		}
	}
	s := everything()
	walk(reflect.ValueOf(&s.Settings).Elem(), "", func() []Drift { return Compare(baseline, s) })
}

func TestCompareNormalises(t *testing.T) {
	baseline := Baseline{ARN: main, Want: full()}
	baseline.Want.Selectors.Basic[0].Data[0].Values = []string{"arn:aws:s3:::a/", "arn:aws:s3:::b/"}
	s := everything()
	s.Selectors.Basic[0].Data[0].Values = []string{"arn:aws:s3:::b/", "arn:aws:s3:::a/"}
	s.Selectors.Advanced[0].Name = "Management events selector"
	if drifts := Compare(baseline, s); len(drifts) > 0 {
		t.Errorf("order of lists and names of selectors mean nothing, yet: %v", drifts)
	}
}

func TestCompareWhatWasNotRead(t *testing.T) {
	s := everything()
	s.Read, s.Bucket, s.Logging = []Group{GroupLogging}, "", false
	got := Compare(Baseline{ARN: main, Want: full()}, s)
	want := []Drift{{
		Field: "logging", Group: GroupLogging, Want: "true", Got: "false",
		Lost: []Loss{{Name: "logging", Text: "The trail does not record: no event is delivered."}},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDeletedTrailIsOneDrift(t *testing.T) {
	got := Compare(Sampled(main), State{ARN: main})
	if len(got) != 1 || got[0].Field != FieldExists {
		t.Errorf("got %v", got)
	}
	if p := Repair(Sampled(main), State{ARN: main}); len(p.Actions) > 0 || len(p.Left) != 1 {
		t.Errorf("without proof and a pinned baseline nothing is created, yet: %+v", p)
	}
}

func TestSampledStartsAndNothingElse(t *testing.T) {
	s := everything()
	s.Settings = Settings{}
	plan := Repair(Sampled(main), s)
	if len(plan.Actions) != 1 || plan.Actions[0].Op != StartLogging || len(plan.Left) != 0 {
		t.Errorf("got %+v", plan)
	}
}
