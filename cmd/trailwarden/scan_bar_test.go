package main

import (
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/archive"
)

// TestProgressLines: rate and time left, within a terminal's line.
func TestProgressLines(t *testing.T) {
	meter := func(files, packed, unpacked, digests, all int64) *archive.Meter {
		m := new(archive.Meter)
		m.Files.Store(files)
		m.Packed.Store(packed)
		m.Unpacked.Store(unpacked)
		m.Findings.Store(files / 100)
		m.Digests.Store(digests)
		m.All.Store(all)
		return m
	}
	for _, c := range []struct{ got, want string }{
		{scanLine(meter(120, 30e6, 400e6, 0, 0), 0, 2*time.Second), "120 files, 400.0 MB, 200.0 MB/s, 1 findings"},
		{scanLine(meter(120, 30e6, 400e6, 0, 0), 120e6, 2*time.Second), "[#####...............]  25% 6s left, 120 files, 400.0 MB, 200.0 MB/s, 1 findings"},
		{scanLine(meter(120, 130e6, 400e6, 0, 0), 120e6, 2*time.Second), "[####################] 100% 0s left, 120 files, 400.0 MB, 200.0 MB/s, 1 findings"},
		{verifyLine(meter(0, 0, 0, 278, 0), time.Second), "278 digest files"},
		{verifyLine(meter(0, 0, 0, 278, 3334), time.Second), "[....................]   0% 0 of 3,334 log files, 0 B/s"},
		{verifyLine(meter(1667, 0, 80e6, 278, 3334), 40*time.Second), "[##########..........]  50% 40s left, 1,667 of 3,334 log files, 2.0 MB/s"},
	} {
		if c.got != c.want || len("ap-southeast-2: "+c.got) > 100 {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
