package ledgertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

func outbox(t *testing.T, b Bench) {
	s := b.Open(t)
	inc := Sample(number(1), trail, incident.Open, day)
	batch := Told(inc, day)
	m := message("m1", inc, day)
	m.Incident.Event = json.RawMessage(`{"detail":{"eventName":"StopLogging"}}`)
	batch.Queue = []ledger.Message{m}
	head := write(t, s, batch)

	all, err := s.Messages(t.Context(), day, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := m
	want.Incident.Ledger = &incident.LedgerHead{Chain: trail, Seq: 1, Hash: head.Hash}
	same(t, "message, with the head and the event that channels need", all, []ledger.Message{want})

	// Tried in vain: the same message at another time.
	again := all[0]
	again.Due, again.Tries, again.Error = at(time.Minute), 1, "503"
	write(t, s, ledger.Batch{Chain: trail, Entries: []ledger.Draft{{Time: day, Kind: ledger.KindUnsent, Body: ledger.Delivery{Message: "m1"}}}, Queue: []ledger.Message{again}})
	same(t, "before it is due again", waiting(t, s, at(59*time.Second), 0), []string{})
	same(t, "when it is due", waiting(t, s, at(time.Minute), 0), []string{"m1"})
	same(t, "all that wait", waiting(t, s, time.Time{}, 0), []string{"m1"})
	all, err = s.Messages(t.Context(), at(time.Minute), 0)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "message after a try", all, []ledger.Message{again})

	write(t, s, ledger.Batch{Chain: trail, Entries: []ledger.Draft{{Time: day, Kind: ledger.KindSent, Body: ledger.Delivery{Message: "m1"}}}, Sent: []string{"m1", "unknown"}})
	same(t, "after it was sent", waiting(t, s, time.Time{}, 0), []string{})
	write(t, s, ledger.Batch{Queue: []ledger.Message{m, message("m2", inc, day)}, Sent: []string{"m1"}})
	same(t, "queued and sent in one batch", waiting(t, s, time.Time{}, 0), []string{"m2"})
	sound(t, s)
}

// Messages come in the order in which they were made, however often they were put off, and of one moment in the order of the chain.
func outboxOrder(t *testing.T, b Bench) {
	s := b.Open(t)
	var want []string
	for i := range 12 {
		id := fmt.Sprintf("m%02d", 99-i) // ids go down while time goes on
		want = append(want, id)
		inc := Sample(number(i), trail, incident.Open, day)
		batch := Told(inc, day)
		m := message(id, inc, at(time.Duration(i/3)*time.Hour)) // three of the same moment
		m.Due = at(time.Duration(24-i) * time.Hour)
		batch.Queue = []ledger.Message{m}
		write(t, s, batch)
	}
	same(t, "all", waiting(t, s, time.Time{}, 0), want)
	same(t, "the first five", waiting(t, s, time.Time{}, 5), want[:5])
	same(t, "due", waiting(t, s, at(16*time.Hour), 0), want[8:])
	same(t, "due, the first two", waiting(t, s, at(16*time.Hour), 2), want[8:10])
	all, err := s.Messages(t.Context(), time.Time{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	all[0].Due = at(100 * time.Hour)
	write(t, s, ledger.Batch{Queue: all})
	same(t, "all, after one was put off", waiting(t, s, time.Time{}, 0), want)
	same(t, "due, after one was put off", waiting(t, s, at(99*time.Hour), 0), want[1:])
}

func marks(t *testing.T, b Bench) {
	s := b.Open(t)
	write(t, s, ledger.Batch{Chain: trail, Entries: []ledger.Draft{note(day, "with an entry")}, Marks: []ledger.Mark{
		{Key: "status/b", Value: "2"}, {Key: "status/a", Value: "1", Expires: at(time.Minute)}, {Key: "statut", Value: "x"},
		{Key: "status0", Value: "y"}, {Key: "seen/é", Value: "z"}, {Key: "\U0010ffff", Value: "last"},
	}})
	same(t, "by prefix, sorted", keys(t, s, "status/", day), []string{"status/a=1", "status/b=2"})
	same(t, "a moment before it expires", keys(t, s, "status/a", at(time.Minute-time.Second)), []string{"status/a=1"})
	same(t, "expired", keys(t, s, "status/", at(time.Minute)), []string{"status/b=2"})
	same(t, "all", keys(t, s, "", day), []string{"seen/é=z", "status/a=1", "status/b=2", "status0=y", "statut=x", "\U0010ffff=last"})
	same(t, "the last possible prefix", keys(t, s, "\U0010ffff", day), []string{"\U0010ffff=last"})
	all, err := s.Marks(t.Context(), "status/", day)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "marks", all, []ledger.Mark{{Key: "status/a", Value: "1", Expires: at(time.Minute)}, {Key: "status/b", Value: "2"}})
	write(t, s, ledger.Batch{Marks: []ledger.Mark{{Key: "status/a", Value: "new"}, {Key: "status/b"}, {Key: "never/was"}}})
	same(t, "after one was replaced and one forgotten", keys(t, s, "status/", at(time.Hour)), []string{"status/a=new"})
	same(t, "what never was", keys(t, s, "never", day), []string{})
}

func leases(t *testing.T, b Bench) {
	s := b.Open(t)
	take := func(what, owner string, now, until time.Duration, want bool) {
		t.Helper()
		if ok, err := s.Lease(t.Context(), "trail/x", owner, at(now), at(until)); err != nil || ok != want {
			t.Errorf("%s: %v, %v; want %v", what, ok, err, want)
		}
	}
	take("free", "a", 0, 10*time.Second, true)
	take("held by another", "b", 9*time.Second, 20*time.Second, false)
	take("extended", "a", 9*time.Second, 15*time.Second, true)
	take("held by another, extended", "b", 14*time.Second, 20*time.Second, false)
	take("expired", "b", 15*time.Second, 30*time.Second, true)
	take("lost", "a", 16*time.Second, 40*time.Second, false)
	take("given back", "b", 16*time.Second, 16*time.Second, true)
	take("free again", "a", 16*time.Second, 26*time.Second, true)
	if ok, err := s.Lease(t.Context(), "trail/y", "b", at(17*time.Second), at(20*time.Second)); err != nil || !ok {
		t.Errorf("another name: %v, %v", ok, err)
	}
}

func concurrentLease(t *testing.T, b Bench) {
	s := b.Open(t)
	var wg sync.WaitGroup
	won := make([]bool, b.Writers)
	for w := range b.Writers {
		wg.Go(func() {
			var err error
			if won[w], err = s.Lease(t.Context(), "one", fmt.Sprint(w), day, at(time.Hour)); err != nil {
				t.Errorf("lease: %v", err)
			}
		})
	}
	wg.Wait()
	n := 0
	for _, is := range won {
		if is {
			n++
		}
	}
	same(t, "owners", n, 1)
}

func blobs(t *testing.T, b Bench) {
	s := b.Open(t)
	for _, data := range [][]byte{{}, []byte("{}"), {0, 1, 2, 0xff, 0xfe}, bytes.Repeat([]byte("evidence "), 200_000)} {
		sum := sha256.Sum256(data)
		for range 2 { // keeping the same again is no fault
			name, err := s.Keep(t.Context(), data, day)
			if err != nil {
				t.Fatalf("keep %d bytes: %v", len(data), err)
			}
			same(t, "name", name, hex.EncodeToString(sum[:]))
		}
		got, err := s.Blob(t.Context(), hex.EncodeToString(sum[:]))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes read back as %d: %v", len(data), len(got), err)
		}
	}
	for _, name := range []string{strings.Repeat("0", 64), "", "../../etc/passwd"} {
		if _, err := s.Blob(t.Context(), name); !errors.Is(err, ledger.ErrNoBlob) {
			t.Errorf("%q: %v, want ErrNoBlob", name, err)
		}
	}
}

// Whatever was answered for is there after the store was closed and opened again.
func reopen(t *testing.T, b Bench) {
	s := b.Open(t)
	inc := Sample(number(1), trail, incident.Open, day)
	batch := Told(inc, day)
	batch.Queue = []ledger.Message{message("m1", inc, day)}
	batch.Marks = []ledger.Mark{{Key: "a", Value: "b"}, {Key: "c", Value: "d", Expires: at(time.Hour)}}
	first := write(t, s, batch)
	system := write(t, s, ledger.Batch{Chain: ledger.System, Entries: []ledger.Draft{note(day, "begin")}})
	name, err := s.Keep(t.Context(), []byte("evidence"), day)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := s.Lease(t.Context(), "l", "a", day, at(time.Hour)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	before := everything(t, s)

	s = b.Reopen(t, s)
	same(t, "after reopening", everything(t, s), before)
	if data, err := s.Blob(t.Context(), name); string(data) != "evidence" || err != nil {
		t.Errorf("blob: %q, %v", data, err)
	}
	if ok, err := s.Lease(t.Context(), "l", "b", at(time.Minute), at(time.Hour)); ok || err != nil {
		t.Errorf("the lease is forgotten: %v, %v", ok, err)
	}
	batch = Told(inc, at(time.Minute))
	batch.After = &first.Seq
	second := write(t, s, batch)
	same(t, "the chain goes on", second.Seq, int64(2))
	s = b.Reopen(t, s)
	sound(t, s, first, second, system)
}
