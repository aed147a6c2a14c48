// Package web is how channels speak HTTPS to a vendor: one client that dials public addresses only, follows no
// redirect, reads no proxy from the environment, bounds time and size of every answer, and tells which failures are
// worth another try. Webhook URLs are secrets: no error of it holds more of one than its host.
package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// Limits of one call.
const (
	Timeout   = 10 * time.Second // all in all, answer included
	maxAnswer = 64 << 10         // bytes of an answer's body that are read
	maxHeader = 32 << 10         // bytes of an answer's header
)

// Options say where a client may go.
type Options struct {
	Allow   []netip.Prefix   // addresses that may be called although they are not public, and by plain http
	Proxy   *url.URL         // nil for none; a proxy resolves names itself, so that Allow cannot hold behind it
	Roots   *x509.CertPool   // nil for the system's
	Version string           // of trailwarden, for the User-Agent
	Now     func() time.Time // nil for time.Now
}

// Client calls vendors. It is safe for use by several goroutines.
type Client struct {
	options     Options
	https, http *http.Client
}

// Open makes a client.
func Open(o Options) *Client {
	if o.Now == nil {
		o.Now = time.Now
	}
	// By http go only those addresses that were named: everybody on the way could read the message.
	return &Client{options: o, https: o.client(guard{allow: o.Allow}), http: o.client(guard{allow: o.Allow, only: true})}
}

func (o Options) client(g guard) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: g.control}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  Timeout,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        20 * time.Second,
		DisableCompression:     true, // what nobody asks for cannot be a bomb
		ForceAttemptHTTP2:      true,
	}
	if o.Proxy != nil {
		t.Proxy = http.ProxyURL(o.Proxy)
		t.DialContext = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Answer is what a vendor said. Body is cut at maxAnswer.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Post sends body to a URL as JSON, and gives the answer when its status is 2xx. Else the error is an *Error with the
// answer in it, marked by notify.Permanent when a person has to change something, and by notify.After when the
// receiver asked to wait. Neither header nor what is in hide, such as a key in the body, is ever shown.
func (c *Client) Post(ctx context.Context, to secret.Value, header http.Header, body []byte, hide ...secret.Value) (Answer, error) {
	return c.call(ctx, http.MethodPost, to, header, body, hide)
}

// Get reads a URL, as Post does.
func (c *Client) Get(ctx context.Context, to secret.Value, header http.Header, hide ...secret.Value) (Answer, error) {
	return c.call(ctx, http.MethodGet, to, header, nil, hide)
}

// Reach says whether somebody answers at a URL, and sends nothing: any answer will do but one that says that nobody listens
// there for good, or a server in trouble. A webhook answers no more than that to a question: many that only take POST answer 404 or 501 to HEAD.
func (c *Client) Reach(ctx context.Context, to secret.Value) error {
	a, err := c.call(ctx, http.MethodHead, to, nil, nil, nil)
	if err != nil && a.Status != 0 && a.Status != http.StatusGone && (a.Status < 500 || a.Status == http.StatusNotImplemented) {
		return nil
	}
	return err
}

func (c *Client) call(ctx context.Context, method string, to secret.Value, header http.Header, body []byte, hide []secret.Value) (Answer, error) {
	u, err := url.Parse(to.Reveal())
	if err != nil {
		return Answer{}, notify.Permanent(&Error{Host: "?", Err: errors.New("the URL cannot be read")})
	}
	if err := c.checkURL(u); err != nil {
		return Answer{}, notify.Permanent(&Error{Host: u.Hostname(), Err: err})
	}
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, errNoAnswer)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return Answer{}, notify.Permanent(&Error{Host: u.Hostname(), Err: errors.New("the URL cannot be used")})
	}
	req.Header.Set("User-Agent", strings.TrimSuffix("trailwarden/"+c.options.Version, "/"))
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	unseen := hidden(u, header)
	for _, v := range hide {
		if !v.Empty() {
			unseen = append(unseen, v.Reveal())
		}
	}
	client := c.https
	if u.Scheme == "http" {
		client = c.http
	}
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, failure(ctx, u, unseen, err)
	}
	defer resp.Body.Close()
	answer := Answer{Status: resp.StatusCode, Header: resp.Header}
	answer.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil && resp.StatusCode/100 == 2 && len(answer.Body) == 0 {
		// Whether it was taken is not known. Sent again it has the same id.
		return answer, failure(ctx, u, unseen, err)
	}
	if resp.StatusCode/100 == 2 {
		return answer, nil
	}
	return answer, c.refusal(u, unseen, answer)
}

var errNoAnswer = fmt.Errorf("no answer within %v", Timeout)

// Check says what is wrong with a URL that messages are to be sent to, without calling it. Its error holds nothing of it
// but the host.
func (c *Client) Check(to secret.Value) error {
	u, err := url.Parse(to.Reveal())
	if err != nil {
		return errors.New("the URL cannot be read")
	}
	return c.checkURL(u)
}

func (c *Client) checkURL(u *url.URL) error {
	switch {
	case u.Scheme == "http" && len(c.options.Allow) == 0:
		return errors.New("the URL begins with http://, which is for addresses in notify.allow_addresses only: use https://")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the URL does not begin with https://")
	case u.Hostname() == "":
		return errors.New("the URL has no host")
	case u.User != nil:
		return errors.New("the URL has a user in it, which belongs into a header")
	}
	// Behind a proxy nobody dials the address here.
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return guard{allow: c.options.Allow, only: u.Scheme == "http"}.check(ip)
	}
	return nil
}
