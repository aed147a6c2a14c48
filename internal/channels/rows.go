package channels

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/notify/alertmanager"
	"github.com/trailwarden/trailwarden/internal/notify/amazonq"
	"github.com/trailwarden/trailwarden/internal/notify/eventbridge"
	"github.com/trailwarden/trailwarden/internal/notify/pagerduty"
	"github.com/trailwarden/trailwarden/internal/notify/securityhub"
	"github.com/trailwarden/trailwarden/internal/notify/slack"
	"github.com/trailwarden/trailwarden/internal/notify/sns"
	"github.com/trailwarden/trailwarden/internal/notify/stdout"
	"github.com/trailwarden/trailwarden/internal/notify/teams"
	"github.com/trailwarden/trailwarden/internal/notify/webhook"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// row is a channel: by which settings it is on, which secrets it has, and how it is opened with them.
type row struct {
	name    string
	key     string // the key that the configuration is asked about when something is wrong
	on      func(config.Config) bool
	refs    func(config.Config) []secret.Ref
	like    []string // what each of the secrets looks like, for messages that are shown and not sent
	open    func(s settings) (Teller, error)
	account bool // it has to know the account of the credentials
	// heavy is what the channel would drag into the Lambda function.
	heavy string
}

// settings are what one channel is opened with.
type settings struct {
	*shared
	secrets []secret.Value // in the order of the row's refs
	account string
}

func rowOf(name string) row {
	rows := rows()
	return rows[slices.IndexFunc(rows, func(r row) bool { return r.name == name })]
}

func none(config.Config) []secret.Ref { return nil }

func rows() []row {
	return []row{
		{
			name: "sns", key: "sns.topic_arn", refs: none,
			on: func(c config.Config) bool { return c.SNS.TopicARN != "" },
			open: func(s settings) (Teller, error) {
				c, err := sns.Open(s.AWS, s.Config.SNS.TopicARN)
				if err != nil {
					return nil, err
				}
				c.Compat2017, c.Location = s.Config.Compat == "2017", s.Location
				return c, nil
			},
		},
		{
			name: "email", key: "notify.email.smtp", heavy: "it would carry html/template into the Lambda function",
			on:   func(c config.Config) bool { return c.Notify.Email.SMTP != "" },
			refs: func(c config.Config) []secret.Ref { return []secret.Ref{c.Notify.Email.Password} },
			like: []string{"password"},
			open: func(s settings) (Teller, error) { return s.Heavy.Email(s.Options, s.secrets[0]) },
		},
		{
			name: "slack", key: "notify.slack.webhook_url",
			on: func(c config.Config) bool {
				return !c.Notify.Slack.WebhookURL.Empty() || !c.Notify.Slack.BotToken.Empty()
			},
			refs: func(c config.Config) []secret.Ref {
				return []secret.Ref{c.Notify.Slack.WebhookURL, c.Notify.Slack.BotToken}
			},
			like: []string{"https://hooks.slack.com/services/T/B/X", "xoxb-token"},
			open: func(s settings) (Teller, error) {
				c := &slack.Channel{Web: s.web, WebhookURL: s.secrets[0], BotToken: s.secrets[1], ID: s.Config.Notify.Slack.Channel, Memory: s.Memory, Location: s.Location}
				return c, c.Check()
			},
		},
		{
			name: "pagerduty", key: "notify.pagerduty.routing_key",
			on:   func(c config.Config) bool { return !c.Notify.PagerDuty.RoutingKey.Empty() },
			refs: func(c config.Config) []secret.Ref { return []secret.Ref{c.Notify.PagerDuty.RoutingKey} },
			like: []string{"00000000000000000000000000000000"},
			open: func(s settings) (Teller, error) {
				c := &pagerduty.Channel{Web: s.web, RoutingKey: s.secrets[0], Location: s.Location}
				if s.Config.Notify.PagerDuty.Region == "eu" {
					c.Endpoint = pagerduty.EU
				}
				return c, c.Check()
			},
		},
		{
			name: "webhook", key: "notify.webhook.url",
			on:   func(c config.Config) bool { return !c.Notify.Webhook.URL.Empty() },
			refs: func(c config.Config) []secret.Ref { return []secret.Ref{c.Notify.Webhook.URL, c.Notify.Webhook.Secret} },
			like: []string{"https://receiver.example.org/", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
			open: func(s settings) (Teller, error) {
				c := &webhook.Channel{Web: s.web, URL: s.secrets[0], Keys: s.secrets[1], Now: s.Now}
				return c, c.Check()
			},
		},
		{
			name: "securityhub", key: "notify.securityhub", refs: none, account: true,
			on: func(c config.Config) bool { return c.Notify.SecurityHub },
			open: func(s settings) (Teller, error) {
				return nonNil(securityhub.Open(s.AWS, s.account, s.Version, s.Now))
			},
		},
		{
			name: "teams", key: "notify.teams.webhook_url",
			on:   func(c config.Config) bool { return !c.Notify.Teams.WebhookURL.Empty() },
			refs: func(c config.Config) []secret.Ref { return []secret.Ref{c.Notify.Teams.WebhookURL} },
			like: []string{"https://example.org/"},
			open: func(s settings) (Teller, error) {
				c := &teams.Channel{Web: s.web, WebhookURL: s.secrets[0], Location: s.Location}
				return c, c.Check()
			},
		},
		{
			name: "eventbridge", key: "notify.eventbridge.bus", refs: none,
			on: func(c config.Config) bool { return c.Notify.EventBridge.Bus != "" },
			open: func(s settings) (Teller, error) {
				return nonNil(eventbridge.Open(s.AWS, s.Config.Notify.EventBridge.Bus))
			},
		},
		{
			name: "amazonq", key: "notify.amazonq.topic_arn", refs: none,
			on: func(c config.Config) bool { return c.Notify.AmazonQ.TopicARN != "" },
			open: func(s settings) (Teller, error) {
				c, err := amazonq.Open(s.AWS, s.Config.Notify.AmazonQ.TopicARN)
				if err != nil {
					return nil, err
				}
				c.Location = s.Location
				return c, nil
			},
		},
		{
			name: "alertmanager", key: "notify.alertmanager.urls",
			on: func(c config.Config) bool { return len(c.Notify.Alertmanager.URLs) > 0 },
			refs: func(c config.Config) []secret.Ref {
				return []secret.Ref{c.Notify.Alertmanager.Password, c.Notify.Alertmanager.BearerToken}
			},
			like: []string{"password", "token"},
			open: func(s settings) (Teller, error) {
				a := s.Config.Notify.Alertmanager
				c := &alertmanager.Channel{Web: s.web, URLs: a.URLs, Username: a.Username, Password: s.secrets[0], BearerToken: s.secrets[1], Memory: s.Memory, Location: s.Location, Now: s.Now}
				return c, c.Check()
			},
		},
		{
			name: "stdout", key: "notify.stdout", refs: none,
			on: func(c config.Config) bool { return c.Notify.Stdout != "" },
			open: func(s settings) (Teller, error) {
				return &stdout.Channel{W: s.Output, Format: s.Config.Notify.Stdout, Version: s.Version}, nil
			},
		},
		{
			name: "shoutrrr", key: "notify.shoutrrr.url", heavy: "its senders would double the Lambda function",
			on:   func(c config.Config) bool { return !c.Notify.Shoutrrr.URL.Empty() },
			refs: func(c config.Config) []secret.Ref { return []secret.Ref{c.Notify.Shoutrrr.URL} },
			like: []string{"discord://token@1"},
			open: func(s settings) (Teller, error) { return s.Heavy.Shoutrrr(s.Options, s.secrets[0]) },
		},
	}
}

// nonNil keeps a channel that is nil from being a Teller that is not.
func nonNil[T Teller](c T, err error) (Teller, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
