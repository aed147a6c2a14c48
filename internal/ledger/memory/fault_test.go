package memory

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/ledgertest"
)

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

const arn = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"

// effects is a small life of a process.
func effects(s *Store) error {
	ctx := context.Background()
	inc := ledgertest.Sample("inc-1", arn, incident.Confirmed, day)
	_, err1 := s.Lease(ctx, "l", "me", day, day.Add(3*time.Hour))
	_, err2 := s.Write(ctx, ledgertest.Told(inc, day))
	_, _, err3 := s.Incident(ctx, inc.ID)
	_, err4 := s.Keep(ctx, []byte("x"), day)
	_, err5 := s.Prune(ctx, day.Add(time.Hour), day.Add(2*time.Hour))
	return errors.Join(err1, err2, err3, err4, err5)
}

// A process that dies at a step leaves what it did before that step: the next one opens the same disk and goes on.
func TestCrashAtEveryStep(t *testing.T) {
	var golden []Step
	s := &Store{Disk: &Disk{}, Fault: func(step Step) error { golden = append(golden, step); return nil }}
	if err := effects(s); err != nil {
		t.Fatal(err)
	}
	want := "[{Lease true false} {Lease true true} {Write true false} {Write true true} {Incident false false} {Keep true false} {Keep true true} {Prune true false} {Prune true true}]"
	if got := fmt.Sprint(golden); got != want {
		t.Errorf("steps %s", got)
	}
	for k, step := range golden {
		disk := &Disk{}
		func() {
			defer func() {
				if recover() != "crash" {
					t.Errorf("%v: no crash", step)
				}
			}()
			n := 0
			_ = effects(&Store{Disk: disk, Fault: func(Step) error {
				if n++; n > k {
					panic("crash")
				}
				return nil
			}})
		}()
		next := &Store{Disk: disk}
		_, written, err := next.Incident(t.Context(), "inc-1")
		if err != nil {
			t.Fatal(err)
		}
		if want := k >= 3 && k < 8; written != want {
			t.Errorf("crash at %v: the incident is there: %v, want %v", step, written, want)
		}
		free, err := next.Lease(t.Context(), "l", "another", day, day)
		if err != nil || free != (k < 1) {
			t.Errorf("crash at %v: the lease is free: %v, %v", step, free, err)
		}
		if verdicts, err := ledger.Verify(t.Context(), next, nil); err != nil || len(verdicts) > 0 && len(verdicts[0].Bad) > 0 {
			t.Errorf("crash at %v: %v, %v", step, verdicts, err)
		}
		if err := effects(next); err != nil {
			t.Errorf("crash at %v: the next process: %v", step, err)
		}
	}
}

// An error before the change leaves nothing; one after it loses only the answer.
func TestFaultAnswers(t *testing.T) {
	lost := errors.New("lost")
	for _, done := range []bool{false, true} {
		s := &Store{Disk: &Disk{}, Fault: func(step Step) error {
			if step.Op == "Write" && step.Done == done {
				return lost
			}
			return nil
		}}
		if _, err := s.Write(t.Context(), ledgertest.Told(ledgertest.Sample("inc-1", arn, incident.Open, day), day)); !errors.Is(err, lost) {
			t.Errorf("done %v: %v", done, err)
		}
		if _, found, err := s.Incident(t.Context(), "inc-1"); found != done || err != nil {
			t.Errorf("done %v: it is there: %v, %v", done, found, err)
		}
	}
}

// A copy is a moment: what comes later to either is not seen by the other, and a disk can be brought back to it.
func TestCopyAndRestore(t *testing.T) {
	disk := &Disk{}
	s := &Store{Disk: disk}
	write := func(s *Store, id string) {
		t.Helper()
		if _, err := s.Write(t.Context(), ledgertest.Told(ledgertest.Sample(id, arn, incident.Open, day), day)); err != nil {
			t.Fatal(err)
		}
	}
	count := func(s *Store) int {
		all, err := s.Incidents(t.Context(), ledger.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if verdicts, err := ledger.Verify(t.Context(), s, nil); err != nil || len(verdicts[0].Bad) > 0 {
			t.Errorf("%v, %v", verdicts, err)
		}
		return len(all)
	}
	write(s, "inc-1")
	copied := disk.Copy()
	other := &Store{Disk: copied}
	write(s, "inc-2")
	write(other, "inc-3")
	write(other, "inc-4")
	if a, b := count(s), count(other); a != 2 || b != 3 {
		t.Errorf("%d and %d incidents, want 2 and 3", a, b)
	}
	disk.Restore(copied)
	if n := count(s); n != 3 {
		t.Errorf("after restoring: %d incidents, want 3", n)
	}
}
