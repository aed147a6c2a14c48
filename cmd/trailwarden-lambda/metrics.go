package main

import (
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/incident"
)

// writeMetrics writes the numbers of a sweep as a line of CloudWatch's embedded metric format. Heartbeat is 1 with each sweep that
// came to its end: that it is missing is the alarm of a guard that was silenced.
func writeMetrics(w io.Writer, report engine.Report, now time.Time) {
	failed, blind := 0, 0
	for _, inc := range report.Incidents {
		if inc.Outcome == incident.Failed {
			failed++
		}
		if inc.BlindWindow != nil && inc.BlindWindow.Open {
			blind++
		}
	}
	type metric struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []metric
	}
	line, err := json.Marshal(map[string]any{
		"_aws": map[string]any{
			"Timestamp": now.UnixMilli(),
			"CloudWatchMetrics": []directive{{"Trailwarden", [][]string{{"Function"}}, []metric{
				{"Heartbeat", "Count"}, {"Incidents", "Count"}, {"RepairFailed", "Count"}, {"OpenBlindWindows", "Count"},
			}}},
		},
		"Function": os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), "Heartbeat": 1,
		"Incidents": len(report.Incidents), "RepairFailed": failed, "OpenBlindWindows": blind,
	})
	if err != nil {
		return // numbers and texts can always be marshalled
	}
	_, _ = w.Write(append(line, '\n'))
}
