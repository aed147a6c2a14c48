package deploy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/config"
)

// TestConfigured: what a configuration asks to be allowed is named exactly, and nothing is allowed that it does not use.
func TestConfigured(t *testing.T) {
	at := Stack{Partition: "aws-us-gov", Account: "111122223333", Region: "us-gov-west-1"}
	for name, test := range map[string]struct {
		document string
		want     map[string]string
	}{
		"nothing": {`{"version":1,"repair_budget":5}`, nil},
		"names": {`{"version":1,"notify.slack.bot_token":"secretsmanager:trailwarden/slack#bot_token","notify.slack.webhook_url":"secretsmanager:trailwarden/slack#url",
			"notify.pagerduty.routing_key":"ssm:/trailwarden/pagerduty","notify.webhook.url":"ssm:webhook","notify.eventbridge.bus":"security","notify.securityhub":true,
			"notify.amazonq.topic_arn":"arn:aws-us-gov:sns:us-gov-west-1:111122223333:chat","evidence.bucket":"evidence","anchor.bucket":"anchors","anchor.bucket_owner":"444455556666"}`,
			map[string]string{
				"SecretArns": "arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:trailwarden/slack-??????," +
					"arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter/trailwarden/pagerduty,arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter/webhook",
				"EventBusArn": "arn:aws-us-gov:events:us-gov-west-1:111122223333:event-bus/security", "SecurityHub": "yes",
				"ChatTopicArn": "arn:aws-us-gov:sns:us-gov-west-1:111122223333:chat", "EvidenceBucket": "evidence", "AnchorBucket": "anchors", "AnchorBucketOwner": "444455556666",
			}},
		"ARNs": {`{"version":1,"notify.slack.bot_token":"secretsmanager:arn:aws:secretsmanager:eu-west-1:111122223333:secret:slack-AbCd12","notify.webhook.url":
			"secretsmanager:arn:aws:secretsmanager:eu-west-1:111122223333:secret:webhook#url","notify.teams.webhook_url":"ssm:arn:aws:ssm:eu-west-1:111122223333:parameter/teams",
			"notify.eventbridge.bus":"arn:aws:events:eu-west-1:444455556666:event-bus/security"}`,
			map[string]string{
				"SecretArns": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:slack-AbCd12,arn:aws:secretsmanager:eu-west-1:111122223333:secret:webhook-??????," +
					"arn:aws:ssm:eu-west-1:111122223333:parameter/teams",
				"EventBusArn": "arn:aws:events:eu-west-1:444455556666:event-bus/security",
			}},
	} {
		cfg, err := config.Load(config.JSON("c.json", []byte(test.document)))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"SecretArns": "", "EventBusArn": "", "SecurityHub": "no", "ChatTopicArn": "", "EvidenceBucket": "", "EvidenceBucketOwner": "", "AnchorBucket": "", "AnchorBucketOwner": ""}
		for k, v := range test.want {
			want[k] = v
		}
		if diff := cmp.Diff(want, Configured(cfg, at)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
