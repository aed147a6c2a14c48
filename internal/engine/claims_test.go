package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// TestClaims: a trail is worked on once at a time; what comes in meanwhile leads to another look, with the latest stop in hand.
func TestClaims(t *testing.T) {
	a, now := trail.ARN{Partition: "aws", Region: region, Account: "111122223333", Name: "main"}, time.Unix(1e9, 0)
	record := func(id, name string) event.Record { return event.Record{ID: id, Name: name} }
	var c claims
	if !c.take(a) || c.take(a) {
		t.Fatal("the trail is not taken once")
	}
	c.follow(a, []event.Record{record("e1", "UpdateTrail")}, now)
	c.follow(a, []event.Record{record("e2", "StopLogging"), record("e3", "AddTags")}, now)
	if _, _, ok := c.next(now); ok {
		t.Error("the trail is looked at again while it is worked on")
	}
	c.leave(a, now)
	got, hints, ok := c.next(now)
	if !ok || got != a || len(hints) != 1 || hints[0].ID != "e2" {
		t.Fatalf("got %v %+v %t", got, hints, ok)
	}
	c.done(a, errors.New("throttled"), now)
	if _, _, ok := c.next(now); ok {
		t.Error("work that failed is done again without a rest")
	}
	if _, _, ok := c.next(now.Add(time.Minute)); !ok {
		t.Error("work that failed is not done again")
	}
	c.done(a, nil, now)
	if _, _, ok := c.next(now.Add(time.Hour)); ok || len(c.hints) != 0 || len(c.busy) != 0 || c.again.Len() != 0 {
		t.Error("something is left")
	}
}

// TestLetters: many messages are one that lists each incident, trail and principal; few, and those of the 2017 shape, stay as they are.
func TestLetters(t *testing.T) {
	waiting := func(n int) (list []ledger.Message) {
		for i := range n {
			list = append(list, ledger.Message{ID: fmt.Sprint("m", i), Channel: "people", Incident: incident.Incident{
				ID: fmt.Sprint("inc-", i), Trail: incident.TrailRef{ARN: fmt.Sprint("arn-", i%7)}, Outcome: incident.Repaired, Severity: incident.Medium,
				Findings: []incident.Finding{{Rule: "trail.stop"}}, Actor: &incident.Actor{ARN: fmt.Sprint("user-", i%3)}, Count: 2,
			}})
		}
		return list
	}
	e := &Engine{Keeper: &Keeper{}}
	if got := e.letters(waiting(stormFrom - 1)); len(got) != stormFrom-1 {
		t.Errorf("few messages are %d", len(got))
	}
	list := waiting(250)
	list[40].Incident.Severity, list[40].Incident.Outcome = incident.Critical, incident.Failed
	letters := e.letters(list)
	if len(letters) != 3 {
		t.Fatalf("250 messages are %d", len(letters))
	}
	if first := letters[0].Incident; first.Severity != incident.Critical || first.Well() || first.Count != 200 {
		t.Errorf("the worst of a group does not stand out: %s %s %d", first.Severity, first.Outcome, first.Count)
	}
	listed, instead := map[string]bool{}, map[string]bool{}
	for _, l := range letters {
		for _, one := range l.Incident.Tamperings {
			listed[one.ID+one.Trail+one.Principal] = true
		}
		for _, id := range l.instead {
			instead[id] = true
		}
	}
	for _, m := range list {
		if !listed[m.Incident.ID+m.Incident.Trail.ARN+m.Incident.Actor.ARN] || !instead[m.ID] {
			t.Errorf("%s is hidden", m.Incident.ID)
		}
	}
	e.Keeper.Separate = true
	if got := e.letters(waiting(250)); len(got) != 250 {
		t.Errorf("messages of the 2017 shape are grouped: %d", len(got))
	}
}
