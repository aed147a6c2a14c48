package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// tally is what the ledger says of the flooded trail.
type tally struct{ incidents, count, events int }

// counted reads the chain of a trail: every event of the flood must be in it by its id.
func counted(ctx context.Context, store ledger.Store, a trail.ARN) (t tally, err error) {
	ids := map[string]bool{}
	add := func(list []incident.Tampering) {
		for _, one := range list {
			if strings.HasPrefix(one.EventID, "flood-") {
				ids[one.EventID] = true
			}
		}
	}
	err = store.Entries(ctx, a.String(), 1, func(e ledger.Entry) error {
		var body struct {
			Tamperings []incident.Tampering `json:"tamperings"`
		}
		if e.Kind != ledger.KindIncident && e.Kind != ledger.KindTampering {
			return nil
		}
		if err := json.Unmarshal(e.Body, &body); err != nil {
			return err
		}
		add(body.Tamperings)
		return nil
	})
	if err != nil {
		return t, err
	}
	list, err := store.Incidents(ctx, ledger.Query{Trail: a.String()})
	if err != nil {
		return t, err
	}
	for _, inc := range list {
		t.incidents++
		t.count += inc.Count
	}
	t.events = len(ids)
	return t, nil
}

// resident is the memory that this process has from the system now, in bytes: resident pages where the system tells.
func resident() int64 {
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(text)); len(f) > 1 {
			if pages, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return pages * int64(os.Getpagesize())
			}
		}
	}
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// watch keeps the highest of resident until it is asked for it.
func watch(ctx context.Context) (highest func() int64) {
	var peak atomic.Int64
	go func() {
		for ctx.Err() == nil {
			peak.Store(max(peak.Load(), resident()))
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return peak.Load
}

func fileSize(dir string) (sum int64) {
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range files {
		if info, err := os.Stat(name); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
