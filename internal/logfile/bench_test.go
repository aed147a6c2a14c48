package logfile

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trailwarden/trailwarden/internal/event"
)

// corpus is a log file as long as many are, of real records.
func corpus(b *testing.B) string {
	names, err := filepath.Glob("../event/testdata/real/invictus-aws_dataset/*.json")
	if err != nil || len(names) == 0 {
		b.Fatal("no real records", err)
	}
	var records []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		records = append(records, string(text[recordsBegin(text):bytes.LastIndexByte(text, ']')]))
	}
	return file(strings.Repeat(strings.Join(records, ",")+",", 6) + stop)
}

func BenchmarkRead(b *testing.B) {
	text := corpus(b)
	packed := zip(b, text)
	writes := Filter{Source: cloudTrail, Name: func(name string) bool { return name == "StopLogging" }}
	for _, c := range []struct {
		name string
		data []byte
	}{{"plain", []byte(text)}, {"gzip", packed}} {
		b.Run(c.name, func(b *testing.B) {
			var r Reader
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				found := 0
				sum, err := r.Read(context.Background(), bytes.NewReader(c.data), int64(len(c.data)), writes, func(event.Record) { found++ })
				if err != nil || found == 0 || len(sum.Faults) > 0 {
					b.Fatal(found, sum.Faults, err)
				}
			}
		})
	}
	b.Run("unpack only", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		var u unpacker
		into := make([]byte, len(text)+1)
		for b.Loop() {
			if err := u.open(bytes.NewReader(packed), int64(len(packed))); err != nil {
				b.Fatal(err)
			}
			if n, err := io.ReadFull(&u, into); n != len(text) {
				b.Fatal(n, err)
			}
		}
	})
}
