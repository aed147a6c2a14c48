package email

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

// eximConfig is a mail server that asks for STARTTLS and a password, knows two users, and keeps mail in a Maildir.
const eximConfig = `
exim_path = %[1]s
spool_directory = %[2]s/spool
log_file_path = %[2]s/log-%%s
pid_file_path = %[2]s/pid
daemon_smtp_ports = %[3]d
local_interfaces = 127.0.0.1
primary_hostname = mail.example.org
domainlist local = example.org
tls_advertise_hosts = *
tls_certificate = %[2]s/cert.pem
tls_privatekey = %[2]s/key.pem
auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt
acl_smtp_data = data
host_lookup =
rfc1413_hosts =
keep_environment =
never_users =
queue_only = false
begin acl
mail:
  deny message = 5.7.0 use STARTTLS
       condition = ${if eq{$tls_in_cipher}{}}
  deny message = 5.7.1 log in
       !authenticated = *
  accept
rcpt:
  defer message = 4.2.0 greylisted
        recipients = grey@example.org
  deny message = 5.1.1 user unknown
       !recipients = security@example.org : ada@example.org
  accept
data:
  deny message = 5.6.0 bad header
       !verify = header_syntax
  accept
begin routers
local:
  driver = accept
  domains = +local
  local_parts = security : ada
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = %[2]s/mail/$local_part_data
  maildir_format
  create_directory
  user = %[4]s
  group = %[5]s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{tw}}{eq{$auth3}{%[6]s}}}}
  server_set_id = $auth2
`

// exim starts Debian's mail server on loopback, or skips the test where it is not installed. It gives the server's
// address, the roots that trust it, and the directory that mail gets to.
func exim(t *testing.T) (address string, roots *x509.CertPool, mail string) {
	t.Helper()
	program := ""
	for _, name := range []string{"exim4", "/usr/sbin/exim4", "exim", "/usr/sbin/exim"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("NOT PROVEN HERE: that a real mail server takes a message, for exim4 is not installed: apt-get install exim4-daemon-light")
	}
	if os.Getuid() != 0 {
		t.Skip("NOT PROVEN HERE: that a real mail server takes a message, for exim4 takes a configuration of the test's own from root only")
	}
	dir, err := os.MkdirTemp("", "trailwarden-exim")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	account, group := "", "" // never root: Debian's exim delivers nothing as root
	for _, name := range []string{"Debian-exim", "mail", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			account, group = u.Uid, u.Gid
			break
		}
	}
	if account == "" {
		t.Skip("NOT PROVEN HERE: that a real mail server takes a message, for there is no user to deliver mail as")
	}
	certificate, key := certificatePair(t, "mail.example.org", time.Now().Add(time.Hour))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	for _, name := range []string{"", "spool", "mail"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string][]byte{
		"cert.pem": certificate, "key.pem": key,
		"exim.conf": fmt.Appendf(nil, eximConfig, program, dir, port, account, group, password),
	} {
		mode := os.FileMode(0o644)
		if err := os.WriteFile(filepath.Join(dir, name), content, mode); err != nil {
			t.Fatal(err)
		}
	}
	var output bytes.Buffer
	daemon := exec.Command(program, "-C", filepath.Join(dir, "exim.conf"), "-bdf")
	daemon.Stdout, daemon.Stderr = &output, &output
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { daemon.Wait(); close(ended) }()
	t.Cleanup(func() {
		daemon.Process.Kill()
		<-ended
		if t.Failed() {
			for _, name := range []string{"log-main", "log-reject", "log-panic"} {
				log, _ := os.ReadFile(filepath.Join(dir, name))
				t.Logf("%s:\n%s", name, log)
			}
		}
	})
	address = fmt.Sprintf("127.0.0.1:%d", port)
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			break
		}
		select {
		case <-ended:
			t.Fatalf("exim4 ended:\n%s", output.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	return address, roots, filepath.Join(dir, "mail")
}

// TestExim sends a life by a real mail server, and reads in the Maildir what a person gets.
func TestExim(t *testing.T) {
	address, roots, dir := exim(t)
	s := &server{t: t, address: address, roots: roots}
	c := s.channel(func(o *Options) {
		o.To, o.Username, o.Password, o.Memory = []string{"security@example.org", "Ada <ada@example.org>"}, "tw", password, memory{}
	})
	life := notifytest.Life()
	subjects := map[string]bool{}
	for _, sample := range life {
		if err := c.Notify(t.Context(), sample.Incident); err != nil {
			t.Fatalf("%s: %v", sample.Name, err)
		}
		subjects[notify.Subject(sample.Incident)] = true
	}
	for _, who := range []string{"security", "ada"} {
		var files []string
		for deadline := time.Now().Add(20 * time.Second); len(files) < len(life) && time.Now().Before(deadline); {
			files, _ = filepath.Glob(filepath.Join(dir, who, "new", "*"))
			time.Sleep(20 * time.Millisecond) // exim delivers in a process of its own
		}
		if len(files) != len(life) {
			t.Fatalf("%s got %d of %d messages", who, len(files), len(life))
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			l := read(t, raw)
			if !subjects[l.header.Get("Subject")] || !strings.Contains(l.text, "org-trail") && !strings.Contains(l.text, "audit-2026") {
				t.Errorf("%s got %q:\n%s", who, l.header.Get("Subject"), l.text)
			}
			if err := checkHTML(l.html); err != nil {
				t.Errorf("%s: %v", who, err)
			}
			if got := l.header.Get("Received"); !strings.Contains(got, "esmtpsa") {
				t.Errorf("came neither over TLS nor after a password: %s", got)
			}
		}
	}
}

// TestEximRefuses: what a real server says no to, with its own codes.
func TestEximRefuses(t *testing.T) {
	address, roots, _ := exim(t)
	s := &server{t: t, address: address, roots: roots}
	for name, row := range map[string]struct {
		change    func(*Options)
		permanent bool
		says      string
	}{
		"greylisted":     {func(o *Options) { o.To = []string{"grey@example.org"} }, false, "greylisted"},
		"unknown user":   {func(o *Options) { o.To = []string{"nobody@example.org"} }, true, "user unknown"},
		"wrong password": {func(o *Options) { o.Password = "wrong-canary-password" }, true, "notify.email.password"},
		"not trusted":    {func(o *Options) { o.TLS = &tls.Config{RootCAs: x509.NewCertPool()} }, true, "certificate"},
	} {
		c := s.channel(func(o *Options) { o.Username, o.Password = "tw", password; row.change(o) })
		err := c.Notify(t.Context(), notifytest.Repaired())
		if err == nil || notify.IsPermanent(err) != row.permanent || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: permanent %v: %v", name, notify.IsPermanent(err), err)
		}
	}
}

// TestEximHostile: a real server finds no fault with the headers of any message.
func TestEximHostile(t *testing.T) {
	address, roots, _ := exim(t)
	s := &server{t: t, address: address, roots: roots}
	c := s.channel(func(o *Options) { o.Username, o.Password = "tw", password })
	for name, text := range notifytest.Hostile {
		if err := c.Notify(t.Context(), notifytest.Filled(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
