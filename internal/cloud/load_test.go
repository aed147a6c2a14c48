package cloud

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trailwarden/trailwarden/internal/sim"
)

// TestCABundle: behind a proxy that has its own certificates, or with an endpoint of one's own, AWS_CA_BUNDLE says whom to trust,
// as it does for the AWS CLI; without it nobody is believed.
func TestCABundle(t *testing.T) {
	server := httptest.NewTLSServer(sim.New(sim.Options{DefaultAccount: "111122223333"}))
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	for path, trusted := range map[string]bool{"": false, bundle: true} {
		t.Setenv("AWS_CA_BUNDLE", path)
		cfg := FromEnv("eu-central-1")
		cfg.BaseEndpoint = &server.URL
		self, err := (&Client{Config: cfg}).Self(t.Context())
		if trusted && (err != nil || !strings.Contains(self, "111122223333")) {
			t.Errorf("with the bundle: %q, %v", self, err)
		}
		if !trusted && (err == nil || !strings.Contains(err.Error(), "certificate")) {
			t.Errorf("without the bundle: %q, %v", self, err)
		}
	}
}
