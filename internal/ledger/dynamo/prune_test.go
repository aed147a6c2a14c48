package dynamo

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

// Retention that is cut off at any call leaves a ledger that holds, and the next one finishes it.
func TestPruneCutOffAnywhere(t *testing.T) {
	ctx := t.Context()
	for cut := 1; ; cut++ {
		s := onSim(t)
		table := s.table(t)
		store := s.open(t, table, Options{Limit: generous})
		for n := range 8 {
			if _, err := store.Write(ctx, told(n, incident.Confirmed)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := store.Keep(ctx, []byte("of nobody"), day); err != nil {
			t.Fatal(err)
		}
		calls := 0
		fragile := s.through(func(next http.RoundTripper, op string, r *http.Request) (*http.Response, error) {
			if calls++; calls >= cut {
				return denied(r), nil
			}
			return next.RoundTrip(r)
		}).open(t, table, Options{Limit: generous})
		_, failed := fragile.Prune(ctx, day.AddDate(0, 1, 0), day.AddDate(0, 2, 0))
		s.sound(t, table)
		if _, err := store.Prune(ctx, day.AddDate(0, 1, 0), day.AddDate(0, 2, 0)); err != nil {
			t.Fatalf("after a cut at call %d: %v", cut, err)
		}
		if n := s.sound(t, table); n != 1 && n != 2 {
			t.Errorf("after a cut at call %d: %d entries are left", cut, n)
		}
		incidents, err := store.Incidents(ctx, ledger.Query{})
		if err != nil || len(incidents) != 0 {
			t.Errorf("after a cut at call %d: %d incidents are left, %v", cut, len(incidents), err)
		}
		if failed == nil {
			if cut < 10 {
				t.Errorf("only %d calls: nothing was pruned", cut)
			}
			return
		}
	}
}

// A role that may not delete, as the function's, adds nothing to chains when it tries.
func TestPruneWithoutPermission(t *testing.T) {
	s := onSim(t)
	table := s.table(t)
	store := s.open(t, table, Options{Limit: generous})
	if _, err := store.Write(t.Context(), told(1, incident.Confirmed)); err != nil {
		t.Fatal(err)
	}
	s.world.Deny("*", "dynamodb:BatchWriteItem")
	for range 3 {
		if _, err := store.Prune(t.Context(), day.AddDate(0, 1, 0), day.AddDate(0, 2, 0)); err == nil || !strings.Contains(err.Error(), "allow dynamodb:BatchWriteItem") {
			t.Errorf("error %v", err)
		}
	}
	if n := s.sound(t, table); n != 1 {
		t.Errorf("%d entries, want the one that was written", n)
	}
}

// An incident that was removed and comes back begins anew: what is left of its chain can be removed later.
func TestPrunedIncidentBeginsAnew(t *testing.T) {
	ctx := t.Context()
	s := onSim(t)
	store := s.open(t, s.table(t), Options{Limit: generous})
	for month := range 3 {
		b := told(1, incident.Confirmed)
		b.Entries[0].Time = day.AddDate(0, month, 0)
		if _, err := store.Write(ctx, b); err != nil {
			t.Fatal(err)
		}
		i, err := store.get(ctx, incidentKey(b.Incident.ID))
		if want := int64(2*month + 1); err != nil || placeOf(i).first != want {
			t.Errorf("month %d: its first entry is %d, %v; want %d", month, placeOf(i).first, err, want)
		}
		if _, err := store.Prune(ctx, day.AddDate(0, month, 1), day.AddDate(0, month, 2)); err != nil {
			t.Fatal(err)
		}
		if _, found, _, err := store.Latest(ctx, chain); found || err != nil {
			t.Errorf("month %d: after retention, latest: %v, %v", month, found, err)
		}
	}
}

// An incident that comes back to life while retention is at work, at whatever moment, stays, and so does its story from then on.
func TestPruneBesideWriter(t *testing.T) {
	ctx := t.Context()
	for moment := 1; ; moment++ {
		s := onSim(t)
		table := s.table(t)
		writer := s.open(t, table, Options{Limit: generous})
		for n := range 5 {
			if _, err := writer.Write(ctx, told(n, incident.Confirmed)); err != nil {
				t.Fatal(err)
			}
		}
		calls := 0
		again := told(3, incident.Failed)
		again.Entries[0].Time = day.AddDate(0, 2, 0)
		_, err := s.through(func(next http.RoundTripper, op string, r *http.Request) (*http.Response, error) {
			if calls++; calls == moment {
				if _, err := writer.Write(ctx, again); err != nil {
					t.Error(err)
				}
			}
			return next.RoundTrip(r)
		}).open(t, table, Options{Limit: generous}).Prune(ctx, day.AddDate(0, 1, 0), day.AddDate(0, 2, 0))
		if err != nil {
			t.Fatalf("a write at call %d: %v", moment, err)
		}
		if calls < moment {
			return
		}
		s.sound(t, table)
		open, err := writer.Incidents(ctx, ledger.Query{Open: true})
		if err != nil || len(open) != 1 || open[0].ID != again.Incident.ID {
			t.Errorf("a write at call %d: open incidents %v, %v", moment, open, err)
		}
		if _, found, _, err := writer.Latest(ctx, chain); !found || err != nil {
			t.Errorf("a write at call %d: latest %v, %v", moment, found, err)
		}
		// What was removed was said before the incident came back, or its first entry, number 4, is there.
		back := int64(0)
		if err := writer.Entries(ctx, chain, 1, func(e ledger.Entry) error {
			var p ledger.Pruned
			switch {
			case e.Kind == ledger.KindIncident && e.Time.Equal(again.Entries[0].Time):
				back = e.Seq
			case e.Kind == ledger.KindPruned && back > 0:
				if err := json.Unmarshal(e.Body, &p); err != nil || p.Upto >= 4 {
					t.Errorf("a write at call %d: entries up to %d were removed, %v", moment, p.Upto, err)
				}
			}
			return nil
		}); err != nil || back == 0 {
			t.Errorf("a write at call %d: entry %d, %v", moment, back, err)
		}
	}
}

func denied(r *http.Request) *http.Response {
	body := `{"__type":"AccessDeniedException","message":"cut off"}`
	return &http.Response{StatusCode: 400, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
}
