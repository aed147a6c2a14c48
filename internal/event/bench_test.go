package event

import (
	"os"
	"testing"
)

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct{ name, file string }{
		{"EventBridge", "testdata/real/cloud-custodian/event-cloud-trail-tag-rest-stage.json"},
		{"LogFile", "testdata/real/invictus-aws_dataset/218007301253_CloudTrail_us-east-1_20230710T1205Z_UljXNp9xLp8nsAGc.json"},
	} {
		b.Run(c.name, func(b *testing.B) {
			data, err := os.ReadFile(c.file)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				records, bads := Decode(data)
				if len(bads) > 0 {
					b.Fatal(bads[0])
				}
				n = len(records)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/record")
		})
	}
}
