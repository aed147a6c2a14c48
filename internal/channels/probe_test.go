package channels_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/cloud/vault"
	"github.com/trailwarden/trailwarden/internal/sim"
)

// TestProbe is FAULTS G11: a topic that nobody reads is found before it matters, and so is one that is gone.
func TestProbe(t *testing.T) {
	// FAULTS G11.
	world := sim.New(sim.Options{DefaultAccount: "111122223333", ConfirmedEmail: true})
	server := httptest.NewServer(world)
	defer server.Close()
	role := world.Account("111122223333").Role("platform", "terraform")
	cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider(role.AccessKeyID, role.SecretAccessKey, role.SessionToken)}
	api := sns.NewFromConfig(cfg)
	made, err := api.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("trailwarden")})
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, "SNSARN="+*made.TopicArn, "TRAILWARDEN_NOTIFY_WEBHOOK_URL=https://127.0.0.1:1/", "TRAILWARDEN_NOTIFY_WEBHOOK_SECRET="+whsec)
	o.AWS = cfg
	verdict := func(channel string) channels.Verdict {
		for _, v := range channels.Probe(t.Context(), o) {
			if v.Channel == channel {
				return v
			}
		}
		t.Fatalf("nobody asked %s", channel)
		return channels.Verdict{}
	}
	if v := verdict("sns"); v.Good || !strings.Contains(v.Text, "nobody would hear") {
		t.Errorf("a topic that nobody reads: %+v", v)
	}
	if v := verdict("webhook"); v.Good || !v.Known {
		t.Errorf("a webhook at a private address: %+v", v)
	}
	if _, err := api.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: made.TopicArn, Protocol: aws.String("email"), Endpoint: aws.String("a@example.com")}); err != nil {
		t.Fatal(err)
	}
	if v := verdict("sns"); !v.Good {
		t.Errorf("a topic that somebody reads: %+v", v)
	}
	if _, err := api.DeleteTopic(t.Context(), &sns.DeleteTopicInput{TopicArn: made.TopicArn}); err != nil {
		t.Fatal(err)
	}
	if v := verdict("sns"); v.Good || v.Hint == "" {
		t.Errorf("a topic that is gone: %+v", v)
	}
	world.Deny("*", "sns:GetTopicAttributes")
	if v := verdict("sns"); v.Known {
		t.Errorf("that we may not ask says nothing: %+v", v)
	}
}

// closed is a vault that these credentials may not read from.
type closed struct{ code string }

func (c closed) Secret(context.Context, string, string) (string, error) {
	return "", &vault.Error{Code: c.code, Hint: "allow it"}
}

// TestProbeWithoutTheSecret: that somebody else's credentials may not read a secret says nothing of the channel; that trailwarden's own may not
// does, and so does a secret that is not there.
func TestProbeWithoutTheSecret(t *testing.T) {
	o := options(t, "TRAILWARDEN_NOTIFY_PAGERDUTY_ROUTING_KEY=secretsmanager:trailwarden/pagerduty")
	for _, test := range []struct {
		code        string
		visiting    bool
		known, good bool
	}{
		{"AccessDeniedException", true, false, true},
		{"AccessDeniedException", false, true, false},
		{"ResourceNotFoundException", true, true, false},
	} {
		o.Vault, o.Visiting = closed{test.code}, test.visiting
		v := channels.Probe(t.Context(), o)[0]
		if v.Known != test.known || v.Good != test.good || (v.Hint == "") != test.good {
			t.Errorf("%+v: %+v", test, v)
		}
	}
}
