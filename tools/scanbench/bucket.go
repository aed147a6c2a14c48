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
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// bucket is log files of a corpus with digest files.
type bucket struct {
	files   map[string]string // log files: paths by key
	answers map[string][]byte // the server's, by key
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
	b := &bucket{files: map[string]string{}, answers: map[string][]byte{}, digests: map[string]digestFile{}, public: base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key.PublicKey))}
	var before, signature *string
	end := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for hour := range slices.Chunk(names, 12) {
		end = end.Add(time.Hour)
		var logs []any
		for _, name := range hour {
			data, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			sum, n, err := hashOf(data)
			if err != nil {
				return nil, err
			}
			b.bytes += n
			at := "AWSLogs/111122223333/CloudTrail/eu-central-1/2026/01/01/" + filepath.Base(name)
			b.files[at], b.answers[at] = name, wholeAnswer(data)
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
		b.answers[at] = wholeAnswer(packed.Bytes(), "x-amz-meta-signature: "+sealed+"\r\n", "x-amz-meta-signature-algorithm: SHA256withRSA\r\n")
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

func hashOf(data []byte) (string, int64, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return "", 0, err
	}
	hash := sha256.New()
	n, err := io.Copy(hash, z)
	return hex.EncodeToString(hash.Sum(nil)), n, err
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
