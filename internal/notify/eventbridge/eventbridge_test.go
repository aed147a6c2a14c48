package eventbridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

const (
	secretKey    = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	sessionToken = notifytest.CanaryToken
	bus          = "arn:aws:events:eu-central-1:123456789012:event-bus/alarms"
)

// stub is EventBridge's PutEvents with its documented limits.
type stub struct {
	answers []fault // for the first requests; then the stub behaves
	mu      sync.Mutex
	got     []received
	signed  string
}

// fault is how one request goes wrong.
type fault struct {
	status        int
	code, message string
	entry         bool // the call goes well, the entry does not
	raw           string
	hang          bool
}

type received struct {
	EventBusName, Source, DetailType, Detail string
	Resources                                []string
	Time                                     float64
}

func (s *stub) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var a fault
	if len(s.answers) > 0 {
		a, s.answers = s.answers[0], s.answers[1:]
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch {
	case a.hang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case a.raw != "":
		w.WriteHeader(a.status)
		io.WriteString(w, a.raw)
	case a.entry:
		answer, _ := json.Marshal(map[string]any{"FailedEntryCount": 1, "Entries": []any{map[string]string{"ErrorCode": a.code, "ErrorMessage": a.message}}})
		w.Write(answer)
	case a.code != "":
		w.WriteHeader(a.status)
		answer, _ := json.Marshal(map[string]string{"__type": a.code, "message": a.message})
		w.Write(answer)
	default:
		s.signed = r.Header.Get("Authorization")
		var in struct{ Entries []received }
		if r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" || json.Unmarshal(body, &in) != nil || len(in.Entries) != 1 {
			w.WriteHeader(400)
			io.WriteString(w, `{"__type":"ValidationException","message":"not PutEvents"}`)
			break
		}
		e := in.Entries[0]
		if wrong := e.wrong(); wrong != "" {
			fmt.Fprintf(w, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"%s","ErrorMessage":"refused"}]}`, wrong)
			break
		}
		s.got = append(s.got, e)
		io.WriteString(w, `{"FailedEntryCount":0,"Entries":[{"EventId":"11710aed-b79e-4468-a20b-bb3c0c3b4860"}]}`)
	}
	return w.Result(), nil
}

// wrong holds an entry against EventBridge's limits.
func (e received) wrong() string {
	size := 14 + len(e.Source) + len(e.DetailType) + len(e.Detail)
	for _, r := range e.Resources {
		size += len(r)
	}
	var detail map[string]any
	switch {
	case size > 256<<10:
		return "EntrySizeExceeded"
	case strings.HasPrefix(e.Source, "aws."):
		return "NotAuthorizedForSourceException"
	case json.Unmarshal([]byte(e.Detail), &detail) != nil:
		return "MalformedDetail"
	case e.Source == "" || e.DetailType == "" || len(e.DetailType) > 128:
		return "InvalidArgument"
	}
	return ""
}

func config(client aws.HTTPClient) aws.Config {
	return aws.Config{Region: "us-east-1", HTTPClient: client, Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", secretKey, sessionToken)}
}

func open(t *testing.T, answers ...fault) (*Channel, *stub) {
	t.Helper()
	s := &stub{answers: answers}
	c, err := Open(config(s), bus)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// TestLife: each step arrives with its own detail-type, and the whole incident.
func TestLife(t *testing.T) {
	want := map[string]string{
		"opened": "Opened", "repaired": "Repaired", "evidence": "Evidence", "again": "Tampered Again", "escalated": "Escalated",
		"acknowledged": "Acknowledged", "confirmed": "Confirmed", "drill": "Repaired", "observed": "Opened", "china": "Repaired",
	}
	for _, sample := range notifytest.Life() {
		c, s := open(t)
		if err := c.Notify(t.Context(), sample.Incident); err != nil {
			t.Fatal(err)
		}
		e := s.got[0]
		if e.DetailType != "Trailwarden Incident "+want[sample.Name] || e.Source != "trailwarden" || e.EventBusName != bus {
			t.Errorf("%s arrives as %s from %s on %s", sample.Name, e.DetailType, e.Source, e.EventBusName)
		}
		if diff := cmp.Diff([]string{sample.Incident.Trail.ARN}, e.Resources); diff != "" {
			t.Errorf("%s: resources %s", sample.Name, diff)
		}
		var d Detail
		if err := json.Unmarshal([]byte(e.Detail), &d); err != nil {
			t.Fatal(err)
		}
		if d.MessageID != notify.Identity(sample.Incident) || d.Incident.ID != sample.Incident.ID || d.Incident.Count != sample.Incident.Count ||
			d.Incident.Ledger.Hash != sample.Incident.Ledger.Hash {
			t.Errorf("%s: %+v", sample.Name, d)
		}
		// The configuration says us-east-1; the bus is elsewhere.
		if !strings.Contains(s.signed, "/eu-central-1/events/") {
			t.Errorf("signed for another Region: %s", s.signed)
		}
		rendered, err := c.Render(sample.Incident)
		if err != nil {
			t.Fatal(err)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, rendered, "", "  "); err != nil {
			t.Fatal(err)
		}
		compare(t, sample.Name+".golden", append(pretty.Bytes(), '\n'))
	}
}

// TestNeverOurOwn: our event is nothing that trailwarden itself would take for a record of CloudTrail.
func TestNeverOurOwn(t *testing.T) {
	c, _ := open(t)
	for _, sample := range notifytest.Life() {
		doc, err := c.Render(sample.Incident)
		if err != nil {
			t.Fatal(err)
		}
		if records, _ := event.Decode(doc); len(records) != 0 {
			t.Errorf("%s is taken for %d records of CloudTrail", sample.Name, len(records))
		}
		var e struct{ Detail map[string]json.RawMessage }
		if err := json.Unmarshal(doc, &e); err != nil {
			t.Fatal(err)
		}
		for _, member := range []string{"eventName", "eventSource", "userIdentity", "requestParameters"} {
			if _, ok := e.Detail[member]; ok {
				t.Errorf("%s: the detail has %s, which loose rules look for", sample.Name, member)
			}
		}
	}
}

// TestHostile: whatever a record holds, EventBridge takes the event, and it brings no secret along.
func TestHostile(t *testing.T) {
	c, s := open(t)
	for name, inc := range notifytest.HostileIncidents() {
		if err := c.Notify(t.Context(), inc); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		e := s.got[len(s.got)-1]
		if err := errors.Join(notifytest.Visible(e.Detail+e.DetailType+strings.Join(e.Resources, ""), false), notifytest.NoSecrets(e.Detail)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLarge: a huge incident is cut until it fits.
func TestLarge(t *testing.T) {
	c, s := open(t)
	inc := notifytest.Repaired()
	for range 5000 {
		inc.Findings = append(inc.Findings, incident.Finding{Text: strings.Repeat("😀\x01", 500)})
	}
	if err := c.Notify(t.Context(), inc); err != nil {
		t.Fatal(err)
	}
	if len(s.got) != 1 {
		t.Fatalf("%d events", len(s.got))
	}
}

// TestFailures: each failure says what to do, whether another try is of use, and no secret.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer    fault
		permanent bool
		says      string
	}{
		"not allowed":      {fault{status: 400, code: "AccessDeniedException", message: "User: x is not authorized to perform: events:PutEvents"}, true, "allow events:PutEvents"},
		"bus gone":         {fault{status: 400, code: "ResourceNotFoundException", message: "Event bus alarms does not exist."}, true, "create it, or set"},
		"entry: denied":    {fault{entry: true, code: "NotAuthorizedForSourceException", message: "no"}, true, "another bus"},
		"entry: malformed": {fault{entry: true, code: "MalformedDetail", message: "Detail is malformed."}, true, "Detail is malformed"},
		"entry: throttled": {fault{entry: true, code: "ThrottlingException", message: "Rate exceeded"}, false, "Rate exceeded"},
		"entry: inside":    {fault{entry: true, code: "InternalFailure", message: "sorry"}, false, "sorry"},
		"entry: no reason": {fault{raw: `{"FailedEntryCount":1,"Entries":[{}]}`, status: 200}, false, "not why"},
		"throttled":        {fault{status: 400, code: "ThrottlingException", message: "Rate exceeded"}, false, "Rate exceeded"},
		"AWS in trouble":   {fault{status: 500, code: "InternalException", message: "sorry"}, false, "sorry"},
		"expired":          {fault{status: 400, code: "ExpiredTokenException", message: "expired"}, false, "log in again"},
		"wrong key":        {fault{status: 400, code: "InvalidSignatureException", message: "x-amz-security-token:" + sessionToken + "\n"}, false, "clock"},
		"garbage":          {fault{status: 503, raw: "\x00\x1b[2J <html>"}, false, "503"},
		"unknown code":     {fault{status: 418, code: "SomethingNew", message: "new\u009b31m\u202e"}, false, "SomethingNew"},
		"never answers":    {fault{hang: true}, false, "no answer within 5s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				channel, _ := open(t, c.answer, c.answer, c.answer, c.answer)
				began := time.Now()
				err := channel.Notify(t.Context(), notifytest.Repaired())
				if err == nil {
					t.Fatal("no error")
				}
				if took := time.Since(began); took > Timeout {
					t.Errorf("it took %v", took)
				}
				text := err.Error()
				if notify.IsPermanent(err) != c.permanent || !strings.Contains(text, c.says) || !strings.Contains(text, bus) {
					t.Errorf("permanent %v, want %v, saying %q: %s", notify.IsPermanent(err), c.permanent, c.says, text)
				}
				if err := errors.Join(notifytest.Visible(text, false), notifytest.NoSecrets(text, secretKey)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestThrottledOnce: a passing trouble costs no event.
func TestThrottledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := open(t, fault{status: 400, code: "ThrottlingException", message: "Rate exceeded"})
		if err := c.Notify(t.Context(), notifytest.Repaired()); err != nil || len(s.got) != 1 {
			t.Errorf("%d events, %v", len(s.got), err)
		}
	})
}

// TestGivenUp: the caller's giving up is no fault of the bus.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := open(t, fault{hang: true}, fault{hang: true})
		ctx, giveUp := context.WithCancel(t.Context())
		giveUp()
		if err := c.Notify(ctx, notifytest.Repaired()); !errors.Is(err, context.Canceled) || notify.IsPermanent(err) {
			t.Errorf("%v", err)
		}
	})
}

func TestCheckBus(t *testing.T) {
	for bus, good := range map[string]bool{
		"default": true, "security/alarms": true, bus: true, "arn:aws-cn:events:cn-north-1:123456789012:event-bus/x": true,
		"": false, "a b": false, "aws.partner/x": false, "arn:aws:sns:eu-west-1:123456789012:x": false, "default\n": false,
		"arn:aws:events:eu-west-1:123456789012:rule/x": false, strings.Repeat("x", 300): false,
	} {
		if err := CheckBus(bus); (err == nil) != good {
			t.Errorf("%q: %v", bus, err)
		}
	}
}

func compare(t *testing.T, name string, got []byte) {
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
		t.Errorf("%s differs (-file +now); run go test -update and read it:\n%s", path, diff)
	}
}

// FuzzEvent: whatever a record holds, EventBridge takes the event, and it gives no secret away.
func FuzzEvent(f *testing.F) {
	for _, text := range notifytest.Hostile {
		f.Add(text[:min(len(text), 2000)], byte(len(text)))
	}
	f.Fuzz(func(t *testing.T, text string, outcome byte) {
		canary := notifytest.CanaryKey + " " + notifytest.CanaryToken + " "
		c, s := open(t)
		for _, inc := range []incident.Incident{
			notifytest.Filled(canary + text), notifytest.Believable(text+" "+canary, incident.Outcomes[int(outcome)%len(incident.Outcomes)]),
		} {
			if err := c.Notify(t.Context(), inc); err != nil {
				t.Fatal(err)
			}
			detail := s.got[len(s.got)-1].Detail
			if err := errors.Join(notifytest.Visible(detail, false), notifytest.NoSecrets(detail)); err != nil {
				t.Error(err)
			}
		}
	})
}
