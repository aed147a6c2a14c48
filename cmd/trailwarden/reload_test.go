//go:build unix

package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/sim"
)

// output is what a process prints, read while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) waitFor(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		o.mu.Lock()
		said := o.b.String()
		o.mu.Unlock()
		if strings.Contains(said, text) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it never said %q:\n%s", text, said)
		}
	}
}

// TestReload: SIGHUP takes a configuration that is right, and keeps the old one when it is wrong (FAULTS F13).
func TestReload(t *testing.T) {
	// Fault F13.
	world := sim.New(sim.Options{Clock: time.Now, DefaultAccount: demoAccount})
	server := httptest.NewServer(world)
	defer server.Close()
	ours := world.Account(demoAccount).Role("trailwarden", "watch")
	dir := t.TempDir()
	t.Chdir(dir)
	place := filepath.Join(dir, "trailwarden.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(place, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": ours.AccessKeyID, "AWS_SECRET_ACCESS_KEY": ours.SecretAccessKey, "AWS_SESSION_TOKEN": ours.SessionToken,
		"AWS_REGION": demoRegion, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": server.URL,
	} {
		t.Setenv(name, value)
	}
	write("version: 1\nwatch:\n  sweep: 1h\n")
	ctx, cancel := context.WithCancel(t.Context())
	var stderr output
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"watch"}, strings.NewReader(""), &stderr, &stderr, os.Environ()) }()
	stderr.waitFor(t, "msg=watching")
	hup := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	write("version: 1\nwacht:\n  sweep: 1h\n")
	hup()
	stderr.waitFor(t, "what was in force stays in force")
	stderr.waitFor(t, "wacht")
	write("version: 1\nobserve: true\n")
	hup()
	stderr.waitFor(t, "the configuration was read again")
	cancel()
	if got := <-code; got != exitOK {
		t.Errorf("exit code %d", got)
	}
}
