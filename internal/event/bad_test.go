package event

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBadKeepsThePiece(t *testing.T) {
	piece := "{\"eventName\":7,\"x\":\"\u202e\\u001b\u007f\"}"
	sum := sha256.Sum256([]byte(piece))
	want := Bad{
		Where: "Records[1].body.eventName", Why: "is a number, not a string", SHA256: hex.EncodeToString(sum[:]), Size: len(piece),
		Excerpt: `{"eventName":7,"x":"\u202e\\u001b\x7f"}`, MessageID: "m1",
	}
	got, bads := Decode([]byte(sqs(stop, piece, other)))
	if diff := cmp.Diff([]Bad{want}, bads); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"id-1", "id-2"}, ids(got)); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
}

// A message that cannot be told apart from its neighbours is still known by its id.
func TestBadMessageKeepsItsID(t *testing.T) {
	for _, message := range []string{
		`{"messageId":"m9","body":"","body":"x","eventSource":"aws:sqs"}`,
		`{"messageId":"m9","eventSource":"aws:sqs"}`,
		`{"messageId":"m9","eventSource":"aws:sqs","body":7}`,
		`{"messageId":"m9","eventSource":"aws:sqs","body":""}`,
	} {
		if b := oneBad(t, records(message)); b.MessageID != "m9" {
			t.Errorf("%s: message id %q", message, b.MessageID)
		}
	}
}

// There is always something to quarantine: a list that breaks off before an element is kept whole.
func TestBreakAtTheEndKeepsThePiece(t *testing.T) {
	if b := oneBad(t, `{"Records":[`); b.Excerpt != `{"Records":[` || b.Size != 12 {
		t.Errorf("kept %d bytes: %s", b.Size, b.Excerpt)
	}
}

func TestExcerptIsPrintable(t *testing.T) {
	for _, c := range []struct{ input, want string }{
		{"\x1b[2J\x1b]0;title\a", `\x1b[2J\x1b]0;title\a`},
		{"a\r\nb\tc", `a\r\nb\tc`},
		{"{\"level\":\"error\"}", `{"level":"error"}`},
		{"\xff\xfe\x00x", `\xff\xfe\x00x`},
		{"\u202e\u200b\U0001F600é", `\u202e\u200b\U0001f600\u00e9`},
		{`\u202e`, `\\u202e`},
		{strings.Repeat("a", 2000), strings.Repeat("a", 1024)},
		{strings.Repeat("a", 1020) + "\u202e", strings.Repeat("a", 1020)},
	} {
		if got := oneBad(t, c.input).Excerpt; got != c.want {
			t.Errorf("excerpt of %q is %s, want %s", c.input, got, c.want)
		}
	}
}

// A document that breaks off is one Bad, with the place of the break, and costs only what follows it.
func TestBrokenDocuments(t *testing.T) {
	pretty := "{\n  \"Records\": [\n    " + stop + ",\n    " + other + ",\n    {\n      \"eventName\": \"A\",\n      oops\n    }\n  ]\n}\n"
	both := []string{"id-1", "id-2"}
	for _, c := range []struct {
		name, input string
		ids         []string
		where, why  string
	}{
		{"log file, pretty-printed", pretty, both, "Records[2] (line 7, column 7)", "invalid character 'o' looking for beginning of object key string"},
		{"log file, cut in a record", `{"Records":[` + stop + `,` + other + `,` + stop[:99], both, "Records[2] (line 1, column 1027)", "it ends too early; what stands before it was read: 2 elements"},
		{"log file, cut behind a comma", `{"Records":[` + other + `,`, both[1:], "Records[1] (line 1, column 127)", "it ends too early"},
		{"log file, cut behind a record", `{"Records":[` + other, both[1:], "Records[1] (line 1, column 126)", "it ends too early"},
		{"log file, cut behind the list", `{"Records":[` + other + `]`, both[1:], "line 1, column 127", "it ends too early"},
		{"array", "[" + other + ",\n{]", both[1:], "[1] (line 2, column 2)", "invalid character ']'"},
		{"LookupEvents", strings.TrimSuffix(lookup(stop), `],"NextToken":"x"}`) + `,{"CloudTrailEvent":"x`, both[:1], "Events[1] (line 1, column 1124)", "it ends too early"},
		{"SQS batch", strings.TrimSuffix(sqs(stop, other), "]}"), both, "Records[2] (line 1, column 1531)", "it ends too early"},
		{"bare record", stop[:99], nil, "line 1, column 100", "it ends too early"},
		{"not JSON, many lines", "<html>\n<body>\n</body>\n</html>\n", nil, "line 1, column 1", "invalid character '<'"},
		{"CSV", "a,b\n1,2\n3,4\n", nil, "line 1, column 1", "invalid character 'a'"},
		{"one line of JSON lines", lines(stop, other[:50], other), both, "line 2, column 51", "it ends too early"},
		{"first line of JSON lines", lines(other[:50], stop, other), both, "line 1, column 51", "it ends too early"},
		{"a line that breaks between members", lines(stop, `{"eventName":"A",`, other), both, "line 2, column 18", "it ends too early"},
		{"an envelope in a line", lines(stop, `{"Records":[`+other+`,`), both, "line 2: Records[1] (line 2, column 127)", "it ends too early"},
		{"gzip cut off", zip(pretty)[:300], nil, "input", "gzip: unexpected EOF"},
		{"gzip cut off at its checksum", zip(records(stop, other))[:len(zip(records(stop, other)))-8], both, "input", "gzip: unexpected EOF"},
		{"gzip with a wrong checksum", zip(records(stop))[:len(zip(records(stop)))-8] + "12345678", both[:1], "input", "gzip: gzip: invalid checksum"},
		{"gzip, then something else", zip(records(stop)) + "PK", both[:1], "input (byte " + itoa(len(zip(records(stop)))) + ")", "trailing data after the last gzip member"},
		{"gzip that is none", "\x1f\x8bxxxxxxxxxxxxxxx", nil, "input", "gzip: gzip: invalid header"},
		{"gzip of gzip that is none", zip("\x1f\x8b"), nil, "input", "gzip: unexpected EOF"},
		{"base64 that is none", "H4sI-_-_", nil, "input", "base64: illegal base64 data at input byte 4"},
		{"awslogs that is no base64", `{"awslogs":{"data":"*"}}`, nil, "awslogs.data (line 1, column 1)", "syntax error"},
		{"awslogs without data", `{"awslogs":{}}`, nil, "awslogs.data", "is missing"},
		{"awslogs is a string", `{"awslogs":"x"}`, nil, "awslogs", "is a string, not an object"},
		{"body inside a message", sqs(`{"detail-type":`), nil, "Records[0].body (line 1, column 16)", "it ends too early"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, bads := Decode([]byte(c.input))
			if diff := cmp.Diff(c.ids, ids(got)); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
			if len(bads) != 1 {
				t.Fatalf("bads %v, want one", bads)
			}
			if bads[0].Where != c.where || !strings.Contains(bads[0].Why, c.why) {
				t.Errorf("bad is %q, want %q: …%s…", bads[0], c.where, c.why)
			}
		})
	}
}
