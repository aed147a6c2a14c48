package logfile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/trailwarden/trailwarden/internal/event"
)

func zst(t *testing.T, text string) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll([]byte(text), nil)
}

// TestFaults: each thing that is wrong with a file has a name of its own, and costs as little as it can.
func TestFaults(t *testing.T) {
	whole := zip(t, file(put, stop))
	lying := bytes.Clone(whole)
	copy(lying[len(lying)-4:], "\xff\xff\xff\x7f")
	damaged := bytes.Clone(whole)
	for i := 40; i < 80; i++ {
		damaged[i] ^= 0x55
	}
	for _, c := range []struct {
		name    string
		data    []byte
		kinds   string // of the faults
		found   int    // records of interest
		records int64
	}{
		{"gzip", whole, "", 1, 2},
		{"plain", []byte(file(put, stop)), "", 1, 2},
		{"zstd", zst(t, file(put, stop)), "", 1, 2},
		{"JSON lines", []byte(put + "\n" + stop + "\n\n" + put), "", 1, 3},
		{"bare record", []byte(stop), "", 1, 1},
		{"no records", zip(t, file()), "", 0, 0},
		{"nothing", nil, NotLog, 0, 0},
		{"white space", []byte(" \n"), NotLog, 0, 0},
		{"gzip of nothing", zip(t, ""), NotLog, 0, 0},
		{"cut in the gzip header", whole[:8], Truncated, 0, 0},
		{"cut in the checksum", whole[:len(whole)-5], Truncated, 1, 2},
		{"cut text", []byte(file(stop, put)[:len(stop)+100]), Truncated, 1, 1},
		{"cut zstd", zst(t, file(put, stop))[:100], Truncated, 0, 0},
		{"lying ISIZE", lying, Corrupt, 1, 2},
		{"damaged gzip", damaged, Corrupt, 0, 0},
		{"second member", append(bytes.Clone(whole), zip(t, "\n"+file(stop))...), Appended, 2, 3},
		{"second member on the same line", append(bytes.Clone(whole), zip(t, file(stop))...), Appended + " " + Appended, 2, 3},
		{"text behind the gzip", append(bytes.Clone(whole), file(stop)...), Appended, 1, 2},
		{"text behind the log file", []byte(file(put) + file(stop)), Appended, 1, 2},
		{"other magic", []byte("PK\x03\x04 and so on"), NotLog, 0, 0},
		{"other JSON", []byte(`{"a":1}`), NotLog, 0, 0},
		{"list of other objects", []byte(file(`{"a":1}`, stop)), BadRecord, 1, 2},
		{"S3 notification", []byte(`{"Records":[{"eventSource":"aws:s3","eventName":"x","s3":{}}]}`), BadRecord, 0, 1},
		{"invalid UTF-8", []byte(file(strings.ReplaceAll(stop, "main", "\xff"), stop)), BadRecord, 1, 2},
		{"a key twice", []byte(file(strings.ReplaceAll(stop, `{"name":"main"}`, `{"name":"a","name":"b"}`), stop)), BadRecord, 1, 2},
		{"no comma", []byte(file(put + stop)), BadRecord, 0, 2},
		{"digest", []byte(`{"awsAccountId":"111122223333","digestStartTime":"2026-01-01T00:00:00Z","logFiles":[]}`), "", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, sum := scanned(t, c.data, cloudTrailOnly)
			kinds := ""
			for _, f := range sum.Faults {
				kinds += " " + f.Kind
			}
			if strings.TrimSpace(kinds) != c.kinds || len(got) != c.found || sum.Records != c.records {
				t.Errorf("%d of %d records, faults %+v; want %d of %d, %q", len(got), sum.Records, sum.Faults, c.found, c.records, c.kinds)
			}
			if sum.Digest != (c.name == "digest") {
				t.Errorf("digest: %t", sum.Digest)
			}
			if c.kinds != Truncated && sum.Packed != int64(len(c.data)) && c.kinds != Corrupt && c.kinds != Appended {
				t.Errorf("%d bytes read of %d", sum.Packed, len(c.data))
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	broken := errors.New("connection reset")
	half := zip(t, file(stop, put))
	var r Reader
	sum, err := r.Read(t.Context(), io.MultiReader(bytes.NewReader(half[:len(half)-10]), iotest.ErrReader(broken)), 0, cloudTrailOnly, func(event.Record) {})
	if err != nil || len(sum.Faults) != 1 || sum.Faults[0].Kind != Unreadable || !strings.Contains(sum.Faults[0].Text, "connection reset") {
		t.Errorf("%+v, %v", sum.Faults, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if sum, err := r.Read(ctx, bytes.NewReader(half), 0, cloudTrailOnly, func(event.Record) {}); err == nil || len(sum.Faults) > 0 {
		t.Errorf("given up by the caller: %+v, %v", sum.Faults, err)
	}
}

// endless repeats a text.
type endless struct {
	text string
	at   int
	left int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && e.left > 0 {
		c := copy(p[n:min(int64(len(p)), int64(n)+e.left)], e.text[e.at:])
		n, e.left, e.at = n+c, e.left-int64(c), (e.at+c)%len(e.text)
	}
	return n, nil
}

// TestMemory: a file may be as long as it likes, and so may a record: one of 100 MB is named, skipped and counted.
func TestMemory(t *testing.T) {
	many := &endless{text: put + ",", left: int64(len(put)+1) * 200_000}
	long := &endless{text: `\"}{`, left: 100 << 20}
	text := io.MultiReader(strings.NewReader(`{"Records":[`), many, strings.NewReader(`{"userAgent":"`), long, strings.NewReader(`"},`+stop+"]}"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var r Reader
	found := 0
	sum, err := r.Read(t.Context(), text, 300<<20, cloudTrailOnly, func(event.Record) { found++ })
	runtime.ReadMemStats(&after)
	if err != nil || found != 1 || sum.Records != 200_002 || sum.Skipped != 1 || len(sum.Faults) != 1 || sum.Faults[0].Kind != TooLarge {
		t.Errorf("found %d of %d records, skipped %d, %v, %v", found, sum.Records, sum.Skipped, sum.Faults, err)
	}
	if grew := after.TotalAlloc - before.TotalAlloc; grew > 32<<20 {
		t.Errorf("%d MB were allocated for %d MB of text", grew>>20, sum.Unpacked>>20)
	}
}

// TestHashMemory: a file of 100 MB is hashed as it comes.
func TestHashMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const size = 100 << 20
	var r Reader
	h, err := r.Hash(t.Context(), &endless{text: put, left: size}, size)
	runtime.ReadMemStats(&after)
	if grew := after.TotalAlloc - before.TotalAlloc; err != nil || h.Fault != nil || h.Unpacked != size || grew > 24<<20 {
		t.Errorf("%d MB were allocated for %d MB, %v, %v", grew>>20, h.Unpacked>>20, h.Fault, err)
	}
}

func TestBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that a gzip bomb is named and not unpacked; it unpacks 80 MB")
	}
	bomb := zip(t, file(put, stop)[:len(put)+13]+strings.Repeat(" ", 80<<20)+"]}")
	_, sum := scanned(t, bomb, cloudTrailOnly)
	if len(sum.Faults) != 1 || sum.Faults[0].Kind != Bomb || sum.Unpacked > bombThreshold+2*windowSize {
		t.Errorf("%d bytes unpacked of a file of %d: %v", sum.Unpacked, len(bomb), sum.Faults)
	}
}

// TestHash: what digest files hash is the first gzip member; what follows is said.
func TestHash(t *testing.T) {
	text := file(put, stop)
	whole := zip(t, text)
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-6] ^= 1 // the checksum
	for _, c := range []struct {
		name     string
		data     []byte
		same     bool
		appended bool
		fault    string
	}{
		{"whole", whole, true, false, ""},
		{"plain", []byte(text), true, false, ""},
		{"second member", append(bytes.Clone(whole), zip(t, "x")...), true, true, ""},
		{"text behind", append(bytes.Clone(whole), 'x'), true, true, ""},
		{"other", zip(t, text+" "), false, false, ""},
		{"cut", whole[:len(whole)/2], false, false, Truncated},
		{"damaged", damaged, true, false, Corrupt},
		{"empty", nil, false, false, NotLog},
	} {
		var r Reader
		h, err := r.Hash(t.Context(), bytes.NewReader(c.data), int64(len(c.data)))
		fault := ""
		if h.Fault != nil {
			fault = h.Fault.Kind
		}
		if err != nil || (h.Sum == sha256.Sum256([]byte(text))) != c.same || h.Appended != c.appended || fault != c.fault {
			t.Errorf("%s: %+v, %v", c.name, h, err)
		}
	}
}

// TestSizes: files around the sizes from which they are read otherwise.
func TestSizes(t *testing.T) {
	for _, want := range []int{100, 64 << 10, 1 << 20, windowSize, wholeLimit - slack, wholeLimit, wholeLimit + 1} {
		for _, off := range []int{-1, 0, 1} {
			pad := strings.Repeat(" ", max(0, want+off-len(file(put, stop))))
			text := file(put, pad+stop)
			for name, data := range map[string][]byte{"plain": []byte(text), "gzip": zip(t, text)} {
				got, sum := scanned(t, data, cloudTrailOnly)
				if len(got) != 1 || len(sum.Faults) > 0 || sum.Records != 2 || sum.Unpacked != int64(len(text)) || sum.Packed != int64(len(data)) {
					t.Errorf("%s of %d bytes: %d found, %+v", name, len(text), len(got), sum)
				}
			}
		}
	}
}
