package main

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bucket is log files of a corpus with digest files, served as S3 and CloudTrail do.
type bucket struct {
	files   map[string]string // log files: paths by key
	digests map[string]digestFile
	keys    []string // of all, sorted
	public  string
	delay   time.Duration // of each answer
	bytes   int64
}

type digestFile struct {
	data      []byte
	signature string
}

const (
	bucketName = "logs"
	trailARN   = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"
)

// newBucket lists the first files of a corpus, twelve in each digest file.
func newBucket(c *corpus, most int) (*bucket, error) {
	names, err := filepath.Glob(filepath.Join(c.Dir, "*.gz"))
	if err != nil {
		return nil, err
	}
	names = names[:min(most, len(names))]
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	b := &bucket{files: map[string]string{}, digests: map[string]digestFile{}, public: base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key.PublicKey))}
	var before, signature *string
	end := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for hour := range slices.Chunk(names, 12) {
		end = end.Add(time.Hour)
		var logs []any
		for _, name := range hour {
			sum, n, err := hashOf(name)
			if err != nil {
				return nil, err
			}
			b.bytes += n
			at := "AWSLogs/111122223333/CloudTrail/eu-central-1/2026/01/01/" + filepath.Base(name)
			b.files[at] = name
			logs = append(logs, map[string]any{"s3Bucket": bucketName, "s3Object": at, "hashValue": sum, "hashAlgorithm": "SHA-256"})
		}
		at := fmt.Sprintf("AWSLogs/111122223333/CloudTrail-Digest/eu-central-1/%s/111122223333_CloudTrail-Digest_eu-central-1_main_eu-central-1_%s.json.gz",
			end.Format("2006/01/02"), end.Format("20060102T150405Z"))
		text, err := json.Marshal(map[string]any{
			"digestStartTime": end.Add(-time.Hour).Format(time.RFC3339), "digestEndTime": end.Format(time.RFC3339), "digestS3Bucket": bucketName, "digestS3Object": at,
			"digestPublicKeyFingerprint": "f1", "previousDigestS3Bucket": bucketName, "previousDigestS3Object": before, "previousDigestSignature": signature, "logFiles": logs,
		})
		if err != nil {
			return nil, err
		}
		previous := "null"
		if signature != nil {
			previous = *signature
		}
		hash := sha256.Sum256(text)
		signed := sha256.Sum256([]byte(end.Format(time.RFC3339) + "\n" + bucketName + "/" + at + "\n" + hex.EncodeToString(hash[:]) + "\n" + previous))
		raw, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, signed[:])
		if err != nil {
			return nil, err
		}
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(text); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		sealed := hex.EncodeToString(raw)
		b.digests[at] = digestFile{packed.Bytes(), sealed}
		before, signature = &at, &sealed
	}
	for k := range b.files {
		b.keys = append(b.keys, k)
	}
	for k := range b.digests {
		b.keys = append(b.keys, k)
	}
	slices.Sort(b.keys)
	return b, nil
}

func hashOf(name string) (string, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", 0, err
	}
	hash := sha256.New()
	n, err := io.Copy(hash, z)
	return hex.EncodeToString(hash.Sum(nil)), n, err
}

// ServeHTTP pages its lists as S3 does, in the old way for the AWS CLI and in the new one.
func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(b.delay)
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "ListPublicKeys") {
		fmt.Fprintf(w, `{"PublicKeyList":[{"Fingerprint":"f1","Value":%q,"ValidityStartTime":1,"ValidityEndTime":9999999999}]}`, b.public)
		return
	}
	key := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/"+bucketName), "/")
	q := r.URL.Query()
	switch {
	case q.Has("location"):
		fmt.Fprint(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-central-1</LocationConstraint>`)
		return
	case key == "":
		type entry struct{ Key string }
		page := struct {
			XMLName               xml.Name `xml:"ListBucketResult"`
			IsTruncated           bool
			NextMarker            string
			NextContinuationToken string
			Contents              []entry
		}{}
		after := max(q.Get("marker"), q.Get("continuation-token"))
		for _, k := range b.keys {
			if k <= after || !strings.HasPrefix(k, q.Get("prefix")) {
				continue
			}
			if len(page.Contents) == 1000 {
				page.IsTruncated, page.NextMarker = true, page.Contents[999].Key
				page.NextContinuationToken = page.NextMarker
				break
			}
			page.Contents = append(page.Contents, entry{k})
		}
		if err := xml.NewEncoder(w).Encode(page); err != nil {
			return // the client is gone
		}
		return
	}
	if d, ok := b.digests[key]; ok {
		w.Header()["x-amz-meta-signature"] = []string{d.signature}
		w.Header()["x-amz-meta-signature-algorithm"] = []string{"SHA256withRSA"}
		_, _ = w.Write(d.data)
		return
	}
	http.ServeFile(w, r, b.files[key])
}

// copyTo makes a local copy of the bucket.
func (b *bucket) copyTo(dir string) error {
	put := func(key string, data []byte) error {
		path := filepath.Join(dir, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if data == nil {
			return os.Link(b.files[key], path)
		}
		return os.WriteFile(path, data, 0o644)
	}
	for key := range b.files {
		if err := put(key, nil); err != nil {
			return err
		}
	}
	for key, d := range b.digests {
		if err := put(key, d.data); err != nil {
			return err
		}
		if err := put(key+".metadata.json", fmt.Appendf(nil, `{"signature":%q}`, d.signature)); err != nil {
			return err
		}
	}
	return put("keys.json", fmt.Appendf(nil, `{"PublicKeyList":[{"Fingerprint":"f1","Value":%q}]}`, b.public))
}

// compareVerify prints a Markdown table of verify and the AWS CLI.
func compareVerify(c *corpus, most int, delay time.Duration, bin string, rounds int) error {
	b, err := newBucket(c, most)
	if err != nil {
		return err
	}
	b.delay = delay
	server := httptest.NewServer(b)
	defer server.Close()
	logs := func(out []byte) (int, error) {
		var report struct {
			Verdicts []struct{ Counts map[string]map[string]int }
		}
		if err := json.Unmarshal(out, &report); err != nil {
			return 0, err
		}
		return report.Verdicts[0].Counts["log"]["valid"], nil
	}
	theirs := func(out []byte) (int, error) {
		at := bytes.LastIndex(out, []byte(" log files valid"))
		if at < 0 {
			return 0, fmt.Errorf("the AWS CLI says %s", out)
		}
		line := out[bytes.LastIndexByte(out[:at], '\n')+1 : at]
		var valid, all int
		_, err := fmt.Sscanf(string(line), "%d/%d", &valid, &all)
		return valid, err
	}
	env := []string{"env", "AWS_ENDPOINT_URL=" + server.URL, "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "NO_PROXY=127.0.0.1"}
	tools := []tool{{name: "trailwarden verify", share: 1, count: logs,
		args: append(slices.Clone(env), bin, "verify", trailARN, "--bucket", bucketName, "--endpoint-url", server.URL, "-q", "-o", "json", "--workers", "64")}}
	if delay == 0 {
		dir, err := os.MkdirTemp(c.Dir, "copy")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := b.copyTo(dir); err != nil {
			return err
		}
		tools = append(tools, tool{name: "trailwarden verify --dir (a local copy)", share: 1, count: logs,
			args: []string{bin, "verify", trailARN, "--dir", dir, "--keys", filepath.Join(dir, "keys.json"), "-q", "-o", "json"}})
	}
	if _, err := exec.LookPath("aws"); err == nil {
		tools = append(tools, tool{name: "aws cloudtrail validate-logs", share: 1, count: theirs, args: append(slices.Clone(env), "aws", "cloudtrail", "validate-logs",
			"--trail-arn", trailARN, "--start-time", "2026-01-01T00:00:00Z", "--end-time", "2026-03-01T00:00:00Z", "--s3-bucket", bucketName, "--region", "eu-central-1",
			"--endpoint-url", server.URL)})
	}
	for range rounds {
		for i := range tools {
			if err := tools[i].measure(); err != nil {
				return err
			}
		}
	}
	fmt.Printf("\nverify: %d log files of %s, %.0f MB of JSON, %d digest files, each answer after %s; medians of %d interleaved runs\n\n", len(b.files), filepath.Base(c.Dir),
		float64(b.bytes)/1e6, len(b.digests), delay, rounds)
	fmt.Println("| tool | s | peak MiB | trailwarden is faster by | answer |")
	fmt.Println("|---|---|---|---|---|")
	for _, t := range tools {
		answer := "right"
		if t.found != len(b.files) {
			answer = fmt.Sprintf("WRONG: %d valid", t.found)
		}
		fmt.Printf("| %s | %.2f | %d | %s | %s |\n", t.name, t.median(), t.peak>>10, factor(t.median()/tools[0].median()), answer)
	}
	return nil
}
