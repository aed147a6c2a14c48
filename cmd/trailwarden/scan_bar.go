package main

import (
	"context"
	"fmt"
	"strings"
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

// bar shows how far a scan is, on a terminal only.
type bar struct{ stop func() }

func (b bar) end() { b.stop() }

func (a *app) progressBar(ctx context.Context, m *archive.Meter, from archive.Source, again bool) bar {
	if a.quiet || !terminal(a.stderr) {
		return bar{func() {}}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		total := make(chan int64, 1)
		if again {
			go func() {
				var bytes int64
				err := from.Files(ctx, func(f archive.File) error { bytes += max(0, f.Size); return ctx.Err() }, func(string, error) {})
				if err == nil {
					total <- bytes
				}
			}()
		}
		all, began := int64(0), time.Now()
		for tick := time.NewTicker(200 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				fmt.Fprint(a.stderr, "\r\x1b[K")
				return
			case all = <-total:
			case <-tick.C:
				fmt.Fprintf(a.stderr, "\r\x1b[K%s", progressLine(m, all, time.Since(began)))
			}
		}
	}()
	return bar{func() { cancel(); <-done }}
}

// progressLine fits into 80 columns.
func progressLine(m *archive.Meter, all int64, took time.Duration) string {
	packed, unpacked := m.Packed.Load(), m.Unpacked.Load()
	line := fmt.Sprintf("%s files, %s, %s/s, %s findings", thousands(m.Files.Load()), size(unpacked),
		size(int64(float64(unpacked)/max(took.Seconds(), 0.001))), thousands(m.Findings.Load()))
	if all <= 0 || packed <= 0 {
		return line
	}
	part := min(1, float64(packed)/float64(all))
	left := time.Duration(float64(took) * (1 - part) / part).Round(time.Second)
	const width = 20
	full := int(part * width)
	return fmt.Sprintf("[%s%s] %3.0f%% %s left, %s", strings.Repeat("#", full), strings.Repeat(".", width-full), 100*part, left, line)
}
