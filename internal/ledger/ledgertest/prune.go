package ledgertest

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

const month = 30 * 24 * time.Hour

func pruned(t *testing.T, s ledger.Store, before, now time.Duration) int {
	t.Helper()
	n, err := s.Prune(t.Context(), at(before), at(now))
	if err != nil {
		t.Fatalf("prune: %v", err)
	}
	return n
}

// seqs are the numbers of a chain's entries.
func seqs(t *testing.T, s ledger.Store, chain string) []int64 {
	t.Helper()
	list := []int64{}
	for _, e := range entries(t, s, chain) {
		list = append(list, e.Seq)
	}
	return list
}

// Old incidents go with their entries; what is open, unconfirmed or not told yet stays, and all that came after it in its chain.
func prune(t *testing.T, b Bench) {
	s := b.Open(t)
	confirmed := func(i int, chain string, when time.Duration) incident.Incident {
		inc := Sample(number(i), chain, incident.Confirmed, at(when))
		write(t, s, Told(inc, at(when)))
		return inc
	}
	// In the first chain two old incidents and a new one.
	confirmed(1, arn(1), 0)
	confirmed(2, arn(1), time.Hour)
	confirmed(3, arn(1), 2*month)
	// In others something that stays.
	for i, outcome := range []incident.Outcome{incident.Open, incident.Failed, incident.Repaired} {
		chain := arn(2 + i)
		confirmed(10+i, chain, 0)
		inc := Sample(number(20+i), chain, outcome, day)
		write(t, s, Told(inc, at(time.Hour)))
		confirmed(30+i, chain, 2*time.Hour)
	}
	// A message waits.
	inc := confirmed(40, arn(5), 0)
	write(t, s, ledger.Batch{Chain: arn(5), Queue: []ledger.Message{message("m", inc, day)}})
	confirmed(41, arn(5), time.Hour)
	// An old incident that was written to of late.
	inc = confirmed(50, arn(6), 0)
	write(t, s, Told(inc, at(2*month)))
	// What is no incident.
	write(t, s, ledger.Batch{Chain: ledger.System, Entries: []ledger.Draft{note(day, "old"), note(at(time.Hour), "old"), note(at(2*month), "new")},
		Marks: []ledger.Mark{{Key: "k/old", Value: "v", Expires: at(time.Hour)}, {Key: "k/new", Value: "v", Expires: at(3 * month)}, {Key: "k/ever", Value: "v"}}})
	heads, err := s.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	same(t, "removed", pruned(t, s, month, 2*month), 2+1+1+1+0+0+2)
	same(t, "chain of two old ones and a new one", seqs(t, s, arn(1)), []int64{3, 4})
	same(t, "chain with an open one", seqs(t, s, arn(2)), []int64{2, 3, 4})
	same(t, "chain with a failed one", seqs(t, s, arn(3)), []int64{2, 3, 4})
	same(t, "chain with an unconfirmed one", seqs(t, s, arn(4)), []int64{2, 3, 4})
	same(t, "chain with a message", seqs(t, s, arn(5)), []int64{1, 2})
	same(t, "chain of an old one that was written to", seqs(t, s, arn(6)), []int64{1, 2})
	same(t, "chain without incidents", seqs(t, s, ledger.System), []int64{3, 4})
	same(t, "incidents", ids(t, s, ledger.Query{}), []string{number(3), number(30), number(31), number(32), number(41),
		number(20), number(21), number(22), number(40), number(50)})
	same(t, "messages", waiting(t, s, time.Time{}, 0), []string{"m"})
	same(t, "marks", keys(t, s, "k/", day), []string{"k/ever=v", "k/new=v"})

	all := entries(t, s, arn(1))
	var says ledger.Pruned
	if err := json.Unmarshal(all[1].Body, &says); err != nil || all[1].Kind != ledger.KindPruned {
		t.Fatalf("the chain does not say what was removed: %v, %v", all[1], err)
	}
	same(t, "what the chain says", says, ledger.Pruned{Upto: 2, Hash: all[0].Prev})
	same(t, "time of that", all[1].Time, at(2*month))
	if _, found, _, err := s.Latest(t.Context(), arn(1)); !found || err != nil {
		t.Errorf("latest: %v, %v", found, err)
	}
	sound(t, s, heads...)
	s = b.Reopen(t, s)
	sound(t, s, heads...)
	same(t, "the chain goes on", write(t, s, Told(Sample(number(4), arn(1), incident.Open, at(2*month)), at(2*month))).Seq, int64(5))
	sound(t, s, heads...)
}

// A chain whose trail is quiet comes to rest: one entry says what was removed, and pruning adds no more.
func pruneAgain(t *testing.T, b Bench) {
	s := b.Open(t)
	for i := range 5 {
		write(t, s, Told(Sample(number(i), trail, incident.Confirmed, day), at(time.Duration(i)*time.Hour)))
	}
	same(t, "nothing is old enough", pruned(t, s, 0, time.Hour), 0)
	same(t, "entries", len(entries(t, s, trail)), 5)
	same(t, "some are", pruned(t, s, 2*time.Hour, 5*time.Hour), 2)
	same(t, "entries", seqs(t, s, trail), []int64{3, 4, 5, 6})
	sound(t, s)
	same(t, "the others too", pruned(t, s, month, 2*month), 4)
	same(t, "entries", seqs(t, s, trail), []int64{7})
	if _, found, head, err := s.Latest(t.Context(), trail); found || head.Seq != 7 || err != nil {
		t.Errorf("latest: %v, %v, %v", found, head, err)
	}
	for i := range 3 {
		same(t, "nothing more", pruned(t, s, time.Duration(4+i)*month, time.Duration(5+i)*month), 0)
	}
	same(t, "entries", seqs(t, s, trail), []int64{7})
	sound(t, s)
}

// Data stays as long as something that is left names it, and is removed when it is old and nothing does.
func pruneBlobs(t *testing.T, b Bench) {
	s := b.Open(t)
	keep := func(text string, when time.Duration) string {
		name, err := s.Keep(t.Context(), []byte(text), at(when))
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	old, fresh, refreshed := keep("old", 0), keep("fresh", 2*month), keep("refreshed", 0)
	keep("refreshed", 2*month)
	evidence, quarantined, gone := keep("evidence", 0), keep("quarantined", 0), keep("gone", 0)

	inc := Sample(number(1), trail, incident.Open, day)
	inc.Evidence = &incident.Evidence{SHA256: evidence}
	write(t, s, Told(inc, day))
	settled := Sample(number(2), arn(2), incident.Confirmed, day)
	settled.Evidence = &incident.Evidence{SHA256: gone}
	write(t, s, Told(settled, day))
	nowhere := Sample(number(3), "", incident.Open, day) // keeps what came after it in its chain
	write(t, s, Told(nowhere, day))
	write(t, s, ledger.Batch{Chain: ledger.System, Entries: []ledger.Draft{{Time: day, Kind: ledger.KindQuarantine, Body: map[string]string{"input": quarantined}}}})
	pruned(t, s, month, 2*month)
	for what, c := range map[string]struct {
		name string
		want bool
	}{
		"old": {old, false}, "fresh": {fresh, true}, "kept again": {refreshed, true}, "evidence of an open incident": {evidence, true},
		"quarantined, and its entry is left": {quarantined, true}, "evidence of an incident that is gone": {gone, false},
	} {
		_, err := s.Blob(t.Context(), c.name)
		if errors.Is(err, ledger.ErrNoBlob) == c.want || err != nil && !errors.Is(err, ledger.ErrNoBlob) {
			t.Errorf("%s: %v, want it kept: %v", what, err, c.want)
		}
	}
	sound(t, s)
}
