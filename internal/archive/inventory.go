package archive

import (
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/trailwarden/trailwarden/internal/logfile"
)

// Inventory is a Source: the log files and digest files of CloudTrail's that an S3 inventory in CSV lists,
// the newest version of each. It lists a bucket of many millions of objects without a request for each
// thousand.
type Inventory struct {
	Store  Store
	Bucket string // where the inventory is
	Key    string // of its manifest.json
	Ahead  *Ahead // for large objects; nil: each is read by one request
}

// manifest is the manifest.json of an S3 inventory.
type manifest struct {
	SourceBucket string `json:"sourceBucket"`
	FileFormat   string `json:"fileFormat"`
	FileSchema   string `json:"fileSchema"`
	Files        []struct {
		Key string `json:"key"`
		MD5 string `json:"MD5checksum"`
	} `json:"files"`

	columns map[string]int
}

const manifestLimit = 32 << 20

// Files implements Source. A list whose checksum is not that of the manifest, or that breaks off, is told to
// lost once what it lists was given. A manifest that is not as it should be is an error.
func (i Inventory) Files(ctx context.Context, yield func(File) error, lost func(string, error)) error {
	m, err := i.manifest(ctx, lost)
	if err != nil {
		return fmt.Errorf("read inventory s3://%s/%s: %w", i.Bucket, i.Key, err)
	}
	for _, f := range m.Files {
		stopped := false
		err := i.list(ctx, m, f.Key, f.MD5, func(o Object) error {
			err := yield(Bucket{Store: i.Store, Name: m.SourceBucket, Ahead: i.Ahead}.file(o))
			stopped = err != nil
			return err
		})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case stopped:
			return err
		case err != nil:
			lost("s3://"+i.Bucket+"/"+f.Key, fmt.Errorf("read inventory: %w", err))
		}
	}
	return nil
}

// manifest reads the manifest and compares it with its checksum.
func (i Inventory) manifest(ctx context.Context, lost func(string, error)) (manifest, error) {
	text, err := i.small(ctx, i.Key)
	if err != nil {
		return manifest{}, err
	}
	beside := path.Join(path.Dir(i.Key), "manifest.checksum")
	switch sum, err := i.small(ctx, beside); {
	case errors.Is(err, fs.ErrNotExist):
		lost("s3://"+i.Bucket+"/"+beside, errors.New("read inventory: the manifest's checksum is not there, so nobody knows whether the manifest is whole"))
	case err != nil:
		return manifest{}, err
	default:
		if have := md5.Sum(text); !strings.EqualFold(strings.TrimSpace(string(sum)), hex.EncodeToString(have[:])) {
			return manifest{}, errors.New("manifest.json is not the one that manifest.checksum is of")
		}
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return manifest{}, fmt.Errorf("decode: %w", err)
	}
	if !strings.EqualFold(m.FileFormat, "CSV") {
		return manifest{}, fmt.Errorf("its format is %q, and only CSV is read: configure an inventory with the output format CSV, or scan the prefix", m.FileFormat)
	}
	m.columns = map[string]int{}
	for n, name := range strings.Split(m.FileSchema, ",") {
		m.columns[strings.TrimSpace(name)] = n
	}
	for _, name := range []string{"Bucket", "Key"} {
		if _, ok := m.columns[name]; !ok || m.SourceBucket == "" {
			return manifest{}, fmt.Errorf("it names no %s: this is no manifest of an S3 inventory", name)
		}
	}
	return m, nil
}

// small reads an object of bounded size.
func (i Inventory) small(ctx context.Context, key string) (text []byte, err error) {
	c, err := i.Store.Read(ctx, i.Bucket, key)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	text, err = io.ReadAll(io.LimitReader(c, manifestLimit+1))
	if len(text) > manifestLimit {
		err = fmt.Errorf("%s is over %d bytes", key, manifestLimit)
	}
	return text, err
}

// list reads one of the inventory's lists.
func (i Inventory) list(ctx context.Context, m manifest, key, sum string, yield func(Object) error) (err error) {
	c, err := i.Store.Read(ctx, i.Bucket, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	hashed := hashing{c, md5.New()}
	z, err := gzip.NewReader(hashed)
	if err != nil {
		return err
	}
	rows := csv.NewReader(z)
	rows.FieldsPerRecord = len(strings.Split(m.FileSchema, ","))
	rows.ReuseRecord = true
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		o, ok, err := m.object(row)
		if err != nil {
			return err
		}
		if ok {
			if err := yield(o); err != nil {
				return err
			}
		}
	}
	if _, err := io.Copy(io.Discard, hashed); err != nil {
		return err
	}
	if have := hex.EncodeToString(hashed.sum.Sum(nil)); !strings.EqualFold(have, sum) {
		return fmt.Errorf("its MD5 is %s, the manifest says %s: it was altered, or is of another day", have, sum)
	}
	return nil
}

// object is what a row lists; it is false for what is no log file, and for versions that are not the newest.
func (m manifest) object(row []string) (Object, bool, error) {
	column := func(name string) string {
		if n, ok := m.columns[name]; ok {
			return row[n]
		}
		return ""
	}
	if column("Bucket") != m.SourceBucket {
		return Object{}, false, fmt.Errorf("a row is about bucket %q, the manifest about %q", column("Bucket"), m.SourceBucket)
	}
	key, err := url.QueryUnescape(column("Key"))
	if err != nil {
		return Object{}, false, fmt.Errorf("a key is not encoded as a URL: %w", err)
	}
	o := Object{Key: key, Size: -1}
	if n, err := strconv.ParseInt(column("Size"), 10, 64); err == nil {
		o.Size = n
	}
	_, named := logfile.ParseName(key)
	return o, named && column("IsLatest") != "false" && column("IsDeleteMarker") != "true", nil
}

// hashing hashes what is read through it.
type hashing struct {
	from io.Reader
	sum  hash.Hash
}

func (h hashing) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	h.sum.Write(p[:n])
	return n, err
}
