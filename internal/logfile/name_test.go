package logfile

import (
	"testing"
	"time"
)

func TestParseName(t *testing.T) {
	for _, c := range []struct {
		file string
		want Name
		ok   bool
	}{
		{"AWSLogs/1/CloudTrail/us-east-1/2023/07/10/218007301253_CloudTrail_us-east-1_20230710T1145Z_7xgocspSowgK0Gto.json.gz",
			Name{Account: "218007301253", Region: "us-east-1", Time: time.Date(2023, 7, 10, 11, 45, 0, 0, time.UTC)}, true},
		{"111122223333_CloudTrail-Insight_eu-west-1_20230710T1145Z_7xgocspSowgK0Gto.json.gz",
			Name{Account: "111122223333", Region: "eu-west-1", Time: time.Date(2023, 7, 10, 11, 45, 0, 0, time.UTC), Insight: true}, true},
		{`C:\logs\111122223333_CloudTrail-Digest_eu-west-1_my_trail.1_us-east-1_20230710T114507Z.json.gz`,
			Name{Account: "111122223333", Region: "eu-west-1", Time: time.Date(2023, 7, 10, 11, 45, 7, 0, time.UTC), Digest: true,
				Trail: "my_trail.1", HomeRegion: "us-east-1"}, true},
		{"111122223333_CloudTrail-Digest_eu-west-1_main_us-east-1_20230710T114507Z_backfill.json.gz",
			Name{Account: "111122223333", Region: "eu-west-1", Time: time.Date(2023, 7, 10, 11, 45, 7, 0, time.UTC), Digest: true,
				Trail: "main", HomeRegion: "us-east-1", Backfill: true}, true},
		{"111122223333_CloudTrail_eu-west-1_20231310T1145Z_7xgo.json.gz", Name{}, false},
		{"notes.json", Name{}, false},
	} {
		got, ok := ParseName(c.file)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %+v, %t", c.file, got, ok)
		}
	}
}
