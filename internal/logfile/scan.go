package logfile

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/trailwarden/trailwarden/internal/event"
)

// scan reads one file. A file that fits into the window as a whole is walked over first; only when all
// of its braces are as they should be are its candidates decoded, else it is read the slow way. Of a
// longer one each candidate is decoded as it comes.
type scan struct {
	window
	walker walker
	filter Filter
	keep   func(event.Record)
	sum    *Summary
	limit  int // bytes up to which a text is read as a whole

	whole     bool        // the window holds the whole text, or what there is of it
	lines     bool        // the text has line ends; CloudTrail writes none
	cut       bool        // the text breaks off
	stop      bool        // there is no going on
	odd       bool        // the text is not what the fast way is for
	candidate []candidate // of a whole text
	newline   bool        // peek went over one
}

// candidate is where a record stands that may be asked for.
type candidate struct {
	from, to int // in the window
	spot     spot
}

// spot is a record's place for people: in a list, or at a byte.
type spot struct {
	list  string // "Records", "list" for a bare array, "" for an object by itself
	index int
	at    int64
	first bool // the first of the file: it is decoded, so that a file of something else is seen
}

func (p spot) String() string {
	switch p.list {
	case "":
		return fmt.Sprintf("byte %d", p.at)
	case "Records":
		return fmt.Sprintf("Records[%d]", p.index)
	}
	return fmt.Sprintf("[%d]", p.index)
}

func (s *scan) file() {
	for s.more(s.limit) && !s.eof {
	}
	s.whole = s.eof
	s.lines = !s.whole || bytes.IndexByte(s.buf, '\n') >= 0
	s.documents()
	switch {
	case s.odd:
		s.slowly()
	case s.whole:
		for _, c := range s.candidate {
			s.decode(s.buf[c.from:c.to], c.spot)
		}
	}
	if s.err != nil {
		s.sum.failed(s.err, s.base+int64(len(s.buf)))
	}
}

// documents reads one log file after the other, or JSON lines. CloudTrail writes one log file.
func (s *scan) documents() {
	for n := 0; !s.stop; n++ {
		begin := s.peek()
		if begin != none && n > 0 && !s.newline {
			s.sum.fault(Appended, s.here(), "more text follows the end of the log file")
		}
		switch {
		case begin == '[' || begin == '{':
			s.document(n == 0)
		case begin != none:
			s.oddity("is neither a log file nor a JSON line")
		default:
			if n == 0 && s.err == nil {
				s.sum.fault(NotLog, "", "the file is empty")
			}
			return
		}
	}
}

// document reads one log file, or one object by itself.
func (s *scan) document(first bool) {
	if s.buf[s.at] == '[' {
		s.at++
		s.list("list", first)
		return
	}
	if begin := recordsBegin(s.buf[s.at:]); begin > 0 {
		s.at += begin
		s.list("Records", first)
		if s.stop {
			return
		}
		switch s.peek() {
		case '}':
			s.at++
		case none:
			s.truncated(false)
		default:
			s.oddity("goes on behind its list of records")
		}
		return
	}
	s.element(spot{at: s.base + int64(s.at), first: first})
}

// recordsBegin is the index behind {"Records":[ at the beginning of b, 0 when b begins otherwise.
func recordsBegin(b []byte) int {
	at := 0
	for _, word := range []string{"{", `"Records"`, ":", "["} {
		at = space(b, at)
		if !bytes.HasPrefix(b[at:], []byte(word)) {
			return 0
		}
		at += len(word)
	}
	return at
}

// list reads the elements of a list and its closing bracket.
func (s *scan) list(name string, first bool) {
	for n := 0; ; n++ {
		switch c := s.peek(); {
		case c == ']' && n == 0:
			s.at++
			return
		case c == none:
			s.truncated(false)
			return
		case c != '{':
			s.oddity("is no object where a record should be")
			return
		}
		s.element(spot{list: name, index: n, at: s.base + int64(s.at), first: first && n == 0})
		if s.stop {
			return
		}
		switch s.peek() {
		case ',':
			s.at++
		case ']':
			s.at++
			return
		case none:
			s.truncated(false)
			return
		default:
			s.oddity("is neither a comma nor the end of the list")
			return
		}
	}
}

// element reads an object: a record, or an envelope.
func (s *scan) element(at spot) {
	end, other := s.walker.end(s.buf, s.at)
	for end < 0 && len(s.buf)-s.at <= recordLimit && s.more(windowSize) {
		s.walker.slash = -1
		end, other = s.walker.end(s.buf, s.at)
	}
	switch {
	case end < 0 && s.eof && s.err != nil:
		s.stop = true // the error says it all
		return
	case end < 0 && s.eof:
		s.truncated(at.list == "")
		return
	case end < 0 || end-s.at > recordLimit:
		if s.whole && at.list == "" {
			s.oddity("is a long object") // an envelope of many records
			return
		}
		s.large(at, end)
		return
	}
	raw := s.buf[s.at:end]
	if s.lines && bytes.IndexByte(raw, '\n') >= 0 && !json.Valid(raw) {
		s.broken(at)
		return
	}
	s.sum.Records++
	if !other && (at.first || s.filter.matters(raw)) {
		if s.whole {
			s.candidate = append(s.candidate, candidate{s.at, end, at})
		} else {
			s.decode(raw, at)
		}
	}
	s.at = end
}

// broken is for an object that goes on behind the end of its line and is no JSON: lines that are whole may
// follow, so where it seems to end means nothing.
func (s *scan) broken(at spot) {
	next := bytes.IndexByte(s.buf[s.at:], '\n')
	if s.whole || at.list != "" {
		s.oddity("is no JSON")
		return
	}
	s.sum.fault(Corrupt, at.String(), "the line is no JSON")
	s.at += next
}

// large goes over a record that is too large to be decoded; end is -1 when it is not in the window.
func (s *scan) large(at spot, end int) {
	from := s.base + int64(s.at)
	if end >= 0 {
		s.at = end
	} else {
		var skip skipper
		for {
			n, done := skip.over(s.buf[s.at:])
			s.at += n
			if done {
				break
			}
			if !s.more(windowSize) {
				s.truncated(false)
				return
			}
		}
		s.walker.slash = -1
	}
	s.sum.Records++
	s.sum.Skipped++
	s.sum.fault(TooLarge, at.String(), fmt.Sprintf("record of %d bytes: at most %d are read", s.base+int64(s.at)-from, recordLimit))
}

// decode hands over what is asked for of an element.
func (s *scan) decode(raw []byte, at spot) {
	records, bads := event.Decode(raw)
	if at.first && at.list == "" && len(records) == 0 && bytes.Contains(raw, []byte(`"digestStartTime"`)) {
		s.sum.Digest, s.sum.Records = true, 0
		return
	}
	for _, r := range records {
		switch {
		case r.Carrier.Where != "input":
			if at.list != "" {
				r.Carrier.Where = at.String() + "." + r.Carrier.Where
			}
		case at.list == "Records":
			r.Carrier.Where, r.Carrier.Kind = at.String(), event.CarrierLogFile
		case at.list != "":
			r.Carrier.Where, r.Carrier.Kind = at.String(), event.CarrierArray
		case !at.first:
			r.Carrier.Where, r.Carrier.Kind = at.String(), event.CarrierLines
		}
		if s.filter.keeps(r) {
			s.keep(r)
		}
	}
	if at.list == "" {
		s.sum.Records += int64(len(records)) - 1
	}
	for _, bad := range bads {
		s.bad(bad, at.String(), at.first && at.list == "" && len(records) == 0)
	}
}

func (s *scan) bad(bad event.Bad, where string, alone bool) {
	kind := BadRecord
	if alone {
		kind = NotLog
	}
	if bad.Where != "input" {
		where += ": " + bad.Where
	}
	s.sum.fault(kind, where, bad.Why)
}

// slowly has event.Decode read the whole text.
func (s *scan) slowly() {
	records, bads := event.Decode(s.buf)
	s.sum.Records = int64(len(records) + len(bads))
	s.sum.Faults, s.sum.Skipped = nil, 0
	for _, r := range records {
		if s.filter.keeps(r) {
			s.keep(r)
		}
	}
	for _, bad := range bads {
		kind := BadRecord
		switch {
		case s.cut:
			kind = Truncated
		case len(records) == 0:
			kind = NotLog
			s.sum.Records = 0
		}
		s.sum.fault(kind, bad.Where, bad.Why)
	}
}

// none is in place of a byte when there is none any more.
const none = -1

// peek is the next byte that is no white space, or none.
func (s *scan) peek() int {
	s.newline = false
	for {
		next := space(s.buf, s.at)
		s.newline = s.newline || next > s.at && bytes.IndexByte(s.buf[s.at:next], '\n') >= 0
		s.at = next
		if s.at < len(s.buf) {
			return int(s.buf[s.at])
		}
		if !s.more(windowSize) {
			return none
		}
		s.walker.slash = -1
	}
}

func (s *scan) here() string { return fmt.Sprintf("byte %d", s.base+int64(s.at)) }

// truncated ends a text that breaks off; alone: in an object that stands by itself.
func (s *scan) truncated(alone bool) {
	s.stop = true
	if s.whole && (s.lines || alone) && s.err == nil {
		// Lines that are whole may follow the one that is not, and an envelope may hold records that are.
		s.odd, s.cut = true, true
		return
	}
	if s.err == nil {
		s.sum.fault(Truncated, fmt.Sprintf("byte %d", s.base+int64(len(s.buf))), "the text ends before its list of records does")
	}
}

// oddity ends the fast way. A long text cannot go the slow way.
func (s *scan) oddity(what string) {
	s.stop = true
	if s.odd = s.whole; s.odd {
		return
	}
	kind := Corrupt
	if s.sum.Records == 0 {
		kind = NotLog
	}
	s.sum.fault(kind, s.here(), "what stands here "+what+": the rest was not read")
}
