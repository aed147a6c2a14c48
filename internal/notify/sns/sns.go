// Package sns tells of incidents through a topic of Amazon SNS. One publish carries a form for each protocol:
// prose for e-mail, the JSON document for machines, one short line for telephones. SNS being slow or down costs
// at most Timeout; what was published is stored by AWS, which is not yet read by anybody.
package sns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Timeout is how long one publish may take, tries of the SDK included.
const Timeout = 5 * time.Second

// API is what of SNS is called.
type API interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Channel is a topic. It is safe for use by several goroutines.
type Channel struct {
	API        API
	TopicARN   string
	Compat2017 bool           // subject lines and bodies as the AWS sample of 2017 sent them
	Location   *time.Location // local time in the prose, besides UTC; nil for none
	Setting    string         // how errors call the topic's key in the configuration; empty for this channel's own
}

var _ notify.Notifier = (*Channel)(nil)

// Open makes the channel of a topic. Its client calls the topic's own Region, whatever cfg says: SNS takes a
// message nowhere else.
func Open(cfg aws.Config, topicARN string) (*Channel, error) {
	if err := CheckTopicARN(topicARN); err != nil {
		return nil, err
	}
	client := sns.NewFromConfig(cfg, func(o *sns.Options) {
		o.Region = strings.Split(topicARN, ":")[3]
		// All tries together end before Timeout, or AWS's last word would be lost. The SDK does not count these two
		// codes among those that are worth another try.
		o.Retryer = retry.AddWithErrorCodes(retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = 3, time.Second
		}), "Throttled", "KMSThrottling")
	})
	return &Channel{API: client, TopicARN: topicARN}, nil
}

// Notify publishes the incident. Its error is a *PublishError, permanent (notify.IsPermanent) when a person has to
// change something first.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	in, err := c.input(inc)
	if err != nil {
		return notify.Permanent(fmt.Errorf("compose message for SNS: %w", err))
	}
	return c.Publish(ctx, in)
}

// Publish publishes what another channel has composed for readers of its own. Its error is that of Notify.
func (c *Channel) Publish(ctx context.Context, in *sns.PublishInput) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, errNoAnswer)
	defer cancel()
	if _, err := c.API.Publish(ctx, in); err != nil {
		return c.failure(ctx, err)
	}
	return nil
}

var errNoAnswer = errors.New("no answer within " + Timeout.String())

// Render gives the message as it is published, as JSON.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	in, err := c.input(inc)
	if err != nil {
		return nil, err
	}
	attributes := map[string]string{}
	for name, a := range in.MessageAttributes {
		attributes[name] = aws.ToString(a.StringValue)
	}
	return json.Marshal(struct {
		TopicArn, Subject, MessageStructure    string
		MessageGroupId, MessageDeduplicationId string            `json:",omitempty"`
		MessageAttributes                      map[string]string `json:",omitempty"`
		Message                                json.RawMessage
	}{
		*in.TopicArn, aws.ToString(in.Subject), *in.MessageStructure, aws.ToString(in.MessageGroupId), aws.ToString(in.MessageDeduplicationId),
		attributes, json.RawMessage(*in.Message),
	})
}

// input is what is published.
func (c *Channel) input(inc incident.Incident) (*sns.PublishInput, error) {
	in := &sns.PublishInput{TopicArn: &c.TopicARN, MessageStructure: aws.String("json")}
	if strings.HasSuffix(c.TopicARN, ".fifo") {
		// One group a trail keeps its messages in order; the same news twice within five minutes is dropped by SNS.
		in.MessageGroupId = aws.String(digest(inc.Trail.ARN))
		in.MessageDeduplicationId = aws.String(notify.Identity(inc))
	}
	if c.Compat2017 && of2017(inc) {
		subject, message, ok, err := sample(inc)
		if err != nil {
			return nil, err
		}
		if ok {
			in.Subject, in.Message = &subject, &message
			return in, nil
		}
	}
	in.Subject = aws.String(notify.Subject(inc))
	in.MessageAttributes = attributes(inc)
	message, err := compose(inc, c.Location)
	if err != nil {
		return nil, err
	}
	in.Message = &message
	return in, nil
}

// of2017 says whether the sample of 2017 knew anything of this stage: it told of records, and of nothing that came after.
func of2017(inc incident.Incident) bool {
	switch notify.StageOf(inc) {
	case incident.StageEscalated, incident.StageReminded, incident.StageAcknowledged, incident.StageEvidence:
		return false
	}
	return true
}

// forms is the grammar of each attribute. SNS refuses empty ones.
var forms = map[string]func() *regexp.Regexp{
	"severity":    notify.Lazily(`^[a-z]{1,16}$`),
	"account":     notify.Lazily(`^[0-9]{12}$`),
	"region":      notify.Lazily(`^[a-z]{2,8}(-[a-z]+){1,4}-[0-9]{1,2}[a-z]?$`),
	"outcome":     notify.Lazily(`^[a-z]{1,16}$`),
	"rule":        notify.Lazily(`^[a-z0-9]+([._-][a-z0-9]+){0,7}$`),
	"stage":       notify.Lazily(`^[a-z]{1,16}$`),
	"incident_id": notify.Lazily(`^inc-[0-9a-f]{16}$`),
}

// attributes are for the filter policies of subscriptions. One whose value does not fit its grammar is left out.
func attributes(inc incident.Incident) map[string]types.MessageAttributeValue {
	values := map[string]string{
		"severity": string(inc.Severity), "account": inc.Trail.Account, "region": inc.Trail.Region,
		"outcome": string(inc.Outcome), "stage": string(notify.StageOf(inc)), "incident_id": inc.ID,
	}
	if len(inc.Findings) > 0 {
		values["rule"] = inc.Findings[0].Rule
	}
	out := make(map[string]types.MessageAttributeValue, len(values))
	for name, value := range values {
		if len(value) <= 64 && forms[name]().MatchString(value) {
			out[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
		}
	}
	return out
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
