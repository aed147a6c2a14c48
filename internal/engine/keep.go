package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/route"
)

// Keeper keeps incidents in the ledger: it joins what belongs together, and writes the incident and the messages about
// it in one batch, so that neither is there without the other. It is safe for use by several goroutines.
type Keeper struct {
	Store ledger.Store
	Now   func() time.Time
	// Route says which channels are told of an incident.
	Route func(incident.Incident) []string
	// Group says how long a message waits for others of its channel; nil for none that waits.
	Group func(inc incident.Incident, channel string) route.Group
	// Separate joins nothing: each record is an incident, as the 2017 AWS sample told of them.
	Separate bool

	mu     sync.Mutex
	again  map[string]repeated  // by channel and incident
	groups map[string]time.Time // when the latest group of a channel is due

	together together
}

// repeated is a message that waits and only says that something happened again.
type repeated struct {
	id  string
	due time.Time
}

const (
	// grace is how long the process that recorded a message may take to send it, before it is taken for dead and the message
	// sent from the ledger.
	grace = 30 * time.Second
	// lull is how often people are told at most that nothing but the same has happened again.
	lull = time.Minute
	// aliasKept is how long a tampering finds the incident that it was joined to, at most.
	aliasKept = 7 * 24 * time.Hour
)

// chainOf is the chain that an incident is kept in.
func chainOf(inc incident.Incident) string {
	if inc.Trail.ARN == "" {
		return ledger.System
	}
	return inc.Trail.ARN
}

// standing is an incident while others are joined to it.
type standing struct {
	incident.Incident
	fresh     bool // begun now
	explained bool // only a repair of ours was known before
	news      bool // something is to be recorded
	grave     bool // more than that the same happened again
	aliases   []string
	added     []incident.Tampering
	held      []string // ids of messages that are sent later, from the ledger
}

// Keep records incidents of one trail. It returns them as they stand now, joined with what was known, and the messages that are to be
// sent at once; messages that may wait are sent from the ledger.
func (k *Keeper) Keep(ctx context.Context, chain string, incidents []incident.Incident) (kept []incident.Incident, send []ledger.Message, err error) {
	const tries = 8
	kept, send, err = k.together.write(chain, incidents, func(all []incident.Incident) (kept []incident.Incident, send []ledger.Message, err error) {
		for try := 1; ; try++ {
			var written []ledger.Message
			kept, written, err = k.keep(ctx, chain, all)
			send = append(send, written...) // also of those that were written before somebody else wrote
			if !errors.Is(err, ledger.ErrMoved) || try == tries {
				return kept, send, err
			}
		}
	})
	if err != nil {
		return nil, nil, fmt.Errorf("keep incidents of %s: %w", chain, err)
	}
	return kept, send, nil
}

// keep is Keep once: what is kept stands in the order of the incidents that came, one for each.
func (k *Keeper) keep(ctx context.Context, chain string, incidents []incident.Incident) (kept []incident.Incident, send []ledger.Message, err error) {
	_, _, head, err := k.Store.Latest(ctx, chain)
	if err != nil {
		return nil, nil, err
	}
	now := k.Now()
	var all []*standing
	place := make([]*standing, len(incidents)) // where each incident has gone
	for i, next := range incidents {
		as := next.ID
		s, known, err := k.find(ctx, all, &next, now)
		switch {
		case err != nil:
			return nil, nil, err
		case s == nil:
			s = &standing{Incident: incident.Begin(next), fresh: true, news: true, grave: true}
			if next.ID != as {
				s.aliases = []string{as}
			}
			all = append(all, s)
		case !slices.Contains(all, s):
			all = append(all, s)
			fallthrough
		default:
			s.join(next, known)
		}
		place[i] = s
	}
	for _, s := range all {
		if s.news {
			batch := k.batch(chain, head, s, now)
			if head, err = k.Store.Write(ctx, batch); err != nil {
				return nil, send, err
			}
			s.Ledger = &incident.LedgerHead{Chain: head.Chain, Seq: head.Seq, Hash: head.Hash}
			send = append(send, k.ready(batch.Queue, s)...)
		}
	}
	for _, s := range place {
		kept = append(kept, s.Incident)
	}
	return kept, send, nil
}

// find is the incident that next belongs to; nil when it is the first of its kind. Known says that next was joined to it before, and need not
// be in its list any more. What a sweep found once more, long after it was mended, gets an id of its own.
func (k *Keeper) find(ctx context.Context, all []*standing, next *incident.Incident, now time.Time) (_ *standing, known bool, err error) {
	alias, _, err := mark(ctx, k.Store, "alias/"+next.ID, now)
	if err != nil {
		return nil, false, err
	}
	for _, s := range all {
		if s.Holds(next.ID) || s.ID == alias {
			return s, s.ID == alias, nil
		}
	}
	ids := []string{alias, next.ID}
	if !k.Separate {
		id, _, err := mark(ctx, k.Store, "case/"+next.Trail.ARN, now)
		if err != nil {
			return nil, false, err
		}
		ids = append(ids, id)
	}
	for i, id := range ids {
		if i == 2 { // none of its own: one that is being joined now may take it
			for _, s := range all {
				if s.Takes(*next, now) {
					return s, false, nil
				}
			}
		}
		if id == "" {
			continue
		}
		inc, found, err := k.Store.Incident(ctx, id)
		switch {
		case err != nil:
			return nil, false, err
		case !found:
		case i < 2 && inc.Over(*next, now):
			next.ID = incident.ID(next.Trail.ARN, next.ID+"\n"+next.SeenAt.UTC().Format(time.RFC3339Nano))
		case i == 0 || inc.Holds(next.ID) || !k.Separate && inc.Takes(*next, now):
			return &standing{Incident: inc}, i == 0, nil
		}
	}
	return nil, false, nil
}

// join adds next. One that is known counts only for how it leaves the trail.
func (s *standing) join(next incident.Incident, known bool) {
	was := s.Incident
	joined, news := was.Join(next)
	s.explained = s.explained || was.OwnRepair() && !joined.OwnRepair()
	if known && next.Record != nil && joined.Count > was.Count {
		joined.Count, joined.Tamperings, news = was.Count, was.Tamperings, joined.Outcome != was.Outcome
		if !news {
			return
		}
	}
	s.Incident, s.news = joined, s.news || news
	if s.news && next.ID != s.ID && !slices.Contains(s.aliases, next.ID) {
		s.aliases = append(s.aliases, next.ID) // also of another account of a tampering that is known: its record may come again, late
	}
	if joined.Count > was.Count {
		latest := joined.Tamperings[len(joined.Tamperings)-1]
		s.added = append(s.added, latest)
		known := slices.ContainsFunc(was.Tamperings, func(t incident.Tampering) bool { return t.Principal == latest.Principal })
		s.grave = s.grave || !known
	}
	s.grave = s.grave || news && joined.Stage != incident.StageAgain || len(joined.Findings) > len(was.Findings) || joined.Well() != was.Well()
}

// batch is what is written about an incident.
func (k *Keeper) batch(chain string, head ledger.Head, s *standing, now time.Time) ledger.Batch {
	s.Ledger = nil // the store sets the head that this batch makes
	b := ledger.Batch{Chain: chain, After: &head.Seq, Incident: &s.Incident}
	if s.grave {
		b.Entries = []ledger.Draft{{Time: now, Kind: ledger.KindIncident, Body: s.Incident}}
	}
	// An incident lists some of its tamperings only: the chain has all.
	if left := slices.ContainsFunc(s.added, func(t incident.Tampering) bool { return !s.Holds(t.ID) }); left || !s.grave {
		b.Entries = slices.Insert(b.Entries, 0, ledger.Draft{Time: now, Kind: ledger.KindTampering, Body: ledger.Repeated{Incident: s.ID, Count: s.Count, Tamperings: s.added}})
	}
	if !s.Lasting() && (s.fresh || s.explained) && !s.OwnRepair() && !k.Separate {
		b.Marks = append(b.Marks, ledger.Mark{Key: "case/" + s.Trail.ARN, Value: s.ID})
	}
	for _, alias := range s.aliases {
		b.Marks = append(b.Marks, ledger.Mark{Key: "alias/" + alias, Value: s.ID, Expires: now.Add(aliasKept)})
	}
	if due, wanted := evidenceDue(s.Incident, now); wanted {
		b.Marks = append(b.Marks, ledger.Mark{Key: "evidence/" + s.ID, Value: due.UTC().Format(time.RFC3339)})
	}
	for _, m := range k.messages(s.Incident, now, grace) {
		if !s.grave {
			b.Sent = append(b.Sent, k.wait(&m, now)...)
		} else if pause := k.pause(s, m.Channel, now); pause > 0 {
			m.Due = now.Add(pause)
			s.held = append(s.held, m.ID)
		}
		b.Queue = append(b.Queue, m)
	}
	return b
}

// messages are those that tell of an incident as it stands, one for each channel.
func (k *Keeper) messages(inc incident.Incident, now time.Time, after time.Duration) (out []ledger.Message) {
	for _, channel := range k.Route(inc) {
		m := ledger.Message{ID: channel + "/" + notify.Identity(inc), Channel: channel, Incident: inc, Created: now, Due: now.Add(after)}
		if !k.Separate {
			m.Incident.Event = nil // only messages as the 2017 sample sent them hold it
		}
		out = append(out, m)
	}
	return out
}

// wait lets a message that only says "again" wait for a lull, and returns the id of the one whose place it takes.
func (k *Keeper) wait(m *ledger.Message, now time.Time) (replaced []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.again == nil || len(k.again) > 10_000 {
		k.again = make(map[string]repeated)
	}
	key := m.Channel + "/" + m.Incident.ID
	m.Due = now.Add(lull)
	if waiting, ok := k.again[key]; ok && waiting.due.After(now) {
		m.Due = waiting.due
		if waiting.id != m.ID {
			replaced = []string{waiting.id}
		}
	}
	k.again[key] = repeated{m.ID, m.Due}
	return replaced
}

// ready are the messages that need not wait, with the head that stands in the ledger.
func (k *Keeper) ready(queue []ledger.Message, s *standing) (send []ledger.Message) {
	for _, m := range queue {
		if s.grave && !slices.Contains(s.held, m.ID) {
			m.Incident = s.Incident
			send = append(send, m)
		}
	}
	return send
}

// change changes an incident in the ledger, and queues messages about it where that is news. It begins again when somebody else wrote meanwhile.
func (k *Keeper) change(ctx context.Context, id string, how func(*incident.Incident) (news bool, marks []ledger.Mark)) (incident.Incident, error) {
	for try := 1; ; try++ {
		inc, found, err := k.Store.Incident(ctx, id)
		if err != nil {
			return inc, err
		}
		if !found {
			return inc, fmt.Errorf("change incident %s: the ledger does not hold it", id)
		}
		_, _, head, err := k.Store.Latest(ctx, chainOf(inc))
		if err != nil {
			return inc, err
		}
		// As it stands at that head, not before.
		if inc, _, err = k.Store.Incident(ctx, id); err != nil {
			return inc, err
		}
		news, marks := how(&inc)
		inc.Ledger = nil
		now := k.Now()
		b := ledger.Batch{
			Chain: head.Chain, After: &head.Seq, Incident: &inc, Marks: marks,
			Entries: []ledger.Draft{{Time: now, Kind: ledger.KindIncident, Body: inc}},
		}
		if news {
			b.Queue = k.messages(inc, now, 0)
		}
		head, err = k.Store.Write(ctx, b)
		if errors.Is(err, ledger.ErrMoved) && try < 8 {
			continue
		}
		inc.Ledger = &incident.LedgerHead{Chain: head.Chain, Seq: head.Seq, Hash: head.Hash}
		return inc, err
	}
}

// Acknowledge notes that a person has taken an incident on, and tells of it.
func (k *Keeper) Acknowledge(ctx context.Context, id string, ack incident.Ack) (incident.Incident, error) {
	return k.change(ctx, id, func(inc *incident.Incident) (bool, []ledger.Mark) {
		inc.Acknowledged, inc.Stage = &ack, incident.StageAcknowledged
		if inc.Contested == "" {
			return true, nil
		}
		// A person is at it: what was left to another system is repaired again.
		return true, []ledger.Mark{{Key: contestKey(inc.Trail.ARN), Value: "[]", Expires: ack.At}}
	})
}
