// Package amazonq tells of incidents in Slack and Microsoft Teams by Amazon Q Developer in chat applications (AWS Chatbot
// before): custom notifications, schema 1.0, published to a topic of SNS that a chat channel is configured with. There is
// no webhook and no token to keep. All messages of an incident are one thread.
//
// Amazon Q renders the markdown of the client, which is another one in Slack than in Teams, and neither can be escaped
// in a way that both know. So values from records stand as code, and in sentences nothing is left that either obeys.
package amazonq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/sns"
)

// Limit is how many bytes a notification has at most. SNS would take 256 KiB; chats show far less.
const Limit = 24 << 10

// Channel is a topic that Amazon Q reads. It is safe for use by several goroutines.
type Channel struct {
	Topic    *sns.Channel
	Location *time.Location // local time, besides UTC; nil for none
}

var _ notify.Notifier = (*Channel)(nil)

// Open makes the channel of a topic. People must not read the same topic by e-mail: they would get JSON.
func Open(cfg aws.Config, topicARN string) (*Channel, error) {
	if strings.HasSuffix(topicARN, ".fifo") {
		return nil, errors.New("open Amazon Q: it reads standard topics only: set notify.amazonq.topic_arn to one that does not end in .fifo")
	}
	topic, err := sns.Open(cfg, topicARN)
	if err != nil {
		return nil, fmt.Errorf("open Amazon Q: notify.amazonq.topic_arn: %w", err)
	}
	topic.Setting = "notify.amazonq.topic_arn"
	return &Channel{Topic: topic}, nil
}

// Notify publishes the notification. Its error is a *sns.PublishError.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	doc, err := c.Render(inc)
	if err != nil {
		return notify.Permanent(fmt.Errorf("compose notification for Amazon Q: %w", err))
	}
	return c.Topic.Publish(ctx, &awssns.PublishInput{TopicArn: &c.Topic.TopicARN, Message: aws.String(string(doc))})
}
