package pattern_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/sim/pattern"
)

// Each operator with events that it matches and events that it must not. Where a row is AWS's own
// example, its name is AWS's.
var operators = []struct {
	name    string
	pattern string
	matches []string
	misses  []string
}{
	{"equals", `{"Name": ["Alice"]}`,
		[]string{`{"Name": "Alice"}`, `{"Name": ["Bob", "Alice"]}`, `{"Name": [["Alice"]]}`, `{"Name": "Alice", "x": {}}`},
		[]string{`{"Name": "alice"}`, `{"Name": "Alice "}`, `{"name": "Alice"}`, `{"Name": {"Name": "Alice"}}`, `{}`}},
	{"or (one field)", `{"PaymentType": ["Credit", "Debit"]}`,
		[]string{`{"PaymentType": "Debit"}`}, []string{`{"PaymentType": "Cash"}`}},
	{"and", `{"Location": ["New York"], "Day": ["Monday"]}`,
		[]string{`{"Location": "New York", "Day": "Monday"}`},
		[]string{`{"Location": "New York"}`, `{"Location": "New York", "Day": "Tuesday"}`}},
	{"number by value", `{"Price": [300]}`,
		[]string{`{"Price": 300}`, `{"Price": 300.0}`, `{"Price": 3.0e2}`, `{"Price": 3E+2}`, `{"Price": 30000e-2}`},
		[]string{`{"Price": "300"}`, `{"Price": 300.000001}`, `{"Price": -300}`, `{"Price": 3e99999999999999999999}`}},
	{"number beyond the numeric range", `{"a": [123456789012]}`,
		[]string{`{"a": 123456789012}`, `{"a": 1.23456789012e11}`}, []string{`{"a": 123456789013}`, `{"a": "123456789012"}`}},
	{"zero", `{"a": [0]}`, []string{`{"a": -0}`, `{"a": 0.00}`, `{"a": 0e9}`}, []string{`{"a": null}`, `{"a": false}`, `{"a": ""}`}},
	{"true", `{"a": [true]}`, []string{`{"a": true}`}, []string{`{"a": "true"}`, `{"a": false}`, `{"a": 1}`}},
	{"null", `{"UserID": [null]}`,
		[]string{`{"UserID": null}`, `{"UserID": [null]}`}, []string{`{"UserID": ""}`, `{"UserID": "null"}`, `{"UserID": []}`, `{}`}},
	{"empty", `{"LastName": [""]}`, []string{`{"LastName": ""}`}, []string{`{"LastName": null}`, `{"LastName": " "}`, `{}`}},
	{"IP address in another spelling", `{"ip": ["2001:db8::1"]}`,
		[]string{`{"ip": "2001:0db8:0:0:0:0:0:1"}`, `{"ip": "2001:DB8::1"}`}, []string{`{"ip": "2001:db8::2"}`}},
	{"begins with", `{"Region": [{"prefix": "us-"}]}`,
		[]string{`{"Region": "us-east-1"}`, `{"Region": "us-"}`}, []string{`{"Region": "eu-us-1"}`, `{"Region": "US-east-1"}`, `{"Region": 1}`}},
	{"begins with nothing", `{"a": [{"prefix": ""}]}`, []string{`{"a": ""}`, `{"a": "x"}`}, []string{`{"a": 1}`, `{"a": null}`}},
	{"begins with (ignore case)", `{"service": [{"prefix": {"equals-ignore-case": "EventB"}}]}`,
		[]string{`{"service": "EVENTBridge"}`, `{"service": "eventb"}`}, []string{`{"service": "event"}`}},
	{"ends with", `{"FileName": [{"suffix": ".png"}]}`,
		[]string{`{"FileName": "a.png"}`}, []string{`{"FileName": "a.png.exe"}`, `{"FileName": "a.PNG"}`}},
	{"ends with (ignore case)", `{"service": [{"suffix": {"equals-ignore-case": "tbridge"}}]}`,
		[]string{`{"service": "EventBRIDGE"}`}, []string{`{"service": "bridges"}`}},
	{"equals (ignore case)", `{"Name": [{"equals-ignore-case": "straße Ü"}]}`,
		[]string{`{"Name": "STRAßE ü"}`}, []string{`{"Name": "strasse ü"}`, `{"Name": "straße Üx"}`}},
	{"wildcard", `{"EventBusArn": [{"wildcard": "arn:aws:events:us-east-1:*:event-bus/*"}]}`,
		[]string{`{"EventBusArn": "arn:aws:events:us-east-1:123456789012:event-bus/myEventBus"}`, `{"EventBusArn": "arn:aws:events:us-east-1::event-bus/"}`},
		[]string{`{"EventBusArn": "arn:aws:events:us-east-2:1:event-bus/x"}`, `{"EventBusArn": "arn:aws:events:us-east-1:event-bus/x"}`}},
	{"wildcard that must give back", `{"a": [{"wildcard": "*aab*ab"}]}`,
		[]string{`{"a": "aaabab"}`, `{"a": "aabaabab"}`}, []string{`{"a": "aab"}`, `{"a": "aabb"}`}},
	{"wildcard alone", `{"a": [{"wildcard": "*"}]}`, []string{`{"a": ""}`, `{"a": "x\ny"}`}, []string{`{"a": 1}`, `{"a": null}`}},
	{"wildcard escapes", `{"a": [{"wildcard": "\\**\\\\"}]}`,
		[]string{`{"a": "*\\"}`, `{"a": "*x\\"}`}, []string{`{"a": "x\\"}`, `{"a": "*x"}`}},
	{"wildcard without a star", `{"a": [{"wildcard": "x"}]}`, []string{`{"a": "x"}`}, []string{`{"a": "xx"}`}},
	{"anything-but", `{"state": [{"anything-but": "initializing"}]}`,
		[]string{`{"state": "running"}`, `{"state": 1}`, `{"state": null}`, `{"state": ["initializing", "running"]}`},
		[]string{`{"state": "initializing"}`, `{"state": ["initializing"]}`, `{}`, `{"state": {}}`}},
	{"anything-but (number)", `{"x-limit": [{"anything-but": 123}]}`,
		[]string{`{"x-limit": 124}`, `{"x-limit": "123"}`, `{"x-limit": 123456789012}`}, []string{`{"x-limit": 1.23e2}`}},
	{"anything-but (list of strings)", `{"state": [{"anything-but": ["stopped", "overloaded"]}]}`,
		[]string{`{"state": "running"}`}, []string{`{"state": "stopped"}`, `{"state": "overloaded"}`}},
	{"anything-but (list of numbers)", `{"x-limit": [{"anything-but": [100, 200, 300]}]}`,
		[]string{`{"x-limit": 150}`}, []string{`{"x-limit": 200.0}`}},
	{"anything-but (ignore case)", `{"state": [{"anything-but": {"equals-ignore-case": ["initializing", "stopped"]}}]}`,
		[]string{`{"state": "running"}`}, []string{`{"state": "INITIALIZING"}`, `{"state": "Stopped"}`}},
	{"anything-but (begins with)", `{"Region": [{"anything-but": {"prefix": "us-"}}]}`,
		[]string{`{"Region": "eu-west-1"}`, `{"Region": 7}`}, []string{`{"Region": "us-east-1"}`}},
	{"anything-but (begins with one of)", `{"Region": [{"anything-but": {"prefix": ["us-", "eu-"]}}]}`,
		[]string{`{"Region": "ap-south-1"}`}, []string{`{"Region": "us-east-1"}`, `{"Region": "eu-west-1"}`}},
	{"anything-but (ends with)", `{"FileName": [{"anything-but": {"suffix": [".txt", ".rtf"]}}]}`,
		[]string{`{"FileName": "a.png"}`}, []string{`{"FileName": "a.txt"}`, `{"FileName": "a.rtf"}`}},
	{"anything-but using a wildcard", `{"FilePath": [{"anything-but": {"wildcard": ["*/lib/*", "*/bin/*"]}}]}`,
		[]string{`{"FilePath": "/usr/share/x"}`}, []string{`{"FilePath": "/usr/lib/x"}`, `{"FilePath": "/usr/bin/x"}`}},
	{"numeric (equals)", `{"Price": [{"numeric": ["=", 100]}]}`,
		[]string{`{"Price": 1e2}`}, []string{`{"Price": 100.000001}`, `{"Price": "100"}`}},
	{"numeric (range)", `{"Price": [{"numeric": [">", 10, "<=", 20]}]}`,
		[]string{`{"Price": 10.000001}`, `{"Price": 20}`}, []string{`{"Price": 10}`, `{"Price": 20.000001}`, `{"Price": "15"}`}},
	{"numeric (at least)", `{"a": [{"numeric": [">=", -0.5]}]}`,
		[]string{`{"a": -0.5}`, `{"a": 5e9}`}, []string{`{"a": -0.500001}`, `{"a": 5000000000.1}`}},
	{"numeric (less)", `{"a": [{"numeric": ["<", 10]}]}`,
		[]string{`{"a": 9.999999}`, `{"a": -5e9}`}, []string{`{"a": 10}`, `{"a": 1.0000001}`, `{"a": -6e9}`}},
	{"IP address", `{"sourceIPAddress": [{"cidr": "10.0.0.0/24"}]}`,
		[]string{`{"sourceIPAddress": "10.0.0.255"}`},
		[]string{`{"sourceIPAddress": "10.0.1.0"}`, `{"sourceIPAddress": "cloudtrail.amazonaws.com"}`, `{"sourceIPAddress": 10}`}},
	{"IP address (host bits set)", `{"ip": [{"cidr": "10.0.0.7/24"}]}`, []string{`{"ip": "10.0.0.1"}`}, []string{`{"ip": "10.0.1.7"}`}},
	{"IP address (v6)", `{"ip": [{"cidr": "2001:db8::/32"}]}`,
		[]string{`{"ip": "2001:DB8:ffff::1"}`}, []string{`{"ip": "2001:db9::1"}`, `{"ip": "10.0.0.1"}`}},
	{"exists", `{"ProductName": [{"exists": true}]}`,
		[]string{`{"ProductName": "x"}`, `{"ProductName": null}`, `{"ProductName": [0]}`},
		[]string{`{}`, `{"ProductName": {"a": 1}}`, `{"ProductName": []}`, `{"ProductName": {}}`}},
	{"does not exist", `{"detail": {"c-count": [{"exists": false}]}}`,
		[]string{`{"detail": {}}`, `{}`, `{"detail": {"c-count": {"c1": 100}}}`, `{"detail": {"c-count": []}}`, `{"detail": "x"}`},
		[]string{`{"detail": {"c-count": null}}`, `{"detail": [{}, {"c-count": 1}]}`}},
	{"does not exist or has a value", `{"errorCode": [{"exists": false}, ""]}`,
		[]string{`{}`, `{"errorCode": ""}`}, []string{`{"errorCode": "AccessDenied"}`}},
	{"or (many fields)", `{"detail": {"$or": [{"c-count": [{"numeric": [">", 0]}]}, {"d-count": [{"numeric": ["<", 10]}]}, {"x-limit": [302]}]}}`,
		[]string{`{"detail": {"c-count": 1}}`, `{"detail": {"c-count": 0, "d-count": 9}}`, `{"detail": {"x-limit": 302}}`},
		[]string{`{"detail": {"c-count": 0, "d-count": 10, "x-limit": 301}}`, `{"c-count": 1}`, `{}`}},
	{"or beside and", `{"source": ["a"], "$or": [{"x": [1]}, {"y": [1], "z": [1]}]}`,
		[]string{`{"source": "a", "x": 1}`, `{"source": "a", "y": 1, "z": 1}`},
		[]string{`{"source": "b", "x": 1}`, `{"source": "a", "y": 1}`, `{"source": "a"}`}},
	{"or within or", `{"$or": [{"a": [1], "$or": [{"b": [1]}, {"c": [1]}]}, {"d": [1]}]}`,
		[]string{`{"a": 1, "c": 1}`, `{"d": 1}`}, []string{`{"a": 1}`, `{"b": 1, "c": 1}`}},
	{"two ors", `{"$or": [{"a": [1]}, {"b": [1]}], "x": {"$or": [{"c": [1]}, {"d": [1]}]}}`,
		[]string{`{"a": 1, "x": {"d": 1}}`}, []string{`{"a": 1, "b": 1}`, `{"a": 1, "d": 1}`}},
	{"dots are levels", `{"detail": {"state.status": ["running"]}}`,
		[]string{`{"detail": {"state": {"status": "running"}}}`, `{"detail": {"state.status": "running"}}`, `{"detail.state": {"status": "running"}}`},
		[]string{`{"detail": {"state": "running"}}`}},
	{"key twice in the event", `{"a": [1]}`, []string{`{"a": 1, "a": 2}`, `{"a": 2, "a": 1}`}, []string{`{"a": 2, "a": 3}`}},
	{"operator as a field name", `{"prefix": [{"prefix": "a"}], "numeric": {"cidr": [1]}}`,
		[]string{`{"prefix": "ab", "numeric": {"cidr": 1}}`}, []string{`{"prefix": "b", "numeric": {"cidr": 1}}`}},

	// Array consistency, after event-ruler's README and tests.
	{"same element", `{"employees": {"firstName": ["Anna"], "lastName": ["Jones"]}}`,
		[]string{`{"employees": [{"firstName": "John"}, {"firstName": "Anna", "lastName": "Jones"}]}`, `{"employees": {"firstName": "Anna", "lastName": "Jones"}}`},
		[]string{`{"employees": [{"firstName": "Anna", "lastName": "Smith"}, {"firstName": "Peter", "lastName": "Jones"}]}`,
			`{"employees": [[{"firstName": "Anna", "lastName": "Smith"}], [{"firstName": "Peter", "lastName": "Jones"}]]}`}},
	{"lists within lists", `{"Songs": {"Name": ["Paperback Writer"], "Writers": {"First": ["Paul"], "Last": ["McCartney"]}}}`,
		[]string{`{"Songs": [{"Name": "Paperback Writer", "Writers": [{"First": "John", "Last": "Lennon"}, {"First": "Paul", "Last": "McCartney"}]}]}`},
		[]string{`{"Songs": [{"Name": "Paperback Writer", "Writers": [{"First": "John", "Last": "Lennon"}]}, {"Name": "x", "Writers": [{"First": "Paul", "Last": "McCartney"}]}]}`,
			`{"Songs": [{"Name": "Paperback Writer", "Writers": [{"First": "Paul", "Last": "Lennon"}, {"First": "John", "Last": "McCartney"}]}]}`}},
	{"different lists", `{"a": {"x": [1]}, "b": {"y": [1]}}`,
		[]string{`{"a": [{"x": 0}, {"x": 1}], "b": [{"y": 1}]}`}, []string{`{"a": [{"x": 1}], "b": [{"y": 0}]}`}},
	{"absent in the chosen element", `{"d": {"a": [1], "b": [{"exists": false}]}}`,
		[]string{`{"d": [{"a": 1}, {"b": 2}]}`}, []string{`{"d": [{"a": 1, "b": 2}, {"a": 2}]}`}},
	{"absent before an element is chosen", `{"d": {"a": [{"exists": false}], "b": [2]}}`,
		[]string{`{"d": [{"b": 2}, {"c": 1}]}`}, []string{`{"d": [{"a": 1}, {"b": 2}]}`}},
	{"scalars are not tied to their place", `{"a": ["x"], "b": [{"prefix": "y"}]}`,
		[]string{`{"a": ["w", "x"], "b": ["yy", "z"]}`}, []string{`{"a": ["x"], "b": ["z"]}`}},
}

func TestOperators(t *testing.T) {
	for _, row := range operators {
		t.Run(row.name, func(t *testing.T) {
			p, err := pattern.Parse([]byte(row.pattern))
			if err != nil {
				t.Fatal(err)
			}
			for want, events := range map[bool][]string{true: row.matches, false: row.misses} {
				for _, event := range events {
					if got, err := p.Match([]byte(event)); err != nil || got != want {
						t.Errorf("%s against %s: got %t, %v; want %t", row.pattern, event, got, err, want)
					}
				}
			}
		})
	}
}

func TestMalformedPatternsAreErrorsThatNameThePlace(t *testing.T) {
	for in, want := range map[string]string{
		``:                   "read JSON at byte 0: unexpected EOF",
		`[]`:                 "pattern must be an object, is a list",
		`{"a": [1]} x`:       "read JSON: more after the first value",
		`{"a": [1}`:          "read JSON at byte",
		`{}`:                 "empty objects are not allowed",
		`{"a": {}}`:          "a: empty objects are not allowed",
		`{"a": "x"}`:         "a: want a list or an object, have a string",
		`{"a": {"b": null}}`: "a.b: want a list or an object, have null",
		`{"a": []}`:          "a: empty lists are not allowed",
		`{"a": [["x"]]}`:     "a[0]: want a value or an operator, have a list",
		`{"a": [{}]}`:        "a[0]: want exactly one operator, have 0",
		`{"a": [{"prefix": "x", "suffix": "y"}]}`:      "a[0]: want exactly one operator, have 2",
		`{"a": [1], "a": [2]}`:                         "a: key is there twice",
		`{"a": {"b": [1]}, "a.b": [1]}`:                "a.b: path a.b is there twice",
		`{"a": [{"prefx": "x"}]}`:                      "a[0].prefx: unknown operator",
		`{"a": [{"Prefix": "x"}]}`:                     "a[0].Prefix: unknown operator",
		`{"a": ["x", {"prefix": 1}]}`:                  "a[1].prefix: want a string, have a number",
		`{"a": [{"prefix": {"suffix": "x"}}]}`:         `a[0].prefix: want a string or {"equals-ignore-case": string}`,
		`{"a": [{"suffix": ["x"]}]}`:                   "a[0].suffix: want a string, have a list",
		`{"a": [{"wildcard": "a**b"}]}`:                "a[0].wildcard: two * in a row are not allowed",
		`{"a": [{"wildcard": "a\\b"}]}`:                "a[0].wildcard: in \"a\\\\b\" a backslash must be followed by * or another backslash",
		`{"a": [{"wildcard": "a\\"}]}`:                 "a backslash must be followed by",
		`{"a": [{"exists": "true"}]}`:                  "a[0].exists: want true or false, have a string",
		`{"a": [{"anything-but": null}]}`:              "a[0].anything-but: want only strings or only numbers, have null",
		`{"a": [{"anything-but": []}]}`:                "a[0].anything-but: empty lists are not allowed",
		`{"a": [{"anything-but": ["x", 1]}]}`:          "a[0].anything-but: want only strings or only numbers, have a number",
		`{"a": [{"anything-but": 6e9}]}`:               "6e9 is not within -5e9 and 5e9",
		`{"a": [{"anything-but": {"cidr": "::/0"}}]}`:  "a[0].anything-but.cidr: unknown operator in anything-but",
		`{"a": [{"anything-but": {"prefix": ""}}]}`:    "a[0].anything-but.prefix: an empty string is not allowed",
		`{"a": [{"anything-but": {"wildcard": [1]}}]}`: "a[0].anything-but.wildcard: want a string, have a number",
		`{"a": [{"numeric": []}]}`:                     "a[0].numeric: want a list of one or two pairs",
		`{"a": [{"numeric": ["!=", 1]}]}`:              `a[0].numeric: unknown operator "!="`,
		`{"a": [{"numeric": ["<", "1"]}]}`:             "a[0].numeric: want pairs of operator and number",
		`{"a": [{"numeric": ["<", 5, ">", 1]}]}`:       "a[0].numeric: a range begins with > or >=, not <",
		`{"a": [{"numeric": [">", 5, "<", 5]}]}`:       "the lower bound must be less than the upper bound",
		`{"a": [{"numeric": ["=", 5000000000.1]}]}`:    "is not within -5e9 and 5e9",
		`{"a": [{"numeric": ["=", 0.0000001]}]}`:       "with at most 6 decimals",
		`{"a": [{"cidr": "10.0.0.0"}]}`:                `a[0].cidr: "10.0.0.0" is no CIDR block`,
		`{"a": [{"cidr": "10.0.0.0/33"}]}`:             "is no CIDR block",
		`{"$or": {"a": [1]}}`:                          "$or: want a list of objects, have an object",
		`{"x": {"$or": [{"a": [1]}]}}`:                 "x.$or: want at least 2 objects, have 1",
		`{"$or": [{"a": [1]}, "x"]}`:                   "$or[1]: want an object, have a string",
		`{"$or": [{"a": [1]}, {"numeric": [1]}]}`:      "$or[1].numeric: an operator cannot be a field inside $or",
		`{"a": [1], "$or": [{"a": [2]}, {"b": [1]}]}`:  "$or[0].a: path a is there twice",
		`{"a": ["` + strings.Repeat("ä", 4090) + `"]}`: "pattern has 4101 characters, more than 4096",
		manyOrs(10): "more than 1000 combinations",
		`{"detail-type": ["x"], "detail": {"eventName": 1}}`: "detail.eventName: want a list or an object, have a number",
	} {
		if _, err := pattern.Parse([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got error %v; want %q", in, err, want)
		}
	}
}

// manyOrs makes a pattern with 2 to the power of n combinations.
func manyOrs(n int) string {
	var fields []string
	for i := range n {
		fields = append(fields, fmt.Sprintf(`"f%d": {"$or": [{"a": [1]}, {"b": [1]}]}`, i))
	}
	return "{" + strings.Join(fields, ",") + "}"
}

func TestBadEventsAreErrors(t *testing.T) {
	p := parse(t, `{"a": [{"exists": false}]}`)
	for in, want := range map[string]string{
		``:               "unexpected EOF",
		`{"a": 1`:        "read JSON at byte",
		`{"a": 1} {}`:    "more after the first value",
		`[{"b": 1}]`:     "event must be an object, is a list",
		`{"b": 01}`:      "read JSON at byte",
		`{"b": "` + "\n": "read JSON at byte",
		`{"b":` + strings.Repeat("[", 1001) + strings.Repeat("]", 1001) + `}`: "more than 1000 levels",
		`{"b": "` + strings.Repeat("x", 2<<20) + `"}`:                         "event has 2097161 bytes, more than 2097152",
	} {
		if _, err := p.Match([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got error %v; want %q", in, err, want)
		}
	}
	deep := `{"b":` + strings.Repeat("[", 999) + strings.Repeat("]", 999) + `}`
	if ok, err := p.Match([]byte(deep)); err != nil || !ok {
		t.Errorf("an event of 1000 levels: %t, %v", ok, err)
	}
}

func TestZeroPatternMatchesNothing(t *testing.T) {
	if ok, err := (pattern.Pattern{}).Match([]byte(`{"a": 1}`)); ok || err != nil {
		t.Errorf("got %t, %v", ok, err)
	}
}

// A hostile event of many elements that all nearly match must not take exponential or quadratic time.
func TestManyNearMatchesStayCheap(t *testing.T) {
	p := parse(t, `{"l": {"a": [1], "b": [1], "c": [1], "d": [{"exists": false}], "e": [2]}, "m": {"x": [1], "y": [2]}}`)
	element := `{"a": 1, "b": 1, "c": 1, "e": 1, "x": 1}`
	list := "[" + strings.Repeat(element+",", 9_999) + element + "]"
	start := time.Now()
	if ok, err := p.Match([]byte(`{"l": ` + list + `, "m": ` + list + `}`)); ok || err != nil {
		t.Errorf("got %t, %v", ok, err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s for 10,000 elements", took)
	}
}

func parse(t testing.TB, s string) pattern.Pattern {
	t.Helper()
	p, err := pattern.Parse([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
