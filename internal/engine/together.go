package engine

import (
	"errors"
	"sync"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

// together lets those who write to one chain at the same time write as one: what comes while a batch is being made durable goes into the next one
// together, so that a flood on one trail costs a write for many records and nobody is turned away because somebody else wrote first.
type together struct {
	mu     sync.Mutex
	chains map[string]*line
}

// line are those who wait to write to one chain while one of them writes.
type line struct{ waiting []*share }

// share is what one of them writes.
type share struct {
	incidents []incident.Incident
	kept      []incident.Incident
	err       error
	done      chan struct{} // closed when it is written
	lead      chan struct{} // closed when it is its turn to write for all that wait
}

// atOnce is how many incidents are written at once.
const atOnce = 1000

// write has the shares of all who wait written by one of them. The messages to be sent are for that one.
func (t *together) write(chain string, incidents []incident.Incident,
	keep func([]incident.Incident) (kept []incident.Incident, send []ledger.Message, err error)) ([]incident.Incident, []ledger.Message, error) {
	mine := &share{incidents: incidents, done: make(chan struct{}), lead: make(chan struct{})}
	t.mu.Lock()
	if t.chains == nil {
		t.chains = make(map[string]*line)
	}
	l := t.chains[chain]
	if l == nil {
		l = &line{}
		t.chains[chain] = l
		close(mine.lead)
	}
	l.waiting = append(l.waiting, mine)
	t.mu.Unlock()

	select {
	case <-mine.done: // it comes: whoever leads hands over in any case
		return mine.kept, nil, mine.err
	case <-mine.lead:
	}
	group := t.group(l)
	var all []incident.Incident
	for _, s := range group {
		all = append(all, s.incidents...)
		s.err = errPanic
	}
	defer t.next(chain, l, group)
	kept, send, err := keep(all)
	for _, s := range group {
		if s.err = err; err == nil {
			n := len(s.incidents)
			s.kept, kept = distinct(kept[:n]), kept[n:]
		}
	}
	return mine.kept, send, mine.err
}

// errPanic is told to those for whom another wrote that came to grief.
var errPanic = errors.New("whoever wrote to the ledger for several panicked")

// next lets go of those that were written, and has the next one write, whatever became of this one.
func (t *together) next(chain string, l *line, group []*share) {
	for _, s := range group {
		close(s.done)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(l.waiting) == 0 {
		delete(t.chains, chain)
	} else {
		close(l.waiting[0].lead)
	}
}

// group takes those who wait, as many as are written at once; the first is the one who leads.
func (t *together) group(l *line) (group []*share) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for len(l.waiting) > 0 && (n == 0 || n+len(l.waiting[0].incidents) <= atOnce) {
		n += len(l.waiting[0].incidents)
		group = append(group, l.waiting[0])
		l.waiting = l.waiting[1:]
	}
	return group
}

// distinct is a list with each incident once, in the order of their first place.
func distinct(list []incident.Incident) (out []incident.Incident) {
	seen := make(map[string]bool, len(list))
	for _, inc := range list {
		if !seen[inc.ID] {
			seen[inc.ID] = true
			out = append(out, inc)
		}
	}
	return out
}
