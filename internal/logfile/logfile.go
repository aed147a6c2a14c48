// Package logfile is the one reader of log files: gzip, zstd or plain; as CloudTrail writes them
// ({"Records":[…]}), JSON lines, or whatever else event.Decode reads.
//
// It is fast because it does not parse what nobody asked for: it walks over the records' braces, looks
// at the bytes of each record for a reason to decode it, and has package event, which is strict, judge
// those few. Whatever does not look as AWS writes it takes the slow way. In a file that is valid JSON
// the result is exactly what decoding all of it would give; a fuzz test says so. A record that nobody
// asked for is not checked beyond its braces.
//
// Memory is bounded whatever a file holds, unpacks to, or says of itself.
package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/trailwarden/trailwarden/internal/event"
)

// Filter says which records are asked for. The zero Filter asks for all.
type Filter struct {
	// Source is an eventSource, such as "cloudtrail.amazonaws.com": ASCII letters, digits, '.' and '-'.
	Source string
	// Name says whether records of this eventName are asked for; nil means all. It is called by several
	// goroutines at once if the Filter is used by several Readers.
	Name func(eventName string) bool
}

func (f Filter) keeps(r event.Record) bool {
	return (f.Source == "" || r.Source == f.Source) && (f.Name == nil || f.Name(r.Name))
}

// Kinds of fault.
const (
	Truncated     = "truncated"      // the file ends before its contents do
	Corrupt       = "corrupt"        // it does not unpack, or is no JSON where JSON has to be
	NotLog        = "not_cloudtrail" // it holds no CloudTrail records
	Appended      = "appended"       // something follows what CloudTrail would have written
	Bomb          = "bomb"           // it unpacks to far more than log files do
	TooLarge      = "too_large"      // a record over 1 MiB, or a file of odd form that is too large for the slow way
	BadRecord     = "bad_record"     // one record that event.Decode refuses
	Unreadable    = "unreadable"     // opening or reading it failed
	manyFaults    = 100              // more of one file only count
	recordLimit   = 1 << 20
	windowSize    = 4 << 20  // of a file that is read piece by piece
	wholeLimit    = 16 << 20 // files up to this size are unpacked whole, and can take the slow way
	bombRatio     = 250      // log files shrink by 8 to 40; deflate can reach 1032
	bombThreshold = 64 << 20 // unpacked bytes from which the ratio counts
)

// Fault is something wrong with a file. Apart from Unreadable it says nothing about the machine: reading
// again would find it again.
type Fault struct {
	Kind  string `json:"kind"`
	Where string `json:"where,omitempty"` // "byte 123" of the unpacked file, or the place of a record
	Text  string `json:"text"`            // what is wrong, lower case; from our words and escaped excerpts only
}

func (f Fault) Error() string {
	if f.Where == "" {
		return f.Text
	}
	return f.Where + ": " + f.Text
}

// Summary is what a file was like.
type Summary struct {
	Records  int64   // records in it, those that nobody asked for too
	Skipped  int64   // records over 1 MiB: not decoded, each named in Faults
	Packed   int64   // bytes that were read
	Unpacked int64   // bytes that they unpacked to
	Digest   bool    // it is a digest file of CloudTrail's: it lists log files and holds no records
	Faults   []Fault // the first 100
	Unlisted int     // faults that are not in Faults
}

func (s *Summary) fault(kind, where, text string) {
	if len(s.Faults) == manyFaults {
		s.Unlisted++
		return
	}
	s.Faults = append(s.Faults, Fault{Kind: kind, Where: where, Text: text})
}

// Reader reads one file after the other and keeps its buffers. It serves one goroutine at a time. Its
// zero value is ready.
type Reader struct {
	unpacker unpacker
	window   []byte
}

// Read reads one file to its end and hands over the records that filter asks for, in the order of the
// file. size is the number of bytes in src, negative when unknown; it decides nothing but buffers.
// The error is the context's. All that is wrong with the file is in the Summary, and what could be
// read of a damaged file is handed over all the same.
func (r *Reader) Read(ctx context.Context, src io.Reader, size int64, filter Filter, keep func(event.Record)) (Summary, error) {
	var sum Summary
	if err := r.unpacker.open(src, size); err != nil {
		sum.Packed = r.unpacker.packed()
		sum.failed(err, 0)
		return sum, ctx.Err()
	}
	defer r.unpacker.close()
	s := scan{filter: filter, keep: keep, sum: &sum, limit: wholeLimit}
	if r.unpacker.size >= wholeLimit {
		s.limit = windowSize
	}
	if text := r.unpacker.oneShot(r.buffer, wholeLimit); text != nil {
		s.window = window{ctx: ctx, buf: text, eof: true}
	} else {
		s.window = window{ctx: ctx, from: &r.unpacker, buf: r.buffer(r.unpacker.size)}
	}
	s.walker = walker{other: filter.other, slash: -1}
	s.file()
	r.window = s.window.buf[:0]
	if r.unpacker.members > 1 {
		sum.fault(Appended, fmt.Sprintf("byte %d", r.unpacker.second),
			fmt.Sprintf("%d gzip members: CloudTrail writes one, so what begins here was added; it was read", r.unpacker.members))
	}
	sum.Packed, sum.Unpacked = r.unpacker.packed(), s.window.base+int64(len(s.window.buf))
	return sum, ctx.Err()
}

// buffer is an empty window for a file that unpacks to size bytes, as far as one can tell.
func (r *Reader) buffer(size int64) []byte {
	want := windowSize
	if size < wholeLimit {
		want = int(max(size+1, 64<<10)) // one more byte shows that it is the end
	}
	if cap(r.window) < want {
		r.window = make([]byte, 0, roundUp(want))
	}
	return r.window[:0]
}

// roundUp gives room for the next file, which is often a little larger.
func roundUp(n int) int { return (n + n/8 + 64<<10) &^ (64<<10 - 1) }

// failed makes a fault of an error of reading or unpacking.
func (s *Summary) failed(err error, at int64) {
	where := ""
	if at > 0 {
		where = fmt.Sprintf("byte %d", at)
	}
	var wrong *Fault
	switch {
	case errors.As(err, &wrong):
		s.fault(wrong.Kind, where, wrong.Text)
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.fault(Truncated, where, "the file ends before its contents do")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		// It is the caller's, who is told by Read.
	default:
		s.fault(Unreadable, where, err.Error())
	}
}
