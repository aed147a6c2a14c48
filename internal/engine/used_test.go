package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// TestOlderBaselineIsRefused: each process holds its baseline against what any process with the ledger used last.
func TestOlderBaselineIsRefused(t *testing.T) {
	// Fault H9.
	file := func(serial int, by string) baseline.File {
		return baseline.File{Name: "b.yaml", Version: 1, Serial: serial, Captured: baseline.Captured{By: by}}
	}
	disk := &memory.Disk{}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		name string
		file baseline.File
		why  string // it is refused; empty when it is used
	}{
		{"the first", file(5, "ada"), ""},
		{"the same after a restart", file(5, "ada"), ""},
		{"an older one", file(4, "ada"), baseline.RolledBack},
		{"another under its serial", file(5, "mallory"), baseline.Swapped},
		{"a newer one", file(7, "ada"), ""},
		{"the first again", file(5, "ada"), baseline.RolledBack},
		{"the newer one still", file(7, "ada"), ""},
	} {
		err := Use(t.Context(), &memory.Store{Disk: disk}, step.file, now)
		unusable, _ := errors.AsType[*baseline.Unusable](err)
		switch {
		case step.why == "" && err != nil:
			t.Errorf("%s: %v", step.name, err)
		case step.why != "" && (unusable == nil || unusable.Why != step.why):
			t.Errorf("%s: %v, want it to be refused as %s", step.name, err, step.why)
		}
	}
	store := &memory.Store{Disk: disk}
	var bodies []string
	if err := store.Entries(t.Context(), ledger.System, 1, func(e ledger.Entry) error {
		if e.Kind == ledger.KindBaseline {
			bodies = append(bodies, string(e.Body))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 2 || !strings.Contains(bodies[0], `"serial":5`) || !strings.Contains(bodies[1], file(7, "ada").Hash()) {
		t.Errorf("the ledger does not tell of the two baselines that came into use: %q", bodies)
	}
}

// TestA27ToggledBetweenProcesses: stopped and started again between two processes that have the same ledger, and no event told of it.
func TestA27ToggledBetweenProcesses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		if err := k.engine.Sweep(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		k.stopUnseen(t)
		if _, err := k.mallory.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: k.scene.name}); err != nil {
			t.Fatal(err)
		}
		k.world.Advance(time.Minute)
		k.restart(t)
		if err := k.engine.Sweep(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(k.mail.take(), func(inc incident.Incident) bool {
			return inc.Findings[0].Rule == "trail.stop" && inc.Outcome == incident.Restored && inc.BlindWindow != nil
		}) {
			t.Errorf("not told: %s", summary(k.all(t)))
		}
	})
}

// TestOwnerOfBucketUnknown: S3 refuses to say whose the pinned bucket is: the trail is pointed back to it, and people are told.
func TestOwnerOfBucketUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPinned(t, false)
		pinned := p.engine.Guard.Baseline
		p.engine.Guard.Baseline = func(a trail.ARN) (trail.Baseline, bool) {
			b, ok := pinned(a)
			b.BucketOwner = p.id
			return b, ok
		}
		p.world.Deny("*trailwarden*", "s3:HeadBucket")
		if err := calls("trail.update.bucket-changed")[0](t.Context(), p.mallory, p.scene); err != nil {
			t.Fatal(err)
		}
		if err := p.settle(t.Context()); err != nil {
			t.Error(err)
		}
		if v, _ := p.world.Trail(p.trail()); v.Bucket != "main-audit-logs" {
			t.Errorf("logs go to %s", v.Bucket)
		}
		if !slices.ContainsFunc(*p.heard, func(inc incident.Incident) bool {
			return inc.Outcome == incident.Repaired && inc.Partial && strings.Contains(inc.Reason, "Whether the bucket main-audit-logs still belongs to account "+p.id+" could not be found out") &&
				slices.ContainsFunc(inc.NextSteps, func(s incident.Step) bool {
					return s.Command == "aws s3api head-bucket --bucket main-audit-logs --expected-bucket-owner "+p.id
				})
		}) {
			t.Errorf("not told: %s", summary(*p.heard))
		}
	})
}
