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
		if d.why == whyFormat || d.unread || d.PreviousDigestS3Object == nil {
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
			if next.why == "" && next.PreviousDigestS3Object != nil && byKey[*next.PreviousDigestS3Object] != nil {
				d.why = "no other digest file names it as the one before"
			}
		}
	}
	chain = append(chain, missing...)
	slices.SortStableFunc(chain, func(a, b *digest) int { return a.at().Compare(b.at()) })
	return chain
}

// at is the end of the time that a digest file covers; of one that cannot be read what its name says.
func (d *digest) at() time.Time {
	if d.end.IsZero() {
		name, _ := logfile.ParseName(d.key)
		return name.Time
	}
	return d.end
}

// absent is the digest files between two that are there. Of all but the last only the hour is known.
func absent(last string, next, before *digest) []*digest {
	begin, end := before.at(), next.DigestStartTime
	hours := max(1, int((end.Sub(begin)+digestCadence/2)/digestCadence))
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

func (v *Verdict) count(kind, state string) {
	if v.Counts[kind] == nil {
		v.Counts[kind] = map[string]int{}
	}
	v.Counts[kind][state]++
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
	v.count(kind, state)
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

// log adds the state of a log file.
func (v *Verdict) log(c Check, d *digest) {
	v.count(LogFile, c.State)
	if c.State != Valid {
		v.Checks = append(v.Checks, c)
	}
	if i := slices.IndexFunc(v.Hours, func(h Hour) bool { return h.From.Equal(d.DigestStartTime) }); i >= 0 {
		v.Hours[i].Logs[c.State]++
	}
}

// unlisted finds the log files that no digest file lists, though one covers their time.
func (v *Verdict) unlisted(logs []string, listed map[string]bool) {
	for _, key := range logs {
		name, ok := logfile.ParseName(key)
		if listed[key] || ok && (name.Time.Before(v.From) || !name.Time.Before(v.To.Add(-slack/2))) {
			continue
		}
		c := Check{Kind: LogFile, Key: key, State: Unlisted, Hour: name.Time, Why: "no digest file lists it: it was added, or another trail writes to this place"}
		if !ok {
			c.Why = "no digest file lists it, and its name is none of CloudTrail's"
		}
		for i, h := range v.Hours {
			if !ok || name.Time.Before(h.From) || !name.Time.Before(h.To) {
				continue
			}
			if c.Hour = h.From; h.Digest != Valid {
				c.State, c.Why = Unproven, "the digest file of its hour is "+h.Digest
			}
			v.Hours[i].Logs[c.State]++
			break
		}
		v.count(LogFile, c.State)
		v.Checks = append(v.Checks, c)
	}
}

// newest finds the digest files that should have followed the last one: log files were delivered since, or
// the time that was asked for goes on.
func (v *Verdict) newest(chain []*digest, logs []string, until time.Time) {
	last := chain[len(chain)-1].at()
	seen := until
	for _, key := range logs {
		if name, ok := logfile.ParseName(key); ok && name.Time.After(seen) {
			seen = name.Time
		}
	}
	for from := last; seen.Sub(from) >= slack; from = from.Add(digestCadence) {
		v.count(DigestFile, Missing)
		v.Checks = append(v.Checks, Check{Kind: DigestFile, State: Missing, Hour: from,
			Why: "the newest digest files are missing: time went on after the last one that is there"})
		v.Hours = append(v.Hours, Hour{From: from, To: from.Add(digestCadence), Digest: Missing, Logs: map[string]int{}})
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
