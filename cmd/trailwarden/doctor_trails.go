package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/deploy/doctor"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// stale is the age from which on a baseline should be looked at again.
const stale = 180 * 24 * time.Hour

func age(f baseline.File, now time.Time) doctor.Check {
	days := max(0, int(now.Sub(f.Captured.At).Hours()/24))
	when := map[int]string{0: "today", 1: "yesterday"}[days]
	if when == "" {
		when = fmt.Sprintf("%d days ago", days)
	}
	text := fmt.Sprintf("%s pinned, captured %s by %s", count(len(f.Trails), "trail"), when, f.Captured.By)
	if now.Sub(f.Captured.At) > stale {
		return doctor.Check{Name: "baseline", Status: doctor.Waiting, Text: text + ": nobody has looked at it for half a year", Mend: "trailwarden baseline diff; then capture it again, or accept what changed"}
	}
	return doctor.Check{Name: "baseline", Status: doctor.OK, Text: text}
}

// trailsPerRegion is CloudTrail's quota, which cannot be raised. A trail of all Regions counts in each.
const trailsPerRegion = 5

// trailChecks reads the trails: are they as pinned, do they deliver, is there room for one that has to be made anew, and may they all be
// read as often as the sweep does?
func trailChecks(ctx context.Context, at *field, pinned baseline.File, every time.Duration) []doctor.Check {
	at.file = pinned
	s := at.survey(ctx, nil, arns(pinned))
	report := pinned.Assess(s)
	var checks []doctor.Check
	for _, t := range report.Trails {
		i := slices.IndexFunc(s.States, func(state trail.State) bool { return state.ARN == t.ARN })
		checks = append(checks, trailCheck(t, i >= 0 && s.States[i].Status.Delivered.IsZero()))
	}
	for _, u := range report.Unpinned {
		checks = append(checks, doctor.Check{Name: "trail " + u.ARN.Name, Status: doctor.Waiting, Text: "not pinned: it is started when it stops, and what else changes is only told", Mend: "trailwarden baseline accept " + u.ARN.Name + "; then deploy it: trailwarden deploy --update"})
	}
	for _, f := range report.Failures {
		checks = append(checks, doctor.Check{Name: "trails", Status: doctor.Unknown, Text: f.Error, Mend: cmp.Or(f.Hint, "look again: trailwarden doctor")})
	}
	used, homes := map[string]int{}, map[string]int{}
	for _, state := range s.States {
		if !state.Exists {
			continue
		}
		homes[state.ARN.Region]++
		for _, region := range s.Regions {
			if region == state.ARN.Region || state.MultiRegion {
				used[region]++
			}
		}
	}
	for _, region := range s.Regions {
		check := doctor.Check{Name: "quota " + region, Status: doctor.OK, Text: fmt.Sprintf("%d of %d trails used", used[region], trailsPerRegion)}
		if used[region] >= trailsPerRegion {
			check.Status, check.Text = doctor.Waiting, check.Text+": whoever deletes one and makes another keeps it from being made anew"
			check.Mend = "delete a trail that nobody needs: the quota cannot be raised"
		}
		checks = append(checks, check)
	}
	if len(s.Regions) > 0 {
		checks = append(checks, doctor.Rates(homes, every))
	}
	return checks
}

// trailCheck is how a pinned trail is. Silent says that it has not delivered anything.
func trailCheck(t baseline.TrailReport, silent bool) doctor.Check {
	state, what := checkState(t)
	check := doctor.Check{Name: "trail " + t.ARN.Name, Status: doctor.OK, Text: "as pinned, and it delivers"}
	switch {
	case state == "partly read":
		check.Status, check.Text, check.Mend = doctor.Unknown, "could not be read whole: "+words(t.Unread), "trailwarden check says why"
	case state == "bucket":
		check.Status, check.Text, check.Mend = doctor.Wrong, t.Bucket, "find out who made that bucket, and have the trail deliver elsewhere: docs/baseline.md"
	case t.Delivery != "" && len(t.Drifts) == 0:
		check.Status, check.Text, check.Mend = doctor.Wrong, t.Delivery, "aws cloudtrail get-trail-status --name "+t.ARN.String()+"; mostly it is the bucket's policy or the key"
	case state != "as pinned" && state != "approved":
		check.Status, check.Text, check.Mend = doctor.Wrong, state+": "+what, "trailwarden plan; then: trailwarden apply"
	case silent:
		check.Status, check.Text, check.Mend = doctor.Waiting, "as pinned; it was started a moment ago, and has delivered nothing yet", "look again in a quarter of an hour: trailwarden doctor"
	}
	return check
}

// ledgerCheck reads the heads of the ledger's chains.
func ledgerCheck(ctx context.Context, store ledger.Store, err error, where string) doctor.Check {
	var heads []ledger.Head
	if err == nil {
		defer store.Close()
		heads, err = store.Heads(ctx)
	}
	if err != nil {
		mend := cmp.Or(hintOf(err), "see that it exists and that these credentials may read it; trailwarden incidents verify --ledger "+where)
		return doctor.Check{Name: "ledger", Status: doctor.Unknown, Text: err.Error(), Mend: mend}
	}
	return doctor.Check{Name: "ledger", Status: doctor.OK, Text: fmt.Sprintf("%s can be read: %s", where, count(len(heads), "chain"))}
}
