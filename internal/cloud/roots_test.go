package cloud

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{"US"}, Organization: []string{name}, CommonName: name + " Root CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// serve is a server whose certificate the authority signed, for an address and until a time.
func (a authority) serve(t *testing.T, address string, until time.Time) *httptest.Server {
	t.Helper()
	form := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, IPAddresses: []net.IP{net.ParseIP(address)}}
	der, err := x509.CreateCertificate(rand.Reader, form, a.cert, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: a.key}}}
	s.EnableHTTP2, s.Config.ErrorLog = true, log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// TestTrust: the function believes exactly those whom it would believe with all roots read at once.
func TestTrust(t *testing.T) {
	amazon, other, extra, stranger := newAuthority(t, "Amazon"), newAuthority(t, "Somebody"), newAuthority(t, "Ourselves"), newAuthority(t, "Mallory")
	folder := t.TempDir()
	for name, text := range map[string][]byte{
		"roots": bytes.Join([][]byte{[]byte("# Somebody\n"), other.pem(), []byte("# Amazon\r\n"), bytes.ReplaceAll(amazon.pem(), []byte("\n"), []byte("\r\n"))}, nil),
		"more":  extra.pem(),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SSL_CERT_FILE", filepath.Join(folder, "roots"))
	t.Setenv("AWS_CA_BUNDLE", filepath.Join(folder, "more"))
	later := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		server  *httptest.Server
		trusted bool
	}{
		"AWS":                   {amazon.serve(t, "127.0.0.1", later), true},
		"another of the bundle": {other.serve(t, "127.0.0.1", later), true},
		"a proxy of one's own":  {extra.serve(t, "127.0.0.1", later), true},
		"a stranger":            {stranger.serve(t, "127.0.0.1", later), false},
		"for another host":      {amazon.serve(t, "127.0.0.2", later), false},
		"expired":               {amazon.serve(t, "127.0.0.1", time.Now().Add(-time.Hour)), false},
	} {
		for _, region := range []string{"eu-central-1", "us-gov-west-1", "cn-north-1"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := FromEnv(region).HTTPClient.Do(req)
			if err == nil {
				proto, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if string(proto) != "HTTP/2.0" {
					t.Errorf("%s: %s", name, proto)
				}
			}
			_, refused := errors.AsType[*tls.CertificateVerificationError](err)
			if (err == nil) != c.trusted || err != nil && !refused {
				t.Errorf("%s in %s: %v", name, region, err)
			}
		}
	}
}

// TestAmazonsRoots: those that AWS's certificates come from are found in the system's own bundle, and few others.
func TestAmazonsRoots(t *testing.T) {
	text := bundle()
	if text == nil {
		t.Skip("NOT PROVEN HERE: that AWS's roots are found in the system's bundle, for none is installed")
	}
	want := x509.NewCertPool()
	names := 0
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		if name := cert.Subject.String(); strings.Contains(name, "Amazon") || strings.Contains(name, "Starfield") {
			want.AddCert(cert)
			names++
		}
	}
	if names < 5 {
		t.Skip("NOT PROVEN HERE: that AWS's roots are found in the system's bundle, for it does not hold them")
	}
	if !amazons(text).Equal(want) {
		t.Errorf("the roots that are found by their beginnings are not the %d that have those names", names)
	}
	for _, broken := range []string{"", string(begin), string(begin) + "\nAmazon", string(begin) + "\n%%%\n" + string(end), string(text[:len(text)/2])} {
		amazons([]byte(broken)) // no panic
	}
}

// TestHandshakeEnds: a server that opens a connection and says nothing keeps nobody waiting.
func TestHandshakeEnds(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	d := &dialer{few: func() *x509.CertPool { return x509.NewCertPool() }, all: func() *x509.CertPool { return nil }}
	if _, err := d.dial(ctx, "tcp", silent.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
