package archive

import (
	"bytes"
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const bucketName = "trail-bucket"

// stored is an object.
type stored struct {
	data     []byte
	metadata map[string]string
}

// memoryStore is a Store by keys; those of buckets other than bucketName begin with "//bucket/".
type memoryStore map[string]stored

// in is how the keys of a bucket begin.
func in(bucket string) string {
	if bucket == "" || bucket == bucketName {
		return ""
	}
	return "//" + bucket + "/"
}

func (m memoryStore) List(_ context.Context, bucket, prefix string, yield func(Object) error) error {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if strings.HasPrefix(key, in(bucket)+prefix) {
			if err := yield(Object{strings.TrimPrefix(key, in(bucket)), int64(len(m[key].data))}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m memoryStore) Read(_ context.Context, bucket, key string) (Content, error) {
	o, ok := m[in(bucket)+key]
	if !ok {
		return Content{}, fs.ErrNotExist
	}
	return Content{ReadCloser: io.NopCloser(bytes.NewReader(o.data)), Size: int64(len(o.data)), Metadata: o.metadata}, nil
}

// signer makes chains of digest files as CloudTrail does.
type signer struct {
	key         *rsa.PrivateKey
	fingerprint string
}

var newSigner = sync.OnceValue(func() signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	sum := md5.Sum(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	return signer{key, hex.EncodeToString(sum[:])}
})

func (s signer) PublicKeys(context.Context, time.Time, time.Time) (map[string][]byte, error) {
	return map[string][]byte{s.fingerprint: x509.MarshalPKCS1PublicKey(&s.key.PublicKey)}, nil
}

// file is one digest file's JSON. Its fields are as AWS documents them.
type digestText struct {
	AwsAccountID                string    `json:"awsAccountId"`
	DigestStartTime             string    `json:"digestStartTime"`
	DigestEndTime               string    `json:"digestEndTime"`
	DigestS3Bucket              string    `json:"digestS3Bucket"`
	DigestS3Object              string    `json:"digestS3Object"`
	DigestPublicKeyFingerprint  string    `json:"digestPublicKeyFingerprint"`
	DigestSignatureAlgorithm    string    `json:"digestSignatureAlgorithm"`
	PreviousDigestS3Bucket      *string   `json:"previousDigestS3Bucket"`
	PreviousDigestS3Object      *string   `json:"previousDigestS3Object"`
	PreviousDigestHashValue     *string   `json:"previousDigestHashValue"`
	PreviousDigestHashAlgorithm *string   `json:"previousDigestHashAlgorithm"`
	PreviousDigestSignature     *string   `json:"previousDigestSignature"`
	LogFiles                    []logLine `json:"logFiles"`
}

type logLine struct {
	S3Bucket      string `json:"s3Bucket"`
	S3Object      string `json:"s3Object"`
	HashValue     string `json:"hashValue"`
	HashAlgorithm string `json:"hashAlgorithm"`
}

// sealed is a digest file that was written.
type sealed struct {
	bucket, key, hash, signature string
}

// seal writes the digest file that ends at end and lists logs; before is the one before, nil at a beginning.
func (s signer) seal(to memoryStore, end time.Time, suffix string, logs []string, before *sealed) *sealed {
	return s.sealIn(bucketName, to, end.Add(-time.Hour), end, suffix, logs, before)
}

// sealIn chooses the bucket, and the beginning of the time that is covered.
func (s signer) sealIn(bucket string, to memoryStore, start, end time.Time, suffix string, logs []string, before *sealed) *sealed {
	name := digestName("main", end)
	key := fmt.Sprintf("AWSLogs/%s/CloudTrail-Digest/eu-central-1/%s/%s", account, end.Format("2006/01/02"), strings.Replace(name, ".json.gz", suffix+".json.gz", 1))
	algorithm := "SHA-256"
	d := digestText{
		AwsAccountID: account, DigestStartTime: start.Format(time.RFC3339), DigestEndTime: end.Format(time.RFC3339),
		DigestS3Bucket: bucket, DigestS3Object: key, DigestPublicKeyFingerprint: s.fingerprint, DigestSignatureAlgorithm: "SHA256withRSA",
		LogFiles: []logLine{},
	}
	previous := "null"
	if before != nil {
		d.PreviousDigestS3Bucket, d.PreviousDigestS3Object, d.PreviousDigestHashValue = &before.bucket, &before.key, &before.hash
		d.PreviousDigestHashAlgorithm, d.PreviousDigestSignature = &algorithm, &before.signature
		previous = before.signature
	}
	for _, l := range logs {
		text, err := gunzip(to[in(bucket)+l].data)
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(text)
		d.LogFiles = append(d.LogFiles, logLine{bucket, l, hex.EncodeToString(sum[:]), "SHA-256"})
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(text)
	hash := hex.EncodeToString(sum[:])
	signed := sha256.Sum256([]byte(d.DigestEndTime + "\n" + bucket + "/" + key + "\n" + hash + "\n" + previous))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, signed[:])
	if err != nil {
		panic(err)
	}
	metadata := map[string]string{"signature": hex.EncodeToString(signature), "signature-algorithm": "SHA256withRSA"}
	if suffix != "" {
		metadata["backfill-generation-timestamp"] = end.Format(time.RFC3339)
	}
	to[in(bucket)+key] = stored{zip(string(text)), metadata}
	return &sealed{bucket, key, hash, metadata["signature"]}
}

// chained is a bucket with a chain of digest files of six hours, two log files in each; between the third and
// the fourth it may have been off for some hours.
func chained(off int) (memoryStore, []*sealed) {
	s, store := newSigner(), memoryStore{}
	var chain []*sealed
	var before *sealed
	for hour := 1; hour <= 6; hour++ {
		end := noon.Add(time.Duration(hour) * time.Hour)
		if off > 0 && hour > 3 {
			end = end.Add(time.Duration(off) * time.Hour)
			if hour == 4 {
				before = nil
			}
		}
		var logs []string
		for i := range 2 {
			at := end.Add(-time.Duration(50-20*i) * time.Minute)
			key := logName("eu-central-1", at)
			store[key] = stored{zip(logText(call(fmt.Sprint(hour, i), "s3.amazonaws.com:GetObject", at))), nil}
			logs = append(logs, key)
		}
		before = s.seal(store, end, "", logs, before)
		chain = append(chain, before)
	}
	return store, chain
}
