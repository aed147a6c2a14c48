package guard

import (
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// Budget bounds how many calls that change something may be made in any hour, over all trails: who makes us repair is not to
// use us as a weapon, nor to run up a bill. StartLogging can only ever record more, and is never refused; it does not use the
// budget up either. The zero value refuses nothing. Not safe for use by several goroutines.
type Budget struct {
	// PerHour is how many calls within an hour; 0 means any number.
	PerHour int
	Spent   []time.Time // calls within the last hour, oldest first
}

// Take says whether the action may be made now, and counts it when it may. What is refused may be made at the time again.
func (b *Budget) Take(op trail.Op, now time.Time) (ok bool, again time.Time) {
	if b.PerHour <= 0 || op == trail.StartLogging {
		return true, time.Time{}
	}
	b.Spent = slices.DeleteFunc(b.Spent, func(t time.Time) bool { return !now.Before(t.Add(time.Hour)) })
	if len(b.Spent) >= b.PerHour {
		return false, b.Spent[0].Add(time.Hour)
	}
	b.Spent = append(b.Spent, now)
	return true, time.Time{}
}

// Left is how many calls may still be made within this hour; -1 for any number.
func (b *Budget) Left(now time.Time) int {
	if b.PerHour <= 0 {
		return -1
	}
	used := 0
	for _, t := range b.Spent {
		if now.Before(t.Add(time.Hour)) {
			used++
		}
	}
	return b.PerHour - used
}
