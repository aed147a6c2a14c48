package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// Fault says in a word what is wrong with a link.
type Fault string

const (
	FaultMissing  Fault = "missing"  // entries are missing
	FaultOrder    Fault = "order"    // a number comes twice, or in another chain
	FaultPrev     Fault = "prev"     // the entry does not follow the one before it
	FaultHash     Fault = "hash"     // the entry is not what its hash says
	FaultBody     Fault = "body"     // the body is not canonical JSON: nobody could have written it through this program
	FaultPruned   Fault = "pruned"   // what retention left does not continue what it removed
	FaultWitness  Fault = "witness"  // a head that was told or anchored is not in the chain
	FaultIncident Fault = "incident" // the incident that is listed is not the one that the chain tells of
)

// Bad is a link that does not hold.
type Bad struct {
	Chain string `json:"chain"`
	Seq   int64  `json:"seq"` // the first entry that is wrong or missing
	Fault Fault  `json:"fault"`
	Text  string `json:"text"` // a sentence
}

// Verdict is what came of following one chain.
type Verdict struct {
	Chain       string `json:"chain"`
	First       int64  `json:"first"` // number of the first entry that is there; 0 for none
	Entries     int64  `json:"entries"`
	Head        Head   `json:"head"`        // the latest entry that was read
	Witnessed   int    `json:"witnessed"`   // how many heads that were told or anchored are in the chain
	Unreachable int    `json:"unreachable"` // how many of them are before what retention has left
	Bad         []Bad  `json:"bad"`         // in order; the first is where to look. At most 100
}

// Reader reads chains: a Store, or an export.
type Reader interface {
	Entries(ctx context.Context, chain string, from int64, visit func(Entry) error) error
}

// Export is entries that were taken out of a store, each chain's in order.
type Export []Entry

// Entries is that of Reader.
func (x Export) Entries(_ context.Context, chain string, from int64, visit func(Entry) error) error {
	for _, e := range x {
		if e.Chain != chain || e.Seq < from {
			continue
		}
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}

// VerifyChain follows a chain from its first entry to its last, and holds it against heads of it that were kept elsewhere:
// in a notification, in an anchor. An entry that does not hold is no error but a Bad; after it, what follows is followed on.
func VerifyChain(ctx context.Context, r Reader, chain string, witnesses []Head) (Verdict, error) {
	return follow(ctx, r, chain, witnesses, func(Entry) {})
}

// maxBad is how many bad links of a chain are told.
const maxBad = 100

// follow is VerifyChain, which shows each entry to see.
func follow(ctx context.Context, r Reader, chain string, witnesses []Head, see func(Entry)) (Verdict, error) {
	f := follower{Verdict: Verdict{Chain: chain, Head: Head{Chain: chain}, Bad: []Bad{}}, told: map[int64][]string{}}
	for _, h := range witnesses {
		if h.Chain == chain && h.Seq > 0 && !slices.Contains(f.told[h.Seq], h.Hash) {
			f.told[h.Seq] = append(f.told[h.Seq], h.Hash)
		}
	}
	if err := r.Entries(ctx, chain, 1, func(e Entry) error { f.entry(e); see(e); return ctx.Err() }); err != nil {
		return f.Verdict, fmt.Errorf("verify chain %s: %w", chain, err)
	}
	if err := f.begin(ctx, r); err != nil {
		return f.Verdict, fmt.Errorf("verify chain %s: %w", chain, err)
	}
	f.rest()
	slices.SortStableFunc(f.Bad, func(a, b Bad) int { return int(a.Seq - b.Seq) })
	return f.Verdict, nil
}

type follower struct {
	Verdict
	told      map[int64][]string // hashes of heads that were kept elsewhere and have not come by yet
	firstPrev string
	pruned    *Pruned // what the latest KindPruned entry says
}

func (f *follower) bad(seq int64, fault Fault, format string, args ...any) {
	if len(f.Bad) < maxBad {
		f.Bad = append(f.Bad, Bad{Chain: f.Chain, Seq: seq, Fault: fault, Text: fmt.Sprintf(format, args...)})
	}
}

func (f *follower) entry(e Entry) {
	f.Entries++
	switch next := f.Head.Seq + 1; {
	case e.Chain != f.Chain:
		f.bad(e.Seq, FaultOrder, "Entry %d belongs to another chain, %q.", e.Seq, e.Chain)
	case f.First == 0 && e.Seq < 1:
		f.bad(e.Seq, FaultOrder, "The chain begins with entry %d; the first number is 1.", e.Seq)
	case f.First == 0:
		f.First, f.firstPrev = e.Seq, e.Prev
	case e.Seq < next:
		f.bad(e.Seq, FaultOrder, "Entry %d comes after entry %d.", e.Seq, f.Head.Seq)
	case e.Seq > next:
		f.bad(next, FaultMissing, "%s missing between what is left.", numbers(next, e.Seq-1))
	case e.Prev != f.Head.Hash:
		f.bad(e.Seq, FaultPrev, "Entry %d does not follow entry %d as it stands: that one was replaced, or this one.", e.Seq, f.Head.Seq)
	}
	if canonical, err := Canonical(e.Body); err != nil || !bytes.Equal(canonical, e.Body) {
		f.bad(e.Seq, FaultBody, "The body of entry %d is not as trailwarden writes it: it was altered.", e.Seq)
	} else if sum, err := e.sum(); err != nil || sum != e.Hash {
		f.bad(e.Seq, FaultHash, "Entry %d is not what its hash says: it was altered.", e.Seq)
	}
	if e.Kind == KindPruned {
		f.prunedBy(e)
	}
	for _, hash := range f.told[e.Seq] {
		if hash == e.Hash {
			f.Witnessed++
			continue
		}
		f.bad(e.Seq, FaultWitness, "Entry %d has the hash %.12s…; when it was told or anchored it had %.12s…: the chain was rewritten.", e.Seq, e.Hash, hash)
	}
	delete(f.told, e.Seq)
	f.Head = e.Head()
}

func (f *follower) prunedBy(e Entry) {
	var p Pruned
	if err := json.Unmarshal(e.Body, &p); err != nil || p.Upto >= e.Seq {
		f.bad(e.Seq, FaultPruned, "Entry %d says in no sensible way what retention removed.", e.Seq)
		return
	}
	f.pruned = &p
}

// begin holds the first entry that is left against what retention says that it removed.
func (f *follower) begin(ctx context.Context, r Reader) error {
	p := f.pruned
	switch {
	case f.First == 0:
	case f.First == 1 && f.firstPrev != genesis:
		f.bad(1, FaultPrev, "Entry 1 says that another came before it.")
	case f.First > 1 && (p == nil || p.Upto < f.First-1):
		from := int64(1)
		if p != nil {
			from = p.Upto + 1
		}
		f.bad(from, FaultMissing, "%s missing at the begin, and retention did not remove %s.", numbers(from, f.First-1), them(from, f.First-1))
	case p != nil && p.Upto == f.First-1 && p.Hash != f.firstPrev:
		f.bad(f.First, FaultPruned, "Entry %d, the first that is left, does not continue what retention removed.", f.First)
	case p != nil && p.Upto >= f.First: // the removal was cut off
		e, found, err := entryAt(ctx, r, f.Chain, p.Upto)
		if found && e.Hash != p.Hash {
			f.bad(e.Seq, FaultPruned, "Entry %d is not the one that retention was to remove.", e.Seq)
		}
		return err
	}
	return nil
}

// rest tells of heads that did not come by.
func (f *follower) rest() {
	for seq, hashes := range f.told {
		switch {
		case seq > f.Head.Seq && f.Head.Seq == 0:
			f.bad(1, FaultWitness, "The chain is gone: entry %d was told or anchored.", seq)
		case seq > f.Head.Seq:
			f.bad(f.Head.Seq+1, FaultWitness, "The chain ends with entry %d, but entry %d was told or anchored: its end was cut off.", f.Head.Seq, seq)
		case seq < f.First:
			f.Unreachable += len(hashes)
		}
	}
}

func numbers(from, to int64) string {
	if from == to {
		return fmt.Sprintf("Entry %d is", from)
	}
	return fmt.Sprintf("Entries %d to %d are", from, to)
}

func them(from, to int64) string {
	if from == to {
		return "it"
	}
	return "them"
}
