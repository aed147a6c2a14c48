package event

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func itoa(n int) string { return strconv.Itoa(n) }

// small are limits that a test can reach.
var small = limits{input: 8000, record: 1000, depth: 8, keys: 40, nest: 4, messages: 3, records: 2, bads: 2}

func TestLimits(t *testing.T) {
	deep := stop
	for range 4 {
		deep = sns(deep)
	}
	for _, c := range []struct {
		name, input string
		ids         []string
		bads        []string
	}{
		{"input", strings.Repeat(" ", 8001), nil, []string{"input: larger than 8000 bytes"}},
		{"a gzip bomb", zip(strings.Repeat(" ", 8001)), nil, []string{"input: gzip: unpacks to more than is read of one input"}},
		{"a gzip bomb of many members", strings.Repeat(zip(strings.Repeat(" ", 3000)), 3), nil, []string{"input: gzip: unpacks to more than is read of one input"}},
		{"bombs in messages: their sum counts, and the third is not unpacked", sqs(b64(zip(strings.Repeat(" ", 4000)+stop)), b64(zip(strings.Repeat(" ", 4000))), other),
			[]string{"id-1", "id-2"}, []string{"Records[1].body: gzip: unpacks to more than is read of one input"}},
		{"record", records(record(`"x":"`+strings.Repeat("x", 1000)+`"`), stop), []string{"id-1"}, []string{"Records[0]: record of 1075 bytes: at most 1000 are read"}},
		{"records", records(stop, other, stop, other), []string{"id-1", "id-2"}, []string{"Records[2]: more than 2 records in one input", "Records[3]: more than 2 records in one input"}},
		{"envelopes inside each other", deep, []string{"id-1"}, nil},
		{"one more", sns(deep), nil, []string{"Message.Message.Message.Message.Message: more than 4 steps into envelopes"}},
		{"as many arrays", records(records(records(records(stop)))), []string{"id-1"}, nil},
		{"one array more", records(records(records(records(records(stop))))), nil,
			[]string{"Records[0].Records[0].Records[0].Records[0].Records[0]: more than 4 steps into envelopes"}},
		{"gzip inside gzip", zip(zip(zip(zip(zip(stop))))), nil, []string{"input: more than 4 steps into envelopes"}},
		{"bads: the rest is counted", array("1", "2", "3", stop, "4"), []string{"id-1"},
			[]string{"[0]: is a number, not an object", "[1]: is a number, not an object", "input: 2 more pieces could not be decoded and are not listed"}},
		{"bads: the first of each message is listed all the same", sqs("[1,2,3]", "[4,5]", "[6]"), nil,
			[]string{"Records[0].body[0]: is a number, not an object", "Records[0].body[1]: is a number, not an object",
				"Records[1].body[0]: is a number, not an object", "Records[2].body[0]: is a number, not an object",
				"input: 2 more pieces could not be decoded and are not listed"}},
		{"messages", sqs(stop, `{"Records":[]}`, other, "x", "y"), []string{"id-1", "id-2"}, []string{"Records[3]: more than 3 SQS messages", "Records[4]: more than 3 SQS messages"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, all := small.decode([]byte(c.input))
			var bads []string
			for _, b := range all {
				bads = append(bads, b.Error())
			}
			if diff := cmp.Diff(c.ids, ids(got)); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.bads, bads); diff != "" {
				t.Errorf("bads (-want +got):\n%s", diff)
			}
		})
	}
}

// Input made to be slow or large must cost time in proportion to its size, and little memory. The
// bounds are wide: what they catch is quadratic.
func TestHostileInputIsCheap(t *testing.T) {
	const size = 1 << 20
	fill := func(piece string) string { return strings.Repeat(piece, size/len(piece)) }
	for name, input := range map[string]string{
		"open brackets":               fill("["),
		"open brackets in lines":      stop + "\n" + fill("[\n"),
		"open objects in lines":       stop + "\n" + fill("{\"a\":\n"),
		"open strings in lines":       stop + "\n" + fill("{\"a\":\"\n"),
		"half of the lines are good":  fill("{}\n[{\"a\":\n"),
		"numbers":                     "[" + fill("1,") + "1]",
		"empty objects":               "[" + fill("{},") + "{}]",
		"keys":                        "{" + many(size/12) + "}",
		"keys in an element":          records("{" + many(size/12) + "}"),
		"keys up to the limit":        "[" + fill("{"+many(999)+"},") + "{}]",
		"small records":               "[" + fill(record("")+",") + "{}]",
		"escapes":                     quoted(fill("\"")),
		"body of escapes":             sqs(fill("\"")),
		"envelope in envelope, twice": records(fill(`{"Records":[{"Records":[{}]}]},`) + "{}"),
		"empty gzip members":          fill(zip("")),
		"quotes":                      fill("\"\""),
		"new lines":                   fill("\n"),
		"invalid UTF-8":               "[" + fill("\"\xff\",") + "1]",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			records, bads := Decode([]byte(input))
			took := time.Since(begin)
			runtime.ReadMemStats(&after)
			if took > time.Minute { // on a machine that is busy with other things; quadratic it takes far longer
				t.Errorf("took %v for %d bytes", took, len(input))
			}
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 400*size {
				t.Errorf("allocated %d MB for %d MB", allocated>>20, len(input)>>20)
			}
			t.Log(fmt.Sprint(len(records), " records, ", len(bads), " bads, ", took.Round(time.Millisecond)))
		})
	}
}
