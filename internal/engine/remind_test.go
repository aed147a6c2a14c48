package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/route"
)

// live lets time pass as the daemon does, a minute at a time.
func (k *keptAccount) live(t *testing.T, d time.Duration) {
	t.Helper()
	for range int(d / time.Minute) {
		time.Sleep(time.Minute)
		if err := k.engine.Remind(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.flush(t)
	}
}

// greeted is an account whose deployment has said that it watches.
func greeted(t *testing.T, p route.Plan) *keptAccount {
	t.Helper()
	k := newKept(t)
	k.engine.Routing = p
	if err := k.engine.Remind(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.mail.take()
	k.second.take()
	return k
}

// broken stops the trail, and AWS refuses to start it again.
func (k *keptAccount) broken(t *testing.T) incident.Incident {
	t.Helper()
	k.world.Deny("*trailwarden*", "cloudtrail:StartLogging")
	return k.engine.Handle(t.Context(), k.stop(t, "main")).Incidents[0]
}

// ofRule are the incidents that were told, by a rule's name.
func ofRule(told []incident.Incident, rule string) (out []incident.Incident) {
	for _, inc := range told {
		if len(inc.Findings) > 0 && inc.Findings[0].Rule == rule {
			out = append(out, inc)
		}
	}
	return out
}

// TestNobodyAcknowledges is FAULTS G17: people are reminded, others are told besides, and a new process neither repeats nor forgets it.
func TestNobodyAcknowledges(t *testing.T) {
	// FAULTS G17.
	inBubble(t, func(t *testing.T) {
		plan := route.Plan{
			Rules: []route.Rule{{Channels: []string{"mail"}}}, Repeat: time.Hour,
			Steps: []route.Step{{After: 15 * time.Minute, Channels: []string{"second"}}},
		}
		k := greeted(t, plan)
		first := k.broken(t)
		k.live(t, 10*time.Minute)
		if told := k.second.take(); len(told) > 0 {
			t.Errorf("the second channel is told before its time: %q", stages(told))
		}
		k.restart(t)
		k.engine.Routing = plan
		k.live(t, 10*time.Minute)
		if told := k.second.take(); len(told) != 1 || told[0].Stage != incident.StageEscalated || !strings.Contains(notify.Prose(told[0], nil), "nobody has taken it on for 15 min") {
			t.Errorf("after 15 minutes the second channel was told %q", stages(told))
		}
		k.mail.take()
		k.live(t, 3*time.Hour)
		k.restart(t)
		k.engine.Routing = plan
		k.live(t, time.Minute)
		if told := k.mail.take(); len(told) != 3 || told[0].Stage != incident.StageReminded {
			t.Errorf("within 3 hours people are reminded of it %d times: %q", len(told), stages(told))
		}
		seen := map[string]bool{}
		for _, inc := range k.second.take() {
			if seen[notify.Identity(inc)] {
				t.Errorf("two reminders look the same to whoever drops what it has: %s", inc.Stage)
			}
			seen[notify.Identity(inc)] = true
		}
		if _, err := k.engine.Keeper.Acknowledge(t.Context(), first.ID, incident.Ack{By: "ada", At: k.world.Now()}); err != nil {
			t.Fatal(err)
		}
		k.flush(t)
		k.mail.take()
		k.second.take()
		k.live(t, 5*time.Hour)
		if told := append(k.mail.take(), k.second.take()...); len(told) > 0 {
			t.Errorf("after it was acknowledged people are alarmed: %q", stages(told))
		}
		k.verified(t)
	})
}

// TestMaintenance: others are told than usual, all is repaired and recorded, its begin and end are told, and what is left open then is told.
func TestMaintenance(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := greeted(t, route.Plan{})
		now := k.world.Now()
		k.engine.Routing = route.Plan{Windows: []route.Window{{
			From: now.Add(10 * time.Minute), Until: now.Add(2 * time.Hour), Channels: []string{"second"}, Who: "ada@example.org", Why: "the trail moves",
		}}}
		k.live(t, 11*time.Minute)
		if told := ofRule(k.mail.take(), "own.maintenance"); len(told) != 1 || !strings.Contains(notify.Prose(told[0], nil), "ada@example.org answers for it: the trail moves") {
			t.Fatalf("that it begins was told %d times", len(told))
		}
		k.handle(t, k.stop(t, "main"))
		if !k.logging(t) {
			t.Error("maintenance kept the trail from being repaired")
		}
		time.Sleep(20 * time.Minute)
		left := k.broken(t)
		k.live(t, time.Hour)
		k.restart(t)
		k.engine.Routing.Windows = []route.Window{{
			From: now.Add(10 * time.Minute), Until: now.Add(2 * time.Hour), Channels: []string{"second"}, Who: "ada@example.org", Why: "the trail moves",
		}}
		if told := k.mail.take(); len(told) > 0 {
			t.Errorf("mail was told during maintenance: %q", stages(told))
		}
		if told := ofRule(k.second.take(), "trail.stop"); len(told) < 2 {
			t.Errorf("the channel of the window was told %q", stages(told))
		}
		k.live(t, time.Hour)
		told := k.mail.take()
		if ends := ofRule(told, "own.maintenance"); len(ends) != 1 || !strings.Contains(ends[0].Findings[0].Text, "2 happened meanwhile, and 1 of them") {
			t.Errorf("that it ended was told as %+v", ends)
		}
		if stops := ofRule(told, "trail.stop"); len(stops) != 1 || stops[0].ID != left.ID {
			t.Errorf("what is open when it ends was told as %q", stages(stops))
		}
		if n := len(k.all(t)); n != 5 { // two stops, welcome, begin and end
			t.Errorf("the ledger holds %d incidents", n)
		}
		k.verified(t)
	})
}

// TestMaintenanceRemoved: a window that is taken out of the configuration while it is open has ended, which is told once, over restarts; put back, its opening is told again.
func TestMaintenanceRemoved(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := greeted(t, route.Plan{})
		now := k.world.Now()
		windows := []route.Window{{From: now, Until: now.Add(6 * time.Hour), Channels: []string{"second"}, Who: "ada@example.org", Why: "the trail moves"}}
		k.engine.Routing.Windows = windows
		titles := func() (out []string) {
			for _, inc := range ofRule(k.mail.take(), "own.maintenance") {
				out = append(out, inc.Findings[0].Title)
			}
			return out
		}
		expect := func(want ...string) {
			t.Helper()
			k.live(t, 20*time.Minute)
			k.restart(t)
			k.engine.Routing.Windows = windows
			k.live(t, 20*time.Minute)
			if got := titles(); !slices.Equal(got, want) {
				t.Errorf("told: %q, want %q", got, want)
			}
		}
		expect("Maintenance begins")
		windows = nil
		k.engine.Routing.Windows = nil
		k.handle(t, k.stop(t, "main"))
		expect("Maintenance has ended before its time")
		windows = []route.Window{{From: now, Until: now.Add(6 * time.Hour), Channels: []string{"second"}, Who: "ada@example.org", Why: "the trail moves"}}
		k.engine.Routing.Windows = windows
		expect("Maintenance begins")
		k.live(t, 6*time.Hour)
		expect("Maintenance has ended")
		k.verified(t)
	})
}

// TestWelcome: a deployment says once that it watches, and whether anybody heard stands in the ledger.
func TestWelcome(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		if err := k.engine.Remind(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, p := range map[string]*post{"mail": k.mail, "second": k.second} {
			if told := p.take(); len(told) != 1 || told[0].Findings[0].Rule != "own.welcome" {
				t.Errorf("%s was told %+v", name, told)
			}
		}
		k.restart(t)
		k.live(t, time.Hour)
		if told := k.mail.take(); len(told) > 0 {
			t.Errorf("it is said again: %q", stages(told))
		}
		id, by, err := k.engine.Heard(t.Context())
		if err != nil || id == "" || by != nil {
			t.Errorf("%q heard by %v, %v", id, by, err)
		}
		if _, err := k.engine.Keeper.Acknowledge(t.Context(), id, incident.Ack{By: "ada", At: k.world.Now()}); err != nil {
			t.Fatal(err)
		}
		if _, by, _ = k.engine.Heard(t.Context()); by == nil || by.By != "ada" {
			t.Errorf("heard by %v", by)
		}
	})
}

// TestTopicDeleted is FAULTS G10: what a person has to mend is told by the other channels at once, and the message is kept.
func TestTopicDeleted(t *testing.T) {
	// FAULTS G10.
	inBubble(t, func(t *testing.T) {
		k := greeted(t, route.Plan{Rules: []route.Rule{{Channels: []string{"mail"}}}})
		k.mail.down = notify.Permanent(errors.New("the topic does not exist"))
		k.handle(t, k.stop(t, "main"))
		if !k.logging(t) {
			t.Error("a topic that is gone cost the repair")
		}
		k.flush(t)
		if told := ofRule(k.second.take(), "trail.stop"); len(told) != 1 {
			t.Errorf("what the topic did not take was told by the other channel %d times", len(told))
		}
		k.live(t, time.Minute)
		if told := ofRule(k.second.take(), "own.channel"); len(told) != 1 || !strings.Contains(told[0].Reason, "the topic does not exist") {
			t.Fatalf("the other channel was told %+v", told)
		}
		k.mail.down = nil
		k.live(t, time.Hour)
		if told := ofRule(k.mail.take(), "trail.stop"); len(told) != 1 {
			t.Errorf("when the topic is there again, %d messages come", len(told))
		}
	})
}

// TestEveryChannelDown: nobody can be told. The trail is repaired, the messages are kept, the log says so, and all are told in the end.
func TestEveryChannelDown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := greeted(t, route.Plan{})
		k.mail.down, k.second.down = errors.New("no answer"), notify.Permanent(errors.New("revoked"))
		k.handle(t, k.stop(t, "main"))
		if !k.logging(t) {
			t.Error("the trail is not logging")
		}
		k.live(t, 3*time.Hour)
		waiting, err := k.store.Messages(t.Context(), time.Time{}, 0)
		for _, channel := range []string{"mail", "second"} {
			if !slices.ContainsFunc(waiting, func(m ledger.Message) bool {
				return m.Channel == channel && m.Incident.Findings[0].Rule == "trail.stop" && m.Error != ""
			}) {
				t.Errorf("%s: the message is not kept with why it was not sent; %d wait, %v", channel, len(waiting), err)
			}
		}
		k.mail.down, k.second.down = nil, nil
		k.live(t, time.Hour)
		for name, p := range map[string]*post{"mail": k.mail, "second": k.second} {
			told := p.take()
			if len(ofRule(told, "trail.stop")) == 0 || len(ofRule(told, "own.channel")) == 0 {
				t.Errorf("%s was told %q in the end", name, stages(told))
			}
		}
		k.verified(t)
	})
}

// TestFlapping is FAULTS G18: a trail that is stopped again and again is one incident, its good news are held back until they last, and messages
// do not come as often as the attacker likes.
func TestFlapping(t *testing.T) {
	// FAULTS G18.
	inBubble(t, func(t *testing.T) {
		k := greeted(t, route.Plan{})
		for range 20 {
			k.handle(t, k.stop(t, "main"))
			k.handle(t, k.ownStart(t))
			time.Sleep(30 * time.Second)
			k.flush(t)
		}
		if n := len(k.all(t)); n != 2 { // and the welcome
			t.Errorf("%d incidents", n)
		}
		told := k.mail.take()
		good := 0
		for _, inc := range told {
			if inc.Stage == incident.StageConfirmed {
				good++
			}
		}
		if good > 1 || len(told) > 15 {
			t.Errorf("in 10 minutes people got %d messages, %d of them good news: %q", len(told), good, stages(told))
		}
		k.live(t, 10*time.Minute)
		told = k.mail.take()
		if len(told) == 0 || told[len(told)-1].Stage != incident.StageConfirmed || told[len(told)-1].Count != 20 {
			t.Errorf("when it has lasted, the last word is %q", stages(told))
		}
		k.verified(t)
	})
}

// TestGroups: what is below critical waits for more of its kind and goes out together; what is critical does not wait.
func TestGroups(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := greeted(t, route.Plan{Rules: []route.Rule{
			{Match: route.Match{Severity: incident.Info}, Channels: []string{"mail"}, Group: route.Group{Wait: 5 * time.Minute, Interval: 30 * time.Minute}},
		}})
		at := k.world.Now()
		keep := func(i int, severity incident.Severity) {
			inc := incident.Incident{
				SchemaVersion: incident.SchemaVersion, ID: incident.ID("x", fmt.Sprint(i)), Outcome: incident.Attempted, Severity: severity,
				Trail:    incident.TrailRef{ARN: fmt.Sprintf("arn:aws:cloudtrail:%s:%s:trail/t%d", region, k.id, i), Account: k.id, Region: region},
				Findings: []incident.Finding{{Rule: "trail.stop", Severity: severity}}, OpenedAt: at, SeenAt: at,
				Drifts: []incident.Drift{}, Actions: []incident.Action{}, NextSteps: []incident.Step{},
			}
			_, send, err := k.engine.Keeper.Keep(t.Context(), inc.Trail.ARN, []incident.Incident{inc})
			if err != nil {
				t.Fatal(err)
			}
			k.engine.Send(t.Context(), send)
		}
		for i := range 10 {
			keep(i, incident.Low)
		}
		keep(10, incident.Critical)
		k.live(t, 2*time.Minute)
		if told := k.mail.take(); len(told) != 1 || told[0].Severity != incident.Critical {
			t.Errorf("at once people were told %q", stages(told))
		}
		k.live(t, 5*time.Minute)
		told := k.mail.take()
		if len(told) != 1 || told[0].Findings[0].Rule != "own.storm" || len(told[0].Tamperings) != 10 {
			t.Fatalf("the group is %d messages", len(told))
		}
		keep(11, incident.Low)
		k.live(t, 20*time.Minute)
		if told := k.mail.take(); len(told) > 0 {
			t.Errorf("the next group comes before its time: %q", stages(told))
		}
		k.live(t, 15*time.Minute)
		if told := k.mail.take(); len(told) != 1 {
			t.Errorf("the next group is %d messages", len(told))
		}
	})
}

// TestMemory: what a channel remembers outlives the process.
func TestMemory(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		if err := k.engine.Memory().Remember(t.Context(), "slack/C1/inc-1", "1700.1"); err != nil {
			t.Fatal(err)
		}
		k.restart(t)
		m := k.engine.Memory()
		if got, err := m.Recall(t.Context(), "slack/C1/inc-1"); got != "1700.1" || err != nil {
			t.Errorf("recalled %q, %v", got, err)
		}
		if got, err := m.Recall(t.Context(), "slack/C1/inc-"); got != "" || err != nil {
			t.Errorf("what was never remembered is recalled as %q, %v", got, err)
		}
	})
}

// TestCrashBetweenSentAndMarked is FAULTS G13: the ledger fails just when a message has gone out. The next process sends it once more, as the
// same piece of news, so that receivers can drop it.
func TestCrashBetweenSentAndMarked(t *testing.T) {
	// FAULTS G13.
	inBubble(t, func(t *testing.T) {
		k := greeted(t, route.Plan{})
		var ids []string
		k.engine.Channels = []notify.Channel{{Name: "mail", Notifier: channel(func(inc incident.Incident) {
			ids = append(ids, notify.Identity(inc))
			k.store.Fault = func(memory.Step) error { return errors.New("killed") }
		})}}
		event := k.stop(t, "main")
		k.engine.Handle(t.Context(), event)
		if !k.logging(t) || len(ids) != 1 {
			t.Fatalf("logging %t, told %d times", k.logging(t), len(ids))
		}
		time.Sleep(time.Minute)
		k.restart(t)
		told := k.mail.take()
		if len(told) != 1 || notify.Identity(told[0]) != ids[0] {
			t.Errorf("after the crash %d messages came, and not the one with the id %q", len(told), ids)
		}
		k.live(t, time.Hour)
		if told := k.mail.take(); len(told) > 0 {
			t.Errorf("it is sent for ever: %q", stages(told))
		}
	})
}
