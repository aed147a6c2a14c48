// Package memory keeps a ledger in memory: for the demo, for tests and for the simulation, which kills a "process" and
// opens the same Disk again, or a copy of it as it stood at any moment.
package memory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

// Disk is what outlives a store. Its zero value is empty. All is kept as a store on a disk would keep it: as bytes.
type Disk struct {
	mu sync.Mutex
	state
}

type state struct {
	chains    map[string]chain
	incidents map[string]kept
	messages  map[string][]byte
	marks     map[string]ledger.Mark
	leases    map[string]lease
	blobs     map[string]blob
}

type chain struct {
	entries []ledger.Entry // never altered in place, only appended to and cut
	head    ledger.Head
	latest  string // id of the incident that was written last
}

type kept struct {
	chain string
	first int64 // number of the incident's first entry
	last  int64
	body  []byte
}

type lease struct {
	owner string
	until time.Time
}

type blob struct {
	data []byte
	at   time.Time
}

// Copy is the disk as it stands now; what happens to either is not seen by the other.
func (d *Disk) Copy() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &Disk{state: state{
		chains: maps.Clone(d.chains), incidents: maps.Clone(d.incidents), messages: maps.Clone(d.messages),
		marks: maps.Clone(d.marks), leases: maps.Clone(d.leases), blobs: maps.Clone(d.blobs),
	}}
	for name, ch := range c.chains {
		ch.entries = slices.Clone(ch.entries)
		c.chains[name] = ch
	}
	return c
}

// Restore makes the disk what a copy is.
func (d *Disk) Restore(from *Disk) {
	c := from.Copy()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state = c.state
}

// Step is a moment at which something can go wrong.
type Step struct {
	Op      string // the method: "Write", "Entries", …
	Changes bool   // the method changes what is kept: an effect
	Done    bool   // the change has taken effect; else it is about to. Reads have only the moment before
}

// Store is a ledger on a Disk. It needs nothing else to begin with.
type Store struct {
	Disk *Disk
	// Fault, when it is not nil, is called at each step. What it returns is answered: before the change, nothing has happened; after
	// it, only the answer is lost. It may panic in place of a crash: nothing is locked while it runs.
	Fault func(Step) error

	mu     sync.Mutex
	closed bool
}

var errClosed = errors.New("use ledger: it is closed")

// change runs an effect under the disk's lock, between its two steps.
func (s *Store) change(ctx context.Context, op string, do func(*state) error) error {
	if err := s.begin(ctx, Step{Op: op, Changes: true}); err != nil {
		return err
	}
	if err := s.locked(do); err != nil {
		return err
	}
	if s.Fault != nil {
		return s.Fault(Step{Op: op, Changes: true, Done: true})
	}
	return nil
}

func (s *Store) read(ctx context.Context, op string, do func(*state) error) error {
	if err := s.begin(ctx, Step{Op: op}); err != nil {
		return err
	}
	return s.locked(do)
}

func (s *Store) begin(ctx context.Context, step Step) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("use ledger: %w", err)
	}
	if s.Fault != nil {
		return s.Fault(step)
	}
	return nil
}

func (s *Store) locked(do func(*state) error) error {
	s.Disk.mu.Lock()
	defer s.Disk.mu.Unlock()
	if s.Disk.chains == nil {
		s.Disk.state = state{
			chains: map[string]chain{}, incidents: map[string]kept{}, messages: map[string][]byte{},
			marks: map[string]ledger.Mark{}, leases: map[string]lease{}, blobs: map[string]blob{},
		}
	}
	return do(&s.Disk.state)
}

// Close ends the store; the disk stays.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// Write is that of ledger.Store.
func (s *Store) Write(ctx context.Context, b ledger.Batch) (ledger.Head, error) {
	var head ledger.Head
	err := s.change(ctx, "Write", func(st *state) (err error) {
		head, err = st.write(b)
		return err
	})
	if err != nil {
		return ledger.Head{}, err
	}
	return head, nil
}

func (st *state) write(b ledger.Batch) (ledger.Head, error) {
	ch := st.chains[b.Chain]
	p, err := b.Place(ch.head)
	if err != nil {
		return ledger.Head{}, err
	}
	messages := map[string][]byte{}
	for _, m := range p.Queue {
		if messages[m.ID], err = json.Marshal(m); err != nil {
			return ledger.Head{}, fmt.Errorf("write to ledger: %w", err)
		}
	}
	if p.Incident != nil {
		k := kept{chain: b.Chain, first: ch.head.Seq + 1, last: p.Head.Seq}
		if was, ok := st.incidents[p.Incident.ID]; ok && was.chain == b.Chain {
			k.first = was.first
		}
		if k.body, err = json.Marshal(p.Incident); err != nil {
			return ledger.Head{}, fmt.Errorf("write to ledger: %w", err)
		}
		st.incidents[p.Incident.ID] = k
		ch.latest = p.Incident.ID
	}
	// From here on nothing fails.
	if len(p.Entries) > 0 {
		ch.entries = append(ch.entries, p.Entries...)
		ch.head = p.Head
		st.chains[b.Chain] = ch
	}
	maps.Copy(st.messages, messages)
	for _, id := range b.Sent {
		delete(st.messages, id)
	}
	for _, m := range b.Marks {
		if m.Value == "" {
			delete(st.marks, m.Key)
		} else {
			st.marks[m.Key] = m
		}
	}
	return p.Head, nil
}

// Entries is that of ledger.Store.
func (s *Store) Entries(ctx context.Context, name string, from int64, visit func(ledger.Entry) error) error {
	var entries []ledger.Entry
	if err := s.read(ctx, "Entries", func(st *state) error {
		entries = slices.Clone(st.chains[name].entries)
		return nil
	}); err != nil {
		return err
	}
	for _, e := range entries {
		if e.Seq < from {
			continue
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read from ledger: %w", err)
		}
		e.Body = slices.Clone(e.Body)
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}

// Heads is that of ledger.Store.
func (s *Store) Heads(ctx context.Context) (heads []ledger.Head, err error) {
	err = s.read(ctx, "Heads", func(st *state) error {
		for _, name := range slices.Sorted(maps.Keys(st.chains)) {
			heads = append(heads, st.chains[name].head)
		}
		return nil
	})
	return heads, err
}

// Incident is that of ledger.Store.
func (s *Store) Incident(ctx context.Context, id string) (inc incident.Incident, found bool, err error) {
	err = s.read(ctx, "Incident", func(st *state) error {
		inc, found, err = st.incident(id)
		return err
	})
	return inc, found, err
}

func (st *state) incident(id string) (inc incident.Incident, found bool, err error) {
	k, found := st.incidents[id]
	if !found {
		return inc, false, nil
	}
	if err := json.Unmarshal(k.body, &inc); err != nil {
		return inc, false, fmt.Errorf("read incident from ledger: %w", err)
	}
	return inc, true, nil
}

// Latest is that of ledger.Store.
func (s *Store) Latest(ctx context.Context, trail string) (inc incident.Incident, found bool, head ledger.Head, err error) {
	err = s.read(ctx, "Latest", func(st *state) error {
		ch := st.chains[trail]
		head = ch.head
		head.Chain = trail
		inc, found, err = st.incident(ch.latest)
		return err
	})
	return inc, found, head, err
}

// Incidents is that of ledger.Store.
func (s *Store) Incidents(ctx context.Context, q ledger.Query) (all []incident.Incident, err error) {
	err = s.read(ctx, "Incidents", func(st *state) error {
		for id := range st.incidents {
			inc, _, err := st.incident(id)
			if err != nil {
				return err
			}
			if q.Selects(inc) {
				all = append(all, inc)
			}
		}
		return nil
	})
	slices.SortFunc(all, ledger.CompareIncidents)
	if q.Limit > 0 && len(all) > q.Limit {
		all = all[:q.Limit]
	}
	return all, err
}

// Messages is that of ledger.Store.
func (s *Store) Messages(ctx context.Context, due time.Time, limit int) (all []ledger.Message, err error) {
	err = s.read(ctx, "Messages", func(st *state) error {
		for _, body := range st.messages {
			var m ledger.Message
			if err := json.Unmarshal(body, &m); err != nil {
				return fmt.Errorf("read message from ledger: %w", err)
			}
			if due.IsZero() || !m.Due.After(due) {
				all = append(all, m)
			}
		}
		return nil
	})
	slices.SortFunc(all, ledger.CompareMessages)
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	return all, err
}

// Marks is that of ledger.Store.
func (s *Store) Marks(ctx context.Context, prefix string, now time.Time) (marks []ledger.Mark, err error) {
	err = s.read(ctx, "Marks", func(st *state) error {
		for _, key := range slices.Sorted(maps.Keys(st.marks)) {
			if m := st.marks[key]; strings.HasPrefix(key, prefix) && !m.Expired(now) {
				marks = append(marks, m)
			}
		}
		return nil
	})
	return marks, err
}

// Lease is that of ledger.Store.
func (s *Store) Lease(ctx context.Context, name, owner string, now, until time.Time) (ok bool, err error) {
	err = s.change(ctx, "Lease", func(st *state) error {
		l, held := st.leases[name]
		if ok = !held || l.owner == owner || !l.until.After(now); ok {
			st.leases[name] = lease{owner, until}
		}
		return nil
	})
	return ok && err == nil, err
}

// Keep is that of ledger.Store.
func (s *Store) Keep(ctx context.Context, data []byte, now time.Time) (string, error) {
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:])
	err := s.change(ctx, "Keep", func(st *state) error {
		st.blobs[name] = blob{slices.Clone(data), now}
		return nil
	})
	return name, err
}

// Blob is that of ledger.Store.
func (s *Store) Blob(ctx context.Context, name string) (data []byte, err error) {
	err = s.read(ctx, "Blob", func(st *state) error {
		b, found := st.blobs[name]
		if !found {
			return ledger.ErrNoBlob
		}
		data = slices.Clone(b.data)
		return ledger.CheckBlob(name, data)
	})
	return data, err
}
