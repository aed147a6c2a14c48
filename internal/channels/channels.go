// Package channels opens the channels that the configuration names: it knows which settings make which channel, reads
// their secrets when they are first needed, and keeps one that cannot be opened from costing the others.
//
// A secret may be kept where reading it takes seconds (Secrets Manager, Parameter Store). It is read at the first
// message, which is after the repair, and once more when the receiver refuses a message for good: it may have been changed.
package channels

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/web"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// Names lists every channel by its name, in the order in which they are told.
var Names = config.Channels

// Options are what channels are made of.
type Options struct {
	Config config.Config
	AWS    aws.Config
	Vault  secret.Vault  // reads what AWS keeps; nil where secrets stand in files and the environment only
	Memory notify.Memory // what was told before; may be nil
	// Account says which account the credentials belong to; it is asked at the first message that wants to know.
	Account  func(context.Context) (string, error)
	Version  string
	Location *time.Location // local time in messages, besides UTC; nil for none
	Now      func() time.Time
	Output   io.Writer // where channel stdout writes; nil where a verb writes its own data there: then there is no such channel
	Heavy    Heavy
	// Visiting says that the credentials are not those of who tells: what they may not read says nothing of a channel.
	Visiting bool
}

// Heavy opens the channels that drag what the Lambda function is not to carry. One that is nil is absent.
type Heavy struct {
	Email    func(o Options, password secret.Value) (Teller, error)
	Shoutrrr func(o Options, url secret.Value) (Teller, error)
}

// Teller is a channel that is open: all of them can be told, and can show what they would send.
type Teller interface {
	notify.Notifier
	Render(incident.Incident) ([]byte, error)
}

// Configured lists the names of the channels that are on, in the order of Names.
func Configured(cfg config.Config) (names []string) {
	for _, name := range Names {
		if rowOf(name).on(cfg) {
			names = append(names, name)
		}
	}
	return names
}

// Open makes the channels that are configured, without calling anybody. A channel with a mistake in its settings is
// among them all the same: it fails with every message, so that the others tell of it. The error says what is wrong now.
func Open(o Options) ([]notify.Channel, error) {
	shared := o.shared()
	var all []notify.Channel
	var errs []error
	for _, name := range Configured(o.Config) {
		r := rowOf(name)
		if name == "stdout" && o.Output == nil {
			continue
		}
		if name == "email" && o.Heavy.Email == nil || name == "shoutrrr" && o.Heavy.Shoutrrr == nil {
			absent := notify.Absent{Channel: name, Why: r.heavy}
			all = append(all, notify.Channel{Name: name, Notifier: absent})
			errs = append(errs, fmt.Errorf("channel %s: it is not part of this program, and the others will tell of it with the first message", name))
			continue
		}
		c := &Channel{name: name, row: r, shared: shared}
		if err := c.Check(); err != nil {
			errs = append(errs, fmt.Errorf("channel %s: %w", name, err))
		}
		all = append(all, notify.Channel{Name: name, Notifier: c})
	}
	return all, errors.Join(errs...)
}

// shared is what all channels of one program have in common.
type shared struct {
	Options
	web *web.Client
	err error // why web cannot be used
}

func (o Options) shared() *shared {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &shared{Options: o}
	w := web.Options{Version: o.Version, Now: o.Now}
	for _, text := range o.Config.Notify.AllowAddresses {
		p, err := prefix(text)
		if err != nil {
			s.err = fmt.Errorf("notify.allow_addresses: %w", err)
		}
		w.Allow = append(w.Allow, p)
	}
	if proxy := o.Config.Notify.Proxy; proxy != "" {
		var err error
		if w.Proxy, err = url.Parse(proxy); err != nil {
			s.err = errors.New("notify.proxy cannot be read as a URL")
		}
	}
	s.web = web.Open(w)
	return s
}

// prefix reads an address or a range of them.
func prefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

// offline reads those secrets that need nobody else: what stands in the environment, and files. For the others it takes
// what looks like one, so that everything else can be checked and shown. A file that is missing here may be there where
// trailwarden runs.
func offline(r row, cfg config.Config) (values []secret.Value, err error) {
	for i, ref := range r.refs(cfg) {
		v, known := ref.Here()
		if !known && strings.HasPrefix(ref.String(), secret.InFile+":") {
			if v, err = ref.Resolve(context.Background(), nil); err != nil && !missing(err) {
				return nil, err
			}
		}
		if v.Empty() && !ref.Empty() {
			v = secret.New(r.like[i])
		}
		values = append(values, v)
	}
	return values, nil
}
