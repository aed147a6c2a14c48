package deploy

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func zipped(t *testing.T, binary string) []byte {
	t.Helper()
	content, err := os.ReadFile(binary)
	ok(t)(content, err)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create("bootstrap")
	ok(t)(w, err)
	ok(t)(w.Write(content))
	ok(t)(nil, z.Close())
	return out.Bytes()
}

func ok(t *testing.T) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

var built struct {
	once   sync.Once
	binary string
	err    error
}

// lambdaBinary builds the function once for all tests.
func lambdaBinary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "trailwarden-deploy")
		if err != nil {
			built.err = err
			return
		}
		built.binary = filepath.Join(dir, "bootstrap")
		cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", built.binary, "../../cmd/trailwarden-lambda")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.binary
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.binary != "" {
		os.RemoveAll(filepath.Dir(built.binary))
	}
	os.Exit(code)
}
