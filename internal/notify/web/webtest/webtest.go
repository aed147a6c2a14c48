// Package webtest gives tests a vendor on 127.0.0.1 that speaks TLS, and a client that may call it.
package webtest

import (
	"bytes"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/notify/web"
)

// Now is the time of clients and vendors.
var Now = time.Date(2026, 11, 23, 23, 5, 0, 0, time.UTC)

// Call is one request that the vendor got.
type Call struct {
	Path   string // with the query
	Header http.Header
	Body   []byte
}

// Vendor is a server that notes what it is sent.
type Vendor struct {
	URL string
	Web *web.Client

	mu    sync.Mutex
	calls []Call
}

// Serve starts a vendor that answers as handle says. The body was read, and can be read again.
func Serve(t testing.TB, handle func(w http.ResponseWriter, r *http.Request, body []byte)) *Vendor {
	t.Helper()
	v := &Vendor{}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		v.mu.Lock()
		v.calls = append(v.calls, Call{r.URL.RequestURI(), r.Header.Clone(), body})
		v.mu.Unlock()
		handle(w, r, body)
	}))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	v.URL, v.Web = s.URL, Client(s)
	return v
}

// Client may call a server on 127.0.0.1, whose certificate it trusts.
func Client(s *httptest.Server) *web.Client {
	o := web.Options{
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Version: "test", Now: func() time.Time { return Now },
	}
	if cert := s.Certificate(); cert != nil {
		o.Roots = x509.NewCertPool()
		o.Roots.AddCert(cert)
	}
	return web.Open(o)
}

// Calls lists what the vendor got since the last time.
func (v *Vendor) Calls() []Call {
	v.mu.Lock()
	defer v.mu.Unlock()
	calls := v.calls
	v.calls = nil
	return calls
}
