package trail

import "slices"

// Baseline is what a trail is pinned to be. Only a person changes it.
type Baseline struct {
	ARN    ARN
	Want   Settings
	Ignore []Field // fields that are not compared
	Repair []Group // groups that may be repaired; the others are reported
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

// FieldExists is the field of the drift of a trail that is not there.
const FieldExists Field = "exists"

// Drift is one field where the state differs from the baseline.
type Drift struct {
	Field     Field
	Group     Group
	Want, Got string // as the field's row prints them
}

// Compare lists what differs, in the order of the table. Groups that were not read are not compared.
// Of a trail that does not exist, that is the one drift.
func Compare(b Baseline, s State) []Drift {
	if !s.Exists {
		return []Drift{{Field: FieldExists, Group: GroupRecreate, Want: "true", Got: "false"}}
	}
	var drifts []Drift
	for _, row := range Table {
		if slices.Contains(b.Ignore, row.Field) || !slices.Contains(s.Read, row.Group) {
			continue
		}
		want, got := row.Print(b.Want), row.Print(s.Settings)
		if want != got {
			drifts = append(drifts, Drift{Field: row.Field, Group: row.Group, Want: want, Got: got})
		}
	}
	return drifts
}
