package main

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/guard"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// TestOlderBaselineRepairsNothing: an instance with an older baseline than an earlier one used watches and tells; where the ledger does not
// answer it goes on, and asks again.
func TestOlderBaselineRepairsNothing(t *testing.T) {
	disk := &memory.Disk{}
	for _, test := range []struct {
		name          string
		serial        int
		store         ledger.Store
		alarmed, asks bool
	}{
		{"the first", 2, &memory.Store{Disk: disk}, false, false},
		{"an older one", 1, &memory.Store{Disk: disk}, true, false},
		{"a ledger that is down", 1, &memory.Store{Disk: disk, Fault: func(memory.Step) error { return errors.New("down") }}, false, true},
	} {
		pinned := func(trail.ARN) (trail.Baseline, bool) { return trail.Baseline{}, true }
		f := &function{
			engine: &engine.Engine{Guard: &guard.Guard{Now: time.Now, Baseline: pinned}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))},
			pinned: &baseline.File{Name: "b.json", Version: 1, Serial: test.serial},
		}
		f.judge(f.use(t.Context(), test.store))
		inc, alarmed := f.engine.Guard.Alarmed()
		if alarmed != test.alarmed || (f.pinned != nil) != test.asks || (f.engine.Guard.Baseline == nil) != test.alarmed {
			t.Errorf("%s: alarmed %t, asks again %t", test.name, alarmed, f.pinned != nil)
		}
		if alarmed && !strings.Contains(inc.Reason, "its serial is 1, and 2 was in use before") {
			t.Errorf("%s: %s", test.name, inc.Reason)
		}
	}
}
