package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// genesis is Prev of a chain's first entry.
var genesis = strings.Repeat("0", 64)

// Link makes a draft the entry after a chain's head. head.Chain names the chain also when it has no entry yet.
func Link(head Head, d Draft) (Entry, error) {
	raw, err := json.Marshal(d.Body)
	if err != nil {
		return Entry{}, fmt.Errorf("link %s entry: %w", d.Kind, err)
	}
	body, err := Canonical(raw)
	if err != nil {
		return Entry{}, fmt.Errorf("link %s entry: %w", d.Kind, err)
	}
	e := Entry{Chain: head.Chain, Seq: head.Seq + 1, Prev: head.Hash, Time: d.Time.UTC().Round(0), Kind: d.Kind, Body: body}
	if head.Seq == 0 {
		e.Prev = genesis
	}
	if e.Hash, err = e.sum(); err != nil {
		return Entry{}, fmt.Errorf("link %s entry: %w", d.Kind, err)
	}
	return e, nil
}

// UnmarshalJSON brings the body back into canonical form, which encoders do not keep: they escape more. What has none is left as it
// is, for verification to tell.
func (e *Entry) UnmarshalJSON(data []byte) error {
	type entry Entry // without its methods
	if err := json.Unmarshal(data, (*entry)(e)); err != nil {
		return err
	}
	if body, err := Canonical(e.Body); err == nil {
		e.Body = body
	}
	return nil
}

// Head is the head of the entry's chain when the entry is its latest.
func (e Entry) Head() Head { return Head{Chain: e.Chain, Seq: e.Seq, Hash: e.Hash} }

func (e Entry) ledgerHead() incident.LedgerHead {
	return incident.LedgerHead{Chain: e.Chain, Seq: e.Seq, Hash: e.Hash}
}

// sum is what the entry's Hash should be.
func (e Entry) sum() (string, error) {
	at, err := e.Time.UTC().MarshalText()
	if err != nil {
		return "", err
	}
	// The canonical JSON of all members but hash: names in order, the body as it is.
	text := fmt.Appendf(nil, `{"body":%s,"chain":`, e.Body)
	text = append(appendString(text, e.Chain), `,"kind":`...)
	text = append(appendString(text, string(e.Kind)), `,"prev":`...)
	text = append(appendString(text, e.Prev), `,"seq":`...)
	text = append(strconv.AppendInt(text, e.Seq, 10), `,"time":`...)
	text = append(appendString(text, string(at)), '}')
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// Span is what retention has to know of an incident: its first and latest entry, and whether it has to stay (see Stays).
type Span struct {
	First, Last int64
	Stays       bool
}

// PruneUpto says up to which entry a chain may be pruned, when all entries up to aged are old enough: no entry goes while
// its incident stays, and an incident stays while one of its entries does. 0 for none.
func PruneUpto(aged int64, incidents []Span) int64 {
	for upto := aged; ; {
		low := upto
		for _, s := range incidents {
			if s.First <= low && (s.Stays || s.Last > low) {
				low = s.First - 1
			}
		}
		if low == upto {
			return max(upto, 0)
		}
		upto = low
	}
}

// PrunedDraft is the entry that says that a chain was pruned.
func PrunedDraft(last Head, now time.Time) Draft {
	return Draft{Time: now, Kind: KindPruned, Body: Pruned{Upto: last.Seq, Hash: last.Hash}}
}
