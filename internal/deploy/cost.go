package deploy

import (
	"fmt"
	"strings"
)

// Usage is what a deployment has to do in a month of 30 days.
type Usage struct {
	SweepMinutes int // a sweep every so many minutes
	Pinned       int // trails that are pinned: seven reads a sweep each
	Watched      int // other trails: two reads a sweep each
	Events       int // events that the rule takes
	Alarms       bool
	Dashboard    bool
	Keys         int // keys of yours
	Secrets      int // in Secrets Manager; those in Parameter Store cost nothing
	Anchors      bool
	Copies       int // trails that record management events beyond the first, which CloudTrail charges for
}

// Charge is one line of a bill, in US dollars a month at list prices of us-east-1, before and after the free tier that does not end.
type Charge struct {
	What      string  `json:"what"`            // what is paid for
	Sum       string  `json:"sum"`             // how the dollars come about
	Dollars   float64 `json:"dollars"`         // a month, at list prices of us-east-1
	AfterFree float64 `json:"after_free_tier"` // the same, where the free tier is not used up by others
	NotOurs   bool    `json:"not_ours"`        // on another service's bill, because of what we do
}

// Prices in US dollars, us-east-1, November 2026.
const (
	lambdaRequest  = 0.20 / 1e6
	lambdaGBSecond = 0.0000133334 // arm64
	schedulerCall  = 1.00 / 1e6
	sqsRequest     = 0.40 / 1e6
	dynamoWrite    = 1.25 / 1e6
	dynamoRead     = 0.25 / 1e6
	logGB          = 0.50
	metric         = 0.30
	alarm          = 0.10
	dashboard      = 3.00
	key            = 1.00
	secretKept     = 0.40
	objectPut      = 5.00 / 1e6
	trailEvent     = 2.00 / 1e5 // of every copy of management events after the first

	functionGB     = 0.25
	sweepSeconds   = 0.4
	eventSeconds   = 0.3
	metricsOurs    = 8  // four, of two functions
	alarmsOurs     = 11 //
	pollsPerMinute = 15 // five pollers of Lambda, each waiting 20 s
)

// Cost is what a deployment costs in a month.
func Cost(u Usage) []Charge {
	const minutes = 30 * 24 * 60
	sweeps := float64(minutes / max(u.SweepMinutes, 1))
	invocations := sweeps + float64(u.Events)
	seconds := (sweeps*sweepSeconds + float64(u.Events)*eventSeconds) * functionGB
	polls := float64(minutes * pollsPerMinute)
	writes, reads := sweeps*2+float64(u.Events)*6, sweeps*6+float64(u.Events)*10
	logs := (invocations * 1.5e3) / 1e9
	calls := sweeps * float64(7*u.Pinned+2*u.Watched+1)
	list := []Charge{
		{What: "Lambda, requests", Sum: fmt.Sprintf("%.0f sweeps and events × $0.20 a million", invocations), Dollars: invocations * lambdaRequest, AfterFree: max(0, invocations-1e6) * lambdaRequest},
		{What: "Lambda, time", Sum: fmt.Sprintf("%.0f GB-s (%.1f s a sweep, 256 MB) × $0.0000133", seconds, sweepSeconds), Dollars: seconds * lambdaGBSecond, AfterFree: max(0, seconds-400_000) * lambdaGBSecond},
		{What: "EventBridge Scheduler", Sum: fmt.Sprintf("%.0f × $1 a million", sweeps), Dollars: sweeps * schedulerCall},
		{What: "SQS", Sum: fmt.Sprintf("%.0f polls by Lambda × $0.40 a million", polls), Dollars: polls * sqsRequest, AfterFree: max(0, polls-1e6) * sqsRequest},
		{What: "DynamoDB", Sum: fmt.Sprintf("%.0f writes × $1.25 a million, %.0f reads × $0.25 a million", writes, reads), Dollars: writes*dynamoWrite + reads*dynamoRead, AfterFree: writes*dynamoWrite + reads*dynamoRead},
		{What: "CloudWatch Logs", Sum: fmt.Sprintf("%.2f GB × $0.50", logs), Dollars: logs * logGB, AfterFree: max(0, logs-5) * logGB},
		{What: "CloudWatch metrics", Sum: fmt.Sprintf("%d × $0.30", metricsOurs), Dollars: metricsOurs * metric},
	}
	if u.Alarms {
		list = append(list, Charge{What: "CloudWatch alarms", Sum: fmt.Sprintf("%d × $0.10", alarmsOurs), Dollars: alarmsOurs * alarm, AfterFree: (alarmsOurs - 10) * alarm})
	}
	if u.Dashboard {
		list = append(list, Charge{What: "CloudWatch dashboard", Sum: "1 × $3", Dollars: dashboard})
	}
	if u.Keys > 0 {
		list = append(list, Charge{What: "Keys of yours", Sum: fmt.Sprintf("%d × $1", u.Keys), Dollars: key * float64(u.Keys), AfterFree: key * float64(u.Keys)})
	}
	if u.Secrets > 0 {
		list = append(list, Charge{What: "Secrets Manager", Sum: fmt.Sprintf("%d × $0.40", u.Secrets), Dollars: secretKept * float64(u.Secrets), AfterFree: secretKept * float64(u.Secrets)})
	}
	if u.Anchors {
		puts := float64(minutes / 10)
		list = append(list, Charge{What: "S3, anchors of the ledger", Sum: fmt.Sprintf("%.0f objects at most × $5 a million", puts), Dollars: puts * objectPut, AfterFree: puts * objectPut})
	}
	if u.Copies > 0 {
		copies := calls * float64(u.Copies)
		list = append(list, Charge{What: "CloudTrail, further copies of management events", Sum: fmt.Sprintf("%.0f reads of ours × %d × $2 per 100,000", calls, u.Copies), Dollars: copies * trailEvent, AfterFree: copies * trailEvent, NotOurs: true})
	}
	return list
}

// Total sums charges up, before and after the free tier.
func Total(list []Charge) (dollars, afterFree float64) {
	for _, c := range list {
		dollars += c.Dollars
		afterFree += c.AfterFree
	}
	return dollars, afterFree
}

// CostPage is docs/cost.md.
func CostPage() string {
	var b strings.Builder
	b.WriteString(costIntro)
	for _, s := range []struct {
		title string
		usage Usage
	}{
		{"One account, one pinned trail, a sweep every minute", Usage{SweepMinutes: 1, Pinned: 1, Events: 200, Alarms: true, Dashboard: true}},
		{"The same, with a second trail that records management events too", Usage{SweepMinutes: 1, Pinned: 2, Events: 200, Alarms: true, Dashboard: true, Copies: 1}},
		{"The same, with a sweep every five minutes", Usage{SweepMinutes: 5, Pinned: 2, Events: 200, Alarms: true, Dashboard: true, Copies: 1}},
		{"An organization: an organization's trail and 50 trails of members pinned, a sweep every minute, keys of yours", Usage{SweepMinutes: 1, Pinned: 51, Events: 50_000, Alarms: true, Dashboard: true, Keys: 2}},
	} {
		list := Cost(s.usage)
		fmt.Fprintf(&b, "\n## %s\n\n| | sum | $ a month | after the free tier |\n|---|---|---|---|\n", s.title)
		for _, c := range list {
			fmt.Fprintf(&b, "| %s | %s | %.2f | %.2f |\n", c.What, c.Sum, c.Dollars, c.AfterFree)
		}
		dollars, free := Total(list)
		fmt.Fprintf(&b, "| **together** | | **%.2f** | **%.2f** |\n", dollars, free)
	}
	b.WriteString(costNotes)
	return b.String()
}

const costIntro = `# What it costs

Made by internal/deploy/cost.go (` + "`go test ./internal/deploy -update`" + `): list prices of us-east-1 in US dollars, a month of 30 days, before
and after the parts of AWS's free tier that do not end. Times and counts are estimates from runs on a simulated AWS; nothing here was
read off a bill. EventBridge takes AWS's own events for nothing, SNS sends 1,000 mails for nothing, and reading trails costs nothing.
`

const costNotes = `
## What is easily overlooked

- **Our reads are events too.** A sweep reads a pinned trail with seven calls, another one with two, and each is a management event. The
  first copy of management events in a Region is free; **every further trail that records them pays $2 per 100,000**, which is the largest
  sum here by far where there is one. Sweep every five minutes then, or keep to one trail. A trail that was recreated as a
  duplicate is such a copy.
- CloudTrail's delivery to CloudWatch Logs ($0.50 a GB, about 1.5 KB an event) and GuardDuty ($4 a million events) count them as well.
- Lambda polls the queue whether or not anything is in it: within SQS's free million, if nothing else in the account uses it up.
- Another Region (forwarder.yaml) costs $1 a million forwarded events, that is nothing; a witness $0.05 for heartbeats, $0.10 for its alarm
  and $0.30 for its metric.
- After ` + "`trailwarden destroy`" + ` table, log groups and dead letters stay: cents a month, for as long as you keep the evidence.
`
