package archive

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/logfile"
)

// Verify holds the log files of one trail in one Region against CloudTrail's digest files.
type Verify struct {
	Store        Store
	Keys         Keys
	Bucket       string // "" for a local copy of a bucket whose name is not known
	Prefix       string // of the keys, without a slash at its end; often empty
	Organization string // "o-…" for a trail of an organization
	Account      string // whose files: for a trail of an organization any member's
	Trail        string // its name
	HomeRegion   string
	Region       string    // whose files
	From, To     time.Time // zero: all that is there
	Workers      int
	Meter        *Meter
}

// Kinds of file and their states.
const (
	DigestFile   = "digest"
	BackfillFile = "backfill_digest" // for log files that were delivered late
	LogFile      = "log"

	Valid    = "valid"
	Invalid  = "invalid"  // altered, damaged, moved, or not signed by CloudTrail
	Missing  = "missing"  // a signed file says that it was there
	Unproven = "unproven" // as its digest file says, which is invalid itself
	Unlisted = "unlisted" // it is there, and no digest file lists it
	Unread   = "unread"   // reading it failed: nothing is known of it
)

// Check is the state of one file.
type Check struct {
	Kind  string    `json:"kind"`
	Key   string    `json:"key"` // empty for a digest file of which only the hour is known
	State string    `json:"state"`
	Why   string    `json:"why,omitempty"`
	Hour  time.Time `json:"hour"` // beginning of the time that its digest file covers
}

// Hour counts the files of one digest file.
type Hour struct {
	From   time.Time      `json:"from"`
	To     time.Time      `json:"to"`
	Digest string         `json:"digest"` // its state
	Logs   map[string]int `json:"logs"`   // files by state
}

// Verdict is what became of it.
type Verdict struct {
	Trail   incident.TrailRef         `json:"trail"`
	Region  string                    `json:"region"`
	From    time.Time                 `json:"from"` // what the digest files that were found cover
	To      time.Time                 `json:"to"`
	Counts  map[string]map[string]int `json:"counts"` // by kind and state
	Hours   []Hour                    `json:"hours"`
	Checks  []Check                   `json:"checks"` // all that is not valid, by hour
	Windows []Window                  `json:"blind_windows"`
}

// Sound says whether all files are valid.
func (v Verdict) Sound() bool { return len(v.Checks) == 0 }

// Unread is how many files could not be read.
func (v Verdict) Unread() int {
	n := 0
	for _, states := range v.Counts {
		n += states[Unread]
	}
	return n
}

// slack is how long after its hour a digest file can come, and a log file be listed by the next.
const slack = 2 * time.Hour

// Run verifies. When ctx ends it returns what is known by then, with the context's error.
func (v Verify) Run(ctx context.Context) (Verdict, error) {
	out := Verdict{Trail: incident.RefOfName(v.Trail, v.HomeRegion, v.Account), Region: v.Region, Counts: map[string]map[string]int{},
		Hours: []Hour{}, Checks: []Check{}, Windows: []Window{}}
	digests, logs, err := v.load(ctx)
	if err != nil {
		return out, err
	}
	var chain, backfill []*digest
	for _, d := range digests {
		if name, _ := logfile.ParseName(d.key); name.Backfill {
			backfill = append(backfill, d)
		} else {
			chain = append(chain, d)
		}
	}
	if err := v.signatures(ctx, chain, backfill); err != nil {
		return out, err
	}
	chain = link(chain)
	backfill = link(backfill)

	listed := map[string]bool{}
	var jobs []job
	for _, list := range [][]*digest{chain, backfill} {
		for _, d := range list {
			out.digest(d)
			for _, entry := range d.LogFiles {
				listed[entry.S3Object] = true
				jobs = append(jobs, job{entry, d})
			}
		}
	}
	checks := make([]Check, len(jobs))
	h := newHashers()
	err = parallel(ctx, v.Workers, len(jobs), func(ctx context.Context, i int) (err error) {
		checks[i], err = v.log(ctx, h, jobs[i])
		return err
	})
	for i, c := range checks {
		if c.Kind != "" {
			out.log(c, jobs[i].digest)
		}
	}
	out.unlisted(logs, listed)
	out.newest(chain, logs, v.To)
	out.windows(chain, v)
	slices.SortStableFunc(out.Checks, func(a, b Check) int {
		return cmp.Or(a.Hour.Compare(b.Hour), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
	slices.SortFunc(out.Hours, func(a, b Hour) int { return a.From.Compare(b.From) })
	return out, err
}

// load reads all digest files: of the trail's bucket, and of those that it wrote to before.
func (v Verify) load(ctx context.Context) (digests []*digest, logs []string, err error) {
	buckets := []string{v.Bucket}
	for i := 0; i < len(buckets) && i < mostBuckets; i++ {
		in := v
		in.Bucket = buckets[i]
		names, more, err := in.list(ctx)
		if err != nil {
			return nil, nil, err
		}
		if len(names) == 0 && i == 0 {
			return nil, nil, ErrNoDigests
		}
		logs = append(logs, more...)
		read := make([]*digest, len(names))
		err = parallel(ctx, v.Workers, len(names), func(ctx context.Context, n int) (err error) {
			read[n], err = readDigest(ctx, v.Store, in.Bucket, names[n])
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		digests = append(digests, read...)
		for _, d := range read {
			if before := d.PreviousDigestS3Bucket; before != nil && v.Bucket != "" && !slices.Contains(buckets, *before) {
				buckets = append(buckets, *before)
			}
		}
	}
	return digests, logs, nil
}

// ErrNoDigests is returned when there is nothing to verify with.
var ErrNoDigests = errors.New("verify: there is no digest file of this trail in this time")

// mostBuckets is how many buckets a trail's chain is followed through.
const mostBuckets = 8

// job is a log file to look at.
type job struct {
	logEntry
	digest *digest
}

// folder is where the keys of a kind of file begin.
func (v Verify) folder(kind string) string {
	parts := []string{v.Prefix, "AWSLogs", v.Organization, v.Account, kind, v.Region}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "/") + "/"
}

// list finds the digest files of the trail and the log files of the account and Region.
func (v Verify) list(ctx context.Context) (digests []string, logs []string, err error) {
	within := func(name logfile.Name) bool {
		return (v.From.IsZero() || !name.Time.Before(v.From)) && (v.To.IsZero() || !name.Time.After(v.To.Add(time.Hour)))
	}
	err = v.Store.List(ctx, v.Bucket, v.folder("CloudTrail-Digest"), func(o Object) error {
		name, ok := logfile.ParseName(o.Key)
		if ok && name.Digest && name.Trail == v.Trail && name.HomeRegion == v.HomeRegion && name.Region == v.Region && within(name) {
			digests = append(digests, o.Key)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list digest files: %w", err)
	}
	err = v.Store.List(ctx, v.Bucket, v.folder("CloudTrail"), func(o Object) error {
		if name, ok := logfile.ParseName(o.Key); !ok || within(name) {
			logs = append(logs, o.Key)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list log files: %w", err)
	}
	return digests, logs, nil
}

// signatures checks that of each digest file.
func (v Verify) signatures(ctx context.Context, chain, backfill []*digest) error {
	known := map[string]string{} // what the next digest files say of the signatures of the ones before
	var from, to time.Time
	for _, d := range chain {
		// Whoever wrote it down: a signature proves itself.
		if d.PreviousDigestS3Object != nil && d.PreviousDigestSignature != nil {
			known[*d.PreviousDigestS3Object] = *d.PreviousDigestSignature
		}
		if !d.DigestStartTime.IsZero() && !d.end.IsZero() {
			if from.IsZero() || d.DigestStartTime.Before(from) {
				from = d.DigestStartTime
			}
			if d.end.After(to) {
				to = d.end
			}
		}
	}
	if !to.IsZero() {
		keys, err := v.Keys.PublicKeys(ctx, from, to.Add(2*time.Hour))
		if err != nil {
			return err
		}
		for _, d := range chain {
			d.check(keys, known[d.key])
		}
	}
	for _, d := range backfill {
		if d.end.IsZero() {
			continue // it could not be read
		}
		at := d.end
		if text := d.metadata["backfill-generation-timestamp"]; text != "" {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				d.why = whyFormat
				continue
			}
			at = t
		}
		keys, err := v.Keys.PublicKeys(ctx, at.Add(-time.Hour), at.Add(time.Hour))
		if err != nil {
			return err
		}
		d.check(keys, "")
	}
	return nil
}

// log looks at one log file. Its error is the context's.
func (v Verify) log(ctx context.Context, by hashers, j job) (Check, error) {
	c := Check{Kind: LogFile, Key: j.S3Object, State: Valid, Hour: j.digest.DigestStartTime}
	if j.digest.why != "" && v.Bucket != "" && j.S3Bucket != j.digest.bucket {
		// A file that anybody may have written does not decide what is read elsewhere.
		c.State, c.Why = Unproven, "listed by a digest file that is invalid itself, in another bucket: it was not read"
		return c, nil
	}
	content, err := v.Store.Read(ctx, j.S3Bucket, j.S3Object)
	if errors.Is(err, fs.ErrNotExist) {
		c.State, c.Why = Missing, whyNotFound
		return c, nil
	}
	if err != nil && ctx.Err() == nil {
		c.State, c.Why = Unread, err.Error()
		return c, nil
	}
	if err != nil {
		return Check{}, err
	}
	h, err := by.hash(ctx, content)
	if closeErr := content.Close(); err == nil {
		err = closeErr
	}
	switch {
	case ctx.Err() != nil:
		return Check{}, ctx.Err()
	case err != nil:
		c.State, c.Why = Unread, err.Error()
	case h.Fault != nil && h.Fault.Kind == logfile.Unreadable:
		c.State, c.Why = Unread, h.Fault.Text
	case h.Fault != nil && h.Fault.Kind != logfile.Truncated:
		c.State, c.Why = Invalid, whyFormat
	case !strings.EqualFold(hex.EncodeToString(h.Sum[:]), j.HashValue):
		c.State, c.Why = Invalid, "hash value doesn't match"
	case h.Fault != nil:
		c.State, c.Why = Invalid, "the end of the file is cut off"
	case h.Appended:
		c.State, c.Why = Invalid, "something was appended: the part that was hashed is as it was"
	case j.digest.why != "":
		c.State, c.Why = Unproven, "listed by a digest file that is invalid itself: "+j.digest.why
	}
	if v.Meter != nil {
		v.Meter.Files.Add(1)
		v.Meter.Unpacked.Add(h.Unpacked)
		v.Meter.Packed.Add(max(0, content.Size))
	}
	return c, nil
}

// hashers hash log files, one for each processor: many more files may wait for the network at a time, and
// each Reader has large buffers.
type hashers chan *logfile.Reader

func newHashers() hashers {
	h := make(hashers, runtime.GOMAXPROCS(0))
	for range cap(h) {
		h <- new(logfile.Reader)
	}
	return h
}

// hash reads a file, and then hashes it. A long one is hashed as it comes.
func (h hashers) hash(ctx context.Context, c Content) (logfile.Hashed, error) {
	var from io.Reader = c
	if c.Size >= 0 && c.Size <= small {
		data, err := readAll(c, c.Size)
		if from = bytes.NewReader(data); err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			from = io.MultiReader(from, failed{err})
		}
	}
	r := <-h
	defer func() { h <- r }()
	return r.Hash(ctx, from, c.Size)
}

// failed is the end of a file that could not be read further.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// parallel does n things, several at a time. The first error ends it.
func parallel(ctx context.Context, workers, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var all sync.WaitGroup
	for range max(1, min(workers, n)) {
		all.Go(func() {
			for i := range next {
				if ctx.Err() != nil {
					continue
				}
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	return context.Cause(ctx)
}
