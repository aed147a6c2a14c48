package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

func empty(t *testing.T, b Bench) {
	s := b.Open(t)
	if heads, err := s.Heads(t.Context()); err != nil || len(heads) != 0 {
		t.Errorf("heads: %v, %v", heads, err)
	}
	if _, found, head, err := s.Latest(t.Context(), trail); found || err != nil || head != (ledger.Head{Chain: trail}) {
		t.Errorf("latest: %v, %v, %v", found, head, err)
	}
	if _, found, err := s.Incident(t.Context(), "inc-0"); found || err != nil {
		t.Errorf("incident: %v, %v", found, err)
	}
	same(t, "entries", len(entries(t, s, trail)), 0)
	same(t, "incidents", ids(t, s, ledger.Query{}), []string{})
	same(t, "messages", waiting(t, s, time.Time{}, 0), []string{})
	if n, err := s.Prune(t.Context(), at(time.Hour), at(time.Hour)); n != 0 || err != nil {
		t.Errorf("prune: %d, %v", n, err)
	}
	sound(t, s)
}

// A chain has no gaps, begins anew for each trail, and says what was written, in order.
func chain(t *testing.T, b Bench) {
	s := b.Open(t)
	local := time.FixedZone("UTC+2", 2*60*60)
	head := write(t, s, ledger.Batch{Chain: trail, Entries: []ledger.Draft{
		{Time: time.Date(2026, 3, 1, 2, 0, 0, 123456789, local), Kind: ledger.KindIntent, Body: ledger.Intent{Incident: "inc-1", Op: "StartLogging", Target: trail}},
		{Time: at(time.Second), Kind: ledger.KindCall, Body: ledger.Call{Incident: "inc-1", Op: "StartLogging", RequestID: "r1"}},
	}})
	same(t, "number after two entries", head.Seq, int64(2))
	other := write(t, s, ledger.Batch{Chain: ledger.System, Entries: []ledger.Draft{note(day, "begin")}})
	same(t, "number in another chain", other.Seq, int64(1))
	third := write(t, s, ledger.Batch{Chain: trail, Entries: []ledger.Draft{note(at(2*time.Second), "<third> & \u2028")}})
	all := entries(t, s, trail)
	if len(all) != 3 {
		t.Fatalf("%d entries, want 3", len(all))
	}
	same(t, "first body", string(all[0].Body), `{"incident":"inc-1","op":"StartLogging","target":"`+trail+`"}`)
	same(t, "third body", string(all[2].Body), "{\"text\":\"<third> & \u2028\"}")
	same(t, "time", all[0].Time, time.Date(2026, 3, 1, 0, 0, 0, 123456789, time.UTC))
	same(t, "before the first", all[0].Prev, strings.Repeat("0", 64))
	for i, e := range all {
		same(t, "chain", e.Chain, trail)
		same(t, "number", e.Seq, int64(i+1))
		if i > 0 {
			same(t, "link", e.Prev, all[i-1].Hash)
		}
	}
	same(t, "head", third, ledger.Head{Chain: trail, Seq: 3, Hash: all[2].Hash})
	heads, err := s.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "heads, sorted", heads, []ledger.Head{third, other})
	sound(t, s, head, other, third)
	if !t.Failed() {
		lie := third
		lie.Hash = strings.Repeat("1", 64)
		if v, err := ledger.VerifyChain(t.Context(), s, trail, []ledger.Head{lie}); err != nil || len(v.Bad) != 1 || v.Bad[0].Fault != ledger.FaultWitness {
			t.Errorf("a head that never was is taken: %v, %v", v.Bad, err)
		}
	}
}

func nonsense(t *testing.T, b Bench) {
	s := b.Open(t)
	inc := Sample(number(1), trail, incident.Open, day)
	nameless := inc
	nameless.ID = ""
	zero := int64(0)
	for name, batch := range map[string]ledger.Batch{
		"entries without a chain":       {Entries: []ledger.Draft{note(day, "x")}},
		"a head without a chain":        {After: &zero},
		"a chain that is no text":       {Chain: "\xff", Entries: []ledger.Draft{note(day, "x")}},
		"an incident without its entry": {Chain: trail, Incident: &inc},
		"an incident without an id":     Told(nameless, day),
		"a message without an id":       {Chain: trail, Queue: []ledger.Message{message("", inc, day)}},
		"a mark without a key":          {Marks: []ledger.Mark{{Value: "v"}}},
		"a body that is no JSON":        {Chain: trail, Entries: []ledger.Draft{{Time: day, Kind: ledger.KindStart, Body: math.NaN()}}},
		"a time that no JSON has":       {Chain: trail, Entries: []ledger.Draft{note(time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), "x")}},
	} {
		if _, err := s.Write(t.Context(), batch); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if heads, err := s.Heads(t.Context()); err != nil || len(heads) != 0 {
		t.Errorf("something was written: %v, %v", heads, err)
	}
	if head := write(t, s, ledger.Batch{Marks: []ledger.Mark{{Key: "a", Value: "b"}}}); head.Seq != 0 {
		t.Errorf("marks alone need no chain, but moved one: %v", head)
	}
}

func moved(t *testing.T, b Bench) {
	s := b.Open(t)
	var zero, one, two int64 = 0, 1, 2
	batch := ledger.Batch{Chain: trail, Entries: []ledger.Draft{note(day, "x")}, After: &one}
	if _, err := s.Write(t.Context(), batch); !errors.Is(err, ledger.ErrMoved) {
		t.Errorf("an empty chain is at 0, not at 1: %v", err)
	}
	batch.After = &zero
	write(t, s, batch)
	for name, b := range map[string]ledger.Batch{
		"entries": batch,
		"no entries": {Chain: trail, After: &zero, Marks: []ledger.Mark{{Key: "k", Value: "v"}},
			Queue: []ledger.Message{message("m", Sample(number(1), trail, incident.Open, day), day)}},
		"ahead": {Chain: trail, After: &two, Entries: batch.Entries},
	} {
		if _, err := s.Write(t.Context(), b); !errors.Is(err, ledger.ErrMoved) {
			t.Errorf("%s: %v, want ErrMoved", name, err)
		}
	}
	same(t, "marks of what was refused", keys(t, s, "", day), []string{})
	same(t, "messages of what was refused", waiting(t, s, time.Time{}, 0), []string{})
	batch.After = &one
	same(t, "head", write(t, s, batch).Seq, two)
	sound(t, s)
}

// A batch of which a part cannot be written leaves nothing.
func atomic(t *testing.T, b Bench) {
	s := b.Open(t)
	inc := Sample(number(1), trail, incident.Open, day)
	first := Told(inc, day)
	first.Queue = []ledger.Message{message("m1", inc, day)}
	first.Marks = []ledger.Mark{{Key: "k", Value: "before"}}
	write(t, s, first)
	before := everything(t, s)

	inc.Outcome = incident.Repaired
	bad := Told(inc, at(time.Second))
	bad.Entries = append(bad.Entries, ledger.Draft{Time: day, Kind: ledger.KindCall, Body: math.Inf(1)})
	bad.Queue = []ledger.Message{message("m2", inc, day)}
	bad.Sent = []string{"m1"}
	bad.Marks = []ledger.Mark{{Key: "k", Value: "after"}}
	if _, err := s.Write(t.Context(), bad); err == nil {
		t.Fatal("an infinite number was written")
	}
	same(t, "after the entry failed", everything(t, s), before)

	bad = Told(inc, at(time.Second))
	broken := message("m3", inc, day)
	broken.Incident.BlindWindow = &incident.BlindWindow{Seconds: math.NaN()}
	bad.Queue = []ledger.Message{message("m2", inc, day), broken}
	bad.Sent = []string{"m1"}
	if _, err := s.Write(t.Context(), bad); err == nil {
		t.Fatal("a number that is none was written")
	}
	same(t, "after the message failed", everything(t, s), before)
	sound(t, s)
}

// Nothing that the caller gave is altered or held on to.
func callers(t *testing.T, b Bench) {
	s := b.Open(t)
	inc := Sample(number(1), trail, incident.Open, day)
	batch := Told(inc, day)
	batch.Queue = []ledger.Message{message("m", inc, day)}
	write(t, s, batch)
	if batch.Incident.Ledger != nil || batch.Queue[0].Incident.Ledger != nil {
		t.Error("the batch was altered")
	}
	batch.Incident.Findings[0].Text = "altered"
	*batch.Incident.RepairedAt = at(time.Hour)
	read, _, err := s.Incident(t.Context(), inc.ID)
	if err != nil {
		t.Fatal(err)
	}
	if read.Findings[0].Text == "altered" || read.RepairedAt.Equal(at(time.Hour)) {
		t.Error("the store holds on to what the caller gave")
	}
	for _, e := range entries(t, s, trail) {
		for i := range e.Body {
			e.Body[i] = 'x'
		}
	}
	sound(t, s)
}

// A visit begins where it is told, ends with the visitor's error, and may use the store.
func visit(t *testing.T, b Bench) {
	s := b.Open(t)
	for i := range 5 {
		write(t, s, ledger.Batch{Chain: trail, Entries: []ledger.Draft{note(day, fmt.Sprint(i))}})
	}
	enough := errors.New("enough")
	var seen []int64
	err := s.Entries(t.Context(), trail, 3, func(e ledger.Entry) error {
		seen = append(seen, e.Seq)
		if _, _, _, err := s.Latest(t.Context(), trail); err != nil {
			return err
		}
		if _, err := s.Write(t.Context(), ledger.Batch{Chain: trail, Entries: []ledger.Draft{note(day, "within")}}); err != nil {
			return err
		}
		if e.Seq == 4 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("the visitor's error is lost: %v", err)
	}
	same(t, "seen", seen, []int64{3, 4})
	same(t, "entries", len(entries(t, s, trail)), 7)
	same(t, "beyond the end", len(entries(t, s, "nobody's")), 0)
}

func cancelled(t *testing.T, b Bench) {
	s := b.Open(t)
	inc := Sample(number(1), trail, incident.Open, day)
	write(t, s, Told(inc, day))
	before := everything(t, s)
	ctx := ended()
	for name, call := range map[string]func() error{
		"Write":     func() error { _, err := s.Write(ctx, Told(inc, day)); return err },
		"Entries":   func() error { return s.Entries(ctx, trail, 1, func(ledger.Entry) error { return nil }) },
		"Heads":     func() error { _, err := s.Heads(ctx); return err },
		"Incident":  func() error { _, _, err := s.Incident(ctx, inc.ID); return err },
		"Latest":    func() error { _, _, _, err := s.Latest(ctx, trail); return err },
		"Incidents": func() error { _, err := s.Incidents(ctx, ledger.Query{}); return err },
		"Messages":  func() error { _, err := s.Messages(ctx, time.Time{}, 0); return err },
		"Marks":     func() error { _, err := s.Marks(ctx, "", day); return err },
		"Lease":     func() error { _, err := s.Lease(ctx, "l", "o", day, at(time.Hour)); return err },
		"Keep":      func() error { _, err := s.Keep(ctx, []byte("x"), day); return err },
		"Blob":      func() error { _, err := s.Blob(ctx, strings.Repeat("0", 64)); return err },
		"Prune":     func() error { _, err := s.Prune(ctx, day, day); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a context that has ended: %v", name, err)
		}
	}
	same(t, "afterwards", everything(t, s), before)
	if ok, err := s.Lease(t.Context(), "l", "another", day, at(time.Hour)); !ok || err != nil {
		t.Errorf("the lease was taken all the same: %v, %v", ok, err)
	}
}

// Many write to few chains at once: nothing is lost, nothing comes twice.
func concurrent(t *testing.T, b Bench) {
	s := b.Open(t)
	const chains = 3
	var wg sync.WaitGroup
	heads := make([][]ledger.Head, b.Writers)
	for w := range b.Writers {
		wg.Go(func() {
			for i := range b.Writes {
				inc := Sample(number(w*1000+i), arn(i%chains), incident.Confirmed, at(time.Duration(i)*time.Minute))
				batch := Told(inc, at(time.Duration(i)*time.Minute))
				batch.Queue = []ledger.Message{message(fmt.Sprintf("m-%d-%d", w, i), inc, at(time.Duration(i)*time.Minute))}
				batch.Marks = []ledger.Mark{{Key: fmt.Sprintf("w/%d/%d", w, i), Value: "x"}}
				if i > 0 {
					batch.Sent = []string{fmt.Sprintf("m-%d-%d", w, i-1)}
				}
				head, err := s.Write(t.Context(), batch)
				if err != nil {
					t.Errorf("write: %v", err)
					return
				}
				heads[w] = append(heads[w], head)
			}
		})
	}
	wg.Wait()
	seen := map[ledger.Head]bool{}
	var all []ledger.Head
	for _, of := range heads {
		for _, h := range of {
			if seen[h] {
				t.Errorf("two writes were told the same head: %v", h)
			}
			seen[h] = true
			all = append(all, h)
		}
	}
	n := 0
	for i := range chains {
		n += len(entries(t, s, arn(i)))
	}
	same(t, "entries", n, b.Writers*b.Writes)
	same(t, "incidents", len(ids(t, s, ledger.Query{})), b.Writers*b.Writes)
	same(t, "messages", len(waiting(t, s, time.Time{}, 0)), b.Writers)
	same(t, "marks", len(keys(t, s, "w/", day)), b.Writers*b.Writes)
	sound(t, s, all...)
}

// Of writers who all read the same head, exactly one succeeds at a time: a counter kept that way counts right.
func concurrentAfter(t *testing.T, b Bench) {
	s := b.Open(t)
	writes := max(b.Writes/5, 2)
	var wg sync.WaitGroup
	for range b.Writers {
		wg.Go(func() {
			for done := 0; done < writes; {
				inc, found, head, err := s.Latest(t.Context(), trail)
				if err != nil {
					t.Errorf("latest: %v", err)
					return
				}
				if !found {
					inc = Sample(number(1), trail, incident.Open, day)
					inc.Count = 0
				}
				inc.Count++
				inc.Ledger = nil
				batch := Told(inc, day)
				batch.After = &head.Seq
				switch _, err := s.Write(t.Context(), batch); {
				case err == nil:
					done++
				case !errors.Is(err, ledger.ErrMoved):
					t.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	inc, _, head, err := s.Latest(t.Context(), trail)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "count", inc.Count, b.Writers*writes)
	same(t, "head", head.Seq, int64(b.Writers*writes))
	sound(t, s)
}

func closed(t *testing.T, b Bench) {
	s := b.Open(t)
	write(t, s, ledger.Batch{Chain: trail, Entries: []ledger.Draft{note(day, "x")}})
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if _, err := s.Write(t.Context(), ledger.Batch{Chain: trail, Entries: []ledger.Draft{note(day, "late")}}); err == nil {
		t.Error("a closed store was written to")
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}
