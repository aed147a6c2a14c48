package event

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stopped is what every carrier must yield for the record stop.
func stopped() Record {
	return Record{
		ID: "id-1", Name: "StopLogging", Source: "cloudtrail.amazonaws.com", Version: "1.11", Type: "AwsApiCall",
		Region: "eu-central-1", Account: "111122223333", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		RequestID: "req-1",
		Actor: Actor{
			Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/ops/mallory", PrincipalID: "AROAEXAMPLE:mallory",
			Account: "111122223333", Issuer: "arn:aws:iam::111122223333:role/ops", AccessKeyID: "ASIAEXAMPLE", MFA: true,
			SourceIP: "203.0.113.7", UserAgent: "aws-cli/2.15",
		},
		Trail:   "main",
		Request: []byte(`{"name":"main"}`),
		Raw:     []byte(stop),
	}
}

func TestCarriers(t *testing.T) {
	bus := Carrier{
		Kind: CarrierEventBridge, ID: "delivery-1", Source: "aws.cloudtrail", DetailType: "AWS API Call via CloudTrail",
		Account: "111122223333", Region: "eu-central-1", Event: []byte(eventBridge(stop)),
	}
	on := func(c Carrier, where, message string) Carrier { c.Where, c.MessageID = where, message; return c }
	of := func(kind, where, message string) Carrier {
		return Carrier{Kind: kind, Where: where, MessageID: message}
	}
	for _, c := range []struct {
		name, input string
		want        Carrier
	}{
		{"bare", stop, of(CarrierBare, "input", "")},
		{"bare, white space around", "\r\n\t " + stop + " \n", of(CarrierBare, "input", "")},
		{"array", array(stop), of(CarrierArray, "[0]", "")},
		{"log file", records(stop), of(CarrierLogFile, "Records[0]", "")},
		{"log file, gzip", zip(records(stop)), of(CarrierLogFile, "Records[0]", "")},
		{"log file, two gzip members", zip(`{"Records":[`) + zip(stop+"]}"), of(CarrierLogFile, "Records[0]", "")},
		{"log file, base64 of gzip", b64(zip(records(stop))), of(CarrierLogFile, "Records[0]", "")},
		{"log file, base64 of gzip in lines of 76", wrapped(b64(zip(records(stop)))), of(CarrierLogFile, "Records[0]", "")},
		{"EventBridge", eventBridge(stop), on(bus, "detail", "")},
		{"SQS, EventBridge", sqs(eventBridge(stop)), on(bus, "Records[0].body.detail", "m0")},
		{"SQS, SNS, EventBridge", sqs(sns(eventBridge(stop))), on(bus, "Records[0].body.Message.detail", "m0")},
		{"SQS, raw delivery of a record", sqs(stop), of(CarrierBare, "Records[0].body", "m0")},
		{"SQS, log file", sqs(records(stop)), of(CarrierLogFile, "Records[0].body.Records[0]", "m0")},
		{"SQS, SNS, log file", sqs(sns(records(stop))), of(CarrierLogFile, "Records[0].body.Message.Records[0]", "m0")},
		{"SQS, base64 of gzip", sqs(b64(zip(stop))), of(CarrierBare, "Records[0].body", "m0")},
		{"SQS inside SQS: the outer message is the one to acknowledge", sqs(strings.ReplaceAll(sqs(stop), `"m0"`, `"inner"`)),
			of(CarrierBare, "Records[0].body.Records[0].body", "m0")},
		{"SNS", sns(eventBridge(stop)), on(bus, "Message.detail", "")},
		{"SNS as Lambda gets it", lambdaSNS(eventBridge(stop)), on(bus, "Records[0].Sns.Message.detail", "")},
		{"SNS as Lambda gets it, raw record", lambdaSNS(stop), of(CarrierBare, "Records[0].Sns.Message", "")},
		{"LookupEvents", lookup(stop), of(CarrierLookupEvents, "Events[0].CloudTrailEvent", "")},
		{"one event of LookupEvents", strings.TrimSuffix(strings.TrimPrefix(lookup(stop), `{"Events":[`), `],"NextToken":"x"}`),
			of(CarrierLookupEvents, "CloudTrailEvent", "")},
		{"CloudWatch Logs", awslogs(logEvents(stop)), of(CarrierCloudWatchLogs, "awslogs.data.logEvents[0].message", "")},
		{"CloudWatch Logs, decoded", logEvents(stop), of(CarrierCloudWatchLogs, "logEvents[0].message", "")},
		{"CloudWatch Logs, decoded, gzip", zip(logEvents(stop)), of(CarrierCloudWatchLogs, "logEvents[0].message", "")},
		{"array of EventBridge events", array(eventBridge(stop)), on(bus, "[0].detail", "")},
		{"every kind of wrapping", zip(array(sqs(sns(b64(zip(records(eventBridge(stop)))))))),
			on(bus, "[0].Records[0].body.Message.Records[0].detail", "m0")},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := stopped()
			want.Carrier = c.want
			if diff := cmp.Diff(want, one(t, c.input)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Decode's caller may use its buffer again, and appending to a part of a record must not change the rest.
func TestRecordsHoldNothingOfTheInput(t *testing.T) {
	for _, c := range []struct{ input, event string }{{eventBridge(stop), eventBridge(stop)}, {records(stop), ""}} {
		input := []byte(c.input)
		got, _ := Decode(input)
		clear(input)
		_ = append(got[0].Request, "xxxxxxxx"...)
		_ = append(got[0].Raw, "xxxxxxxx"...)
		if string(got[0].Raw) != stop || string(got[0].Carrier.Event) != c.event || string(got[0].Request) != `{"name":"main"}` {
			t.Errorf("the record has changed: %s in %s", got[0].Raw, got[0].Carrier.Event)
		}
	}
}

// What is passed on as it came must be fit to be passed on. The record is well either way.
func TestEventThatCannotBePassedOn(t *testing.T) {
	for name, resource := range map[string]string{"no UTF-8": "\xff", "too large": strings.Repeat("x", 1<<20)} {
		r := one(t, strings.Replace(eventBridge(stop), `"resources":[]`, `"resources":["`+resource+`"]`, 1))
		if r.Carrier.Event != nil || string(r.Raw) != stop {
			t.Errorf("%s: event %.100q, record %s", name, r.Carrier.Event, r.Raw)
		}
	}
}

func wrapped(s string) string {
	var out strings.Builder
	for len(s) > 76 {
		out.WriteString(s[:76] + "\n")
		s = s[76:]
	}
	return out.String() + s + "\n"
}

// Lines are documents of any kind; a value may also be spread over lines.
func TestJSONLines(t *testing.T) {
	pretty := strings.NewReplacer("{", "{\n  ", ",", ",\n  ", "}", "\n}").Replace(other)
	for _, c := range []struct {
		name, input string
		places      []string
	}{
		{"records", lines(stop, other), []string{"line 1", "line 2"}},
		{"empty lines and carriage returns", "\r\n" + stop + "\r\n\r\n" + other, []string{"line 2", "line 4"}},
		{"no final newline", stop + "\n" + other, []string{"line 1", "line 2"}},
		{"any carrier", lines(eventBridge(stop), records(other)), []string{"line 1: detail", "line 2: Records[0]"}},
		{"base64 of gzip", lines(b64(zip(stop)), b64(zip(other))), []string{"line 1", "line 2"}},
		{"pretty-printed", lines(pretty, pretty), []string{"line 1", "line 7"}},
		{"pretty-printed behind a line", lines(stop, pretty, stop), []string{"line 1", "line 2", "line 8"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, bads := Decode([]byte(c.input))
			if len(bads) > 0 {
				t.Errorf("bads: %v", bads)
			}
			var places []string
			for _, r := range got {
				places = append(places, r.Carrier.Where)
			}
			if diff := cmp.Diff(c.places, places); diff != "" {
				t.Errorf("places (-want +got):\n%s", diff)
			}
		})
	}
}

// Whole and empty carriers hold nothing, and that is nothing bad.
func TestNothingInside(t *testing.T) {
	for name, input := range map[string]string{
		"log file":              `{"Records":[]}`,
		"log file, gzip":        zip(`{"Records":[ ]}`),
		"LookupEvents":          `{"Events":[]}`,
		"array":                 `[]`,
		"CloudWatch Logs":       awslogs(logEvents()),
		"CloudWatch Logs asks":  awslogs(`{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}`),
		"lines of empty files":  lines(`{"Records":[]}`, `{"Records":[]}`),
		"message of empty file": sqs(`{"Records":[]}`),
	} {
		if got, bads := Decode([]byte(input)); len(got)+len(bads) > 0 {
			t.Errorf("%s: %d records, bads %v", name, len(got), bads)
		}
	}
}

// Whatever is wrong with one record, in whatever carrier, its neighbours on both sides come out.
func TestBadRecordCostsNoNeighbour(t *testing.T) {
	broken := map[string]string{
		"not an object":   `7`,
		"no eventName":    `{"eventSource":"cloudtrail.amazonaws.com"}`,
		"wrong type":      `{"eventName":7,"eventSource":"cloudtrail.amazonaws.com"}`,
		"duplicate key":   `{"eventName":"A","eventName":"B","eventSource":"x"}`,
		"invalid UTF-8":   "{\"eventName\":\"A\xff\",\"eventSource\":\"x\"}",
		"lone surrogate":  `{"eventName":"A","eventSource":"x","userAgent":"\ud800"}`,
		"too deep":        record(`"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100)),
		"too large":       record(`"x":"` + strings.Repeat("x", 1<<20) + `"`),
		"unknown":         `{"hello":"world"}`,
		"wrong container": `{"Records":7}`,
	}
	notJSON := map[string]string{"not JSON": `hello`, "cut off": `{"eventName":"A"`, "empty": ``, "NUL": "\x00", "mark": "\xef\xbb\xbf{}"}
	// A JSON string cannot hold invalid UTF-8: quoted would repair it.
	utf8 := func(s string) string { return strings.ReplaceAll(s, `\ufffd`, "\xff") }
	for _, carrier := range []struct {
		name string
		of   func(...string) string
		text bool // records are texts of their own inside it, so that they may be no JSON at all
	}{
		{"log file", records, false},
		{"log file, gzip", func(all ...string) string { return zip(records(all...)) }, false},
		{"array", array, false},
		{"JSON lines", lines, true},
		{"SQS", func(all ...string) string { return utf8(sqs(all...)) }, true},
		{"SQS of EventBridge", func(all ...string) string {
			for i := range all {
				all[i] = eventBridge(all[i])
			}
			return utf8(sqs(all...))
		}, false},
		{"LookupEvents", func(all ...string) string { return utf8(lookup(all...)) }, true},
		{"CloudWatch Logs", func(all ...string) string { return awslogs(utf8(logEvents(all...))) }, true},
	} {
		test := func(name, bad string) {
			t.Run(carrier.name+"/"+name, func(t *testing.T) {
				got, bads := Decode([]byte(carrier.of(stop, bad, other)))
				if diff := cmp.Diff([]string{"id-1", "id-2"}, ids(got)); diff != "" {
					t.Errorf("ids (-want +got):\n%s", diff)
				}
				if len(bads) != 1 {
					t.Fatalf("bads %v, want one", bads)
				}
				if strings.HasPrefix(carrier.name, "SQS") && bads[0].MessageID != "m1" {
					t.Errorf("the bad carries message id %q, want m1", bads[0].MessageID)
				}
			})
		}
		for name, bad := range broken {
			test(name, bad)
		}
		for name, bad := range notJSON {
			if carrier.text && !(carrier.name == "JSON lines" && name == "empty") {
				test(name, bad)
			}
		}
	}
}
