package teams

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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

const path = "/workflows/canaryWorkflow/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=canarySignature"

// A workflow takes each step of a life, and answers 202.
func TestPosts(t *testing.T) {
	v := webtest.Serve(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		if err := validate(body); err != nil || r.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, err)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	c := &Channel{Web: v.Web, WebhookURL: secret.New(v.URL + path), Location: notifytest.Berlin}
	for _, s := range notifytest.Life() {
		if err := c.Notify(context.Background(), s.Incident); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
	if n := len(v.Calls()); n != len(notifytest.Life()) {
		t.Errorf("%d cards", n)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		status    int
		say       string
		after     string
		url       string
		permanent bool
		says      string
	}{
		"bad card":        {400, `{"error":{"code":"InvalidRequest"}}`, "", "", true, "400"},
		"signature":       {401, "", "", "", true, "configure a new one"},
		"workflow gone":   {404, "", "", "", true, "nobody listens"},
		"too large":       {413, "", "", "", true, "413"},
		"too many":        {429, "", "20", "", false, "429"},
		"broken":          {502, "", "", "", false, "502"},
		"200, but failed": {200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 for canarySignature", "", "", false, "delivery failed"},
		"200 with error":  {200, `{"error":{"code":"canaryWorkflow"}}`, "", "", false, "an error"},
		"no URL":          {0, "", "", "none", true, "not set"},
		"retired":         {0, "", "", "https://contoso.webhook.office.com/webhookb2/canary/IncomingWebhook/canary", true, "retired"},
		"no https":        {0, "", "", "http://canary.example/canary", true, "http"},
	} {
		v := webtest.Serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.say)
		})
		channel := &Channel{Web: v.Web, WebhookURL: secret.New(v.URL + path)}
		if c.url != "" {
			channel.WebhookURL = secret.New(strings.TrimPrefix(c.url, "none"))
		}
		err := channel.Notify(context.Background(), notifytest.Repaired())
		if name == "no https" {
			// The test's client may speak plainly to 127.0.0.1, and to nobody else.
			if err == nil {
				t.Errorf("%s: sent", name)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.says) || notify.IsPermanent(err) != c.permanent {
			t.Errorf("%s: %v (permanent %v)", name, err, notify.IsPermanent(err))
			continue
		}
		if pause, _ := notify.RetryAfter(err); (pause == 20*time.Second) != (c.after != "") {
			t.Errorf("%s: pause %v", name, pause)
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: shows too much: %v", name, err)
		}
	}
}

func TestGolden(t *testing.T) {
	c := &Channel{Location: notifytest.Berlin}
	var looks strings.Builder
	for _, s := range notifytest.Life() {
		doc, err := c.Render(s.Incident)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(doc); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if strings.Contains(string(doc), "too long for Teams") {
			t.Errorf("%s does not fit", s.Name)
		}
		var b bytes.Buffer
		if err := json.Indent(&b, doc, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, s.Name+".golden", append(b.Bytes(), '\n'))
		looks.WriteString(preview(s.Name, doc))
	}
	golden(t, "preview.html", []byte(previewPage(looks.String())))
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
	doc, err := compose(inc, notifytest.Berlin)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(doc); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	doc = bytes.Replace(doc, []byte("http://adaptivecards.io/schemas/adaptive-card.json"), nil, 1) // a name, not a link
	if err := notifytest.JSON(doc); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if inc.Trail.Name == "org-trail" && !bytes.Contains(doc, []byte("Incident: "+inc.ID)) {
		t.Errorf("%s: the id is lost", name)
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

func TestProbe(t *testing.T) {
	status := 405
	v := webtest.Serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(status) })
	c := &Channel{Web: v.Web, WebhookURL: secret.New(v.URL + path)}
	if err := c.Probe(context.Background()); err != nil {
		t.Error(err)
	}
	status = 410
	if err := c.Probe(context.Background()); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("nobody listens: %v", err)
	}
}
