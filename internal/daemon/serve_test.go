package daemon

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger/memory"
)

func ask(s *stage, path, host string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	Handler(s.daemon, s.store).ServeHTTP(w, r)
	return w
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "main")
		if w := ask(s, "/-/ready", "127.0.0.1:9402"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "first sweep") {
			t.Errorf("ready before the first sweep: %d %s", w.Code, w.Body)
		}
		s.stop(t, "main")
		s.run(t, 2*time.Minute)
		for _, path := range []string{"/-/ready", "/-/healthy"} {
			if w := ask(s, path, "localhost:9402"); w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		w := ask(s, "/metrics", "[::1]:9402")
		for _, line := range []string{`trailwarden_incidents_total{outcome="confirmed"} 1`, "trailwarden_open_blind_windows 0", `trailwarden_unsent_messages{channel="people"} 0`, "trailwarden_queue_down 0"} {
			if !strings.Contains(w.Body.String(), "\n"+line+"\n") {
				t.Errorf("/metrics lacks %s in\n%s", line, w.Body)
			}
		}
		for _, host := range []string{"evil.example:9402", "10.0.0.1", "127.0.0.1.evil.example"} {
			if w := ask(s, "/metrics", host); w.Code != http.StatusForbidden {
				t.Errorf("asked as %s it answers %d", host, w.Code)
			}
		}
		s.store.Fault = func(memory.Step) error { return errors.New("disk gone") }
		if w := ask(s, "/-/ready", "127.0.0.1"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "disk gone") {
			t.Errorf("ready without a ledger: %d %s", w.Code, w.Body)
		}
		s.store.Fault = nil
		time.Sleep(10 * time.Minute) // nobody sweeps any more
		if w := ask(s, "/-/healthy", "127.0.0.1"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "no sweep") {
			t.Errorf("healthy without sweeps: %d %s", w.Code, w.Body)
		}
	})
}
