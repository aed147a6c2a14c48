package baseline

import (
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// Survey is what was read of the trails of some accounts and Regions.
type Survey struct {
	States   []trail.State // each trail once: all that were found, and those that are pinned
	Accounts []string      // that were read
	Regions  []string      // that were read
	Failures []Failure     // what could not be read
	At       time.Time
}

// Failure is something that could not be read: what is said of the rest holds, and of this nothing is said.
type Failure struct {
	Where string `json:"where"`          // trail, Region or account
	Error string `json:"error"`          // what went wrong
	Hint  string `json:"hint,omitempty"` // what a person can do about it
	Whole bool   `json:"-"`              // nothing of it could be read
}

// Report is how trails compare with their baseline.
type Report struct {
	SchemaVersion int           `json:"schema_version"` // version of this shape
	Partial       bool          `json:"partial"`        // something could not be read
	CheckedAt     time.Time     `json:"checked_at"`     // when
	Baseline      Source        `json:"baseline"`       // what was compared with
	Trails        []TrailReport `json:"trails"`         // pinned trails
	Unpinned      []Unpinned    `json:"unpinned"`       // trails that were found and are not pinned
	Unmet         []Unmet       `json:"unmet"`          // requirements that are not met
	Failures      []Failure     `json:"failures"`       // what could not be read
}

// Source says which baseline it was.
type Source struct {
	File   string `json:"file"`   // name of the file
	Serial int    `json:"serial"` // its serial number
	Hash   string `json:"hash"`   // SHA-256 of what it says
}

// TrailReport is how one pinned trail is.
type TrailReport struct {
	ARN      trail.ARN     `json:"arn"`                      // of the trail
	Drifts   []Drift       `json:"drifts"`                   // what differs from the baseline
	Approved []Approved    `json:"approved"`                 // what differs, and people have agreed to
	Lost     []Loss        `json:"lost"`                     // what is no longer recorded, delivered or protected
	Delivery string        `json:"delivery,omitempty"`       // why what is recorded does not arrive; empty when it does
	Bucket   string        `json:"bucket,omitempty"`         // why the pinned bucket is not to be trusted; empty when nothing speaks against it
	Unasked  string        `json:"bucket_unknown,omitempty"` // why whose the pinned bucket is could not be found out; empty when it was, or no owner is pinned
	Unread   []trail.Group `json:"unread"`                   // groups that could not be read: nothing is said of them
}

// Drift is one setting that is not as pinned.
type Drift struct {
	Field trail.Field `json:"field"` // the setting, by its key in the baseline file
	Group trail.Group `json:"group"` // that it is repaired with
	Want  string      `json:"want"`  // what is pinned
	Got   string      `json:"got"`   // what was found
	Lost  []Loss      `json:"lost"`  // what it costs; empty when the trail has more than is pinned
}

// Approved is a drift that people have agreed to, for a time.
type Approved struct {
	Drift Drift     `json:"drift"` // what differs
	Who   string    `json:"who"`   // who agreed
	Why   string    `json:"why"`   // what for
	Until time.Time `json:"until"` // when it is drift again
}

// Loss is one thing that is no longer covered.
type Loss struct {
	Name string `json:"name"`         // "logging", "management_write", "data", "regions", "validation", …
	Of   string `json:"of,omitempty"` // resource type, event source or kind
	Text string `json:"text"`         // a sentence in plain words
}

// Unpinned is a trail that the file says nothing about: new, or a decoy.
type Unpinned struct {
	ARN     trail.ARN `json:"arn"`            // of the trail
	Logging bool      `json:"logging"`        // whether it records
	Bucket  string    `json:"s3_bucket_name"` // where its log files go
	Doubts  []string  `json:"doubts"`         // what speaks against pinning it as it is
}

// Unmet is a requirement that an account does not meet in some Regions.
type Unmet struct {
	Requirement string   `json:"requirement"` // its name
	Account     string   `json:"account"`     // 12-digit id
	Regions     []string `json:"regions"`     // where
	Text        string   `json:"text"`        // what is missing, trail by trail
}

// Assess compares what was read with the file.
func (f File) Assess(s Survey) Report {
	r := Report{
		SchemaVersion: 1, Partial: len(s.Failures) > 0, CheckedAt: s.At.UTC(), Baseline: f.source(),
		Trails: []TrailReport{}, Unpinned: []Unpinned{}, Unmet: []Unmet{}, Failures: append([]Failure{}, s.Failures...),
	}
	for _, state := range s.States {
		pinned, ok := f.Lookup(state.ARN)
		if ok {
			r.Trails = append(r.Trails, assess(pinned, state, s.At))
		} else if state.Exists && (slices.Contains(s.Accounts, state.ARN.Account) || !state.Organization) {
			// The organization's trail, seen from a member, is for its owner to pin.
			r.Unpinned = append(r.Unpinned, Unpinned{state.ARN, state.Logging, state.Bucket, append([]string{}, Doubts(state)...)})
		}
	}
	for _, u := range trail.Judge(f.requirements(s.Accounts, s.Regions), s.States) {
		r.Unmet = append(r.Unmet, Unmet(u))
	}
	return r
}

func (f File) source() Source { return Source{File: f.Name, Serial: f.Serial, Hash: f.Hash()} }

func assess(pinned trail.Baseline, s trail.State, now time.Time) TrailReport {
	today := pinned.At(now)
	verdict := today.Verdict(s, trail.Plan{})
	r := TrailReport{
		ARN: s.ARN, Drifts: drifts(trail.Compare(today, s)), Approved: []Approved{}, Lost: losses(verdict.Lost),
		Unread: append([]trail.Group{}, verdict.Unread...),
	}
	for _, e := range pinned.Excuses(s, now) {
		r.Approved = append(r.Approved, Approved{drift(e.Drift), e.Approval.Who, e.Approval.Why, e.Approval.Until.UTC()})
	}
	r.Delivery, _ = trail.Delivery(s, now)
	r.Unasked = s.BucketUnknown
	if s.PinnedBucket == trail.OwnerOther {
		r.Bucket = "the bucket " + pinned.Want.Bucket + " belongs to another account than " + pinned.BucketOwner + ", which it is pinned to belong to"
	}
	return r
}

// Drifted tells whether anything is not as it is to be: a pinned trail, a trail that nobody pinned, or a requirement.
func (r Report) Drifted() bool {
	return len(r.Unpinned)+len(r.Unmet) > 0 || slices.ContainsFunc(r.Trails, func(t TrailReport) bool {
		return len(t.Drifts) > 0 || t.Delivery != "" || t.Bucket != ""
	})
}

func drift(d trail.Drift) Drift {
	return Drift{Field: d.Field, Group: d.Group, Want: d.Want, Got: d.Got, Lost: losses(d.Lost)}
}

func drifts(list []trail.Drift) []Drift {
	out := []Drift{}
	for _, d := range list {
		out = append(out, drift(d))
	}
	return out
}

func losses(list []trail.Loss) []Loss {
	out := []Loss{}
	for _, l := range list {
		out = append(out, Loss(l))
	}
	return out
}
