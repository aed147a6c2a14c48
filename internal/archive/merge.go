package archive

import (
	"cmp"
	"slices"

	"github.com/trailwarden/trailwarden/internal/logfile"
)

// Merge is the Result of both parts together. The order and grouping of many merges does not matter. The
// parts are not changed.
func (r Result) Merge(other Result) Result {
	r.Files += other.Files
	r.Earlier += other.Earlier
	r.Digests += other.Digests
	r.Records += other.Records
	r.Skipped += other.Skipped
	r.Packed += other.Packed
	r.Unpacked += other.Unpacked
	r.Findings = mergeFindings(r.Findings, other.Findings)
	r.Damaged = slices.Concat(r.Damaged, other.Damaged)
	slices.SortFunc(r.Damaged, compareDamage)
	r.Streams = mergeStreams(r.Streams, other.Streams)
	r.Chains = mergeChains(r.Chains, other.Chains)
	return r
}

// compareDamage puts damages in one order, two of one file too.
func compareDamage(a, b Damage) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Unlisted, b.Unlisted), slices.CompareFunc(a.Faults, b.Faults, func(a, b logfile.Fault) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Where, b.Where), cmp.Compare(a.Text, b.Text))
	}))
}

// mergeFindings joins copies of one record.
func mergeFindings(a, b []Finding) []Finding {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b Finding) int {
		x, y := a.key(), b.key()
		return cmp.Or(slices.Compare(x[:], y[:]), cmp.Compare(a.File, b.File), cmp.Compare(len(a.Where), len(b.Where)), cmp.Compare(a.Where, b.Where))
	})
	var once []Finding
	for _, f := range all {
		if n := len(once); n > 0 && once[n-1].key() == f.key() {
			once[n-1].Copies += f.Copies
			continue
		}
		once = append(once, f)
	}
	return once
}

func mergeStreams(a, b []Stream) []Stream {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(a, b Stream) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region))
	})
	var once []Stream
	for _, s := range all {
		if n := len(once); n > 0 && once[n-1].Account == s.Account && once[n-1].Region == s.Region {
			once[n-1].Minutes = union(once[n-1].Minutes, s.Minutes)
			continue
		}
		once = append(once, s)
	}
	return once
}

func mergeChains(a, b []Chain) []Chain {
	all := slices.Concat(a, b)
	key := func(c Chain) []string { return []string{c.Account, c.Region, c.HomeRegion, c.Trail} }
	slices.SortStableFunc(all, func(a, b Chain) int { return slices.Compare(key(a), key(b)) })
	var once []Chain
	for _, c := range all {
		if n := len(once); n > 0 && slices.Equal(key(once[n-1]), key(c)) {
			once[n-1].Times = union(once[n-1].Times, c.Times)
			continue
		}
		once = append(once, c)
	}
	return once
}

func union(a, b []int64) []int64 {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// Merging merges many small Results at the price of a few large merges. The zero Merging is ready; it serves one
// goroutine at a time.
type Merging struct {
	parts []Result // each of at least twice as many as the next
	sizes []int
}

// Add takes one more Result.
func (m *Merging) Add(r Result) {
	m.parts, m.sizes = append(m.parts, r), append(m.sizes, 1)
	for n := len(m.parts); n > 1 && m.sizes[n-2] <= m.sizes[n-1]; n-- {
		m.parts[n-2], m.sizes[n-2] = m.parts[n-2].Merge(m.parts[n-1]), m.sizes[n-2]+m.sizes[n-1]
		m.parts, m.sizes = m.parts[:n-1], m.sizes[:n-1]
	}
}

// Result is the Result of all that was added.
func (m *Merging) Result() Result {
	var all Result
	for _, part := range m.parts {
		all = all.Merge(part)
	}
	return all
}
