package trail

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The model below says what selectors record in the plainest way: it asks of one event after the other
// whether a selector takes it. It shares no code with the package, so that the two can be held against each other.

type sample struct{ category, readOnly, source, kind, arn, name, user string }

func (e sample) value(field string) string {
	switch field {
	case "eventCategory":
		return e.category
	case "readOnly":
		return e.readOnly
	case "eventSource":
		return e.source
	case "resources.type":
		return e.kind
	case "resources.ARN":
		return e.arn
	case "eventName":
		return e.name
	case "userIdentity.arn":
		return e.user
	}
	panic(field)
}

var (
	sources = []string{"kms.amazonaws.com", "rdsdata.amazonaws.com", "ec2.amazonaws.com"}
	names   = []string{"GetObject", "GetItem", "PutObject"}
	users   = []string{"arn:aws:iam::111122223333:user/eve", "arn:aws:iam::111122223333:role/app"}
	arns    = map[string][]string{
		"AWS::S3::Object":       {"arn:aws:s3:::a/x/1", "arn:aws:s3:::a/y", "arn:aws:s3:::b/x/1"},
		"AWS::Lambda::Function": {"arn:aws:lambda:eu-central-1:111122223333:function:f", "arn:aws:lambda:eu-central-1:111122223333:function:f2"},
		"AWS::SNS::Topic":       {"arn:aws:sns:eu-central-1:111122223333:t"},
	}
	kinds = []string{"AWS::S3::Object", "AWS::Lambda::Function", "AWS::SNS::Topic"}
)

// others are values that no selector names.
var others = map[string]string{
	"AWS::S3::Object": "arn:aws:s3:::c", "AWS::Lambda::Function": "arn:aws:lambda:eu-central-1:111122223333:function:g",
	"AWS::SNS::Topic": "arn:aws:sns:eu-central-1:111122223333:u",
}

var samples = func() []sample {
	var out []sample
	for _, ro := range []string{"true", "false"} {
		for _, user := range append([]string{"arn:aws:iam::111122223333:user/other"}, users...) {
			for _, name := range append([]string{"DeleteThing"}, names...) {
				for _, source := range append([]string{"other"}, sources...) {
					out = append(out, sample{category: "Management", readOnly: ro, source: source, name: name, user: user})
					out = append(out, sample{category: "NetworkActivity", readOnly: ro, source: source, name: name, user: user})
				}
				for _, kind := range kinds {
					for _, arn := range append([]string{others[kind]}, arns[kind]...) {
						out = append(out, sample{"Data", ro, "any.amazonaws.com", kind, arn, name, user})
					}
				}
			}
		}
	}
	return out
}()

func takes(s Selectors, e sample) bool {
	if len(s.Basic)+len(s.Advanced) == 0 {
		return e.category == "Management"
	}
	for _, b := range s.Basic {
		if b.ReadWrite == "ReadOnly" && e.readOnly == "false" || b.ReadWrite == "WriteOnly" && e.readOnly == "true" {
			continue
		}
		if e.category == "Management" && b.Management && !slices.Contains(b.ExcludeSources, e.source) {
			return true
		}
		for _, d := range b.Data {
			for _, v := range d.Values {
				whole := v == "arn:aws:s3" && d.Type == "AWS::S3::Object" || v == "arn:aws:lambda" && d.Type == "AWS::Lambda::Function"
				prefix := d.Type == "AWS::S3::Object" && strings.HasPrefix(e.arn, v)
				if e.category == "Data" && e.kind == d.Type && (whole || prefix || e.arn == v) {
					return true
				}
			}
		}
	}
	for _, a := range s.Advanced {
		all := true
		for _, f := range a.Fields {
			all = all && passes(f, e.value(f.Field))
		}
		if all {
			return true
		}
	}
	return false
}

func passes(f FieldSelector, v string) bool {
	selected := len(f.Equals)+len(f.StartsWith)+len(f.EndsWith) == 0
	for _, want := range f.Equals {
		selected = selected || v == want
	}
	for _, want := range f.StartsWith {
		selected = selected || strings.HasPrefix(v, want)
	}
	for _, want := range f.EndsWith {
		selected = selected || strings.HasSuffix(v, want)
	}
	for _, not := range f.NotEquals {
		selected = selected && v != not
	}
	for _, not := range f.NotStartsWith {
		selected = selected && !strings.HasPrefix(v, not)
	}
	for _, not := range f.NotEndsWith {
		selected = selected && !strings.HasSuffix(v, not)
	}
	return selected
}

// taken is which of the samples are recorded.
func taken(s Selectors) []bool {
	out := make([]bool, len(samples))
	for i, e := range samples {
		out[i] = takes(s, e)
	}
	return out
}

// within tells whether all of a is in b.
func within(a, b []bool) bool {
	for i := range a {
		if a[i] && !b[i] {
			return false
		}
	}
	return true
}

// often checks a property that needs more draws than usual to meet the rare arrangements.
func often(t *testing.T, property func(*rapid.T)) {
	for range 20 {
		rapid.Check(t, property)
	}
}

// Generators: small alphabets, so that parts overlap, cover each other and add up.

func some(t *rapid.T, from []string, label string, least int) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), least, min(3, len(from)), rapid.ID[string]).Draw(t, label)
}

func genBasic(t *rapid.T) Selector {
	s := Selector{
		ReadWrite:  rapid.SampledFrom([]string{"", "All", "ReadOnly", "WriteOnly"}).Draw(t, "rw"),
		Management: rapid.Bool().Draw(t, "management"),
	}
	if s.Management && rapid.Bool().Draw(t, "exclude") {
		s.ExcludeSources = some(t, sources[:2], "excluded", 0)
	}
	for _, kind := range some(t, kinds[:2], "types", 0) {
		values := append([]string{"arn:aws:s3:::a/", "arn:aws:s3:::", "arn:aws:s3", "arn:aws-cn:s3"}, arns[kind]...)
		if kind != "AWS::S3::Object" {
			values = append([]string{"arn:aws:lambda", "arn:aws-cn:lambda"}, arns[kind]...)
		}
		s.Data = append(s.Data, DataResource{Type: kind, Values: some(t, values, "values", 0)})
	}
	return s
}

func genAdvanced(t *rapid.T) AdvancedSelector {
	s := AdvancedSelector{Name: rapid.SampledFrom([]string{"", "Management events selector"}).Draw(t, "name")}
	category := rapid.SampledFrom([]string{"Management", "Management", "Data", "Data", "Data", "NetworkActivity"}).Draw(t, "category")
	s.Fields = append(s.Fields, FieldSelector{Field: "eventCategory", Equals: []string{category}})
	if rapid.Bool().Draw(t, "readOnly") {
		s.Fields = append(s.Fields, FieldSelector{Field: "readOnly", Equals: some(t, []string{"true", "false"}, "ro", 1)})
	}
	kind := ""
	switch category {
	case "Management":
		if rapid.Bool().Draw(t, "sources") {
			s.Fields = append(s.Fields, genField(t, "eventSource", append([]string{"kms", "r", ".com", ""}, sources...)))
		}
		return s
	case "Data":
		kind = rapid.SampledFrom(kinds).Draw(t, "type")
		s.Fields = append(s.Fields, FieldSelector{Field: "resources.type", Equals: []string{kind}})
		if rapid.Bool().Draw(t, "arns") {
			s.Fields = append(s.Fields, genField(t, "resources.ARN", append([]string{"arn:aws:s3", "arn:aws:s3:::a", "1", "arn:aws-cn:s3", "arn:aws:lambda"}, arns[kind]...)))
		}
	case "NetworkActivity":
		s.Fields = append(s.Fields, FieldSelector{Field: "eventSource", Equals: some(t, sources, "source", 1)})
	}
	if rapid.Bool().Draw(t, "names") {
		s.Fields = append(s.Fields, genField(t, "eventName", append([]string{"Get", "Object", "P"}, names...)))
	}
	if rapid.IntRange(0, 3).Draw(t, "users") == 0 {
		s.Fields = append(s.Fields, genField(t, "userIdentity.arn", users))
	}
	return s
}

func genField(t *rapid.T, field string, values []string) FieldSelector {
	f := FieldSelector{Field: field}
	for _, list := range []*[]string{&f.Equals, &f.NotEquals, &f.StartsWith, &f.NotStartsWith, &f.EndsWith, &f.NotEndsWith} {
		if rapid.IntRange(0, 2).Draw(t, "operator") == 0 {
			*list = some(t, values, field, 0)
		}
	}
	return f
}

func genSelectors(t *rapid.T) (s Selectors) {
	switch rapid.IntRange(0, 8).Draw(t, "kind of selectors") {
	case 0:
	case 1, 2, 3, 4:
		s.Basic = rapid.SliceOfN(rapid.Custom(genBasic), 1, 4).Draw(t, "basic")
	default:
		s.Advanced = rapid.SliceOfN(rapid.Custom(genAdvanced), 1, 5).Draw(t, "advanced")
	}
	return s
}
