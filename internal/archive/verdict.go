package archive

import (
	"fmt"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/logfile"
)

// link follows the chain from the newest digest file back, and adds those that are missing. It returns them
// from the oldest to the newest.
func link(chain []*digest) []*digest {
	slices.SortStableFunc(chain, func(a, b *digest) int { return a.at().Compare(b.at()) })
	byKey := map[string]*digest{}
	for _, d := range chain {
		byKey[d.key] = d
	}
	named := map[string]bool{}
	var missing []*digest
	for i := len(chain) - 1; i >= 0; i-- {
		d := chain[i]
		if d.why == whyFormat || d.unread || d.missing || d.PreviousDigestS3Object == nil {
			continue
		}
		key := *d.PreviousDigestS3Object
		named[key] = true
		previous := byKey[key]
		switch {
		case previous == nil && i > 0:
			missing = append(missing, absent(key, d, chain[i-1])...)
		case previous == nil: // before what was asked for, or the oldest are gone: newest tells
		case d.why == "" && previous.why == "" && d.PreviousDigestHashValue != nil && !slices.Contains(previous.sums[:], *d.PreviousDigestHashValue):
			previous.why = "the next digest file says another hash of it"
		case d.why == "" && previous.why == "" && d.PreviousDigestSignature != nil && previous.metadata["signature"] != "" &&
			*d.PreviousDigestSignature != previous.metadata["signature"]:
			previous.why = "the next digest file says another signature of it"
		}
	}
	for i, d := range chain {
		// A file that the next one does not name was slipped in, or what named it is gone.
		if i < len(chain)-1 && d.why == "" && !named[d.key] {
			next := chain[i+1]
			if next.why == "" && next.PreviousDigestS3Object != nil && byKey[*next.PreviousDigestS3Object] != nil && !backwards(d, byKey) {
				d.why = "no other digest file names it as the one before"
			}
		}
	}
	chain = append(chain, missing...)
	slices.SortStableFunc(chain, func(a, b *digest) int { return a.at().Compare(b.at()) })
	return chain
}

// backwards says whether a signed digest file names one as the one before that ends no earlier.
func backwards(d *digest, byKey map[string]*digest) bool {
	if d.why != "" || d.PreviousDigestS3Object == nil {
		return false
	}
	before := byKey[*d.PreviousDigestS3Object]
	return before != nil && before.why == "" && !before.at().Before(d.at())
}

// clock notes the valid digest files whose times do not follow those of the one before. Signature and chain
// hold, and `aws cloudtrail validate-logs` says nothing of it: it is no proof of anything, but odd.
func (v *Verdict) clock(chain []*digest) {
	byKey := map[string]*digest{}
	for _, d := range chain {
		byKey[d.key] = d
	}
	for _, d := range chain {
		if d.why != "" {
			continue
		}
		note := Check{Kind: DigestFile, Key: d.key, State: Valid, Hour: d.DigestStartTime}
		var before *digest
		if d.PreviousDigestS3Object != nil {
			before = byKey[*d.PreviousDigestS3Object]
		}
		switch {
		case d.end.Before(d.DigestStartTime):
			note.Why = "its time ends before it begins"
		case backwards(d, byKey):
			note.Why = "time runs backwards: the digest file that it names as the one before ends at " + stamp(before.at())
		case before != nil && before.why == "" && d.DigestStartTime.Before(before.at()):
			note.Why = "its time overlaps with that of the one before, which ends at " + stamp(before.at())
		default:
			continue
		}
		v.Notes = append(v.Notes, note)
	}
}

// at is the end of the time that a digest file covers; of one that cannot be read what its name says.
func (d *digest) at() time.Time {
	if d.end.IsZero() {
		name, _ := logfile.ParseName(d.key)
		return name.Time
	}
	return d.end
}

// mostMissing is how many missing digest files in a row are listed: whoever can write to the bucket chooses names.
const mostMissing = 10_000

// absent is the digest files between two that are there. Of all but the last only the hour is known.
func absent(last string, next, before *digest) []*digest {
	begin, end := before.at(), next.DigestStartTime
	hours := min(max(1, int((end.Sub(begin)+digestCadence/2)/digestCadence)), mostMissing)
	var all []*digest
	for i := range hours {
		d := &digest{missing: true, why: whyNotFound, end: end.Add(-time.Duration(i) * digestCadence)}
		d.DigestStartTime = d.end.Add(-digestCadence)
		if i == 0 {
			d.key = last
		}
		all = append(all, d)
	}
	return all
}

func (v *Verdict) count(kind, state string, n int) {
	if v.Counts[kind] == nil {
		v.Counts[kind] = map[string]int{}
	}
	v.Counts[kind][state] += n
}

// digest adds the state of a digest file, and its hour.
func (v *Verdict) digest(d *digest) {
	kind, state := DigestFile, Valid
	if name, _ := logfile.ParseName(d.key); name.Backfill {
		kind = BackfillFile
	}
	switch {
	case d.missing:
		state = Missing
	case d.unread:
		state = Unread
	case d.why != "":
		state = Invalid
	}
	v.count(kind, state, 1)
	from := d.DigestStartTime
	if from.IsZero() {
		from = d.at().Add(-digestCadence)
	}
	if state != Valid {
		v.Checks = append(v.Checks, Check{Kind: kind, Key: d.key, State: state, Why: d.why, Hour: from})
	}
	if kind == BackfillFile {
		return
	}
	v.Hours = append(v.Hours, Hour{From: from, To: d.at(), Digest: state, Logs: map[string]int{}})
	if state == Valid {
		if v.From.IsZero() || d.DigestStartTime.Before(v.From) {
			v.From = d.DigestStartTime
		}
		if d.end.After(v.To) {
			v.To = d.end
		}
	}
}

// logs adds the states of the log files that a digest file lists. hours is where its hour stands in Hours.
func (v *Verdict) logs(d *digest, found Listed, hours map[int64]int) {
	add := func(state string, n int) {
		if n == 0 {
			return
		}
		v.count(LogFile, state, n)
		if i, ok := hours[d.DigestStartTime.Unix()]; ok {
			v.Hours[i].Logs[state] += n
		}
	}
	add(Valid, found.Valid)
	for _, c := range found.Others {
		add(c.State, 1)
	}
	v.Checks = append(v.Checks, found.Others...)
	v.Unchecked += len(d.LogFiles) - found.Valid - len(found.Others)
}

// unlisted finds the log files that no digest file lists, though one covers their time. Hours are in order.
func (v *Verdict) unlisted(logs []object, listed map[string]bool) {
	longest := time.Duration(0)
	for _, h := range v.Hours {
		longest = max(longest, h.To.Sub(h.From))
	}
	for _, o := range logs {
		at := o.name.Time
		if listed[o.key] || o.named && (at.Before(v.From) || !at.Before(v.To.Add(-slack/2))) {
			continue
		}
		c := Check{Kind: LogFile, Key: o.key, State: Unlisted, Hour: at, Why: "no digest file lists it: it was added, or another trail writes to this place"}
		if !o.named {
			c.Why = "no digest file lists it, and its name is none of CloudTrail's"
		}
		next, _ := slices.BinarySearchFunc(v.Hours, at, func(h Hour, at time.Time) int {
			if h.From.After(at) {
				return 1
			}
			return -1
		})
		for i := next - 1; i >= 0 && o.named && at.Sub(v.Hours[i].From) < longest; i-- {
			h := v.Hours[i]
			if !at.Before(h.To) {
				continue
			}
			if c.Hour = h.From; h.Digest != Valid {
				c.State, c.Why = Unproven, "the digest file of its hour is "+h.Digest
			}
			h.Logs[c.State]++
			break
		}
		v.count(LogFile, c.State, 1)
		v.Checks = append(v.Checks, c)
	}
}

// newest finds the digest files that should have followed the last one: log files were delivered since, or
// the time that was asked for goes on.
func (v *Verdict) newest(chain []*digest, logs []object, until time.Time) {
	last := chain[len(chain)-1].at()
	seen := until
	for _, o := range logs {
		if o.named && o.name.Time.After(seen) {
			seen = o.name.Time
		}
	}
	from := last
	for n := 0; n < mostMissing && seen.Sub(from) >= slack; n++ {
		v.count(DigestFile, Missing, 1)
		v.Checks = append(v.Checks, Check{Kind: DigestFile, State: Missing, Hour: from,
			Why: "the newest digest files are missing: time went on after the last one that is there"})
		v.Hours = append(v.Hours, Hour{From: from, To: from.Add(digestCadence), Digest: Missing, Logs: map[string]int{}})
		from = from.Add(digestCadence)
	}
}

// windows finds the times of which signed digest files say themselves that nothing was recorded: a chain that
// begins anew after another ended.
func (v *Verdict) windows(chain []*digest, by Verify) {
	for i := 1; i < len(chain); i++ {
		d, before := chain[i], chain[i-1]
		if d.why != "" || d.PreviousDigestS3Object != nil || !d.DigestStartTime.After(before.at()) {
			continue
		}
		w := Window{
			BlindWindow: *incident.Window(before.at(), d.DigestStartTime, d.DigestStartTime, FromFiles),
			Account:     by.Account, Region: by.Region, Trail: v.Trail, Sure: High,
			Why: []string{fmt.Sprintf("a new chain of digest files begins at %s: the trail, or its validation, was off before", stamp(d.DigestStartTime))},
		}
		if before.why != "" {
			w.Sure = Medium
			w.Why = append(w.Why, "the last digest file before is not valid: "+before.why)
		}
		v.Windows = append(v.Windows, w)
	}
}
