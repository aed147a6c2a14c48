package archive

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"compress/gzip"
)

// digestLimit is the most bytes that a digest file may unpack to: it lists an hour of log files.
const digestLimit = 256 << 20

// digest is a digest file, with what is wrong with it.
type digest struct {
	bucket   string
	key      string
	text     []byte    // unpacked
	sums     [2]string // SHA-256 of the text, and of the file as it is
	metadata map[string]string
	why      string // what is wrong with it; "" when nothing is known to be
	missing  bool
	unread   bool // reading it failed

	AwsAccountID               string
	DigestStartTime            time.Time
	DigestEndTime              json.RawMessage
	DigestS3Bucket             *string
	DigestS3Object             *string
	DigestPublicKeyFingerprint *string
	DigestSignatureAlgorithm   string
	PreviousDigestS3Bucket     *string
	PreviousDigestS3Object     *string
	PreviousDigestHashValue    *string
	PreviousDigestSignature    *string
	LogFiles                   []logEntry

	end time.Time
}

// logEntry is a log file that a digest file lists.
type logEntry struct {
	S3Bucket, S3Object, HashValue, HashAlgorithm string
}

// The texts of what is wrong follow `aws cloudtrail validate-logs`, where it says the same.
const (
	whyFormat    = "invalid format"
	whySignature = "signature verification failed"
	whyMoved     = "has been moved from its original location"
	whyNotFound  = "not found"
)

// readDigest reads a digest file. Of a copy the name of the bucket may be unknown, "". Its error is the
// context's.
func readDigest(ctx context.Context, from Store, bucket, key string) (*digest, error) {
	d := &digest{bucket: bucket, key: key}
	c, err := from.Read(ctx, bucket, key)
	if errors.Is(err, fs.ErrNotExist) {
		d.missing, d.why = true, whyNotFound
		return d, nil
	}
	var packed []byte
	if err == nil {
		packed, err = io.ReadAll(io.LimitReader(c, digestLimit))
		err = errors.Join(err, c.Close())
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		d.unread, d.why = true, err.Error()
		return d, nil
	}
	d.metadata = c.Metadata
	d.text, err = gunzip(packed)
	if err != nil || json.Unmarshal(d.text, d) != nil {
		d.why = whyFormat
		return d, nil
	}
	for i, b := range [][]byte{d.text, packed} {
		sum := sha256.Sum256(b)
		d.sums[i] = hex.EncodeToString(sum[:])
	}
	if err := json.Unmarshal(d.DigestEndTime, &d.end); err != nil || d.DigestStartTime.IsZero() || d.DigestS3Bucket == nil || d.DigestS3Object == nil ||
		d.DigestPublicKeyFingerprint == nil || !bytes.Contains(d.text, []byte(`"previousDigestSignature"`)) {
		d.why = whyFormat
		return d, nil
	}
	if *d.DigestS3Object != key || bucket != "" && *d.DigestS3Bucket != bucket {
		d.why = whyMoved
	}
	return d, nil
}

// gunzip unpacks one member, and refuses anything behind it.
func gunzip(packed []byte) ([]byte, error) {
	from := bytes.NewReader(packed)
	z, err := gzip.NewReader(from)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	text, err := io.ReadAll(io.LimitReader(z, digestLimit))
	if err == nil && from.Len() > 0 {
		err = errors.New("something follows the gzip member")
	}
	return text, err
}

// check verifies the signature. One that stands in the metadata counts; in a copy without metadata it is the
// one that the next digest file names, which is signed itself: known is that, "" when there is none.
func (d *digest) check(keys map[string][]byte, known string) {
	if d.why != "" {
		return
	}
	signature := d.metadata["signature"]
	if signature == "" {
		signature = known
	}
	der, ok := keys[*d.DigestPublicKeyFingerprint]
	if !ok {
		d.why = "public key not found for fingerprint " + quoted(*d.DigestPublicKeyFingerprint)
		return
	}
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		d.why = "unable to load PKCS #1 key with fingerprint " + quoted(*d.DigestPublicKeyFingerprint)
		return
	}
	previous := "null"
	if d.PreviousDigestSignature != nil {
		previous = *d.PreviousDigestSignature
	}
	var end string
	_ = json.Unmarshal(d.DigestEndTime, &end) // it was read as a time before
	signed := sha256.Sum256([]byte(end + "\n" + *d.DigestS3Bucket + "/" + *d.DigestS3Object + "\n" + d.sums[0] + "\n" + previous))
	raw, err := hex.DecodeString(signature)
	if err != nil || signature == "" || rsa.VerifyPKCS1v15(key, crypto.SHA256, signed[:], raw) != nil {
		d.why = whySignature
		if signature == "" {
			d.why += ": there is no signature (it is metadata of the object in S3)"
		}
	}
}

// quoted shows a text of a digest file.
func quoted(s string) string { return fmt.Sprintf("%.80q", s) }
