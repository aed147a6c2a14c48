package pattern_test

import (
	"fmt"
	"testing"
)

// sampleRule is the pattern of the AWS sample of 2017 that trailwarden grew out of.
const sampleRule = `{
  "source": ["aws.cloudtrail"],
  "detail-type": ["AWS API Call via CloudTrail"],
  "detail": {
    "eventSource": ["cloudtrail.amazonaws.com"],
    "eventName": ["StopLogging", "StartLogging", "UpdateTrail", "DeleteTrail", "CreateTrail", "RemoveTags", "AddTags", "PutEventSelectors"]
  }
}`

// guardedRule also names the accounts, which a bus that others may write to needs.
const guardedRule = `{
  "source": ["aws.cloudtrail"],
  "detail-type": ["AWS API Call via CloudTrail"],
  "account": ["111122223333"],
  "detail": {
    "eventSource": ["cloudtrail.amazonaws.com"],
    "eventName": ["StopLogging", "DeleteTrail"]
  }
}`

// forgeableRule lacks source: what any caller of PutEvents can satisfy.
const forgeableRule = `{
  "detail-type": ["AWS API Call via CloudTrail"],
  "detail": {"eventSource": ["cloudtrail.amazonaws.com"], "eventName": ["StopLogging"]}
}`

func event(source, account, eventSource, eventName string) string {
	return fmt.Sprintf(`{
  "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "AWS API Call via CloudTrail",
  "source": %q, "account": %q, "time": "2024-07-31T13:06:24Z", "region": "eu-west-1", "resources": [],
  "detail": {
    "eventVersion": "1.10", "eventSource": %q, "eventName": %q, "awsRegion": "eu-west-1", "errorCode": null,
    "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/christophe"},
    "requestParameters": {"name": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main"},
    "tlsDetails": {"tlsVersion": "TLSv1.3"}, "readOnly": false, "managementEvent": true
  }
}`, source, account, eventSource, eventName)
}

func TestRulesOnCloudTrailEvents(t *testing.T) {
	const mine, other = "111122223333", "999988887777"
	for _, row := range []struct {
		name, event                string
		sample, guarded, forgeable bool
	}{
		{"StopLogging", event("aws.cloudtrail", mine, "cloudtrail.amazonaws.com", "StopLogging"), true, true, true},
		{"AddTags", event("aws.cloudtrail", mine, "cloudtrail.amazonaws.com", "AddTags"), true, false, false},
		{"a read", event("aws.cloudtrail", mine, "cloudtrail.amazonaws.com", "GetTrailStatus"), false, false, false},
		{"namesake of another service", event("aws.s3", mine, "s3.amazonaws.com", "DeleteTrail"), false, false, false},
		{"forged by PutEvents", event("my.app", mine, "cloudtrail.amazonaws.com", "StopLogging"), false, false, true},
		{"forged with a look-alike source", event("aws.cloudtrail ", mine, "cloudtrail.amazonaws.com", "StopLogging"), false, false, true},
		{"from another account", event("aws.cloudtrail", other, "cloudtrail.amazonaws.com", "StopLogging"), true, false, true},
	} {
		for rule, want := range map[string]bool{sampleRule: row.sample, guardedRule: row.guarded, forgeableRule: row.forgeable} {
			if got, err := parse(t, rule).Match([]byte(row.event)); err != nil || got != want {
				t.Errorf("%s against %s: got %t, %v; want %t", row.name, rule, got, err, want)
			}
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	stop := []byte(event("aws.cloudtrail", "111122223333", "cloudtrail.amazonaws.com", "StopLogging"))
	p := parse(b, guardedRule)
	b.SetBytes(int64(len(stop)))
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := p.Match(stop); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
