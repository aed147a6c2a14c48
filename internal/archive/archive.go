// Package archive reads log archives: who tampered with which trail, when nothing was recorded, and
// whether the files are the ones that CloudTrail wrote.
//
// A scan is a map and a reduce. Each file gives a small Result; Results merge in any order and any
// grouping to the same one, on one machine or on many; NewReport makes of the last what people read.
// Where files come from is a Source: a local tree here, an object store elsewhere.
package archive

import (
	"context"
	"io"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/logfile"
)

// File is one file of an archive.
type File struct {
	Name string // for people; a Source gives its files in the same order each time
	Size int64  // bytes; negative when unknown
	Open func(context.Context) (io.ReadCloser, error)
	Once bool // it can be read only until yield returns
}

// Source gives the files of an archive. Files ends with yield's error when there is one. What cannot be
// listed is told to lost, and the rest goes on.
type Source interface {
	Files(ctx context.Context, yield func(File) error, lost func(name string, err error)) error
}

// Sized is a Source that tells how many bytes its files have, about, without opening any.
type Sized interface {
	Bytes(context.Context) (int64, error)
}

// Damage is a file that is not as it should be.
type Damage struct {
	File     string          `json:"file"`
	Faults   []logfile.Fault `json:"faults"`
	Unlisted int             `json:"unlisted,omitempty"` // faults more
}

// Stream is when files were delivered for one account and Region.
type Stream struct {
	Account string  `json:"account"`
	Region  string  `json:"region"`
	Minutes []int64 `json:"minutes"` // of Unix time, each once, ascending
}

// Chain is when digest files were delivered for one trail in one Region.
type Chain struct {
	Account    string  `json:"account"`
	Region     string  `json:"region"`
	Trail      string  `json:"trail"`
	HomeRegion string  `json:"home_region"`
	Times      []int64 `json:"times"` // Unix time, each once, ascending
}

// Result is what a part of an archive tells. It is in its normal form: lists sorted, each thing once.
// The zero Result is that of no files.
type Result struct {
	Files    int64     `json:"files"`    // files that were read
	Earlier  int64     `json:"earlier"`  // files left out: their names say that they are older than what was asked for
	Digests  int64     `json:"digests"`  // digest files among Files
	Records  int64     `json:"records"`  // records in them
	Skipped  int64     `json:"skipped"`  // records over 1 MiB, each named in Damaged
	Packed   int64     `json:"packed"`   // bytes read
	Unpacked int64     `json:"unpacked"` // bytes after unpacking
	Findings []Finding `json:"findings"` // one for each record of interest
	Damaged  []Damage  `json:"damaged"`
	Streams  []Stream  `json:"streams"`
	Chains   []Chain   `json:"chains"`
}

// Finding is what one record means, with what it tells of itself. Copies of a record in other files, or
// in other trails' files, are counted, not listed.
type Finding struct {
	incident.Finding
	Also []string `json:"also,omitempty"` // ids of the other rules that hold
	incident.Record
	Trail   incident.TrailRef `json:"trail"`
	Actor   *incident.Actor   `json:"actor,omitempty"`
	Outcome incident.Outcome  `json:"outcome"`
	ID      string            `json:"incident_id"` // of the incident that would begin with it
	File    string            `json:"file"`        // where it was read; of copies the first in order
	Where   string            `json:"where"`       // its place in the file
	Copies  int               `json:"copies"`      // how often it was read, this one included
}

// watched says which records a scan decodes.
var watched = logfile.Filter{
	Source: incident.CloudTrailSource,
	Name: func(name string) bool {
		_, ok := incident.RuleFor(event.Record{Source: incident.CloudTrailSource, Name: name})
		return ok
	},
}

// findingOf judges a record; it is false for records that mean nothing.
func findingOf(r event.Record, file string) (Finding, bool) {
	findings := incident.Findings(r, nil)
	if len(findings) == 0 {
		return Finding{}, false
	}
	inc := incident.FromRecord(findings, r, incident.RefOfRecord(r), r.Time)
	f := Finding{
		Finding: findings[0], Record: *inc.Record, Trail: inc.Trail, Actor: inc.Actor,
		Outcome: inc.Outcome, ID: inc.ID, File: file, Where: r.Carrier.Where, Copies: 1,
	}
	for _, more := range findings[1:] {
		f.Also = append(f.Also, more.Rule)
	}
	return f, true
}

// key is the same for copies of a record, however they were written. Two records of one event id that
// tell different things are two: one of them is not CloudTrail's.
func (f Finding) key() [8]string {
	actor := ""
	if f.Actor != nil {
		actor = f.Actor.ARN + "\n" + f.Actor.SourceIP
	}
	return [8]string{f.EventTime.UTC().Format(time.RFC3339Nano), f.EventID, f.EventName, f.Account, f.Record.Region, f.ErrorCode,
		f.Trail.ARN + "\n" + f.Trail.Name + "\n" + f.RequestID, actor}
}
