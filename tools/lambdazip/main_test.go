package main

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/baseline/file"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// write writes a file, and gives its name.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// packed is what a file in a zip holds.
func packed(t *testing.T, archive, name string) []byte {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	content, err := fs.ReadFile(z, name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestZipIsWhatLambdaWantsAndReproducible(t *testing.T) {
	dir := t.TempDir()
	want := strings.Repeat("binary", 1000)
	var zips [2][]byte
	for i, mtime := range []time.Time{time.Unix(1e9, 0), time.Unix(2e9, 0)} {
		in, out := write(t, dir, "in", want), filepath.Join(dir, "out.zip")
		if err := os.Chtimes(in, mtime, mtime); err != nil {
			t.Fatal(err)
		}
		if err := run([]string{out, in}, io.Discard); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		zips[i] = data
	}
	if !bytes.Equal(zips[0], zips[1]) {
		t.Error("two zips of the same bytes differ")
	}
	z, err := zip.NewReader(bytes.NewReader(zips[0]), int64(len(zips[0])))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 1 || z.File[0].Name != "bootstrap" {
		t.Fatalf("files: %v", z.File)
	}
	if mode := z.File[0].Mode(); mode != 0o755 {
		t.Errorf("mode %v", mode)
	}
	if got := packed(t, filepath.Join(dir, "out.zip"), "bootstrap"); string(got) != want {
		t.Error("the binary came out changed")
	}
}

func TestZipWithBaseline(t *testing.T) {
	dir := t.TempDir()
	binary, out := write(t, dir, "bootstrap", "binary"), filepath.Join(dir, "out.zip")
	want := baseline.File{Version: baseline.Version}.Capture([]trail.State{{
		ARN: trail.ARN{Partition: "aws", Region: "eu-central-1", Account: "111122223333", Name: "main"}, Exists: true, Read: trail.Groups(),
		Settings: trail.Settings{Logging: true, Bucket: "audit-logs"},
	}}, trail.Groups(), time.Unix(1e9, 0), "a test")
	pinned := write(t, dir, "trailwarden.baseline.yaml", string(file.Format(want)))
	if err := run([]string{out, binary, pinned}, io.Discard); err != nil {
		t.Fatal(err)
	}
	got, err := baseline.Decode(packed(t, out, "trailwarden.baseline.json"))
	if err != nil || got.Hash() != want.Hash() {
		t.Errorf("the function reads another baseline than was given: %v", err)
	}
	write(t, dir, "trailwarden.baseline.yaml", "version: 1\ntrials: []\n")
	if err := run([]string{out, binary, pinned}, io.Discard); err == nil {
		t.Error("a broken baseline was packed")
	}
}

// TestZipWithConfiguration: what concerns a function is in the zip, what it takes of the template is said, and what cannot work makes no zip.
func TestZipWithConfiguration(t *testing.T) {
	dir := t.TempDir()
	binary, out := write(t, dir, "bootstrap", "binary"), filepath.Join(dir, "out.zip")
	settings := write(t, dir, "trailwarden.yaml", "version: 1\ntime_zone: Europe/Berlin\nledger: trailwarden.db\nnotify:\n  pagerduty:\n    routing_key: secretsmanager:trailwarden/pagerduty\n")
	var says strings.Builder
	if err := run([]string{"-config", settings, out, binary}, &says); err != nil {
		t.Fatal(err)
	}
	if got, want := string(packed(t, out, "trailwarden.config.json")), `{"notify.pagerduty.routing_key":"secretsmanager:trailwarden/pagerduty","version":1}`; got != want {
		t.Errorf("in the zip there is %s", got)
	}
	want := "ledger of " + settings + ` is not deployed: the stack has a ledger of its own
parameter for this configuration: Config=trailwarden.config.json
parameter for this configuration: SecretArns=arn:aws:secretsmanager:REGION:ACCOUNT:secret:trailwarden/pagerduty-??????
parameter for this configuration: TimeZone=Europe/Berlin
`
	if says.String() != want {
		t.Errorf("it says:\n%s", &says)
	}
	for _, broken := range []string{"version: 1\nnotify:\n  email:\n    smtp: mail.example.org:25\n", "version: 1\nnotify:\n  slack:\n    bot_token: ssm:slack\n"} {
		write(t, dir, "trailwarden.yaml", broken)
		os.Remove(out)
		if err := run([]string{"-config", settings, out, binary}, io.Discard); err == nil {
			t.Errorf("%q was packed", broken)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%q made a zip", broken)
		}
	}
}
