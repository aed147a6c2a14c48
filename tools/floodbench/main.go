// Command floodbench measures the daemon under a flood: a hundred thousand StopLogging events of one trail, while other trails are
// stopped now and then. The simulated AWS holds each account to the documented call limits, each call to AWS or to the queue takes a
// while, and the ledger is a SQLite file with full sync. It is run by `make bench`.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trailwarden/trailwarden/internal/daemon"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger/sqlite"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// flood says how much there is of everything.
type flood struct {
	events int           // on the flooded trail
	rate   float64       // of them a second; 0 for all at once
	others int           // trails that are stopped now and then
	every  time.Duration // from one of their stops to the next
	delay  time.Duration // of each call to AWS and to the queue
	sweep  time.Duration
}

func main() {
	var f flood
	flag.IntVar(&f.events, "events", 100_000, "StopLogging events of the flooded trail")
	flag.Float64Var(&f.rate, "rate", 2000, "of them a second; 0 for all at once")
	flag.IntVar(&f.others, "others", 500, "other trails")
	flag.DurationVar(&f.every, "every", 100*time.Millisecond, "time between two stops of other trails")
	flag.DurationVar(&f.delay, "delay", 10*time.Millisecond, "how long AWS takes for a call")
	flag.DurationVar(&f.sweep, "sweep", 20*time.Second, "time between two sweeps")
	flag.Parse()
	if err := f.run(); err != nil {
		fmt.Fprintln(os.Stderr, "floodbench:", err)
		os.Exit(1)
	}
}

func (f flood) run() error {
	debug.SetGCPercent(50)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	place, err := furnish(ctx, f.others+1, f.delay)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "floodbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	store, err := sqlite.Open(ctx, filepath.Join(dir, "trailwarden.db"), time.Now())
	if err != nil {
		return err
	}
	defer store.Close()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	heard := &people{}
	e, err := engine.New(place.ours, engine.Options{
		Accounts: place.accounts, MemberRole: role, Version: "bench", Log: quiet, Now: place.world.Now, Ledger: store, Patience: 3 * time.Second, Pinned: place.trails,
		Baseline: func(a trail.ARN) (trail.Baseline, bool) { b, ok := place.pinned[a]; return b, ok },
	})
	if err != nil {
		return err
	}
	e.Trails = func(context.Context) ([]trail.ARN, error) { return nil, nil } // all are pinned
	e.Channels = []notify.Channel{{Name: "people", Notifier: heard}}
	q := newQueue(f.delay)
	d := &daemon.Daemon{Engine: e, Queue: q, Log: quiet, Now: place.world.Now, Sweep: f.sweep, Hidden: time.Minute, Pollers: 8, Grace: 20 * time.Second}

	runtime.GC()
	debug.FreeOSMemory()
	before, began := resident(), time.Now()
	var ended sync.WaitGroup
	ended.Go(func() { d.Run(ctx) })
	watched := watch(ctx)
	var flooded atomic.Bool
	var feeding sync.WaitGroup
	feeding.Go(func() { defer flooded.Store(true); f.flood(place, q) })
	var delays []time.Duration
	feeding.Go(func() { delays = f.attack(place, q, &flooded) })
	feeding.Wait()
	for q.left() > 0 || place.stopped() > 0 {
		time.Sleep(50 * time.Millisecond)
		if time.Since(began) > 15*time.Minute {
			return fmt.Errorf("after %s %d messages wait and %d trails are stopped", time.Since(began), q.left(), place.stopped())
		}
	}
	took := time.Since(began)
	peak := watched()
	numbers := d.Stats()
	time.Sleep(2 * time.Second) // what is to be told
	cancel()
	ended.Wait()
	told, err := counted(context.Background(), store, place.trails[0])
	if err != nil {
		return err
	}
	size := fileSize(dir)
	calls, most := place.calls(place.trails[0])
	slices.Sort(delays)
	p := func(share float64) float64 { return delays[int(share*float64(len(delays)-1))].Seconds() }
	fmt.Printf("\n## Flood (%s/%s, %d CPUs)\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	fmt.Println("| | measured |\n|---|---|")
	fmt.Printf("| events of the flooded trail, at most a second | %d, %.0f |\n", f.events, f.rate)
	fmt.Printf("| events a second that were worked off | %.0f |\n", float64(f.events+len(delays))/took.Seconds())
	fmt.Printf("| wall time, s | %.1f |\n", took.Seconds())
	fmt.Printf("| calls that changed the flooded trail, most in any ten seconds | %d, %d |\n", calls, most)
	fmt.Printf("| its incidents; tamperings that the latest counts; events in the ledger's chain | %d; %d; %d |\n", told.incidents, told.count, told.events)
	fmt.Printf("| other trails: stops, from the stop to the repair p50 / p99 / longest, s | %d, %.2f / %.2f / %.2f |\n", len(delays), p(.5), p(.99), p(1))
	fmt.Printf("| sweeps that ended meanwhile; the latest took, s | %d, %.1f |\n", numbers.Sweeps, numbers.SweepTime.Seconds())
	fmt.Printf("| memory: before with the simulated AWS, highest, MB | %.0f, %.0f |\n", float64(before)/1e6, float64(peak)/1e6)
	fmt.Printf("| ledger, MB | %.0f |\n", float64(size)/1e6)
	fmt.Printf("| messages to people | %d |\n", heard.n.Load())
	if told.events < f.events {
		return fmt.Errorf("%d events were sent, %d are in the ledger", f.events, told.events)
	}
	return nil
}

// people are a channel that counts what it is told.
type people struct{ n atomic.Int64 }

func (p *people) Notify(context.Context, incident.Incident) error {
	p.n.Add(1)
	return nil
}
