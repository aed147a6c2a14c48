package config

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/secret"
)

// Notify is how people are told, besides by SNS. A channel is on when its first key is set.
type Notify struct {
	Email       Email
	SecurityHub bool
	EventBridge EventBridge
	AmazonQ     AmazonQ
	Stdout      string // "", "json" or "ocsf"
	Shoutrrr    Shoutrrr

	Slack        Slack
	PagerDuty    PagerDuty
	Webhook      Webhook
	Teams        Teams
	Alertmanager Alertmanager

	AllowAddresses []string // addresses (CIDR) that may be called although they are no public ones
	Proxy          string   // URL; "" means none, whatever the environment says
}

// Slack is told through an incoming webhook, or by a bot.
type Slack struct {
	WebhookURL secret.Ref
	BotToken   secret.Ref
	Channel    string // id of the channel that the bot writes to
}

// PagerDuty is told through Events API v2.
type PagerDuty struct {
	RoutingKey secret.Ref
	Region     string // "us" or "eu"
}

// Webhook is a receiver of Standard Webhooks.
type Webhook struct {
	URL    secret.Ref
	Secret secret.Ref // whsec_… or whsk_…; several while keys are changed, separated by blanks
}

// Teams is told through a Workflows webhook.
type Teams struct {
	WebhookURL secret.Ref
}

// Alertmanager is told through its API v2.
type Alertmanager struct {
	URLs        []string // one for each instance of a cluster
	Username    string
	Password    secret.Ref
	BearerToken secret.Ref
}

const elsewhere = "set it in the environment, or write file:PATH, secretsmanager:ARN or ssm:NAME"

// webKeys are the rows of the channels that speak HTTPS.
var webKeys = []Key{
	{
		Name:    "notify.slack.webhook_url",
		Doc:     "Slack: URL of an incoming webhook; each message stands alone.",
		Example: "file:/run/secrets/slack", Check: webhookURL,
		Want: "the URL of an incoming webhook", Hint: "it looks like https://hooks.slack.com/services/…; " + elsewhere,
		at: func(c *Config) any { return &c.Notify.Slack.WebhookURL },
	},
	{
		Name:    "notify.slack.bot_token",
		Doc:     "Slack: token of a bot, which keeps one message for each incident, and a thread below it.",
		Example: "secretsmanager:trailwarden/slack#bot_token", Check: token("xoxb-"),
		Want: "the token of a Slack bot", Hint: "it begins with xoxb-; " + elsewhere,
		at: func(c *Config) any { return &c.Notify.Slack.BotToken },
	},
	{
		Name:    "notify.slack.channel",
		Doc:     "Slack: id of the channel that the bot writes to.",
		Example: "C0123456789", Form: `^([CGD][A-Z0-9]{8,20})?$`,
		Want: "the id of a Slack channel", Hint: "it stands at the end of the channel's details in Slack; a name does not do",
		at: func(c *Config) any { return &c.Notify.Slack.Channel },
	},
	{
		Name:    "notify.pagerduty.routing_key",
		Doc:     "PagerDuty: integration key of a service's Events API v2 integration.",
		Example: "ssm:/trailwarden/pagerduty", Check: routingKey,
		Want: "an integration key", Hint: "it has 32 letters and digits; " + elsewhere,
		at: func(c *Config) any { return &c.Notify.PagerDuty.RoutingKey },
	},
	{
		Name: "notify.pagerduty.region", Default: "us", Example: "eu",
		Doc:    "PagerDuty: where the account lives.",
		Values: []string{"us", "eu"}, Want: "a service region of PagerDuty", Hint: `use "us" or "eu"`,
		at: func(c *Config) any { return &c.Notify.PagerDuty.Region },
	},
	{
		Name:    "notify.webhook.url",
		Doc:     "Webhook: URL that gets each message as signed JSON (Standard Webhooks).",
		Example: "file:/run/secrets/webhook-url", Check: webhookURL,
		Want: "the URL of a receiver", Hint: "it begins with https://; " + elsewhere,
		at: func(c *Config) any { return &c.Notify.Webhook.URL },
	},
	{
		Name:    "notify.webhook.secret",
		Doc:     "Webhook: key that messages are signed with (whsec_… or whsk_…); several, separated by blanks, while keys are changed.",
		Example: "file:/run/secrets/webhook-key", Check: token("whsec_", "whsk_"),
		Want: "a signing key of Standard Webhooks", Hint: "make one: echo whsec_$(openssl rand -base64 32); " + elsewhere,
		at: func(c *Config) any { return &c.Notify.Webhook.Secret },
	},
	{
		Name:    "notify.teams.webhook_url",
		Doc:     "Microsoft Teams: URL of a Workflows webhook.",
		Example: "file:/run/secrets/teams", Check: webhookURL,
		Want: "the URL of a Workflows webhook", Hint: "Teams shows it when the workflow is made; " + elsewhere,
		at: func(c *Config) any { return &c.Notify.Teams.WebhookURL },
	},
	{
		Name:    "notify.alertmanager.urls",
		Doc:     "Alertmanager: base URL of each instance.",
		Example: "https://alertmanager-0.example.org,https://alertmanager-1.example.org",
		Form:    `^https?://[A-Za-z0-9.:_\[\]-]+(/[A-Za-z0-9._~/%+-]*)?$`, Check: baseURL,
		Want: "the base URL of an Alertmanager", Hint: "it looks like https://alertmanager.example.org; http only to notify.allow_addresses",
		at: func(c *Config) any { return &c.Notify.Alertmanager.URLs },
	},
	{
		Name: "notify.alertmanager.username", Example: "trailwarden",
		Doc:  "Alertmanager: name for basic authentication.",
		Want: "a name", Hint: "leave it out where there is no basic authentication",
		at: func(c *Config) any { return &c.Notify.Alertmanager.Username },
	},
	{
		Name: "notify.alertmanager.password", Example: "file:/run/secrets/alertmanager",
		Doc:  "Alertmanager: password for basic authentication.",
		Want: "a password", Hint: elsewhere,
		at: func(c *Config) any { return &c.Notify.Alertmanager.Password },
	},
	{
		Name: "notify.alertmanager.bearer_token", Example: "file:/run/secrets/alertmanager-token",
		Doc:  "Alertmanager: bearer token, instead of basic authentication.",
		Want: "a token", Hint: elsewhere,
		at: func(c *Config) any { return &c.Notify.Alertmanager.BearerToken },
	},
	{
		Name:    "notify.allow_addresses",
		Doc:     "Addresses that channels may call although they are private; all that are not public are refused otherwise.",
		Example: "10.20.0.0/16", Check: prefix, Form: `^[0-9a-fA-F.:]+(/[0-9]{1,3})?$`,
		Want: "an address or a range of addresses", Hint: "it looks like 10.20.0.0/16 or fd00::5",
		at: func(c *Config) any { return &c.Notify.AllowAddresses },
	},
	{
		Name:    "notify.proxy",
		Doc:     "Proxy that channels go through; HTTPS_PROXY is not read.",
		Example: "http://proxy.example.org:3128", Form: `^(https?://[A-Za-z0-9.:_\[\]-]+)?$`,
		Want: "the URL of a proxy", Hint: "it looks like http://proxy.example.org:3128, without a password",
		at: func(c *Config) any { return &c.Notify.Proxy },
	},
}

// The checks of secrets say what is wrong and never what the secret is.

func webhookURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("it cannot be read as a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it does not begin with https://")
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("it needs a host, and may have neither a user nor a fragment")
	}
	return nil
}

func baseURL(text string) error {
	if u, err := url.Parse(text); err != nil || u.Hostname() == "" {
		return errors.New("it cannot be read as a URL")
	}
	return nil
}

func token(prefixes ...string) func(string) error {
	return func(text string) error {
		for part := range strings.FieldsSeq(text) {
			if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(part, p) && len(part) > len(p) }) {
				return errors.New("it does not begin with " + strings.Join(prefixes, " or "))
			}
		}
		return nil
	}
}

func routingKey(text string) error {
	if len(text) != 32 || strings.Trim(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return errors.New("it does not have 32 letters and digits")
	}
	return nil
}

func prefix(text string) error {
	if _, err := netip.ParseAddr(text); err == nil {
		return nil
	}
	if _, err := netip.ParsePrefix(text); err != nil {
		return errors.New("it is neither")
	}
	return nil
}
