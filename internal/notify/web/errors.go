package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/notify"
)

// Error is a call that failed. Its text names the host, and nothing else of the URL.
type Error struct {
	Host   string
	Status int    // of the answer; 0 when none came
	Said   string // begin of the answer's body, fit to be shown
	Hint   string // what a person can do about it; may be empty
	Err    error  // why no answer came
}

func (e *Error) Error() string {
	text := "call " + notify.Plain(e.Host, 200) + ": "
	switch {
	case e.Err != nil:
		text += e.Err.Error()
	default:
		text += strings.TrimSpace(fmt.Sprintf("status %d %s", e.Status, http.StatusText(e.Status)))
		if e.Said != "" {
			text += fmt.Sprintf(": %q", e.Said)
		}
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// longest is the longest pause that a receiver can ask for: longer ones would silence a channel.
const longest = time.Hour

// refusal tells the kinds of answers apart by their status.
func (c *Client) refusal(u *url.URL, hide []string, a Answer) error {
	e := &Error{Host: u.Hostname(), Status: a.Status, Said: Shown(a.Body, hide...)}
	var err error = e
	switch {
	case a.Status == http.StatusTooManyRequests, a.Status == http.StatusServiceUnavailable:
		if pause, ok := Pause(a.Header, c.options.Now()); ok {
			err = notify.After(e, pause)
		}
	case a.Status == http.StatusRequestTimeout, a.Status == http.StatusTooEarly, a.Status >= 500:
	case a.Status/100 == 3:
		e.Hint = "redirects are not followed: configure the URL that it leads to"
		err = notify.Permanent(e)
	case a.Status == http.StatusGone:
		e.Hint = "the receiver says that it is gone for good: configure another URL"
		err = notify.Permanent(e)
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		e.Hint = "the receiver does not accept the key, token or URL: configure a new one"
		err = notify.Permanent(e)
	case a.Status == http.StatusNotFound:
		e.Hint = "nobody listens at this URL: configure another one"
		err = notify.Permanent(e)
	case a.Status/100 == 4:
		err = notify.Permanent(e)
	}
	return err
}

// Pause reads Retry-After: seconds or a date. It is false where there is none that can be read.
func Pause(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return min(longest, time.Duration(min(n, int64(longest/time.Second)))*time.Second), true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	return min(longest, max(0, at.Sub(now))), true
}

// failure is a call that got no answer.
func failure(ctx context.Context, u *url.URL, hide []string, err error) error {
	if refused, ok := errors.AsType[*Refused](err); ok {
		return notify.Permanent(&Error{Host: u.Hostname(), Err: refused})
	}
	if cause := context.Cause(ctx); cause != nil {
		return &Error{Host: u.Hostname(), Err: cause}
	}
	// The text of a url.Error begins with the URL.
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	return &Error{Host: u.Hostname(), Err: masked{Shown([]byte(err.Error()), hide...), err}}
}

// masked is an error whose text was cleaned.
type masked struct {
	text string
	err  error
}

func (m masked) Error() string { return m.text }
func (m masked) Unwrap() error { return m.err }

// Shown is the begin of what a server said, fit to be shown: without the given secrets, which it may have repeated.
func Shown(said []byte, hide ...string) string {
	text := string(said[:min(len(said), 4096)])
	for _, s := range hide {
		text = strings.ReplaceAll(text, s, "[redacted]")
	}
	return notify.Plain(strings.TrimSpace(text), 300)
}

// hidden lists what of a URL and of headers must not be shown: path and query as a whole and in pieces, and credentials.
func hidden(u *url.URL, header http.Header) []string {
	var out []string
	add := func(s string) {
		if len(s) >= 6 { // shorter ones are words
			out = append(out, s)
		}
	}
	add(u.String())
	add(u.RequestURI())
	add(u.RawQuery)
	for _, path := range []string{u.EscapedPath(), u.Path} {
		add(path)
		for piece := range strings.SplitSeq(path, "/") {
			add(piece)
		}
	}
	for _, values := range u.Query() {
		for _, v := range values {
			add(v)
			add(url.QueryEscape(v))
		}
	}
	for _, value := range header["Authorization"] {
		add(value)
		_, credential, _ := strings.Cut(value, " ")
		add(credential)
	}
	return out
}
