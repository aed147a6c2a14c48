package s3store

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/cloud"
)

// slowLine serves objects as S3 does on a good day: 20 ms until the first byte, and so many bytes a second over one
// connection. AWS's guide to S3's performance calls 85 to 90 MB/s usual for one request.
type slowLine struct {
	objects map[string][]byte
	rate    float64 // bytes a second; 0: as fast as can be
}

func (l slowLine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	data, ok := l.objects[key]
	if !ok { // GetBucketLocation too
		http.Error(w, "<Error><Code>NoSuchKey</Code></Error>", http.StatusNotFound)
		return
	}
	time.Sleep(20 * time.Millisecond)
	w.Header().Set("ETag", `"v1"`)
	http.ServeContent(&paced{w, l.rate, time.Now(), 0}, r, "", time.Time{}, bytes.NewReader(data))
}

// paced writes no faster than its rate.
type paced struct {
	http.ResponseWriter
	rate  float64
	began time.Time
	wrote int
}

func (p *paced) Write(b []byte) (int, error) {
	all := len(b)
	for len(b) > 0 {
		n, err := p.ResponseWriter.Write(b[:min(len(b), 256<<10)])
		if err != nil {
			return all - len(b) + n, err
		}
		p.wrote += n
		b = b[n:]
		if p.rate > 0 {
			time.Sleep(time.Until(p.began.Add(time.Duration(float64(p.wrote) / p.rate * float64(time.Second)))))
		}
	}
	return all, nil
}

// logFile is a log file of about so many megabytes of JSON, which gzip makes about eleven times smaller.
func logFile(megabytes int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString(`{"Records":[`)
	for n := 0; b.Len() < megabytes<<20; n++ {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:session","arn":"arn:aws:sts::111122223333:assumed-role/app/session-%d",`+
			`"accountId":"111122223333","accessKeyId":"ASIAEXAMPLE","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/app","accountId":"111122223333","userName":"app"},`+
			`"attributes":{"mfaAuthenticated":"false","creationDate":"2026-01-02T11:00:00Z"}}},"eventTime":"2026-01-02T12:%02d:%02dZ","eventSource":"s3.amazonaws.com","eventName":"GetObject",`+
			`"awsRegion":"eu-central-1","sourceIPAddress":"198.51.100.%d","userAgent":"[aws-sdk-java/2.20.1 Linux/5.10 OpenJDK_64-Bit_Server_VM]","requestParameters":{"bucketName":"data","Host":"data.s3.eu-central-1.amazonaws.com",`+
			`"key":"in/%08x"},"responseElements":null,"additionalEventData":{"x-amz-id-2":"%016x%016x%016x"},"requestID":"%016X","eventID":"%08x-0000-4000-8000-000000000000","readOnly":true,"eventType":"AwsApiCall","recipientAccountId":"111122223333"}`,
			random.IntN(40), random.IntN(60), random.IntN(60), random.IntN(250), random.Uint32(), random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64(), random.Uint32())
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// BenchmarkLargeObject scans one object of S3, by one request or in pieces: from which size on is the second faster?
func BenchmarkLargeObject(b *testing.B) {
	b.Setenv("AWS_ACCESS_KEY_ID", "x")
	b.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	objects := map[string][]byte{}
	var keys []string
	add := func(key string, data []byte) { keys, objects[key] = append(keys, key), data }
	text := logFile(256)
	for _, megabytes := range []int{8, 16, 64, 256} {
		add(fmt.Sprintf("%d MiB.json", megabytes), append(text[:megabytes<<20:megabytes<<20], ' '))
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(text); err != nil {
		b.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	add(fmt.Sprintf("%d MiB.json.gz, which is %d MiB of JSON", packed.Len()>>20, len(text)>>20), packed.Bytes())
	for _, rate := range []float64{25e6, 90e6, 0} {
		server := httptest.NewServer(slowLine{objects, rate})
		store, err := Open(context.Background(), cloud.Options{Endpoint: server.URL, Region: "eu-central-1"}, 16)
		if err != nil {
			b.Fatal(err)
		}
		for _, key := range keys {
			if rate == 25e6 && !strings.Contains(key, ".gz") { // takes long, and tells nothing new
				continue
			}
			for _, way := range []struct {
				name          string
				pieces, bytes int
			}{{"1 request", 0, 0}, {"6 pieces of 4 MiB ahead", 6, 4 << 20}} {
				from := archive.Objects{Bucket: archive.Bucket{Store: store, Name: "logs"}, List: []archive.Object{{Key: key, Size: int64(len(objects[key]))}}}
				if way.pieces > 0 {
					from.Ahead = archive.NewAhead(way.pieces, way.bytes)
				}
				b.Run(fmt.Sprintf("%.0f MB per s/%s/%s", rate/1e6, key, way.name), func(b *testing.B) {
					b.SetBytes(int64(len(objects[key])))
					for b.Loop() {
						known, err := archive.Scan{Workers: 1}.Run(context.Background(), from)
						if err != nil || known.Packed != int64(len(objects[key])) {
							b.Fatalf("%d bytes, %v, %+v", known.Packed, err, known.Damaged)
						}
					}
				})
			}
		}
		server.Close()
	}
}
