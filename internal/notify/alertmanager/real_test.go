package alertmanager

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
	"github.com/trailwarden/trailwarden/internal/notify/web"
)

// realOne starts Alertmanager itself (Debian's package prometheus-alertmanager, or whatever $ALERTMANAGER names) and
// gives its base URL.
func realOne(t *testing.T) string {
	t.Helper()
	var program string
	for _, name := range []string{os.Getenv("ALERTMANAGER"), "prometheus-alertmanager", "alertmanager"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("NOT PROVEN HERE: that Alertmanager itself takes the alerts, for it is not installed: apt-get install prometheus-alertmanager, or set ALERTMANAGER")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(conf, []byte("route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command(program, "--config.file="+conf, "--storage.path="+dir, "--web.listen-address="+address, "--cluster.listen-address=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if resp, err := http.Get("http://" + address + "/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return "http://" + address
			}
		}
	}
	t.Fatal("Alertmanager does not get ready")
	return ""
}

// activeOf lists the alerts that Alertmanager holds for active, by severity.
func activeOf(t *testing.T, base string) []string {
	t.Helper()
	resp, err := http.Get(base + "/api/v2/alerts?active=true")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ Labels map[string]string }
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	out := []string{}
	for _, a := range list {
		out = append(out, a.Labels["severity"]+" "+a.Labels["incident_id"])
	}
	return out
}

// TestRealAlertmanager: the real one takes every message, hostile ones too, and holds one alert for an incident until
// the repair is confirmed.
func TestRealAlertmanager(t *testing.T) {
	base := realOne(t)
	c := &Channel{
		Web:  web.Open(web.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}),
		URLs: []string{base}, Memory: memory{},
	}
	if err := c.Probe(context.Background()); err != nil {
		t.Error(err)
	}
	for _, s := range notifytest.Life()[:7] {
		if err := c.Notify(context.Background(), s.Incident); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		want := 1
		if s.Name == "confirmed" {
			want = 0
		}
		if got := activeOf(t, base); len(got) != want {
			t.Errorf("%s: active: %q", s.Name, got)
		}
	}
	for name, inc := range notifytest.HostileIncidents() {
		if err := c.Notify(context.Background(), inc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
