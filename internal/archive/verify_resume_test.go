package archive

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tampered is a bucket in which something of each kind is wrong.
func tampered() memoryStore {
	s, c := chained(3)
	rewrite(s, c[2].key, account+`"`, `999988887777"`)
	rewrite(s, logsOf(s, 2)[0], "mallory", "alice")
	delete(s, logsOf(s, 1)[1])
	rewrite(s, backfilled(s), "GetObject", "PutObject")
	s[logName("eu-central-1", noon.Add(9*60e9))] = stored{zip(logText()), nil}
	return s
}

// ending ends a context after some reads of log files.
type ending struct {
	memoryStore
	left *atomic.Int64
	end  context.CancelFunc
}

func (e ending) Read(ctx context.Context, bucket, key string) (Content, error) {
	if strings.Contains(key, "/CloudTrail/") && e.left.Add(-1) < 0 {
		e.end()
	}
	if ctx.Err() != nil {
		return Content{}, ctx.Err()
	}
	return e.memoryStore.Read(ctx, bucket, key)
}

// TestVerifyResumed: wherever a verification is interrupted, and interrupted again, the verdict in the end
// is that of one that was not. What is known between is part of it.
func TestVerifyResumed(t *testing.T) {
	store := tampered()
	want, err := verify(store).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for first := range 14 {
		for _, second := range []int{0, 1, 5} {
			var known Checked
			for _, reads := range []int{first, second} {
				ctx, cancel := context.WithCancel(t.Context())
				left := new(atomic.Int64)
				left.Store(int64(reads))
				v := verify(ending{store, left, cancel})
				v.Before, v.Save = known, func(c Checked) error { known = throughJSON(t, c); return nil }
				part, err := v.Run(ctx)
				cancel()
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				if part.Unchecked+logFiles(part) != logFiles(want) || (part.Unchecked > 0) != (err != nil) {
					t.Errorf("interrupted after %d: %v, %d unchecked, %v", reads, err, part.Unchecked, part.Counts)
				}
				for _, c := range part.Checks {
					if !slices.Contains(want.Checks, c) {
						t.Errorf("interrupted after %d: %+v", reads, c)
					}
				}
			}
			v := verify(store)
			v.Before = known
			got, err := v.Run(t.Context())
			if d := cmp.Diff(want, got); err != nil || d != "" {
				t.Errorf("interrupted after %d and %d: %v\n%s", first, second, err, d)
			}
		}
	}
}

// logFiles is how many log files a verdict is of.
func logFiles(v Verdict) (n int) {
	for _, of := range v.Counts[LogFile] {
		n += of
	}
	return n
}

func throughJSON(t *testing.T, c Checked) Checked {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again Checked
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	return again
}

// TestVerifyResumedKnows: log files that were verified are not read again, unless their digest file was changed since,
// or they could not be read.
func TestVerifyResumedKnows(t *testing.T) {
	store, chain := chained(0)
	var known Checked
	v := verify(deniedStore{store, logsOf(store, 2)[0]})
	v.Save = func(c Checked) error { known = throughJSON(t, c); return nil }
	if got, err := v.Run(t.Context()); err != nil || got.Unread() != 1 {
		t.Fatal(err, got.Counts)
	}
	// None of the others can be read now.
	later := maps.Clone(store)
	for key := range later {
		if strings.Contains(key, "/CloudTrail/") && !slices.Contains(logsOf(store, 2), key) {
			delete(later, key)
		}
	}
	v = verify(later)
	v.Before = known
	if got, err := v.Run(t.Context()); err != nil || !got.Sound() || got.Counts[LogFile][Valid] != 12 {
		t.Errorf("%v: %+v", err, got.Checks)
	}
	rewrite(store, chain[4].key, account+`"`, `999988887777"`)
	rewrite(store, logsOf(store, 5)[0], "mallory", "alice")
	v = verify(store)
	v.Before = known
	got, err := v.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	matches(t, got, []string{"digest invalid: signature", "log invalid: hash", "log unproven: "})
}
