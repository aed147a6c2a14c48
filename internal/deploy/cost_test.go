package deploy

import (
	"math"
	"testing"
)

// TestCost holds the sums against some done by hand.
func TestCost(t *testing.T) {
	by := map[string]Charge{}
	usage := load(t, "trailwarden").UsageOf(artifact("LedgerKeyArn", "arn:aws:kms:eu-central-1:111122223333:key/a", "KeyArns", "arn:aws:kms:eu-central-1:111122223333:key/b,arn:aws:kms:eu-central-1:111122223333:key/c",
		"SecretArns", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:a-??????,arn:aws:ssm:eu-central-1:111122223333:parameter/b", "AnchorBucket", "anchors"), 1, 1)
	usage.Events = 0
	for _, c := range Cost(usage) {
		by[c.What] = c
	}
	for what, want := range map[string]float64{
		"Lambda, requests":          0.00864,                     // 43,200 × $0.20 a million
		"Lambda, time":              43_200 * 0.1 * 0.0000133334, // 0.4 s × 256 MB
		"EventBridge Scheduler":     0.0432,
		"SQS":                       0.2592, // 648,000 × $0.40 a million
		"CloudWatch alarms":         1.10,
		"Keys of yours":             3,
		"Secrets Manager":           0.4,
		"S3, anchors of the ledger": 0.0216, // 4,320 × $5 a million
		"CloudTrail, further copies of management events": 43_200 * 8 * 0.00002, // 7 reads and a list
	} {
		if got := by[what].Dollars; math.Abs(got-want) > 0.0001 {
			t.Errorf("%s: $%.4f, by hand $%.4f", what, got, want)
		}
	}
	if n := len(made(t, "trailwarden", artifact()).ofType("AWS::CloudWatch::Alarm")); n != alarmsOurs {
		t.Errorf("the template has %d alarms, the bill %d", n, alarmsOurs)
	}
	if dollars, free := Total(Cost(Usage{SweepMinutes: 1, Pinned: 1, Alarms: true, Dashboard: true})); dollars > 8 || free > 1 {
		t.Errorf("one account costs $%.2f, $%.2f after the free tier: more than was said", dollars, free)
	}
}

func (m Made) ofType(kind string) (list []Resource) {
	for _, r := range m.Resources {
		if r.Type == kind {
			list = append(list, r)
		}
	}
	return list
}

func TestCostPage(t *testing.T) { golden(t, "../../docs/cost.md", CostPage()) }
