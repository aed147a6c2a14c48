package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// escalate adds what people need where trailwarden cannot or may not go on by itself: the facts, and the command lines that
// a person decides about. err is how the repair ended.
func (w *work) escalate(ctx context.Context, err error, incidents []incident.Incident) {
	// Facts are worth having also when the time for repairs is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), aside)
	defer cancel()
	var facts string
	var steps []incident.Step
	severity := incident.High
	call, _ := errors.AsType[*trail.CallError](err)
	switch {
	case w.left(trail.Foreign):
		severity = incident.Critical
	case w.left(trail.Owned):
		steps = append(steps, incident.Step{Text: "AWS Control Tower owns the trail: look at the landing zone from the management account, and reset it there.",
			Command: "aws controltower list-landing-zones --region " + w.arn.Region})
	case call != nil && call.Code == "MaximumNumberOfTrailsExceededException":
		severity = incident.Critical
		facts, steps = w.occupants(ctx)
	case call != nil && call.Class == trail.ClassDenied && trail.ControlTower(w.arn, w.state.Tags):
		facts = "AWS Control Tower owns the trail, and its policy lets nobody else change it."
	case call != nil && call.Class == trail.ClassRetry && call.Code != "":
		facts = w.busiest(ctx, call.Op)
	default:
		return
	}
	for i := range incidents {
		inc := &incidents[i]
		if inc.Outcome != incident.Failed && inc.Outcome != incident.Open {
			continue
		}
		inc.Reason = strings.TrimSuffix(strings.TrimSpace(inc.Reason+". "+facts), ".")
		inc.NextSteps = append(inc.NextSteps, first(steps, mostSteps-len(inc.NextSteps), w.arn.Region)...)
		if inc.Severity.Rank() < severity.Rank() {
			inc.Severity = severity
		}
	}
}

// mostSteps is how many next steps a person is given where trails fill the Region: more are not read.
const mostSteps = 5

// first is as many steps as there is room for; what is left out can be looked up.
func first(steps []incident.Step, room int, region string) []incident.Step {
	if len(steps) <= room || room < 1 {
		return steps[:max(0, min(len(steps), room))]
	}
	return append(slices.Clone(steps[:room-1]), incident.Step{
		Text: fmt.Sprintf("Look at the other %d trails that nobody pinned.", len(steps)-room+1), Command: "aws cloudtrail list-trails --region " + region})
}

// left says whether something was left for a reason.
func (w *work) left(r trail.Reason) bool {
	return slices.ContainsFunc(w.plan.Left, func(l trail.Left) bool { return l.Reason == r })
}

// occupants lists the trails that fill the Region, who made them and when. Which of them may go is for people to say.
func (w *work) occupants(ctx context.Context) (facts string, steps []incident.Step) {
	if w.guard.Around == nil {
		return "", nil
	}
	trails, err := w.guard.Around.Trails(ctx, w.arn, w.arn.Region)
	if err != nil {
		return "Which trails there are could not be read: " + err.Error(), nil
	}
	made := map[trail.ARN]event.Record{}
	var regions []string
	for _, a := range trails {
		regions = append(regions, a.Region)
	}
	slices.Sort(regions)
	for _, region := range slices.Compact(regions) {
		for _, r := range w.records90(ctx, region, "CreateTrail") {
			if a, err := trail.Resolve(r.Trail, r.Region, r.Account); err == nil && r.Succeeded() {
				made[a] = r
			}
		}
	}
	// Whoever filled the Region did it lately: the newest first, those of unknown age last.
	slices.SortStableFunc(trails, func(a, b trail.ARN) int { return made[b].Time.Compare(made[a].Time) })
	var lines []string
	for _, a := range trails {
		line := a.String() + ", by whom is not in Event history"
		if r, ok := made[a]; ok {
			line = fmt.Sprintf("%s, made by %q at %s from %q", a, r.Actor.ARN, r.Time.UTC().Format(time.RFC3339), r.Actor.SourceIP)
		}
		lines = append(lines, line)
		if _, pinned := w.pins(a); !pinned {
			steps = append(steps, incident.Step{Text: "If nobody needs " + a.Name + ", delete it: trailwarden deletes nothing.",
				Command: fmt.Sprintf("aws cloudtrail delete-trail --region %s --name %s", a.Region, a)})
		}
	}
	return "The Region is full: " + strings.Join(lines, "; "), steps
}

func (w *work) pins(a trail.ARN) (trail.Baseline, bool) {
	if w.guard.Baseline == nil {
		return trail.Baseline{}, false
	}
	return w.guard.Baseline(a)
}

// busiest says who makes the calls that leave no room for ours.
func (w *work) busiest(ctx context.Context, op string) string {
	count := map[string]int{}
	self, _ := w.guard.Cloud.Self(ctx)
	for _, r := range w.history(ctx, w.arn.Region, 15*time.Minute, op) {
		if !sameRole(self, r.Actor) {
			count[r.Actor.ARN]++
		}
	}
	if len(count) == 0 {
		return ""
	}
	who := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return strings.Compare(a, b)
	})
	return fmt.Sprintf("In the last 15 minutes Event history has %d calls of %s by others, most of them by %q", sum(count), op, who[0])
}

func sum(count map[string]int) (n int) {
	for _, c := range count {
		n += c
	}
	return n
}

// records90 is all that Event history keeps of a call.
func (w *work) records90(ctx context.Context, region, call string) []event.Record {
	return w.history(ctx, region, 90*24*time.Hour, call)
}

// history reads records of calls, the oldest first; none where they cannot be had: they explain, and decide nothing.
func (w *work) history(ctx context.Context, region string, back time.Duration, calls ...string) []event.Record {
	if w.guard.Around == nil {
		return nil
	}
	raw, _ := w.guard.Around.History(ctx, w.arn, region, calls, w.seen.Add(-back))
	var out []event.Record
	for _, one := range raw {
		records, _ := event.Decode(one)
		out = append(out, records...)
	}
	slices.SortStableFunc(out, func(a, b event.Record) int { return a.Time.Compare(b.Time) })
	return out
}

// attribute looks up in Event history who did what a sweep found.
func (w *work) attribute(ctx context.Context, incidents []incident.Incident) {
	var calls []string
	for _, d := range w.plan.Drifts {
		switch row, _ := trail.RowOf(d.Field); {
		case d.Field == trail.FieldExists:
			calls = append(calls, "DeleteTrail")
		case d.Field == trail.FieldLogging:
			calls = append(calls, "StopLogging")
		case d.Field == trail.FieldTags:
			calls = append(calls, "AddTags", "RemoveTags")
		default:
			calls = append(calls, string(row.Op))
		}
	}
	if len(calls) == 0 || len(incidents) == 0 || incidents[0].Record != nil {
		return
	}
	slices.Sort(calls)
	ctx, cancel := context.WithTimeout(ctx, aside)
	defer cancel()
	self, _ := w.guard.Cloud.Self(ctx)
	records := w.history(ctx, w.arn.Region, 24*time.Hour, slices.Compact(calls)...)
	for _, r := range slices.Backward(records) {
		a, err := trail.Resolve(r.Trail, r.Region, r.Account)
		if err != nil || a != w.arn || !r.Succeeded() || sameRole(self, r.Actor) {
			continue
		}
		incidents[0].Attribute(r)
		w.attributed = append(w.attributed, r)
		if incidents[0].BlindWindow == nil && incident.CallName(r.Name) == "DeleteTrail" {
			incidents[0].OpenedAt = r.Time.UTC()
			w.window(&incidents[0], r.Time, incident.FromRecords)
		}
		return
	}
}

// owner finds out whose the pinned bucket is, where a repair would point the trail to it.
func (w *work) owner(ctx context.Context, wanted trail.Baseline) {
	if wanted.BucketOwner == "" || w.guard.Around == nil || !slices.ContainsFunc(trail.Compare(wanted, w.state), func(d trail.Drift) bool {
		return d.Field == trail.FieldExists || d.Field == trail.FieldBucket
	}) {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, aside)
	defer cancel()
	var err error
	if w.state.PinnedBucket, err = w.guard.Around.BucketOwner(bounded, wanted.Want.Bucket, wanted.BucketOwner); err != nil {
		w.unasked = fmt.Sprintf("Whether the bucket %s still belongs to account %s could not be found out: %v", wanted.Want.Bucket, wanted.BucketOwner, err)
		w.owned = fmt.Sprintf("aws s3api head-bucket --bucket %s --expected-bucket-owner %s", wanted.Want.Bucket, wanted.BucketOwner)
	}
}

// doubt says in the incidents that whose the bucket is could not be found out: the trail was pointed to it all the same, as it is
// pinned to be.
func (w *work) doubt(incidents []incident.Incident) {
	for i := range incidents {
		inc := &incidents[i]
		if w.unasked == "" || inc.Outcome == incident.Confirmed || inc.Outcome == incident.Attempted {
			continue
		}
		inc.Partial = true
		inc.Reason = strings.TrimPrefix(inc.Reason+". "+w.unasked, ". ")
		inc.NextSteps = append(inc.NextSteps, incident.Step{Text: "Find out whose the bucket is: log files in a stranger's bucket are lost.", Command: w.owned})
	}
}
