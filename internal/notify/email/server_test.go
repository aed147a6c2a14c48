package email

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a mail server that follows a script.
type server struct {
	t        *testing.T
	starttls bool
	implicit bool
	login    string // base64 of what AUTH PLAIN has to bring; empty for a server that asks for none
	replies  map[string][]string
	address  string
	config   *tls.Config
	roots    *x509.CertPool

	mu   sync.Mutex
	got  []delivery
	said []string // commands, in order
}

// delivery is a message that the server took, and for whom.
type delivery struct {
	from, to string
	secure   bool
	raw      []byte
}

// certificate makes a certificate for a name, and the roots that trust it.
func certificatePair(t *testing.T, name string, until time.Time) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// start lets the server listen on loopback, with a certificate for mail.example.org.
func (s *server) start(t *testing.T) *server {
	t.Helper()
	s.t = t
	if s.config == nil {
		certificate, key := certificatePair(t, "mail.example.org", time.Now().Add(time.Hour))
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			t.Fatal(err)
		}
		s.config = &tls.Config{Certificates: []tls.Certificate{pair}}
		s.roots = x509.NewCertPool()
		s.roots.AppendCertsFromPEM(certificate)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.session(conn) })
		}
	})
	return s
}

// channel is a channel to the server, under the name of mail.example.org.
func (s *server) channel(change func(*Options)) *Channel {
	s.t.Helper()
	o := options()
	o.TLS = &tls.Config{RootCAs: s.roots}
	if s.implicit {
		o.Server = "mail.example.org:465"
	}
	if change != nil {
		change(&o)
	}
	c := open(s.t, o)
	c.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.address)
	}
	return c
}

// reply is what the script has for a command, "" for the usual answer.
func (s *server) reply(line string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, line)
	for command, list := range s.replies {
		if strings.HasPrefix(strings.ToUpper(line), strings.ToUpper(command)) && len(list) > 0 {
			s.replies[command] = list[1:]
			return list[0]
		}
	}
	return ""
}

func (s *server) session(conn net.Conn) {
	defer func() { conn.Close() }()
	secure := s.implicit
	if s.implicit {
		conn = tls.Server(conn, s.config)
	}
	r := textproto.NewReader(bufio.NewReader(conn))
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	if greeting := s.reply("CONNECT"); greeting != "" {
		say("%s", greeting)
		return
	}
	say("220 mail.example.org ESMTP")
	var d delivery
	for {
		line, err := r.ReadLine()
		if err != nil {
			return
		}
		if answer := s.reply(line); answer != "" {
			say("%s", answer)
			continue
		}
		switch command := strings.ToUpper(strings.Fields(line + " ")[0]); command {
		case "EHLO":
			say("250-mail.example.org")
			if s.starttls && !secure {
				say("250-STARTTLS")
			}
			if s.login != "" && secure {
				say("250-AUTH PLAIN LOGIN")
			}
			say("250-ENHANCEDSTATUSCODES")
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 2.0.0 go ahead")
			conn, secure = tls.Server(conn, s.config), true
			r = textproto.NewReader(bufio.NewReader(conn))
		case "AUTH":
			if !strings.HasSuffix(line, " "+s.login) {
				say("535 5.7.8 authentication failed")
				continue
			}
			say("235 2.7.0 welcome")
		case "MAIL":
			d = delivery{from: line, secure: secure}
			say("250 2.1.0 ok")
		case "RCPT":
			d.to += strings.Trim(strings.SplitN(line, ":", 2)[1], "<> ")
			say("250 2.1.5 ok")
		case "DATA":
			say("354 go on")
			if d.raw, err = io.ReadAll(r.DotReader()); err != nil {
				return
			}
			if answer := s.reply("MESSAGE"); answer != "" {
				say("%s", answer)
				continue
			}
			s.mu.Lock()
			s.got = append(s.got, d)
			s.mu.Unlock()
			say("250 2.0.0 queued")
		case "RSET", "NOOP":
			say("250 2.0.0 ok")
		case "QUIT":
			say("221 2.0.0 bye")
			return
		default:
			say("500 5.5.1 what?")
		}
	}
}

func plain(name, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + name + "\x00" + password))
}

// told lists for whom the server took messages.
func (s *server) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{}
	for _, d := range s.got {
		out = append(out, d.to)
	}
	return out
}
