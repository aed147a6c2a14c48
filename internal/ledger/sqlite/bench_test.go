package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/ledgertest"
)

func id(i int) string { return fmt.Sprintf("inc-%016x", i) }

func arn(i int) string {
	return fmt.Sprintf("arn:aws:cloudtrail:eu-central-1:111122223333:trail/t%03d", i)
}

// told is what the engine writes when it has repaired a trail: the incident and a message about it.
func told(i, chains int) ledger.Batch {
	inc := ledgertest.Sample(id(i), arn(i%chains), incident.Confirmed, day.Add(time.Duration(i)*time.Second))
	b := ledgertest.Told(inc, inc.SeenAt)
	b.Queue = []ledger.Message{{ID: "m-" + inc.ID, Channel: "sns", Incident: inc, Created: inc.SeenAt, Due: inc.SeenAt}}
	return b
}

// BenchmarkWrite measures a Write with its sync to the disk, beside a bare write and fsync of as many bytes.
func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := opened(b, filepath.Join(b.TempDir(), "trailwarden.db"))
			measure(b, writers, func(i int) error {
				_, err := s.Write(context.Background(), told(i, 50))
				return err
			})
		})
	}
	b.Run("fsync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "file"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		data := make([]byte, 24<<10)
		measure(b, 1, func(int) error {
			_, err := f.Write(data)
			return errors.Join(err, f.Sync())
		})
	})
}

func measure(b *testing.B, writers int, do func(int) error) {
	var mu sync.Mutex
	var took []time.Duration
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range writers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				begin := time.Now()
				if err := do(int(i)); err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(begin))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	ms := func(p int) float64 { return float64(took[(len(took)-1)*p/100].Microseconds()) / 1000 }
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
	b.ReportMetric(ms(50), "p50-ms")
	b.ReportMetric(ms(99), "p99-ms")
}

// BenchmarkLarge measures a ledger of 100,000 incidents, each with its whole story: two states, an intent, a call, a message sent.
func BenchmarkLarge(b *testing.B) {
	incidents := 100_000
	if testing.Short() {
		incidents = 5_000
	}
	path := filepath.Join(b.TempDir(), "trailwarden.db")
	s := opened(b, path)
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := w; i < incidents; i += 64 {
				story(b, s, i)
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	for name, do := range map[string]func(*Store) error{
		"open":             func(*Store) error { return nil },
		"latest":           func(s *Store) error { _, _, _, err := s.Latest(ctx, arn(1)); return err },
		"newest 50":        func(s *Store) error { _, err := s.Incidents(ctx, ledger.Query{Limit: 50}); return err },
		"open incidents":   func(s *Store) error { _, err := s.Incidents(ctx, ledger.Query{Open: true}); return err },
		"verify all":       func(s *Store) error { v, err := ledger.Verify(ctx, s, nil); return errors.Join(err, sound(v)) },
		"messages due":     func(s *Store) error { _, err := s.Messages(ctx, day, 100); return err },
		"prune nothing":    func(s *Store) error { _, err := s.Prune(ctx, day, day); return err },
		"check whole file": func(s *Store) error { return s.Check(ctx) },
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				if name == "open" {
					b.StartTimer()
				}
				s, err := Open(ctx, path, day)
				b.StartTimer()
				if err == nil {
					err = do(s)
				}
				b.StopTimer()
				if err := errors.Join(err, s.Close()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(info.Size())/1e6, "file-MB")
			b.ReportMetric(float64(info.Size())/float64(incidents), "bytes/incident")
		})
	}
}

func sound(verdicts []ledger.Verdict) error {
	for _, v := range verdicts {
		if len(v.Bad) > 0 {
			return errors.New(v.Bad[0].Text)
		}
	}
	return nil
}

func story(t testing.TB, s ledger.Store, i int) {
	open := told(i, 200)
	inc := *open.Incident
	id := open.Queue[0].ID
	open.Entries = append(open.Entries, ledger.Draft{Time: day, Kind: ledger.KindIntent, Body: ledger.Intent{Incident: inc.ID, Op: "StartLogging", Target: inc.Trail.ARN}})
	closing := ledgertest.Told(inc, inc.SeenAt)
	closing.Entries = append(closing.Entries,
		ledger.Draft{Time: day, Kind: ledger.KindCall, Body: ledger.Call{Incident: inc.ID, Op: "StartLogging", RequestID: inc.Actions[0].RequestID}},
		ledger.Draft{Time: day, Kind: ledger.KindSent, Body: ledger.Delivery{Message: id, Channel: "sns", Incident: inc.ID, Stage: "repaired", Tries: 1}})
	closing.Sent = []string{id}
	for _, b := range []ledger.Batch{open, closing} {
		if _, err := s.Write(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
}
