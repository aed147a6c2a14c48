package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/logfile"
)

// Checked is what is known of the log files of each digest file, by what stands in the digest file and what
// is wrong with it: of one that was altered since nothing is known.
type Checked map[string]Listed

// Listed is what became of the log files that one digest file lists.
type Listed struct {
	Valid  int     `json:"valid"`
	Others []Check `json:"others,omitempty"` // all that is not valid
}

func (l *Listed) add(c Check) {
	switch c.State {
	case "": // it was not looked at
	case Valid:
		l.Valid++
	default:
		l.Others = append(l.Others, c)
	}
}

// id is what a digest file is known by in Checked.
func (d *digest) id() string {
	sum := sha256.Sum256([]byte(d.sums[0] + "\n" + d.bucket + "\n" + d.key + "\n" + d.why))
	return hex.EncodeToString(sum[:16])
}

// checker looks at the log files of digest files.
type checker struct {
	Verify
	digests []*digest
	by      hashers

	mu     sync.Mutex
	listed []Listed  // of each digest file
	checks [][]Check // of each that is not done, of each of its log files; the zero Check: not looked at
	left   []int     // log files of each that were not looked at
	done   Checked
	saved  time.Time
}

// check looks at the log files of digest files, but for those that an earlier run looked at. When ctx ends
// it returns what is known by then, with the context's error.
func (v Verify) check(ctx context.Context, digests []*digest) ([]Listed, error) {
	c := &checker{Verify: v, digests: digests, by: newHashers(), listed: make([]Listed, len(digests)),
		checks: make([][]Check, len(digests)), left: make([]int, len(digests)), done: Checked{}}
	if v.Now != nil {
		c.saved = v.Now()
	}
	type job struct{ digest, file int }
	var jobs []job
	for i, d := range digests {
		id := d.id()
		if known, ok := v.Before[id]; ok {
			c.listed[i], c.done[id] = known, known
			continue
		}
		c.checks[i], c.left[i] = make([]Check, len(d.LogFiles)), len(d.LogFiles)
		for n := range d.LogFiles {
			jobs = append(jobs, job{i, n})
		}
	}
	if v.Meter != nil {
		v.Meter.All.Add(int64(len(jobs)))
	}
	err := parallel(ctx, v.Workers, len(jobs), func(ctx context.Context, i int) error {
		j := jobs[i]
		check, err := c.log(ctx, digests[j.digest], digests[j.digest].LogFiles[j.file])
		if err != nil {
			return err
		}
		return c.commit(j.digest, j.file, check)
	})
	for i, checks := range c.checks {
		for _, check := range checks {
			c.listed[i].add(check)
		}
	}
	if v.Save != nil {
		err = errors.Join(err, v.Save(c.done))
	}
	return c.listed, err
}

// commit keeps what was found of a log file. A digest file is done with when all its log files were read:
// of those that could not be, another run may find out more.
func (c *checker) commit(digest, file int, check Check) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checks[digest][file] = check
	if c.Meter != nil {
		c.Meter.Files.Add(1)
	}
	if c.left[digest]--; c.left[digest] > 0 {
		return nil
	}
	var all Listed
	for _, check := range c.checks[digest] {
		all.add(check)
	}
	c.listed[digest], c.checks[digest] = all, nil
	if !slices.ContainsFunc(all.Others, func(c Check) bool { return c.State == Unread }) {
		c.done[c.digests[digest].id()] = all
	}
	if c.Save == nil || c.Now == nil || c.Now().Sub(c.saved) < c.Every {
		return nil
	}
	c.saved = c.Now()
	return c.Save(c.done)
}

// log looks at one log file. Its error is the context's.
func (c *checker) log(ctx context.Context, d *digest, file logEntry) (Check, error) {
	found := Check{Kind: LogFile, Key: file.S3Object, State: Valid, Hour: d.DigestStartTime}
	if d.why != "" && c.Bucket != "" && file.S3Bucket != d.bucket {
		// A file that anybody may have written does not decide what is read elsewhere.
		found.State, found.Why = Unproven, "listed by a digest file that is invalid itself, in another bucket: it was not read"
		return found, nil
	}
	content, err := c.Store.Read(ctx, file.S3Bucket, file.S3Object)
	if errors.Is(err, fs.ErrNotExist) {
		found.State, found.Why = Missing, whyNotFound
		return found, nil
	}
	if err != nil && ctx.Err() == nil {
		found.State, found.Why = Unread, err.Error()
		return found, nil
	}
	if err != nil {
		return Check{}, err
	}
	h, err := c.by.hash(ctx, content)
	if closeErr := content.Close(); err == nil {
		err = closeErr
	}
	switch {
	case ctx.Err() != nil:
		return Check{}, ctx.Err()
	case err != nil:
		found.State, found.Why = Unread, err.Error()
	case h.Fault != nil && h.Fault.Kind == logfile.Unreadable:
		found.State, found.Why = Unread, h.Fault.Text
	case h.Fault != nil && h.Fault.Kind != logfile.Truncated:
		found.State, found.Why = Invalid, whyFormat
	case !strings.EqualFold(hex.EncodeToString(h.Sum[:]), file.HashValue):
		found.State, found.Why = Invalid, "hash value doesn't match"
	case h.Fault != nil:
		found.State, found.Why = Invalid, "the end of the file is cut off"
	case h.Appended:
		found.State, found.Why = Invalid, "something was appended: the part that was hashed is as it was"
	case d.why != "":
		found.State, found.Why = Unproven, "listed by a digest file that is invalid itself: "+d.why
	}
	if c.Meter != nil {
		c.Meter.Unpacked.Add(h.Unpacked)
		c.Meter.Packed.Add(max(0, content.Size))
	}
	return found, nil
}

// hashers hash log files, one for each processor: many more files may wait for the network at a time, and
// each Reader has large buffers.
type hashers struct {
	readers chan *logfile.Reader
	buffers *sync.Pool // of *[]byte: small files that are read and wait for a Reader
}

func newHashers() hashers {
	h := hashers{make(chan *logfile.Reader, runtime.GOMAXPROCS(0)), &sync.Pool{New: func() any { return new([]byte) }}}
	for range cap(h.readers) {
		h.readers <- new(logfile.Reader)
	}
	return h
}

// hash reads a file, and then hashes it. A long one is hashed as it comes.
func (h hashers) hash(ctx context.Context, c Content) (logfile.Hashed, error) {
	var from io.Reader = c
	if c.Size >= 0 && c.Size <= small {
		buffer := h.buffers.Get().(*[]byte)
		defer h.buffers.Put(buffer)
		*buffer = slices.Grow((*buffer)[:0], int(c.Size))[:c.Size]
		n, err := io.ReadFull(c, *buffer)
		data := (*buffer)[:n]
		if from = bytes.NewReader(data); err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			from = io.MultiReader(from, failed{err})
		}
	}
	r := <-h.readers
	defer func() { h.readers <- r }()
	return r.Hash(ctx, from, c.Size)
}

// failed is the end of a file that could not be read further.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }
