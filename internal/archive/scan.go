package archive

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/logfile"
)

// late is how much older than its file a record can be called new, with room for clocks: a file holds
// nothing newer than its name says.
const late = 15 * time.Minute

// Scan reads archives.
type Scan struct {
	Workers int       // files that are read at the same time
	Since   time.Time // files whose names say that all in them is older are left out; zero: none
	Meter   *Meter    // counts along; nil: nobody looks

	// Read is told of each file that the Result knows all of, one at a time. Nil: nobody asks.
	Read func(File)

	// From is where an earlier scan of the same Source ended; the zero Checkpoint is the beginning.
	From Checkpoint
	// Save is called now and then, and at the end, with where a later scan can go on. Nil: nobody asks.
	// Its error ends the scan.
	Save  func(Checkpoint) error
	Every time.Duration // between two calls of Save
	Now   func() time.Time
}

// Meter counts what was done so far. It may be read meanwhile.
type Meter struct {
	Files, Packed, Unpacked, Findings atomic.Int64
	Digests, All                      atomic.Int64 // of a Verify only: digest files that were read; log files that will be
}

// Checkpoint is a place in a Source and what all before it told.
type Checkpoint struct {
	Files int64  `json:"done"` // files before the place
	Last  string `json:"last"` // name of the last of them
	Known Result `json:"known"`
}

// ErrMoved is returned when the files before a Checkpoint are not the ones that it was made of.
var ErrMoved = errors.New("the files are not those of the earlier scan")

// Run reads all files. When ctx ends it returns what is known by then, with the context's error.
func (s Scan) Run(ctx context.Context, from Source) (Result, error) {
	c := &committer{scan: s, next: s.From.Files, last: s.From.Last, waiting: map[int64]Result{}, names: map[int64]string{}}
	c.known.Add(s.From.Known)
	if s.Now != nil {
		c.saved = s.Now()
	}
	err := pool{workers: s.Workers, skip: s.From.Files, last: s.From.Last}.run(ctx, from, func(ctx context.Context, r *logfile.Reader, n int64, f File) error {
		part, err := s.file(ctx, r, f)
		if err != nil {
			return err
		}
		return c.commit(n, f, part)
	}, func(name string, err error) {
		c.lose(Result{Damaged: []Damage{{File: name, Faults: []logfile.Fault{{Kind: logfile.Unreadable, Text: err.Error()}}}}})
	})
	if saveErr := c.save(); err == nil {
		err = saveErr
	}
	return c.all(), err
}

// file reads one file. Its error is the context's.
func (s Scan) file(ctx context.Context, r *logfile.Reader, f File) (Result, error) {
	name, named := logfile.ParseName(f.Name)
	if named && !s.Since.IsZero() && name.Time.Add(late).Before(s.Since) {
		return Result{Earlier: 1}, nil
	}
	part := Result{Files: 1}
	switch {
	case named && name.Digest:
		if !name.Backfill {
			part.Chains = []Chain{{name.Account, name.Region, name.Trail, name.HomeRegion, []int64{name.Time.Unix()}}}
		}
	case named && !name.Insight:
		part.Streams = []Stream{{name.Account, name.Region, []int64{name.Time.Unix() / 60}}}
	}
	sum, err := read(ctx, r, f, watched, func(rec event.Record) {
		if found, ok := findingOf(rec, f.Name); ok {
			part.Findings = append(part.Findings, found)
		}
	})
	if err != nil {
		return Result{}, err
	}
	part.Findings = mergeFindings(nil, part.Findings)
	part.Records, part.Skipped, part.Packed, part.Unpacked = sum.Records, sum.Skipped, sum.Packed, sum.Unpacked
	if sum.Digest {
		part.Digests = 1
	}
	if len(sum.Faults) > 0 {
		part.Damaged = []Damage{{File: f.Name, Faults: sum.Faults, Unlisted: sum.Unlisted}}
	}
	if s.Meter != nil {
		s.Meter.Unpacked.Add(sum.Unpacked)
		s.Meter.Packed.Add(sum.Packed)
		s.Meter.Findings.Add(int64(len(part.Findings)))
		s.Meter.Files.Add(1)
	}
	return part, nil
}

// read opens and reads one file. A file that does not open is damaged, and no error.
func read(ctx context.Context, r *logfile.Reader, f File, filter logfile.Filter, keep func(event.Record)) (sum logfile.Summary, err error) {
	src, err := f.Open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return sum, ctx.Err()
		}
		return logfile.Summary{Faults: []logfile.Fault{{Kind: logfile.Unreadable, Text: err.Error()}}}, nil
	}
	defer func() {
		if closeErr := src.Close(); closeErr != nil && err == nil && len(sum.Faults) == 0 {
			sum.Faults = append(sum.Faults, logfile.Fault{Kind: logfile.Unreadable, Text: closeErr.Error()})
		}
	}()
	return r.Read(ctx, src, f.Size, filter, keep)
}

// committer merges the Results of files in the order of the Source, so that there always is a place before
// which all is known.
type committer struct {
	scan Scan

	mu      sync.Mutex
	known   Merging
	next    int64 // the file that known waits for
	last    string
	waiting map[int64]Result // of files behind it
	names   map[int64]string
	lost    []Result // of what could not be listed: it is listed again when a scan goes on
	saved   time.Time
}

func (c *committer) commit(n int64, f File, part Result) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[n], c.names[n] = part, f.Name
	if c.scan.Read != nil {
		c.scan.Read(f)
	}
	for {
		part, ok := c.waiting[c.next]
		if !ok {
			break
		}
		c.known.Add(part)
		c.last = c.names[c.next]
		delete(c.waiting, c.next)
		delete(c.names, c.next)
		c.next++
	}
	if c.scan.Save == nil || c.scan.Now == nil || c.scan.Now().Sub(c.saved) < c.scan.Every {
		return nil
	}
	c.saved = c.scan.Now()
	return c.scan.Save(c.checkpoint())
}

func (c *committer) lose(part Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = append(c.lost, part)
}

func (c *committer) checkpoint() Checkpoint {
	return Checkpoint{Files: c.next, Last: c.last, Known: c.known.Result()}
}

func (c *committer) save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.scan.Save == nil {
		return nil
	}
	return c.scan.Save(c.checkpoint())
}

// all is what is known, that of files out of order too.
func (c *committer) all() Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.known.Result()
	for _, part := range c.waiting {
		all = all.Merge(part)
	}
	for _, part := range c.lost {
		all = all.Merge(part)
	}
	return all
}

// pool reads the files of a Source, several at a time.
type pool struct {
	workers int
	skip    int64  // files at the beginning that are not read
	last    string // the name that the last of them must have
}

func (p pool) run(ctx context.Context, from Source, do func(ctx context.Context, r *logfile.Reader, n int64, f File) error,
	lost func(string, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type job struct {
		n    int64
		file File
	}
	jobs := make(chan job)
	var workers sync.WaitGroup
	for range max(1, p.workers) {
		workers.Go(func() {
			var r logfile.Reader
			for j := range jobs {
				if err := do(ctx, &r, j.n, j.file); err != nil {
					cancel(err)
				}
			}
		})
	}
	var inline logfile.Reader
	n := int64(0)
	err := from.Files(ctx, func(f File) error {
		at := n
		n++
		switch {
		case at < p.skip:
			if at == p.skip-1 && f.Name != p.last {
				return ErrMoved
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case f.Once:
			return do(ctx, &inline, at, f)
		}
		select {
		case jobs <- job{at, f}:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, lost)
	close(jobs)
	workers.Wait()
	if err == nil && n < p.skip {
		err = ErrMoved
	}
	if cause := context.Cause(ctx); err == nil && cause != nil {
		err = cause
	}
	return err
}

// readAll is for small files of a tar archive: they can be read at any time then.
func readAll(r io.Reader, size int64) ([]byte, error) {
	data := slices.Grow([]byte(nil), int(size))[:size]
	n, err := io.ReadFull(r, data)
	return data[:n], err
}
