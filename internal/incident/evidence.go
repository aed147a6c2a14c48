package incident

import (
	"cmp"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
)

const (
	namesListed = 10
	ipsListed   = 5
	// principalsListed bounds the list; whoever changed most is on it.
	principalsListed = 20
)

// unknowable is what no reading of Event history tells.
const unknowable = "Event history holds management events only: data events, such as reads and writes of S3 objects and calls of functions, " +
	"Insights events and network activity events of this time were not recorded anywhere that trailwarden can read"

// Summarize says who did what in a blind window, by the records that Event history has of it. Each record counts once.
func Summarize(from, to time.Time, records []event.Record) Evidence {
	e := Evidence{From: from.UTC(), To: to.UTC(), Principals: []Principal{}, Unknown: unknowable}
	type tally struct {
		Principal
		names map[string]int
		reads map[string]bool
		ips   map[string]int
	}
	by := make(map[string]*tally)
	seen := make(map[string]bool)
	for _, r := range records {
		if r.Time.Before(from) || r.Time.After(to) || r.ID != "" && seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		who := Actor{Type: r.Actor.Type, ARN: r.Actor.ARN, Account: r.Actor.Account, Name: r.Actor.UserName, InvokedBy: r.Actor.InvokedBy}.Principal()
		t := by[who]
		if t == nil {
			t = &tally{Principal: Principal{ARN: who}, names: map[string]int{}, reads: map[string]bool{}, ips: map[string]int{}}
			by[who] = t
		}
		read := r.ReadOnly || reads(r.Name)
		e.Calls++
		t.Calls++
		if !read {
			e.Changes++
			t.Changes++
		}
		t.names[r.Name]++
		t.reads[r.Name] = read
		if r.Actor.SourceIP != "" {
			t.ips[r.Actor.SourceIP]++
		}
	}
	for _, t := range by {
		t.Names, t.IPs = []string{}, []string{}
		for name := range t.names {
			t.Names = append(t.Names, name)
		}
		slices.SortFunc(t.Names, func(a, b string) int {
			return cmp.Or(order(t.reads[a], t.reads[b]), t.names[b]-t.names[a], cmp.Compare(a, b))
		})
		for ip := range t.ips {
			t.IPs = append(t.IPs, ip)
		}
		slices.SortFunc(t.IPs, func(a, b string) int { return cmp.Or(t.ips[b]-t.ips[a], cmp.Compare(a, b)) })
		t.Names, t.IPs = t.Names[:min(len(t.Names), namesListed)], t.IPs[:min(len(t.IPs), ipsListed)]
		e.Principals = append(e.Principals, t.Principal)
	}
	slices.SortFunc(e.Principals, func(a, b Principal) int {
		return cmp.Or(b.Changes-a.Changes, b.Calls-a.Calls, cmp.Compare(a.ARN, b.ARN))
	})
	e.Principals = e.Principals[:min(len(e.Principals), principalsListed)]
	return e
}

// order puts false before true.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
