package dynamo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/ledgertest"
)

// BenchmarkStory writes all that a trail which was stopped and started again leaves in the ledger: lease, intent, call, the
// incident with a message for each of two channels, both sent, and the same again when it is confirmed. It counts what
// DynamoDB charges for it. The simulated AWS answers at once: the time is what trailwarden and the SDK need.
func BenchmarkStory(b *testing.B) {
	const table = "ledger"
	s := simulated()
	if err := Create(b.Context(), s.cfg, table); err != nil {
		b.Fatal(err)
	}
	var writes, reads, calls float64
	metered := s.through(func(next http.RoundTripper, op string, r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		calls++
		switch op {
		case "GetItem", "Query", "BatchGetItem":
			reads++
		default:
			writes += units(body)
		}
		return next.RoundTrip(r)
	})
	store, err := Open(metered.cfg, table, Options{Limit: generous})
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	n := 0
	for b.Loop() {
		n++
		must := func(_ any, err error) {
			if err != nil {
				b.Fatal(err)
			}
		}
		must(store.Lease(ctx, "trail/"+chain, "me", day, day.Add(time.Minute)))
		_, _, head, err := store.Latest(ctx, chain)
		must(nil, err)
		must(store.Write(ctx, ledger.Batch{Chain: chain, Entries: []ledger.Draft{{Time: day, Kind: ledger.KindIntent, Body: ledger.Intent{Incident: "inc-0000000000000001", Op: "StartLogging", Target: chain}}},
			Marks: []ledger.Mark{{Key: "intent/StartLogging", Value: "inc-0000000000000001", Expires: day.Add(time.Hour)}}}))
		must(store.Write(ctx, ledger.Batch{Chain: chain, Entries: []ledger.Draft{{Time: day, Kind: ledger.KindCall, Body: ledger.Call{Incident: "inc-0000000000000001", Op: "StartLogging", RequestID: "9b1de1a2-aaaa-4bbb-8ccc-ddddeeeeffff"}}},
			Marks: []ledger.Mark{{Key: "call/9b1de1a2", Value: "inc-0000000000000001", Expires: day.Add(time.Hour)}}}))
		head.Seq += 2
		for _, outcome := range []incident.Outcome{incident.Repaired, incident.Confirmed} {
			inc := ledgertest.Sample(fmt.Sprintf("inc-%016x", n), chain, outcome, day)
			batch := ledgertest.Told(inc, day)
			batch.After = &head.Seq
			var sent ledger.Batch
			for _, channel := range []string{"sns", "slack"} {
				id := inc.ID + string(outcome) + channel
				batch.Queue = append(batch.Queue, ledger.Message{ID: id, Channel: channel, Incident: inc, Created: day, Due: day})
				sent.Chain, sent.Sent = chain, append(sent.Sent, id)
				sent.Entries = append(sent.Entries, ledger.Draft{Time: day, Kind: ledger.KindSent, Body: ledger.Delivery{Message: id, Channel: channel, Incident: inc.ID, Tries: 1}})
			}
			must(store.Write(ctx, batch))
			must(store.Write(ctx, sent))
			head.Seq += 3
		}
	}
	b.ReportMetric(writes/float64(n), "write-units/op")
	b.ReportMetric(reads/float64(n), "reads/op")
	b.ReportMetric(calls/float64(n), "calls/op")
}

// units is what DynamoDB charges for a write: one unit for each 1 KB begun of each item, two in a transaction.
func units(body []byte) float64 {
	var w struct {
		Item          json.RawMessage
		TransactItems []map[string]struct{ Item json.RawMessage }
	}
	if json.Unmarshal(body, &w) != nil || w.TransactItems == nil {
		return float64((len(w.Item) + 1023) / 1024)
	}
	total := 0
	for _, members := range w.TransactItems {
		for _, m := range members {
			total += 2 * max(1, (len(m.Item)+1023)/1024)
		}
	}
	return float64(total)
}
