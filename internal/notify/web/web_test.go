package web_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/web"
	"github.com/trailwarden/trailwarden/internal/notify/web/webtest"
	"github.com/trailwarden/trailwarden/internal/secret"
)

const path = "/services/T000/canaryPathToken/x?sig=canaryQuery"

func post(c *web.Client, to string) (web.Answer, error) {
	header := http.Header{"Authorization": {"Bearer canaryBearer"}}
	return c.Post(context.Background(), secret.New(to), header, []byte(`{}`), secret.New("canaryBody"))
}

// Every way in which a call can fail is told apart, and no error shows the URL's path or query, or a token: not even when
// the server repeats them.
func TestAnswers(t *testing.T) {
	// FAULTS G8.
	echo := func(r *http.Request) string {
		return "no such hook " + r.URL.String() + " " + r.Header.Get("Authorization") + " canaryBody\x1b[2J"
	}
	for name, c := range map[string]struct {
		status     int
		retryAfter string
		permanent  bool
		pause      time.Duration // -1 for none
		says       string
	}{
		"well":                    {200, "", false, -1, ""},
		"accepted":                {202, "", false, -1, ""},
		"redirect":                {302, "", true, -1, "redirects are not followed"},
		"bad request":             {400, "", true, -1, "status 400 Bad Request"},
		"forbidden":               {403, "", true, -1, "does not accept"},
		"not found":               {404, "", true, -1, "nobody listens"},
		"time-out":                {408, "", false, -1, "status 408"},
		"gone":                    {410, "", true, -1, "gone for good"},
		"too many":                {429, "", false, -1, "status 429"},
		"too many, seconds":       {429, "7", false, 7 * time.Second, "status 429"},
		"too many, date":          {429, webtest.Now.Add(90 * time.Second).Format(http.TimeFormat), false, 90 * time.Second, "429"},
		"too many, date gone":     {429, webtest.Now.Add(-90 * time.Second).Format(http.TimeFormat), false, 0, "429"},
		"too many, for ever":      {429, "99999999999999999", false, time.Hour, "429"},
		"too many, date for ever": {503, "Fri, 31 Dec 9999 23:59:59 GMT", false, time.Hour, "503"},
		"too many, nonsense":      {429, "soon", false, -1, "429"},
		"too many, negative":      {429, "-5", false, -1, "429"},
		"unavailable":             {503, "12", false, 12 * time.Second, "503"},
		"broken":                  {500, "12", false, -1, "500"},
		"bad gateway":             {502, "", false, -1, "502"},
	} {
		t.Run(name, func(t *testing.T) {
			v := webtest.Serve(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
				if c.retryAfter != "" {
					w.Header().Set("Retry-After", c.retryAfter)
				}
				w.Header().Set("Location", "http://169.254.169.254/latest/meta-data")
				w.WriteHeader(c.status)
				fmt.Fprint(w, echo(r))
			})
			answer, err := post(v.Web, v.URL+path)
			if answer.Status != c.status {
				t.Errorf("status %d", answer.Status)
			}
			if c.says == "" {
				if err != nil {
					t.Errorf("error %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v, want one with %q", err, c.says)
			}
			if notify.IsPermanent(err) != c.permanent {
				t.Errorf("permanent: %v: %v", notify.IsPermanent(err), err)
			}
			pause, asked := notify.RetryAfter(err)
			if asked != (c.pause >= 0) || asked && pause != c.pause {
				t.Errorf("pause %v, %v", pause, asked)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, err), "canary") || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("shows too much: %q", err)
			}
			if calls := v.Calls(); len(calls) != 1 || calls[0].Path != path {
				t.Errorf("calls: %v", calls)
			}
		})
	}
}

// Whoever answers is there, but for those who say that nobody is.
func TestReach(t *testing.T) {
	for status, there := range map[int]bool{200: true, 302: true, 400: true, 401: true, 405: true, 404: true, 410: false, 500: false, 501: true, 503: false} {
		v := webtest.Serve(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
			if r.Method != http.MethodHead || len(body) > 0 {
				t.Errorf("%s with %d bytes", r.Method, len(body))
			}
			w.WriteHeader(status)
		})
		if err := v.Web.Reach(context.Background(), secret.New(v.URL+path)); (err == nil) != there || err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%d: %v", status, err)
		}
	}
	if err := web.Open(web.Options{}).Reach(context.Background(), secret.New("https://127.0.0.1:1/canary")); err == nil {
		t.Error("a private address was called")
	}
}

// Errors of the network show no more of the URL either.
func TestNoAnswer(t *testing.T) {
	gone := httptest.NewTLSServer(http.NotFoundHandler())
	client := webtest.Client(gone)
	gone.Close()
	strange := httptest.NewTLSServer(http.NotFoundHandler())
	defer strange.Close()
	strange.Config.ErrorLog = nil
	broken := webtest.Serve(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			fmt.Fprint(conn, "HTTP/1.1 abc "+r.URL.String()+"\r\n\r\n")
			conn.Close()
		}
	})
	public := web.Open(web.Options{})
	trusting := web.Open(web.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}) // the address, not the certificate
	for name, c := range map[string]struct {
		client    *web.Client
		url       string
		permanent bool
	}{
		"nobody listens":        {client, gone.URL, false},
		"unknown certificate":   {trusting, strange.URL, false},
		"no HTTP":               {broken.Web, broken.URL, false},
		"no such host":          {public, "https://canary.invalid", false},
		"private address":       {public, strange.URL, true},
		"name of a private one": {public, strings.Replace(strange.URL, "127.0.0.1", "localhost", 1), true},
		"http":                  {public, "http://example.com", true},
		"file":                  {public, "file:///etc/passwd", true},
		"gopher":                {public, "gopher://127.0.0.1", true},
		"user":                  {public, "https://user:canary@example.com", true},
		"no host":               {public, "https://", true},
		"no URL":                {public, "https://exa mple/%zz", true},
		"http where not named":  {client, "http://1.1.1.1", true},
	} {
		_, err := post(c.client, c.url+path)
		if err == nil || notify.IsPermanent(err) != c.permanent {
			t.Errorf("%s: %v (permanent %v)", name, err, notify.IsPermanent(err))
			continue
		}
		if text := strings.Replace(err.Error(), "canary.invalid", "", -1); strings.Contains(text, "canary") {
			t.Errorf("%s: shows too much: %v", name, err)
		}
	}
}

// The guard looks at the address that is dialled, in whatever way it was written.
func TestGuard(t *testing.T) {
	// FAULTS G14.
	for address, good := range map[string]bool{
		"1.1.1.1": true, "52.94.236.248": true, "2600:1f18::1": true, "64:ff9b::1.1.1.1": true, "::ffff:1.1.1.1": true,

		"127.0.0.1": false, "127.8.9.1": false, "10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false,
		"169.254.169.254": false, "169.254.170.2": false, "100.64.0.1": false, "100.100.100.200": false, "0.0.0.0": false, "0.1.2.3": false,
		"224.0.0.1": false, "255.255.255.255": false, "192.0.0.192": false, "198.18.0.1": false, "203.0.113.9": false,
		"::": false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false,
		"64:ff9b::169.254.169.254": false, "64:ff9b::10.0.0.1": false, "64:ff9b::ffff:a00:1": false, "64:ff9b:1::1.1.1.1": false, "2002:7f00:1::": false,
		"2001:0:7f00:1::": false, "fd00:ec2::254": false, "fc00::1": false, "fe80::1": false, "fe80::1%25eth0": false, "ff02::1": false, "2001:db8::1": false,
	} {
		host := address
		if strings.Contains(address, ":") {
			host = "[" + address + "]"
		}
		err := web.Open(web.Options{}).Check(secret.New("https://" + host + "/"))
		if (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
	}
	allowed := web.Open(web.Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}})
	for to, good := range map[string]bool{
		"https://10.1.2.3/": true, "http://10.1.2.3/": true, "https://[::ffff:10.1.2.3]/": true, "https://10.2.0.1/": false, "http://1.1.1.1/": false, "https://1.1.1.1/": true,
	} {
		if err := allowed.Check(secret.New(to)); (err == nil) != good {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// Ways to write 127.0.0.1 that only a resolver understands end at the guard, or nowhere.
func TestOddHosts(t *testing.T) {
	for _, host := range []string{"0x7f.1", "2130706433", "0177.0.0.1", "127.1", "localhost", "localhost.", "LOCALHOST", "[::1]", "①②⑦.0.0.1"} {
		if _, err := post(web.Open(web.Options{}), "https://"+host+":1/"); err == nil {
			t.Errorf("%s was called", host)
		} else if _, refused := errors.AsType[*web.Refused](err); !refused && strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s was dialled: %v", host, err)
		}
	}
}

// A hostile answer costs little memory, and no more time than a call has.
func TestHostileAnswers(t *testing.T) {
	// FAULTS G15.
	stop := make(chan struct{})
	defer close(stop)
	flood := webtest.Serve(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		switch r.URL.Path {
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(strings.Repeat("x", 1<<16))); err != nil {
					return
				}
			}
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 100 {
				_, _ = z.Write(make([]byte, 1<<20))
			}
			z.Close()
		case "/header":
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		case "/slow":
			select {
			case <-stop:
			case <-r.Context().Done():
			}
		}
	})
	for path, wrong := range map[string]bool{"/endless": false, "/bomb": false, "/header": true} {
		answer, err := flood.Web.Post(context.Background(), secret.New(flood.URL+path), nil, nil)
		if len(answer.Body) > 64<<10 {
			t.Errorf("%s: read %d bytes", path, len(answer.Body))
		}
		if (err != nil) != wrong || notify.IsPermanent(err) {
			t.Errorf("%s: %v", path, err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), 50*time.Millisecond, errors.New("the run ends"))
	defer cancel()
	if _, err := flood.Web.Post(ctx, secret.New(flood.URL+"/slow"), nil, nil); err == nil || notify.IsPermanent(err) || !strings.Contains(err.Error(), "the run ends") {
		t.Errorf("slow: %v", err)
	}
}

// The environment's proxy is not asked; a configured one is.
func TestProxy(t *testing.T) {
	proxied := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied++
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("ALL_PROXY", proxy.URL)
	v := webtest.Serve(t, func(http.ResponseWriter, *http.Request, []byte) {})
	if _, err := post(v.Web, v.URL); err != nil || proxied > 0 {
		t.Errorf("%v; %d calls of the environment's proxy", err, proxied)
	}
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := post(web.Open(web.Options{Proxy: u}), "https://example.com/canary"); err == nil || proxied != 1 {
		t.Errorf("%v; %d calls of the configured proxy", err, proxied)
	}
	if _, err := post(web.Open(web.Options{Proxy: u}), "https://169.254.169.254/"); err == nil || proxied != 1 {
		t.Errorf("metadata through the proxy: %v; %d calls", err, proxied)
	}
}
