package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// errSeen ends a visit that has seen enough.
var errSeen = errors.New("seen enough")

// Verify follows all chains of a store, each held against its head, against the anchors in the System chain and against heads
// that were kept outside; chains that only those know are missed. Incidents as they are listed must be what their chains
// tell last. Verdicts are sorted by chain. It may run beside a writer and beside retention.
func Verify(ctx context.Context, s Store, outside []Head) ([]Verdict, error) {
	heads, err := s.Heads(ctx)
	if err != nil {
		return nil, fmt.Errorf("verify ledger: %w", err)
	}
	witnesses := map[Head]bool{}
	for _, h := range slices.Concat(heads, outside) {
		witnesses[h] = true
	}
	// Anchors first: they are witnesses to all chains, to their own too.
	if err := s.Entries(ctx, System, 1, func(e Entry) error {
		var anchored []Head
		if e.Kind == KindAnchor && json.Unmarshal(e.Body, &anchored) == nil {
			for _, h := range anchored {
				witnesses[h] = true
			}
		}
		return ctx.Err()
	}); err != nil {
		return nil, fmt.Errorf("verify ledger: %w", err)
	}
	byChain := map[string][]Head{}
	for h := range witnesses {
		byChain[h.Chain] = append(byChain[h.Chain], h)
	}
	t := told{}
	verdicts := []Verdict{}
	for chain, heads := range byChain {
		v, err := follow(ctx, s, chain, heads, t.see)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, v)
	}
	slices.SortFunc(verdicts, func(a, b Verdict) int { return strings.Compare(a.Chain, b.Chain) })
	return t.compare(ctx, s, verdicts)
}

// told is where the chains tell of each incident last, by id.
type told map[string]place

type place struct {
	chain    string
	seq      int64  // of its latest KindIncident entry
	sum      string // of the incident, as the chain tells
	repeated bool   // and a KindTampering entry came after it
	count    int    // as that says
}

func (t told) see(e Entry) {
	switch e.Kind {
	case KindIncident:
		var inc struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(e.Body, &inc) == nil {
			t[inc.ID] = place{chain: e.Chain, seq: e.Seq, sum: hexSum(e.Body)}
		}
	case KindTampering:
		var by Repeated
		if json.Unmarshal(e.Body, &by) != nil {
			return
		}
		if p, ok := t[by.Incident]; ok && p.chain == e.Chain {
			p.repeated, p.count, p.sum = true, by.Count, by.Standing
			t[by.Incident] = p
		}
	}
}

// compare holds the incidents that are listed against what the chains told. What was written or removed meanwhile is no fault.
func (t told) compare(ctx context.Context, s Store, verdicts []Verdict) ([]Verdict, error) {
	bad := func(at incident.LedgerHead, format string, args ...any) {
		i := slices.IndexFunc(verdicts, func(v Verdict) bool { return v.Chain == at.Chain })
		if i < 0 {
			i = len(verdicts)
			verdicts = append(verdicts, Verdict{Chain: at.Chain, Head: Head{Chain: at.Chain}})
		}
		if v := &verdicts[i]; len(v.Bad) < maxBad {
			v.Bad = append(v.Bad, Bad{Chain: at.Chain, Seq: at.Seq, Fault: FaultIncident, Text: fmt.Sprintf(format, args...)})
		}
	}
	followed := map[string]int64{}
	for _, v := range verdicts {
		followed[v.Chain] = v.Head.Seq
	}
	listed, err := s.Incidents(ctx, Query{})
	if err != nil {
		return verdicts, fmt.Errorf("verify ledger: %w", err)
	}
	for _, inc := range listed {
		var at incident.LedgerHead
		if inc.Ledger != nil {
			at = *inc.Ledger
		}
		p, isTold := t[inc.ID]
		delete(t, inc.ID)
		since := at.Seq > followed[at.Chain]
		switch {
		case isTold && p.tells(inc):
			continue
		case isTold && !since:
			e, found, err := entryAt(ctx, s, p.chain, p.seq)
			if err != nil {
				return verdicts, err
			}
			if found && !p.same(e.Body, inc) {
				bad(e.ledgerHead(), "Incident %s as it is listed is not what entry %d tells of it: it was altered in the list.", inc.ID, p.seq)
			}
			continue
		}
		e, found, err := entryAt(ctx, s, at.Chain, at.Seq)
		if err != nil {
			return verdicts, err
		}
		if since && found && e.Hash == at.Hash {
			continue
		}
		if _, still, err := s.Incident(ctx, inc.ID); err != nil {
			return verdicts, fmt.Errorf("verify ledger: %w", err)
		} else if still {
			bad(at, "Incident %s is listed, but its chain does not tell of it.", inc.ID)
		}
	}
	for id, p := range t { // told, and not listed
		if gone, err := p.removed(ctx, s, id); err != nil {
			return verdicts, err
		} else if gone {
			bad(incident.LedgerHead{Chain: p.chain, Seq: p.seq}, "Incident %s, of which entry %d tells, is not listed any more: it was removed from the list.", id, p.seq)
		}
	}
	return verdicts, nil
}

// removed says whether an incident was removed, and not by retention: that takes the incident first and its entries then.
func (p place) removed(ctx context.Context, s Store, id string) (bool, error) {
	if _, found, err := s.Incident(ctx, id); err != nil {
		return false, fmt.Errorf("verify ledger: %w", err)
	} else if found {
		return false, nil
	}
	there, byRetention := false, false
	err := s.Entries(ctx, p.chain, p.seq, func(e Entry) error {
		there = there || e.Seq == p.seq
		var by Pruned
		byRetention = byRetention || e.Kind == KindPruned && json.Unmarshal(e.Body, &by) == nil && by.Upto >= p.seq
		return ctx.Err()
	})
	if err != nil {
		return false, fmt.Errorf("verify ledger: %w", err)
	}
	return there && !byRetention, nil
}

// tells compares without a second look at the entry.
func (p place) tells(inc incident.Incident) bool {
	sum, err := sumOf(inc)
	return err == nil && sum == p.sum
}

// same is the second look, at the body of the entry: it was perhaps written by a program whose incidents have another shape.
func (p place) same(body json.RawMessage, inc incident.Incident) bool {
	var of incident.Incident
	if json.Unmarshal(body, &of) != nil {
		return false
	}
	sum, err := sumOf(of)
	switch {
	case err != nil:
		return false
	case !p.repeated:
		return place{sum: sum}.tells(inc)
	case sum == hexSum(body):
		return false // the shape is the same: the incident is not
	}
	return inc.ID == of.ID && inc.Trail == of.Trail && inc.OpenedAt.Equal(of.OpenedAt) && inc.Count == p.count
}

func entryAt(ctx context.Context, r Reader, chain string, seq int64) (at Entry, found bool, err error) {
	err = r.Entries(ctx, chain, seq, func(e Entry) error {
		at, found = e, e.Seq == seq
		return errSeen
	})
	if err != nil && !errors.Is(err, errSeen) {
		return at, false, fmt.Errorf("verify ledger: %w", err)
	}
	return at, found, nil
}
