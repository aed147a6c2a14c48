package daemon

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/incident"
)

// Stats are the daemon's numbers since it began.
type Stats struct {
	Received, Done, Released atomic.Int64 // messages
	Bad, Ignored             atomic.Int64 // pieces of input that could not be decoded; records that are nothing to us
	Sweeps                   atomic.Int64
	SweepTime                atomic.Int64 // of the last one, nanoseconds
	QueueDown                atomic.Int64 // since when the queue cannot be read, Unix nanoseconds; 0 when it can

	mu        sync.Mutex
	incidents map[incident.Outcome]int64
	failures  map[string]int64   // by duty
	reaction  map[float64]uint64 // from record to repair: how many within so many seconds
	reactions uint64
	took      float64         // all of them together
	open      map[string]bool // trails with an open blind window
}

func (s *Stats) count(r engine.Report) {
	s.Bad.Add(int64(len(r.Bad)))
	s.Ignored.Add(int64(r.Ignored))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.incidents == nil {
		s.incidents, s.open, s.reaction = make(map[incident.Outcome]int64), make(map[string]bool), make(map[float64]uint64)
	}
	for _, inc := range r.Incidents {
		s.incidents[inc.Outcome]++
		if inc.BlindWindow != nil {
			if inc.BlindWindow.Open {
				s.open[inc.Trail.ARN] = true
			} else {
				delete(s.open, inc.Trail.ARN)
			}
		}
		if inc.Stage == incident.StageRepaired && inc.RepairedAt != nil && inc.Record != nil {
			seconds := inc.RepairedAt.Sub(inc.SeenAt).Seconds()
			s.reactions++
			s.took += seconds
			for _, bound := range bounds {
				if seconds <= bound {
					s.reaction[bound]++
				}
			}
		}
	}
}

func (s *Stats) failed(duty string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == nil {
		s.failures = make(map[string]int64)
	}
	s.failures[duty]++
}

// Snapshot is the numbers at one time.
type Snapshot struct {
	Received, Done, Released, Bad, Ignored, Sweeps int64
	SweepTime                                      time.Duration
	QueueDown                                      bool
	Incidents                                      map[string]int64 // by outcome
	Failures                                       map[string]int64 // by duty
	Open                                           int              // trails that record nothing
	Reactions                                      uint64
	ReactionSum                                    float64            // seconds
	Reaction                                       map[float64]uint64 // how many within so many seconds
}

// bounds are those of the histogram of reactions, in seconds.
var bounds = []float64{0.1, 0.5, 1, 2, 5, 10, 30, 60, 300}

// Stats are the numbers now.
func (d *Daemon) Stats() Snapshot {
	s := &d.stats
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Snapshot{
		Received: s.Received.Load(), Done: s.Done.Load(), Released: s.Released.Load(), Bad: s.Bad.Load(), Ignored: s.Ignored.Load(),
		Sweeps: s.Sweeps.Load(), SweepTime: time.Duration(s.SweepTime.Load()), QueueDown: s.QueueDown.Load() != 0,
		Incidents: make(map[string]int64), Failures: make(map[string]int64), Open: len(s.open),
		Reactions: s.reactions, ReactionSum: s.took, Reaction: maps.Clone(s.reaction),
	}
	for o, n := range s.incidents {
		out.Incidents[string(o)] = n
	}
	for d, n := range s.failures {
		out.Failures[d] = n
	}
	return out
}
