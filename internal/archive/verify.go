package archive

import (
	"cmp"
	"context"
	"slices"
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

	// Before is what an earlier run on the same files checked; it is not looked at again.
	Before Checked
	// Save is called now and then, and at the end, with what a later run need not look at. Nil: nobody asks.
	// Its error ends the run.
	Save  func(Checked) error
	Every time.Duration // between two calls of Save
	Now   func() time.Time
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

	Notes     []Check `json:"notes,omitempty"`     // what else is to know of valid files
	Unchecked int     `json:"unchecked,omitempty"` // log files that were not looked at before it was interrupted
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
	chain, backfill := split(digests)
	chain = link(chain)
	backfill = link(backfill)

	listed := map[string]bool{}
	all := slices.Concat(chain, backfill)
	for _, d := range all {
		out.digest(d)
		for _, entry := range d.LogFiles {
			listed[entry.S3Object] = true
		}
	}
	slices.SortStableFunc(out.Hours, func(a, b Hour) int { return a.From.Compare(b.From) })
	hours := map[int64]int{}
	for i := range slices.Backward(out.Hours) {
		hours[out.Hours[i].From.Unix()] = i
	}
	found, err := v.check(ctx, all)
	for i, d := range all {
		out.logs(d, found[i], hours)
	}
	out.unlisted(logs, listed)
	out.newest(chain, logs, v.To)
	out.windows(chain, v)
	out.clock(chain)
	slices.SortStableFunc(out.Checks, func(a, b Check) int {
		return cmp.Or(a.Hour.Compare(b.Hour), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
	slices.SortStableFunc(out.Hours, func(a, b Hour) int { return a.From.Compare(b.From) })
	return out, err
}

// split tells the digest files of the chain from those of backfills.
func split(digests []*digest) (chain, backfill []*digest) {
	for _, d := range digests {
		if name, _ := logfile.ParseName(d.key); name.Backfill {
			backfill = append(backfill, d)
		} else {
			chain = append(chain, d)
		}
	}
	return chain, backfill
}

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
