package archive

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Store is where objects are: S3, or a folder.
type Store interface {
	// List gives the objects whose keys begin with prefix, in the order of their keys. It ends with
	// yield's error when there is one.
	List(ctx context.Context, bucket, prefix string, yield func(Object) error) error
	// Read opens an object. Its error is fs.ErrNotExist when there is none.
	Read(ctx context.Context, bucket, key string) (Content, error)
}

// Object is one object of a listing.
type Object struct {
	Key  string
	Size int64
}

// Content is an object that is read.
type Content struct {
	io.ReadCloser
	Size     int64             // negative when unknown
	Metadata map[string]string // S3's user metadata; the names in lower case
}

// Keys is where CloudTrail's public keys are: by their fingerprints, PKCS #1 in DER. Those that were valid
// at some time of the range are given.
type Keys interface {
	PublicKeys(ctx context.Context, from, to time.Time) (map[string][]byte, error)
}

// KeyFile is what `aws cloudtrail list-public-keys` prints.
type KeyFile []byte

// PublicKeys gives all keys of the file.
func (f KeyFile) PublicKeys(context.Context, time.Time, time.Time) (map[string][]byte, error) {
	var list struct {
		PublicKeyList []struct {
			Value       []byte
			Fingerprint string
		}
	}
	if err := json.Unmarshal(f, &list); err != nil {
		return nil, fmt.Errorf("read public keys: %w", err)
	}
	keys := map[string][]byte{}
	for _, k := range list.PublicKeyList {
		keys[k.Fingerprint] = k.Value
	}
	if len(keys) == 0 {
		return nil, errors.New("read public keys: PublicKeyList is empty")
	}
	return keys, nil
}

// Folder is a local copy of buckets as `aws s3 sync` makes it: Root holds what the bucket holds. The
// metadata of an object, which no such copy has, is read from KEY.metadata.json where there is one: an
// object of strings.
type Folder struct{ Root string }

// List implements Store.
func (f Folder) List(ctx context.Context, _, prefix string, yield func(Object) error) error {
	var keys []Object
	begin := filepath.Join(f.Root, filepath.FromSlash(prefix))
	if !strings.HasSuffix(prefix, "/") {
		begin = filepath.Dir(begin)
	}
	err := filepath.WalkDir(begin, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir() || strings.HasSuffix(path, ".metadata.json"):
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(f.Root, path)
		if key := filepath.ToSlash(name); err == nil && strings.HasPrefix(key, prefix) {
			keys = append(keys, Object{key, info.Size()})
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", prefix, err)
	}
	slices.SortFunc(keys, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
	for _, o := range keys {
		if err := yield(o); err != nil {
			return err
		}
	}
	return nil
}

// Read implements Store. A key cannot lead out of Root.
func (f Folder) Read(_ context.Context, _, key string) (Content, error) {
	if !filepath.IsLocal(filepath.FromSlash(key)) {
		return Content{}, fmt.Errorf("read %q: the key leads out of the folder", key)
	}
	path := filepath.Join(f.Root, filepath.FromSlash(key))
	file, err := os.Open(path)
	if err != nil {
		return Content{}, err
	}
	c := Content{ReadCloser: file, Size: -1}
	if info, err := file.Stat(); err == nil {
		c.Size = info.Size()
	}
	if text, err := os.ReadFile(path + ".metadata.json"); err == nil {
		if err := json.Unmarshal(text, &c.Metadata); err != nil {
			return Content{}, errors.Join(fmt.Errorf("read %s.metadata.json: %w", key, err), file.Close())
		}
	}
	return c, nil
}

// Bucket is a Source: the log files under a prefix of a Store.
type Bucket struct {
	Store  Store
	Name   string
	Prefix string
	Ahead  *Ahead // for large objects; nil: each is read by one request
}

// Files implements Source. Tar archives are opened: of them too the files are given.
func (b Bucket) Files(ctx context.Context, yield func(File) error, lost func(string, error)) error {
	return b.list(ctx, func(o Object) error {
		if !tarName.MatchString(o.Key) {
			return yield(b.file(o))
		}
		return b.tar(ctx, o, yield, lost)
	})
}

// Bytes implements Sized.
func (b Bucket) Bytes(ctx context.Context) (n int64, err error) {
	err = b.list(ctx, func(o Object) error { n += o.Size; return nil })
	return n, err
}

func (b Bucket) list(ctx context.Context, yield func(Object) error) error {
	return b.Store.List(ctx, b.Name, b.Prefix, func(o Object) error {
		if !MayHoldLogs(o.Key) {
			return nil
		}
		return yield(o)
	})
}

// tar gives the files of a tar archive.
func (b Bucket) tar(ctx context.Context, o Object, yield func(File) error, lost func(string, error)) (err error) {
	c, err := b.file(o).Open(ctx)
	if err != nil {
		if ctx.Err() == nil {
			lost(b.NameOf(o), err)
			return nil
		}
		return context.Cause(ctx)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return entries(bufio.NewReaderSize(c, 1<<20), b.NameOf(o), yield, lost)
}

// MayHoldLogs says whether an object of this key is read when a prefix is: by its extension it can hold logs.
func MayHoldLogs(key string) bool {
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(key)))
}

// NameOf is the Name of an object's File.
func (b Bucket) NameOf(o Object) string { return "s3://" + b.Name + "/" + o.Key }

// fewestPieces is from how many pieces on an object is read in pieces: it pays from there (docs/benchmarks.md).
const fewestPieces = 4

// file is an object as a File.
func (b Bucket) file(o Object) File {
	return File{Name: b.NameOf(o), Size: o.Size, Open: func(ctx context.Context) (io.ReadCloser, error) {
		if ranges, ok := b.Store.(Ranges); ok && b.Ahead != nil && o.Size >= fewestPieces*b.Ahead.piece {
			return openPieces(ctx, ranges, b.Name, o.Key, b.Ahead)
		}
		c, err := b.Store.Read(ctx, b.Name, o.Key)
		return c.ReadCloser, err
	}}
}

// Objects is a Source: objects of one bucket, in the order of the list. Each is one file, a tar archive too.
type Objects struct {
	Bucket
	List []Object
}

// Files implements Source.
func (o Objects) Files(_ context.Context, yield func(File) error, _ func(string, error)) error {
	for _, one := range o.List {
		if err := yield(o.file(one)); err != nil {
			return err
		}
	}
	return nil
}
