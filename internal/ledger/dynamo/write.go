package dynamo

import (
	"context"
	"errors"
	"fmt"

	"github.com/trailwarden/trailwarden/internal/ledger"
)

// Write makes a batch durable in one transaction. It takes at most the store's limit, the tries included that begin again
// because another writer was faster. An error with CallError.Doubt leaves open whether it was written.
func (s *Store) Write(ctx context.Context, b ledger.Batch) (ledger.Head, error) {
	return s.write(ctx, b, nil)
}

// write is Write of a batch after which incidents with these ids are to be removed.
func (s *Store) write(ctx context.Context, b ledger.Batch, going map[string]bool) (ledger.Head, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Limit)
	defer cancel()
	at, fresh := s.remembered(b.Chain)
	fresh = !fresh
	for pause := shortest; ; pause = min(2*pause, longest) {
		if fresh {
			var err error
			if at, err = s.readHead(ctx, b.Chain); err != nil {
				return ledger.Head{}, fmt.Errorf("write to ledger: %w", err)
			}
		}
		p, err := b.Place(at.Head)
		if errors.Is(err, ledger.ErrMoved) && !fresh {
			fresh = true // it may be what is remembered that is old
			continue
		}
		if err != nil {
			return ledger.Head{}, err
		}
		if going[at.latest] {
			at.latest, at.at = "", place{}
		}
		t, err := s.compose(ctx, b, p, at)
		if err != nil {
			return ledger.Head{}, err
		}
		switch moved, err := s.transact(ctx, t); {
		case err != nil:
			return ledger.Head{}, fmt.Errorf("write to ledger: %w", err)
		case !moved:
			if len(p.Entries) > 0 {
				s.seen(t.head)
			}
			return p.Head, nil
		case b.After != nil && fresh:
			s.forget(b.Chain)
			return ledger.Head{}, ledger.ErrMoved
		}
		// Somebody was faster, or what was remembered is old.
		if fresh {
			if err := rest(ctx, pause); err != nil {
				return ledger.Head{}, fmt.Errorf("write to ledger: others keep writing to chain %s: %w", b.Chain, err)
			}
		}
		fresh = true
	}
}

func (s *Store) forget(chain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.heads, chain)
}

// transact writes the transaction. It says moved when the head is not what the transaction wants.
func (s *Store) transact(ctx context.Context, t *transaction) (moved bool, err error) {
	if len(t.members) == 0 {
		return false, nil
	}
	if len(t.members) == 1 && !t.guarded {
		return false, s.single(ctx, t.members[0]) // at half the price
	}
	doubt := false
	err = s.call(ctx, "TransactWriteItems", func(ctx context.Context) error {
		// The token makes a try that is repeated the same transaction, for ten minutes.
		err := s.ask(ctx, "TransactWriteItems", transactRequest{t.members, t.token}, nil)
		if err != nil && !doubt {
			doubt = s.failure("", "", err).Doubt
		}
		return err
	})
	if err == nil {
		return false, nil
	}
	reasons := reasonsOf(err)
	failed := func(n int) bool {
		return n < len(reasons) && reasons[n].Code == "ConditionalCheckFailed"
	}
	for n := range reasons {
		if !failed(n) {
			continue
		}
		if doubt && t.entry.pk != "" {
			// A try of which no answer came may have been the one that moved the head.
			if i, err := s.get(ctx, t.entry); err == nil && i.text("token") == t.token {
				return false, nil
			}
		}
		if n == 0 && t.guarded {
			return true, nil
		}
		return false, fmt.Errorf("chain %s has entries after its head, entry %d: the table was altered by something else than trailwarden; hold it against notifications and anchors with `trailwarden incidents verify`: %w", t.head.Chain, t.head.Seq, err)
	}
	return false, err
}

// single writes what stands alone and on no condition: a mark, or a message.
func (s *Store) single(ctx context.Context, w member) error {
	if w.Put != nil {
		return s.putItem(ctx, w.Put.Item, condition{})
	}
	return s.deleteItem(ctx, key{w.Delete.Key.text("pk"), w.Delete.Key.text("sk")}, condition{})
}
