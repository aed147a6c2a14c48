package logfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/trailwarden/trailwarden/internal/logfile/inflate"
)

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// unpacker reads what a file unpacks to. All members of a gzip file are one text, as event.Decode and
// zcat have it; that there is more than one is in members.
type unpacker struct {
	counter counter
	packedR *bufio.Reader
	body    io.Reader // what to read from; packedR itself for a plain file
	gzip    *gzip.Reader
	zstd    *zstd.Decoder
	inGzip  bool
	first   bool // what follows the first member is not read
	members int
	second  int64 // where the text of the second member begins
	size    int64 // what the file will unpack to, as far as can be told

	inflater inflate.Inflater
	all      []byte // the file, when it fits into the buffer of packedR
	oneShots bool   // it was unpacked by oneShot
	out      int64
}

// maxPacked is the size up to which a file is read as a whole before it is unpacked.
const maxPacked = 4 << 20

// counter counts what was read of the file itself.
type counter struct {
	from io.Reader
	n    int64
	err  error // why reading failed: not the unpacker's fault
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

func (u *unpacker) open(src io.Reader, size int64) error {
	u.counter = counter{from: src}
	u.members, u.out, u.inGzip = 0, 0, false
	u.body = nil
	u.all, u.oneShots = nil, false
	if want := min(max(size+1, 64<<10), maxPacked); u.packedR == nil || int64(u.packedR.Size()) < want {
		u.packedR = bufio.NewReaderSize(nil, min(maxPacked, roundUp(int(want))))
	}
	u.packedR.Reset(&u.counter)
	head, err := u.packedR.Peek(4)
	if err != nil && err != io.EOF {
		return err
	}
	u.size = max(size, 0)
	switch {
	case len(head) == 0:
		return &Fault{Kind: NotLog, Text: "the file is empty"}
	case bytes.HasPrefix(head, gzipMagic):
		u.inGzip, u.members = true, 1
		// One byte more would mean that size is not the file's.
		if size >= 18 && size < int64(u.packedR.Size()) {
			if all, err := u.packedR.Peek(int(size) + 1); err == io.EOF && len(all) == int(size) {
				u.all = all
			}
		}
		u.size = u.guess(size)
		if u.gzip == nil {
			u.gzip = new(gzip.Reader)
		}
		if err := u.gzip.Reset(u.packedR); err != nil {
			return u.wrong(err)
		}
		u.gzip.Multistream(false)
		u.body = u.gzip
	case bytes.HasPrefix(head, zstdMagic):
		if u.zstd == nil {
			u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(32<<20))
			if err != nil {
				return err
			}
		}
		if err := u.zstd.Reset(u.packedR); err != nil {
			return u.wrong(err)
		}
		u.size = 16 * max(size, 0)
		u.body = u.zstd
	default:
		u.body = u.packedR
	}
	return nil
}

// oneShot unpacks a gzip file of one member into buffer(size), when all of it is at hand. It is nil when the
// file has to be read the long way: it is large, or there is anything unusual about it.
func (u *unpacker) oneShot(buffer func(size int64) []byte, limit int64) []byte {
	if !u.inGzip || u.all == nil || u.members > 1 {
		return nil
	}
	body, ok := gzipBody(u.all)
	if !ok {
		return nil
	}
	// The sender wrote the size: it has to be possible, and it has to be right.
	end := u.all[len(u.all)-8:]
	size := int64(binary.LittleEndian.Uint32(end[4:]))
	if size >= limit-slack || size > 1100*int64(len(body)) {
		return nil
	}
	text := buffer(size + slack)[:size+slack]
	wrote, read, ok := u.inflater.Inflate(text, body)
	if !ok || int64(wrote) != size || read != len(body)-8 || crc32.ChecksumIEEE(text[:size]) != binary.LittleEndian.Uint32(end) {
		return nil
	}
	u.out = size
	u.oneShots = true
	return text[:size]
}

// slack is room behind a text with which package inflate need not look at each byte.
const slack = 320

// gzipBody is what follows the header of a gzip file, when the header is one that log files have.
func gzipBody(file []byte) ([]byte, bool) {
	const named = 1 << 3
	if len(file) < 18 || file[2] != 8 || file[3]&^named != 0 {
		return nil, false
	}
	body := file[10:]
	if file[3]&named != 0 {
		end := bytes.IndexByte(body, 0)
		if end < 0 {
			return nil, false
		}
		body = body[end+1:]
	}
	return body, len(body) >= 8
}

// guess tells what a gzip file will unpack to: its last four bytes say so, if all of it is in the
// buffer. The sender chooses them: they decide nothing but the size of a buffer, within limits.
func (u *unpacker) guess(size int64) int64 {
	if u.all != nil {
		return min(int64(binary.LittleEndian.Uint32(u.all[size-4:])), 1100*size)
	}
	return 14 * max(size, 4<<10)
}

func (u *unpacker) packed() int64 {
	if u.oneShots {
		return int64(len(u.all))
	}
	if u.packedR == nil {
		return u.counter.n
	}
	return u.counter.n - int64(u.packedR.Buffered())
}

// close lets go of the file.
func (u *unpacker) close() {
	u.counter = counter{}
	u.packedR.Reset(nil)
	u.body, u.all = nil, nil
	if u.zstd != nil {
		_ = u.zstd.Reset(nil)
	}
}

// Read goes on to the next member at the end of one.
func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.body.Read(p)
	u.out += int64(n)
	if u.out > bombThreshold && u.out > bombRatio*u.packed() && u.body != io.Reader(u.packedR) {
		return n, &Fault{Kind: Bomb, Text: fmt.Sprintf("unpacks to more than %d times its size: no log file does, so the rest was not read", bombRatio)}
	}
	if err == io.EOF && u.inGzip {
		return n, u.next()
	}
	if err != nil && err != io.EOF {
		err = u.wrong(err)
	}
	return n, err
}

// next begins the gzip member after the one that is read.
func (u *unpacker) next() error {
	head, err := u.packedR.Peek(2)
	switch {
	case len(head) == 0 && err == io.EOF:
		return io.EOF
	case u.first && len(head) > 0, !bytes.Equal(head, gzipMagic):
		return &Fault{Kind: Appended, Text: "bytes that are no gzip follow the gzip member that CloudTrail wrote"}
	}
	if err := u.gzip.Reset(u.packedR); err != nil {
		return u.wrong(err)
	}
	u.gzip.Multistream(false)
	if u.members++; u.members == 2 {
		u.second = u.out
	}
	return nil
}

// wrong tells an error of unpacking from one of reading.
func (u *unpacker) wrong(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case u.counter.err != nil:
		return u.counter.err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case errors.As(err, &corrupt):
		return &Fault{Kind: Corrupt, Text: "gzip: damaged data"}
	case errors.Is(err, gzip.ErrChecksum):
		return &Fault{Kind: Corrupt, Text: "gzip: checksum or length do not fit the data"}
	case errors.Is(err, gzip.ErrHeader):
		return &Fault{Kind: Corrupt, Text: "gzip: invalid header"}
	}
	return &Fault{Kind: Corrupt, Text: "does not unpack: " + err.Error()}
}
