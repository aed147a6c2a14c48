package trail

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func basic(selectors ...Selector) Selectors { return Selectors{Basic: selectors} }

func advanced(selectors ...[]FieldSelector) (s Selectors) {
	for _, fields := range selectors {
		s.Advanced = append(s.Advanced, AdvancedSelector{Fields: fields})
	}
	return s
}

func eq(field string, values ...string) FieldSelector {
	return FieldSelector{Field: field, Equals: values}
}

const s3, lambda = "AWS::S3::Object", "AWS::Lambda::Function"

var (
	mgmt   = eq("eventCategory", "Management")
	dataOf = func(kind string) []FieldSelector {
		return []FieldSelector{eq("eventCategory", "Data"), eq("resources.type", kind)}
	}
	all      = Selector{ReadWrite: "All", Management: true}
	readOnly = Selector{ReadWrite: "ReadOnly", Management: true}
	writing  = Selector{ReadWrite: "WriteOnly", Management: true}
	noKMS    = Selector{ReadWrite: "All", Management: true, ExcludeSources: []string{"kms.amazonaws.com"}}
	noRDS    = Selector{ReadWrite: "All", Management: true, ExcludeSources: []string{"rdsdata.amazonaws.com"}}
	allS3    = Selector{ReadWrite: "All", Data: []DataResource{{Type: s3, Values: []string{"arn:aws:s3"}}}}
)

func with(base []FieldSelector, more ...FieldSelector) []FieldSelector {
	return slices.Concat(base, more)
}

// TestSelectorsThatRecordTheSame: however it is said, what is recorded decides.
func TestSelectorsThatRecordTheSame(t *testing.T) {
	for name, same := range map[string][]Selectors{
		"all management events": {
			{}, basic(all), basic(Selector{Management: true}), basic(readOnly, writing), basic(writing, readOnly, all),
			advanced([]FieldSelector{mgmt}), advanced([]FieldSelector{mgmt, eq("readOnly", "true", "false")}),
			advanced([]FieldSelector{mgmt, eq("readOnly", "true")}, []FieldSelector{mgmt, eq("readOnly", "false")}),
			basic(noKMS, noRDS),
			advanced([]FieldSelector{mgmt, {Field: "eventSource", NotEquals: []string{"kms.amazonaws.com"}}}, []FieldSelector{mgmt, eq("eventSource", "kms.amazonaws.com")}),
			basic(Selector{ReadWrite: "All", Management: true, Data: []DataResource{{Type: s3}, {Type: lambda, Values: []string{}}}}),
			{Advanced: []AdvancedSelector{{Name: "Management events selector", Fields: []FieldSelector{mgmt}}}},
		},
		"without kms": {
			basic(noKMS), basic(noKMS, noKMS),
			advanced([]FieldSelector{mgmt, {Field: "eventSource", NotEquals: []string{"kms.amazonaws.com"}}}),
			advanced([]FieldSelector{{Field: "eventSource", NotEquals: []string{"kms.amazonaws.com", "kms.amazonaws.com"}}, mgmt}),
			basic(noKMS, Selector{ReadWrite: "ReadOnly", Management: true, ExcludeSources: []string{"rdsdata.amazonaws.com", "kms.amazonaws.com"}}),
		},
		"all S3 objects": {
			basic(allS3), advanced(dataOf(s3)),
			basic(Selector{ReadWrite: "All", Data: []DataResource{{Type: s3, Values: []string{"arn:aws:s3:::", "arn:aws:s3:::b/"}}}}),
			advanced(with(dataOf(s3), FieldSelector{Field: "resources.ARN", StartsWith: []string{"arn:aws:s3:::"}})),
		},
		"two buckets": {
			basic(Selector{ReadWrite: "All", Data: []DataResource{{Type: s3, Values: []string{"arn:aws:s3:::b/", "arn:aws:s3:::a/"}}}}),
			basic(Selector{ReadWrite: "All", Data: []DataResource{{Type: s3, Values: []string{"arn:aws:s3:::a/"}}, {Type: s3, Values: []string{"arn:aws:s3:::b/"}}}}),
			advanced(with(dataOf(s3), FieldSelector{Field: "resources.ARN", StartsWith: []string{"arn:aws:s3:::a/", "arn:aws:s3:::b/"}})),
			advanced(with(dataOf(s3), FieldSelector{Field: "resources.ARN", StartsWith: []string{"arn:aws:s3:::b/", "arn:aws:s3:::b/only"}}),
				with(dataOf(s3), FieldSelector{Field: "resources.ARN", StartsWith: []string{"arn:aws:s3:::a/"}})),
		},
		"nothing": {
			basic(Selector{ReadWrite: "ReadOnly", Data: []DataResource{{Type: s3, Values: []string{}}, {Type: lambda, Values: []string{}}}}),
			advanced([]FieldSelector{mgmt, {Field: "eventSource", Equals: []string{"a"}, NotEquals: []string{"a"}}}),
		},
	} {
		for i, s := range same {
			if want, got := printSelectors(main, same[0]), printSelectors(main, s); want != got {
				t.Errorf("%s: form %d reads\n%s\nwant\n%s", name, i, got, want)
			}
		}
	}
}

// TestSelectorsThatRecordLess: each of these hides something, and each is told from the whole.
func TestSelectorsThatRecordLess(t *testing.T) {
	whole := basic(all, allS3)
	for name, s := range map[string]Selectors{
		"A6 Rhino's selector: no management events": basic(Selector{ReadWrite: "ReadOnly", Data: []DataResource{{Type: s3, Values: []string{}}, {Type: lambda, Values: []string{}}}}),
		"A7 read-only":                              basic(readOnly, allS3),
		"write-only":                                basic(writing, allS3),
		"A8 kms excluded":                           basic(noKMS, allS3),
		"A8 kms excluded, said in another way":      advanced([]FieldSelector{mgmt, {Field: "eventSource", NotStartsWith: []string{"kms."}}}, dataOf(s3)),
		"advanced without management events":        advanced(dataOf(s3)),
		"advanced named Management events selector": {Advanced: []AdvancedSelector{{Name: "Management events selector", Fields: dataOf(s3)}}},
		"a union that is read-only (Panther 2019)":  basic(readOnly, allS3),
		"one bucket":                                basic(all, Selector{ReadWrite: "All", Data: []DataResource{{Type: s3, Values: []string{"arn:aws:s3:::a/"}}}}),
		"S3 of another partition":                   basic(all, Selector{ReadWrite: "All", Data: []DataResource{{Type: s3, Values: []string{"arn:aws-cn:s3"}}}}),
		"one user exempt":                           advanced([]FieldSelector{mgmt}, with(dataOf(s3), FieldSelector{Field: "userIdentity.arn", NotEquals: []string{"arn:aws:iam::111122223333:user/eve"}})),
		"one call exempt":                           advanced([]FieldSelector{mgmt}, with(dataOf(s3), FieldSelector{Field: "eventName", NotEquals: []string{"DeleteObject"}})),
		"a field this program does not know":        advanced([]FieldSelector{mgmt, eq("somethingNew", "true")}, dataOf(s3)),
		"a category that does not say which":        advanced([]FieldSelector{{Field: "eventCategory", StartsWith: []string{"M"}}}, dataOf(s3)),
	} {
		if printSelectors(main, s) == printSelectors(main, whole) || s.Covers(whole, "aws") {
			t.Errorf("%s is taken for everything: %s", name, printSelectors(main, s))
		}
		if !whole.Covers(s, "aws") && name != "a category that does not say which" {
			t.Errorf("%s is taken for more than everything: %s", name, printSelectors(main, s))
		}
	}
}

// TestSelectorsThatAreNotTheirSum: clauses that must not become one.
func TestSelectorsThatAreNotTheirSum(t *testing.T) {
	source := func(f FieldSelector) []FieldSelector {
		f.Field = "eventSource"
		return []FieldSelector{mgmt, f}
	}
	starts := func(v ...string) []string { return v }
	for name, test := range map[string]struct {
		a, b []FieldSelector
		want string
	}{
		"what one leaves out of its own": {
			source(FieldSelector{StartsWith: starts("a")}), source(FieldSelector{StartsWith: starts("b"), NotEndsWith: starts("1")}),
			"Management: eventSource starts with a or eventSource starts with b, not ends with 1",
		},
		"both leave out the narrower": {
			source(FieldSelector{NotStartsWith: starts("k")}), source(FieldSelector{NotEquals: starts("kms")}),
			"Management: eventSource not is kms",
		},
		"both leave out what begins so and ends so": {
			source(FieldSelector{NotStartsWith: starts("k")}), source(FieldSelector{NotEndsWith: starts("m")}),
			"Management: eventSource not starts with k or eventSource not ends with m",
		},
		"one takes back a part": {
			source(FieldSelector{NotStartsWith: starts("k")}), source(FieldSelector{Equals: starts("kms")}),
			"Management: eventSource not starts with k or eventSource is kms",
		},
		"one takes back all but a part": {
			source(FieldSelector{NotStartsWith: starts("k", "x")}), source(FieldSelector{StartsWith: starts("k"), NotEquals: starts("kms")}),
			"Management: eventSource not is kms, not starts with x",
		},
	} {
		for _, s := range []Selectors{advanced(test.a, test.b), advanced(test.b, test.a)} {
			if got := printSelectors(main, s); got != test.want {
				t.Errorf("%s reads\n%s\nwant\n%s", name, got, test.want)
			}
		}
	}
}

// TestSelectorsInAnyOrder: where clauses can be put together in more than one way, their order does not choose.
func TestSelectorsInAnyOrder(t *testing.T) {
	pair := func(name, user string) AdvancedSelector {
		return AdvancedSelector{Fields: with(dataOf(s3), eq("eventName", name), eq("userIdentity.arn", user))}
	}
	a, b, c := pair("Get", "u"), pair("Get", "v"), pair("Put", "v")
	want := printSelectors(main, Selectors{Advanced: []AdvancedSelector{a, b, c}})
	for _, order := range [][]AdvancedSelector{{a, c, b}, {b, a, c}, {b, c, a}, {c, a, b}, {c, b, a}} {
		if got := printSelectors(main, Selectors{Advanced: order}); got != want {
			t.Errorf("reads\n%s\nwant\n%s", got, want)
		}
	}
}

// TestSelectorsByPartition: everything of a service is everything in the trail's own partition only.
func TestSelectorsByPartition(t *testing.T) {
	gov := main
	gov.Partition = "aws-us-gov"
	own := basic(Selector{Data: []DataResource{{Type: s3, Values: []string{"arn:aws-us-gov:s3"}}}})
	if got := printSelectors(gov, own); got != "Data AWS::S3::Object: all" {
		t.Error(got)
	}
	if got := printSelectors(gov, basic(Selector{Data: allS3.Data})); got != "Data AWS::S3::Object: resources.ARN starts with arn:aws:s3" {
		t.Error(got)
	}
}

// TestSelectorsAgainstModel: equal and covering are never claimed where the plain model sees a difference, and
// coverage never claims an event that is not recorded.
func TestSelectorsAgainstModel(t *testing.T) {
	often(t, func(rt *rapid.T) {
		a, b := genSelectors(rt), genSelectors(rt)
		if rapid.Bool().Draw(rt, "related") {
			b = shuffled(rt, a)
			if len(b.Basic) > 0 {
				b.Basic[0] = genBasic(rt)
			} else if len(b.Advanced) > 0 {
				b.Advanced[0] = genAdvanced(rt)
			}
		}
		inA, inB := taken(a), taken(b)
		if printSelectors(main, a) == printSelectors(main, b) && !slices.Equal(inA, inB) {
			rt.Fatalf("printed equally, and they are not: %s\n%+v\n%+v", printSelectors(main, a), a, b)
		}
		if a.Covers(b, "aws") && !within(inB, inA) {
			rt.Fatalf("a does not cover b:\na %s\nb %s", printSelectors(main, a), printSelectors(main, b))
		}
		c := coverage(main, Settings{Selectors: a}, []Group{GroupSelectors})
		for i, e := range samples {
			if claims(c, e) && !inA[i] {
				rt.Fatalf("coverage claims %+v\nof %+v\n%s", e, a, printSelectors(main, a))
			}
			// Conditions that the package understands are claimed in full.
			if inA[i] && !claims(c, e) {
				rt.Fatalf("coverage forgets %+v\nof %+v\n%s", e, a, printSelectors(main, a))
			}
		}
	})
}

// claims asks the coverage about one event.
func claims(c Coverage, e sample) bool {
	pick := func(read, write Events) Events {
		if e.readOnly == "true" {
			return read
		}
		return write
	}
	var events Events
	switch e.category {
	case "Management":
		events = pick(c.Read, c.Write)
	case "Data":
		for _, r := range c.Data {
			if r.Of == e.kind {
				events = pick(r.Read, r.Write)
			}
		}
	case "NetworkActivity":
		for _, r := range c.Network {
			if r.Of == e.source {
				events = pick(r.Read, r.Write)
			}
		}
	}
	for _, clause := range events {
		all := true
		for _, condition := range clause {
			f := FieldSelector{Field: condition.Field}
			for _, p := range condition.Any {
				to := map[string]*[]string{"is": &f.Equals, "starts with": &f.StartsWith, "ends with": &f.EndsWith}[p.Op]
				*to = append(*to, p.Value)
			}
			for _, p := range condition.None {
				to := map[string]*[]string{"is": &f.NotEquals, "starts with": &f.NotStartsWith, "ends with": &f.NotEndsWith}[p.Op]
				*to = append(*to, p.Value)
			}
			all = all && passes(f, e.value(f.Field))
		}
		if all {
			return true
		}
	}
	return false
}

// TestSelectorsOrderAndFormMeanNothing: any order of selectors, values and conditions, basic selectors written as
// advanced ones, and selectors taken apart into reading and writing are the same selectors.
func TestSelectorsOrderAndFormMeanNothing(t *testing.T) {
	often(t, func(rt *rapid.T) {
		s := genSelectors(rt)
		want := printSelectors(main, s)
		for name, other := range map[string]Selectors{"shuffled": shuffled(rt, s), "as advanced": asAdvanced(s), "apart": apart(s)} {
			if len(other.Basic)+len(other.Advanced) == 0 && len(s.Basic) > 0 {
				continue // selects nothing: as an empty list it would be the default
			}
			if got := printSelectors(main, other); got != want {
				rt.Fatalf("%s reads\n%s\nwant\n%s\n%+v", name, got, want, s)
			}
			if !other.Covers(s, "aws") || !s.Covers(other, "aws") {
				rt.Fatalf("%s does not cover it: %+v", name, s)
			}
		}
	})
}

func shuffled(t *rapid.T, s Selectors) (out Selectors) {
	mix := func(values []string) []string {
		if len(values) == 0 {
			return nil
		}
		return rapid.Permutation(values).Draw(t, "values")
	}
	for _, b := range s.Basic {
		b.ExcludeSources = mix(b.ExcludeSources)
		b.Data = slices.Clone(b.Data)
		slices.Reverse(b.Data)
		for i := range b.Data {
			b.Data[i].Values = mix(b.Data[i].Values)
		}
		out.Basic = append(out.Basic, b)
	}
	for _, a := range s.Advanced {
		a.Name = "something else"
		a.Fields = slices.Clone(a.Fields)
		slices.Reverse(a.Fields)
		for i := range a.Fields {
			a.Fields[i].Equals, a.Fields[i].NotEquals = mix(a.Fields[i].Equals), mix(a.Fields[i].NotEquals)
		}
		out.Advanced = append(out.Advanced, a)
	}
	if len(out.Basic) > 0 {
		out.Basic = rapid.Permutation(out.Basic).Draw(t, "basic")
	}
	if len(out.Advanced) > 0 {
		out.Advanced = rapid.Permutation(out.Advanced).Draw(t, "advanced")
	}
	return out
}

func asAdvanced(s Selectors) Selectors {
	out := Selectors{Advanced: slices.Clone(s.Advanced)}
	for _, b := range s.Basic {
		var ro []FieldSelector
		switch b.ReadWrite {
		case "ReadOnly":
			ro = []FieldSelector{eq("readOnly", "true")}
		case "WriteOnly":
			ro = []FieldSelector{eq("readOnly", "false")}
		}
		if b.Management {
			fields := append([]FieldSelector{mgmt}, ro...)
			if len(b.ExcludeSources) > 0 {
				fields = append(fields, FieldSelector{Field: "eventSource", NotEquals: b.ExcludeSources})
			}
			out.Advanced = append(out.Advanced, AdvancedSelector{Fields: fields})
		}
		for _, d := range b.Data {
			arn := FieldSelector{Field: "resources.ARN", Equals: d.Values}
			if d.Type == s3 {
				arn = FieldSelector{Field: "resources.ARN", StartsWith: d.Values}
			}
			fields := with(dataOf(d.Type), ro...)
			if !slices.Contains(d.Values, "arn:aws:lambda") {
				fields = append(fields, arn)
			}
			if len(d.Values) > 0 {
				out.Advanced = append(out.Advanced, AdvancedSelector{Fields: fields})
			}
		}
	}
	return out
}

func apart(s Selectors) (out Selectors) {
	for _, b := range s.Basic {
		if b.ReadWrite != "" && b.ReadWrite != "All" {
			out.Basic = append(out.Basic, b)
			continue
		}
		for _, rw := range []string{"ReadOnly", "WriteOnly"} {
			b.ReadWrite = rw
			out.Basic = append(out.Basic, b)
		}
	}
	for _, a := range s.Advanced {
		if slices.ContainsFunc(a.Fields, func(f FieldSelector) bool { return f.Field == "readOnly" }) {
			out.Advanced = append(out.Advanced, a)
			continue
		}
		for _, ro := range []string{"true", "false"} {
			out.Advanced = append(out.Advanced, AdvancedSelector{Fields: with(a.Fields, eq("readOnly", ro))})
		}
	}
	return out
}
