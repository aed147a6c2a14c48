package pagerduty

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
	"github.com/trailwarden/trailwarden/internal/notify/web/webtest"
	"github.com/trailwarden/trailwarden/internal/secret"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

const key = "canary0123456789canary0123456789"

// service is PagerDuty, as its documentation says it behaves: alerts by their key, and incidents that they open.
type service struct {
	*webtest.Vendor
	mu     sync.Mutex
	alerts map[string]*alert
	status int
	say    string
	after  string
}

type alert struct {
	state    string // triggered, acknowledged, resolved
	opened   int    // how many incidents it opened
	severity string
	summary  string
}

func start(t *testing.T) (*service, *Channel) {
	s := &service{alerts: map[string]*alert{}}
	s.Vendor = webtest.Serve(t, s.serve)
	return s, &Channel{Web: s.Web, RoutingKey: secret.New(key), Endpoint: s.URL + "/v2/enqueue", Location: notifytest.Berlin}
}

func (s *service) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.after != "" {
		w.Header().Set("Retry-After", s.after)
	}
	if s.status != 0 {
		w.WriteHeader(s.status)
		fmt.Fprint(w, s.say)
		return
	}
	e, err := read(body)
	if err == nil && e.RoutingKey != key {
		err = fmt.Errorf("'routing_key' is invalid: %s", e.RoutingKey)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": []string{err.Error()}})
		return
	}
	a := s.alerts[e.DedupKey]
	switch {
	case e.Action == "trigger" && (a == nil || a.state == "resolved"):
		if a == nil {
			a = &alert{}
			s.alerts[e.DedupKey] = a
		}
		a.state, a.opened = "triggered", a.opened+1
		fallthrough
	case e.Action == "trigger":
		a.severity, a.summary = e.Payload.Severity, e.Payload.Summary
	case a != nil && e.Action == "acknowledge" && a.state == "triggered":
		a.state = "acknowledged"
	case a != nil && e.Action == "resolve":
		a.state = "resolved"
	}
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "success", "message": "Event processed", "dedup_key": e.DedupKey})
}

// received is the documented shape; unknown members are an error.
type received struct {
	RoutingKey string `json:"routing_key"`
	Action     string `json:"event_action"`
	DedupKey   string `json:"dedup_key"`
	Client     string `json:"client"`
	ClientURL  string `json:"client_url"`
	Links      []struct{ Href, Text string }
	Images     []struct{ Src, Href, Alt string }
	Payload    *struct {
		Summary, Source, Severity, Timestamp, Component, Group, Class string
		Details                                                       map[string]any `json:"custom_details"`
	}
}

// read holds an event against the documentation.
func read(body []byte) (received, error) {
	var e received
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return e, err
	}
	switch {
	case len(body) > 512<<10:
		return e, fmt.Errorf("event of %d bytes", len(body))
	case e.DedupKey == "" || utf8.RuneCountInString(e.DedupKey) > 255:
		return e, fmt.Errorf("dedup_key of %d characters", len(e.DedupKey))
	case e.Action == "acknowledge" || e.Action == "resolve":
		return e, nil
	case e.Action != "trigger":
		return e, fmt.Errorf("'event_action' is %q", e.Action)
	case e.Payload == nil:
		return e, fmt.Errorf("'payload' is missing or blank")
	}
	p := e.Payload
	if p.Summary == "" || utf8.RuneCountInString(p.Summary) > 1024 || p.Source == "" {
		return e, fmt.Errorf("'payload.summary' or 'payload.source' is missing or too long")
	}
	if !regexp.MustCompile(`^(critical|error|warning|info)$`).MatchString(p.Severity) {
		return e, fmt.Errorf("'payload.severity' is %q", p.Severity)
	}
	if _, err := time.Parse(time.RFC3339, p.Timestamp); err != nil {
		return e, err
	}
	for _, l := range e.Links {
		if !strings.HasPrefix(l.Href, "https://") || l.Text == "" {
			return e, fmt.Errorf("link %v", l)
		}
	}
	return e, nil
}

// An incident is one alert over its life: it wakes somebody once, is acknowledged, and goes away when the repair is
// confirmed. What is told afterwards wakes nobody.
func TestOneAlertForOneIncident(t *testing.T) {
	s, c := start(t)
	var states []string
	for _, sample := range notifytest.Life()[:7] {
		if err := c.Notify(context.Background(), sample.Incident); err != nil {
			t.Fatal(err)
		}
		a := s.alerts[sample.Incident.ID]
		states = append(states, fmt.Sprintf("%s: %s, %s", sample.Name, a.state, a.severity))
	}
	want := []string{
		"opened: triggered, error", "repaired: triggered, critical", "evidence: triggered, critical", "again: triggered, critical",
		"escalated: triggered, critical", "acknowledged: acknowledged, critical", "confirmed: resolved, critical",
	}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	late := notifytest.Life()[2].Incident
	late.Outcome = incident.Confirmed
	if err := c.Notify(context.Background(), late); err != nil {
		t.Fatal(err)
	}
	a := s.alerts[late.ID]
	if len(s.alerts) != 1 || a.opened != 1 || a.state != "resolved" {
		t.Errorf("%d alerts, %d incidents, %s", len(s.alerts), a.opened, a.state)
	}
}

// Without a ledger the record of our own repair resolves the alert: it has the incident's id.
func TestResolvesWithoutLedger(t *testing.T) {
	s, c := start(t)
	inc := notifytest.Repaired()
	inc.Stage, inc.Count, inc.Tamperings, inc.Ledger = "", 0, nil, nil
	confirmed := inc
	confirmed.Outcome = incident.Confirmed
	for _, i := range []incident.Incident{inc, confirmed} {
		if err := c.Notify(context.Background(), i); err != nil {
			t.Fatal(err)
		}
	}
	if a := s.alerts[inc.ID]; a == nil || a.state != "resolved" {
		t.Errorf("alert: %+v", a)
	}
}

// TestResolvesWhatOthersMended: an alert of what could not be repaired ends when the trail is found well, by whoever's call.
func TestResolvesWhatOthersMended(t *testing.T) {
	for _, was := range []incident.Outcome{incident.Open, incident.Failed} {
		s, c := start(t)
		found := notifytest.Failed()
		found.Outcome, found.Stage = was, ""
		inc := incident.Begin(found)
		tell := func(want string) {
			t.Helper()
			if err := c.Notify(t.Context(), inc); err != nil {
				t.Fatal(err)
			}
			if got := s.alerts[inc.ID].state; got != want {
				t.Errorf("%s, told as %s %s: the alert is %s, want %s", was, inc.Stage, inc.Outcome, got, want)
			}
		}
		tell("triggered")
		well := found
		well.Outcome, well.Record, well.Reason = incident.Restored, nil, "found well by the sweep"
		inc, _ = inc.Join(well)
		tell("resolved")
		inc.Stage = incident.StageEvidence
		tell("resolved")
	}
}

func TestSeverities(t *testing.T) {
	for _, severity := range append(incident.Severities, "odd", "") {
		inc := notifytest.Observed()
		inc.Severity = severity
		s, c := start(t)
		if err := c.Notify(context.Background(), inc); err != nil {
			t.Errorf("%q: %v", severity, err)
		}
		want := map[incident.Severity]string{"critical": "critical", "high": "error", "medium": "warning", "low": "info", "info": "info", "odd": "warning", "": "warning"}
		if got := s.alerts[inc.ID].severity; got != want[severity] {
			t.Errorf("%q is told as %q", severity, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		spoil     func(*service, *Channel)
		permanent bool
		pause     time.Duration
		says      string
	}{
		"wrong key":        {func(_ *service, c *Channel) { c.RoutingKey = secret.New(strings.Repeat("canary0x", 4)) }, true, -1, "routing_key"},
		"short key":        {func(_ *service, c *Channel) { c.RoutingKey = secret.New("canary") }, true, -1, "has 6 characters"},
		"no key":           {func(_ *service, c *Channel) { c.RoutingKey = secret.Value{} }, true, -1, "not set"},
		"too many":         {func(s *service, _ *Channel) { s.status, s.after = 429, "4" }, false, 4 * time.Second, "429"},
		"too many, silent": {func(s *service, _ *Channel) { s.status = 429 }, false, -1, "429"},
		"broken":           {func(s *service, _ *Channel) { s.status, s.say = 500, key }, false, -1, "500"},
		"not taken":        {func(s *service, _ *Channel) { s.status, s.say = 202, `{"status":"invalid"}` }, false, -1, "did not say"},
		"another key": {func(s *service, _ *Channel) {
			s.status, s.say = 202, `{"status":"success","dedup_key":"made up `+key+`"}`
		}, false, -1, "did not say"},
		"no JSON": {func(s *service, _ *Channel) { s.status, s.say = 200, "<html>" }, false, -1, "did not say"},
	} {
		s, channel := start(t)
		c.spoil(s, channel)
		err := channel.Notify(context.Background(), notifytest.Repaired())
		if err == nil || !strings.Contains(err.Error(), c.says) || notify.IsPermanent(err) != c.permanent {
			t.Errorf("%s: %v (permanent %v)", name, err, notify.IsPermanent(err))
			continue
		}
		pause, asked := notify.RetryAfter(err)
		if asked != (c.pause >= 0) || asked && pause != c.pause {
			t.Errorf("%s: pause %v, %v", name, pause, asked)
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: shows the key: %v", name, err)
		}
	}
}

func TestProbe(t *testing.T) {
	s, c := start(t)
	if err := c.Probe(context.Background()); err != nil || len(s.alerts) != 0 {
		t.Errorf("%v; %d alerts", err, len(s.alerts))
	}
	c.RoutingKey = secret.New(strings.Repeat("canary0x", 4))
	if err := c.Probe(context.Background()); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("wrong key: %v", err)
	}
}

func TestGolden(t *testing.T) {
	c := &Channel{RoutingKey: secret.New(key), Location: notifytest.Berlin}
	for _, s := range notifytest.Life() {
		doc, err := c.Render(s.Incident)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name == "evidence" {
			if doc != nil {
				t.Errorf("evidence is told: %s", doc)
			}
			continue
		}
		if _, err := read(doc); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if strings.Contains(string(doc), "canary") {
			t.Errorf("%s: shows the key", s.Name)
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

func checkHostile(t *testing.T, name string, inc incident.Incident) {
	t.Helper()
	e, ok := compose(inc, notifytest.Berlin)
	if !ok {
		return
	}
	if e.DedupKey == "" {
		e.DedupKey = "x" // an incident always has an id; the table's is empty once
	}
	doc, err := encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(doc); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if err := notifytest.JSON(doc); err != nil {
		t.Errorf("%s: %v", name, err)
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

// An event that would be too large for PagerDuty is sent without its details.
func TestTooLarge(t *testing.T) {
	e, _ := compose(notifytest.Repaired(), nil)
	e.Payload.Details = append(e.Payload.Details, detail{"large", strings.Repeat("x", maxEvent)})
	doc, err := encode(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(doc)
	if err != nil || got.Payload.Summary == "" || !strings.Contains(fmt.Sprint(got.Payload.Details), "too large") {
		t.Errorf("%v: %.300s", err, doc)
	}
}
