package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/ledgertest"
)

// Whatever a path looks like, the ledger is in that file, and nobody else can read it or what is beside it.
func TestPathAndMode(t *testing.T) {
	for _, name := range []string{"plain.db", "with space.db", "100%.db", "a?mode=memory", "b#c&d=e.db", "ünïcode'\".db", "%41.db", ":memory:"} {
		dir := filepath.Join(t.TempDir(), "a?b")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		s := opened(t, path)
		if _, err := s.Write(t.Context(), told(1, 1)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		files, err := filepath.Glob(strings.NewReplacer("?", `\?`).Replace(dir) + "/*")
		if err != nil || len(files) != 4 {
			t.Errorf("%s: files %q, %v", name, files, err)
		}
		for _, f := range files {
			if info, err := os.Stat(f); err != nil || !strings.HasPrefix(f, path) || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", f, info.Mode(), err)
			}
		}
		r, err := OpenReadOnly(t.Context(), path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, found, err := r.Incident(t.Context(), id(1)); !found || err != nil {
			t.Errorf("%s: read back: %v, %v", name, found, err)
		}
		r.Close()
		s.Close()
	}
}

func TestNothingToRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.db")
	for name, open := range map[string]func(context.Context, string) (*Store, error){"read-only": OpenReadOnly, "beside": OpenBeside} {
		if _, err := open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "trailwarden watch --ledger") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
	if _, err := Open(t.Context(), filepath.Join(path, "x", "y.db"), day); err == nil || !strings.Contains(err.Error(), "check the folder") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// A ledger in a folder that cannot be written to is read all the same.
func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, filepath.Join(dir, "trailwarden.db"))
	if _, err := s.Write(t.Context(), told(1, 1)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	os.Remove(s.path + ".lock")
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	if f, err := os.Create(filepath.Join(dir, "probe")); err == nil {
		f.Close()
		os.Remove(f.Name())
		t.Skip("NOT PROVEN HERE: that a ledger opens in a folder that is read-only, for this user may write to any folder: run the tests as another than root")
	}
	r, err := OpenReadOnly(t.Context(), s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, found, err := r.Incident(t.Context(), id(1)); !found || err != nil {
		t.Errorf("read back: %v, %v", found, err)
	}
}

// F6: an older file is copied, then migrated, and all that it held is there; one of a newer version is refused and left alone.
func TestMigration(t *testing.T) {
	// Fault F6.
	path := filepath.Join(t.TempDir(), "trailwarden.db")
	s := opened(t, path)
	for i := range 10 {
		if _, err := s.Write(t.Context(), told(i, 3)); err != nil {
			t.Fatal(err)
		}
	}
	before, err := s.Incidents(t.Context(), ledger.Query{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()

	// A step that fails leaves the file as it was.
	broken := append(slices.Clone(migrations), "ALTER TABLE incidents ADD COLUMN note TEXT; CREATE TABLE broken (")
	if s, err := open(t.Context(), path, day, broken); err == nil {
		s.Close()
		t.Fatal("a broken migration was taken")
	}
	s = opened(t, path)
	verified(t, s)
	s.Close()

	next := append(slices.Clone(migrations), "ALTER TABLE incidents ADD COLUMN note TEXT NOT NULL DEFAULT 'n'", "CREATE INDEX more ON incidents (note)")
	s, err = open(t.Context(), path, day, next)
	if err != nil {
		t.Fatal(err)
	}
	after, err := s.Incidents(t.Context(), ledger.Query{})
	if err != nil || len(after) != len(before) {
		t.Errorf("after migrating: %d incidents, %d before, %v", len(after), len(before), err)
	}
	verified(t, s)
	s.Close()

	// This program does not know that version.
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*Store, error){
		"to write":  func() (*Store, error) { return Open(t.Context(), path, day) },
		"to read":   func() (*Store, error) { return OpenReadOnly(t.Context(), path) },
		"beside it": func() (*Store, error) { return OpenBeside(t.Context(), path) },
	} {
		s, err := open()
		if err == nil {
			s.Close()
			t.Fatalf("opened %s: a newer version was taken", name)
		}
		for _, want := range []string{path, fmt.Sprintf("has version %d; this program knows up to %d", len(migrations)+2, len(migrations)), ".bak"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("opened %s: the error does not say %q: %v", name, want, err)
			}
		}
	}
	if is, err := os.ReadFile(path); err != nil || string(is) != string(was) {
		t.Errorf("the newer file was changed: %v", err)
	}

	// The copy is the ledger as it was, and this program reads it.
	backup := fmt.Sprintf("%s.v%d-1.bak", path, len(migrations)) // the first is of the attempt that failed
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy: %v, %v", info, err)
	}
	old := opened(t, backup)
	verified(t, old)
	if all, err := old.Incidents(t.Context(), ledger.Query{}); err != nil || len(all) != len(before) {
		t.Errorf("in the copy: %d incidents, %v", len(all), err)
	}
}

// F10: with retention the file stays as large as what is kept, and no copy of what was removed stays beside it.
func TestFileStaysFlat(t *testing.T) {
	// Fault F10.
	s := opened(t, filepath.Join(t.TempDir(), "trailwarden.db"))
	size := func() int64 {
		var sum int64
		for _, suffix := range []string{"", "-wal"} {
			info, err := os.Stat(s.path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			sum += info.Size()
		}
		return sum
	}
	var pageSize, autoVacuum int
	var journal string
	for name, into := range map[string]any{"page_size": &pageSize, "auto_vacuum": &autoVacuum, "journal_mode": &journal} {
		if err := s.readers.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(into); err != nil {
			t.Fatal(err)
		}
	}
	if pageSize != 8192 || autoVacuum != 2 || journal != "wal" {
		t.Errorf("the file is not made as it should be: page size %d, auto_vacuum %d, journal %s", pageSize, autoVacuum, journal)
	}
	var sizes []int64
	const each = 250
	for month := range 8 {
		now := day.Add(time.Duration(month) * 30 * 24 * time.Hour)
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := w; i < each; i += 8 {
					inc := ledgertest.Sample(id(month*each+i), arn(i%5), incident.Confirmed, now)
					if _, err := s.Write(context.Background(), ledgertest.Told(inc, now)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if _, err := s.Keep(t.Context(), make([]byte, 100_000+month), now); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Prune(t.Context(), now.Add(-45*24*time.Hour), now); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, size())
	}
	if flat := sizes[2]; sizes[7] > flat+flat/10 {
		t.Errorf("the file grows: %v", sizes)
	}
	all, err := s.Incidents(t.Context(), ledger.Query{})
	if err != nil || len(all) != 2*each {
		t.Errorf("%d incidents are left, want those of two months: %v", len(all), err)
	}
	verified(t, s)
	if _, err := s.Prune(t.Context(), day.Add(10000*time.Hour*24), day.Add(10000*time.Hour*24)); err != nil {
		t.Fatal(err)
	}
	if small := size(); small > sizes[7]/4 {
		t.Errorf("after all was removed the file has %d bytes; it had %v", small, sizes)
	}
}

// A batch that fails costs those nothing that are made durable together with it.
func TestOneFailsOthersDoNot(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "trailwarden.db"))
	hold := make(chan struct{})
	go s.submit(context.Background(), "hold", true, func() error { <-hold; return nil })
	time.Sleep(10 * time.Millisecond)
	errs := make([]error, 40)
	var wg sync.WaitGroup
	far := int64(1_000_000)
	for i := range errs {
		wg.Go(func() {
			b := told(i, 3)
			if i%4 == 0 {
				b.After = &far
			}
			_, errs[i] = s.Write(context.Background(), b)
		})
	}
	// One that fails after it wrote something.
	late := errors.New("late")
	wg.Go(func() {
		if err := s.submit(context.Background(), "fail", false, func() error {
			return errors.Join(s.writer.exec("INSERT INTO marks (key, value, expires) VALUES (?, 'v', '')", "half"), late)
		}); !errors.Is(err, late) {
			t.Errorf("a job that fails: %v", err)
		}
	})
	// One whose caller does not wait any more while it waits for its turn.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Write(ctx, told(1000, 3)); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not known") {
		t.Errorf("a writer whose time is over: %v", err)
	}
	close(hold)
	wg.Wait()
	for i, err := range errs {
		if want := i%4 == 0; errors.Is(err, ledger.ErrMoved) != want || !want && err != nil {
			t.Errorf("write %d: %v", i, err)
		}
		if _, found, err := s.Incident(t.Context(), id(i)); err != nil || found == (i%4 == 0) {
			t.Errorf("incident %d is there: %v, %v", i, found, err)
		}
	}
	if marks, err := s.Marks(t.Context(), "", day); err != nil || len(marks) > 0 {
		t.Errorf("what failed half way left %v, %v", marks, err)
	}
	if _, found, _ := s.Incident(t.Context(), id(1000)); found {
		t.Error("what nobody waited for any more was written later")
	}
	verified(t, s)
}
