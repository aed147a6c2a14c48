package pattern

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Match says whether a JSON object satisfies the pattern. The error is about the event: not JSON,
// not an object, too large, too deep.
func (p Pattern) Match(event []byte) (bool, error) {
	if len(event) > MaxEventBytes {
		return false, fmt.Errorf("event has %d bytes, more than %d", len(event), MaxEventBytes)
	}
	root, err := decode(event)
	if err != nil {
		return false, err
	}
	if root.kind != object {
		return false, fmt.Errorf("event must be an object, is %s", root.kind)
	}
	flat := flattening{wanted: p.wanted, leaves: map[string][]leaf{}}
	flat.object(root, "", nil)
	return slices.ContainsFunc(p.branches, flat.satisfies), nil
}

// elem is one element of one list of the event. Lists are numbered as they are met, so a list
// within another one has the higher number.
type elem struct{ list, index int }

// leaf is a scalar with the elements that lead to it, the outermost first. Scalars that stand
// directly in a list are values of that list's field, without being tied to their position.
type leaf struct {
	value
	chain []elem
}

// flattening turns an event into the leaves that some field of the pattern asks about.
type flattening struct {
	wanted map[string]bool
	leaves map[string][]leaf
	lists  []string // path of each list, by its number
}

func (f *flattening) object(n node, prefix string, chain []elem) {
	for i, item := range n.items {
		if path := prefix + n.names[i]; f.wanted[path] {
			f.add(item, path, chain)
		}
	}
}

func (f *flattening) add(n node, path string, chain []elem) {
	switch n.kind {
	case object:
		f.object(n, path+".", chain)
	case array:
		list := len(f.lists)
		f.lists = append(f.lists, path)
		for i, item := range n.items {
			if item.kind == object || item.kind == array {
				f.add(item, path, append(slices.Clip(chain), elem{list, i}))
			} else {
				f.add(item, path, chain)
			}
		}
	default:
		f.leaves[path] = append(f.leaves[path], leaf{n.value, chain})
	}
}

// satisfies says whether every field of the branch can be given a value (or absence) so that no two
// values lie in different elements of one list.
//
// It goes through the fields in the order of their paths and carries every set of elements that is
// still possible. As in event-ruler, absence is judged within the elements chosen by the fields
// before it: {"a": [1], "b": [{"exists": false}]} asks for an element with a = 1 and no b, while
// the same with the names exchanged asks for no b in any element.
//
// A set forgets the elements that no later field can touch. What remains lies on the way to the
// next field, so there are no more sets than elements in the event, and time stays linear in the
// size of the event where trying all combinations would be exponential.
func (f *flattening) satisfies(b branch) bool {
	states := [][]elem{nil}
	for i, want := range b {
		all, hits := &tree{}, &tree{}
		for _, l := range f.leaves[want.path] {
			if want.absent {
				all.add(l.chain)
			}
			if want.accepts(l.value) {
				hits.add(l.chain)
			}
		}
		forget := untouched(b[i+1:])
		next := map[string][]elem{}
		reach := func(chosen []elem) {
			kept := slices.DeleteFunc(chosen, func(e elem) bool { return forget(f.lists[e.list]) })
			next[key(kept)] = kept
		}
		for _, chosen := range states {
			if want.absent && !all.any(chosen) {
				reach(slices.Clone(chosen))
			}
			hits.each(chosen, nil, func(chain []elem) bool {
				reach(union(chosen, chain))
				return true
			})
		}
		if len(next) == 0 {
			return false
		}
		states = slices.Collect(maps.Values(next))
	}
	return true
}

// untouched makes a function that says whether none of the fields lies in a list at the given path.
func untouched(fields branch) func(path string) bool {
	known := map[string]bool{}
	return func(path string) bool {
		answer, ok := known[path]
		if !ok {
			answer = !slices.ContainsFunc(fields, func(later field) bool {
				return later.path == path || strings.HasPrefix(later.path, path+".")
			})
			known[path] = answer
		}
		return answer
	}
}

// union joins two consistent sets of elements, sorted by list.
func union(a, b []elem) []elem {
	all := append(slices.Clone(a), b...)
	slices.SortFunc(all, func(x, y elem) int { return x.list - y.list })
	return slices.Compact(all)
}

func key(chosen []elem) string {
	var k []byte
	for _, e := range chosen {
		k = binary.AppendUvarint(binary.AppendUvarint(k, uint64(e.list)), uint64(e.index))
	}
	return string(k)
}

// tree holds the chains of some leaves.
type tree struct {
	leaf  bool
	lists map[int]map[int]*tree // by list, then by index
}

func (t *tree) add(chain []elem) {
	for _, e := range chain {
		if t.lists == nil {
			t.lists = map[int]map[int]*tree{}
		}
		if t.lists[e.list] == nil {
			t.lists[e.list] = map[int]*tree{}
		}
		if t.lists[e.list][e.index] == nil {
			t.lists[e.list][e.index] = &tree{}
		}
		t = t.lists[e.list][e.index]
	}
	t.leaf = true
}

// each calls visit with every chain that agrees with the chosen elements, until it answers false.
func (t *tree) each(chosen, chain []elem, visit func(chain []elem) bool) bool {
	if t.leaf && !visit(chain) {
		return false
	}
	for list, elements := range t.lists {
		if at := slices.IndexFunc(chosen, func(e elem) bool { return e.list == list }); at >= 0 {
			sub := elements[chosen[at].index]
			if sub != nil && !sub.each(chosen, append(slices.Clip(chain), chosen[at]), visit) {
				return false
			}
			continue
		}
		for index, sub := range elements {
			if !sub.each(chosen, append(slices.Clip(chain), elem{list, index}), visit) {
				return false
			}
		}
	}
	return true
}

func (t *tree) any(chosen []elem) bool {
	return !t.each(chosen, nil, func([]elem) bool { return false })
}
