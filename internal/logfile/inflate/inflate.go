// Package inflate unpacks a deflate stream (RFC 1951) in one go: the whole of it is in memory, and so is
// the place for what it unpacks to. Log files are small enough for that, and it is the largest part of the
// time of reading them; nothing of the state of a stream has to be kept between two calls.
//
// It gives up on whatever is not as it should be, and on a few streams that are allowed but that nobody
// writes. The caller then asks compress/flate, which is also what the tests hold it against.
package inflate

import (
	"encoding/binary"
	"math/bits"
)

// Sizes of the tables. Codes that are longer than the first bits of a table go on in a part behind it.
const (
	litBits  = 11
	distBits = 8
	litSize  = 1<<litBits + 1<<12
	distSize = 1<<distBits + 1<<11
	maxBits  = 15
)

// Entries of tables. The low byte is how many bits to drop; of a length or distance those of its extra bits
// too, and then the second byte is how many belong to the code. The high half is the literal, the length or
// distance without its extra bits, or where the table goes on.
const (
	literal = 1 << 31
	special = 1 << 15 // no length or distance: one of the next two, or else no code at all
	further = 1 << 14 // the table goes on: the low half of the second byte is by how many bits
	ending  = 1 << 13 // the end of the block
)

// Inflater keeps its tables. Its zero value is ready; it serves one goroutine at a time.
type Inflater struct {
	lit   [litSize]uint32
	dist  [distSize]uint32
	code  [1 << 7]uint32
	lens  [288 + 32]uint8
	order [288]uint16
}

// Inflate unpacks the stream at the beginning of src into dst, whose length is the room that there is. It
// returns how many bytes it wrote and how many of src belong to the stream. It is false when it gave up: then
// what is in dst means nothing.
func (f *Inflater) Inflate(dst, src []byte) (wrote, read int, ok bool) {
	var r reader
	r.src = src
	for {
		r.refill()
		final, kind := r.take(1), r.take(2)
		switch kind {
		case 0:
			wrote, ok = r.stored(dst, wrote)
		case 1:
			ok = f.fixed()
		case 2:
			ok = f.dynamic(&r)
		default:
			ok = false
		}
		if ok && kind != 0 {
			wrote, ok = f.block(dst, wrote, &r)
		}
		if !ok {
			return 0, 0, false
		}
		if final == 1 {
			read = r.at - int(r.have>>3)
			return wrote, read, !r.exhausted()
		}
	}
}

// reader reads bits, the low ones first.
type reader struct {
	src  []byte
	at   int    // what of src is in bits already
	bits uint64 // those that were not taken
	have uint   // how many they are
	over int    // bytes that were made up behind the end of src
}

// refill makes at least 56 bits ready. Behind the end of src there are zeros; over counts them.
func (r *reader) refill() {
	if r.at+8 <= len(r.src) {
		r.bits |= binary.LittleEndian.Uint64(r.src[r.at:]) << (r.have & 63)
		r.at += int((63 - r.have) >> 3)
		r.have |= 56
		return
	}
	for r.have < 56 {
		if r.at < len(r.src) {
			r.bits |= uint64(r.src[r.at]) << r.have
		} else {
			r.over++
		}
		r.at++
		r.have += 8
	}
}

// take takes n bits, at most 16, which refill has made ready.
func (r *reader) take(n uint) uint {
	v := uint(r.bits) & (1<<n - 1)
	r.bits >>= n
	r.have -= n
	return v
}

// exhausted says whether bits behind the end of src were taken.
func (r *reader) exhausted() bool { return r.over > int(r.have>>3) }

// stored copies a block that is not packed.
func (r *reader) stored(dst []byte, at int) (int, bool) {
	r.take(r.have & 7)
	r.at -= int(r.have >> 3)
	r.bits, r.have, r.over = 0, 0, 0
	if r.at+4 > len(r.src) {
		return 0, false
	}
	n := int(binary.LittleEndian.Uint16(r.src[r.at:]))
	if n != int(^binary.LittleEndian.Uint16(r.src[r.at+2:])) || r.at+4+n > len(r.src) || at+n > len(dst) {
		return 0, false
	}
	copy(dst[at:], r.src[r.at+4:r.at+4+n])
	r.at += 4 + n
	return at + n, true
}

// block unpacks a block with the tables as they are.
func (f *Inflater) block(dst []byte, at int, r *reader) (int, bool) {
	// What is used in each step is kept out of memory.
	src, pos, buf, have := r.src, r.at, r.bits, r.have
	lit, dist := &f.lit, &f.dist
	for pos+16 <= len(src) && at+320 <= len(dst) {
		buf |= binary.LittleEndian.Uint64(src[pos:]) << (have & 63)
		pos += int((63 - have) >> 3)
		have |= 56
		e := lit[buf&(1<<litBits-1)]
		if e&literal != 0 {
			buf >>= e & 63
			have -= uint(e & 63)
			dst[at] = byte(e >> 16)
			at++
			if e = lit[buf&(1<<litBits-1)]; e&literal != 0 {
				buf >>= e & 63
				have -= uint(e & 63)
				dst[at] = byte(e >> 16)
				at++
				if e = lit[buf&(1<<litBits-1)]; e&literal != 0 {
					buf >>= e & 63
					have -= uint(e & 63)
					dst[at] = byte(e >> 16)
					at++
					continue
				}
			}
		}
		if e&special != 0 {
			if e&further == 0 {
				if e&ending == 0 {
					return 0, false
				}
				buf >>= e & 63
				have -= uint(e & 63)
				r.at, r.bits, r.have = pos, buf, have
				return at, true
			}
			e = lit[uint(e>>16)+uint(buf>>litBits)&(1<<(e>>8&15)-1)]
			if e&literal != 0 {
				buf >>= e & 63
				have -= uint(e & 63)
				dst[at] = byte(e >> 16)
				at++
				continue
			}
			if e&special != 0 {
				if e&ending == 0 {
					return 0, false
				}
				buf >>= e & 63
				have -= uint(e & 63)
				r.at, r.bits, r.have = pos, buf, have
				return at, true
			}
		}
		length := int(e>>16) + int(uint(buf)&(1<<(e&63)-1)>>(e>>8&63))
		buf >>= e & 63
		have -= uint(e & 63)
		// At least 56 - 11 - 11 - 20 bits are left, and a distance has up to 28.
		buf |= binary.LittleEndian.Uint64(src[pos:]) << (have & 63)
		pos += int((63 - have) >> 3)
		have |= 56
		e = dist[buf&(1<<distBits-1)]
		if e&special != 0 {
			if e&further == 0 {
				return 0, false
			}
			if e = dist[uint(e>>16)+uint(buf>>distBits)&(1<<(e>>8&15)-1)]; e&special != 0 {
				return 0, false
			}
		}
		back := int(e>>16) + int(uint(buf)&(1<<(e&63)-1)>>(e>>8&63))
		buf >>= e & 63
		have -= uint(e & 63)
		from := at - back
		if from < 0 {
			return 0, false
		}
		if back >= 16 && length <= 32 { // most are; there is room for more than is copied
			d, s := dst[at:at+32], dst[from:from+32]
			binary.LittleEndian.PutUint64(d[0:8], binary.LittleEndian.Uint64(s[0:8]))
			binary.LittleEndian.PutUint64(d[8:16], binary.LittleEndian.Uint64(s[8:16]))
			if length > 16 {
				binary.LittleEndian.PutUint64(d[16:24], binary.LittleEndian.Uint64(s[16:24]))
				binary.LittleEndian.PutUint64(d[24:32], binary.LittleEndian.Uint64(s[24:32]))
			}
			at += length
			continue
		}
		at = repeat(dst, at, from, length)
	}
	r.at, r.bits, r.have = pos, buf, have
	return f.slowly(dst, at, r)
}

// repeat copies what was written before, which may go on with what it writes.
func repeat(dst []byte, at, from, length int) int {
	end := at + length
	for at < end {
		at += copy(dst[at:end], dst[from:at])
	}
	return end
}

// slowly unpacks the rest of a block where src or dst ends soon.
func (f *Inflater) slowly(dst []byte, at int, r *reader) (int, bool) {
	for {
		r.refill()
		e := f.lit[r.bits&(1<<litBits-1)]
		if e&special != 0 && e&further != 0 {
			e = f.lit[uint(e>>16)+uint(r.bits>>litBits)&(1<<(e>>8&15)-1)]
		}
		length := uint(e>>16&0x7fff) + uint(r.bits)&(1<<(e&63)-1)>>(e>>8&63)
		if e&special != 0 && e&ending == 0 {
			return 0, false
		}
		r.drop(uint(e & 63))
		if r.exhausted() {
			return 0, false
		}
		switch {
		case e&literal != 0:
			if at == len(dst) {
				return 0, false
			}
			dst[at] = byte(e >> 16)
			at++
			continue
		case e&special != 0:
			return at, true
		}
		r.refill()
		e = f.dist[r.bits&(1<<distBits-1)]
		if e&special != 0 && e&further != 0 {
			e = f.dist[uint(e>>16)+uint(r.bits>>distBits)&(1<<(e>>8&15)-1)]
		}
		if e&special != 0 {
			return 0, false
		}
		back := int(e>>16) + int(uint(r.bits)&(1<<(e&63)-1)>>(e>>8&63))
		r.drop(uint(e & 63))
		if r.exhausted() || back > at || at+int(length) > len(dst) {
			return 0, false
		}
		at = repeat(dst, at, at-back, int(length))
	}
}

// drop drops bits, at most 28.
func (r *reader) drop(n uint) {
	r.bits >>= n
	r.have -= n
}

// build makes a table of the lengths of codes. entry is that of a symbol, without the number of bits; size is
// how many bits are looked up at first.
// Codes that leave room for others are refused, but for none and for one alone where few is set.
func (f *Inflater) build(table []uint32, lens []uint8, size uint, few bool, entry func(symbol int) uint32) bool {
	var count, next [maxBits + 2]int
	for _, n := range lens {
		count[n]++
	}
	count[0] = 0
	longest, left := 0, 1
	for n := 1; n <= maxBits; n++ {
		next[n+1] = next[n] + count[n]
		if left = left<<1 - count[n]; left < 0 {
			return false // more codes than there can be
		}
		if count[n] > 0 {
			longest = n
		}
	}
	if left > 0 && !(few && (longest == 0 || next[maxBits+1] == 1 && count[1] == 1)) {
		return false
	}
	for symbol, n := range lens {
		if n > 0 {
			f.order[next[n]] = uint16(symbol)
			next[n]++
		}
	}
	symbols := f.order[:next[maxBits]]
	for i := range table[:1<<size] {
		table[i] = special
	}
	code, end, i := uint32(0), 1<<size, 0
	prefix, start, width := uint32(1)<<31, 0, uint(0)
	for n := uint(1); n <= maxBits; n++ {
		for range count[n] {
			e := entry(int(symbols[i]))
			i++
			reversed := bits.Reverse32(code) >> (32 - n)
			code++
			if n <= size {
				e = with(e, n)
				for at := reversed; at < 1<<size; at += 1 << n {
					table[at] = e
				}
				continue
			}
			if reversed&(1<<size-1) != prefix {
				prefix = reversed & (1<<size - 1)
				width = uint(longest) - size // wider than need be for some: at most seven bits
				start = end
				if end += 1 << width; end > len(table) {
					return false
				}
				for at := start; at < end; at++ {
					table[at] = special
				}
				table[prefix] = uint32(start)<<16 | special | further | uint32(width)<<8
			}
			e = with(e, n)
			for at := int(reversed >> size); at < 1<<width; at += 1 << (n - size) {
				table[start+at] = e
			}
		}
		code <<= 1
	}
	return true
}

// with adds the number of bits of its code to an entry.
func with(e uint32, n uint) uint32 {
	if e&(literal|special) != 0 {
		return e | uint32(n)
	}
	return e + uint32(n) + uint32(n)<<8
}
