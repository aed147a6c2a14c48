package webhook

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
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
	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
	"github.com/trailwarden/trailwarden/internal/notify/web/webtest"
	"github.com/trailwarden/trailwarden/internal/schematest"
	"github.com/trailwarden/trailwarden/internal/secret"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

const path = "/hooks/canaryPath?token=canaryQuery"

var (
	oldKey  = "whsec_" + base64.StdEncoding.EncodeToString([]byte("canary-old-key-of-32-bytes-00000"))
	newKey  = "whsec_" + base64.StdEncoding.EncodeToString([]byte("canary-new-key-of-32-bytes-00000"))
	seed    = []byte("canary-ed25519-seed-of-32-bytes-")
	private = ed25519.NewKeyFromSeed(seed)
)

// A receiver that knows the old key, one that knows the new one, and one that knows the public key all accept a message;
// one that knows another key, or gets a message that was changed, does not.
func TestSignatures(t *testing.T) {
	v := webtest.Serve(t, func(http.ResponseWriter, *http.Request, []byte) {})
	asymmetric := "whsk_" + base64.StdEncoding.EncodeToString(private)
	c := &Channel{Web: v.Web, URL: secret.New(v.URL + path), Keys: secret.New(newKey + " " + oldKey + "\n" + asymmetric), Now: time.Now}
	if err := c.Notify(context.Background(), notifytest.Repaired()); err != nil {
		t.Fatal(err)
	}
	call := v.Calls()[0]
	for name, key := range map[string]string{"old": oldKey, "new": newKey} {
		receiver, err := standard.NewWebhook(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := receiver.Verify(call.Body, call.Header); err != nil {
			t.Errorf("%s key: %v", name, err)
		}
		if err := receiver.Verify(append([]byte(" "), call.Body...), call.Header); err == nil {
			t.Errorf("%s key: a changed message passes", name)
		}
		late := call.Header.Clone()
		late.Set("webhook-timestamp", fmt.Sprint(time.Now().Add(time.Minute).Unix()))
		if err := receiver.Verify(call.Body, late); err == nil {
			t.Errorf("%s key: a changed time passes", name)
		}
	}
	other, err := standard.NewWebhook("whsec_" + base64.StdEncoding.EncodeToString(seed))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Verify(call.Body, call.Header); err == nil {
		t.Error("another key passes")
	}
	// v1a as the standard's text says: the reference library does not know it.
	signed := call.Header.Get("webhook-id") + "." + call.Header.Get("webhook-timestamp") + "." + string(call.Body)
	verified := 0
	for s := range strings.FieldsSeq(call.Header.Get("webhook-signature")) {
		version, encoded, _ := strings.Cut(s, ",")
		signature, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if version == "v1a" && ed25519.Verify(private.Public().(ed25519.PublicKey), []byte(signed), signature) {
			verified++
		}
	}
	if verified != 1 {
		t.Errorf("%d signatures by the ed25519 key", verified)
	}
	if got := call.Header.Get("content-type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("content type %q", got)
	}
}

// TestKnownSignature is the example of the standard's libraries.
func TestKnownSignature(t *testing.T) {
	k, err := parseKeys(secret.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got := k.sign(`msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}`); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

// A retry has the same id and body, at its own time; other news have another id.
func TestRetryIsTheSameMessage(t *testing.T) {
	status := 500
	v := webtest.Serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(status) })
	now := webtest.Now
	c := &Channel{Web: v.Web, URL: secret.New(v.URL), Keys: secret.New(newKey), Now: func() time.Time { return now }}
	life := notifytest.Life()
	if err := c.Notify(context.Background(), life[1].Incident); err == nil || notify.IsPermanent(err) {
		t.Fatal(err)
	}
	now, status = now.Add(5*time.Minute), 204
	for _, s := range life[1:3] {
		if err := c.Notify(context.Background(), s.Incident); err != nil {
			t.Fatal(err)
		}
	}
	calls := v.Calls()
	first, again, other := calls[0], calls[1], calls[2]
	if first.Header.Get("webhook-id") != again.Header.Get("webhook-id") || !bytes.Equal(first.Body, again.Body) {
		t.Error("the retry is another message")
	}
	if first.Header.Get("webhook-timestamp") == again.Header.Get("webhook-timestamp") {
		t.Error("the retry has the time of the first try")
	}
	if other.Header.Get("webhook-id") == first.Header.Get("webhook-id") {
		t.Error("other news have the same id")
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		status    int
		after     string
		change    func(*Channel)
		permanent bool
		says      string
	}{
		"gone":           {410, "", nil, true, "gone for good"},
		"not found":      {404, "", nil, true, "nobody listens"},
		"redirect":       {307, "", nil, true, "redirects"},
		"too many":       {429, "3", nil, false, "429"},
		"bad gateway":    {502, "", nil, false, "502"},
		"timeout":        {504, "", nil, false, "504"},
		"no URL":         {0, "", func(c *Channel) { c.URL = secret.Value{} }, true, "notify.webhook.url is not set"},
		"odd URL":        {0, "", func(c *Channel) { c.URL = secret.New("gopher://canary") }, true, "https"},
		"no key":         {0, "", func(c *Channel) { c.Keys = secret.Value{} }, true, "openssl rand"},
		"short key":      {0, "", func(c *Channel) { c.Keys = secret.New(newKey + " whsec_Y2FuYXJ5") }, true, "key 2 has 6 bytes"},
		"no base64":      {0, "", func(c *Channel) { c.Keys = secret.New("whsec_canary!") }, true, "key 1 is not base64"},
		"no prefix":      {0, "", func(c *Channel) { c.Keys = secret.New("Y2FuYXJ5_Y2FuYXJ5") }, true, "key 1 begins with neither"},
		"public key":     {0, "", func(c *Channel) { c.Keys = secret.New("whsk_Y2FuYXJ5") }, true, "wants 32 or 64"},
		"foreign halves": {0, "", func(c *Channel) { c.Keys = secret.New("whsk_" + base64.StdEncoding.EncodeToString(make([]byte, 64))) }, true, "does not belong"},
	} {
		v := webtest.Serve(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.WriteHeader(c.status)
			fmt.Fprint(w, r.URL, r.Header, newKey)
		})
		channel := &Channel{Web: v.Web, URL: secret.New(v.URL + path), Keys: secret.New(newKey), Now: func() time.Time { return webtest.Now }}
		if c.change != nil {
			c.change(channel)
		}
		err := channel.Notify(context.Background(), notifytest.Repaired())
		if err == nil || !strings.Contains(err.Error(), c.says) || notify.IsPermanent(err) != c.permanent {
			t.Errorf("%s: %v (permanent %v)", name, err, notify.IsPermanent(err))
			continue
		}
		if pause, _ := notify.RetryAfter(err); (pause > 0) != (c.after != "") {
			t.Errorf("%s: pause %v", name, pause)
		}
		if text := err.Error(); strings.Contains(text, "canary") || strings.Contains(text, "Y2FuYXJ5") || strings.Contains(text, newKey[8:]) {
			t.Errorf("%s: shows too much: %v", name, err)
		}
	}
}

func TestGolden(t *testing.T) {
	c := &Channel{}
	schema := schematest.Published(t, "../../../schemas/notification.v1.json")
	for _, s := range notifytest.Life() {
		doc, err := c.Render(s.Incident)
		if err != nil {
			t.Fatal(err)
		}
		check(t, s.Name, doc)
		var payload struct{ Data any }
		if err := json.Unmarshal(doc, &payload); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(payload.Data); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		var b bytes.Buffer
		if err := json.Indent(&b, doc, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, s.Name+".golden", append(b.Bytes(), '\n'))
	}
}

// check holds a payload against the standard: type, timestamp, data, and the advised size.
func check(t *testing.T, name string, doc []byte) {
	t.Helper()
	var p struct {
		Type      string
		Timestamp time.Time
		Data      map[string]any
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%s: %v: %.300s", name, err, doc)
	}
	if !strings.HasPrefix(p.Type, "incident.") || p.Timestamp.IsZero() || len(p.Data) == 0 || len(doc) > 32<<10 {
		t.Errorf("%s: type %q, time %v, %d bytes", name, p.Type, p.Timestamp, len(doc))
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

// Machines get values as they were, in JSON without a character that moves a terminal; no secret is in it.
func TestHostile(t *testing.T) {
	for name, inc := range notifytest.HostileIncidents() {
		checkHostile(t, name, inc)
	}
}

func checkHostile(t *testing.T, name string, inc incident.Incident) {
	t.Helper()
	doc, err := (&Channel{}).Render(inc)
	if err != nil {
		t.Fatal(err)
	}
	check(t, name, doc)
	if err := notifytest.Visible(string(doc), false); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if err := notifytest.NoSecrets(string(doc)); err != nil {
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

func TestProbe(t *testing.T) {
	status := 405
	v := webtest.Serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(status) })
	c := &Channel{Web: v.Web, URL: secret.New(v.URL + path), Keys: secret.New(newKey)}
	if err := c.Probe(context.Background()); err != nil {
		t.Error(err)
	}
	status = 410
	if err := c.Probe(context.Background()); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("nobody listens: %v", err)
	}
}
