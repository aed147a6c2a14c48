package logfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestGenerated is the differential test over valid JSON of every form that a record can take: members in
// any order, white space anywhere, any character escaped, records inside of records, twice the same key.
func TestGenerated(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := writer{rt}
		text := g.file()
		if !json.Valid([]byte(text)) {
			rt.Fatalf("the generator wrote no JSON: %s", text)
		}
		for _, f := range []Filter{cloudTrailOnly, {Source: cloudTrail, Name: writes}} {
			want := decoded([]byte(text), f)
			got, sum := scanned(t, []byte(text), f)
			if len(want) != len(got) {
				rt.Fatalf("decoded %d, scanned %d records of %s\n%v", len(want), len(got), text, sum.Faults)
			}
			for i := range want {
				if !bytes.Equal(want[i].Raw, got[i].Raw) || want[i].Carrier.Where != got[i].Carrier.Where && strings.HasPrefix(text, "{") {
					rt.Fatalf("of %s\ndecoded %+v\nscanned %+v", text, want[i], got[i])
				}
			}
		}
	})
}

// writer writes JSON.
type writer struct{ *rapid.T }

func (g writer) pick(name string, of ...string) string { return rapid.SampledFrom(of).Draw(g.T, name) }
func (g writer) often(name string) bool                { return rapid.IntRange(0, 9).Draw(g.T, name) > 0 }

func (g writer) space() string {
	if g.often("no space") {
		return ""
	}
	return g.pick("space", " ", "\n", "\t \r\n")
}

func (g writer) file() string {
	var records []string
	for range rapid.IntRange(0, 5).Draw(g.T, "records") {
		records = append(records, g.space()+g.record()+g.space())
	}
	list := g.space() + "[" + strings.Join(records, ",") + "]" + g.space()
	return g.space() + "{" + g.space() + `"Records"` + g.space() + ":" + list + "}" + g.space()
}

func (g writer) record() string {
	source := g.pick("source", cloudTrail, "s3.amazonaws.com", "aws:sqs", "", "cloudtrail.amazonaws.comm", "kms.amazonaws.com")
	members := []string{
		g.member("userIdentity", g.value(2)),
		g.member("eventTime", g.str(g.pick("time", "2026-01-02T03:04:05Z", `2026-01-02T03:04:"Z`, "2026-01-02T03:04:05+00:00"))),
		g.member("eventSource", g.str(source)),
		g.member("eventName", g.str(g.pick("name", "StopLogging", "DescribeTrails", "GetObject", ""))),
	}
	for range rapid.IntRange(0, 3).Draw(g.T, "more") {
		members = append(members, g.anyMember(2))
	}
	if !g.often("in order") {
		members = rapid.Permutation(members).Draw(g.T, "order")
	}
	if !g.often("all") {
		members = members[rapid.IntRange(0, len(members)).Draw(g.T, "from"):]
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (g writer) anyMember(depth int) string {
	key := g.pick("key", "eventSource", "eventName", "userAgent", "requestParameters", "eventTime", "detail", "detail-type", "body", "messageId",
		"Records", "a", "b", "}", "{", `"`, `\`)
	return g.member(key, g.value(depth))
}

func (g writer) member(key, value string) string {
	return g.space() + g.str(key) + g.space() + ":" + g.space() + value + g.space()
}

// str writes a string; sometimes some of its characters as escapes.
func (g writer) str(text string) string {
	if g.often("plain") {
		return strconv.Quote(text)
	}
	escaped := rapid.IntRange(0, len(text)).Draw(g.T, "escaped")
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		if c := text[i]; i == escaped || c == '"' || c == '\\' {
			fmt.Fprintf(&b, g.pick("hex", `\u%04x`, `\u%04X`), c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (g writer) value(depth int) string {
	switch kind := rapid.IntRange(0, 7).Draw(g.T, "kind"); {
	case kind == 0 && depth > 0:
		return g.record()
	case kind <= 2 && depth > 0:
		return "{" + g.anyMember(depth-1) + "}"
	case kind == 3 && depth > 0:
		return "[" + g.value(depth-1) + "," + g.value(depth-1) + "]"
	case kind == 4:
		inner, _ := json.Marshal(stop)
		return string(inner)
	case kind == 5:
		return g.pick("word", "null", "1", "true", "{}", "[]", `""`)
	}
	return g.str(g.pick("text", `{"eventSource":"cloudtrail.amazonaws.com"`, "}", "{", `"}`, `\`, cloudTrail, `},{"eventTime":"`, "aws-cli/2.15", `\"`))
}
