// Package ledgertest is the contract of every ledger.Store as a test: what a store is for is asserted from outside, with what
// it answers. A store's own test calls Run.
package ledgertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

// A Bench makes the stores under test.
type Bench struct {
	// Open makes a new, empty store, which it closes when the test ends.
	Open func(t *testing.T) ledger.Store
	// Reopen closes a store that Open or Reopen made and opens what it kept again.
	Reopen func(t *testing.T, s ledger.Store) ledger.Store
	// Writers is how many goroutines write at the same time in the test of concurrency, and Writes how often each does; 8 and 25 when 0.
	Writers, Writes int
}

// Run holds a store against the contract.
func Run(t *testing.T, b Bench) {
	if b.Writers == 0 {
		b.Writers, b.Writes = 8, 25
	}
	for _, c := range []struct {
		name string
		test func(*testing.T, Bench)
	}{
		{"empty", empty}, {"chain", chain}, {"nonsense is refused", nonsense}, {"moved", moved}, {"all or nothing", atomic},
		{"incident", incidents}, {"query", query}, {"latest", latest}, {"outbox", outbox}, {"outbox order", outboxOrder},
		{"marks", marks}, {"leases", leases}, {"blobs", blobs}, {"hostile strings", hostile}, {"big incident", big},
		{"the caller's values", callers}, {"visit", visit}, {"cancelled", cancelled}, {"concurrent", concurrent},
		{"concurrent with After", concurrentAfter}, {"one lease", concurrentLease}, {"reopen", reopen},
		{"prune", prune}, {"prune again", pruneAgain}, {"prune blobs", pruneBlobs}, {"closed", closed},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, b) })
	}
}

// trail is an ARN; day and at are times.
const trail = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return day.Add(d) }

// Sample is an incident with something in most of its members, of about the size of a real one.
func Sample(id, arn string, outcome incident.Outcome, opened time.Time) incident.Incident {
	repaired := opened.Add(3 * time.Second)
	return incident.Incident{
		SchemaVersion: incident.SchemaVersion, ID: id, Outcome: outcome, Severity: incident.High,
		Trail: incident.TrailRef{ARN: arn, Name: "main", Account: "111122223333", Region: "eu-central-1", Partition: "aws"},
		Findings: []incident.Finding{{Rule: "trail.stop", Title: "Logging stopped", Severity: incident.High, Attack: "T1562.008",
			Text: "StopLogging was called by arn:aws:sts::111122223333:assumed-role/admin/mallory from 203.0.113.7."}},
		Record: &incident.Record{EventID: "0c2a4a1e-1111-4222-8333-444455556666", EventName: "StopLogging", EventSource: "cloudtrail.amazonaws.com",
			EventTime: opened, Account: "111122223333", Region: "eu-central-1", RequestID: "9b1de1a2-aaaa-4bbb-8ccc-ddddeeeeffff"},
		Actor: &incident.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/admin/mallory", Account: "111122223333",
			Issuer: "arn:aws:iam::111122223333:role/admin", KeySuffix: "WXYZ", SourceIP: "203.0.113.7", UserAgent: "aws-cli/2.15.0 Python/3.11.6"},
		BlindWindow: &incident.BlindWindow{From: opened, To: &repaired, Seconds: 3.25, Certainty: "from_status"},
		Drifts:      []incident.Drift{{Field: "logging", Want: "true", Got: "false"}},
		Actions:     []incident.Action{{Op: "StartLogging", Target: arn, At: &repaired, RequestID: "5f0c3c62-1234-4abc-9def-0123456789ab"}},
		NextSteps:   []incident.Step{{Text: "Ask mallory.", Command: "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=StopLogging"}},
		OpenedAt:    opened, SeenAt: opened.Add(time.Second), RepairedAt: &repaired, Source: "eventbridge",
		Stage: incident.StageRepaired, Count: 1,
	}
}

// Told is a batch that tells of an incident.
func Told(inc incident.Incident, when time.Time) ledger.Batch {
	chain := inc.Trail.ARN
	if chain == "" {
		chain = ledger.System
	}
	return ledger.Batch{Chain: chain, Entries: []ledger.Draft{{Time: when, Kind: ledger.KindIncident, Body: inc}}, Incident: &inc}
}

func note(when time.Time, text string) ledger.Draft {
	return ledger.Draft{Time: when, Kind: ledger.KindStart, Body: map[string]string{"text": text}}
}

func message(id string, inc incident.Incident, created time.Time) ledger.Message {
	return ledger.Message{ID: id, Channel: "sns", Incident: inc, Created: created, Due: created}
}

func write(t *testing.T, s ledger.Store, b ledger.Batch) ledger.Head {
	t.Helper()
	head, err := s.Write(t.Context(), b)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	return head
}

// entries reads a chain.
func entries(t *testing.T, s ledger.Store, chain string) []ledger.Entry {
	t.Helper()
	var all []ledger.Entry
	if err := s.Entries(t.Context(), chain, 1, func(e ledger.Entry) error { all = append(all, e); return nil }); err != nil {
		t.Fatalf("read chain %s: %v", chain, err)
	}
	return all
}

// sound fails the test when the ledger does not verify, also against heads that were answered before.
func sound(t *testing.T, s ledger.Store, answered ...ledger.Head) {
	t.Helper()
	verdicts, err := ledger.Verify(t.Context(), s, answered)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	for _, v := range verdicts {
		for _, bad := range v.Bad {
			t.Errorf("chain %s is broken at %d (%s): %s", bad.Chain, bad.Seq, bad.Fault, bad.Text)
		}
	}
}

// ids lists incidents by a query.
func ids(t *testing.T, s ledger.Store, q ledger.Query) []string {
	t.Helper()
	all, err := s.Incidents(t.Context(), q)
	if err != nil {
		t.Fatalf("list incidents: %v", err)
	}
	ids := []string{}
	for _, inc := range all {
		ids = append(ids, inc.ID)
	}
	return ids
}

// waiting lists the ids of messages that are due.
func waiting(t *testing.T, s ledger.Store, due time.Time, limit int) []string {
	t.Helper()
	all, err := s.Messages(t.Context(), due, limit)
	if err != nil {
		t.Fatalf("list messages: %v", err)
	}
	ids := []string{}
	for _, m := range all {
		ids = append(ids, m.ID)
	}
	return ids
}

// keys lists marks as KEY=VALUE.
func keys(t *testing.T, s ledger.Store, prefix string, now time.Time) []string {
	t.Helper()
	all, err := s.Marks(t.Context(), prefix, now)
	if err != nil {
		t.Fatalf("list marks: %v", err)
	}
	keys := []string{}
	for _, m := range all {
		keys = append(keys, m.Key+"="+m.Value)
	}
	return keys
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// everything is all that a store says of itself, to see that nothing changed.
func everything(t *testing.T, s ledger.Store) string {
	t.Helper()
	heads, err1 := s.Heads(t.Context())
	incidents, err2 := s.Incidents(t.Context(), ledger.Query{})
	messages, err3 := s.Messages(t.Context(), time.Time{}, 0)
	marks, err4 := s.Marks(t.Context(), "", day)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	chains := map[string][]ledger.Entry{}
	for _, h := range heads {
		chains[h.Chain] = entries(t, s, h.Chain)
	}
	text, err := json.MarshalIndent([]any{heads, chains, incidents, messages, marks}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func number(i int) string { return fmt.Sprintf("inc-%016x", i) }

func arn(i int) string {
	return fmt.Sprintf("arn:aws:cloudtrail:eu-central-1:111122223333:trail/t%03d", i)
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
