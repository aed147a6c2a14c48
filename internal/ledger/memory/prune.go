package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger"
)

// Prune is that of ledger.Store.
func (s *Store) Prune(ctx context.Context, before, now time.Time) (removed int, err error) {
	err = s.change(ctx, "Prune", func(st *state) error {
		waiting, err := st.waiting()
		if err != nil {
			return err
		}
		for name := range st.chains {
			n, err := st.prune(name, waiting, before, now)
			if err != nil {
				return err
			}
			removed += n
		}
		for key, m := range st.marks {
			if m.Expired(now) {
				delete(st.marks, key)
			}
		}
		for name, l := range st.leases {
			if !l.until.After(now) {
				delete(st.leases, name)
			}
		}
		return st.pruneBlobs(before)
	})
	return removed, err
}

// waiting is the ids of incidents of which a message waits.
func (st *state) waiting() (map[string]bool, error) {
	waiting := map[string]bool{}
	for _, body := range st.messages {
		var m ledger.Message
		if err := json.Unmarshal(body, &m); err != nil {
			return nil, fmt.Errorf("prune ledger: %w", err)
		}
		waiting[m.Incident.ID] = true
	}
	return waiting, nil
}

func (st *state) prune(name string, waiting map[string]bool, before, now time.Time) (int, error) {
	ch := st.chains[name]
	aged := slices.IndexFunc(ch.entries, func(e ledger.Entry) bool { return !e.Time.Before(before) })
	if aged < 0 {
		aged = len(ch.entries)
	}
	if aged == 0 {
		return 0, nil
	}
	var spans []ledger.Span
	for id, k := range st.incidents {
		if k.chain != name {
			continue
		}
		inc, _, err := st.incident(id)
		if err != nil {
			return 0, err
		}
		spans = append(spans, ledger.Span{First: k.first, Last: k.last, Stays: ledger.Stays(inc) || waiting[id]})
	}
	upto := ledger.PruneUpto(ch.entries[aged-1].Seq, spans)
	n := 0
	for n < len(ch.entries) && ch.entries[n].Seq <= upto {
		n++
	}
	if !slices.ContainsFunc(ch.entries[:n], func(e ledger.Entry) bool { return e.Kind != ledger.KindPruned }) {
		return 0, nil // what is left of a chain that was pruned before
	}
	e, err := ledger.Link(ch.head, ledger.PrunedDraft(ch.entries[n-1].Head(), now))
	if err != nil {
		return 0, fmt.Errorf("prune ledger: %w", err)
	}
	for id, k := range st.incidents {
		if k.chain == name && k.last <= upto {
			delete(st.incidents, id)
			if ch.latest == id {
				ch.latest = ""
			}
		}
	}
	ch.entries = append(slices.Clone(ch.entries[n:]), e)
	ch.head = e.Head()
	st.chains[name] = ch
	return n, nil
}

func (st *state) pruneBlobs(before time.Time) error {
	named := map[string]bool{}
	for id := range st.incidents {
		inc, _, err := st.incident(id)
		if err != nil {
			return err
		}
		if inc.Evidence != nil {
			named[inc.Evidence.SHA256] = true
		}
	}
	for _, ch := range st.chains {
		for _, e := range ch.entries {
			if e.Kind == ledger.KindQuarantine {
				named[ledger.Quarantined(e)] = true
			}
		}
	}
	for name, b := range st.blobs {
		if b.at.Before(before) && !named[name] {
			delete(st.blobs, name)
		}
	}
	return nil
}
