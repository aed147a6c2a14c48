package event

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFaults are the faults of group C (event content): what Decode makes of each. The guard needs
// the rest: for those faults that are its business, the test is that the data for it is kept.
func TestFaults(t *testing.T) {
	bad := func(input, where, why string) func(*testing.T) {
		return func(t *testing.T) {
			b := oneBad(t, input)
			if b.Where != where || !strings.Contains(b.Why, why) {
				t.Errorf("bad is %q, want %q: …%s…", b, where, why)
			}
		}
	}
	good := func(input string, check func(*testing.T, Record)) func(*testing.T) {
		return func(t *testing.T) { check(t, one(t, input)) }
	}
	// equal compares the fields of interest, written as one text.
	equal := func(input, format, want string, fields func(Record) []any) func(*testing.T) {
		return good(input, func(t *testing.T, r Record) {
			if got := fmt.Sprintf(format, fields(r)...); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	trail := func(r Record) []any { return []any{r.Trail, r.TrailIsHint} }
	nameAndID := func(r Record) []any { return []any{r.Name, r.ID} }
	request := func(r Record) []any { return []any{r.Trail, r.Request} }
	name := func(n string) string { return record(`"requestParameters":{"name":` + n + `}`) }

	for _, c := range []struct {
		id, what string
		test     func(*testing.T)
	}{
		{"C1", "forged source, right detail-type: the source is kept for the guard",
			equal(strings.Replace(eventBridge(stop), "aws.cloudtrail", "my.app", 1), "%s %s", "my.app AWS API Call via CloudTrail",
				func(r Record) []any { return []any{r.Carrier.Source, r.Carrier.DetailType} })},
		{"C2", "perfect forgery by SendMessage: nothing but the message id tells",
			equal(sqs(eventBridge(stop)), "%s %s %s", "StopLogging main m0",
				func(r Record) []any { return []any{r.Name, r.Trail, r.Carrier.MessageID} })},
		{"C3", "accounts and Regions that disagree are all kept apart",
			equal(strings.NewReplacer(`"account":"111122223333"`, `"account":"999"`, `"region":"eu-central-1"`, `"region":"us-east-1"`,
				`"recipientAccountId":"111122223333"`, `"recipientAccountId":"888"`, `"main"`, `"arn:aws:cloudtrail:eu-west-1:777:trail/main"`).
				Replace(eventBridge(stop)), "%s %s %s %s %s %s", "888 999 111122223333 eu-central-1 us-east-1 arn:aws:cloudtrail:eu-west-1:777:trail/main",
				func(r Record) []any {
					return []any{r.Account, r.Carrier.Account, r.Actor.Account, r.Region, r.Carrier.Region, r.Trail}
				})},

		{"C4", "not JSON", bad("hello", "line 1, column 1", "syntax error: invalid character 'h'")},
		{"C4", "0 bytes", bad("", "input", "empty")},
		{"C4", "white space only", bad(" \n", "input", "empty: 2 bytes of white space")},
		{"C4", "byte order mark", bad("\xef\xbb\xbf"+stop, "input", "byte order mark")},
		{"C4", "UTF-16", bad("\xff\xfe{\x00}\x00", "input", "byte order mark")},
		{"C4", "NUL", bad("{\x00}", "line 1, column 2", `'\x00'`)},
		{"C4", "NUL in a string", bad(record("\n\"userAgent\":\"a\x00\""), "line 2, column 15", `'\x00' in string`)},
		{"C4", "invalid UTF-8", bad(record("\"userAgent\":\"a\xff\""), "userAgent", "invalid UTF-8")},
		{"C4", "invalid UTF-8 deep inside", bad(record("\"requestParameters\":{\"x\":[1,{\"y\":\"\xc0\x80\"}]}"), "requestParameters.x[1].y", "invalid UTF-8")},
		{"C4", "invalid UTF-8 in a key", bad(record("\"requestParameters\":{\"\xff\":1}"), `requestParameters["\xff"]`, "key has invalid UTF-8")},
		{"C4", "lone surrogate", bad(record(`"requestParameters":{"name":"\ud800x"}`), "requestParameters.name", "lone surrogate")},
		{"C4", "surrogates in the wrong order", bad(record(`"userAgent":"\udc00\ud800"`), "userAgent", "lone surrogate")},
		{"C4", "surrogate in a key", bad(records(record(`"a":{"\udfff":1}`)), `Records[0].a["\\udfff"]`, "key has lone surrogate")},
		{"C4", "trailing data: the record before it is a hint all the same", func(t *testing.T) {
			got, bads := Decode([]byte("\n" + other + "  {}"))
			if len(got) != 1 || len(bads) != 1 || bads[0].Where != "line 2, column 114" || !strings.Contains(bads[0].Why, "trailing data") {
				t.Errorf("%d records, bads %v", len(got), bads)
			}
		}},

		{"C5", "EVENTNAME does not override eventName", equal(`{"eventName":"StopLogging","EVENTNAME":"Harmless","eventSource":"x","EventId":"no"}`, "%s %q", `StopLogging ""`, nameAndID)},
		{"C5", "EVENTNAME is not eventName", bad(`{"EVENTNAME":"StopLogging","eventSource":"x"}`, "eventName", "is missing")},
		{"C5", "U+017F does not fold to s", bad(`{"eventName":"StopLogging","event`+"\u017f"+`ource":"x"}`, "eventSource", "is missing")},
		{"C5", "U+212A does not fold to K", equal(`{"eventName":"A","eventSource":"x","userIdentity":{"accessKeyId":"AKIA1","access`+"\u212a"+`eyId":"AKIA2"}}`,
			"%s", "AKIA1", func(r Record) []any { return []any{r.Actor.AccessKeyID} })},
		{"C5", "duplicate key", bad(`{"eventName":"A","eventSource":"x","eventName":"B"}`, "eventName", "duplicate key")},
		{"C5", "duplicate key, once escaped", bad(`{"eventName":"A","eventSource":"x","\u0065ventName":"B"}`, "eventName", "duplicate key")},
		{"C5", "duplicate key deep inside", bad(records(record(`"requestParameters":{"x":[{"a":1,"a":1}]}`)), "Records[0].requestParameters.x[0].a", "duplicate key")},
		{"C5", "duplicate key among many", bad(record(`"x":{`+many(1000)+`,"k7":1}`), "x.k7", "duplicate key")},
		{"C5", "duplicate key in an envelope", bad(strings.Replace(eventBridge(stop), `"version":"0"`, `"detail":{}`, 1), "detail", "duplicate key")},
		{"C5", "an escaped key is that key", equal(`{"\u0065ventName":"A","eventSource":"x"}`, "%s %q", `A ""`, nameAndID)},
		{"C5", "null is not the empty string", bad(`{"eventName":null,"eventSource":"x"}`, "eventName", "is missing")},

		{"C6", "depth over the limit of encoding/json", bad(strings.Repeat("[", 20_000), "[0] (line 1, column 10001)", "exceeded max depth")},
		{"C6", "depth over ours", bad(record(`"requestParameters":`+strings.Repeat(`{"a":`, 64)+"1"+strings.Repeat("}", 64)), "requestParameters"+strings.Repeat(".a", 63), "nested deeper than 64 levels")},
		{"C6", "depth at our limit", equal(record(`"x":`+strings.Repeat("[", 63)+strings.Repeat("]", 63)), "%s %q", `StopLogging ""`, nameAndID)},
		{"C6", "a record over 1 MiB", bad(records(record(`"x":"`+strings.Repeat("x", 1<<20)+`"`)), "Records[0]", "record of 1048651 bytes")},
		{"C6", "10⁶ keys", bad("{"+many(1_000_000)+"}", "input", "more than 1000 keys")},
		{"C6", "as many keys as fit into a record", equal(record(`"x":{`+many(80_000)+`}`), "%s %q", `StopLogging ""`, nameAndID)},

		{"C7", "eventName is a number", bad(records(`{"eventName":7,"eventSource":"x"}`), "Records[0].eventName", "is a number, not a string")},
		{"C7", "detail is an array", bad(eventBridge("["+stop+"]"), "detail", "is an array, not an object")},
		{"C7", "detail is a string", bad(eventBridge(quoted(stop)), "detail", "is a string, not an object")},
		{"C7", "detail is missing", bad(`{"detail-type":"AWS API Call via CloudTrail"}`, "detail", "is missing")},
		{"C7", "requestParameters is null", equal(record(`"requestParameters":null`), "%s %t", " false", trail)},
		{"C7", "requestParameters is a string", equal(record(`"requestParameters":"truncated"`), "%s %s", ` "truncated"`, request)},
		{"C7", "requestParameters is a list", equal(record(`"requestParameters":[{"name":"main"}]`), "%s %s", ` [{"name":"main"}]`, request)},
		{"C7", "requestParameters is a number", equal(record(`"requestParameters":7`), "%s %s", ` 7`, request)},
		{"C7", "a trail's name is a number", bad(name(`7`), "requestParameters.name", "is a number, not a string")},
		{"C7", "numbers over 2⁵³ stay as they are", equal(record(`"requestParameters":{"n":9007199254740993,"m":1e999}`), "%s %s", ` {"n":9007199254740993,"m":1e999}`, request)},
		{"C7", "account is a number: its zeros are lost", bad(record(`"recipientAccountId":12345678901`), "recipientAccountId", "is a number, not a string")},
		{"C7", "account of the bus is a number", bad(strings.Replace(eventBridge(stop), `"account":"111122223333"`, `"account":1`, 1), "account", "is a number, not a string")},
		{"C7", "account of the caller is a number", bad(record(`"userIdentity":{"accountId":1}`), "userIdentity.accountId", "is a number, not a string")},
		{"C7", "userIdentity is a string", bad(record(`"userIdentity":"root"`), "userIdentity", "is a string, not an object")},
		{"C7", "sessionIssuer is a list", bad(record(`"userIdentity":{"sessionContext":{"sessionIssuer":[]}}`), "userIdentity.sessionContext.sessionIssuer", "is an array, not an object")},
		{"C7", "readOnly is a number", bad(record(`"readOnly":0`), "readOnly", "is a number, not a boolean")},
		{"C7", "Records is an object", bad(`{"Records":{}}`, "Records", "is an object, not an array")},
		{"C7", "Records is null", bad(`{"Records":null}`, "Records", "is null, not an array")},

		{"C8", "requestParameters were too large", equal(record(`"requestParameters":{"reason":"requestParameters too large","omitted":true,"originalSize":123456}`), "%s %t", " false", trail)},
		{"C8", "requestParameters are absent", equal(record(``), "%s %t", " false", trail)},
		{"C9", "eventVersion of a later major", equal(record(`"eventVersion":"2.0"`), "%s", "2.0", func(r Record) []any { return []any{r.Version} })},
		{"C10", "unknown eventName", equal(`{"eventName":"StopEverything20301231v2","eventSource":"cloudtrail.amazonaws.com"}`, "%s %q", `StopEverything20301231v2 ""`, nameAndID)},
		{"C11", "failed attempt", equal(record(`"errorCode":"TrailNotFoundException","requestParameters":{"name":"main"}`), "%t %s", "false main", func(r Record) []any { return []any{r.Succeeded(), r.Trail} })},

		{"C12", "homoglyph, right-to-left, zero-width: kept as typed for the guard's grammar", equal(name(`"m\u0430in\u202e\u200b"`), "%s %t", "m\u0430in\u202e\u200b false", trail)},
		{"C12", "path, colons, NUL", equal(name(`"../../arn:aws:::::::\u0000"`), "%s %t", "../../arn:aws:::::::\x00 false", trail)},
		{"C12", "10 KB name", equal(name(`"`+strings.Repeat("a", 10_000)+`"`), "%s %t", strings.Repeat("a", 10_000)+" false", trail)},
		{"C12", "hostile key in a place is escaped", bad(record(`"x":{"\u001b[2J\u202e":{"a":1,"a":2}}`), `x["\x1b[2J\u202e"].a`, "duplicate key")},
		{"C13", "bare name", equal(name(`"main"`), "%s %t", "main false", trail)},
		{"C13", "ARN", equal(name(`"arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"`), "%s %t", "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main false", trail)},
		{"C13", "ARN in China", equal(name(`"arn:aws-cn:cloudtrail:cn-north-1:111122223333:trail/main"`), "%s %t", "arn:aws-cn:cloudtrail:cn-north-1:111122223333:trail/main false", trail)},

		{"C14", "Insight: no call, and not named like one", equal(eventBridge(`{"eventVersion":"1.07","eventType":"AwsCloudTrailInsight","eventID":"i","eventTime":"2026-01-02T03:04:05Z",`+
			`"awsRegion":"r","recipientAccountId":"1","sharedEventID":"s","insightDetails":{"state":"Start","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","insightType":"ApiCallRateInsight"},"eventCategory":"Insight"}`),
			"%s %s %s %q", `AwsCloudTrailInsight cloudtrail.amazonaws.com s ""`, func(r Record) []any { return []any{r.Name, r.Source, r.SharedID, r.Trail} })},
		{"C14", "aggregated events", equal(records(`{"eventVersion":"1.0","accountId":"111122223333","eventId":"a","eventCategory":"Aggregated","eventType":"AwsAggregatedEvent","awsRegion":"r",`+
			`"eventSource":"s3.amazonaws.com","timeWindow":{"windowStart":"2026-01-02T03:05:00Z"},"summary":{}}`),
			"%s %s %s %s", "AwsAggregatedEvent s3.amazonaws.com 111122223333 a", func(r Record) []any { return []any{r.Name, r.Source, r.Account, r.ID} })},
		{"C14", "service event", equal(record(`"eventType":"AwsServiceEvent","userIdentity":{"accountId":"1","invokedBy":"config.amazonaws.com"}`), "%q %s %s", `"" config.amazonaws.com 1`,
			func(r Record) []any { return []any{r.Actor.Type, r.Actor.InvokedBy, r.Account} })},
		{"C14", "console action", equal(record(`"sessionCredentialFromConsole":"true","userIdentity":{"type":"Root","accountId":"1"}`), "%s %q %t", `Root "" true`,
			func(r Record) []any { return []any{r.Actor.Type, r.Actor.UserName, r.Actor.Console} })},
		{"C14", "no userIdentity", equal(record(``), "%v", fmt.Sprint(Actor{}), func(r Record) []any { return []any{r.Actor} })},

		{"C15", "S3 ObjectCreated", bad(records(`{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"r","eventTime":"2026-01-02T03:04:05.000Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"}}}`),
			"Records[0]", "S3 notification: names an object, holds no record")},
		{"C15", "S3 test", bad(sqs(`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:04:05.000Z","Bucket":"b"}`), "Records[0].body", "S3 test notification")},
		{"C15", "CloudTrail's delivery notification", bad(sns(`{"s3Bucket":"b","s3ObjectKey":["AWSLogs/x.json.gz"]}`), "Message", "names log files, holds no record")},
		{"C15", "SNS subscription confirmation", bad(sqs(`{"Type":"SubscriptionConfirmation","Token":"t","TopicArn":"a","Message":"You have chosen…","SubscribeURL":"https://sns/"}`),
			"Records[0].body", "SNS SubscriptionConfirmation: holds no record, and SubscribeURL is never fetched")},
		{"C15", "{}", bad(`{}`, "input", "empty object")},
		{"C15", "unknown document", bad(`{"hello":1,"wo\u001brld":2}`, "input", `its keys are "hello", "wo\x1brld"`)},
		{"C15", "unknown Lambda event", bad(records(`{"eventSource":"aws:kinesis","kinesis":{"data":"e30="}}`), "Records[0]", `Lambda event of "aws:kinesis"`)},
		{"C15", "EventBridge schedule", bad(`{"id":"x","detail-type":"Scheduled Event","source":"aws.events","account":"1","detail":{}}`, "detail", `detail-type "Scheduled Event" is not CloudTrail's`)},
		{"C15", "EventBridge event of another service", bad(`{"detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","detail":{"instance-id":"i-1","eventTime":"x"}}`, "detail", `is not CloudTrail's`)},
		{"C15", "a record under another detail-type is one; the guard sees the detail-type", equal(strings.Replace(eventBridge(stop), "AWS API Call via CloudTrail", "Replayed", 1),
			"%s %s", "Replayed main", func(r Record) []any { return []any{r.Carrier.DetailType, r.Trail} })},
		{"C15", "digest file", bad(`{"awsAccountId":"1","digestStartTime":"2026-01-02T03:04:05Z","logFiles":[]}`, "input", "digest file")},
		{"C15", "SQS message without a body", bad(records(`{"messageId":"m","eventSource":"aws:sqs"}`), "Records[0].body", "is missing")},

		{"C16", "eventTime in ten years", equal(record(`"eventTime":"2036-01-01T00:00:00Z"`), "%s", "2036-01-01 00:00:00 +0000 UTC", when)},
		{"C16", "eventTime is the epoch", equal(record(`"eventTime":"1970-01-01T00:00:00Z"`), "%s", "1970-01-01 00:00:00 +0000 UTC", when)},
		{"C16", "eventTime is absent", equal(record(``), "%s", time.Time{}.String(), when)},
		{"C16", "eventTime is null", equal(record(`"eventTime":null`), "%s", time.Time{}.String(), when)},
		{"C16", "eventTime is no time", bad(record(`"eventTime":"yesterday at 5"`), "eventTime", `is "yesterday at 5", which is no time`)},
		{"C16", "eventTime is a number", bad(record(`"eventTime":1767323045`), "eventTime", "is a number, not a string")},
		{"C16", "eventTime in a zone that moves it out of the years RFC 3339 has", bad(record(`"eventTime":"0000-01-01T00:00:00+23:00"`), "eventTime", "no time")},

		{"C17", "one eventID, two bodies: both are kept", func(t *testing.T) {
			got, _ := Decode([]byte(records(stop, strings.Replace(stop, "main", "second", 1))))
			if diff := cmp.Diff([]string{"id-1", "id-1"}, ids(got)); diff != "" || got[0].Trail+got[1].Trail != "mainsecond" {
				t.Errorf("ids %v", ids(got))
			}
		}},
		{"C18", "sharedEventID joins two accounts", equal(record(`"sharedEventID":"s-1","recipientAccountId":"2","userIdentity":{"accountId":"1"}`), "%s %s %s", "s-1 2 1",
			func(r Record) []any { return []any{r.SharedID, r.Account, r.Actor.Account} })},
	} {
		t.Run(c.id+"/"+c.what, c.test)
	}
}

func when(r Record) []any { return []any{r.Time} }

// many writes n members.
func many(n int) string {
	var out strings.Builder
	for i := range n {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, `"k%d":1`, i)
	}
	return out.String()
}
