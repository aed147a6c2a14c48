package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger"
)

// Prune is that of ledger.Store. It says first in the chain what it removes, then removes incidents, then entries, the oldest
// first: cut off anywhere, it leaves a chain that holds, and the next one goes on. A chain that is written to all the
// time is left for the next one.
func (s *Store) Prune(ctx context.Context, before, now time.Time) (removed int, err error) {
	waiting := map[string]bool{} // incidents of which a message waits
	if err := s.query(ctx, selection{pk: partitionMessages, only: []string{"incident"}}, func(i item) error {
		waiting[i.text("incident")] = true
		return nil
	}); err != nil {
		return 0, fmt.Errorf("prune ledger: %w", err)
	}
	heads, err := s.Heads(ctx)
	if err != nil {
		return 0, fmt.Errorf("prune ledger: %w", err)
	}
	byChain := map[string][]line{}
	for _, list := range []string{partitionClosed, partitionOpen, partitionClosed} {
		if err := s.lines(ctx, list, ledger.Query{}, func(l line) { byChain[l.chain] = append(byChain[l.chain], l) }); err != nil {
			return 0, fmt.Errorf("prune ledger: %w", err)
		}
	}
	if len(heads) > 0 {
		// Who may not remove must not say that something was removed: the first delete is of an entry that never was.
		if err := s.deleteMany(ctx, []key{{entriesOf(heads[0].Chain), number(0)}}); err != nil {
			return 0, fmt.Errorf("prune ledger: %w", err)
		}
	}
	for _, h := range heads {
		n, err := s.pruneChain(ctx, h, byChain[h.Chain], waiting, before, now)
		removed += n
		if err != nil && !errors.Is(err, ledger.ErrMoved) {
			return removed, fmt.Errorf("prune ledger: %w", err)
		}
	}
	if err := s.pruneExpired(ctx, now); err != nil {
		return removed, fmt.Errorf("prune ledger: %w", err)
	}
	if err := s.pruneBlobs(ctx, before); err != nil {
		return removed, fmt.Errorf("prune ledger: %w", err)
	}
	return removed, nil
}

func (s *Store) pruneChain(ctx context.Context, at ledger.Head, lines []line, waiting map[string]bool, before, now time.Time) (int, error) {
	var aged []ledger.Entry // without bodies
	err := s.entries(ctx, at.Chain, 1, func(i item) error {
		e, err := s.entry(ctx, at.Chain, i)
		if err == nil && !e.Time.Before(before) {
			return errEnough
		}
		aged = append(aged, e)
		return err
	}, "sk", "time", "hash", "kind")
	if err != nil && !errors.Is(err, errEnough) {
		return 0, err
	}
	if len(aged) == 0 {
		return 0, nil
	}
	var spans []ledger.Span
	for _, l := range lines {
		spans = append(spans, ledger.Span{First: l.first, Last: l.last, Stays: l.list == partitionOpen || waiting[l.id]})
	}
	upto := ledger.PruneUpto(aged[len(aged)-1].Seq, spans)
	var last ledger.Head
	var entries []key
	old := false // there is more than what tells of earlier removals
	for _, e := range aged {
		if e.Seq <= upto {
			last = ledger.Head{Chain: e.Chain, Seq: e.Seq, Hash: e.Hash}
			entries = append(entries, key{entriesOf(e.Chain), number(e.Seq)})
			old = old || e.Kind != ledger.KindPruned
		}
	}
	if !old {
		return 0, nil
	}
	going := map[string]bool{}
	for _, l := range lines {
		if l.last <= upto {
			going[l.id] = true
		}
	}
	// The condition on the head keeps an incident here that has just come back to life.
	if _, err := s.write(ctx, ledger.Batch{Chain: at.Chain, After: &at.Seq, Entries: []ledger.Draft{ledger.PrunedDraft(last, now)}}, going); err != nil {
		return 0, err
	}
	for _, l := range lines {
		if going[l.id] {
			if err := s.forgetIncident(ctx, l); err != nil {
				return 0, err
			}
		}
	}
	return len(entries), s.deleteMany(ctx, entries)
}

// forgetIncident removes an incident and its line, unless it was written since.
func (s *Store) forgetIncident(ctx context.Context, l line) error {
	unchanged := one{TableName: s.table, Key: incidentKey(l.id).item()}.on(condition{"#seq = :last", map[string]string{"#seq": "seq"}, item{":last": integer(l.last)}})
	err := s.call(ctx, "TransactWriteItems", func(ctx context.Context) error {
		return s.ask(ctx, "TransactWriteItems", transactRequest{TransactItems: []member{
			{Delete: &unchanged}, {Delete: &one{TableName: s.table, Key: key{l.list, l.key}.item()}},
		}}, nil)
	})
	if len(reasonsOf(err)) > 0 && !passes(err) {
		return nil // it was, or somebody else pruned it
	}
	return err
}

// pruneExpired removes what DynamoDB has not yet removed by itself.
func (s *Store) pruneExpired(ctx context.Context, now time.Time) error {
	for _, partition := range []string{partitionMarks, partitionLeases} {
		var expired []item
		if err := s.query(ctx, selection{pk: partition}, func(i item) error {
			if m := (ledger.Mark{Expires: i.until()}); m.Expired(now) {
				expired = append(expired, i)
			}
			return nil
		}); err != nil {
			return err
		}
		for _, i := range expired {
			// Unless it was renewed meanwhile.
			err := s.deleteItem(ctx, key{partition, i.text("sk")}, condition{"#until = :until", map[string]string{"#until": "until"}, item{":until": i["until"]}})
			if err != nil && codeOf(err) != "ConditionalCheckFailedException" {
				return err
			}
		}
	}
	return nil
}

// pruneBlobs removes old blobs that nothing names any more. What names them is read only when there are some.
func (s *Store) pruneBlobs(ctx context.Context, before time.Time) error {
	old := map[string]item{}
	if err := s.query(ctx, selection{pk: partitionBlobs}, func(i item) error {
		if i.text("kept") < sortable(before) {
			old[i.text("sk")] = i
		}
		return nil
	}); err != nil || len(old) == 0 {
		return err
	}
	incidents, err := s.Incidents(ctx, ledger.Query{})
	if err != nil {
		return err
	}
	var bodies []key // of incidents, which may themselves be blobs
	for _, inc := range incidents {
		if inc.Evidence != nil {
			delete(old, inc.Evidence.SHA256)
		}
		bodies = append(bodies, incidentKey(inc.ID))
	}
	named := func(i item) error { delete(old, i.text("blob")); return nil }
	if err := s.getMany(ctx, bodies, named); err != nil {
		return err
	}
	if err := s.query(ctx, selection{pk: partitionMessages, only: []string{"blob"}}, named); err != nil {
		return err
	}
	heads, err := s.Heads(ctx)
	if err != nil {
		return err
	}
	for _, h := range heads {
		if err := s.entries(ctx, h.Chain, 1, func(i item) error {
			delete(old, i.text("blob"))
			if ledger.Kind(i.text("kind")) != ledger.KindQuarantine {
				return nil
			}
			e, err := s.entry(ctx, h.Chain, i)
			delete(old, ledger.Quarantined(e))
			return err
		}); err != nil {
			return err
		}
	}
	for _, line := range old {
		if err := s.forgetBlob(ctx, line); err != nil {
			return err
		}
	}
	return nil
}
