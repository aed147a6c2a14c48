package logfile

import "bytes"

// The members that AWS writes behind userIdentity, and where they stand.
const (
	timeKey   = `,"eventTime":"`
	sourceKey = `","eventSource":"`
	nameKey   = `","eventName":"`
	timeLen   = len("2006-01-02T15:04:05Z")
	longest   = 128 // bytes of a source or a name that are looked at
)

// other proves that nobody asked for a record, from members that stand outside of strings, directly in
// the record: text that begins as AWS writes it, with an eventSource that is another one. A record that
// says so twice is refused by event.Decode, whatever else it says. No proof means nothing: any order,
// white space and escapes are left to matters.
func (f Filter) other(members []byte) bool {
	const source = len(timeKey) + timeLen + len(sourceKey)
	if len(members) < source || string(members[:len(timeKey)]) != timeKey ||
		string(members[len(timeKey)+timeLen:source]) != sourceKey || !simple(members[len(timeKey):len(timeKey)+timeLen]) {
		return false
	}
	rest := members[source:min(len(members), source+longest)]
	end := bytes.IndexByte(rest, '"')
	if end < 0 || !simple(rest[:end]) || !bytes.HasPrefix(rest[end:], []byte(nameKey)) ||
		bytes.HasPrefix(rest, []byte("aws:")) { // a notification, which may hold records
		return false
	}
	value, name := rest[:end], rest[end+len(nameKey):]
	if f.Source != "" && string(value) != f.Source {
		return true
	}
	end = bytes.IndexByte(name, '"')
	return f.Name != nil && end > 0 && simple(name[:end]) && !f.Name(string(name[:end]))
}

// simple says whether a text within a string means what it says, and does not end the string.
func simple(text []byte) bool {
	for _, c := range text {
		if c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// matters says whether decoding an element of a list of records could give a record of the source that
// is asked for. Such a record has that text in it, or letters of it are escaped, however many envelopes
// out, or it is in a gzip file in base64.
func (f Filter) matters(element []byte) bool {
	if f.Source == "" || bytes.Contains(element, []byte(f.Source)) || bytes.Contains(element, []byte("H4sI")) {
		return true
	}
	for {
		at := bytes.Index(element, []byte(`\u00`))
		if at < 0 || len(element) < at+6 {
			return false
		}
		if escapes(element[at+4], element[at+5]) {
			return true
		}
		element = element[at+4:]
	}
}

// escapes says whether two hexadecimal digits stand for what a source is made of, or for a backslash.
func escapes(high, low byte) bool {
	digit := func(c byte) int { return bytes.IndexByte([]byte("0123456789abcdef"), c|0x20) }
	c := digit(high)<<4 | digit(low)
	return c == '\\' || c == '.' || c == '-' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
