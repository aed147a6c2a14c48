package file

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
)

// now is the day on which the files of testdata are looked at.
var now = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)

// TestCheck: a valid file can be weak, and each weakness is said where it stands. (FAULTS.md F12)
func TestCheck(t *testing.T) {
	// Fault F12.
	text, err := os.ReadFile(filepath.Join("testdata", "weak.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	f, problems := Parse("weak.yaml", text)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var got strings.Builder
	var rules []string
	for _, a := range f.Check(now) {
		fmt.Fprintf(&got, "%s\n%v\n\n", a.Rule, a.Problem)
		rules = append(rules, a.Rule)
		if a.Line == 0 || a.Column == 0 {
			t.Errorf("%s stands nowhere", a.Rule)
		}
	}
	golden(t, "weak.golden", got.String())
	for _, want := range []string{
		"stopped", "validation_off", "single_region", "no_global_services", "no_management_events", "write_only", "read_only", "narrowed",
		"bucket_name", "no_bucket_owner", "key_not_arn", "topic_not_arn", "log_group_alone", "no_repair", "ignored",
		"approval_expired", "approval_long", "approval_nobody", "approval_no_reason", "approval_whole_trail",
	} {
		if !slices.Contains(rules, want) {
			t.Errorf("no sample of %s", want)
		}
	}
}

// TestCheckOfGoodFile: what is as it should be is left in peace.
func TestCheckOfGoodFile(t *testing.T) {
	f, problems := Parse("full.yaml", []byte(full(t)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	f.Trails = f.Trails[:1]
	f.Trails[0].BucketOwner = "111122223333"
	if advice := f.Check(now); len(advice) > 0 {
		t.Errorf("got %v", advice)
	}
	var none []baseline.Advice
	f.Trails[0].Approvals[0].Until = now.Add(time.Second)
	if advice := f.Check(now); len(advice) != len(none) {
		t.Errorf("an approval in its last second: %v", advice)
	}
	if advice := f.Check(now.Add(time.Second)); len(advice) != 1 || advice[0].Rule != "approval_expired" {
		t.Errorf("an approval that has just ended: %v", advice)
	}
}
