package trail

import (
	"slices"
	"time"
)

// Approval is a change that people have agreed to: until it ends, it is not drift.
type Approval struct {
	Fields []Field // none means the whole trail, its deletion included
	Want   string  // the value that is agreed to, as the field's row prints it; empty means any
	Who    string  // who agreed
	Why    string
	Until  time.Time // when the approval ends; the zero time has ended
}

// At is the baseline with the changes that are approved at a time. Without them a person's change would be
// put back; what they excuse is what Compare says of the plain baseline and not of this one.
func (b Baseline) At(now time.Time) Baseline {
	b.Ignore = slices.Clone(b.Ignore)
	b.also = nil
	for _, a := range b.Approved {
		switch {
		case !now.Before(a.Until):
		case len(a.Fields) == 0:
			b.Ignore = append(b.Ignore, FieldExists)
			for _, row := range Table {
				b.Ignore = append(b.Ignore, row.Field)
			}
		case a.Want == "":
			b.Ignore = append(b.Ignore, a.Fields...)
		default:
			b.also = append(b.also, a)
		}
	}
	return b
}

// Excused is a drift that an approval covers.
type Excused struct {
	Drift    Drift
	Approval Approval
}

// Excuses lists what differs from the plain baseline and is approved at a time: it is not repaired, but recorded
// and told.
func (b Baseline) Excuses(s State, now time.Time) []Excused {
	still := Compare(b.At(now), s)
	var out []Excused
	for _, d := range Compare(b, s) {
		if slices.ContainsFunc(still, func(left Drift) bool { return left.Field == d.Field }) {
			continue
		}
		i := slices.IndexFunc(b.Approved, func(a Approval) bool { return now.Before(a.Until) && a.covers(d) })
		if i >= 0 {
			out = append(out, Excused{Drift: d, Approval: b.Approved[i]})
		}
	}
	return out
}

func (a Approval) covers(d Drift) bool {
	return len(a.Fields) == 0 || slices.Contains(a.Fields, d.Field) && (a.Want == "" || a.Want == d.Got)
}
