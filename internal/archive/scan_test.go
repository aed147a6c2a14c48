package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/trailwarden/trailwarden/internal/logfile"
)

// small, but with all that can happen: copies, disorder, a damaged file, two Regions, digests.
func sample() tree {
	var files tree
	for i := range 24 {
		at := noon.Add(time.Duration(i) * 5 * time.Minute)
		text := logText(call(fmt.Sprint("a", i), "s3.amazonaws.com:GetObject", at))
		switch i {
		case 3:
			text = logText(call("stop", "StopLogging", at), call("early", "AddTags", at.Add(-time.Hour)))
		case 4, 5:
			text = logText(call("stop", "StopLogging", noon.Add(15*time.Minute)))
		case 9:
			text = logText(call("start", "StartLogging", at), call("no", "DeleteTrail", at, `"errorCode":"AccessDenied"`))
		case 12:
			text = text[:40]
		}
		files = append(files, memory{logName("eu-central-1", at), zip(text)}, memory{logName("us-east-1", at.Add(time.Minute)), zip(logText())})
		if i%12 == 0 {
			files = append(files, memory{digestName("main", at), zip(`{"digestStartTime":"x"}`)})
		}
	}
	return files
}

// TestAnySplit: whatever the split into parts and the order of merging, the result is that of one process.
func TestAnySplit(t *testing.T) {
	files := sample()
	want := scanned(t, files)
	if len(want.Findings) != 4 || want.Findings[1].Copies != 3 {
		t.Fatalf("%d findings: %+v", len(want.Findings), want.Findings)
	}
	var parts []Result
	for _, f := range files {
		parts = append(parts, scanned(t, tree{f}))
	}
	rapid.Check(t, func(t *rapid.T) {
		merged := rapid.Permutation(parts).Draw(t, "order")
		for len(merged) > 1 {
			i := rapid.IntRange(0, len(merged)-2).Draw(t, "merge")
			both := merged[i].Merge(merged[i+1])
			// What goes from machine to machine goes as JSON.
			text, err := json.Marshal(both)
			if err != nil {
				t.Fatal(err)
			}
			both = Result{}
			if err := json.Unmarshal(text, &both); err != nil {
				t.Fatal(err)
			}
			merged = slices.Replace(merged, i, i+2, both)
		}
		if d := cmp.Diff(want, merged[0], cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

// TestRealFiles counts what encoding/json finds in public records.
func TestRealFiles(t *testing.T) {
	for _, root := range []string{"../event/testdata/real", "../../../shared/events"} {
		if _, err := os.Stat(root); err != nil {
			t.Logf("NOT PROVEN HERE: for the records of %s: %v", root, err)
			continue
		}
		var records int64
		calls := map[string]int{}
		ids := map[string]bool{}
		var count func(v any)
		count = func(v any) {
			switch v := v.(type) {
			case []any:
				for _, e := range v {
					count(e)
				}
			case map[string]any:
				if list, ok := v["Records"]; ok {
					count(list)
					return
				}
				if detail, ok := v["detail"].(map[string]any); ok {
					v = detail
				}
				records++
				name, _ := v["eventName"].(string)
				readOnly, _ := v["readOnly"].(bool)
				id, _ := v["eventID"].(string)
				if v["eventSource"] == "cloudtrail.amazonaws.com" && !readOnly && !strings.HasPrefix(name, "Get") && !strings.HasPrefix(name, "Describe") &&
					!strings.HasPrefix(name, "L") {
					key := fmt.Sprint(name, id, v["errorCode"], v["eventTime"], v["requestParameters"], v["userIdentity"])
					if !ids[key] {
						ids[key] = true
						calls[name]++
					}
				}
			}
		}
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".json" || d.Name() == "MANIFEST.json" {
				return nil
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for d := json.NewDecoder(f); ; {
				var v any
				if err := d.Decode(&v); err != nil {
					return nil
				}
				count(v)
			}
		})
		got := scanned(t, Paths{Args: []string{root}})
		found := map[string]int{}
		for _, f := range got.Findings {
			found[f.EventName]++
		}
		if d := cmp.Diff(calls, found); d != "" {
			t.Errorf("%s (-encoding/json +scan):\n%s", root, d)
		}
		if got.Records != records {
			t.Errorf("%s: %d records, encoding/json counts %d", root, got.Records, records)
		}
		for _, d := range got.Damaged {
			if filepath.Base(d.File) != "MANIFEST.json" {
				t.Errorf("%s: %+v", d.File, d.Faults)
			}
		}
		t.Logf("%s: %d records, %v", root, records, calls)
	}
}

// TestResume: a scan that goes on where another ended, wherever that was, tells the same as one that was
// never ended.
func TestResume(t *testing.T) {
	files := sample()
	want := scanned(t, files)
	for ends := range len(files) {
		ctx, cancel := context.WithCancel(t.Context())
		var saved Checkpoint
		n := 0
		stopping := source(func(yield func(File) error) error {
			for _, f := range files {
				if n++; n > ends {
					cancel()
				}
				if err := yield(File{Name: f.name, Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.data)), nil }}); err != nil {
					return err
				}
			}
			return nil
		})
		_, err := Scan{Workers: 2, Save: func(c Checkpoint) error { saved = c; return nil }}.Run(ctx, stopping)
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("ended after %d files: %v", ends, err)
		}
		got, err := Scan{Workers: 2, From: saved}.Run(t.Context(), files)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("ended after %d files, saved at %d: %s", ends, saved.Files, d)
		}
		if saved.Files > 1 {
			if _, err := (Scan{From: saved}).Run(t.Context(), files[1:]); !errors.Is(err, ErrMoved) {
				t.Errorf("the files before the checkpoint are others: %v", err)
			}
		}
	}
}

type source func(yield func(File) error) error

func (s source) Files(_ context.Context, yield func(File) error, _ func(string, error)) error {
	return s(yield)
}

// TestSources: the same files from a folder, a glob, a tar archive, standard input.
func TestSources(t *testing.T) {
	dir := t.TempDir()
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, f := range sample() {
		path := filepath.Join(dir, "tree", f.name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, f.data, 0o644)); err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.data)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "all.tar")
	if err := errors.Join(os.WriteFile(archive, packed.Bytes(), 0o644), os.WriteFile(archive+".gz", zip(packed.String()), 0o644),
		os.WriteFile(archive+".zst", zst(packed.String()), 0o644)); err != nil {
		t.Fatal(err)
	}
	want := scanned(t, sample())
	withoutPlaces := cmp.Options{cmpopts.IgnoreFields(Finding{}, "File"), cmpopts.IgnoreFields(Damage{}, "File"), cmpopts.EquateEmpty()}
	for name, from := range map[string]Paths{
		"folder":        {Args: []string{filepath.Join(dir, "tree")}},
		"glob":          {Args: []string{filepath.Join(dir, "tree", "AWSLogs", "*"), filepath.Join(dir, "tree", "*.gz")}},
		"tar":           {Args: []string{archive}},
		"tar.gz":        {Args: []string{archive + ".gz"}},
		"tar.zst":       {Args: []string{archive + ".zst"}},
		"zstd, stdin":   {Args: []string{"-"}, Stdin: bytes.NewReader(zst(packed.String()))},
		"tar on stdin":  {Args: []string{"-"}, Stdin: bytes.NewReader(packed.Bytes())},
		"packed, stdin": {Args: []string{"-"}, Stdin: bytes.NewReader(zip(packed.String()))},
	} {
		if err := from.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, scanned(t, from), withoutPlaces); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for name, file := range map[string][]byte{"all.tar": packed.Bytes(), "all.tgz": zip(packed.String()), "old.tar.zst": zst(packed.String())} {
		bucket := Bucket{Store: &shelf{objects: map[string][]byte{name: file}, etag: "v1"}, Name: "logs", Ahead: NewAhead(2, 512)}
		if d := cmp.Diff(want, scanned(t, bucket), withoutPlaces); d != "" {
			t.Errorf("%s in S3: %s", name, d)
		}
		if bytes, err := bucket.Bytes(t.Context()); err != nil || bytes != int64(len(file)) {
			t.Errorf("%s in S3: %d bytes, %v", name, bytes, err)
		}
		bucket.Store = &shelf{objects: map[string][]byte{name: file[:len(file)-len(file)/3]}, etag: "v1"}
		if got := scanned(t, bucket); len(got.Findings) == 0 && !strings.HasSuffix(name, "zst") || !slices.ContainsFunc(got.Damaged, func(d Damage) bool { return strings.HasPrefix(d.File, "s3://logs/"+name) }) {
			t.Errorf("a third of %s in S3 is gone: %d findings, %+v", name, len(got.Findings), got.Damaged)
		}
	}
	for name, pack := range map[string]func(string) []byte{"plain": func(s string) []byte { return []byte(s) }, "gzip": zip, "zstd": zst} {
		r := bytes.NewReader(pack(logText(call("stop", "StopLogging", noon))))
		if got := scanned(t, Paths{Args: []string{"-"}, Stdin: r}); len(got.Findings) != 1 || len(got.Damaged) != 0 {
			t.Errorf("a log file on standard input, %s: %+v", name, got)
		}
	}
	one := scanned(t, Paths{Args: []string{"-"}, Stdin: strings.NewReader(call("stop", "StopLogging", noon))})
	if len(one.Findings) != 1 || one.Findings[0].File != "-" {
		t.Errorf("a record on standard input: %+v", one)
	}
	if (Paths{Args: []string{filepath.Join(dir, "nowhere*")}}).Check() == nil {
		t.Error("a path to nothing is accepted")
	}
}

// TestLost: what cannot be read is named, and costs nothing else.
func TestLost(t *testing.T) {
	files := source(func(yield func(File) error) error {
		for i, err := range []error{errors.New("access denied"), nil} {
			if err := yield(File{Name: fmt.Sprint(i), Open: func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader(logText(call("s", "StopLogging", noon)))), err
			}}); err != nil {
				return err
			}
		}
		return nil
	})
	got := scanned(t, files)
	if len(got.Findings) != 1 || len(got.Damaged) != 1 || got.Damaged[0].Faults[0].Kind != logfile.Unreadable || got.Files != 2 {
		t.Errorf("%+v", got)
	}
}
