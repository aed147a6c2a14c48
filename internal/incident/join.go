package incident

import (
	"slices"
	"time"
)

const (
	// stretch is how long after the last thing that happened another tampering belongs to the same incident.
	stretch = 15 * time.Minute
	// oneCall is how far two accounts of one call may lie apart: the record's time and the trail's own.
	oneCall = 15 * time.Second
	// stuck is how long a repair may fail until people are alarmed again.
	stuck = time.Minute
	// A trail is contested when it was tampered with so often in so short a time.
	contestedCount = 5
	contestedTime  = 10 * time.Minute
	// tamperingsKept is how many tamperings an incident lists; the others are counted.
	tamperingsKept = 50
)

// Begin is an incident at the begin of its life.
func Begin(inc Incident) Incident {
	inc.Count, inc.Stage = 1, stageOf(inc.Outcome)
	inc.Tamperings = []Tampering{tampering(inc)}
	if inc.Contested != "" {
		inc.Stage = StageEscalated
	}
	return inc
}

func stageOf(o Outcome) Stage {
	switch o {
	case Repaired:
		return StageRepaired
	case Confirmed:
		return StageConfirmed
	}
	return StageOpened
}

// Lasting says whether the incident is of a condition that goes on until somebody changes it, such as a trail that nobody
// pinned: it is one incident for as long as it lasts, and no other tampering belongs to it.
func (inc Incident) Lasting() bool {
	if inc.Trail.ARN == "" || inc.Outcome == Rejected {
		return true
	}
	return inc.Record == nil && len(inc.Findings) > 0 && slices.Contains([]string{"trail.decoy", "trail.delivery"}, inc.Findings[0].Rule)
}

// OwnRepair says whether the incident is no more than the record of a repair of ours whose own incident is not known (yet): the
// process died before it was written.
func (inc Incident) OwnRepair() bool {
	return inc.Outcome == Confirmed && inc.Severity == Info && inc.Count <= 1
}

// Well says whether nothing is left to be repaired.
func (inc Incident) Well() bool { return inc.Outcome != Open && inc.Outcome != Failed }

// Holds says whether the incident has the one of an id within it.
func (inc Incident) Holds(id string) bool {
	return inc.ID == id || slices.ContainsFunc(inc.Tamperings, func(t Tampering) bool { return t.ID == id })
}

// Takes says whether next, found now, belongs to the incident: what is wrong with the trail is one incident
// until it is well, and so is tampering soon after.
func (inc Incident) Takes(next Incident, now time.Time) bool {
	switch {
	case inc.Holds(next.ID):
		return true
	case inc.Trail.ARN != next.Trail.ARN || inc.Drill != next.Drill || inc.Lasting() || next.Lasting() || inc.OwnRepair():
		return false
	case inc.told(next) >= 0:
		return true // however late it comes
	case next.Outcome == Confirmed:
		return now.Sub(inc.latest()) <= stretch // a repair of ours whose own incident is not written yet, and will be joined
	case !inc.Well():
		return true
	case inc.Outcome == Noted && inc.Severity.Rank() <= Low.Rank() && next.Severity.Rank() > Medium.Rank():
		return false // an incident does not begin with what was harmless
	}
	return inc.Acknowledged == nil && now.Sub(inc.latest()) <= stretch
}

// told is the place of the tampering that next is another account of, by what was done and when: one by its record and the other found by the
// sweep, or one stop that the sweep found twice, since the process died before it had remembered it. -1 for none.
func (inc Incident) told(next Incident) int {
	mended := inc.RepairedAt
	if w := inc.BlindWindow; w != nil && w.To != nil && w.Certainty == FromStatus {
		mended = w.To // by the service's clock, as the time of what was found
	}
	if next.Record == nil && mended != nil && next.OpenedAt.After(*mended) {
		return -1 // done since the repair
	}
	rule := ruleOf(next)
	return slices.IndexFunc(inc.Tamperings, func(t Tampering) bool {
		apart := t.At.Sub(next.OpenedAt).Abs()
		if t.EventID == "" && next.Record == nil {
			return t.Rule == rule && t.BlindWindow != nil && next.BlindWindow != nil && apart == 0
		}
		return t.Rule == rule && (t.EventID == "") != (next.Record == nil) && apart <= oneCall
	})
}

// latest is when something happened last.
func (inc Incident) latest() time.Time {
	at := inc.SeenAt
	for _, t := range inc.Tamperings {
		if t.At.After(at) {
			at = t.At
		}
	}
	if inc.RepairedAt != nil && inc.RepairedAt.After(at) {
		at = *inc.RepairedAt
	}
	return at
}

// Join is the incident with next, which it Takes, in it. News says whether anything is new: whether it
// is to be recorded, and people are to be told.
func (inc Incident) Join(next Incident) (joined Incident, news bool) {
	inc.Tamperings, inc.Findings = slices.Clone(inc.Tamperings), slices.Clone(inc.Findings)
	if next.Outcome == Confirmed {
		return inc.confirm(next)
	}
	if inc.OwnRepair() {
		return inc.explained(next), true
	}
	i := inc.same(next)
	if i < 0 {
		inc.again(next)
		return inc, true
	}
	inc.Accounts = union(inc.Accounts, next.Accounts)
	t := &inc.Tamperings[i]
	if next.Record != nil && t.EventID == "" {
		// The sweep was first. Now it is known who it was.
		id := t.ID
		*t = tampering(next)
		t.ID = id
		inc.Record, inc.Actor, inc.Event, inc.Source = next.Record, next.Actor, next.Event, next.Source
		inc.OpenedAt = earlier(inc.OpenedAt, next.OpenedAt)
		inc.Stage, news = StageEvidence, true
	}
	added := inc.find(next)
	was := inc.Outcome
	if inc.worse(next) {
		inc.become(next)
		t.Outcome = next.Outcome
		if next.BlindWindow != nil {
			t.BlindWindow = next.BlindWindow
		}
	}
	switch {
	case inc.Outcome != was:
		inc.Stage, news = stageOf(inc.Outcome), true
		if inc.Outcome == Restored {
			inc.Stage = StageRepaired // people were told that it was open
		}
	case added && !news:
		inc.Stage, news = StageAgain, true
	}
	if next.Contested != "" {
		if inc.Contested == "" {
			inc.Stage, news = StageEscalated, true
		}
		inc.Contested = next.Contested
	}
	alarmed := inc.Stage == StageEscalated || inc.Stage == StageReminded || inc.Stage == StageAcknowledged
	if inc.Outcome == Failed && !alarmed && next.SeenAt.Sub(inc.SeenAt) >= stuck {
		inc.Stage, news = StageEscalated, true
	}
	return inc, news
}

// explained is the incident of a repair whose record was known before what it repaired.
func (inc Incident) explained(next Incident) Incident {
	next.ID = inc.ID
	next = Begin(next)
	if next.Outcome == Repaired || next.Outcome == Restored {
		next.Outcome, next.Stage, next.Tamperings[0].Outcome = Confirmed, StageConfirmed, Confirmed
		next.NextSteps = Steps(next)
	}
	return next
}

// same is the place of the tampering that next is another account of, -1 for none.
func (inc Incident) same(next Incident) int {
	for i, t := range inc.Tamperings {
		if t.ID == next.ID && !inc.anew(next) || t.EventID != "" && next.Record != nil && t.EventID == next.Record.EventID {
			return i
		}
	}
	if i := inc.told(next); i >= 0 {
		return i
	}
	if next.Record == nil && !inc.Well() {
		return len(inc.Tamperings) - 1 // the sweep sees what is not mended yet
	}
	return -1
}

// anew says whether a sweep found again what was well: the same done once more, of which no record tells.
func (inc Incident) anew(next Incident) bool {
	return next.Record == nil && inc.Well() && !inc.Lasting() && next.Outcome != Restored && next.Outcome != Confirmed
}

// Over says whether the incident had come to its end long before next, which has an id that it holds: the same was found again, and
// is an incident of its own.
func (inc Incident) Over(next Incident, now time.Time) bool {
	return inc.anew(next) && (inc.Acknowledged != nil || now.Sub(inc.latest()) > stretch)
}

// worse says whether next's account of the trail takes the place of what was known. A record that comes again after
// its repair finds the trail well, which is no news.
func (inc Incident) worse(next Incident) bool {
	switch next.Outcome {
	case Noted, Attempted, Rejected:
		return inc.Outcome == next.Outcome
	case Restored:
		return !inc.Well() || inc.Outcome == Noted || inc.Outcome == Attempted
	}
	return true
}

// again counts another tampering.
func (inc *Incident) again(next Incident) {
	inc.Count++
	inc.Tamperings = append(inc.Tamperings, tampering(next))
	inc.shorten()
	inc.find(next)
	switch next.Outcome {
	case Noted, Attempted, Rejected:
		if inc.Outcome == Noted || inc.Outcome == Attempted {
			inc.become(next)
		}
	default:
		inc.become(next)
		if next.Record != nil && !next.OpenedAt.Before(inc.OpenedAt) { // a record from before it all names nobody anew, genuine or not
			inc.Record, inc.Actor, inc.Event, inc.Source = next.Record, next.Actor, next.Event, next.Source
		}
	}
	if inc.Acknowledged != nil {
		inc.Alarm = &Alarm{Since: next.SeenAt} // whoever took it on took on what was known then
	}
	inc.Stage, inc.Acknowledged = StageAgain, nil
	if next.Contested == "" {
		inc.contest()
		return
	}
	if inc.Contested != next.Contested {
		inc.Stage = StageEscalated
	}
	inc.Contested = next.Contested
}

// become takes over how next found and left the trail.
func (inc *Incident) become(next Incident) {
	inc.Outcome, inc.Reason, inc.Drifts = next.Outcome, next.Reason, next.Drifts
	inc.NextSteps, inc.Partial, inc.Observe = next.NextSteps, next.Partial, next.Observe
	if next.Coverage != nil {
		inc.Coverage = next.Coverage
	}
	if next.BlindWindow != nil {
		inc.BlindWindow = next.BlindWindow
	}
	inc.lit(next)
	if next.RepairedAt != nil {
		inc.RepairedAt = next.RepairedAt
	}
	if len(next.Actions) > 0 {
		inc.Actions = next.Actions
	}
}

// find adds the findings that are new, and says whether there were any.
func (inc *Incident) find(next Incident) (added bool) {
	for _, f := range next.Findings {
		if slices.ContainsFunc(inc.Findings, func(known Finding) bool { return known.Rule == f.Rule && known.Attempt == f.Attempt }) {
			continue
		}
		inc.Findings, added = append(inc.Findings, f), true
		if f.Severity.Rank() > inc.Severity.Rank() {
			inc.Severity = f.Severity
		}
	}
	if next.Severity.Rank() > inc.Severity.Rank() {
		inc.Severity = next.Severity
	}
	slices.SortStableFunc(inc.Findings, func(a, b Finding) int { return b.Severity.Rank() - a.Severity.Rank() }) // the first is what it is called
	return added
}

// confirm ends a repair with CloudTrail's own record of it. A record of an earlier repair says nothing of the latest.
func (inc Incident) confirm(next Incident) (Incident, bool) {
	if inc.Outcome != Repaired && inc.Outcome != Restored {
		return inc, false
	}
	if r := next.Record; r != nil {
		ours := slices.ContainsFunc(inc.Actions, func(a Action) bool {
			return a.RequestID != "" && a.RequestID == r.RequestID || a.At != nil && a.Error == "" && !r.EventTime.Before(a.At.Add(-oneCall))
		})
		if !ours && len(inc.Actions) > 0 {
			return inc, false
		}
	}
	inc.Outcome, inc.Stage = Confirmed, StageConfirmed
	inc.NextSteps = Steps(inc)
	if n := len(inc.Tamperings); n > 0 {
		inc.Tamperings[n-1].Outcome = Confirmed
	}
	return inc, true
}
