package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger"
)

// The test program is also the process that is killed: it writes to the file named by this variable and prints each head that
// it was answered.
const childEnv = "TRAILWARDEN_TEST_LEDGER"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := child(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// answered is what the child prints: after a write its head and what else the write was to leave.
type answered struct {
	Head     ledger.Head
	Incident string
}

func child(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path, day)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(answered{}); err != nil { // it is open
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	failed := make(chan error, 4)
	for w := range 4 {
		wg.Go(func() {
			for {
				b := told(int(rand.Uint32()), 3)
				head, err := s.Write(ctx, b)
				if err != nil {
					failed <- err
					return
				}
				mu.Lock()
				err = out.Encode(answered{head, b.Incident.ID})
				mu.Unlock()
				if err != nil {
					return
				}
				if w == 0 && head.Seq%50 == 0 {
					if _, err := s.Prune(ctx, day.Add(time.Duration(rand.IntN(1<<30))*time.Second), day); err != nil {
						failed <- err
						return
					}
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(s.Close(), <-failed)
}

func start(t *testing.T, path string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	out := bufio.NewReader(pipe)
	if _, err := out.ReadBytes('\n'); err != nil {
		t.Fatalf("the child opened no ledger: %v", err)
	}
	return cmd, out
}

// F1: whatever was answered is there after a process was killed at any moment, and the chains verify; the next process is not kept
// out by what the dead one left.
func TestKilledAtAnyMoment(t *testing.T) {
	// Fault F1.
	path := filepath.Join(t.TempDir(), "trailwarden.db")
	var heads []ledger.Head
	var incidents []string
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		cmd, out := start(t, path)
		time.AfterFunc(time.Duration(5+rand.IntN(250))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		lines, _ := io.ReadAll(out) // until it is dead
		_ = cmd.Wait()
		for _, line := range bytes.SplitAfter(lines, []byte("\n")) {
			var a answered
			if bytes.HasSuffix(line, []byte("\n")) && json.Unmarshal(line, &a) == nil {
				heads, incidents = append(heads, a.Head), append(incidents, a.Incident)
			}
		}
		s := opened(t, path)
		verified(t, s, heads...)
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		known, err := s.Heads(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		missing := 0
		for _, id := range incidents {
			if _, found, err := s.Incident(t.Context(), id); err != nil {
				t.Fatal(err)
			} else if !found {
				missing++ // retention: its messages are waiting, so that it stays
			}
		}
		if missing > 0 {
			t.Fatalf("round %d: of %d incidents that were answered %d are gone", round, len(incidents), missing)
		}
		t.Logf("round %d: %d writes answered so far, heads %v", round, len(heads), known)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(heads) == 0 {
		t.Error("the child never got to write")
	}
}

func verified(t *testing.T, s *Store, heads ...ledger.Head) {
	t.Helper()
	verdicts, err := ledger.Verify(t.Context(), s, heads)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verdicts {
		for _, bad := range v.Bad {
			t.Errorf("chain %s, entry %d: %s", bad.Chain, bad.Seq, bad.Text)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// F3: a log of writes that is cut off or overwritten from any place on costs what came after that place, and nothing else.
func TestTornLog(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, filepath.Join(dir, "trailwarden.db"))
	for i := range 20 {
		if _, err := s.Write(t.Context(), told(i, 2)); err != nil {
			t.Fatal(err)
		}
	}
	file, err1 := os.ReadFile(s.path)
	wal, err2 := os.ReadFile(s.path + "-wal")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if len(wal) < 1<<16 {
		t.Fatalf("the log holds too little to tear: %d bytes", len(wal))
	}
	last := -1
	for i := range 60 {
		at := len(wal) * i / 59
		for name, torn := range map[string][]byte{"cut": wal[:at], "overwritten": append(bytes.Clone(wal[:at]), bytes.Repeat([]byte{0xa5}, len(wal)-at)...)} {
			path := filepath.Join(t.TempDir(), "torn.db")
			if err := errors.Join(os.WriteFile(path, file, 0o600), os.WriteFile(path+"-wal", torn, 0o600)); err != nil {
				t.Fatal(err)
			}
			torn := opened(t, path)
			verified(t, torn)
			all, err := torn.Incidents(t.Context(), ledger.Query{})
			if err != nil {
				t.Fatal(err)
			}
			for i, inc := range all {
				if inc.ID != id(len(all)-1-i) {
					t.Fatalf("%s at %d: incident %s is there, but not all before it", name, at, inc.ID)
				}
			}
			if name == "cut" {
				if len(all) < last {
					t.Errorf("cut at %d, later than before: %d incidents, %d before", at, len(all), last)
				}
				last = len(all)
			}
			torn.Close()
		}
	}
	if last != 20 {
		t.Errorf("whole: %d incidents", last)
	}
}

// F5: the second process is refused at once and told who holds the ledger; reading and a word put in go on; a dead process holds nothing.
func TestHeldByAnotherProcess(t *testing.T) {
	// Fault F5.
	path := filepath.Join(t.TempDir(), "trailwarden.db")
	cmd, out := start(t, path)
	go io.Copy(io.Discard, out)
	begin := time.Now()
	s, err := Open(t.Context(), path, day)
	if err == nil {
		s.Close()
		t.Fatal("two processes hold the ledger")
	}
	host, _ := os.Hostname()
	for _, want := range []string{path, fmt.Sprintf("process %d on %q since 2026-03-01T00:00:00Z", cmd.Process.Pid, host), "--ledger"} {
		if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), want) {
			t.Errorf("the refusal does not say %q: %v", want, err)
		}
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("refused after %s", took)
	}
	reader, err := OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := reader.Incidents(t.Context(), ledger.Query{}); err != nil {
		t.Error(err)
	}
	if _, err := reader.Write(t.Context(), told(1, 1)); err == nil {
		t.Error("a reader wrote")
	}
	beside, err := OpenBeside(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	for i := range 20 {
		if _, err := beside.Write(t.Context(), told(1_000_000+i, 3)); err != nil {
			t.Errorf("a word put in: %v", err)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	s = opened(t, path)
	verified(t, s)
	if _, found, err := s.Incident(t.Context(), id(1_000_019)); !found || err != nil {
		t.Errorf("what was put in: %v, %v", found, err)
	}
}

// F3: a file that is damaged is not written to, and the error says what to do; what is none of ours is left alone.
func TestDamaged(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "trailwarden.db")
	s := opened(t, whole)
	for i := range 300 {
		if _, err := s.Write(t.Context(), told(i, 3)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"text in its place":     func([]byte) []byte { return []byte("version: 1\n# no ledger at all\n") },
		"a header of noise":     func(b []byte) []byte { return append(bytes.Repeat([]byte{0xa5}, 100), b[100:]...) },
		"cut off in the middle": func(b []byte) []byte { return b[:len(b)/2+1000] },
		"noise in the middle":   func(b []byte) []byte { copy(b[3*8192:], bytes.Repeat([]byte{0xa5}, len(b)-4*8192)); return b },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "trailwarden.db")
			damaged := damage(bytes.Clone(data))
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), path, day)
			if err == nil {
				err = errors.Join(s.Check(t.Context()), writeAll(t, s))
				s.Close()
			}
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), ".recover") {
				t.Errorf("the error does not say what is wrong and what to do: %v", err)
			}
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(after, damaged) {
				t.Error("the damaged file was written to")
			}
			if r, err := OpenReadOnly(t.Context(), path); err == nil {
				_, err1 := r.Heads(t.Context())
				_, err2 := r.Incidents(t.Context(), ledger.Query{})
				if err := errors.Join(err1, err2, r.Check(t.Context()), r.Close()); err == nil {
					t.Error("it reads as if nothing were wrong")
				}
			}
		})
	}
}

func writeAll(t *testing.T, s *Store) error {
	var all error
	for i := range 3 {
		_, err := s.Write(t.Context(), told(i, 3))
		all = errors.Join(all, err)
	}
	return all
}

// F3, F4: a full disk costs what does not fit any more, is told clearly, and writing goes on when there is space again.
func TestDiskFull(t *testing.T) {
	// Faults F3, F4.
	s := opened(t, filepath.Join(t.TempDir(), "trailwarden.db"))
	limit := func(pages int) {
		if err := s.submit(t.Context(), "limit", false, func() error { return s.writer.exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)) }); err != nil {
			t.Fatal(err)
		}
	}
	limit(60)
	var heads []ledger.Head
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		var head ledger.Head
		if head, err = s.Write(t.Context(), told(i, 3)); err == nil {
			heads = append(heads, head)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "the disk is full: free space") || !strings.Contains(err.Error(), s.path) {
		t.Fatalf("the error does not say what is wrong: %v", err)
	}
	if _, err := s.Heads(t.Context()); err != nil {
		t.Errorf("reading with a full disk: %v", err)
	}
	verified(t, s, heads...)
	limit(1 << 30)
	head, err := s.Write(t.Context(), told(5000, 3))
	if err != nil {
		t.Fatalf("after space was freed: %v", err)
	}
	verified(t, s, append(heads, head)...)
}
