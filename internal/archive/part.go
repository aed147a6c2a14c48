package archive

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/trailwarden/trailwarden/internal/logfile"
)

// Part is what a scan of some files told, as it goes from machine to machine: all that merging needs, before
// any filter.
type Part struct {
	SchemaVersion int    `json:"schema_version"`
	Partial       bool   `json:"partial"` // files could not be read, or were not
	Kind          string `json:"kind"`
	Known         Result `json:"known"`
	Left          []Left `json:"left,omitempty"` // files that belong to the part and were not scanned
}

// Left is a file that was not scanned.
type Left struct {
	File string `json:"file"`
	Why  string `json:"why"`
}

// NotScanned is the kind of fault of a file that no worker came to.
const NotScanned = "not_scanned"

const partKind = "trailwarden_scan_part"

// NewPart makes a Part.
func NewPart(known Result, left []Left) Part {
	return Part{SchemaVersion: 1, Partial: len(known.Damaged)+len(left) > 0, Kind: partKind, Known: known, Left: left}
}

// DecodePart reads a Part.
func DecodePart(text []byte) (Part, error) {
	var p Part
	if err := json.Unmarshal(text, &p); err != nil {
		return Part{}, fmt.Errorf("this is no part of a scan: %w", err)
	}
	if p.Kind != partKind || p.SchemaVersion != 1 {
		return Part{}, errors.New("this is no part of a scan")
	}
	return p, nil
}

// Result is all that the part tells; files that were not scanned are named as damaged.
func (p Part) Result() Result {
	return p.Known.Merge(LeftOut(p.Left))
}

// LeftOut names files that were not scanned.
func LeftOut(left []Left) Result {
	var r Result
	for _, l := range left {
		r.Damaged = append(r.Damaged, Damage{File: l.File, Faults: []logfile.Fault{{Kind: NotScanned, Text: l.Why}}})
	}
	return Result{}.Merge(r)
}

// Unfinished says whether files were not scanned.
func (r Result) Unfinished() bool {
	for _, d := range r.Damaged {
		for _, f := range d.Faults {
			if f.Kind == NotScanned {
				return true
			}
		}
	}
	return false
}
