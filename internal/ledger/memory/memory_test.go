package memory

import (
	"testing"

	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/ledgertest"
)

var _ ledger.Store = (*Store)(nil)

func TestContract(t *testing.T) {
	ledgertest.Run(t, ledgertest.Bench{
		Open: func(t *testing.T) ledger.Store { return &Store{Disk: &Disk{}} },
		Reopen: func(t *testing.T, s ledger.Store) ledger.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return &Store{Disk: s.(*Store).Disk}
		},
	})
}
