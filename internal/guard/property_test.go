package guard

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
)

// TestAnyOrder: the hints of an attack, in any order, repeated and batched in any way, end in one state: the trail
// is logging and each call has its incident, under the same id.
func TestAnyOrder(t *testing.T) {
	// Fault D2.
	rapid.Check(t, func(rt *rapid.T) {
		calls := rapid.SliceOfN(rapid.SampledFrom([]string{"StopLogging", "StartLogging", "UpdateTrail", "AddTags"}), 1, 6).Draw(rt, "calls")
		gaps := rapid.SliceOfN(rapid.IntRange(1, 90), len(calls), len(calls)).Draw(rt, "gaps")
		order := rapid.SliceOfN(rapid.IntRange(0, len(calls)-1), 0, 6).Draw(rt, "repeated")
		perm := rapid.Permutation(indices(len(calls))).Draw(rt, "order")
		batch := rapid.IntRange(1, 4).Draw(rt, "batch")

		problem := ""
		synctest.Test(t, func(t *testing.T) {
			cloud := loggingSince(time.Now().Add(-time.Hour))
			var records []event.Record
			for i, name := range calls {
				time.Sleep(time.Duration(gaps[i]) * time.Second)
				switch name {
				case "StopLogging":
					cloud.status.Logging, cloud.status.Stopped = false, time.Now()
				case "StartLogging":
					cloud.status.Logging, cloud.status.Started = true, time.Now()
				}
				records = append(records, call(time.Now(), named(name)))
			}
			time.Sleep(5 * time.Second)

			g := newGuard(cloud)
			ids := map[string]bool{}
			deliveries := append(perm, order...)
			for len(deliveries) > 0 {
				n := min(batch, len(deliveries))
				var hints []event.Record
				for _, i := range deliveries[:n] {
					hints = append(hints, records[i])
				}
				deliveries = deliveries[n:]
				incidents, err := g.Reconcile(t.Context(), home, hints)
				if err != nil {
					problem = fmt.Sprintf("reconcile: %v", err)
					return
				}
				for _, inc := range incidents {
					ids[inc.ID] = true
				}
			}
			if !cloud.status.Logging {
				problem = fmt.Sprintf("the trail is not logging after %v delivered as %v", calls, perm)
			}
			for _, r := range records {
				if !ids[incident.ID(home.String(), r.ID)] {
					problem = "nobody was told of " + r.Name
				}
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// TestQueue holds the queue against its promises under any sequence of operations.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var q Queue[int]
		now := noon
		owed := map[int]bool{} // added and not yet handed out since
		working := map[int]bool{}
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				key := rapid.IntRange(0, 4).Draw(rt, "key")
				q.Add(key, now)
				owed[key] = true
			},
			"next": func(rt *rapid.T) {
				key, ok := q.Next(now)
				if !ok {
					return
				}
				if working[key] {
					rt.Fatalf("key %d is worked on twice at a time", key)
				}
				if !owed[key] {
					rt.Fatalf("key %d was handed out and nobody asked for it", key)
				}
				working[key] = true
				delete(owed, key)
			},
			"done": func(rt *rapid.T) {
				for key := range working {
					if rapid.Bool().Draw(rt, "fails") {
						q.Done(key, errFailed, now)
						owed[key] = true
					} else {
						q.Done(key, nil, now)
					}
					delete(working, key)
					return
				}
			},
			"time": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(rt, "seconds")) * time.Second)
			},
			"": func(rt *rapid.T) {
				if want := len(union(owed, working)); q.Len() != want {
					rt.Fatalf("the queue holds %d keys, want %d", q.Len(), want)
				}
			},
		})
		// However it went, with time every key that is owed is handed out, once.
		for key := range working {
			q.Done(key, nil, now)
		}
		for range 10 {
			now = now.Add(10 * time.Minute)
			if key, ok := q.Next(now); ok {
				delete(owed, key)
				q.Done(key, nil, now)
			}
		}
		if len(owed) > 0 || q.Len() > 0 {
			rt.Fatalf("lost keys %v, still holding %d", owed, q.Len())
		}
	})
}

func union(a, b map[int]bool) map[int]bool {
	out := map[int]bool{}
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

var errFailed = failedCall("StartLogging", "InternalFailure", "")

func TestQueueRestsLonger(t *testing.T) {
	var q Queue[string]
	now := noon
	q.Add("trail", now)
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		key, ok := q.Next(now)
		if !ok {
			t.Fatalf("no key after its rest")
		}
		q.Done(key, errFailed, now)
		q.Add("trail", now) // a flood of hints does not shorten the rest
		at, _ := q.Wake()
		if got := at.Sub(now); got != want*time.Second {
			t.Errorf("rests %s, want %s", got, want*time.Second)
		}
		if _, ok := q.Next(at.Add(-1)); ok {
			t.Error("handed out while it rests")
		}
		now = at
	}
}

func TestQueueIsFair(t *testing.T) {
	var q Queue[string]
	for range 100000 {
		q.Add("flooded", noon)
	}
	q.Add("quiet", noon)
	first, _ := q.Next(noon)
	for range 1000 {
		q.Add("flooded", noon)
	}
	q.Done(first, nil, noon)
	if second, _ := q.Next(noon); first != "flooded" || second != "quiet" {
		t.Errorf("handed out %s, then %s", first, second)
	}
}
