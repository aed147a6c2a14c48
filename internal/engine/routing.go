package engine

import (
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify/route"
)

// calm is how long the good news of a trail that was tampered with again and again is held back: receivers close their alerts
// with it, and would open and close them as often as the attacker likes. Whatever happens meanwhile is told, and takes its place.
const calm = 5 * time.Minute

// plan is the routing with the channels that there are.
func (e *Engine) plan() route.Plan {
	p := e.Routing
	p.All = nil
	for _, c := range e.Channels {
		p.All = append(p.All, c.Name)
	}
	return p
}

// toTell says which channels are told of an incident as it stands.
func (e *Engine) toTell(inc incident.Incident) (names []string) {
	for _, t := range e.plan().Targets(inc, e.now()) {
		names = append(names, t.Channel)
	}
	return names
}

// group says how long a message waits for others.
func (e *Engine) group(inc incident.Incident, channel string) route.Group {
	for _, t := range e.plan().Targets(inc, e.now()) {
		if t.Channel == channel {
			return t.Group
		}
	}
	return route.Group{}
}

// grouped says whether messages of a channel may wait for each other.
func (e *Engine) grouped(channel string) bool {
	if e.Routing.Group != (route.Group{}) {
		return true
	}
	return slices.ContainsFunc(e.Routing.Rules, func(r route.Rule) bool {
		return r.Group != (route.Group{}) && slices.Contains(r.Channels, channel)
	})
}

// pause is how long a message is held back: good news until they last, and what belongs into a group until that is due.
func (k *Keeper) pause(s *standing, channel string, now time.Time) time.Duration {
	if s.Stage == incident.StageConfirmed && s.Count > 1 {
		return calm
	}
	if k.Group == nil {
		return 0
	}
	g := k.Group(s.Incident, channel)
	if g == (route.Group{}) {
		return 0
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	due, known := k.groups[channel]
	switch {
	case known && due.After(now): // it goes with the group that waits
	case known && now.Sub(due) < g.Interval:
		due = due.Add(g.Interval)
	default:
		due = now.Add(g.Wait)
	}
	if k.groups == nil {
		k.groups = make(map[string]time.Time)
	}
	k.groups[channel] = due
	return due.Sub(now)
}
