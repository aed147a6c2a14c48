package archive

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	zstandard "github.com/klauspost/compress/zstd"
)

const account = "111122223333"

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// call writes a record. of is "name" or "eventSource:name".
func call(id, of string, at time.Time, more ...string) string {
	source, name, ok := strings.Cut(of, ":")
	if !ok {
		source, name = "cloudtrail.amazonaws.com", of
	}
	extra := ""
	if len(more) > 0 {
		extra = "," + strings.Join(more, ",")
	}
	return fmt.Sprintf(`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%s:user/mallory","accountId":"%s"},"eventTime":"%s",`+
		`"eventSource":"%s","eventName":"%s","awsRegion":"eu-central-1","sourceIPAddress":"203.0.113.7","requestParameters":{"name":"main"},`+
		`"eventID":"%s","recipientAccountId":"%s"%s}`, account, account, at.Format(time.RFC3339), source, name, id, account, extra)
}

func logText(records ...string) string { return `{"Records":[` + strings.Join(records, ",") + `]}` }

func zip(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func zst(text string) []byte {
	w, err := zstandard.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll([]byte(text), nil)
}

func logName(region string, at time.Time) string {
	return fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/%s/%s_CloudTrail_%s_%s_%016x.json.gz", account, region, at.Format("2006/01/02"), account, region,
		at.Format("20060102T1504Z"), at.UnixNano())
}

func digestName(trail string, at time.Time) string {
	return fmt.Sprintf("%s_CloudTrail-Digest_eu-central-1_%s_eu-central-1_%s.json.gz", account, trail, at.Format("20060102T150405Z"))
}

// tree is files in memory, in the order of their names.
type tree []memory

type memory struct {
	name string
	data []byte
}

func (t tree) Files(ctx context.Context, yield func(File) error, _ func(string, error)) error {
	for _, f := range t {
		if err := yield(File{Name: f.name, Size: int64(len(f.data)), Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(f.data)), nil
		}}); err != nil {
			return err
		}
	}
	return nil
}

func scanned(t testing.TB, from Source) Result {
	t.Helper()
	r, err := Scan{Workers: 3}.Run(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
