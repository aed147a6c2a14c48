package ledgertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

// An incident reads as it was written, with the head of its chain at that time, and is replaced by its id.
func incidents(t *testing.T, b Bench) {
	s := b.Open(t)
	inc := Sample(number(1), trail, incident.Open, at(123456789*time.Nanosecond))
	head := write(t, s, Told(inc, day))
	want := inc
	want.Ledger = &incident.LedgerHead{Chain: trail, Seq: 1, Hash: head.Hash}
	got, found, err := s.Incident(t.Context(), inc.ID)
	if err != nil || !found {
		t.Fatalf("incident: %v, %v", found, err)
	}
	same(t, "incident", got, want)

	write(t, s, ledger.Batch{Chain: trail, Entries: []ledger.Draft{note(day, "between")}})
	inc.Outcome, inc.Stage = incident.Repaired, incident.StageRepaired
	inc.OpenedAt = at(time.Hour)
	inc.Actor, inc.BlindWindow = nil, nil
	old := incident.LedgerHead{Chain: "old", Seq: 99, Hash: "old"}
	inc.Ledger = &old
	head = write(t, s, Told(inc, at(time.Minute)))
	want = inc
	want.Ledger = &incident.LedgerHead{Chain: trail, Seq: 3, Hash: head.Hash}
	got, _, err = s.Incident(t.Context(), inc.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "incident, written again", got, want)
	same(t, "incidents", ids(t, s, ledger.Query{}), []string{inc.ID})
	same(t, "no longer open", ids(t, s, ledger.Query{Open: true}), []string{})

	// What is only repeated is told in short.
	inc.Ledger = nil
	inc.Count++
	inc.Tamperings = append(inc.Tamperings, incident.Tampering{ID: number(2), Event: "StopLogging", At: day, Outcome: incident.Repaired})
	repeated := ledger.Repeated{Incident: inc.ID, Count: inc.Count, Tamperings: inc.Tamperings}
	write(t, s, ledger.Batch{Chain: trail, Entries: []ledger.Draft{{Time: day, Kind: ledger.KindTampering, Body: repeated}}, Incident: &inc})
	got, _, err = s.Incident(t.Context(), inc.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "count", got.Count, 2)
	same(t, "tamperings", got.Tamperings, inc.Tamperings)
	sound(t, s)
}

func query(t *testing.T, b Bench) {
	s := b.Open(t)
	for i, outcome := range incident.Outcomes {
		write(t, s, Told(Sample(number(i), arn(i%2), outcome, at(time.Duration(i)*time.Hour)), day))
	}
	nowhere := Sample(number(8), "", incident.Rejected, at(8*time.Hour)) // a record that names no trail
	nowhere.Trail = incident.TrailRef{}
	write(t, s, Told(nowhere, day))
	twin := Sample(number(9), arn(0), incident.Noted, at(8*time.Hour))
	write(t, s, Told(twin, day))

	n := func(i ...int) []string {
		list := []string{}
		for _, i := range i {
			list = append(list, number(i))
		}
		return list
	}
	// repaired, restored, confirmed, noted, attempted, open, failed, rejected
	for name, c := range map[string]struct {
		q    ledger.Query
		want []string
	}{
		"all, newest first, equal times by id": {ledger.Query{}, n(8, 9, 7, 6, 5, 4, 3, 2, 1, 0)},
		"of a trail":                           {ledger.Query{Trail: arn(0)}, n(9, 6, 4, 2, 0)},
		"of an unknown trail":                  {ledger.Query{Trail: arn(7)}, n()},
		"since, included":                      {ledger.Query{Since: at(7 * time.Hour)}, n(8, 9, 7)},
		"until, excluded":                      {ledger.Query{Until: at(2 * time.Hour)}, n(1, 0)},
		"since a moment later":                 {ledger.Query{Since: at(7*time.Hour + time.Nanosecond)}, n(8, 9)},
		"between, in another zone":             {ledger.Query{Since: at(time.Hour).In(time.FixedZone("", -3600)), Until: at(3 * time.Hour)}, n(2, 1)},
		"open":                                 {ledger.Query{Open: true}, n(6, 5)},
		"unconfirmed":                          {ledger.Query{Unconfirmed: true}, n(0)},
		"open or unconfirmed":                  {ledger.Query{Open: true, Unconfirmed: true}, n(6, 5, 0)},
		"open, of a trail":                     {ledger.Query{Open: true, Trail: arn(1)}, n(5)},
		"the newest":                           {ledger.Query{Limit: 3}, n(8, 9, 7)},
		"the newest open one":                  {ledger.Query{Open: true, Limit: 1}, n(6)},
		"more than there are":                  {ledger.Query{Limit: 100, Trail: arn(0)}, n(9, 6, 4, 2, 0)},
	} {
		same(t, name, ids(t, s, c.q), c.want)
	}
}

// Latest is by writing, not by time, and comes with the head of the same moment.
func latest(t *testing.T, b Bench) {
	s := b.Open(t)
	newer := Sample(number(1), trail, incident.Open, at(time.Hour))
	older := Sample(number(2), trail, incident.Open, day)
	write(t, s, Told(newer, at(time.Hour)))
	write(t, s, Told(older, at(time.Hour)))
	write(t, s, Told(Sample(number(3), arn(3), incident.Open, day), day))
	want := write(t, s, ledger.Batch{Chain: trail, Entries: []ledger.Draft{note(day, "more")}})
	inc, found, head, err := s.Latest(t.Context(), trail)
	if err != nil || !found {
		t.Fatalf("latest: %v, %v", found, err)
	}
	same(t, "latest incident", inc.ID, older.ID)
	same(t, "head", head, want)
	write(t, s, Told(newer, at(2*time.Hour)))
	inc, _, _, err = s.Latest(t.Context(), trail)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "latest incident, after the other was written again", inc.ID, newer.ID)

	write(t, s, ledger.Batch{Chain: arn(4), Entries: []ledger.Draft{note(day, "no incident")}})
	if _, found, head, err := s.Latest(t.Context(), arn(4)); found || head.Seq != 1 || err != nil {
		t.Errorf("a chain without incidents: %v, %v, %v", found, head, err)
	}
}

// What strangers choose is kept as it is: as values, not as part of a query, a path or a key.
func hostile(t *testing.T, b Bench) {
	s := b.Open(t)
	texts := []string{
		`'; DROP TABLE entries; --`, `"quoted"`, "NUL \x00 within", "line\nbreak\r\n\ttab", `back\slash`, "%s %d %", "_%", "a/../b", "<script>&amp;",
		"\u202eright to left", "\u200b\ufeff", "😀 \U0010ffff", "\u2028\u2029", "=cmd|' /C calc'!A0", `{"a":1}`, "$(reboot)`id`", strings.Repeat("long ", 300),
	}
	for i, text := range texts {
		inc := Sample("inc-"+text, "arn:"+text, incident.Open, at(time.Duration(i)*time.Second))
		inc.Actor.UserAgent, inc.Reason = text, text
		batch := Told(inc, day)
		batch.Queue = []ledger.Message{{ID: "m-" + text, Channel: text, Incident: inc, Created: inc.OpenedAt, Due: inc.OpenedAt, Error: text}}
		batch.Marks = []ledger.Mark{{Key: "mark/" + text, Value: text}}
		write(t, s, batch)
		if got, found, err := s.Incident(t.Context(), inc.ID); err != nil || !found || got.Actor.UserAgent != text || got.Trail.ARN != inc.Trail.ARN {
			t.Errorf("%q: incident %v, %v, %v", text, found, got.Actor, err)
		}
		if got, found, head, err := s.Latest(t.Context(), inc.Trail.ARN); err != nil || !found || got.ID != inc.ID || head.Seq != 1 {
			t.Errorf("%q: latest %v, %v, %v", text, found, head, err)
		}
		same(t, fmt.Sprintf("%q: of the trail", text), ids(t, s, ledger.Query{Trail: inc.Trail.ARN}), []string{inc.ID})
		same(t, fmt.Sprintf("%q: marks", text), keys(t, s, "mark/"+text, day), []string{"mark/" + text + "=" + text})
		for _, owner := range []string{text, text + "2"} {
			ok, err := s.Lease(t.Context(), text, owner, day, at(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			same(t, fmt.Sprintf("%q: lease", text), ok, owner == text)
		}
	}
	all, err := s.Messages(t.Context(), time.Time{}, 0)
	if err != nil || len(all) != len(texts) {
		t.Fatalf("%d messages, %v", len(all), err)
	}
	for i, m := range all {
		if m.ID != "m-"+texts[i] || m.Channel != texts[i] || m.Error != texts[i] {
			t.Errorf("%q: message %q of channel %q: %q", texts[i], m.ID, m.Channel, m.Error)
		}
		write(t, s, ledger.Batch{Sent: []string{m.ID}})
	}
	same(t, "messages after all were sent", waiting(t, s, time.Time{}, 0), []string{})
	sound(t, s)
}

// An incident of 150 KB is kept whole, with a message and entries of that size.
func big(t *testing.T, b Bench) {
	s := b.Open(t)
	inc := Sample(number(1), trail, incident.Open, day)
	for i := range 300 {
		inc.Tamperings = append(inc.Tamperings, incident.Tampering{ID: number(i), Event: strings.Repeat("StopLogging ", 35), At: day, Outcome: incident.Repaired})
	}
	batch := Told(inc, day)
	batch.Queue = []ledger.Message{message("m", inc, day)}
	write(t, s, batch)
	got, _, err := s.Incident(t.Context(), inc.ID)
	if err != nil {
		t.Fatal(err)
	}
	got.Ledger = nil
	same(t, "incident", got, inc)
	all, err := s.Messages(t.Context(), day, 1)
	if err != nil || len(all) != 1 || len(all[0].Incident.Tamperings) != 300 {
		t.Errorf("message: %d, %v", len(all), err)
	}
	sound(t, s)
}
