package event

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
)

// gzip unpacks a gzip file and decodes what it holds. Of a file that breaks off or is damaged, the
// part that could be unpacked is decoded all the same.
func (d *decoder) gzip(data []byte, at spot) {
	inner := at
	inner.depth++
	text, rest, err := d.unpack(data)
	if err != nil {
		inner.cut = true
		d.bad(data, at, &fault{why: "gzip: " + err.Error()})
	}
	if err == nil || len(text) > 0 && !errors.Is(err, errTooLarge) {
		d.document(text, inner)
	}
	if len(rest) > 0 {
		d.bad(rest, at, &fault{at: place(" (byte " + strconv.Itoa(len(data)-len(rest)) + ")"), why: "trailing data after the last gzip member"})
	}
}

var errTooLarge = errors.New("unpacks to more than is read of one input")

// unpack unpacks all members of a gzip file. rest is what follows the last one.
func (d *decoder) unpack(data []byte) (text, rest []byte, err error) {
	from := bytes.NewReader(data)
	member, err := gzip.NewReader(from)
	if err != nil {
		return nil, nil, err
	}
	var to bytes.Buffer
	for {
		member.Multistream(false)
		n, err := io.Copy(&to, io.LimitReader(member, int64(d.unpackable)+1))
		d.unpackable -= int(n)
		if d.unpackable < 0 {
			d.unpackable = 0
			return nil, nil, errTooLarge
		}
		if err != nil {
			return to.Bytes(), nil, err
		}
		next := data[len(data)-from.Len():]
		if len(next) == 0 {
			return to.Bytes(), nil, nil
		}
		if !bytes.HasPrefix(next, gzipMagic) {
			return to.Bytes(), next, nil
		}
		if err := member.Reset(from); err != nil {
			return to.Bytes(), nil, err
		}
	}
}

// base64 decodes the base64 of a gzip file.
func (d *decoder) base64(text []byte, at spot) {
	data, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		d.bad(text, at, &fault{why: "base64: " + err.Error()})
		return
	}
	d.gzip(data, at)
}
