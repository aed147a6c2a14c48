// Package email tells of incidents by e-mail over SMTP, as plain text and as HTML. All messages of one incident are one
// thread, and a message that is sent twice has the same Message-ID, so that mail programs show it once.
//
// Nothing is sent in clear but to this machine itself: port 465 is TLS from the first byte, every other port has to
// offer STARTTLS. The package links html/template through go-mail, and so it is not in the Lambda function.
package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Timeout is how long telling may take, all recipients together.
const Timeout = 30 * time.Second

// TLSPort is the port on which TLS begins with the first byte.
const TLSPort = 465

// Options are what a channel is made of.
type Options struct {
	Server   string   // host:port
	From     string   // an address, perhaps with a name
	To       []string // the same; each gets a message of its own
	Username string   // empty for a server that asks for none
	Password string
	Location *time.Location // local time in the text, besides UTC; nil for none
	Version  string         // trailwarden's own

	Memory notify.Memory // which recipients have a message already, when it is sent again; may be nil
	Now    func() time.Time
	TLS    *tls.Config // roots and the like; nil is the machine's own
}

// Channel is a mail server and those who are told. It is safe for use by several goroutines.
type Channel struct {
	Options
	host   string
	port   int
	sender *mail.Address
	to     []*mail.Address
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

var _ notify.Notifier = (*Channel)(nil)

// Open makes a channel. It connects to nobody.
func Open(o Options) (*Channel, error) {
	c := &Channel{Options: o, dial: (&net.Dialer{}).DialContext}
	var err error
	if c.host, c.port, err = CheckServer(o.Server); err != nil {
		return nil, err
	}
	if c.sender, err = CheckAddress(o.From); err != nil {
		return nil, fmt.Errorf("open e-mail: notify.email.from: %w", err)
	}
	if len(o.To) == 0 {
		return nil, errors.New("open e-mail: nobody is to be told: set notify.email.to")
	}
	for _, text := range o.To {
		a, err := CheckAddress(text)
		if err != nil {
			return nil, fmt.Errorf("open e-mail: notify.email.to: %w", err)
		}
		c.to = append(c.to, a)
	}
	if (o.Username == "") != (o.Password == "") {
		return nil, errors.New("open e-mail: a name without a password, or a password without a name: set both notify.email.username and notify.email.password, or none")
	}
	return c, nil
}

// CheckServer reads host and port of a mail server. A host alone has port 587.
func CheckServer(server string) (host string, port int, err error) {
	wrong := func(why string) (string, int, error) {
		return "", 0, fmt.Errorf("check mail server: %q %s: it looks like mail.example.org:587", notify.Plain(server, 200), why)
	}
	host, digits := server, "587"
	if strings.Contains(server, ":") {
		if host, digits, err = net.SplitHostPort(server); err != nil {
			return wrong("is not host:port")
		}
	}
	port, err = strconv.Atoi(digits)
	switch {
	case err != nil || port < 1 || port > 65535:
		return wrong("has no port")
	case host == "":
		return wrong("has no host")
	case net.ParseIP(host) == nil && strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789.-") != "":
		return wrong("has a host that cannot be")
	}
	return host, port, nil
}

// CheckAddress reads one address. What it passes is fit for a header.
func CheckAddress(text string) (*mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no address such as security@example.org or Security <security@example.org>", notify.Plain(text, 200))
	}
	for _, r := range a.Address + a.Name {
		if r < ' ' || r == 0x7f || r > '~' && strings.ContainsRune(a.Address, r) {
			return nil, fmt.Errorf("%q has characters that no mail server takes everywhere", notify.Plain(text, 200))
		}
	}
	return a, nil
}

// Notify sends one message to each recipient. What one recipient's server refuses costs the others nothing; the error
// then names who was not told. It is permanent when nobody is worth another try.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, errNoAnswer)
	defer cancel()
	left := c.untold(ctx, inc)
	if len(left) == 0 {
		return nil
	}
	messages := make([]*gomail.Msg, len(left))
	for i, to := range left {
		m, err := c.message(inc, to)
		if err != nil {
			return notify.Permanent(fmt.Errorf("compose e-mail: %w", err))
		}
		messages[i] = m
	}
	client, session, end, err := c.connect(ctx)
	defer end()
	if err != nil {
		return c.failure(ctx, nil, err)
	}
	var failed, errs = []*mail.Address{}, []error{}
	for i, m := range messages {
		if err := client.SendWithSMTPClient(session, m); err != nil && !m.IsDelivered() {
			failed, errs = append(failed, left[i]), append(errs, err)
			continue
		}
		c.remember(ctx, inc, left[i])
	}
	_ = client.CloseWithSMTPClient(session) // all that matters has been answered
	return c.failure(ctx, failed, errs...)
}

// Probe connects to the mail server and logs in, and sends nothing.
func (c *Channel) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, errNoAnswer)
	defer cancel()
	client, session, end, err := c.connect(ctx)
	defer end()
	if err != nil {
		return c.failure(ctx, nil, err)
	}
	_ = client.CloseWithSMTPClient(session) // it has answered
	return nil
}

// connect connects to the mail server and logs in, for as long as ctx lasts. Whoever calls it ends it, whatever the error.
func (c *Channel) connect(ctx context.Context) (client *gomail.Client, session *smtp.Client, end func(), err error) {
	client, conn, err := c.client()
	if err != nil {
		return nil, nil, func() {}, err
	}
	stop := context.AfterFunc(ctx, conn.close)
	session, err = client.DialToSMTPClientWithContext(ctx)
	return client, session, func() { stop(); conn.close() }, err
}

var errNoAnswer = errors.New("no answer within " + Timeout.String())

// client makes a client of the server, and keeps hold of its connection.
func (c *Channel) client() (*gomail.Client, *held, error) {
	conn := &held{}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS != nil {
		config = c.TLS.Clone()
		config.MinVersion = tls.VersionTLS12
	}
	config.ServerName = c.host
	options := []gomail.Option{
		gomail.WithPort(c.port), gomail.WithTimeout(Timeout), gomail.WithTLSConfig(config), gomail.WithHELO(c.helo()), gomail.WithoutNoop(),
		gomail.WithoutSMTPUTF8(), // messages are ASCII: a server on the way that knows no other must not send them back
	}
	switch {
	case c.port == TLSPort:
		options = append(options, gomail.WithSSL())
	case loopback(c.host):
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	options = append(options, gomail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := c.dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn.hold(nc)
		if c.port != TLSPort {
			return nc, nil
		}
		secure := tls.Client(nc, config)
		return secure, secure.HandshakeContext(ctx)
	}))
	if c.Username != "" {
		options = append(options, gomail.WithUsername(c.Username), gomail.WithPassword(c.Password), gomail.WithOpportunisticSMTPAuth(
			gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5))
	}
	client, err := gomail.NewClient(c.host, options...)
	return client, conn, err
}

// helo is what we call ourselves: the sender's domain says more than the name of a container.
func (c *Channel) helo() string { return domain(c.sender) }

func domain(a *mail.Address) string { return a.Address[strings.LastIndexByte(a.Address, '@')+1:] }

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
