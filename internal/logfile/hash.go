package logfile

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
)

// Hashed is what Hash finds.
type Hashed struct {
	Sum      [32]byte // SHA-256 of what the first gzip member unpacks to, or of a plain file
	Unpacked int64    // bytes that were hashed
	Appended bool     // something follows that is not in Sum
	Fault    *Fault   // the file is damaged, or could not be read; nil when it is whole
}

// Hash reads a file as CloudTrail's digest files hash it. The error is the context's. A file that was cut
// has a Fault and the sum of what is there.
func (r *Reader) Hash(ctx context.Context, src io.Reader, size int64) (Hashed, error) {
	var h Hashed
	var sum Summary
	if err := r.unpacker.open(src, size); err != nil {
		sum.failed(err, 0)
		h.Sum = sha256.Sum256(nil)
	} else {
		if text := r.unpacker.oneShot(r.buffer, wholeLimit); text != nil {
			h.Sum, h.Unpacked = sha256.Sum256(text), int64(len(text))
			r.unpacker.close()
			return h, ctx.Err()
		}
		r.unpacker.first = true
		defer func() { r.unpacker.first = false; r.unpacker.close() }()
		hash := sha256.New()
		buf := r.buffer(256 << 10)
		buf = buf[:cap(buf)]
		for ctx.Err() == nil {
			n, err := r.unpacker.Read(buf)
			hash.Write(buf[:n])
			h.Unpacked += int64(n)
			if err == nil {
				continue
			}
			var more *Fault
			if errors.As(err, &more) && more.Kind == Appended {
				h.Appended = true
			} else if err != io.EOF {
				sum.failed(err, h.Unpacked)
			}
			break
		}
		hash.Sum(h.Sum[:0])
	}
	if len(sum.Faults) > 0 {
		h.Fault = &sum.Faults[0]
	}
	return h, ctx.Err()
}
