package dynamo

import (
	"context"
	"fmt"
	"time"
)

// Lease is that of ledger.Store: one conditional put, which may be repeated without harm.
func (s *Store) Lease(ctx context.Context, name, owner string, now, until time.Time) (bool, error) {
	i := key{partitionLeases, short(name)}.item().with(expiring(until)).with(item{"owner": text(owner)})
	err := s.putItem(ctx, i, condition{
		"attribute_not_exists(#pk) OR #owner = :owner OR #until <= :now",
		map[string]string{"#pk": "pk", "#owner": "owner", "#until": "until"},
		item{":owner": text(owner), ":now": text(sortable(now))},
	})
	if codeOf(err) == "ConditionalCheckFailedException" {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lease %s: %w", name, err)
	}
	return true, nil
}
