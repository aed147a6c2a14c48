package main

import (
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/dynamo"
)

// TestD3ProcessStartsWhatItSawLogging: nothing is pinned, and the event of a stop is lost. The sweep of another process of the built function starts the trail, as
// the table says that it was logging; the event that comes late after all is of the same incident, which knows then who it was.
func TestD3ProcessStartsWhatItSawLogging(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the built Lambda binary starts without a baseline what it saw logging, by its ledger in DynamoDB")
	}
	binary := buildBinary(t)
	d := prepare(t)
	if err := dynamo.Create(t.Context(), d.admin, "trailwarden"); err != nil {
		t.Fatal(err)
	}
	process := func() *deployed { return d.another(t, binary, "TRAILWARDEN_LEDGER=dynamodb://trailwarden") }
	answers := func(p *deployed, payload string) {
		t.Helper()
		if a := p.invoke(t, payload); a.Failed {
			t.Fatalf("answer %s\n%s", a.Body, p.output)
		}
	}
	answers(process(), `{"sweep":true}`)
	event := d.stop(t)
	d.world.Advance(time.Minute)
	second := process()
	answers(second, `{"sweep":true}`)
	if !d.logging(t) || !d.mailed("assumed-role/platform") {
		t.Fatalf("logging %t; told: %+v\n%s", d.logging(t), d.mail(), second.output)
	}
	d.world.Advance(time.Hour)
	answers(process(), sqsBatch(event))
	store, err := dynamo.Open(d.admin, "trailwarden", dynamo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := store.Incidents(t.Context(), ledger.Query{Trail: trailARN})
	if err != nil || len(all) != 1 || all[0].Count != 1 || all[0].Record == nil || all[0].Outcome != incident.Repaired {
		t.Errorf("%d incidents, %v: %+v", len(all), err, all)
	}
}
