package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trailwarden/trailwarden/internal/ledger/dynamo"
	"github.com/trailwarden/trailwarden/internal/selfwatch"
	"github.com/trailwarden/trailwarden/internal/sim/deployment"
)

// TestProcessTellsOfTheSweep: the built function answers an event while somebody has switched the sweep off: the trail is repaired, people are
// told of both, and the next process tells when the sweep is back.
func TestProcessTellsOfTheSweep(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the built Lambda binary looks at the sweep")
	}
	binary := buildBinary(t)
	d, parts := prepare(t), deployment.New()
	if err := dynamo.Create(t.Context(), d.admin, "trailwarden"); err != nil {
		t.Fatal(err)
	}
	parts.Next = d.world
	front := httptest.NewServer(parts)
	t.Cleanup(front.Close)
	d.admin.BaseEndpoint = &front.URL
	process := func() *deployed {
		return d.another(t, binary, "TRAILWARDEN_LEDGER=dynamodb://trailwarden", selfwatch.Variable+"="+deployment.Self)
	}
	// Fault H2.
	parts.Change(func(x *deployment.Parts) { x.Timer["State"], x.Concurrency[deployment.Sweep] = "DISABLED", 0 })
	first := process()
	for range 2 {
		if a := first.invoke(t, sqsBatch(first.stop(t))); a.Failed || strings.Contains(string(a.Body), "itemIdentifier") || !first.logging(t) {
			t.Fatalf("answer %s, logging %t\n%s", a.Body, first.logging(t), first.output)
		}
	}
	for _, want := range []string{"repaired", "aws scheduler update-schedule --group-name trailwarden --name trailwarden-sweep --state ENABLED", "aws lambda delete-function-concurrency --function-name trailwarden-sweep"} {
		if !d.mailed(want) {
			t.Errorf("nobody was told %q: %+v\n%s", want, d.mail(), first.output)
		}
	}
	ours := func() (n int) {
		for _, m := range d.mail() {
			if strings.HasPrefix(m.Subject, "trailwarden itself was changed") {
				n++
			}
		}
		return n
	}
	if n := ours(); n != 2 {
		t.Errorf("told of the deployment %d times", n)
	}
	parts.Heal()
	second := process()
	if a := second.invoke(t, sqsBatch(second.stop(t))); a.Failed || !second.logging(t) {
		t.Fatalf("answer %s\n%s", a.Body, second.output)
	}
	if n := ours(); n != 4 || !d.mailed("well again") {
		t.Errorf("told of the deployment %d times, of its end: %t\n%s", n, d.mailed("well again"), second.output)
	}
}
