package channels

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/cloud/vault"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// again is how often the secrets of a channel that is refused are read anew, at most.
const again = time.Minute

// Channel is one that is configured. It is opened with its secrets at the first message. It is safe for use by several goroutines.
type Channel struct {
	name   string
	row    row
	shared *shared

	mu      sync.Mutex
	teller  Teller // nil before the first message
	secrets []secret.Value
	read    time.Time // when the secrets were read last
}

var _ Teller = (*Channel)(nil)

// The engine asks those of its channels that can be asked.
var _ interface {
	Probe(context.Context) notify.Verdict
} = (*Channel)(nil)

// Check says what is wrong with the settings, without calling anybody. Secrets that AWS keeps are not looked at.
func (c *Channel) Check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.teller != nil {
		return nil
	}
	t, err := c.stand()
	if err == nil && len(c.row.refs(c.shared.Config)) == 0 && !c.row.account {
		c.teller = t // nothing is to be read later
	}
	return err
}

// stand opens the channel with what of its secrets is at hand.
func (c *Channel) stand() (Teller, error) {
	values, err := offline(c.row, c.shared.Config)
	if err != nil {
		return nil, err
	}
	account := "111122223333"
	if len(c.shared.Config.Accounts) > 0 {
		account = c.shared.Config.Accounts[0]
	}
	return c.with(values, account)
}

func (c *Channel) with(values []secret.Value, account string) (Teller, error) {
	if c.shared.err != nil {
		return nil, c.shared.err
	}
	return c.row.open(settings{c.shared, values, account})
}

// Render gives the message as it is sent, without calling anybody and without secrets.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	t, err := c.stand()
	if err != nil {
		return nil, err
	}
	return t.Render(inc)
}

// Notify tells of the incident.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	t, err := c.opened(ctx)
	if err != nil {
		return err
	}
	err = t.Notify(ctx, inc)
	if !notify.IsPermanent(err) {
		return err
	}
	// What a secret opens may have been locked anew: services say so each in its own way, and some by "not found".
	if t = c.reopened(ctx); t == nil {
		return err
	}
	return t.Notify(ctx, inc)
}

// opened is the channel with its secrets.
func (c *Channel) opened(ctx context.Context) (Teller, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.teller != nil {
		return c.teller, nil
	}
	values, err := c.resolve(ctx)
	if err != nil {
		return nil, err
	}
	account := ""
	if c.row.account {
		if account, err = c.shared.Account(ctx); err != nil {
			return nil, fmt.Errorf("open channel %s: find out the account: %w", c.name, err)
		}
	}
	t, err := c.with(values, account)
	if err != nil {
		return nil, notify.Permanent(fmt.Errorf("open channel %s: %w", c.name, err))
	}
	c.teller, c.secrets = t, values
	return t, nil
}

// reopened is the channel with secrets that were changed; nil when they were not.
func (c *Channel) reopened(ctx context.Context) Teller {
	kept := func(r secret.Ref) bool {
		_, here := r.Here()
		return !here && !r.Empty()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.ContainsFunc(c.row.refs(c.shared.Config), kept) || c.shared.Now().Sub(c.read) < again {
		return nil
	}
	values, err := c.resolve(ctx)
	if err != nil || slices.EqualFunc(values, c.secrets, secret.Value.Equal) {
		return nil
	}
	t, err := c.with(values, "")
	if err != nil {
		return nil
	}
	c.teller, c.secrets = t, values
	return t
}

// resolve reads the secrets. An error that only a person can mend is permanent.
func (c *Channel) resolve(ctx context.Context) (values []secret.Value, err error) {
	c.read = c.shared.Now()
	for _, ref := range c.row.refs(c.shared.Config) {
		v, err := ref.Resolve(ctx, c.shared.Vault)
		if err == nil {
			values = append(values, v)
			continue
		}
		err = fmt.Errorf("open channel %s: %w", c.name, err)
		refused, isRefused := errors.AsType[*vault.Error](err)
		if isRefused && refused.Hint != "" || strings.HasPrefix(ref.String(), secret.InFile+":") || errors.Is(err, fs.ErrNotExist) {
			err = notify.Permanent(err)
		}
		return nil, err
	}
	return values, nil
}

// Render gives what a channel would send about an incident, without calling anybody. A channel that is not configured is shown with
// the examples of its keys.
func Render(o Options, name string, inc incident.Incident) ([]byte, error) {
	r := rowOf(name)
	if !r.on(o.Config) {
		o.Config = shown(o.Config, name)
	}
	return (&Channel{name: name, row: r, shared: o.shared()}).Render(inc)
}

// shown is a configuration with the examples of a channel's keys.
func shown(cfg config.Config, name string) config.Config {
	var layer config.Layer
	for _, k := range config.Keys {
		of := strings.HasPrefix(k.Name, "notify."+name+".") || k.Name == "notify."+name || name == "sns" && k.Name == "sns.topic_arn"
		if !of || k.Name == "notify.slack.webhook_url" || k.Name == "notify.alertmanager.bearer_token" {
			continue
		}
		text := k.Example
		if k.Name == "notify.shoutrrr.url" {
			text = "discord://token@1"
		}
		if data, problem := k.Parse(text); problem == nil {
			layer.Values = append(layer.Values, config.Value{Key: k, Data: data})
		}
	}
	example, err := config.Load(layer)
	if err != nil {
		return cfg
	}
	example.Compat, example.Accounts, example.Notify.AllowAddresses, example.Notify.Proxy = cfg.Compat, cfg.Accounts, nil, ""
	return example
}
