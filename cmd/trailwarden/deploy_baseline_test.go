package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/baseline/file"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/ledger/dynamo"
	"github.com/trailwarden/trailwarden/internal/sim"
)

// TestDeployOlderBaseline: a baseline that the deployed functions would not use, since they have used a newer one, is not deployed; with a
// serial above the last it is.
func TestDeployOlderBaseline(t *testing.T) {
	s := newSite(t)
	_, policy, _ := s.run("deploy", "--print-policy")
	if err := s.world.Account(demoAccount).Restrict("deployer", sim.Identity{Policies: []string{policy}}); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := s.deploy(); !strings.Contains(stdout, "deployed: stack trailwarden") {
		t.Fatalf("deploy: exit code %d\n%s%s", code, stdout, stderr)
	}
	admin := s.config(s.world.Account(demoAccount).Role("platform", "terraform"), "198.51.100.10")
	if err := dynamo.Create(t.Context(), admin, "trailwarden"); err != nil {
		t.Fatal(err)
	}
	store, err := dynamo.Open(admin, "trailwarden", dynamo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	used, err := file.Load(usualBaseline, baseline.Used{})
	if err != nil {
		t.Fatal(err)
	}
	used.Serial = 3
	if err := engine.Use(t.Context(), store, used, time.Now()); err != nil {
		t.Fatal(err)
	}
	first := s.world.Stacks()[0].Parameters["ArtifactSha256"]
	code, stdout, stderr := s.run("deploy", "--update", "--yes", "--zip", s.zip)
	if code != exitUsage || !strings.Contains(stderr, "its serial is 1, and 3 was in use before") || !strings.Contains(stderr, "needs a serial above the last one used") {
		t.Errorf("an older baseline: exit code %d\n%s%s", code, stdout, stderr)
	}
	text, err := os.ReadFile(usualBaseline)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(usualBaseline, bytes.Replace(text, []byte("serial: 1"), []byte("serial: 4"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr = s.run("deploy", "--update", "--yes", "--zip", s.zip); !strings.Contains(stdout, "updated: ") || s.world.Stacks()[0].Parameters["ArtifactSha256"] == first {
		t.Errorf("the same with a higher serial: exit code %d\n%s%s", code, stdout, stderr)
	}
	s.refused(t)
}
