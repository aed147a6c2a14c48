package ledger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

// The examples of RFC 8785: sections 3.2.2 (serialization), 3.2.3 (sorting) and the pages around them.
func TestCanonicalAsInTheRFC(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"3.2.2", `{
		  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
		  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
		  "literals": [null, true, false]
		}`, `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`},
		{"3.2.3", `{
		  "\u20ac": "Euro Sign",
		  "\r": "Carriage Return",
		  "\ufb33": "Hebrew Letter Dalet With Dagesh",
		  "1": "One",
		  "\ud83d\ude00": "Emoji: Grinning Face",
		  "\u0080": "Control",
		  "\u00f6": "Latin Small Letter O With Diaeresis"
		}`, "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\"," +
			"\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}"},
		{"nested objects, numeric names", `{"1":{"f":{"f":"hi","F":5},"\n":56.0},"10":{},"":"empty","a":{},"111":[{"e":"yes","E":"no"}],"A":{}}`,
			`{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}`},
		{"what HTML would escape stays", `"\u003cb\u003e\u0026\u2028\u007f"`, "\"<b>&\u2028\u007f\""},
		{"not normalized", `{"Unnormalized Unicode":"A\u030a"}`, "{\"Unnormalized Unicode\":\"A\u030a\"}"},
		{"control characters", `"\u0000\u0008\u0009\u000a\u000c\u000d\u001F"`, `"\u0000\b\t\n\f\r\u001f"`},
		{"white space", " [ ] ", "[]"},
	} {
		got, err := Canonical([]byte(c.in))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v\nwant %s", c.name, got, err, c.want)
		}
	}
}

// Appendix B of RFC 8785: the bits of a float64 and how it is printed.
func TestCanonicalNumbersAsInTheRFC(t *testing.T) {
	for bits, want := range map[uint64]string{
		0x0000000000000000: "0", 0x8000000000000000: "0", 0x0000000000000001: "5e-324", 0x8000000000000001: "-5e-324",
		0x7fefffffffffffff: "1.7976931348623157e+308", 0xffefffffffffffff: "-1.7976931348623157e+308",
		0x4340000000000000: "9007199254740992", 0xc340000000000000: "-9007199254740992", 0x4430000000000000: "295147905179352830000",
		0x44b52d02c7e14af5: "9.999999999999997e+22", 0x44b52d02c7e14af6: "1e+23", 0x44b52d02c7e14af7: "1.0000000000000001e+23",
		0x444b1ae4d6e2ef4e: "999999999999999700000", 0x444b1ae4d6e2ef4f: "999999999999999900000", 0x444b1ae4d6e2ef50: "1e+21",
		0x3eb0c6f7a0b5ed8c: "9.999999999999997e-7", 0x3eb0c6f7a0b5ed8d: "0.000001",
		0x41b3de4355555553: "333333333.3333332", 0x41b3de4355555554: "333333333.33333325", 0x41b3de4355555555: "333333333.3333333",
		0x41b3de4355555556: "333333333.3333334", 0x41b3de4355555557: "333333333.33333343",
		0xbecbf647612f3696: "-0.0000033333333333333333", 0x43143ff3c1cb0959: "1424953923781206.2",
	} {
		f := math.Float64frombits(bits)
		got, err := Canonical([]byte(strconv.FormatFloat(f, 'e', -1, 64)))
		if err != nil || string(got) != want {
			t.Errorf("%016x: %s, %v; want %s", bits, got, err, want)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":              ``,
		"more than one value":  `1 2`,
		"a repeated name":      `{"a":1,"\u0061":2}`,
		"invalid UTF-8":        "\"\xff\"",
		"an encoded surrogate": "\"\xed\xa0\x80\"",
		"a high surrogate":     `"\ud800"`,
		"a low surrogate":      `"\udc00"`,
		"two high surrogates":  `"\ud800\ud800"`,
		"a control character":  "\"\n\"",
		"an unknown escape":    `"\x"`,
		"an infinite number":   `1e400`,
		"a leading zero":       `01`,
		"a bare point":         `1.`,
		"a plus sign":          `+1`,
		"a comma too many":     `[1,]`,
		"a member too few":     `{"a":1,}`,
		"no colon":             `{"a" 1}`,
		"an open object":       `{"a":1`,
		"an open string":       `"a`,
		"an open escape":       `"\u12`,
		"NaN":                  `NaN`,
		"a byte order mark":    "\ufeff1",
		"too deep":             strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
	} {
		if got, err := Canonical([]byte(in)); err == nil {
			t.Errorf("%s was taken: %s", name, got)
		}
	}
}

func FuzzCompareUTF16(f *testing.F) {
	for _, s := range [][2]string{{"a", "b"}, {"\ufb33", "\U0001f600"}, {"\U0001f600", "\U0001f601"}, {"é", "ê"}, {"", "x"}, {"ab", "a"}, {"\ue000", "\U0010ffff"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		want := slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
		if got := compareUTF16(a, b); cmp.Compare(got, 0) != want {
			t.Errorf("%q and %q: %d, want %d", a, b, got, want)
		}
	})
}

// Canonical form is equal in meaning to what it was made of, and a fixed point. It takes what encoding/json takes, but for
// what it refuses by its contract.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"b":[1,2.50,-0],"a":"\ud83d\ude00<>&"}`, `1E-7`, `"\u2028"`, `{"":{"":{}}}`, `[[],{},null]`, `{"\ufb33":1,"\ud83d\ude00":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := Canonical(in)
		if err != nil {
			return
		}
		again, err := Canonical(got)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("not a fixed point: %s, then %s, %v", got, again, err)
		}
		var was, is any
		if err := json.Unmarshal(in, &was); err != nil {
			t.Fatalf("encoding/json refuses %q: %v", in, err)
		}
		if err := json.Unmarshal(got, &is); err != nil {
			t.Fatalf("encoding/json refuses the result %q: %v", got, err)
		}
		if !reflect.DeepEqual(was, is) {
			t.Fatalf("%q became %q", in, got)
		}
		if !utf8.Valid(got) {
			t.Fatalf("invalid UTF-8: %q", got)
		}
	})
}
