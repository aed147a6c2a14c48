package daemon

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/sqlite"
	"github.com/trailwarden/trailwarden/internal/sim"
)

// TestSoak lets the daemon run for 30 simulated days (TW_DAYS) with a SQLite file, an attack every six hours and a retention of a week:
// after the first ten days, or a third of the time, nothing grows any more.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that goroutines, memory, files and the ledger stay flat over a month")
	}
	days := number("TW_DAYS", 30)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := must(sqlite.Open(t.Context(), filepath.Join(dir, "soak.db"), time.Now()))
		defer store.Close()
		r := newRig(t, 5, rigOptions{world: sim.Options{}, trails: []string{"main"}, ledger: store})
		r.daemon.Sweep, r.daemon.Keep, r.daemon.Heartbeat = 10*time.Minute, 7*24*time.Hour, 24*time.Hour
		var early, late usage
		attacks := 0
		for day := range days {
			for slot := range 24 * 6 {
				if slot%36 == 5 {
					move := []func(context.Context, *rig, string) error{stopTrail, deleteTrail}[attacks%2]
					attacks++
					if err := move(t.Context(), r, "main"); err != nil {
						t.Fatalf("day %d: %v", day, err)
					}
				}
				r.turn(true)
				r.rest(10 * time.Minute)
			}
			if !r.oracle.converged() {
				t.Fatalf("day %d: the trail is not as pinned", day)
			}
			for _, e := range r.ears {
				if len(e.told) == 0 {
					t.Fatalf("day %d: %s hears nothing", day, e.name)
				}
				e.told = nil
			}
			r.transcript, r.gate.times = nil, nil
			clear(r.oracle.received)
			clear(r.oracle.messages)
			if day == max(9, days/3) {
				early = used(t, dir)
				early.journal = r.journal()
			}
		}
		late = used(t, dir)
		late.journal = r.journal()
		t.Logf("%d days, %d attacks: after a third %+v, at the end %+v", days, attacks, early, late)
		grown := func(what string, before, after, slack int64) {
			if after > before+before/5+slack {
				t.Errorf("%s: %d grew to %d", what, before, after)
			}
		}
		grown("goroutines", early.goroutines, late.goroutines, 3)
		grown("heap", early.heap, late.heap, 6<<20+late.journal-early.journal)
		grown("files", early.files, late.files, 3)
		grown("database", early.database, late.database, 256<<10)
		if len(r.oracle.failures) > 0 {
			t.Error(r.oracle.failures)
		}
		verdicts := must(ledger.Verify(t.Context(), store, nil))
		for _, v := range verdicts {
			if len(v.Bad) > 0 {
				t.Errorf("O8: %+v", v.Bad)
			}
		}
	})
}

type usage struct{ goroutines, heap, files, database, journal int64 }

// journal is about how much the simulated AWS keeps of calls and records: with each call the header that it was signed with. A heap profile of sixty days showed that
// to be all that grows.
func (r *rig) journal() (n int64) {
	for _, c := range r.world.Calls() {
		n += 750 + int64(len(c.Request))/2
	}
	for _, rec := range r.world.Records() {
		n += 250 + int64(len(rec.Raw))/2
	}
	return n
}

func used(t *testing.T, dir string) (u usage) {
	t.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.goroutines, u.heap = int64(runtime.NumGoroutine()), int64(m.HeapAlloc)
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.files = int64(len(open))
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			u.database += info.Size()
		}
	}
	return u
}
