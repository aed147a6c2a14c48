package logfile

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/trailwarden/trailwarden/internal/event"
)

const cloudTrail = "cloudtrail.amazonaws.com"

const (
	stop = `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/m"},"eventTime":"2026-01-02T03:04:05Z",` +
		`"eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":"eu-central-1","requestParameters":{"name":"main"},"eventID":"stop-1"}`
	read = `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/m"},"eventTime":"2026-01-02T03:04:05Z",` +
		`"eventSource":"cloudtrail.amazonaws.com","eventName":"DescribeTrails","awsRegion":"eu-central-1","requestParameters":null,"eventID":"read-1"}`
	put = `{"eventVersion":"1.08","userIdentity":{"type":"AWSService","invokedBy":"cloudtrail.amazonaws.com"},"eventTime":"2026-01-02T03:04:05Z",` +
		`"eventSource":"s3.amazonaws.com","eventName":"PutObject","awsRegion":"eu-central-1","userAgent":"[}{]","resources":[{"a":1},{"b":"}"}],"eventID":"put-1"}`
)

func file(records ...string) string { return `{"Records":[` + strings.Join(records, ",") + `]}` }

func zip(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// scanned is what Read makes of a file.
func scanned(t testing.TB, data []byte, f Filter) ([]event.Record, Summary) {
	t.Helper()
	var r Reader
	var got []event.Record
	sum, err := r.Read(t.Context(), bytes.NewReader(data), int64(len(data)), f, func(r event.Record) { got = append(got, r) })
	if err != nil {
		t.Fatal(err)
	}
	return got, sum
}

// decoded is what decoding all of it makes of a file.
func decoded(data []byte, f Filter) []event.Record {
	var want []event.Record
	records, _ := event.Decode(data)
	for _, r := range records {
		if f.keeps(r) {
			want = append(want, r)
		}
	}
	return want
}
