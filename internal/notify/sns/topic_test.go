package sns

import (
	"strings"
	"testing"
)

func TestCheckTopicARN(t *testing.T) {
	for _, good := range []string{
		topic, topic + ".fifo", "arn:aws-cn:sns:cn-north-1:123456789012:a", "arn:aws-us-gov:sns:us-gov-east-1:123456789012:Alarms_1-2",
		"arn:aws-eusc:sns:eusc-de-east-1:123456789012:x", "arn:aws-iso-b:sns:us-isob-east-1:123456789012:x",
		"arn:aws:sns:us-east-1:123456789012:" + strings.Repeat("n", 256),
	} {
		if err := CheckTopicARN(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
		if _, err := Open(config("http://sns.invalid", nil), good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, says := range map[string]string{
		"":                                       "no topic ARN is given",
		"alarms":                                 "is not an ARN",
		"https://sns.eu-central-1.amazonaws.com": "is not an ARN",
		"arn:aws:sqs:eu-central-1:123456789012:alarms":                                "is an ARN of sqs, not of a topic",
		"arn:aws:lambda:eu-central-1:123456789012:function:f":                         "is an ARN of lambda, not of a topic",
		topic + ":6b0e71bd-7e97-4d97-80ce-4a0994e55286":                               "of a subscription",
		"arn:aws:sns:eu-central-1:123456789012":                                       "has 5 parts",
		" " + topic:                                                                   "white space",
		topic + "\n":                                                                  "white space",
		"arn:gcp:sns:eu-central-1:123456789012:alarms":                                "partition",
		"arn:aws:sns::123456789012:alarms":                                            "no Region",
		"arn:aws:sns:Frankfurt:123456789012:alarms":                                   "no Region",
		"arn:aws:sns:eu-central-1:12345:alarms":                                       "no 12-digit account",
		"arn:aws:sns:eu-central-1:123456789012:":                                      "no topic name",
		"arn:aws:sns:eu-central-1:123456789012:al arms":                               "no topic name",
		"arn:aws:sns:eu-central-1:123456789012:alarms.fifo.fifo":                      "no topic name",
		"arn:aws:sns:eu-central-1:123456789012:" + strings.Repeat("n", 257):           "no topic name",
		"arn:aws:sns:eu-central-1:123456789012:\u202ealarms" + strings.Repeat("x", 9): "no topic name",
	} {
		err := CheckTopicARN(bad)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "TRAILWARDEN_SNS_TOPIC_ARN") {
			t.Errorf("%q: %v, want an error that says %q and what to set", bad, err, says)
			continue
		}
		if strings.ContainsAny(err.Error(), "\n\u202e") {
			t.Errorf("%q: the error holds it as it stands", bad)
		}
		if _, err := Open(config("http://sns.invalid", nil), bad); err == nil {
			t.Errorf("%q: opened", bad)
		}
	}
}
