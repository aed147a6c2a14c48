package baseline

import (
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// Doubts says why a trail should not be pinned as it is: it may be captured after the break-in. None means that nothing
// speaks against it.
func Doubts(s trail.State) []string {
	if !s.Exists {
		return []string{"it does not exist"}
	}
	var doubts []string
	for _, g := range trail.Groups() {
		if g != trail.GroupRecreate && !slices.Contains(s.Read, g) {
			doubts = append(doubts, "its "+strings.ReplaceAll(string(g), "_", " ")+" could not be read")
		}
	}
	c := trail.CoverageOf(s)
	if slices.Contains(s.Read, trail.GroupLogging) && !c.Logging {
		doubts = append(doubts, "it is stopped")
	}
	if !slices.Contains(s.Read, trail.GroupSelectors) {
		return doubts
	}
	for _, kind := range []struct {
		name   string
		events trail.Events
	}{{"management events that change something", c.Write}, {"management events that only read", c.Read}} {
		switch {
		case len(kind.events) == 0:
			doubts = append(doubts, "it does not record "+kind.name)
		case !kind.events.All():
			doubts = append(doubts, "it records "+kind.name+" only where "+kind.events.String())
		}
	}
	return doubts
}

// Incomplete tells whether a part of the trail was not read that is not ignored: no force pins what nobody knows.
func Incomplete(s trail.State, ignored ...trail.Field) bool {
	return slices.ContainsFunc(Unread(s), func(f trail.Field) bool { return !slices.Contains(ignored, f) })
}

// Unread lists the settings of a trail that could not be read.
func Unread(s trail.State) (fields []trail.Field) {
	for _, row := range trail.Table {
		if !slices.Contains(s.Read, row.Group) {
			fields = append(fields, row.Field)
		}
	}
	return fields
}

// Capture is the file with trails pinned as they are. Those that are not among the states stay as they are pinned, and so
// does what people have decided: repair (unless groups are given, nil for none given), ignore, approvals, requirements. What could
// not be read is ignored from now on.
func (f File) Capture(states []trail.State, repair []trail.Group, at time.Time, by string) File {
	f.Version, f.Serial = Version, f.Serial+1
	f.Captured = Captured{at.UTC().Truncate(time.Second), by}
	f.Trails = slices.Clone(f.Trails)
	for _, s := range states {
		pinned := Of(s)
		i := slices.IndexFunc(f.Trails, func(t Trail) bool { return t.ARN == s.ARN })
		if i < 0 {
			i, f.Trails = len(f.Trails), append(f.Trails, pinned)
		} else {
			if f.Trails[i].Bucket == pinned.Bucket {
				pinned.BucketOwner = f.Trails[i].BucketOwner
			}
			pinned.Repair, pinned.Approvals = f.Trails[i].Repair, f.Trails[i].Approvals
			pinned.Ignore = slices.Compact(sorted(slices.Concat(pinned.Ignore, f.Trails[i].Ignore)))
		}
		if repair != nil {
			pinned.Repair = repair
		}
		f.Trails[i] = pinned
	}
	f.Places = nil
	return f.Canonical()
}
