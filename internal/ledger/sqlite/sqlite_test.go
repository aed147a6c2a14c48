package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/ledgertest"
)

var _ ledger.Store = (*Store)(nil)

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func opened(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, day)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContract(t *testing.T) {
	ledgertest.Run(t, ledgertest.Bench{
		Open: func(t *testing.T) ledger.Store { return opened(t, filepath.Join(t.TempDir(), "trailwarden.db")) },
		Reopen: func(t *testing.T, s ledger.Store) ledger.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return opened(t, s.(*Store).path)
		},
	})
}
