package config

import (
	"strings"
	"testing"
)

// TestChannelKeys: what cannot work is refused where it is written, and no secret is in the answer.
func TestChannelKeys(t *testing.T) {
	for name, row := range map[string]struct{ good, bad []string }{
		"TRAILWARDEN_NOTIFY_EMAIL_SMTP": {
			[]string{"mail.example.org", "mail.example.org:465", "127.0.0.1:25", "[::1]:25"},
			[]string{"smtp://mail.example.org", "mail.example.org:x", "user:password@mail.example.org:25", "a b"},
		},
		"TRAILWARDEN_NOTIFY_EMAIL_FROM": {
			[]string{"a@example.org", "Trail Warden <a@example.org>"},
			[]string{"example.org", "a@example.org, b@example.org", "ä@example.org"},
		},
		"TRAILWARDEN_NOTIFY_EMAIL_TO":        {[]string{"a@example.org,b@example.org"}, []string{"a@example.org,b", "a"}},
		"TRAILWARDEN_NOTIFY_EMAIL_PASSWORD":  {[]string{"file:/run/secrets/smtp", "hunter2", "ssm:/a"}, []string{"file:", " x"}},
		"TRAILWARDEN_NOTIFY_SECURITYHUB":     {[]string{"true", "false"}, []string{"yes"}},
		"TRAILWARDEN_NOTIFY_EVENTBRIDGE_BUS": {[]string{"default", "arn:aws:events:eu-west-1:111122223333:event-bus/x"}, []string{"aws.partner/x", "a b", "arn:aws:sns:eu-west-1:111122223333:x"}},
		"TRAILWARDEN_NOTIFY_AMAZONQ_TOPIC_ARN": {
			[]string{"arn:aws:sns:eu-west-1:111122223333:chat"}, []string{"chat", "arn:aws:sns:eu-west-1:111122223333:chat.fifo"},
		},
		"TRAILWARDEN_NOTIFY_STDOUT":       {[]string{"json", "ocsf"}, []string{"xml"}},
		"TRAILWARDEN_NOTIFY_SHOUTRRR_URL": {[]string{"discord://canary@1", "file:/x"}, []string{"canary", "://canary"}},
	} {
		for _, value := range row.good {
			if _, err := FromEnv([]string{name + "=" + value}); err != nil {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
		for _, value := range row.bad {
			_, err := FromEnv([]string{name + "=" + value})
			if err == nil {
				t.Errorf("%s=%s passes", name, value)
			} else if strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: the secret is in %v", name, err)
			}
		}
	}
}
