package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/logfile"
)

// batch is a list of objects, as ItemBatcher of a Distributed Map writes it.
type batch struct {
	BatchInput struct {
		Job   string `json:"job"`
		Since string `json:"since"` // 2026-01-02T15:04:05Z: files that are older by their names are left out
	}
	Items []item
}

// item is one object, as ItemReader reads it from ListObjectsV2 or from a row of an S3 inventory.
type item struct {
	Key  string
	Size text

	// Of an inventory only.
	Bucket         string
	IsLatest       text
	IsDeleteMarker text
}

// text is a JSON string, number or boolean: a row of an inventory is strings, an object of a listing is not.
type text string

// UnmarshalJSON takes any scalar.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = string(b)
	}
	*t = text(s)
	return nil
}

// scanned is the answer to a batch. The state machine asks again while something is left and the last
// attempt read something.
type scanned struct {
	Part     string `json:"part"`     // key of the result
	Files    int64  `json:"files"`    // of the whole batch so far
	Records  int64  `json:"records"`  // in them
	Findings int    `json:"findings"` // in them
	Damaged  int    `json:"damaged"`  // files that could not be read as a whole
	Read     int    `json:"read"`     // files that this attempt read
	Left     int    `json:"left"`     // files that nobody came to yet
}

const noTime = "the worker's time was over before its turn came"

// scan reads the objects of a batch and writes what they told to a place that depends on the batch only: an attempt
// goes on where the last one ended, and replaces its result.
func (s *scanner) scan(ctx context.Context, b batch) (scanned, error) {
	key, err := b.part()
	if err != nil {
		return scanned{}, err
	}
	var since time.Time
	if b.BatchInput.Since != "" {
		if since, err = parseTime(b.BatchInput.Since); err != nil {
			return scanned{}, err
		}
	}
	from := archive.Objects{Bucket: archive.Bucket{Store: lenient{s.store}, Name: s.logs, Ahead: s.ahead}}
	if from.List, err = b.objects(s.logs); err != nil {
		return scanned{}, err
	}
	before, err := s.part(ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist): // the first attempt
	case err != nil:
		s.log.Warn("an earlier result is not used", "part", key, "error", err.Error())
	default:
		from.List = slices.DeleteFunc(from.List, func(o archive.Object) bool {
			return !slices.ContainsFunc(before.Left, func(l archive.Left) bool { return l.File == from.NameOf(o) })
		})
	}
	read := map[string]bool{}
	limited, cancel := beforeDeadline(ctx)
	defer cancel()
	known, err := archive.Scan{Workers: s.workers, Since: since, Read: func(f archive.File) { read[f.Name] = true }}.Run(limited, from)
	if err != nil && limited.Err() == nil {
		return scanned{}, fmt.Errorf("scan: %w", err)
	}
	var left []archive.Left
	for _, o := range from.List {
		if name := from.NameOf(o); !read[name] {
			left = append(left, archive.Left{File: name, Why: noTime})
		}
	}
	known = before.Known.Merge(known)
	document, err := json.Marshal(archive.NewPart(known, left))
	if err != nil {
		return scanned{}, fmt.Errorf("encode result: %w", err)
	}
	if err := s.store.Write(ctx, s.results, key, "application/json", document); err != nil {
		return scanned{}, err
	}
	answer := scanned{Part: key, Files: known.Files, Records: known.Records, Findings: len(known.Findings), Damaged: len(known.Damaged),
		Read: len(read), Left: len(left)}
	s.log.Info("scanned", "job", b.BatchInput.Job, "answer", answer)
	return answer, nil
}

// part is where the result of the batch is: it depends on the job and the objects, not on their order.
func (b batch) part() (string, error) {
	where, err := place(b.BatchInput.Job)
	if err != nil {
		return "", err
	}
	var keys []string
	for _, i := range b.Items {
		keys = append(keys, i.Key)
	}
	slices.Sort(keys)
	list, err := json.Marshal(keys)
	if err != nil {
		return "", fmt.Errorf("name result: %w", err)
	}
	sum := sha256.Sum256(list)
	return where + "parts/" + hex.EncodeToString(sum[:16]) + ".json", nil
}

// objects is the log files among the items, each once: those that a scan of the prefix, or of the inventory, would read.
func (b batch) objects(bucket string) ([]archive.Object, error) {
	var all []archive.Object
	seen := map[string]bool{}
	for _, i := range b.Items {
		listed := i.Bucket == "" && i.IsLatest == ""
		_, named := logfile.ParseName(i.Key)
		switch {
		case i.Bucket != "" && i.Bucket != bucket:
			return nil, fmt.Errorf("object s3://%s/%s is not of bucket %s", i.Bucket, i.Key, bucket)
		case seen[i.Key], i.IsLatest == "false", i.IsDeleteMarker == "true", listed && !archive.MayHoldLogs(i.Key), !listed && !named:
			continue
		}
		seen[i.Key] = true
		o := archive.Object{Key: i.Key, Size: -1}
		if n, err := strconv.ParseInt(string(i.Size), 10, 64); err == nil {
			o.Size = n
		}
		all = append(all, o)
	}
	return all, nil
}

// part reads the result of an earlier attempt.
func (s *scanner) part(ctx context.Context, key string) (archive.Part, error) {
	text, err := s.read(ctx, key)
	if err != nil {
		return archive.Part{}, err
	}
	return archive.DecodePart(text)
}

func (s *scanner) read(ctx context.Context, key string) (text []byte, err error) {
	c, err := s.store.Read(ctx, s.results, key)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	var b bytes.Buffer
	_, err = io.Copy(&b, c)
	return b.Bytes(), err
}

// beforeDeadline leaves time to write down what is known.
func beforeDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(30*time.Second, time.Until(end)/5)))
}

func parseTime(s string) (time.Time, error) {
	for _, form := range []string{time.RFC3339, "2006-01-02"} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("since is %q: write 2026-01-02 or 2026-01-02T15:04:05Z", s)
}

// lenient also finds objects whose keys are still encoded as URLs, as the rows of an inventory have them.
type lenient struct{ store }

// Read implements archive.Store.
func (l lenient) Read(ctx context.Context, bucket, key string) (archive.Content, error) {
	c, err := l.store.Read(ctx, bucket, key)
	if plain, ok := unescaped(key, err); ok {
		return l.store.Read(ctx, bucket, plain)
	}
	return c, err
}

// ReadRange implements archive.Ranges.
func (l lenient) ReadRange(ctx context.Context, bucket, key, etag string, from, to int64) (archive.Range, error) {
	r, err := l.store.ReadRange(ctx, bucket, key, etag, from, to)
	if plain, ok := unescaped(key, err); ok {
		return l.store.ReadRange(ctx, bucket, plain, etag, from, to)
	}
	return r, err
}

func unescaped(key string, err error) (string, bool) {
	if err == nil || !strings.ContainsAny(key, "%+") { // who may not list is told of no missing key
		return "", false
	}
	plain, wrong := url.QueryUnescape(key)
	return plain, wrong == nil
}
