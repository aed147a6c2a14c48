package engine

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// errTwin is why a record is rejected, besides being looked into: AWS gives each record an id of its own.
var errTwin = errors.New("another record has the same event id and says something else: one of them is forged")

// seen remembers what the latest records said, by their event ids.
type seen struct {
	mu    sync.Mutex
	said  map[string]string
	order []string
}

// contradicts says whether a record was seen before that has the same id and says something else.
func (s *seen) contradicts(r event.Record) bool {
	if r.ID == "" {
		return false
	}
	says := strings.Join([]string{r.Name, r.Source, r.Account, r.Region, r.Trail, r.ErrorCode, r.Actor.ARN}, "\n")
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, ok := s.said[r.ID]; ok {
		return before != says
	}
	if s.said == nil {
		s.said = make(map[string]string)
	}
	s.said[r.ID] = says
	s.order = append(s.order, r.ID)
	if len(s.order) > toldMost {
		delete(s.said, s.order[0])
		s.order = s.order[1:]
	}
	return false
}

// near are the pinned trails that a record may be about which names none, or none that can exist: those of its account and Region.
func (e *Engine) near(r event.Record) []trail.ARN {
	if r.Trail != "" {
		if _, err := trail.Resolve(r.Trail, r.Region, r.Account); err == nil {
			return nil
		}
	}
	if !r.Succeeded() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(e.Pinned), func(a trail.ARN) bool { return a.Account != r.Account || a.Region != r.Region })
}
