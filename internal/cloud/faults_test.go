package cloud

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// TestE6ListsEndOrFail: a list that turns in a circle, or breaks off, is an error: it never means that a trail is absent.
func TestE6ListsEndOrFail(t *testing.T) {
	page := `{"Trails":[{"TrailARN":"arn:aws:cloudtrail:eu-central-1:111122223333:trail/other"}],"NextToken":"again"}`
	events := `{"Events":[{"CloudTrailEvent":"{}"}],"NextToken":"again"}`
	for name, a := range map[string]answers{
		"circle":         {"ListTrails": {{200, page}}, "LookupEvents": {{200, events}}},
		"page lost":      {"ListTrails": {{200, page}, failing("InvalidNextTokenException", 400)}, "LookupEvents": {{200, events}, failing("InvalidNextTokenException", 400)}},
		"page is broken": {"ListTrails": {{200, page}, {200, "<html>"}}, "LookupEvents": {{200, events}, {200, "<html>"}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			identity := answer{200, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::111122223333:assumed-role/r/s</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`}
			a["GetCallerIdentity"] = []answer{identity}
			list := append([]answer{}, a["ListTrails"]...)
			if _, err := client(a).Trails(t.Context(), home.Region); err == nil {
				t.Errorf("%s: half a list of trails passes for one", name)
			}
			a["ListTrails"] = list
			if deleted, err := client(a).Deleted(t.Context(), home, true); deleted || err == nil {
				t.Errorf("%s: deleted %t, %v", name, deleted, err)
			}
			if _, err := client(a).History(t.Context(), home.Region, []string{"DeleteTrail"}, time.Now()); err == nil {
				t.Errorf("%s: half of Event history passes for all", name)
			}
		})
	}
}

// TestE9ClockFault: a clock that is off is told as that.
func TestE9ClockFault(t *testing.T) {
	for _, code := range []string{"RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException"} {
		_, err := client(answers{"GetTrailStatus": {failing(code, 403)}}).Status(t.Context(), home)
		if call, ok := err.(*trail.CallError); !ok || call.Class != trail.ClassLogin || !strings.Contains(call.Hint, "clock") {
			t.Errorf("%s: %+v", code, err)
		}
	}
}

// FuzzE10Answers: whatever comes back, a trail counts as logging only where the answer says so, and nothing panics.
func FuzzE10Answers(f *testing.F) {
	for _, body := range []string{`{"IsLogging":true}`, `{"IsLogging":"true"}`, "", "<html>", `{"__type":"Brand#New"}`, "[]", "null", `{"IsLogging":null}`} {
		f.Add(200, body)
		f.Add(400, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 || status >= 500 || status == 429 || status/100 == 3 {
			return
		}
		s, err := client(answers{"GetTrailStatus": {{status, body}}}).Status(t.Context(), home)
		if err == nil && (status/100 != 2 || s.Logging && !strings.Contains(body, "true")) {
			t.Errorf("%d %q: %+v", status, body, s)
		}
	})
}

// TestE11Network: connections that are reset, answers that never end and certificates that nobody vouches for are errors
// in good time; the last is told as what it is, and not tried for ever.
func TestE11Network(t *testing.T) {
	reset, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer reset.Close()
	go func() {
		for {
			c, err := reset.Accept()
			if err != nil {
				return
			}
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}()
	stuck := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-stuck }))
	defer slow.Close()
	defer close(stuck)
	middle := httptest.NewTLSServer(http.NotFoundHandler())
	defer middle.Close()
	middle.Config.ErrorLog, middle.TLS = nil, &tls.Config{}
	for _, test := range []struct {
		name, url string
		want      trail.Class
	}{
		{"reset", "http://" + reset.Addr().String(), trail.ClassRetry},
		{"no such host", "http://nowhere.invalid", trail.ClassRetry},
		{"no answer", slow.URL, trail.ClassRetry},
		{"certificate", middle.URL, trail.ClassUnknown},
	} {
		cfg := FromEnv(home.Region)
		cfg.BaseEndpoint = &test.url
		cfg.Credentials = credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := (&Client{Config: cfg, Version: "test"}).Status(ctx, home)
		cancel()
		if trail.ClassOf(err) != test.want || time.Since(begin) > attempt+time.Second {
			t.Errorf("%s: class %q after %s: %v", test.name, trail.ClassOf(err), time.Since(begin), err)
		}
		if call, ok := err.(*trail.CallError); test.want == trail.ClassUnknown && (!ok || !strings.Contains(call.Hint, "certificate")) {
			t.Errorf("%s: %+v", test.name, err)
		}
	}
}

// byRegion answers each Region in its own way.
type byRegion map[string]answers

func (b byRegion) RoundTrip(r *http.Request) (*http.Response, error) {
	return b[strings.Split(r.URL.Host, ".")[1]].RoundTrip(r)
}

// TestE12RetriesOfOneRegion: hundreds of throttled calls in one Region take nothing away from another.
func TestE12RetriesOfOneRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(byRegion{"us-east-1": {"StartLogging": {failing("ThrottlingException", 400)}}, home.Region: {"StartLogging": {failing("ThrottlingException", 400), {200, "{}"}}}})
		busy := home
		busy.Region = "us-east-1"
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := c.Do(ctx, trail.Start(busy), ""); err == nil || err.(*trail.CallError).Tries < 500 {
			t.Fatalf("throttled for an hour: %v", err)
		}
		if _, err := c.Do(t.Context(), trail.Start(home), ""); err != nil {
			t.Errorf("the other Region: %v", err)
		}
	})
}
