package inflate

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// oracle is what compress/flate makes of a stream.
func oracle(src []byte, limit int) (text []byte, read int, err error) {
	from := bytes.NewReader(src)
	text, err = io.ReadAll(io.LimitReader(flate.NewReader(from), int64(limit)))
	return text, len(src) - from.Len(), err
}

// same holds Inflate against the oracle: where it does not give up, it says the same.
func same(t *testing.T, f *Inflater, src []byte, room int) bool {
	t.Helper()
	dst := make([]byte, room)
	wrote, read, ok := f.Inflate(dst, src)
	if !ok {
		return false
	}
	text, taken, err := oracle(src, room+1)
	if err != nil || !bytes.Equal(text, dst[:wrote]) || taken != read {
		t.Fatalf("of %d bytes %x: wrote %d, read %d; compress/flate: %d, %d, %v", len(src), src[:min(64, len(src))], wrote, read, len(text), taken, err)
	}
	return true
}

func packed(t testing.TB, text []byte, level int) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func texts(t testing.TB) [][]byte {
	all := [][]byte{nil, []byte("a"), []byte(strings.Repeat("a", 100_000)), []byte(strings.Repeat("abcdefghijklmnopq", 5000))}
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 150_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	skewed := make([]byte, 150_000) // long codes
	for i := range skewed {
		skewed[i] = byte(min(255, int(random.ExpFloat64()*12)))
	}
	near := make([]byte, 0, 150_000) // distances of all kinds
	for len(near) < 140_000 {
		back := 1 + random.IntN(min(len(near)+1, 32768))
		if len(near) < 100 || random.IntN(4) == 0 {
			near = append(near, byte(random.Uint32()))
			continue
		}
		n := 3 + random.IntN(300)
		for range n {
			near = append(near, near[max(0, len(near)-back)])
		}
	}
	all = append(all, noise, skewed, near)
	names, _ := filepath.Glob("../../event/testdata/real/*/*.json")
	for _, name := range names[:min(8, len(names))] {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text, bytes.Repeat(text, 20))
	}
	return all
}

func TestInflate(t *testing.T) {
	var f Inflater
	for i, text := range texts(t) {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.DefaultCompression, flate.BestCompression} {
			src := packed(t, text, level)
			for _, tail := range []string{"", "12345678", strings.Repeat("x", 40)} {
				for _, room := range []int{len(text), len(text) + 1, len(text) + 1000} {
					if !same(t, &f, append(bytes.Clone(src), tail...), room) {
						t.Errorf("text %d at level %d with %d bytes behind, room for %d: gave up", i, level, len(tail), room)
					}
				}
			}
			if len(text) > 0 {
				if _, _, ok := f.Inflate(make([]byte, len(text)-1), src); ok {
					t.Errorf("text %d at level %d: there was no room, and it did not give up", i, level)
				}
			}
		}
	}
}

// TestDamaged: of damaged streams it gives up, or says what compress/flate says.
func TestDamaged(t *testing.T) {
	var f Inflater
	random := rand.New(rand.NewPCG(3, 4))
	agreed := 0
	for _, text := range texts(t) {
		text = text[:min(len(text), 20_000)]
		for _, level := range []int{flate.HuffmanOnly, flate.BestSpeed, flate.BestCompression} {
			src := packed(t, text, level)
			for range 60 {
				bad := bytes.Clone(src)
				for range 1 + random.IntN(3) {
					bad[random.IntN(len(bad))] ^= 1 << random.IntN(8)
				}
				if random.IntN(4) == 0 {
					bad = bad[:random.IntN(len(bad)+1)]
				}
				if same(t, &f, bad, 2*len(text)+1000) {
					agreed++
				}
			}
		}
	}
	if agreed == 0 {
		t.Error("it gave up on each: nothing was compared")
	}
}

func FuzzInflate(f *testing.F) {
	for _, text := range texts(f) {
		text = text[:min(len(text), 3000)]
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.BestCompression} {
			f.Add(packed(f, text, level), uint16(len(text)))
		}
	}
	f.Add([]byte{0x4b, 0x04, 0}, uint16(1)) // a fixed block
	f.Fuzz(func(t *testing.T, src []byte, room uint16) {
		var i Inflater
		same(t, &i, src, int(room))
	})
}

func BenchmarkInflate(b *testing.B) {
	names, _ := filepath.Glob("../../event/testdata/real/invictus-aws_dataset/*.json")
	text, err := os.ReadFile(names[0])
	if err != nil {
		b.Fatal(err)
	}
	src := packed(b, bytes.Repeat(text, 60), flate.DefaultCompression)
	dst := make([]byte, 60*len(text)+64)
	b.SetBytes(int64(60 * len(text)))
	var f Inflater
	for b.Loop() {
		if _, _, ok := f.Inflate(dst, src); !ok {
			b.Fatal("gave up")
		}
	}
}
