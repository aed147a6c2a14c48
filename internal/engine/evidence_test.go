package engine

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// slowly reads Event history as slowly as it is where much was done.
type slowly struct{ takes time.Duration }

func (s slowly) Window(ctx context.Context, _ trail.ARN, region string, from, _ time.Time, _ int) ([][]byte, bool, error) {
	wait := time.NewTimer(s.takes)
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil, true, nil
	case <-ctx.Done():
		return [][]byte{[]byte(`{"eventVersion":"1.11","eventID":"e-1","eventName":"AddTags","eventSource":"cloudtrail.amazonaws.com","eventTime":"` + from.Format(time.RFC3339) + `","awsRegion":"` + region + `","recipientAccountId":"111122223333","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/mallory"}}`)},
			false, ctx.Err()
	}
}

// TestEvidenceEndsInTime: Event history of a busy blind window takes longer than an invocation lasts. What could be read of it is kept, it is
// not read again for ever, and what else is due in a sweep has its time.
func TestEvidenceEndsInTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		k.engine.History = slowly{time.Hour}
		k.handle(t, k.stop(t, "main"))
		for range 90 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			began := time.Now()
			if err := k.engine.Tend(ctx, 24*time.Hour, 0); err != nil || time.Since(began) > 50*time.Second {
				t.Fatalf("%v after %v", err, time.Since(began))
			}
			cancel()
			time.Sleep(time.Until(began.Add(time.Minute)))
		}
		all := k.all(t)
		e := all[slices.IndexFunc(all, func(inc incident.Incident) bool { return inc.Trail.ARN != "" })].Evidence
		if e == nil || e.Complete || e.Calls != 1 || !strings.Contains(e.Incomplete, "could not be read to its end") {
			t.Errorf("evidence %+v", e)
		}
		if marks, err := k.store.Marks(t.Context(), "evidence/", k.world.Now()); err != nil || slices.ContainsFunc(marks, func(m ledger.Mark) bool { return m.Value != "" }) {
			t.Errorf("still to be read: %v, %v", marks, err)
		}
	})
}
