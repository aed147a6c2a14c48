package alertmanager

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
	"github.com/trailwarden/trailwarden/internal/notify/web/webtest"
	"github.com/trailwarden/trailwarden/internal/secret"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

// instance is an Alertmanager, as its API's description says it behaves: alerts by all of their labels.
type instance struct {
	*webtest.Vendor
	mu     sync.Mutex
	alerts map[string]alert
	auth   string // that is wanted
	status int
	after  string
}

func start(t *testing.T) *instance {
	s := &instance{alerts: map[string]alert{}}
	s.Vendor = webtest.Serve(t, s.serve)
	return s
}

func (s *instance) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.after != "" {
		w.Header().Set("Retry-After", s.after)
	}
	switch list, err := read(body); {
	case s.status != 0:
		w.WriteHeader(s.status)
		fmt.Fprint(w, s.auth)
	case r.Method == http.MethodGet && r.URL.Path == "/am/api/v2/status" && r.Header.Get("Authorization") == s.auth:
	case r.URL.Path != "/am/api/v2/alerts":
		w.WriteHeader(http.StatusNotFound)
	case r.Header.Get("Authorization") != s.auth:
		w.WriteHeader(http.StatusUnauthorized)
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(err.Error())
	default:
		for _, a := range list {
			s.alerts[fmt.Sprint(a.Labels)] = a // fmt sorts the keys
		}
	}
}

// read holds alerts against the description of API v2 (postableAlerts) and what Alertmanager itself refuses.
func read(body []byte) ([]alert, error) {
	var list []alert
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, err
	}
	for _, a := range list {
		if len(a.Labels) == 0 || a.Labels["alertname"] == "" {
			return nil, fmt.Errorf("at least one label pair required")
		}
		for _, set := range []map[string]string{a.Labels, a.Annotations} {
			for name := range set {
				if !regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`).MatchString(name) {
					return nil, fmt.Errorf("invalid name %q", name)
				}
			}
		}
		from, err := time.Parse(time.RFC3339, a.StartsAt)
		if err != nil {
			return nil, err
		}
		to, err := time.Parse(time.RFC3339, a.EndsAt)
		if err != nil {
			return nil, err
		}
		if to.Before(from) {
			return nil, fmt.Errorf("start time must be before end time")
		}
		if _, err := url.Parse(a.GeneratorURL); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// firing lists the alerts that have not ended, by severity and summary.
func (s *instance) firing(t *testing.T, now time.Time) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{}
	for _, a := range s.alerts {
		if end, err := time.Parse(time.RFC3339, a.EndsAt); err == nil && end.After(now) {
			_, what, _ := strings.Cut(a.Annotations["summary"], "): ")
			out = append(out, a.Labels["severity"]+": "+what)
		}
	}
	return out
}

type memory map[string]string

func (m memory) Recall(_ context.Context, key string) (string, error) { return m[key], nil }
func (m memory) Remember(_ context.Context, key, value string) error {
	m[key] = value
	return nil
}

// An incident is one alert over its life, whose severity may rise, and which ends when the repair is confirmed.
func TestOneAlertForOneIncident(t *testing.T) {
	s := start(t)
	now := webtest.Now.Add(time.Hour)
	c := &Channel{Web: s.Web, URLs: []string{s.URL + "/am/"}, Memory: memory{}, Now: func() time.Time { return now }}
	var states []string
	for _, sample := range notifytest.Life()[:7] {
		if err := c.Notify(context.Background(), sample.Incident); err != nil {
			t.Fatalf("%s: %v", sample.Name, err)
		}
		states = append(states, fmt.Sprint(sample.Name, " ", s.firing(t, now)))
		now = now.Add(time.Minute)
	}
	want := []string{
		"opened [high: failed, settings changed]", "repaired [critical: repaired, logging again after 42 s]",
		"evidence [critical: repaired, logging again after 42 s, more is known]", "again [critical: repaired, logging again after 42 s, 2nd time]",
		"escalated [critical: failed, NOT LOGGING, ESCALATED]", "acknowledged [critical: failed, NOT LOGGING, acknowledged]", "confirmed []",
	}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// How long an alert goes on by itself.
func TestEnds(t *testing.T) {
	for outcome, want := range map[incident.Outcome]time.Duration{
		incident.Failed: 7 * 24 * time.Hour, incident.Open: 7 * 24 * time.Hour, incident.Repaired: 24 * time.Hour,
		incident.Attempted: time.Hour, incident.Noted: time.Hour, incident.Confirmed: 0,
	} {
		inc := notifytest.Repaired()
		inc.Outcome = outcome
		if got := compose(inc, nil, webtest.Now).EndsAt; got != webtest.Now.Add(want).Format(time.RFC3339) {
			t.Errorf("%s: ends at %s", outcome, got)
		}
	}
}

// A record that claims to be of another time is told of all the same.
func TestOddTimes(t *testing.T) {
	s := start(t)
	for _, at := range []time.Time{{}, webtest.Now.AddDate(10, 0, 0), time.Unix(0, 0)} {
		inc := notifytest.Repaired()
		inc.OpenedAt, inc.Outcome = at, incident.Confirmed
		c := &Channel{Web: s.Web, URLs: []string{s.URL + "/am"}, Now: func() time.Time { return webtest.Now }}
		if err := c.Notify(context.Background(), inc); err != nil {
			t.Errorf("%v: %v", at, err)
		}
	}
}

// Every instance is told; one of them is enough.
func TestInstances(t *testing.T) {
	a, b := start(t), start(t)
	c := &Channel{Web: a.Web, URLs: []string{a.URL + "/am", b.URL + "/am"}, Now: func() time.Time { return webtest.Now }}
	if err := c.Notify(context.Background(), notifytest.Repaired()); err != nil || len(a.alerts) != 1 || len(b.alerts) != 1 {
		t.Errorf("%v; %d and %d alerts", err, len(a.alerts), len(b.alerts))
	}
	a.status = 500
	again := notifytest.Observed()
	again.ID = "inc-0000000000000001"
	if err := c.Notify(context.Background(), again); err != nil || len(b.alerts) != 2 {
		t.Errorf("%v; %d alerts", err, len(b.alerts))
	}
	for name, test := range map[string]struct {
		a, b      int
		after     string
		permanent bool
		pause     time.Duration
	}{
		"both broken":         {500, 502, "", false, 0},
		"one refuses":         {400, 500, "", false, 0},
		"both refuse":         {400, 404, "", true, 0},
		"both busy":           {429, 503, "6", false, 6 * time.Second},
		"one busy, one wrong": {429, 400, "6", false, 6 * time.Second},
		"one busy, one down":  {429, 500, "6", false, 0},
	} {
		a.status, b.status, a.after, b.after = test.a, test.b, test.after, test.after
		err := c.Notify(context.Background(), again)
		if pause, _ := notify.RetryAfter(err); err == nil || notify.IsPermanent(err) != test.permanent || pause != test.pause {
			t.Errorf("%s: %v (permanent %v, pause %v)", name, err, notify.IsPermanent(err), pause)
		}
	}
}

func TestProbe(t *testing.T) {
	a, b := start(t), start(t)
	a.auth, b.auth = "Bearer canaryToken", "Bearer canaryToken"
	c := &Channel{Web: a.Web, URLs: []string{a.URL + "/am", b.URL + "/am"}, BearerToken: secret.New("canaryToken")}
	if err := c.Probe(context.Background()); err != nil || len(a.alerts)+len(b.alerts) > 0 {
		t.Error(err)
	}
	b.status = 500
	if err := c.Probe(context.Background()); err == nil || strings.Count(err.Error(), "500") != 1 || strings.Contains(err.Error(), "canary") {
		t.Errorf("one is down: %v", err)
	}
}

func TestAuthorization(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:canaryPassword"))
	for name, test := range map[string]struct {
		wants  string
		change func(*Channel)
		says   string // "" for success
	}{
		"none":     {"", func(*Channel) {}, ""},
		"basic":    {basic, func(c *Channel) { c.Username, c.Password = "me", secret.New("canaryPassword") }, ""},
		"bearer":   {"Bearer canaryToken", func(c *Channel) { c.BearerToken = secret.New("canaryToken") }, ""},
		"wrong":    {"Bearer other", func(c *Channel) { c.BearerToken = secret.New("canaryToken") }, "401"},
		"both":     {"", func(c *Channel) { c.Username, c.BearerToken = "me", secret.New("canaryToken") }, "not both"},
		"half":     {"", func(c *Channel) { c.Username = "me" }, "needs notify.alertmanager.password"},
		"no URL":   {"", func(c *Channel) { c.URLs = nil }, "urls is not set"},
		"odd URL":  {"", func(c *Channel) { c.URLs = []string{"ftp://canary"} }, "https"},
		"wrong at": {"", func(c *Channel) { c.URLs = []string{c.URLs[0] + "/canaryPath"} }, "404"},
	} {
		s := start(t)
		s.auth = test.wants
		c := &Channel{Web: s.Web, URLs: []string{s.URL + "/am"}}
		test.change(c)
		err := c.Notify(context.Background(), notifytest.Repaired())
		if test.says == "" && (err != nil || len(s.alerts) != 1) || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "canary") || !notify.IsPermanent(err)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGolden(t *testing.T) {
	c := &Channel{Location: notifytest.Berlin, Now: func() time.Time { return webtest.Now }}
	for _, s := range notifytest.Life() {
		doc, err := c.Render(s.Incident)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(doc); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		var b bytes.Buffer
		if err := json.Indent(&b, doc, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, s.Name+".golden", append(b.Bytes(), '\n'))
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-file +now); run go test -update and look at it:\n%s", path, diff)
	}
}

func TestHostile(t *testing.T) {
	for name, inc := range notifytest.HostileIncidents() {
		checkHostile(t, name, inc)
	}
}

// checkHostile: nothing in a label or an annotation is a mention, a tag, a link or a template in any receiver's syntax.
func checkHostile(t *testing.T, name string, inc incident.Incident) {
	t.Helper()
	doc, err := json.Marshal([]alert{compose(inc, notifytest.Berlin, webtest.Now)})
	if err != nil {
		t.Fatal(err)
	}
	list, err := read(doc)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if err := notifytest.JSON(doc); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	for _, set := range []map[string]string{list[0].Labels, list[0].Annotations} {
		for key, text := range set {
			if bad := regexp.MustCompile(`[<>]|&#?[A-Za-z0-9]+;|\]\(|\{\{|(^|\s)@`).FindString(text); bad != "" {
				t.Errorf("%s: %s holds %q: %.200s", name, key, bad, text)
			}
			if len(text) > 16<<10 {
				t.Errorf("%s: %s has %d bytes", name, key, len(text))
			}
		}
	}
}

func FuzzHostile(f *testing.F) {
	for _, text := range notifytest.Hostile {
		f.Add(text[:min(len(text), 3000)], byte(0))
	}
	f.Fuzz(func(t *testing.T, text string, outcome byte) {
		checkHostile(t, "filled", notifytest.Filled(text))
		checkHostile(t, "believable", notifytest.Believable(text, incident.Outcomes[int(outcome)%len(incident.Outcomes)]))
	})
}
