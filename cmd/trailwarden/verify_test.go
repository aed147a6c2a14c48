package main

import (
	"bytes"
	"compress/gzip"
	"context"
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
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// bucket is a bucket with two hours of one trail, over HTTP as S3 and CloudTrail serve it.
type bucket struct {
	objects  map[string][]byte
	metadata map[string]map[string]string
	keys     string       // what list-public-keys prints
	broken   int          // what S3 answers to GetObject; 0 when it is well
	busy     atomic.Int32 // so many times it says "slow down" at first
	asked    func(key string)
}

const verifyARN = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"

func newBucket(t *testing.T) *bucket {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	b := &bucket{objects: map[string][]byte{}, metadata: map[string]map[string]string{},
		keys: fmt.Sprintf(`{"PublicKeyList":[{"Fingerprint":"f1","Value":%q}]}`, der)}
	var previousKey, previousSignature *string
	for hour := range 2 {
		end := time.Date(2026, 1, 2, 13+hour, 0, 0, 0, time.UTC)
		at := end.Add(-30 * time.Minute)
		log := fmt.Sprintf("AWSLogs/111122223333/CloudTrail/eu-central-1/2026/01/02/111122223333_CloudTrail_eu-central-1_%s_abc%d.json.gz", at.Format("20060102T1504Z"), hour)
		text := fmt.Sprintf(`{"Records":[{"eventTime":%q,"eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","eventID":"e%d","awsRegion":"eu-central-1","recipientAccountId":"111122223333","requestParameters":{"name":"main"}}]}`,
			at.Format(time.RFC3339), hour)
		b.objects[log] = packed(text)
		digestKey := fmt.Sprintf("AWSLogs/111122223333/CloudTrail-Digest/eu-central-1/2026/01/02/111122223333_CloudTrail-Digest_eu-central-1_main_eu-central-1_%s.json.gz", end.Format("20060102T150405Z"))
		sum := sha256.Sum256([]byte(text))
		digest, err := json.Marshal(map[string]any{
			"digestStartTime": end.Add(-time.Hour).Format(time.RFC3339), "digestEndTime": end.Format(time.RFC3339), "digestS3Bucket": "logs", "digestS3Object": digestKey,
			"digestPublicKeyFingerprint": "f1", "previousDigestS3Bucket": "logs", "previousDigestS3Object": previousKey, "previousDigestSignature": previousSignature,
			"logFiles": []any{map[string]any{"s3Bucket": "logs", "s3Object": log, "hashValue": hex.EncodeToString(sum[:]), "hashAlgorithm": "SHA-256"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		previous := "null"
		if previousSignature != nil {
			previous = *previousSignature
		}
		hash := sha256.Sum256(digest)
		signed := sha256.Sum256([]byte(end.Format(time.RFC3339) + "\nlogs/" + digestKey + "\n" + hex.EncodeToString(hash[:]) + "\n" + previous))
		raw, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, signed[:])
		if err != nil {
			t.Fatal(err)
		}
		signature := hex.EncodeToString(raw)
		b.objects[digestKey], b.metadata[digestKey] = packed(string(digest)), map[string]string{"signature": signature, "signature-algorithm": "SHA256withRSA"}
		previousKey, previousSignature = &digestKey, &signature
	}
	return b
}

func packed(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	key := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/logs"), "/")
	if b.asked != nil {
		b.asked(key)
	}
	switch q := r.URL.Query(); {
	case strings.HasSuffix(target, "ListPublicKeys"):
		fmt.Fprint(w, b.keys)
	case strings.HasSuffix(target, "GetTrail"):
		fmt.Fprint(w, `{"Trail":{"S3BucketName":"logs"}}`)
	case q.Has("location"):
		fmt.Fprint(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-central-1</LocationConstraint>`)
	case key == "":
		type entry struct {
			Key  string
			Size int
		}
		page := struct {
			XMLName  xml.Name `xml:"ListBucketResult"`
			Contents []entry
		}{}
		for _, k := range slices.Sorted(maps.Keys(b.objects)) {
			if strings.HasPrefix(k, q.Get("prefix")) {
				page.Contents = append(page.Contents, entry{k, len(b.objects[k])})
			}
		}
		if err := xml.NewEncoder(w).Encode(page); err != nil {
			panic(err)
		}
	case b.broken != 0 && strings.Contains(key, "T1230Z"):
		w.WriteHeader(b.broken)
		fmt.Fprint(w, `<Error><Code>AccessDenied</Code><Message>no</Message></Error>`)
	case b.busy.Add(-1) >= 0:
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
	case b.objects[key] == nil:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>`)
	default:
		for name, value := range b.metadata[key] {
			w.Header().Set("x-amz-meta-"+name, value)
		}
		_, _ = w.Write(b.objects[key])
	}
}

// ran runs the program on a machine that has credentials and nothing else.
func ran(t *testing.T, args ...string) (code int, out, notes string) {
	t.Helper()
	return ranUntil(t, context.Background(), args...)
}

func ranUntil(t *testing.T, ctx context.Context, args ...string) (code int, out, notes string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	var o, n bytes.Buffer
	code = run(ctx, args, strings.NewReader(""), &o, &n, nil)
	return code, o.String(), n.String()
}

func TestVerifyS3(t *testing.T) {
	b := newBucket(t)
	server := httptest.NewServer(b)
	defer server.Close()
	args := []string{"verify", verifyARN, "--endpoint-url", server.URL}
	if code, out, notes := ran(t, args...); code != exitOK || !strings.Contains(out, "digest  2      0") || !strings.Contains(notes, "checked 2 log files") {
		t.Errorf("intact: exit code %d\n%s%s", code, out, notes)
	}
	b.busy.Store(3)
	if code, out, notes := ran(t, args...); code != exitOK {
		t.Errorf("S3 is busy: exit code %d\n%s%s", code, out, notes)
	}
	for key := range b.objects {
		if strings.Contains(key, "T1230Z") {
			b.objects[key] = append(b.objects[key], packed("x")...)
		}
	}
	if code, out, _ := ran(t, append(args, "-o", "json")...); code != exitFindings || !strings.Contains(out, `"why": "something was appended`) {
		t.Errorf("appended: exit code %d\n%s", code, out)
	}
	b.broken = http.StatusForbidden
	if code, out, notes := ran(t, args...); code != exitPartial || !strings.Contains(out, "unread") || !strings.Contains(out, "log     1 ") {
		t.Errorf("denied: exit code %d: %s%s", code, out, notes)
	}
	if code, _, notes := ran(t, append(args, "--from", "2030-01-01")...); code != exitError || !strings.Contains(notes, "no digest file") {
		t.Errorf("nothing there: exit code %d: %s", code, notes)
	}
	if code, _, _ := ran(t, "verify", "main"); code != exitUsage {
		t.Errorf("no ARN: exit code %d", code)
	}
}

// TestVerifyInterrupted: what is known is printed, with a command that goes on and comes to the whole.
func TestVerifyInterrupted(t *testing.T) {
	b := newBucket(t)
	server := httptest.NewServer(b)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	b.asked = func(key string) {
		if strings.Contains(key, "T1330Z") { // the second log file
			cancel()
		}
	}
	file := filepath.Join(t.TempDir(), "it is here")
	args := []string{"verify", verifyARN, "--endpoint-url", server.URL, "--workers", "1", "--resume", file, "-o", "json"}
	code, out, notes := ranUntil(t, ctx, args...)
	command := "trailwarden verify " + verifyARN + " --endpoint-url=" + server.URL + " --output=json --workers=1 --resume='" + file + "'"
	if code != exitInterrupted || !strings.Contains(notes, command) || !strings.Contains(out, `"partial": true`) || !strings.Contains(out, `"unchecked": 1`) {
		t.Errorf("exit code %d, want %q in:\n%s\n%s", code, command, notes, out)
	}
	if code, _, notes := ran(t, append(args, "--bucket", "other")...); code != exitUsage || !strings.Contains(notes, "of other files") {
		t.Errorf("another bucket: exit code %d: %s", code, notes)
	}
	b.asked = func(key string) {
		if strings.Contains(key, "T1230Z") {
			t.Error("a log file that was verified was read again")
		}
	}
	if code, out, notes := ran(t, args...); code != exitOK || !strings.Contains(out, `"valid": 2`) || strings.Contains(out, "unchecked") {
		t.Errorf("going on: exit code %d\n%s%s", code, out, notes)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the progress file is left")
	}
}

func TestVerifyFolder(t *testing.T) {
	b := newBucket(t)
	dir := t.TempDir()
	for key, data := range b.objects {
		path := filepath.Join(dir, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	keys := filepath.Join(dir, "keys.json")
	if err := os.WriteFile(keys, []byte(b.keys), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, notes := ran(t, "verify", verifyARN, "--dir", dir, "--keys", keys, "-o", "csv")
	if code != exitFindings || strings.Count(out, "unproven") != 1 || !strings.Contains(out, "there is no signature") {
		t.Errorf("exit code %d\n%s%s", code, out, notes)
	}
}

// TestScanS3: a prefix of a bucket is scanned as a folder is; a file that is denied costs nothing else.
func TestScanS3(t *testing.T) {
	b := newBucket(t)
	server := httptest.NewServer(b)
	defer server.Close()
	args := []string{"scan", "s3://logs/AWSLogs/", "--endpoint-url", server.URL, "-o", "json", "--region", "eu-central-1"}
	if code, out, notes := ran(t, args...); code != exitFindings || strings.Count(out, `"event_id"`) != 2 || !strings.Contains(out, `"digest_files": 2`) {
		t.Errorf("exit code %d\n%s%s", code, out, notes)
	}
	b.busy.Store(3)
	if code, out, notes := ran(t, args...); code != exitFindings || strings.Count(out, `"event_id"`) != 2 {
		t.Errorf("S3 is busy: exit code %d\n%s%s", code, out, notes)
	}
	b.broken = http.StatusForbidden
	if code, out, notes := ran(t, args...); code != exitFindings || strings.Count(out, `"event_id"`) != 1 || !strings.Contains(out, `"kind": "unreadable"`) {
		t.Errorf("exit code %d\n%s%s", code, out, notes)
	}
}
