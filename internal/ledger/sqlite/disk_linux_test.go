package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/trailwarden/trailwarden/internal/ledger"
)

// F3, F4 on a real file system of 3 MB: full, free again, then read-only.
func TestRealDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("NOT PROVEN HERE: that the ledger outlives a real disk that is full or read-only, for this user may not mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := opened(t, filepath.Join(dir, "trailwarden.db"))
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var heads []ledger.Head
	fill := func(from int) error {
		for i := from; i < from+2_000; i++ {
			head, err := s.Write(t.Context(), told(i, 3))
			if err != nil {
				return err
			}
			heads = append(heads, head)
		}
		return nil
	}
	if err := fill(0); err == nil || !strings.Contains(err.Error(), "the disk is full: free space") {
		t.Fatalf("full: %v", err)
	}
	verified(t, s, heads...)
	full := len(heads)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := fill(2_000); len(heads) == full {
		t.Fatalf("after space was freed nothing can be written: %v", err)
	}
	verified(t, s, heads...)
	if err := s.Close(); err != nil {
		t.Logf("close on a full disk: %v", err)
	}

	s = opened(t, s.path)
	verified(t, s, heads...)
	s.Close()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=3m"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), s.path, day); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "check") {
		t.Errorf("open on a read-only file system: %v", err)
	}
	r, err := OpenReadOnly(t.Context(), s.path)
	if err != nil {
		t.Fatalf("read from a read-only file system: %v", err)
	}
	defer r.Close()
	verified(t, r, heads...)
}
