package artifact

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// program is the smallest file that is a program for a machine.
func program(machine elf.Machine) []byte {
	var b bytes.Buffer
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Ehsize: 64, Shentsize: 64, Phentsize: 56}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	binary.Write(&b, binary.LittleEndian, h)
	return b.Bytes()
}

// A baseline put into a zip comes out again, and the same bytes make the same zip.
func TestBaselineGoesInAndComesOut(t *testing.T) {
	pinned := baseline.File{Version: baseline.Version}.Capture([]trail.State{{
		ARN: trail.ARN{Partition: "aws", Region: "eu-central-1", Account: "111122223333", Name: "main"}, Exists: true, Read: trail.Groups(),
		Settings: trail.Settings{Logging: true, Bucket: "audit-logs"},
	}}, trail.Groups(), time.Unix(1e9, 0), "a test")
	bare, err := Artifact{Bootstrap: program(elf.EM_AARCH64)}.Pack()
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(bare)
	if err != nil || a.Pinned != nil {
		t.Fatalf("a zip without baseline: %v, %v", a.Pinned, err)
	}
	a.Pinned = &pinned
	first, err := a.Pack()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(first)
	if err != nil || again.Pinned == nil || again.Pinned.Hash() != pinned.Hash() || !bytes.Equal(again.Bootstrap, a.Bootstrap) {
		t.Fatalf("another baseline or program came out: %v", err)
	}
	if second, err := again.Pack(); err != nil || SHA256(second) != SHA256(first) {
		t.Errorf("the same content makes another zip: %v", err)
	}
}

// What Lambda could not run is refused, and the error says why.
func TestOpenRefuses(t *testing.T) {
	packed := func(name string, data []byte) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, _ := z.Create(name)
		w.Write(data)
		z.Close()
		return b.Bytes()
	}
	for name, test := range map[string]struct {
		zip  []byte
		want string
	}{
		"no zip":        {[]byte("PK?"), "zip"},
		"no bootstrap":  {packed("main", program(elf.EM_AARCH64)), "bootstrap"},
		"another CPU":   {packed("bootstrap", program(elf.EM_X86_64)), "EM_X86_64"},
		"a script":      {packed("bootstrap", []byte("#!/bin/sh\n")), "no program for Linux"},
		"half a binary": {packed("bootstrap", program(elf.EM_AARCH64)[:20]), "no program for Linux"},
	} {
		if _, err := Open(test.zip); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
