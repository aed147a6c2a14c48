package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// gate is a channel that is held up.
type gate struct {
	*post
	entered, release chan struct{}
}

func (g gate) Notify(ctx context.Context, inc incident.Incident) error {
	g.entered <- struct{}{}
	<-g.release
	return g.post.Notify(ctx, inc)
}

// TestFlushesTakeTurns: what waits is sent once, also when a process begins to send it while it is at it already. (No bubble: who waits for a
// mutex stops its clock.)
func TestFlushesTakeTurns(t *testing.T) {
	k := newKept(t)
	k.mail.down = errors.New("down")
	k.handle(t, k.stop(t, "main"))
	k.mail.down = nil
	k.world.Advance(time.Hour)
	held := gate{k.mail, make(chan struct{}, 10), make(chan struct{})}
	k.engine.Channels[0].Notifier = held
	read := make(chan struct{}, 10)
	var both sync.WaitGroup
	flush := func() {
		if err := k.engine.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	both.Go(flush)
	<-held.entered
	k.store.Fault = func(s memory.Step) error {
		if s.Op == "Messages" {
			read <- struct{}{}
		}
		return nil
	}
	both.Go(flush)
	select {
	case <-read:
		time.Sleep(10 * time.Millisecond) // it has the list
	case <-time.After(100 * time.Millisecond):
	}
	close(held.release)
	both.Wait()
	if got := stages(k.mail.take()); len(got) != 1 {
		t.Errorf("told %q", got)
	}
}

// TestMessagesThatWaitedAreSent: messages that waited for older ones go out with them, and not when they would be due if this process
// had died.
func TestMessagesThatWaitedAreSent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		k.mail.down = notify.Permanent(errors.New("no such topic"))
		fault := Fault{Rule: "lambda.code", Severity: incident.Critical, Resource: "trailwarden-react", Text: "other code", Got: "bbb", Mend: "Deploy it again."}
		k.handle(t, k.stop(t, "main"))
		k.mail.down = nil
		if err := k.engine.Faults(t.Context(), []Fault{fault}, nil); err != nil {
			t.Fatal(err)
		}
		if got := k.mail.take(); len(got) != 0 || !k.engine.Owes() {
			t.Fatalf("told %q before what was there first, owes %t", stages(got), k.engine.Owes())
		}
		if err := k.engine.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := k.mail.take(); len(got) != 1 || got[0].Findings[0].Rule != "lambda.code" || k.engine.Owes() {
			t.Errorf("told %q, owes %t", stages(got), k.engine.Owes())
		}
	})
}

// TestOrderOfWhatWaited: a message that waited for an older one goes out before what was recorded after it, whichever of them is due.
func TestOrderOfWhatWaited(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		k.mail.down = notify.Permanent(errors.New("no such topic"))
		id := k.handle(t, k.stop(t, "main")).Incidents[0].ID
		k.mail.down = nil
		k.world.Advance(time.Minute)
		k.stop(t, "main")
		k.handle(t, k.event("StopLogging", "main", k.world.Now(), func(_, record map[string]any) {
			record["userIdentity"] = map[string]any{"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/eve", "accountId": "111122223333"}
		}))
		if err := k.engine.witness(t.Context(), id, incident.Evidence{Calls: 3}, ledger.Mark{Key: "evidence/" + id}); err != nil {
			t.Fatal(err)
		}
		if err := k.engine.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"opened open", "again repaired", "evidence repaired"}, stages(k.mail.take())); diff != "" {
			t.Errorf("told (-want +got)\n%s", diff)
		}
	})
}

// TestDueWhileItIsRead: a message that this process held becomes due while the ledger is read. It is sent by the same flush, before anything newer.
func TestDueWhileItIsRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		k.mail.down = notify.Permanent(errors.New("no such topic"))
		k.handle(t, k.stop(t, "main"))
		k.mail.down = nil
		fault := Fault{Rule: "lambda.code", Severity: incident.Critical, Resource: "trailwarden-react", Text: "other code", Got: "bbb", Mend: "Deploy it again."}
		if err := k.engine.Faults(t.Context(), []Fault{fault}, nil); err != nil {
			t.Fatal(err)
		}
		k.store.Fault = func(s memory.Step) error {
			if s.Op == "Messages" {
				k.world.Advance(grace + time.Second)
			}
			return nil
		}
		k.flush(t)
		if got := k.mail.take(); len(got) != 1 {
			t.Errorf("told %q", stages(got))
		}
	})
}

// TestToldAtOnceAlthoughSomebodyWrote: of two incidents the second has to be written again, as another process wrote meanwhile. People are told
// of both now, not when the first one's message would be due if this process had died.
func TestToldAtOnceAlthoughSomebodyWrote(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		var writes atomic.Int64
		k.store.Fault = func(s memory.Step) error {
			if s.Op == "Write" && !s.Done {
				if writes.Add(1) == 2 {
					return ledger.ErrMoved
				}
			}
			return nil
		}
		faults := []Fault{
			{Rule: "lambda.code", Severity: incident.Critical, Resource: "trailwarden-react", Text: "other code", Got: "bbb", Mend: "Deploy it again."},
			{Rule: "bus.rule-disabled", Severity: incident.Critical, Resource: "trailwarden-watch", Text: "the rule is off", Got: "DISABLED", Mend: "Switch it on."},
		}
		if err := k.engine.Faults(t.Context(), faults, nil); err != nil {
			t.Fatal(err)
		}
		if got := k.mail.take(); len(got) != 2 {
			t.Errorf("told %q", stages(got))
		}
	})
}
