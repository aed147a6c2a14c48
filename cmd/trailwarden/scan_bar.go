package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/trailwarden/trailwarden/internal/archive"
)

// size writes a number of bytes.
func size(n int64) string {
	for _, unit := range []struct {
		name string
		of   float64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if float64(n) >= unit.of {
			return fmt.Sprintf("%.1f %s", float64(n)/unit.of, unit.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// bar shows how far a command is, on a terminal only.
type bar struct{ stop func() }

func (b bar) end() { b.stop() }

// progressBar shows the line until it is ended.
func (a *app) progressBar(ctx context.Context, line func(ctx context.Context, took time.Duration) string) bar {
	if a.quiet || !terminal(a.stderr) {
		return bar{func() {}}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick, began := time.NewTicker(200*time.Millisecond), time.Now()
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				fmt.Fprint(a.stderr, "\r\x1b[K")
				return
			case <-tick.C:
				fmt.Fprintf(a.stderr, "\r\x1b[K%s", line(ctx, time.Since(began)))
			}
		}
	}()
	return bar{func() { cancel(); <-done }}
}

// scanBar finds out by itself how much there is to read; again: the files can be listed twice.
func (a *app) scanBar(ctx context.Context, m *archive.Meter, from archive.Sized, again bool) bar {
	var all atomic.Int64
	return a.progressBar(ctx, func(ctx context.Context, took time.Duration) string {
		if again {
			again = false
			go func() {
				if bytes, err := from.Bytes(ctx); err == nil {
					all.Store(bytes)
				}
			}()
		}
		return scanLine(m, all.Load(), took)
	})
}

// scanLine fits into 80 columns.
func scanLine(m *archive.Meter, all int64, took time.Duration) string {
	packed, unpacked := m.Packed.Load(), m.Unpacked.Load()
	line := fmt.Sprintf("%s files, %s, %s, %s findings", thousands(m.Files.Load()), size(unpacked), rate(unpacked, took), thousands(m.Findings.Load()))
	if all <= 0 || packed <= 0 {
		return line
	}
	return share(packed, all, took) + line
}

// verifyLine fits into 80 columns.
func verifyLine(m *archive.Meter, took time.Duration) string {
	files, all, unpacked := m.Files.Load(), m.All.Load(), m.Unpacked.Load()
	if all == 0 {
		return fmt.Sprintf("%s digest files", thousands(m.Digests.Load()))
	}
	return share(files, all, took) + fmt.Sprintf("%s of %s log files, %s", thousands(files), thousands(all), rate(unpacked, took))
}

func rate(bytes int64, took time.Duration) string {
	return size(int64(float64(bytes)/max(took.Seconds(), 0.001))) + "/s"
}

// share draws how much is done, and says how long the rest will take.
func share(done, all int64, took time.Duration) string {
	part := min(1, float64(done)/float64(all))
	const width = 20
	full := int(part * width)
	left := ""
	if part > 0 {
		left = time.Duration(float64(took)*(1-part)/part).Round(time.Second).String() + " left, "
	}
	return fmt.Sprintf("[%s%s] %3.0f%% %s", strings.Repeat("#", full), strings.Repeat(".", width-full), 100*part, left)
}
