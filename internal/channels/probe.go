package channels

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/cloud/vault"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Verdict is what asking a channel's other side has given.
type Verdict = notify.Verdict

// probeTime is how long asking one channel may take.
const probeTime = 20 * time.Second

// Probe asks the other side of every channel that is on whether it would take a message, and whether anybody would read it. Nobody
// is told anything.
func Probe(ctx context.Context, o Options) []Verdict {
	shared := o.shared()
	var all []Verdict
	for _, name := range Configured(o.Config) {
		c := &Channel{name: name, row: rowOf(name), shared: shared}
		if name == "email" && o.Heavy.Email == nil || name == "shoutrrr" && o.Heavy.Shoutrrr == nil || name == "stdout" && o.Output == nil {
			continue
		}
		all = append(all, c.Probe(ctx))
	}
	return all
}

// Probe asks the channel's other side. Nobody is told anything.
func (c *Channel) Probe(ctx context.Context) Verdict {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	t, err := c.opened(ctx)
	if refused, ok := errors.AsType[*vault.Error](err); ok && c.shared.Visiting && strings.HasPrefix(refused.Code, "AccessDenied") {
		return Verdict{Channel: c.name, Good: true, Text: "its secret is for the functions alone, so that it is not asked from here: the next sign of life proves it"}
	}
	if err != nil {
		return Verdict{Channel: c.name, Known: true, Text: err.Error(), Hint: "see docs/channels/" + c.name + ".md"}
	}
	says := "it answers"
	switch c.name {
	case "sns":
		return c.topic(ctx, c.shared.Config.SNS.TopicARN)
	case "amazonq":
		return c.topic(ctx, c.shared.Config.Notify.AmazonQ.TopicARN)
	case "eventbridge":
		bus := c.shared.Config.Notify.EventBridge.Bus
		err = c.ask(bus).JSON(ctx, awscall.EventBridge, "", "AWSEvents.DescribeEventBus", map[string]string{"Name": bus}, nil)
		says = "the bus exists; whether a rule on it carries events on is not looked at"
	case "securityhub":
		err = c.ask("").REST(ctx, awscall.SecurityHub, "", http.MethodGet, "/accounts", nil, nil)
		says = "Security Hub is switched on"
	case "stdout":
		return Verdict{Channel: c.name, Good: true, Known: true, Text: "lines are written; whether anybody collects them is not known here"}
	default:
		p, can := t.(interface{ Probe(context.Context) error })
		if !can {
			return Verdict{Channel: c.name, Good: true, Text: "it cannot be asked without a message: see `trailwarden notify test --channel " + c.name + "`"}
		}
		err = p.Probe(ctx)
	}
	if err != nil {
		return c.refused(err)
	}
	return Verdict{Channel: c.name, Good: true, Known: true, Text: says}
}

// ask makes calls in the Region that an ARN names.
func (c *Channel) ask(arn string) awscall.Caller {
	return awscall.Caller{Config: c.shared.in(arn), Agent: "trailwarden/" + c.shared.Version}
}

// refused is the verdict of an error. That we may not ask says nothing of the channel.
func (c *Channel) refused(err error) Verdict {
	v := Verdict{Channel: c.name, Known: true, Text: err.Error()}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return v
	}
	v.Text = api.ErrorCode()
	if code := api.ErrorCode(); strings.HasPrefix(code, "AccessDenied") || code == "AuthorizationError" || code == "AuthorizationErrorException" {
		v.Known, v.Good = false, true
		v.Text, v.Hint = "these credentials may not ask: "+code, "see docs/channels/"+c.name+".md for the permissions"
	} else if api.ErrorFault() == smithy.FaultServer || strings.HasPrefix(code, "Throttl") {
		v.Known, v.Good = false, true
	}
	return v
}

// in is the configuration for what an ARN names; a name is in the Region of the configuration.
func (s *shared) in(arn string) aws.Config {
	cfg := s.AWS.Copy()
	if part := strings.Split(arn, ":"); len(part) > 5 && part[3] != "" {
		cfg.Region = part[3]
	}
	return cfg
}

// topic says whether a topic exists and who reads it.
func (c *Channel) topic(ctx context.Context, arn string) Verdict {
	ask := func(action, token string, out any) error {
		form := url.Values{"Action": {action}, "Version": {"2010-03-31"}, "TopicArn": {arn}}
		if token != "" {
			form.Set("NextToken", token)
		}
		return c.ask(arn).Query(ctx, awscall.SNS, "", form, out)
	}
	if err := ask("GetTopicAttributes", "", nil); err != nil {
		v := c.refused(err)
		if v.Text == "NotFound" {
			v.Text, v.Hint = "the topic does not exist", "create it, or set "+c.row.key+" to one that does"
		}
		return v
	}
	confirmed, pending := 0, 0
	for token := ""; ; {
		var page struct {
			Subscriptions []string `xml:"ListSubscriptionsByTopicResult>Subscriptions>member>SubscriptionArn"`
			Next          string   `xml:"ListSubscriptionsByTopicResult>NextToken"`
		}
		if err := ask("ListSubscriptionsByTopic", token, &page); err != nil {
			return c.refused(err)
		}
		for _, subscription := range page.Subscriptions {
			switch subscription {
			case "PendingConfirmation":
				pending++
			case "Deleted":
			default:
				confirmed++
			}
		}
		if token == page.Next || page.Next == "" {
			break
		}
		token = page.Next
	}
	v := Verdict{Channel: c.name, Known: true, Good: confirmed > 0, Text: fmt.Sprintf("the topic exists, with %d confirmed subscriptions", confirmed)}
	if pending > 0 {
		v.Text += fmt.Sprintf(" and %d that wait for their confirmation", pending)
	}
	if confirmed == 0 {
		v.Text += ": nobody would hear"
		v.Hint = "subscribe somebody, and have them confirm: aws sns subscribe --topic-arn " + arn + " --protocol email --notification-endpoint you@example.com"
	}
	return v
}
