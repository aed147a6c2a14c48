package archive

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/logfile"
)

// Principal is who did what in the hour before, and the hour after, nothing was recorded.
type Principal struct {
	Name     string    `json:"name"` // ARN; of a service its name
	Calls    int       `json:"calls"`
	Writes   int       `json:"writes"` // calls that do not only read
	Errors   int       `json:"errors"` // calls that were refused or failed
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Sources  []string  `json:"sources"`   // addresses, at most 5
	Names    []string  `json:"top_calls"` // the names of at most 5 calls, the most frequent first; those that write before the others
	Tampered bool      `json:"tampered"`  // it made a call that is a finding of more than info
}

const (
	around     = time.Hour // what is looked at before and after a window
	mostPeople = 20        // principals of one window
	mostLooks  = 100       // windows that are looked at
)

// Activity fills in who did what around the windows of a report, the first hundred of them; of several
// windows at one time only around the first. It reads the
// files again that can hold such records: by their names, or all that have other names. It leaves out files
// that can be read only once.
func (s Scan) Activity(ctx context.Context, from Source, report *Report) error {
	looks := make([]*look, 0, len(report.Windows))
	for i, w := range report.Windows[:min(len(report.Windows), mostLooks)] {
		if slices.ContainsFunc(looks, func(l *look) bool { return l.window.Account == w.Account && l.same(w) }) {
			continue
		}
		looks = append(looks, &look{window: &report.Windows[i], seen: map[string]bool{}, people: map[string]*tally{}})
	}
	if len(looks) == 0 {
		return nil
	}
	var mu sync.Mutex
	err := pool{workers: s.Workers}.run(ctx, from, func(ctx context.Context, r *logfile.Reader, _ int64, f File) error {
		name, named := logfile.ParseName(f.Name)
		var mine []*look
		for _, l := range looks {
			if !named || !name.Digest && name.Account == l.window.Account && l.near(name.Time) {
				mine = append(mine, l)
			}
		}
		if len(mine) == 0 || f.Once {
			return nil
		}
		sum, err := read(ctx, r, f, logfile.Filter{}, func(rec event.Record) {
			for _, l := range mine {
				if l.holds(rec) {
					mu.Lock()
					l.add(rec)
					mu.Unlock()
				}
			}
		})
		if s.Meter != nil {
			s.Meter.Files.Add(1)
			s.Meter.Unpacked.Add(sum.Unpacked)
		}
		return err
	}, func(string, error) {}) // told by the scan
	for _, l := range looks {
		l.window.Activity = l.summary()
	}
	return err
}

// look gathers what was done around one window.
type look struct {
	window *Window
	seen   map[string]bool // event ids, with name and time: two trails may write to one bucket
	people map[string]*tally
}

type tally struct {
	Principal
	names map[string]int
}

// same says whether another window is about the same time: what was done around it is told once.
func (l *look) same(w Window) bool {
	return w.From.Sub(l.window.From).Abs() <= late && w.end().Sub(l.window.end()).Abs() <= late
}

// near says whether a file of that time can hold records of the hours around the window.
func (l *look) near(file time.Time) bool {
	from, to := l.window.From, l.window.end()
	return !file.Before(from.Add(-around)) && !file.After(from.Add(2*late)) || !file.Before(to.Add(-late)) && !file.After(to.Add(around+2*late))
}

func (l *look) holds(r event.Record) bool {
	from, to := l.window.From, l.window.end()
	return r.Account == l.window.Account && !r.Time.Before(from.Add(-around)) && !r.Time.After(to.Add(around))
}

func (l *look) add(r event.Record) {
	if r.ID != "" {
		copies := r.ID + "\n" + r.Name + "\n" + r.Time.UTC().Format(time.RFC3339)
		if l.seen[copies] {
			return
		}
		l.seen[copies] = true
	}
	name := cmp.Or(r.Actor.ARN, r.Actor.InvokedBy, r.Actor.UserName, r.Actor.PrincipalID, r.Actor.SourceIP, "unknown")
	t := l.people[name]
	if t == nil {
		t = &tally{Principal: Principal{Name: name, First: r.Time, Last: r.Time, Sources: []string{}}, names: map[string]int{}}
		l.people[name] = t
	}
	t.Calls++
	if !r.Succeeded() {
		t.Errors++
	}
	weight := 1
	if !r.ReadOnly {
		t.Writes++
		weight = 1 << 20 // writes before reads
	}
	t.names[r.Name] += weight
	if r.Time.Before(t.First) {
		t.First = r.Time
	}
	if r.Time.After(t.Last) {
		t.Last = r.Time
	}
	if len(t.Sources) < 50 && !slices.Contains(t.Sources, r.Actor.SourceIP) && r.Actor.SourceIP != "" {
		t.Sources = append(t.Sources, r.Actor.SourceIP)
	}
	if found := incident.Findings(r, nil); len(found) > 0 && found[0].Severity.Rank() > incident.Info.Rank() {
		t.Tampered = true
	}
}

// summary lists those who tampered first, then by writes and calls.
func (l *look) summary() []Principal {
	var all []Principal
	for _, t := range l.people {
		p := t.Principal
		for name := range t.names {
			p.Names = append(p.Names, name)
		}
		slices.SortFunc(p.Names, func(a, b string) int { return cmp.Or(t.names[b]-t.names[a], cmp.Compare(a, b)) })
		p.Names = p.Names[:min(5, len(p.Names))]
		slices.Sort(p.Sources)
		p.Sources = p.Sources[:min(5, len(p.Sources))]
		all = append(all, p)
	}
	first := func(t bool) int {
		if t {
			return 0
		}
		return 1
	}
	slices.SortFunc(all, func(a, b Principal) int {
		return cmp.Or(first(a.Tampered)-first(b.Tampered), b.Writes-a.Writes, b.Calls-a.Calls, cmp.Compare(a.Name, b.Name))
	})
	return all[:min(mostPeople, len(all))]
}
