// Package heavy opens the channels that drag what the Lambda function is not to carry: e-mail, with html/template, and shoutrrr.
package heavy

import (
	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/notify/email"
	"github.com/trailwarden/trailwarden/internal/notify/shoutrrr"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// Channels are all of them.
func Channels() channels.Heavy {
	return channels.Heavy{Email: mail, Shoutrrr: service}
}

func mail(o channels.Options, password secret.Value) (channels.Teller, error) {
	m := o.Config.Notify.Email
	c, err := email.Open(email.Options{
		Server: m.SMTP, From: m.From, To: m.To, Username: m.Username, Password: password.Reveal(),
		Location: o.Location, Version: o.Version, Memory: o.Memory, Now: o.Now,
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

func service(o channels.Options, url secret.Value) (channels.Teller, error) {
	c, err := shoutrrr.Open(url)
	if err != nil {
		return nil, err
	}
	c.Location = o.Location
	return c, nil
}
