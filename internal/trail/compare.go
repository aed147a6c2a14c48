package trail

import "slices"

// Baseline is what a trail is pinned to be. Only a person changes it.
type Baseline struct {
	ARN      ARN
	Want     Settings
	Ignore   []Field // fields that are not compared; "exists" for a trail that may go
	Repair   []Group // groups that may be repaired; the others are reported
	Approved []Approval
	// BucketOwner is the account that the bucket is pinned to belong to; empty where that is not pinned.
	BucketOwner string

	// also holds, of a baseline made by At, the approvals that name a value.
	also []Approval
}

// Compares lists the groups of which something is compared; settings and logging are always read.
func (b Baseline) Compares() []Group {
	groups := []Group{GroupSettings, GroupLogging}
	for _, row := range Table {
		if !slices.Contains(b.Ignore, row.Field) && !slices.Contains(groups, row.Group) {
			groups = append(groups, row.Group)
		}
	}
	return groups
}

// Sampled is the baseline of a trail for which none is pinned: it is to be logging, and that is all
// that is known of it. It is what the 2017 AWS sample stood for.
func Sampled(a ARN) Baseline {
	b := Baseline{ARN: a, Want: Settings{Logging: true}, Repair: []Group{GroupLogging}}
	for _, row := range Table {
		if row.Group != GroupLogging {
			b.Ignore = append(b.Ignore, row.Field)
		}
	}
	return b
}

// ForPeople is the baseline with every group open for repair: what a person who asks for a plan may do.
func (b Baseline) ForPeople() Baseline {
	b.Repair = Groups()
	return b
}

// excuses tells whether a field may have the value that it has.
func (b Baseline) excuses(row Row, got string) bool {
	return slices.Contains(b.Ignore, row.Field) || slices.ContainsFunc(b.also, func(a Approval) bool {
		return a.Want == got && slices.Contains(a.Fields, row.Field)
	})
}

// Drift is one field where the state differs from the baseline.
type Drift struct {
	Field     Field
	Group     Group
	Want, Got string // as the field's row prints them
	Lost      []Loss // what it costs; none when the trail has more than is wanted
}

// Compare lists what differs, in the order of the table. Groups that were not read are not compared.
// Of a trail that does not exist, that is the one drift.
func Compare(b Baseline, s State) []Drift {
	if !s.Exists {
		if slices.Contains(b.Ignore, FieldExists) {
			return nil
		}
		return []Drift{{
			Field: FieldExists, Group: GroupRecreate, Want: "true", Got: "false", Lost: Lost(Coverage{Trail: true}, Coverage{}),
		}}
	}
	var drifts []Drift
	for _, row := range Table {
		if !slices.Contains(s.Read, row.Group) || slices.Contains(b.Ignore, row.Field) {
			continue
		}
		if row.Same != nil && row.Same(&b.Want, &s.Settings) {
			continue
		}
		want, got := row.Print(b.ARN, b.Want), row.Print(b.ARN, s.Settings)
		if want == got || b.excuses(row, got) {
			continue
		}
		drifts = append(drifts, Drift{Field: row.Field, Group: row.Group, Want: want, Got: got, Lost: cost(b, row, s.Settings)})
	}
	return drifts
}

// cost is what the one field takes away from what is pinned.
func cost(b Baseline, row Row, got Settings) []Loss {
	changed := b.Want
	row.Copy(&changed, got)
	if row.Group == GroupTags {
		return []Loss{{Name: "tags", Text: "Permissions that depend on the trail's tags may no longer protect it."}}
	}
	own := []Group{row.Group}
	return Lost(coverage(b.ARN, b.Want, own), coverage(b.ARN, changed, own))
}
