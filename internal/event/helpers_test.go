package event

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// stop is a StopLogging as CloudTrail writes it, with white space that must stay as it is.
const stop = `{"eventVersion": "1.11","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:mallory",` +
	`"arn":"arn:aws:sts::111122223333:assumed-role/ops/mallory","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE",` +
	`"sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/ops"},` +
	`"attributes":{"creationDate":"2026-01-02T03:00:00Z","mfaAuthenticated":"true"}}},` +
	`"eventTime":"2026-01-02T03:04:05Z","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging",` +
	`"awsRegion":"eu-central-1","sourceIPAddress":"203.0.113.7","userAgent":"aws-cli/2.15",` +
	`"requestParameters":{"name":"main"},"responseElements":null,"requestID":"req-1","eventID":"id-1",` +
	`"readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}`

// other is another record: a neighbour that must not suffer.
const other = `{"eventName":"DeleteBucket","eventSource":"s3.amazonaws.com","eventID":"id-2","eventTime":"2026-01-02T03:04:06Z"}`

// record is the smallest record with the given members added.
func record(members string) string {
	if members != "" {
		members = "," + members
	}
	return `{"eventName":"StopLogging","eventSource":"cloudtrail.amazonaws.com"` + members + `}`
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func zip(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func eventBridge(detail string) string {
	return `{"version":"0","id":"delivery-1","detail-type":"AWS API Call via CloudTrail","source":"aws.cloudtrail",` +
		`"account":"111122223333","time":"2026-01-02T03:04:10Z","region":"eu-central-1","resources":[],"detail":` + detail + `}`
}

// sqs is a batch as Lambda gets it; its messages are "m0", "m1", …
func sqs(bodies ...string) string {
	var messages []string
	for i, body := range bodies {
		messages = append(messages, `{"messageId":"m`+string(rune('0'+i))+`","receiptHandle":"r","body":`+quoted(body)+
			`,"attributes":{"ApproximateReceiveCount":"1"},"messageAttributes":{},"md5OfBody":"x",`+
			`"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:eu-central-1:111122223333:q","awsRegion":"eu-central-1"}`)
	}
	return records(messages...)
}

func sns(message string) string {
	return `{"Type":"Notification","MessageId":"n-1","TopicArn":"arn:aws:sns:eu-central-1:111122223333:t","Subject":null,"Message":` +
		quoted(message) + `,"Timestamp":"2026-01-02T03:04:11Z","SignatureVersion":"1","Signature":"x"}`
}

func lambdaSNS(message string) string {
	return `{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","EventSubscriptionArn":"arn","Sns":` + sns(message) + `}]}`
}

func records(all ...string) string { return `{"Records":[` + strings.Join(all, ",") + `]}` }

func array(all ...string) string { return "[\n" + strings.Join(all, ",\n") + "\n]" }

func lines(all ...string) string { return strings.Join(all, "\n") + "\n" }

func lookup(all ...string) string {
	var events []string
	for _, r := range all {
		events = append(events, `{"EventId":"id-1","EventName":"StopLogging","ReadOnly":"false","EventTime":1767323045.0,`+
			`"EventSource":"cloudtrail.amazonaws.com","Username":"mallory","Resources":[],"CloudTrailEvent":`+quoted(r)+`}`)
	}
	return `{"Events":[` + strings.Join(events, ",") + `],"NextToken":"x"}`
}

func logEvents(all ...string) string {
	var events []string
	for _, r := range all {
		events = append(events, `{"id":"1","timestamp":1767323045000,"message":`+quoted(r)+`}`)
	}
	return `{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[` +
		strings.Join(events, ",") + `]}`
}

func awslogs(document string) string { return `{"awslogs":{"data":"` + b64(zip(document)) + `"}}` }

// one decodes what must be exactly one record.
func one(t testing.TB, input string) Record {
	t.Helper()
	records, bads := Decode([]byte(input))
	for _, b := range bads {
		t.Errorf("bad: %v", b)
	}
	if len(records) != 1 {
		t.Fatalf("%d records, want 1", len(records))
	}
	return records[0]
}

// oneBad decodes what must be exactly one Bad and no record.
func oneBad(t testing.TB, input string) Bad {
	t.Helper()
	records, bads := Decode([]byte(input))
	if len(records) != 0 || len(bads) != 1 {
		t.Fatalf("%d records and bads %v, want one bad", len(records), bads)
	}
	return bads[0]
}

// ids are the event ids of records.
func ids(records []Record) []string {
	var ids []string
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}
