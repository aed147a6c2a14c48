package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
)

// TestStandalone builds the program as `make standalone` does, but for a zip that does nothing, and deploys with nothing else at hand:
// the zip in the program is the one that would run.
func TestStandalone(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that a program with the zip in it deploys with nothing else at hand; it is built for it")
	}
	s := newSite(t) // an empty folder
	packed, err := os.ReadFile(s.zip)
	if err != nil {
		t.Fatal(err)
	}
	// The zip gets where the program embeds it without being there.
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "built-in.zip"): s.zip}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, list := filepath.Join(dir, "trailwarden"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-overlay", list, "-tags", "withzip", "-ldflags", "-s -w", "-o", program, here)
	build.Dir, build.Env = here, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	out, err := exec.Command(program, "deploy", "--dry-run", "--email", "security@example.com", "--no-baseline", "-o", "json").Output()
	if err != nil {
		t.Fatalf("deploy --dry-run: %v", err)
	}
	fits(t, "deploy.v1.json", string(out))
	var d struct{ Artifact struct{ SHA256 string } }
	if err := json.Unmarshal(out, &d); err != nil {
		t.Fatal(err)
	}
	if want := artifact.SHA256(packed); d.Artifact.SHA256 != want {
		t.Errorf("the zip that would be deployed is %s, built in was %s", d.Artifact.SHA256, want)
	}
}
