package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestUnit holds the unit of the daemon against systemd itself, where that is installed.
func TestUnit(t *testing.T) {
	unit, err := os.ReadFile("systemd/trailwarden.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"Type=notify", "DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "Restart=always", "WatchdogSec=5min"} {
		if !strings.Contains(string(unit), "\n"+line+"\n") {
			t.Errorf("the unit lacks %s", line)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("NOT PROVEN HERE: that systemd takes the unit, for systemd-analyze is not installed")
	}
	// The program is not installed here: another stands in its place.
	placed := filepath.Join(t.TempDir(), "trailwarden.service")
	if err := os.WriteFile(placed, bytes.ReplaceAll(unit, []byte("/usr/local/bin/trailwarden"), []byte("/bin/true")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", placed).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", placed).CombinedOutput()
	if err != nil {
		t.Skipf("NOT PROVEN HERE: that the unit exposes little, for this systemd-analyze judges no unit offline: %v", err)
	}
	level := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
	if level == nil {
		t.Fatalf("no level in\n%s", out)
	}
	if exposure, err := strconv.ParseFloat(string(level[1]), 64); err != nil || exposure > 1.5 {
		t.Errorf("the exposure is %s, want at most 1.5\n%s", level[1], out)
	}
}

// TestDockerfile lints the Dockerfile: what runs is not root, has no shell, and is built from the sources alone.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var from, users []string
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "", "#", "WORKDIR", "COPY", "RUN", "VOLUME", "ENTRYPOINT", "CMD", "HEALTHCHECK":
		case "FROM":
			from = append(from, rest)
			if image, _, _ := strings.Cut(rest, " "); !strings.Contains(image, ":") || strings.HasSuffix(image, ":latest") {
				t.Errorf("FROM %s: no version", rest)
			}
		case "USER":
			users = append(users, rest)
		default:
			if !strings.HasPrefix(instruction, "#") {
				t.Errorf("%s is none of the instructions that this file needs", instruction)
			}
		}
		if instruction == "CMD" || instruction == "ENTRYPOINT" {
			if !strings.HasPrefix(rest, "[") {
				t.Errorf("%s needs a shell, and there is none", instruction)
			}
		}
		if instruction == "RUN" && len(from) == 2 {
			t.Error("RUN in the last stage, which has no shell")
		}
	}
	if len(from) != 2 || !strings.HasPrefix(from[1], "gcr.io/distroless/static-debian12:nonroot") {
		t.Errorf("stages %q", from)
	}
	if len(users) != 1 || strings.HasPrefix(users[0], "0") || strings.HasPrefix(users[0], "root") {
		t.Errorf("users %q", users)
	}
}
