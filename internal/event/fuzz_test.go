package event

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
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

// FuzzFields holds the fields of a bare record against an independent reading.
func FuzzFields(f *testing.F) {
	seeds(f)
	f.Fuzz(checkFields)
}

// FuzzMembers does the same with records that are put together of members of every kind, which a
// fuzzer that changes bytes hardly ever hits upon.
func FuzzMembers(f *testing.F) {
	for i := range 40 {
		f.Add([]byte(strings.Repeat(string(rune('!'+i))+"a9Z", i)))
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		c := chooser{choices}
		checkFields(t, []byte(`{"eventName":"StopLogging","eventSource":"`+c.of("cloudtrail.amazonaws.com", "s3.amazonaws.com")+`"`+c.members(0)+`}`))
	})
}

// FuzzNesting puts good and bad pieces into carriers, inside each other. Every good one must come
// out, in order, and every bad one must be a Bad.
func FuzzNesting(f *testing.F) {
	for i := range 40 {
		f.Add([]byte(strings.Repeat(string(rune('!'+i))+"b8Y", i)))
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		c := chooser{choices}
		var want []string
		bad := 0
		var build func(depth int) string
		build = func(depth int) string {
			if depth == 0 || c.pick(4) == 0 {
				if c.pick(3) > 0 {
					id := "id-" + strconv.Itoa(len(want))
					want = append(want, id)
					return record(`"eventID":"` + id + `"`)
				}
				bad++
				return c.of(`{}`, `{"eventName":1,"eventSource":"x"}`, record(`"a":{"b":1,"b":2}`), `{"detail-type":"x"}`, `{"Records":1}`,
					record("\"userAgent\":\"\\ud800\""), `{"Type":"SubscriptionConfirmation","TopicArn":"x"}`, `{"awslogs":{"data":"*"}}`)
			}
			kind := c.pick(8)
			if kind < 3 {
				return []func(string) string{eventBridge, sns, lambdaSNS}[kind](build(depth - 1))
			}
			var all []string
			for range c.pick(3) {
				all = append(all, build(depth-1))
			}
			return []func(...string) string{
				records, lookup, logEvents, sqs, func(all ...string) string { return awslogs(logEvents(all...)) },
			}[kind-3](all...)
		}
		var all []string
		for range 1 + c.pick(4) {
			all = append(all, build(2))
		}
		input := []func(...string) string{lines, array, records}[c.pick(3)](all...)
		if c.pick(4) == 0 {
			input = zip(input)
		}
		got, bads := Decode([]byte(input))
		if diff := cmp.Diff(want, ids(got)); diff != "" {
			t.Errorf("ids (-want +got):\n%s\n%q", diff, input)
		}
		if len(bads) != bad {
			t.Errorf("%d bads, want %d: %v\n%q", len(bads), bad, bads, input)
		}
	})
}

// chooser makes choices of a fuzzer's bytes; it chooses the first when there are none left.
type chooser struct{ bytes []byte }

func (c *chooser) pick(n int) int {
	if len(c.bytes) == 0 {
		return 0
	}
	b := c.bytes[0]
	c.bytes = c.bytes[1:]
	return int(b) % n
}

func (c *chooser) of(values ...string) string { return values[c.pick(len(values))] }

// members writes members of a record, or of an object inside it, with values of every kind.
func (c *chooser) members(depth int) string {
	keys := []string{
		"eventID", "eventVersion", "awsRegion", "recipientAccountId", "eventTime", "readOnly", "requestID", "errorCode", "errorMessage",
		"userIdentity", "userIdentity", "sourceIPAddress", "userAgent", "sessionCredentialFromConsole", "requestParameters", "requestParameters",
		"responseElements", "type", "arn", "accountId", "userName", "sessionContext", "sessionIssuer", "attributes", "mfaAuthenticated",
		"name", "trailName", "eventtime", "EVENTID", "eventſource", `\u0065ventID`, "detail-type", "Records", "Events", "body", "messageId", "Sns",
	}
	var out strings.Builder
	for len(c.bytes) > 0 && out.Len() < 4000 {
		if depth > 0 && c.pick(6) == 0 {
			break
		}
		out.WriteString(`,"` + c.of(keys...) + `":` + c.value(depth))
	}
	return out.String()
}

func (c *chooser) value(depth int) string {
	switch c.pick(12) {
	case 0, 1, 2:
		return c.of(`"x"`, `"main"`, `""`, `"2026-01-02T03:04:05Z"`, `"true"`, `"..."`, `"a\u00e9\n\\\/"`, `"\ud83d\ude00"`, `"é"`)
	case 3:
		return c.of(`7`, `-1.5e9`, `0`)
	case 4:
		return c.of(`true`, `false`)
	case 5:
		return `null`
	case 6:
		return c.of(`[]`, `["x"]`, `[{}, [1]]`)
	case 7:
		return c.of(`"\ud800"`, `"\udc00x"`, "\"\xff\"", `"arn:aws:cloudtrail:us-east-1:111122223333:trail/main"`)
	}
	if depth == 4 {
		return `{}`
	}
	return "{" + strings.TrimPrefix(c.members(depth+1), ",") + "}"
}
