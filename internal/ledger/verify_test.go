package ledger_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/ledgertest"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
)

const arn = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// export is one chain, whatever its entries say of theirs.
type export []ledger.Entry

func (x export) Entries(_ context.Context, chain string, from int64, visit func(ledger.Entry) error) error {
	for _, e := range x {
		if e.Seq >= from {
			if err := visit(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// linked is a chain of n notes after a head.
func linked(t testing.TB, head ledger.Head, n int) (x export) {
	t.Helper()
	for range n {
		e, err := ledger.Link(head, ledger.Draft{Time: day, Kind: ledger.KindStart, Body: map[string]any{"n": head.Seq + 1, "text": "<a> & b"}})
		if err != nil {
			t.Fatal(err)
		}
		x = append(x, e)
		head = e.Head()
	}
	return x
}

// The hash is the SHA-256 of this text: anybody can compute it with other tools.
func TestLinkHash(t *testing.T) {
	e, err := ledger.Link(ledger.Head{Chain: "c\"1"}, ledger.Draft{Time: time.Date(2026, 3, 1, 14, 0, 0, 500, time.FixedZone("", 7200)), Kind: ledger.KindStart, Body: map[string]any{"b": 1.0, "a": "<é>"}})
	if err != nil {
		t.Fatal(err)
	}
	// printf '%s' '{"body":{"a":"<é>","b":1},"chain":"c\"1","kind":"start","prev":"0…0","seq":1,"time":"2026-03-01T12:00:00.0000005Z"}' | sha256sum
	want := "d988827539e1e830b3ede484a6106ac6b6dab9027378182160f99c581ec38b0a"
	if e.Hash != want {
		t.Errorf("hash %s, want %s", e.Hash, want)
	}
	all, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var back ledger.Entry
	if err := json.Unmarshal(all, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(e, back); d != "" {
		t.Errorf("an entry changes on its way through JSON:\n%s", d)
	}
}

func TestVerifyChainNamesTheFirstBadLink(t *testing.T) {
	head := ledger.Head{Chain: arn}
	good := linked(t, head, 6)
	pruning := func(x export, upto int64, hash string) export {
		last := x[len(x)-1].Head()
		e, err := ledger.Link(last, ledger.PrunedDraft(ledger.Head{Seq: upto, Hash: hash}, day))
		if err != nil {
			t.Fatal(err)
		}
		return append(x, e)
	}
	edit := func(i int, how func(*ledger.Entry)) export {
		x := slices.Clone(good)
		how(&x[i])
		return x
	}
	rehashed := func(i int, body string) export {
		x := slices.Clone(good)
		e, err := ledger.Link(x[i-1].Head(), ledger.Draft{Time: day, Kind: ledger.KindStart, Body: json.RawMessage(body)})
		if err != nil {
			t.Fatal(err)
		}
		x[i] = e
		return x
	}
	rewritten := slices.Concat(good[:2:2], linked(t, ledger.Head{Chain: arn, Seq: 2, Hash: strings.Repeat("a", 64)}, 4))
	for name, c := range map[string]struct {
		x    export
		kept []ledger.Head
		want []string // seq and fault
	}{
		"whole":                            {good, []ledger.Head{good[0].Head(), good[5].Head()}, nil},
		"empty":                            {nil, nil, nil},
		"one removed":                      {slices.Delete(slices.Clone(good), 2, 3), nil, []string{"3 missing"}},
		"several removed":                  {slices.Delete(slices.Clone(good), 1, 4), nil, []string{"2 missing"}},
		"the first removed":                {good[1:], nil, []string{"1 missing"}},
		"the last removed":                 {good[:5], nil, nil}, // only a witness can tell
		"the last removed, and it is told": {good[:4], []ledger.Head{good[5].Head()}, []string{"5 witness"}},
		"all removed, and one is told":     {nil, []ledger.Head{good[5].Head()}, []string{"1 witness"}},
		"a body altered":                   {edit(3, func(e *ledger.Entry) { e.Body = json.RawMessage(`{"n":5,"text":"<a> & b"}`) }), nil, []string{"4 hash"}},
		"a time altered":                   {edit(3, func(e *ledger.Entry) { e.Time = e.Time.Add(1) }), nil, []string{"4 hash"}},
		"a kind altered":                   {edit(3, func(e *ledger.Entry) { e.Kind = ledger.KindAck }), nil, []string{"4 hash"}},
		"a hash altered":                   {edit(3, func(e *ledger.Entry) { e.Hash = strings.Repeat("b", 64) }), nil, []string{"4 hash", "5 prev"}},
		"a link altered":                   {edit(3, func(e *ledger.Entry) { e.Prev = strings.Repeat("b", 64) }), nil, []string{"4 prev", "4 hash"}},
		"a body with space":                {edit(3, func(e *ledger.Entry) { e.Body = append(slices.Clone(e.Body), ' ') }), nil, []string{"4 body"}},
		"a body that is no JSON":           {edit(3, func(e *ledger.Entry) { e.Body = json.RawMessage(`{"n":`) }), nil, []string{"4 body"}},
		"a body with a name twice":         {edit(3, func(e *ledger.Entry) { e.Body = json.RawMessage(`{"n":4,"n":4}`) }), nil, []string{"4 body"}},
		"one replaced, with its own hash":  {rehashed(3, `{}`), nil, []string{"5 prev"}},
		"the last replaced":                {rehashed(5, `{}`), []ledger.Head{good[5].Head()}, []string{"6 witness"}},
		"all since the third rewritten":    {rewritten, []ledger.Head{good[3].Head()}, []string{"3 prev", "4 witness"}},
		"two altered":                      {func() export { x := edit(1, func(e *ledger.Entry) { e.Kind = "x" }); x[4].Kind = "y"; return x }(), nil, []string{"2 hash", "5 hash"}},
		"one twice":                        {slices.Insert(slices.Clone(good), 3, good[2]), nil, []string{"3 order"}},
		"out of order":                     {export{good[0], good[2], good[1]}, nil, []string{"2 missing", "2 order"}},
		"of another chain":                 {edit(3, func(e *ledger.Entry) { e.Chain = "other" }), nil, []string{"4 order", "4 hash"}},
		"pruned":                           {pruning(slices.Clone(good), 3, good[2].Hash)[3:], []ledger.Head{good[1].Head(), good[4].Head()}, nil},
		"pruned, the removal was cut off":  {pruning(slices.Clone(good), 3, good[2].Hash)[1:], nil, nil},
		"pruned, nothing removed yet":      {pruning(slices.Clone(good), 3, good[2].Hash), nil, nil},
		"pruned twice":                     {pruning(pruning(slices.Clone(good), 1, good[0].Hash), 4, good[3].Hash)[4:], nil, nil},
		"more than retention removed":      {pruning(slices.Clone(good), 3, good[2].Hash)[4:], nil, []string{"4 missing"}},
		"pruned, by another hash":          {pruning(slices.Clone(good), 3, strings.Repeat("c", 64))[3:], nil, []string{"4 pruned"}},
		"to be pruned, by another hash":    {pruning(slices.Clone(good), 3, strings.Repeat("c", 64))[1:], nil, []string{"3 pruned"}},
		"pruned in the future":             {pruning(slices.Clone(good), 99, good[2].Hash)[3:], nil, []string{"1 missing", "7 pruned"}},
		"told of another chain":            {good, []ledger.Head{{Chain: "other", Seq: 3, Hash: "x"}}, nil},
	} {
		v, err := ledger.VerifyChain(t.Context(), c.x, arn, c.kept)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, bad := range v.Bad {
			got = append(got, fmt.Sprintf("%d %s", bad.Seq, bad.Fault))
			if bad.Chain != arn || !strings.HasSuffix(bad.Text, ".") {
				t.Errorf("%s: %+v", name, bad)
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// What was exported verifies without the store, by what everybody can read.
func TestVerifyExport(t *testing.T) {
	a, b := linked(t, ledger.Head{Chain: "a"}, 3), linked(t, ledger.Head{Chain: "b"}, 2)
	text, err := json.MarshalIndent(slices.Concat(a, b), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		old, new string
		bad      int
	}{"as it is": {"none", "", 0}, "altered": {`"n": 2`, `"n": 3`, 2}} {
		var x ledger.Export
		if err := json.Unmarshal(bytes.ReplaceAll(text, []byte(c.old), []byte(c.new)), &x); err != nil {
			t.Fatal(err)
		}
		bad := 0
		for _, chain := range []string{"a", "b"} {
			v, err := ledger.VerifyChain(t.Context(), x, chain, []ledger.Head{a[2].Head(), b[1].Head()})
			if err != nil {
				t.Fatal(err)
			}
			bad += len(v.Bad)
		}
		if bad != c.bad {
			t.Errorf("%s: %d bad links, want %d", name, bad, c.bad)
		}
	}
}

// Any single byte of any entry that is altered is told, at that entry or, where the entry was given a new hash, the one after.
func FuzzAlteredEntry(f *testing.F) {
	f.Add(uint8(2), uint16(5), byte('x'))
	f.Fuzz(func(t *testing.T, which uint8, at uint16, b byte) {
		x := linked(t, ledger.Head{Chain: arn}, 5)
		i := int(which) % len(x)
		x[i].Body = bytes.Clone(x[i].Body)
		j := int(at) % len(x[i].Body)
		if x[i].Body[j] == b {
			return
		}
		x[i].Body[j] = b
		v, err := ledger.VerifyChain(t.Context(), x, arn, nil)
		if err != nil || len(v.Bad) != 1 || v.Bad[0].Seq != int64(i+1) {
			t.Errorf("entry %d: %+v, %v", i+1, v.Bad, err)
		}
	})
}

// liar is a store of which something was altered behind its back.
type liar struct {
	ledger.Store
	entries   func([]ledger.Entry) []ledger.Entry
	incidents func([]incident.Incident) []incident.Incident
	heads     func([]ledger.Head) []ledger.Head
}

func (l liar) Heads(ctx context.Context) ([]ledger.Head, error) {
	h, err := l.Store.Heads(ctx)
	if l.heads != nil {
		h = l.heads(h)
	}
	return h, err
}

func (l liar) Entries(ctx context.Context, chain string, from int64, visit func(ledger.Entry) error) error {
	var all []ledger.Entry
	if err := l.Store.Entries(ctx, chain, 1, func(e ledger.Entry) error { all = append(all, e); return nil }); err != nil {
		return err
	}
	if l.entries != nil {
		all = l.entries(all)
	}
	return export(all).Entries(ctx, chain, from, visit)
}

func (l liar) Incidents(ctx context.Context, q ledger.Query) ([]incident.Incident, error) {
	all, err := l.Store.Incidents(ctx, q)
	if l.incidents != nil {
		all = l.incidents(all)
	}
	return all, err
}

func (l liar) Incident(ctx context.Context, id string) (incident.Incident, bool, error) {
	all, err := l.Incidents(ctx, ledger.Query{})
	for _, inc := range all {
		if inc.ID == id {
			return inc, true, err
		}
	}
	return incident.Incident{}, false, err
}

func TestVerifyStore(t *testing.T) {
	s := &memory.Store{Disk: &memory.Disk{}}
	write := func(b ledger.Batch) ledger.Head {
		t.Helper()
		h, err := s.Write(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	one := ledgertest.Sample("inc-1", arn, incident.Open, day)
	two := ledgertest.Sample("inc-2", arn+"2", incident.Repaired, day)
	write(ledgertest.Told(one, day))
	write(ledgertest.Told(two, day))
	two.Count = 7
	last := write(ledger.Batch{Chain: arn + "2", Incident: &two, Entries: []ledger.Draft{{Time: day, Kind: ledger.KindTampering, Body: ledger.Repeated{Incident: "inc-2", Count: 7}}}})
	heads, err := s.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(ledger.Batch{Chain: ledger.System, Entries: []ledger.Draft{{Time: day, Kind: ledger.KindAnchor, Body: heads}}})
	for name, c := range map[string]struct {
		liar
		outside []ledger.Head
		want    []string
	}{
		"whole":         {outside: []ledger.Head{last}},
		"a lie outside": {outside: []ledger.Head{{Chain: arn, Seq: 1, Hash: "x"}}, want: []string{arn + " 1 witness"}},
		"a chain that is gone, and all that tells of it but the anchor": {liar: liar{
			heads: func(h []ledger.Head) []ledger.Head {
				return slices.DeleteFunc(h, func(h ledger.Head) bool { return h.Chain == arn })
			},
			entries: func(e []ledger.Entry) []ledger.Entry {
				return slices.DeleteFunc(e, func(e ledger.Entry) bool { return e.Chain == arn })
			},
			incidents: func(i []incident.Incident) []incident.Incident {
				return slices.DeleteFunc(i, func(i incident.Incident) bool { return i.Trail.ARN == arn })
			},
		}, want: []string{arn + " 1 witness"}},
		"a list that was altered": {liar: liar{incidents: func(i []incident.Incident) []incident.Incident {
			for j := range i {
				i[j].Severity = incident.Info
			}
			return i
		}}, want: []string{arn + " 1 incident", arn + "2 1 incident"}},
		"a repetition that was altered": {liar: liar{incidents: func(i []incident.Incident) []incident.Incident {
			for j := range i {
				if i[j].Count == 7 {
					i[j].Count = 1
				}
			}
			return i
		}}, want: []string{arn + "2 1 incident"}},
		"an incident that was removed from the list": {liar: liar{incidents: func(i []incident.Incident) []incident.Incident {
			return slices.DeleteFunc(i, func(i incident.Incident) bool { return i.ID == "inc-1" })
		}}, want: []string{arn + " 1 incident"}},
		"an incident that never was": {liar: liar{incidents: func(i []incident.Incident) []incident.Incident {
			made := ledgertest.Sample("inc-3", arn, incident.Open, day)
			made.Ledger = &incident.LedgerHead{Chain: arn, Seq: 1, Hash: "x"}
			return append(i, made)
		}}, want: []string{arn + " 1 incident"}},
		"an incident of a chain that never was": {liar: liar{incidents: func(i []incident.Incident) []incident.Incident {
			made := ledgertest.Sample("inc-3", arn, incident.Open, day)
			made.Ledger = &incident.LedgerHead{Chain: "made up", Seq: 5, Hash: "x"}
			return append(i, made)
		}}, want: []string{"made up 5 incident"}},
	} {
		c.Store = s
		verdicts, err := ledger.Verify(t.Context(), c.liar, c.outside)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, v := range verdicts {
			for _, bad := range v.Bad {
				got = append(got, fmt.Sprintf("%s %d %s", bad.Chain, bad.Seq, bad.Fault))
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestPruneUpto(t *testing.T) {
	for name, c := range map[string]struct {
		aged  int64
		spans []ledger.Span
		want  int64
	}{
		"no incidents":                      {5, nil, 5},
		"nothing is old":                    {0, []ledger.Span{{First: 1, Last: 2}}, 0},
		"all is old":                        {5, []ledger.Span{{First: 1, Last: 2}, {First: 3, Last: 5}}, 5},
		"one goes on":                       {5, []ledger.Span{{First: 1, Last: 2}, {First: 3, Last: 6}}, 2},
		"one stays":                         {5, []ledger.Span{{First: 1, Last: 2, Stays: true}, {First: 3, Last: 5}}, 0},
		"one stays that began later":        {5, []ledger.Span{{First: 6, Last: 7, Stays: true}}, 5},
		"one holds another, which holds on": {9, []ledger.Span{{First: 2, Last: 4}, {First: 3, Last: 6}, {First: 5, Last: 9, Stays: true}}, 1},
	} {
		if got := ledger.PruneUpto(c.aged, c.spans); got != c.want {
			t.Errorf("%s: up to %d, want %d", name, got, c.want)
		}
	}
}
