package event

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// limits bound what one input can cost.
type limits struct {
	input    int // bytes of the input, and bytes unpacked from it in all
	record   int // bytes of one record
	depth    int // nesting inside a record
	keys     int // members of an envelope, and of a record at its top
	nest     int // steps into envelopes: into a list, a text, a detail or a gzip file; an envelope takes up to four
	messages int // SQS messages: the most that Lambda hands over
	records  int
	bads     int
}

var standard = limits{
	input:    256 << 20,
	record:   1 << 20,
	depth:    64,
	keys:     1000,
	nest:     12,
	messages: 10_000,
	records:  1 << 18,
	bads:     10_000,
}

// Decode takes CloudTrail records out of whatever carries them. It tells the carrier by its shape:
// an EventBridge event, an SQS batch or an SNS event as Lambda gets them, a log file, an answer of
// LookupEvents, a CloudWatch Logs subscription, JSON lines, an array, one bare record; each of them
// plain, gzip, or base64 of gzip; and each inside another, up to a limit.
//
// What cannot be decoded is a Bad and never costs its neighbours: every other record comes out. Of a
// document that breaks off, the records before the break come out. Both lists are in the order of
// the input. Nothing is returned for a carrier that is whole and empty.
//
// Decode is strict about form (exact keys, each once; types; Unicode; size; depth) and lenient about
// what stands in the fields: accounts, Regions and names are whatever was written. A Record holds no
// reference to data.
func Decode(data []byte) ([]Record, []Bad) { return standard.decode(data) }

func (l limits) decode(data []byte) ([]Record, []Bad) {
	d := decoder{limits: l, unpackable: l.input, strict: strict{depth: l.depth}, open: make([][]member, l.nest+1)}
	d.document(data, spot{carrier: Carrier{Kind: CarrierBare}})
	if d.uncounted > 0 {
		// It is about the input as a whole, and it is not one piece more to count.
		d.limits.bads = len(d.bads) + 1
		d.bad(data, spot{}, &fault{why: strconv.Itoa(d.uncounted) + " more pieces could not be decoded and are not listed"})
	}
	return d.records, d.bads
}

type decoder struct {
	limits  limits
	records []Record
	bads    []Bad

	unpackable int        // bytes that may still be unpacked
	messages   int        // SQS messages seen
	badMessage string     // MessageID of the last Bad
	uncounted  int        // pieces that were bad and are not in bads
	open       [][]member // members of the envelopes around the piece it is at, by depth
	inner      []member   // members of the objects of a record
	strict     strict
}

// spot is where a piece stands: its path, how many envelopes are around it, and what the innermost
// of them says.
type spot struct {
	where   place
	depth   int
	carrier Carrier
	cut     bool // the document is known to break off: its end is no news
}

// in is a spot one envelope further in. What the outer envelope said of itself is left behind, but
// for the message id.
func (s spot) in(where place, kind string) spot {
	return spot{where: where, depth: s.depth + 1, carrier: Carrier{Kind: kind, MessageID: s.carrier.MessageID}}
}

var (
	gzipMagic   = []byte{0x1f, 0x8b}
	base64Magic = []byte("H4sI") // base64 of gzip's magic, method and flags
	marks       = [][]byte{{0xef, 0xbb, 0xbf}, {0xff, 0xfe}, {0xfe, 0xff}}
)

// document decodes a text or a gzip file: the whole input, or what a string in an envelope holds.
func (d *decoder) document(data []byte, at spot) {
	switch {
	case at.depth > d.limits.nest:
		d.bad(data, at, &fault{why: "more than " + strconv.Itoa(d.limits.nest) + " steps into envelopes"})
		return
	case len(data) > d.limits.input:
		d.bad(data, at, &fault{why: "larger than " + strconv.Itoa(d.limits.input) + " bytes"})
		return
	case bytes.HasPrefix(data, gzipMagic):
		d.gzip(data, at)
		return
	}
	for _, mark := range marks {
		if bytes.HasPrefix(data, mark) {
			d.bad(data, at, &fault{why: "begins with a byte order mark: want UTF-8 without one"})
			return
		}
	}
	text := trim(data)
	switch {
	case len(text) == 0:
		d.bad(data, at, &fault{why: "empty: " + strconv.Itoa(len(data)) + " bytes of white space"})
	case bytes.HasPrefix(text, base64Magic) && !bytes.Contains(text, []byte("\nH4sI")) && !bytes.Contains(text, []byte("\n{")):
		d.base64(text, at)
	case json.Valid(text):
		d.value(text, at)
	default:
		d.sequence(data, at)
	}
}

// value decodes a value that is valid JSON and stands alone.
func (d *decoder) value(raw []byte, at spot) {
	if raw[0] == '[' {
		d.list(raw, at, CarrierArray)
		return
	}
	d.element(raw, at)
}

// list decodes the elements of an array.
func (d *decoder) list(raw []byte, at spot, kind string) {
	c := enter(raw, 0)
	d.elements(&c, at, kind)
}

// elements decodes what the cursor steps over, up to the end of the array or to where it is cut off,
// and returns the number of elements.
func (d *decoder) elements(c *cursor, at spot, kind string) int {
	for n := 0; ; n++ {
		raw := c.next(false)
		if raw == nil {
			return n
		}
		d.element(raw, at.in(at.where.index(n), kind))
	}
}

// element decodes an object: a record or an envelope.
func (d *decoder) element(raw []byte, at spot) {
	if raw[0] != '{' {
		d.bad(raw, at, &fault{why: "is " + kind(raw) + ", not an object"})
		return
	}
	if at.depth > d.limits.nest {
		d.bad(raw, at, &fault{why: "more than " + strconv.Itoa(d.limits.nest) + " steps into envelopes"})
		return
	}
	top, f := members(raw, d.open[at.depth][:0], d.limits.keys)
	d.open[at.depth] = top
	if f != nil {
		if at.carrier.MessageID == "" {
			var unread *fault
			at.carrier.MessageID = object{members: top, fault: &unread}.text("messageId")
		}
		d.bad(raw, at, f)
		return
	}
	d.envelope(raw, top, at)
}
