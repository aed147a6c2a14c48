package logfile

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/trailwarden/trailwarden/internal/event"
)

var cloudTrailOnly = Filter{Source: cloudTrail}

// anyPlace leaves the place out of a comparison: single records are named by their byte here.
var anyPlace = cmp.Options{cmpopts.IgnoreFields(event.Carrier{}, "Where", "Kind"),
	cmp.Comparer(func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })}

// writes is a filter as a scan uses it.
func writes(name string) bool { return !strings.HasPrefix(name, "Describe") }

// hostile are texts that have fooled scanners: each is the beginning of many in the fuzz test.
func hostile() []string {
	agent := `{"eventVersion":"1.08","userIdentity":{},"eventTime":"2026-01-02T03:04:05Z","eventSource":"s3.amazonaws.com","eventName":"GetObject",` +
		`"userAgent":"x\"},{\"eventSource\":\"cloudtrail.amazonaws.com\",\"eventName\":\"StopLogging\"},{\"a\":\"","eventID":"a"}`
	nested := `{"userIdentity":{"x":[{"eventTime":"2026-01-02T03:04:05Z","eventSource":"s3.amazonaws.com","eventName":"x"},{"b":{}}]},"eventName":"DeleteTrail","eventSource":"cloudtrail.amazonaws.com"}`
	return []string{
		file(), file(put, read, stop), file(stop, stop), file(agent, stop), file(nested), file(put, nested, agent),
		file(strings.ReplaceAll(stop, `"eventSource":"cloudtrail`, `"\u0065ventSource":"\u0063loudtrail`)),
		file(strings.ReplaceAll(stop, `cloudtrail.amazonaws.com`, `cloudtrail\u002Eamazonaws.com`), put),
		file(put+" \n\t", " "+strings.ReplaceAll(stop, `":"`, `" : "`)),
		file(`{"eventName":"StopLogging","eventSource":"cloudtrail.amazonaws.com"}`, `{"eventSource":"cloudtrail.amazonaws.com","eventName":"x","a":"\\"}`),
		file(put, `{"userIdentity":{},"eventTime":"2026-01-02T03:04:05Z","eventSource":"s3.amazonaws.com","eventName":"a","eventSource":"cloudtrail.amazonaws.com"}`, stop),
		file(`{"userIdentity":{},"eventTime":"2026-01-02T03:04:05Z","eventSource":"aws:sqs","eventName":"a","messageId":"1","body":` + quoted(stop) + `}`),
		file(`{"userIdentity":{},"eventTime":"2026-01-02T03:04:05Z","eventSource":"s3.amazonaws.com","eventname":"a","detail-type":"x","detail":` + stop + `}`),
		file(`{"messageId":"1","body":` + quoted(quoted(strings.ReplaceAll(stop, "cloud", `\u0063loud`))) + `}`),
		"[" + put + "," + stop + "]", stop, put + "\n" + stop + "\n", stop + "\n" + file(stop, put) + "\n[" + stop + "]",
		`{"x":1,"Records":[` + stop + `]}`, `{"Records":[` + stop + `],"eventName":"a","eventSource":"b"}`,
		`{"Records":[` + stop + `],"Records":[` + stop + `]}`, `{"Records":null}`, `{"Records":[1,null,` + stop + `]}`,
		`{"Events":[{"CloudTrailEvent":` + quoted(stop) + `}]}`,
		`{"Records":[` + stop + `,` + put[:100], file(stop) + "x", "\xef\xbb\xbf" + file(stop), "", " ", "{}", "null",
		"\x00\n" + stop, file(put) + "\x00\n" + file(stop), `{"Records":[` + put + ",\x00\n" + stop + `]}`, `{"Records":[` + put + "]\x00}\n" + stop,
		`{"Events":[{"CloudTrailEvent":` + quoted(stop) + `}`,
		file(`{"a":"`+strings.Repeat("{", 300)+`"}`, strings.ReplaceAll(put, "[}{]", `\\\"}{\"`), stop),
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// same holds the fast way against the slow one: in valid JSON they agree; in anything else the fast way may
// find more, never less.
func same(t *testing.T, data []byte) {
	t.Helper()
	for _, f := range []Filter{cloudTrailOnly, {Source: cloudTrail, Name: writes}, {}} {
		want := decoded(data, f)
		got, _ := scanned(t, data, f)
		if json.Valid(data) && len(want)+len(got) > 0 {
			if d := cmp.Diff(want, got, anyPlace); d != "" {
				t.Errorf("of %q (-decoded +scanned):\n%s", data, d)
			}
			continue
		}
		for _, w := range want {
			if !slices.ContainsFunc(got, func(g event.Record) bool { return bytes.Equal(g.Raw, w.Raw) }) {
				t.Errorf("of %q the scan lost %s", data, w.Raw)
			}
		}
	}
}

func TestHostile(t *testing.T) {
	for _, text := range hostile() {
		same(t, []byte(text))
	}
}

func FuzzSame(f *testing.F) {
	for _, text := range hostile() {
		f.Add([]byte(text))
	}
	f.Fuzz(same)
}

// TestPieces: a text that slides through a small window gives the same as one that is there as a whole.
func TestPieces(t *testing.T) {
	for _, text := range hostile() {
		if !json.Valid([]byte(text)) || recordsBegin([]byte(text)) == 0 {
			continue
		}
		whole, summary := scanned(t, []byte(text), cloudTrailOnly)
		for size := 64; size < 600; size += 23 {
			var got []event.Record
			var sum Summary
			s := scan{filter: cloudTrailOnly, keep: func(r event.Record) { got = append(got, r) }, sum: &sum, limit: size}
			s.window = window{ctx: t.Context(), from: strings.NewReader(text), buf: make([]byte, 0, size)}
			s.walker = walker{other: cloudTrailOnly.other, slash: -1}
			s.file()
			switch {
			case len(sum.Faults) == 0 && len(summary.Faults) == 0 || len(sum.Faults)*len(summary.Faults) > 0 && sum.Faults[0].Kind == summary.Faults[0].Kind:
				if d := cmp.Diff(whole, got, cmpopts.EquateEmpty()); d != "" {
					t.Fatalf("window of %d bytes, %q:\n%s", size, text, d)
				}
			case s.whole || sum.Faults[0].Kind != Corrupt && sum.Faults[0].Kind != NotLog:
				// What needs the slow way is said to be unread.
				t.Fatalf("window of %d bytes, %q: %v", size, text, sum.Faults)
			}
		}
	}
}

// TestRealRecords counts with encoding/json, which shares no code with us.
func TestRealRecords(t *testing.T) {
	files := 0
	for _, root := range []string{"../event/testdata/real", "../../../shared/events"} {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".json" || d.Name() == "MANIFEST.json" {
				return nil
			}
			files++
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			same(t, data)
			_, sum := scanned(t, zip(t, string(data)), cloudTrailOnly)
			if want := count(data); sum.Records != want || len(sum.Faults) > 0 {
				t.Errorf("%s: %d records, encoding/json counts %d; %v", path, sum.Records, want, sum.Faults)
			}
			return nil
		})
	}
	if files < 100 {
		t.Errorf("only %d files of real records were found", files)
	}
}

func count(data []byte) int64 {
	var file struct{ Records []json.RawMessage }
	var list []json.RawMessage
	if json.Unmarshal(data, &list) == nil {
		return int64(len(list))
	}
	if json.Unmarshal(data, &file) == nil && file.Records != nil {
		return int64(len(file.Records))
	}
	n := int64(0)
	for d := json.NewDecoder(bytes.NewReader(data)); ; n++ {
		var one json.RawMessage
		if d.Decode(&one) != nil {
			return n
		}
	}
}
