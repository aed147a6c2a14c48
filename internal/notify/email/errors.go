package email

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"net/textproto"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/trailwarden/trailwarden/internal/notify"
)

// SendError is a message that somebody did not get. Its text holds no more of the server's words than is fit to be shown.
type SendError struct {
	Server string
	Who    []string // who was not told; empty when nobody was
	Code   int      // SMTP's reply code; 0 when no answer came
	Hint   string   // what a person can do about it; may be empty
	Err    error
}

func (e *SendError) Error() string {
	who := ""
	if len(e.Who) > 0 {
		who = " to " + strings.Join(e.Who, ", ")
	}
	text := fmt.Sprintf("send e-mail%s by %s: %s", who, notify.Plain(e.Server, 200), notify.Plain(e.Err.Error(), 600))
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *SendError) Unwrap() error { return e.Err }

// failure makes one error of all: nil when there is none. Who is empty where no session began.
func (c *Channel) failure(ctx context.Context, who []*mail.Address, errs ...error) error {
	if len(errs) == 0 {
		return nil
	}
	failed := &SendError{Server: c.Server, Err: errors.Join(errs...)}
	for _, a := range who {
		failed.Who = append(failed.Who, notify.Plain(a.Address, 200))
	}
	again := false // somebody is worth another try
	for _, err := range errs {
		code, hint, permanent := judge(err)
		if failed.Code == 0 || permanent && !again {
			failed.Code, failed.Hint = code, hint
		}
		if !permanent {
			again = true
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		failed.Err, failed.Hint, again = cause, "", true
	}
	if again {
		return failed
	}
	return notify.Permanent(failed)
}

// judge tells what will come again until a person has changed something.
func judge(err error) (code int, hint string, permanent bool) {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return 0, certificate, true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return 0, certificate, true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return 0, certificate, true
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		code = reply.Code
	}
	if send, ok := errors.AsType[*gomail.SendError](err); ok {
		code = send.ErrorCode()
	}
	switch {
	case code == 0 && strings.HasPrefix(err.Error(), "STARTTLS mode set to"): // go-mail's own words; a server's come with a code
		return code, "the server offers no STARTTLS, or somebody in between took the offer away: nothing is sent in clear; " +
			"use port 465, or another server", true
	case code == 535 || code == 534 || code == 530:
		return code, "the server does not take name and password: see notify.email.username and notify.email.password", true
	case code == 550 || code == 551 || code == 553 || code == 554:
		return code, "the server refuses the recipient, the sender or the message: see its own words above", true
	case code >= 500:
		return code, "the server refuses this for good: see its own words above", true
	case code >= 400:
		return code, "the server asks to try again later", false
	}
	return 0, "", false
}

const certificate = "the server's certificate is not good for this name: see notify.email.smtp, and who is in between"
