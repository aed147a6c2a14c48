package logfile

import (
	"context"
	"io"
)

// window is a part of a text: all of it, or a piece that slides over it.
type window struct {
	ctx  context.Context
	from io.Reader
	buf  []byte
	base int64 // where buf begins in the text
	at   int   // what is before it is done with
	eof  bool  // buf holds the end of the text
	err  error // why there is no more to come, when it is not the end; eof is set too
}

// more reads more of the text. It gives up what is done with when there is no room otherwise, and grows
// up to limit when there still is none. It says whether anything came.
func (w *window) more(limit int) bool {
	if w.eof {
		return false
	}
	if len(w.buf) == cap(w.buf) && w.at > 0 {
		w.base += int64(w.at)
		w.buf = w.buf[:copy(w.buf, w.buf[w.at:])]
		w.at = 0
	}
	if len(w.buf) == cap(w.buf) {
		if len(w.buf) >= limit {
			return false
		}
		w.buf = append(make([]byte, 0, min(limit, 2*cap(w.buf))), w.buf...)
	}
	before := len(w.buf)
	for idle := 0; len(w.buf) < cap(w.buf); {
		if w.err = w.ctx.Err(); w.err != nil {
			w.eof = true
			break
		}
		// In pieces, so that whoever waits for the end of the context need not wait for all of it.
		n, err := w.from.Read(w.buf[len(w.buf):min(cap(w.buf), len(w.buf)+1<<20)])
		w.buf = w.buf[:len(w.buf)+n]
		if n == 0 && err == nil {
			if idle++; idle > 100 {
				err = io.ErrNoProgress
			}
		}
		if err != nil {
			w.eof = true
			if err != io.EOF {
				w.err = err
			}
			break
		}
	}
	return len(w.buf) > before
}
