package cloud

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// handshake is how long opening a TLS connection may take, from its first packet on.
const handshake = 5 * time.Second

// HTTP is a client that keeps nobody waiting. Roots nil are the system's own.
func HTTP(roots *x509.CertPool) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithTimeout(30 * time.Second).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
			t.TLSHandshakeTimeout = handshake
			t.ResponseHeaderTimeout = 10 * time.Second
		})
}

// bundles are where systems keep all certificate roots in one file. Go by itself reads every file of the
// certificate folder too, which is the largest single cost of a cold start.
var bundles = []string{
	"/etc/pki/tls/certs/ca-bundle.crt", // Amazon Linux
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/ssl/cert.pem",
}

// bundle is the text of all certificate roots; nil where none is found.
func bundle() []byte {
	files := bundles
	if named := os.Getenv("SSL_CERT_FILE"); named != "" {
		files = []string{named}
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, begin) {
			return text
		}
	}
	return nil
}

// Roots loads the certificate roots from one bundle, and adds those of another file where one is named, as AWS_CA_BUNDLE does; nil,
// which means the system's own way, where nothing is found.
func Roots(more string) *x509.CertPool {
	pool := x509.NewCertPool()
	found := pool.AppendCertsFromPEM(bundle())
	if more != "" {
		if text, err := os.ReadFile(more); err == nil && pool.AppendCertsFromPEM(text) {
			found = true
		}
	}
	if !found {
		return nil
	}
	return pool
}

// likely is HTTP with all roots, of which it reads no more than it needs: to parse all of them takes a cold start milliseconds. A
// connection is opened with those roots that AWS's certificates come from, and when they do not fit, once more with all.
func likely(all func() *x509.CertPool) *awshttp.BuildableClient {
	if os.Getenv("HTTPS_PROXY")+os.Getenv("https_proxy") != "" {
		return HTTP(all()) // a connection by way of a proxy is opened by the transport itself
	}
	d := &dialer{few: sync.OnceValue(func() *x509.CertPool { return amazons(bundle()) }), all: sync.OnceValue(all)}
	return HTTP(nil).WithTransportOptions(func(t *http.Transport) { t.DialTLSContext = d.dial })
}

type dialer struct {
	few, all func() *x509.CertPool
	unfit    atomic.Bool // the few did not fit once: this is no usual AWS
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !d.unfit.Load() {
		if few := d.few(); few != nil {
			c, err := open(ctx, network, address, few)
			if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); !untrusted {
				return c, err
			}
			d.unfit.Store(true)
		}
	}
	return open(ctx, network, address, d.all())
}

func open(ctx context.Context, network, address string, roots *x509.CertPool) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	d := tls.Dialer{
		NetDialer: &net.Dialer{KeepAlive: 30 * time.Second},
		Config:    &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}},
	}
	return d.DialContext(ctx, network, address)
}

var begin, end = []byte("-----BEGIN CERTIFICATE-----"), []byte("-----END CERTIFICATE-----")

// amazons are those roots of a bundle that Amazon and Starfield, whose Amazon's are, have in their names; nil where there are none. Of
// the others only the beginnings are looked at, in which names stand.
func amazons(text []byte) *x509.CertPool {
	pool := x509.NewCertPool()
	found := false
	for {
		_, body, more := bytes.Cut(text, begin)
		if !more {
			break
		}
		length := bytes.Index(body, end)
		if length < 0 {
			break
		}
		if head := beginning(body[:length]); bytes.Contains(head, []byte("Amazon")) || bytes.Contains(head, []byte("Starfield")) {
			if block, _ := pem.Decode(text[len(text)-len(body)-len(begin):]); block != nil {
				found = pool.AppendCertsFromPEM(pem.EncodeToMemory(block)) || found
			}
		}
		text = body[length:]
	}
	if !found {
		return nil
	}
	return pool
}

// beginning decodes the first 600 characters of a certificate, some 450 bytes.
func beginning(body []byte) []byte {
	body = bytes.TrimSpace(body)
	head := make([]byte, 0, 600)
	for _, c := range body[:min(len(body), 640)] {
		if c != '\n' && c != '\r' && len(head) < cap(head) {
			head = append(head, c)
		}
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(head)))
	n, _ := base64.StdEncoding.Decode(out, head[:len(head)/4*4])
	return out[:n]
}
