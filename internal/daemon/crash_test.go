package daemon

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/sim"
)

// tale is an attack whose process is killed at some moments: each of them counts the moments before and after an effect since the
// process began.
func tale(t testing.TB, kills ...int) *rig {
	r := newRig(t, 11, rigOptions{world: sim.Options{EventDelayMin: 2 * time.Second, EventDelayMax: 3 * time.Second}, trails: []string{"main", "second"}})
	next := func() {
		if len(kills) > 0 {
			r.gate.dieAt, kills = kills[0], kills[1:]
		}
	}
	next()
	onward := func(d, every time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); r.rest(every) {
			if r.gate.isDead() {
				r.oracle.killed = true
				r.oracle.chains()
				r.start()
				next()
			}
			r.turn(true)
		}
	}
	ctx := t.Context()
	onward(10*time.Second, 5*time.Second)
	_ = stopTrail(ctx, r, "main")
	onward(20*time.Second, 5*time.Second)
	_ = moves[slices.IndexFunc(moves, func(m move) bool { return m.name == "validation" })].do(ctx, r, "second")
	_ = r.forge(ctx, "StopLogging", canary)
	onward(20*time.Second, 5*time.Second)
	_ = deleteTrail(ctx, r, "second") // found by the sweep, or by its event
	onward(40*time.Second, 5*time.Second)
	kills, r.gate.dieAt = nil, 0
	if r.gate.isDead() {
		r.start()
	}
	r.settle()
	r.oracle.quiet()
	if n := r.inQueue(); n > 0 {
		r.oracle.fail("O2: %d messages are left in the queue", n)
	}
	for _, rule := range []string{"trail.stop", "trail.update.validation-off", "trail.delete"} {
		for _, e := range r.ears {
			if !slices.ContainsFunc(e.told, func(h heard) bool {
				return slices.ContainsFunc(h.inc.Findings, func(f incident.Finding) bool { return f.Rule == rule })
			}) {
				r.oracle.fail("O1: nobody told %s of %s", e.name, rule)
			}
		}
	}
	return r
}

// TestCrashAtEveryStep kills the process before and after each of its effects, then at pairs of them.
func TestCrashAtEveryStep(t *testing.T) {
	golden := 0
	synctest.Test(t, func(t *testing.T) {
		r := tale(t)
		golden = r.gate.count
		if len(r.oracle.failures) > 0 {
			t.Fatal(strings.Join(r.oracle.failures, "\n"))
		}
		// What comes after the attack is over is the same again and again.
		golden = r.movesUntilQuiet()
	})
	var plans [][]int
	for k := 1; k <= golden; k++ {
		plans = append(plans, []int{k})
	}
	pairs := number("TW_PAIRS", 150)
	rng := rand.New(rand.NewPCG(1, 2))
	for range pairs {
		plans = append(plans, []int{1 + rng.IntN(golden), 1 + rng.IntN(golden)})
	}
	t.Logf("%d moments, each of them; %d of %d pairs", golden, pairs, golden*golden)
	const parts = 4
	for part := range parts {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			for i := part; i < len(plans) && !t.Failed(); i += parts {
				synctest.Test(t, func(t *testing.T) {
					r := tale(t, plans[i]...)
					if len(r.oracle.failures) > 0 {
						t.Errorf("killed at %v: %s\n%s", plans[i], strings.Join(r.oracle.failures, "\n"), strings.Join(r.transcript[:min(len(r.transcript), 120)], "\n"))
					}
				})
			}
		})
	}
}

// movesUntilQuiet is how many moments of the golden run lie within the attack.
func (r *rig) movesUntilQuiet() int {
	return r.gate.until(2 * time.Minute)
}

// TestCrashWithoutEvents kills the process before and after each of its effects while only the sweep tells of a stop, pinned and not: the trail is started, and everybody is told
// of one stop that happened once.
func TestCrashWithoutEvents(t *testing.T) {
	for _, unpinned := range []bool{false, true} {
		moments := 0
		for kill := 0; kill <= moments; kill++ {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 12, rigOptions{world: sim.Options{EventLoss: 1}, trails: []string{"main", "second"}, unpinned: unpinned})
				r.turn(true) // seen logging
				r.rest(time.Minute)
				_ = stopTrail(t.Context(), r, "main")
				r.rest(time.Second)
				r.gate.dieAt = r.gate.count + kill
				before := r.gate.count
				for range 6 {
					if r.gate.isDead() {
						r.oracle.killed = true
						r.start()
					}
					r.turn(true)
					r.rest(30 * time.Second)
				}
				if kill == 0 {
					moments = r.gate.count - before
				}
				r.settle()
				r.oracle.quiet()
				stops, count := 0, 0
				for _, inc := range must(r.oracle.disk().Incidents(t.Context(), ledger.Query{})) {
					if slices.Contains(rules(inc), "trail.stop") {
						stops, count = stops+1, count+inc.Count
					}
				}
				if stops != 1 || count != 1 {
					r.oracle.fail("O1: %d incidents that count %d, of one stop", stops, count)
				}
				for _, e := range r.ears {
					if !slices.ContainsFunc(e.told, func(h heard) bool { return slices.Contains(rules(h.inc), "trail.stop") }) {
						r.oracle.fail("O1: nobody told %s of the stop", e.name)
					}
				}
				if len(r.oracle.failures) > 0 {
					t.Errorf("unpinned %t, killed at %d of %d: %s\n%s", unpinned, kill, moments, strings.Join(r.oracle.failures, "\n"), strings.Join(r.transcript[:min(len(r.transcript), 120)], "\n"))
				}
			})
		}
		if moments < 8 {
			t.Errorf("unpinned %t: only %d moments", unpinned, moments)
		}
	}
}
