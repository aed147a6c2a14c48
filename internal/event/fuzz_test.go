package event

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// seeds are inputs of every shape that the tests know.
func seeds(f *testing.F) {
	for _, s := range []string{
		stop, other, records(stop, other), array(stop, other), lines(stop, other), eventBridge(stop), sqs(eventBridge(stop), stop),
		sqs(sns(eventBridge(stop))), lambdaSNS(stop), lookup(stop), awslogs(logEvents(stop)), logEvents(stop), zip(records(stop)),
		b64(zip(stop)), zip(stop) + "x", records(stop)[:500], zip(records(stop))[:200], stop + " x", lines(stop, stop[:80], other),
		`{}`, `[]`, ``, `null`, "\xef\xbb\xbf{}", `{"Records":[]}`, `{"Type":"SubscriptionConfirmation","TopicArn":"a"}`,
		`{"messageType":"CONTROL_MESSAGE"}`, `{"detail-type":"Scheduled Event","detail":{}}`, `{"eventName":"A","eventSource":"aws:s3","s3":{}}`,
		record(`"requestParameters":{"name":"\ud83d\ude00\u0000","x":{"a":1,"a":2}}`), record(`"userAgent":["a","b"],"eventTime":"..."`),
		record(`"eventType":"AwsCloudTrailInsight","detail-type":1,"Records":[{}]`), record(`"x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70)),
		`{"eventType":"AwsAggregatedEvent","eventSource":"x","eventId":"i","accountId":"1"}`, "{\n\"Records\":[\n{}\n,\n{x", strings.Repeat("[", 40),
		`{"eventName":"A","eventSource":"\u0061ws:s3","Records":[]}`, "{\"eventName\":\"\xff\"}", `{"EVENTNAME":"A","eventſource":"b"}`,
	} {
		f.Add([]byte(s))
	}
	for _, file := range readManifest(f, copied).Files {
		data, err := os.ReadFile(filepath.Join(copied, file.File))
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 8<<10 {
			f.Add(data)
		}
	}
}

// tight limits keep the fuzzer from spending its time on large inputs.
var tight = limits{input: 1 << 20, record: 32 << 10, depth: 64, keys: 200, nest: 8, messages: 50, records: 200, bads: 50}

// FuzzDecode: whatever the input is, Decode returns; what it returns is bounded and safe to print; and
// a record is the same record when it is decoded again without its carrier.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		before := string(data)
		records, bads := tight.decode(data)
		if string(data) != before {
			t.Fatal("the input was changed")
		}
		// One Bad a message on top of the limit, and the last one that counts the rest.
		if len(records) > tight.records || len(bads) > tight.bads+tight.messages+1 {
			t.Fatalf("%d records and %d bads", len(records), len(bads))
		}
		for _, b := range bads {
			checkBad(t, b)
		}
		for _, r := range records {
			checkAgain(t, r)
		}
		// Wrapping changes nothing but the carrier.
		if len(records) > 0 && utf8.Valid(data) && len(data) < 8<<10 {
			wrapped, _ := tight.decode([]byte(sqs(string(data))))
			if len(wrapped) > 0 && string(wrapped[0].Raw) != string(records[0].Raw) {
				t.Errorf("inside a message the first record is\n%s\nand by itself\n%s", wrapped[0].Raw, records[0].Raw)
			}
		}
	})
}

func checkBad(t *testing.T, b Bad) {
	t.Helper()
	for name, text := range map[string]string{"Where": b.Where, "Why": b.Why, "Excerpt": b.Excerpt} {
		if len(text) > 1024 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%s is not printable ASCII of at most 1 KiB: %q", name, text)
		}
	}
	if b.Where == "" || b.Why == "" || len(b.SHA256) != 64 || b.Size > 0 && b.Excerpt == "" {
		t.Errorf("incomplete: %+v", b)
	}
}

func checkAgain(t *testing.T, r Record) {
	t.Helper()
	if !json.Valid(r.Raw) || !utf8.Valid(r.Raw) {
		t.Fatalf("Raw is no JSON: %q", r.Raw)
	}
	if r.Name == "" || r.Source == "" || r.Carrier.Where == "" || r.Carrier.Kind == "" {
		t.Errorf("incomplete: %+v", r)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Errorf("the record cannot be written as JSON: %v", err)
	}
	again, bads := tight.decode(r.Raw)
	if len(again) != 1 || len(bads) != 0 {
		t.Fatalf("Raw decodes to %d records and bads %v:\n%s", len(again), bads, r.Raw)
	}
	a := again[0]
	if r.Carrier.Account != "" && a.Account == a.Actor.Account { // the carrier's account may have stood in
		a.Account = r.Account
	}
	a.Carrier = r.Carrier
	if diff := cmp.Diff(r, a); diff != "" {
		t.Errorf("decoded again (-first +again):\n%s", diff)
	}
}

// FuzzFields holds the fields of a bare record against an independent reading: encoding/json into
// map[string]any, which compares keys exactly. Whatever Decode refuses must have one of the faults
// that an independent look finds too.
func FuzzFields(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var doc map[string]any
		if json.Unmarshal(data, &doc) != nil || len(data) > 8<<10 {
			return
		}
		name, _ := doc["eventName"].(string)
		source, _ := doc["eventSource"].(string)
		if name == "" || source == "" || strings.Contains(string(data), `"aws:`) {
			return
		}
		records, bads := Decode(data)
		if len(records)+len(bads) != 1 {
			t.Fatalf("%d records, bads %v", len(records), bads)
		}
		faulty := hasDuplicateKeys(data) || !utf8.Valid(data) || strings.Contains(strings.ToLower(string(data)), `\ud`) || tooDeep(data)
		if len(bads) > 0 {
			if !faulty && !hasWrongType(doc) {
				t.Errorf("refused without a reason: %v\n%s", bads[0], data)
			}
			return
		}
		if hasDuplicateKeys(data) || !utf8.Valid(data) || tooDeep(data) {
			t.Errorf("accepted in spite of duplicate keys, invalid UTF-8 or depth:\n%s", data)
			return
		}
		text := func(m map[string]any, key string) string { s, _ := m[key].(string); return s }
		object := func(m map[string]any, key string) map[string]any { o, _ := m[key].(map[string]any); return o }
		caller := object(doc, "userIdentity")
		want := []string{
			name, source, text(doc, "eventID"), text(doc, "eventVersion"), text(doc, "eventType"), text(doc, "awsRegion"), text(doc, "requestID"),
			text(doc, "sharedEventID"), text(doc, "errorCode"), text(doc, "errorMessage"), text(doc, "sourceIPAddress"),
			text(caller, "type"), text(caller, "arn"), text(caller, "accountId"), text(caller, "userName"), text(caller, "accessKeyId"), text(caller, "invokedBy"),
			text(object(object(caller, "sessionContext"), "sessionIssuer"), "arn"),
		}
		r := records[0]
		got := []string{
			r.Name, r.Source, r.ID, r.Version, r.Type, r.Region, r.RequestID,
			r.SharedID, r.ErrorCode, r.ErrorMessage, r.Actor.SourceIP,
			r.Actor.Type, r.Actor.ARN, r.Actor.Account, r.Actor.UserName, r.Actor.AccessKeyID, r.Actor.InvokedBy, r.Actor.Issuer,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fields (-encoding/json +Decode):\n%s", diff)
		}
		for key, part := range map[string]json.RawMessage{"requestParameters": r.Request, "responseElements": r.Response} {
			var value any
			if part != nil && json.Unmarshal(part, &value) != nil {
				t.Errorf("%s is no JSON: %s", key, part)
			}
			if diff := cmp.Diff(doc[key], value); diff != "" {
				t.Errorf("%s (-encoding/json +Decode):\n%s", key, diff)
			}
		}
		if source == "cloudtrail.amazonaws.com" && r.Trail != "" && !r.TrailIsHint {
			p := object(doc, "requestParameters")
			if r.Trail != text(p, "name") && r.Trail != text(p, "trailName") && r.Trail != text(p, "resourceId") {
				t.Errorf("trail %q is not in %s", r.Trail, r.Request)
			}
		}
	})
}

// hasDuplicateKeys looks for them with the tokens of encoding/json.
func hasDuplicateKeys(data []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(data)))
	type level struct {
		keys   map[string]bool // nil in an array
		isName bool
	}
	var open []level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return false
		}
		if err != nil {
			return true
		}
		if top := len(open) - 1; top >= 0 && open[top].keys != nil {
			if name, ok := token.(string); ok && open[top].isName {
				if open[top].keys[name] {
					return true
				}
				open[top].keys[name] = true
				open[top].isName = false
				continue
			}
			open[top].isName = true // after this value
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{keys: map[string]bool{}, isName: true})
		case json.Delim('['):
			open = append(open, level{})
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
			if top := len(open) - 1; top >= 0 && open[top].keys != nil {
				open[top].isName = true
			}
		}
	}
}

func tooDeep(data []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(data)))
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			return false
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > 64 {
				return true
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

// hasWrongType says whether a member that Record has a place for is of none of the types it may have,
// or whether there are too many.
func hasWrongType(doc map[string]any) bool {
	wrong := len(doc) > 1000
	is := func(m map[string]any, key string, types string) {
		kind := "n"
		switch m[key].(type) {
		case string:
			kind = "s"
		case bool:
			kind = "b"
		case map[string]any:
			kind = "o"
		case []any:
			kind = "a"
		case float64:
			kind = "f"
		}
		wrong = wrong || kind != "n" && !strings.Contains(types, kind)
	}
	object := func(m map[string]any, key string) map[string]any {
		is(m, key, "o")
		o, _ := m[key].(map[string]any)
		return o
	}
	for _, key := range []string{"eventID", "eventVersion", "eventType", "awsRegion", "recipientAccountId", "requestID", "sharedEventID", "errorCode", "errorMessage", "sourceIPAddress", "eventTime"} {
		is(doc, key, "s")
	}
	if list, ok := doc["userAgent"].([]any); ok {
		for _, element := range list {
			if _, ok := element.(string); !ok {
				return true
			}
		}
	}
	is(doc, "userAgent", "sa")
	is(doc, "readOnly", "sb")
	is(doc, "sessionCredentialFromConsole", "sb")
	caller := object(doc, "userIdentity")
	for _, key := range []string{"type", "arn", "principalId", "accountId", "userName", "accessKeyId", "invokedBy"} {
		is(caller, key, "s")
	}
	session := object(caller, "sessionContext")
	is(object(session, "sessionIssuer"), "arn", "s")
	is(object(session, "attributes"), "mfaAuthenticated", "sb")
	if p, ok := doc["requestParameters"].(map[string]any); ok && doc["eventSource"] == "cloudtrail.amazonaws.com" {
		is(p, "name", "s")
		is(p, "trailName", "s")
		is(p, "resourceId", "s")
	}
	if when, _ := doc["eventTime"].(string); strings.ContainsAny(when, "0123456789") {
		at, err := time.Parse(time.RFC3339, when)
		wrong = wrong || err != nil || at.UTC().Year() < 0 || at.UTC().Year() > 9999
	}
	return wrong
}
