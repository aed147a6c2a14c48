package config

import (
	"errors"
	"net/mail"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/secret"
)

// notifyKeys are the rows of Notify.
var notifyKeys = slices.Concat(mailKeys, awsKeys, webKeys, lastKeys)

// Email is told by SMTP.
type Email struct {
	SMTP     string // host:port of the mail server; "" means that there is none
	From     string
	To       []string
	Username string
	Password secret.Ref
}

// EventBridge is told by a custom event.
type EventBridge struct {
	Bus string // name or ARN; "" means none
}

// AmazonQ is told through a topic of SNS that it reads.
type AmazonQ struct {
	TopicARN string
}

// Shoutrrr is told by the library of that name.
type Shoutrrr struct {
	URL secret.Ref
}

var mailKeys = []Key{
	{
		Name:    "notify.email.smtp",
		Doc:     "E-mail: the mail server, host:port. Port 465 is TLS, any other has to offer STARTTLS; not in the Lambda function.",
		Example: "mail.example.org:587", Form: `^([A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\]:[0-9]{1,5})?$`,
		Want: "the address of a mail server", Hint: "it looks like mail.example.org:587",
		at: func(c *Config) any { return &c.Notify.Email.SMTP },
	},
	{
		Name:    "notify.email.from",
		Doc:     "E-mail: the sender, one that the mail server lets through.",
		Example: "trailwarden@example.org", Check: address,
		Want: "an e-mail address", Hint: "it looks like trailwarden@example.org or Trailwarden <trailwarden@example.org>",
		at: func(c *Config) any { return &c.Notify.Email.From },
	},
	{
		Name:    "notify.email.to",
		Doc:     "E-mail: who is told; each gets a message of their own.",
		Example: "security@example.org", Check: address,
		Want: "an e-mail address", Hint: "it looks like security@example.org",
		at: func(c *Config) any { return &c.Notify.Email.To },
	},
	{
		Name: "notify.email.username", Example: "trailwarden",
		Doc:  "E-mail: name for the mail server; none for one that asks for none.",
		Want: "a name", Hint: "leave it out where the server asks for none",
		at: func(c *Config) any { return &c.Notify.Email.Username },
	},
	{
		Name: "notify.email.password", Example: "file:/run/secrets/smtp",
		Doc:  "E-mail: password for the mail server.",
		Want: "a password", Hint: elsewhere,
		at: func(c *Config) any { return &c.Notify.Email.Password },
	},
}

var awsKeys = []Key{
	{
		Name: "notify.securityhub", Default: "false", Example: "true",
		Doc: "Security Hub: each incident is a finding of this account and Region.",
		at:  func(c *Config) any { return &c.Notify.SecurityHub },
	},
	{
		Name:    "notify.eventbridge.bus",
		Doc:     "EventBridge: name or ARN of the bus that gets an event for each stage of an incident.",
		Example: "default",
		Form:    `^([A-Za-z0-9._/-]{1,256}|arn:aws(-[a-z0-9]+)*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]{1,256})?$`, Check: ownBus,
		Want: "the name or ARN of an event bus", Hint: "`aws events list-event-buses` prints it",
		at: func(c *Config) any { return &c.Notify.EventBridge.Bus },
	},
	{
		Name:    "notify.amazonq.topic_arn",
		Doc:     "Amazon Q Developer in chat: SNS topic that a chat channel is configured with, and nobody else reads.",
		Example: "arn:aws:sns:eu-west-1:111122223333:trailwarden-chat",
		Form:    `^(arn:aws(-[a-z0-9]+)*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256})?$`,
		Want:    "the ARN of a standard SNS topic", Hint: "`aws sns list-topics` prints it: arn:aws:sns:REGION:ACCOUNT:NAME; Amazon Q reads no FIFO topic",
		at: func(c *Config) any { return &c.Notify.AmazonQ.TopicARN },
	},
}

var lastKeys = []Key{
	{
		Name:    "notify.stdout",
		Doc:     `Lines of JSON on standard output, for a collector: "json" as other machines get them, or "ocsf".`,
		Example: "json", Values: []string{"", "json", "ocsf"},
		Want: "a shape of lines", Hint: `use "json" or "ocsf", or leave it out`,
		at: func(c *Config) any { return &c.Notify.Stdout },
	},
	{
		Name:    "notify.shoutrrr.url",
		Doc:     "Other services by shoutrrr, those with a fixed host only: discord, googlechat, pushover, …; not in the Lambda function.",
		Example: "file:/run/secrets/shoutrrr", Check: serviceURL,
		Want: "the URL of a service of shoutrrr", Hint: "docs/channels/shoutrrr.md lists what is allowed; " + elsewhere,
		at: func(c *Config) any { return &c.Notify.Shoutrrr.URL },
	},
}

func address(text string) error {
	if text == "" {
		return nil
	}
	a, err := mail.ParseAddress(text)
	if err != nil {
		return errors.New("it cannot be read as one")
	}
	for _, r := range a.Address {
		if r <= ' ' || r > '~' {
			return errors.New("mail servers do not take it everywhere")
		}
	}
	return nil
}

func ownBus(text string) error {
	if strings.HasPrefix(text, "aws.") || strings.Contains(text, ":event-bus/aws.") {
		return errors.New("it is a partner's")
	}
	return nil
}

// serviceURL says nothing of what the service is: that is for who sends.
func serviceURL(text string) error {
	if scheme, rest, ok := strings.Cut(text, "://"); !ok || scheme == "" || rest == "" {
		return errors.New("it does not look like discord://…")
	}
	return nil
}
