package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// post is a channel that can be down, and keeps what it was told.
type post struct {
	down error
	slow time.Duration // how long it takes
	got  []incident.Incident
	says *notify.Verdict // nil: it is well
}

func (p *post) Probe(context.Context) notify.Verdict {
	if p.says == nil {
		return notify.Verdict{Good: true, Known: true}
	}
	return *p.says
}

func (p *post) Notify(ctx context.Context, inc incident.Incident) error {
	if p.down != nil {
		return p.down
	}
	select {
	case <-time.After(p.slow):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.got = append(p.got, inc)
	return nil
}

func (p *post) take() []incident.Incident {
	got := p.got
	p.got = nil
	return got
}

// stages are what was told of an incident, in order.
func stages(told []incident.Incident) (out []string) {
	for _, inc := range told {
		out = append(out, string(notify.StageOf(inc))+" "+string(inc.Outcome))
	}
	return out
}

// kept is a pinned account whose engine has a ledger and two channels.
type keptAccount struct {
	pinnedAccount
	disk         *memory.Disk
	store        *memory.Store
	mail, second *post
}

func newKept(t *testing.T) *keptAccount {
	t.Helper()
	k := &keptAccount{pinnedAccount: newPinned(t, false), disk: &memory.Disk{}, mail: &post{}, second: &post{}}
	k.restart(t)
	return k
}

// restart is a new process on the same ledger.
func (k *keptAccount) restart(t *testing.T) {
	t.Helper()
	k.store = &memory.Store{Disk: k.disk}
	k.engine = k.pin(t)
	k.engine.Channels = []notify.Channel{{Name: "mail", Notifier: k.mail}, {Name: "second", Notifier: k.second}}
	k.engine.keep(Options{Ledger: k.store, Now: k.world.Now})
	if err := k.engine.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (k *keptAccount) handle(t *testing.T, event []byte) Report {
	t.Helper()
	report := k.engine.Handle(t.Context(), event)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return report
}

func (k *keptAccount) all(t *testing.T) []incident.Incident {
	t.Helper()
	all, err := k.store.Incidents(t.Context(), ledger.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (k *keptAccount) flush(t *testing.T) {
	t.Helper()
	if err := k.engine.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// verified holds all chains against their hashes.
func (k *keptAccount) verified(t *testing.T) {
	t.Helper()
	verdicts, err := ledger.Verify(t.Context(), k.store, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verdicts {
		if len(v.Bad) > 0 {
			t.Errorf("the ledger does not verify: %+v", v)
		}
	}
}

func inBubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestLifeOfAnIncident(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		first := k.handle(t, k.stop(t, "main")).Incidents[0]
		if !k.logging(t) || first.Outcome != incident.Repaired || first.Ledger == nil {
			t.Fatalf("the incident is %+v", first)
		}
		k.handle(t, k.ownStart(t))
		if d := stages(k.mail.take()); !slices.Equal(d, []string{"repaired repaired", "confirmed confirmed"}) {
			t.Errorf("told: %q", d)
		}
		time.Sleep(5 * time.Minute)
		again := k.handle(t, k.stop(t, "main")).Incidents[0]
		if again.ID != first.ID || again.Count != 2 || len(again.Tamperings) != 2 || again.Outcome != incident.Repaired {
			t.Errorf("tampering within the stretch: %s count %d, want %s count 2", again.ID, again.Count, first.ID)
		}
		time.Sleep(time.Hour)
		if other := k.handle(t, k.stop(t, "main")).Incidents[0]; other.ID == first.ID || other.Count != 1 {
			t.Errorf("an hour later it is still incident %s, count %d", other.ID, other.Count)
		}
		if n := len(k.all(t)); n != 2 {
			t.Errorf("the ledger holds %d incidents, want 2", n)
		}
		k.verified(t)
	})
}

// TestToldAfterACrash: what was recorded and not sent is sent by the next process, with the same identity.
func TestToldAfterACrash(t *testing.T) {
	// Fault F2.
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		k.mail.down, k.second.down = errors.New("killed"), errors.New("killed")
		event := k.stop(t, "main")
		k.handle(t, event)
		k.mail.down, k.second.down = nil, nil
		time.Sleep(time.Minute)
		k.restart(t)
		if d := stages(k.mail.take()); !slices.Equal(d, []string{"repaired repaired"}) {
			t.Errorf("the next process told %q", d)
		}
		k.handle(t, event) // the source delivers it again
		time.Sleep(time.Minute)
		k.flush(t)
		if d := stages(k.mail.take()); len(d) > 0 {
			t.Errorf("an event that comes again is told again: %q", d)
		}
	})
}

// TestChannelDownForADay is FAULTS G9.
func TestChannelDownForADay(t *testing.T) {
	// FAULTS G9.
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		k.mail.down = errors.New("no answer")
		for range 3 {
			k.handle(t, k.stop(t, "main"))
			for range 8 * 60 {
				time.Sleep(time.Minute)
				k.flush(t)
			}
		}
		told := k.second.take()
		i := slices.IndexFunc(told, func(inc incident.Incident) bool { return inc.Findings[0].Rule == "own.channel" })
		if i < 0 || !strings.Contains(told[i].Findings[0].Text, "mail") {
			t.Fatalf("the other channel was told %q, and not that mail is down", stages(told))
		}
		k.mail.down = nil
		for range 10 {
			time.Sleep(time.Minute)
			k.flush(t)
		}
		var stops []time.Time
		for _, inc := range k.mail.take() {
			if inc.Findings[0].Rule == "trail.stop" {
				stops = append(stops, inc.OpenedAt)
			}
		}
		if len(stops) != 3 || !slices.IsSortedFunc(stops, time.Time.Compare) {
			t.Errorf("after a day mail was told of stops at %v, want three in order", stops)
		}
		if rest, err := k.store.Messages(t.Context(), time.Time{}, 0); err != nil || len(rest) > 0 {
			t.Errorf("%d messages still wait, %v", len(rest), err)
		}
		k.verified(t)
	})
}

// TestLedgerDown: the repair is made and told, with a warning, and the event is handed back.
func TestLedgerDown(t *testing.T) {
	// Fault F4.
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		k.store.Fault = func(memory.Step) error { return errors.New("disk full") }
		report := k.engine.Handle(t.Context(), k.stop(t, "main"))
		if !k.logging(t) {
			t.Error("the trail is not logging")
		}
		if told := k.mail.take(); len(told) != 1 || !strings.Contains(told[0].Warning, "disk full") {
			t.Errorf("told: %+v", told)
		}
		if len(report.Failures) == 0 || report.Failures[0].Kept {
			t.Errorf("the event is not handed back: %+v", report.Failures)
		}
	})
}

// TestSweepEndsAnIncident: what somebody else mended is no open incident any more.
func TestSweepEndsAnIncident(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		allow := k.world.Deny("*trailwarden*", "cloudtrail:StartLogging")
		k.engine.Handle(t.Context(), k.stop(t, "main"))
		allow()
		if told := k.mail.take(); len(told) != 1 || told[0].Outcome != incident.Failed {
			t.Fatalf("told: %q", stages(told))
		}
		if _, err := k.mallory.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: aws.String("main")}); err != nil {
			t.Fatal(err)
		}
		if err := k.engine.Sweep(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		all := k.all(t)
		if len(all) != 1 || all[0].Outcome != incident.Restored || all[0].BlindWindow == nil || all[0].BlindWindow.Open {
			t.Errorf("the incident is %+v", all)
		}
		k.verified(t)
	})
}

// TestEvidence: what was done in the blind window is read from Event history, now and later.
func TestEvidence(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		k.engine.Regions = []string{"us-east-1"}
		allow := k.world.Deny("*trailwarden*", "cloudtrail:StartLogging")
		event := k.stop(t, "main")
		k.engine.Handle(t.Context(), event)
		time.Sleep(time.Minute)
		// While nobody is recording.
		_, err := k.mallory.AddTags(t.Context(), &cloudtrail.AddTagsInput{ResourceId: aws.String(k.trail()), TagsList: []types.Tag{{Key: aws.String("x")}}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		allow()
		k.handle(t, event)
		for range 70 {
			if err := k.engine.Evidence(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		all := k.all(t)
		e := all[0].Evidence
		if len(all) != 1 || e == nil || !e.Complete || e.Unknown == "" {
			t.Fatalf("evidence: %+v", e)
		}
		if i := slices.IndexFunc(e.Principals, func(p incident.Principal) bool { return slices.Contains(p.Names, "AddTags") }); i < 0 {
			t.Errorf("nobody is named for the AddTags in the blind window: %+v", e.Principals)
		}
		if raw, err := k.store.Blob(t.Context(), e.SHA256); err != nil || !strings.Contains(string(raw), "AddTags") {
			t.Errorf("the records are not kept: %v", err)
		}
		k.verified(t)
	})
}

// TestQuarantine is FAULTS C4 with a ledger: nothing is deleted unseen.
func TestQuarantine(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		report := k.engine.Handle(t.Context(), []byte(`{"detail-type": "AWS API Call via CloudTrail", "detail": "\u202e"`))
		if err := report.Err(); err != nil {
			t.Fatalf("handed back: %v", err)
		}
		k.flush(t)
		if told := k.mail.take(); len(told) != 1 || told[0].Findings[0].Rule != "own.input" {
			t.Errorf("told: %+v", told)
		}
		found := false
		err := k.store.Entries(t.Context(), ledger.System, 1, func(e ledger.Entry) error {
			found = found || e.Kind == ledger.KindQuarantine
			return nil
		})
		if err != nil || !found {
			t.Errorf("it is not in the ledger: %v", err)
		}
	})
}

// TestStorm is FAULTS G12: many incidents at once are one message, and each is in it.
func TestStorm(t *testing.T) {
	// FAULTS G12.
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		k.mail.down = errors.New("no answer")
		for range 40 {
			k.handle(t, k.stop(t, "main"))
			time.Sleep(16 * time.Minute)
		}
		k.mail.down = nil
		want := map[string]bool{}
		for _, inc := range k.all(t) {
			want[inc.ID] = true
		}
		for range 5 {
			time.Sleep(time.Hour)
			k.flush(t)
		}
		told := k.mail.take()
		for _, inc := range told {
			delete(want, inc.ID)
			for _, one := range inc.Tamperings {
				delete(want, one.ID)
			}
		}
		if len(told) > 5 || len(want) > 0 {
			t.Errorf("%d messages, and %d incidents in none of them", len(told), len(want))
		}
	})
}
