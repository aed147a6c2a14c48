package inflate

// lengthEntry is the entry of a symbol of the first alphabet.
func lengthEntry(symbol int) uint32 {
	switch {
	case symbol < 256:
		return literal | uint32(symbol)<<16
	case symbol == 256:
		return special | ending
	case symbol > 285:
		return special // there is no such length
	}
	return uint32(lengths[symbol-257])<<16 | uint32(lengthExtra[symbol-257])
}

// distanceEntry is the entry of a symbol of the second alphabet.
func distanceEntry(symbol int) uint32 {
	if symbol > 29 {
		return special
	}
	return uint32(distances[symbol])<<16 | uint32(distanceExtra[symbol])
}

var (
	lengths       = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra   = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distances     = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distanceExtra = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	codeOrder     = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// fixed makes the tables that need no description.
func (f *Inflater) fixed() bool {
	lens := f.lens[:288+30]
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		case i < 288:
			lens[i] = 8
		default:
			lens[i] = 5
		}
	}
	// Two symbols of the second alphabet have codes and no meaning.
	f.lens[318], f.lens[319] = 5, 5
	return f.build(f.lit[:], f.lens[:288], litBits, false, lengthEntry) && f.build(f.dist[:], f.lens[288:], distBits, true, distanceEntry)
}

// dynamic reads the tables of a block.
func (f *Inflater) dynamic(r *reader) bool {
	r.refill()
	lits, dists, codes := int(r.take(5))+257, int(r.take(5))+1, int(r.take(4))+4
	if lits > 286 || dists > 30 {
		return false
	}
	clear(f.lens[:19])
	for i := range codes {
		r.refill()
		f.lens[codeOrder[i]] = uint8(r.take(3))
	}
	if !f.build(f.code[:], f.lens[:19], 7, false, func(symbol int) uint32 { return literal | uint32(symbol)<<16 }) {
		return false
	}
	for i := 0; i < lits+dists; {
		r.refill()
		e := f.code[r.bits&127]
		if e == special || r.exhausted() {
			return false
		}
		r.drop(uint(e & 63))
		n, value := 1, uint8(e>>16)
		switch value {
		case 16:
			if i == 0 {
				return false
			}
			n, value = 3+int(r.take(2)), f.lens[i-1]
		case 17:
			n, value = 3+int(r.take(3)), 0
		case 18:
			n, value = 11+int(r.take(7)), 0
		}
		if i+n > lits+dists {
			return false
		}
		for range n {
			f.lens[i] = value
			i++
		}
	}
	if f.lens[256] == 0 || r.exhausted() {
		return false
	}
	return f.build(f.dist[:], f.lens[lits:lits+dists], distBits, true, distanceEntry) && f.build(f.lit[:], f.lens[:lits], litBits, false, lengthEntry)
}
