package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/baseline/file"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// captureFlags is how baseline capture is asked to do it.
type captureFlags struct {
	reach
	repair  []string
	force   bool
	history time.Duration
}

func baselineCapture(a *app) *cobra.Command {
	var f captureFlags
	c := &cobra.Command{
		Use:   "capture",
		Short: "Write a baseline of every trail as it is",
		Long: `Reads every trail with all its settings and writes them to a file: trailwarden.baseline.yaml, --baseline or --out. Review
the file and keep it in version control: it is what trailwarden holds the trails to.

Prints who changed the trails in the last 90 days, from Event history, which no attacker can change. A trail that is stopped
or does not record all management events is not pinned, unless --force says that it is meant to be so: you may be capturing
after the break-in. Nothing is written then. What cannot be read is no reason to write nothing either with --force: it is
listed under ignore, and nobody watches it.

With --repair the guard also repairs other groups of settings by itself: all, or some of logging, settings, selectors,
insights, event_configuration, tags, recreate. Without it, logging only. A file that is there is written over with --yes;
what people decided in it (repair, ignore, approvals, requirements) stays, and so do their comments.`,
		Example: `  trailwarden baseline capture
  trailwarden baseline capture --region all --repair all
  trailwarden baseline capture --repair logging,settings,selectors --out prod.baseline.yaml`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.capture(c, f) },
	}
	f.reach.flags(c)
	c.Flags().StringSliceVar(&f.repair, "repair", nil, "`Groups` of settings that the guard may repair by itself, or all")
	c.Flags().BoolVar(&f.force, "force", false, "Pin trails that are stopped or narrowed too, and leave out what cannot be read")
	c.Flags().DurationVar(&f.history, "history", historyKept, "How far to look back for who changed the trails; 0 for not at all")
	return c
}

func (a *app) capture(c *cobra.Command, f captureFlags) error {
	if c.Flags().Changed("output") {
		return usage("leave -o out", "%s writes a baseline file, and prints no data", c.CommandPath())
	}
	cfg, err := a.configuration(c)
	if err != nil {
		return err
	}
	repair, err := groups(f.repair)
	if err != nil {
		return err
	}
	path := a.outFile
	if path == "" {
		path = baselinePath(cfg)
	}
	var old baseline.File
	if exists(path) {
		if !a.yes {
			return fail(exitError, "see `trailwarden baseline diff` and `baseline accept`, or write over it with --yes", fmt.Errorf("write %s: there is such a file", path))
		}
		cfg.Baseline = path
		if old, err = a.baseline(cfg); err != nil {
			return errors.Join(err, usage("mend it or move it away: its serial number, approvals and requirements would be lost", "write over %s: it cannot be used", path))
		}
	}
	ctx, cancel := context.WithTimeout(c.Context(), f.limit)
	defer cancel()
	field, err := a.open(ctx, cfg, f.reach)
	if err != nil {
		return err
	}
	s := field.survey(ctx, f.regions, nil)
	s.States = slices.DeleteFunc(s.States, func(state trail.State) bool {
		others := state.ARN.Account != state.Caller.Account && baseline.Incomplete(state)
		if others {
			a.note("left out %s: not all of the organization's trail can be read from account %s; pin it in account %s", plain(state.ARN.String()), state.Caller.Account, state.ARN.Account)
			s.Failures = slices.DeleteFunc(s.Failures, func(f baseline.Failure) bool { return f.Where == state.ARN.String() })
		}
		return others
	})
	if len(s.States) == 0 {
		return errors.Join(unread(s.Failures), fail(exitFindings, "look elsewhere with --region, or --region all; a trail is made with aws cloudtrail create-trail", fmt.Errorf("there is no trail in %s", strings.Join(s.Regions, ", "))))
	}
	if err := pinnable(s.States, old, f.force); err != nil {
		return errors.Join(err, unread(s.Failures))
	}
	for _, state := range s.States {
		if unread := baseline.Unread(state); len(unread) > 0 {
			a.note("left out of %s, as it could not be read, and listed under ignore: %s", plain(state.ARN.String()), words(unread))
			s.Failures = slices.DeleteFunc(s.Failures, func(f baseline.Failure) bool { return f.Where == state.ARN.String() })
		}
	}
	if f.history > 0 {
		a.changes(ctx, field, s.States, f.history)
	}
	made := old.Capture(s.States, repair, s.At, field.self)
	field.owners(ctx, &made)
	made.Name = path
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read baseline: %w", err)
	}
	if err := replace(path, file.Update(text, made)); err != nil {
		return err
	}
	for _, state := range s.States {
		a.note("pinned %s", plain(state.ARN.String()))
		if problem, ok := trail.Delivery(state, s.At); !ok {
			a.note("  but it does not deliver: %s", plain(problem))
		}
	}
	a.note("wrote %s, serial %d; next: review it, then `trailwarden baseline check` and commit it", path, made.Serial)
	return unread(s.Failures)
}

// owners pins whose the buckets are, where S3 says that they belong to an account that may be meant.
func (f *field) owners(ctx context.Context, made *baseline.File) {
	candidates := []string{cloud.AccountOf(f.self)}
	if caller, err := f.client.Caller(ctx); err == nil && caller.Management != "" {
		candidates = append(candidates, caller.Management)
	}
	for i := range made.Trails {
		t := &made.Trails[i]
		if t.BucketOwner != "" {
			continue
		}
		for _, account := range slices.Compact(append(slices.Clone(candidates), t.ARN.Account)) {
			if owner, _ := f.client.BucketOwner(ctx, t.Bucket, account); owner == trail.OwnerExpected {
				t.BucketOwner = account
				break
			}
		}
		if t.BucketOwner == "" {
			f.note("whose the bucket %s is could not be told: write it into the file as s3_bucket_owner", plain(t.Bucket))
		}
	}
}

// groups reads the value of --repair; nil when it was not given.
func groups(names []string) ([]trail.Group, error) {
	if slices.Equal(names, []string{"all"}) {
		return trail.Groups(), nil
	}
	var known []string
	for _, g := range trail.Groups() {
		known = append(known, string(g))
	}
	var out []trail.Group
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, usage(config.Suggest(name, "use all, or some of ", known), "--repair: %q is not a group of settings", name)
		}
		out = append(out, trail.Group(name))
	}
	return out, nil
}

// pinnable refuses trails that nobody should pin as they are. By force a new trail is pinned without what could not be read of it; what is
// pinned already is never given up because somebody took away the permission to read it.
func pinnable(states []trail.State, old baseline.File, force bool) error {
	var errs []error
	for _, s := range states {
		doubts, hint := baseline.Doubts(s), "allow trailwarden to read it, or leave it out with --force: it is then listed under ignore, and nobody watches it. Nothing was written"
		var ignored []trail.Field
		i := slices.IndexFunc(old.Trails, func(t baseline.Trail) bool { return t.ARN == s.ARN })
		if i >= 0 {
			ignored, hint = old.Trails[i].Ignore, "allow trailwarden to read it; nothing was written"
		}
		switch {
		case baseline.Incomplete(s, ignored...) && (i >= 0 || !force):
			errs = append(errs, fail(exitError, hint, fmt.Errorf("pin %s: %s", s.ARN, strings.Join(doubts, "; "))))
		case len(doubts) > 0 && !force:
			errs = append(errs, fail(exitFindings, "find out who did that, and repair it; if it is meant to be so, pin it with --force. Nothing was written",
				fmt.Errorf("pin %s: %s", s.ARN, strings.Join(doubts, "; "))))
		}
	}
	return errors.Join(errs...)
}

// writes are the calls that change a trail.
var writes = []string{
	"CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging", "PutEventSelectors", "PutInsightSelectors",
	"PutEventConfiguration", "AddTags", "RemoveTags",
}

// changes prints who changed the trails lately. That it cannot be known is no reason not to capture.
func (a *app) changes(ctx context.Context, f *field, states []trail.State, back time.Duration) {
	var regions []string
	for _, s := range states {
		regions = append(regions, s.ARN.Region)
	}
	slices.Sort(regions)
	var records []event.Record
	unknown := map[string]bool{} // Regions whose history could not be read to its end
	var mu sync.Mutex
	each(slices.Compact(regions), func(region string) {
		a.note("reading Event history of %s …", region)
		some, err := f.history(ctx, region, writes, time.Now().Add(-back))
		mu.Lock()
		defer mu.Unlock()
		records = append(records, some...)
		if err != nil {
			unknown[region] = true
			a.note("who changed trails in %s is not known: %s", region, plain(err.Error()))
		}
	})
	for _, s := range states {
		a.note("%s, changed in the last %d days:", plain(s.ARN.String()), int(back.Hours()/24))
		none := true
		for _, r := range records {
			if !concerns(r, s.ARN) {
				continue
			}
			none = false
			outcome := ""
			if !r.Succeeded() {
				outcome = ", refused: " + plain(r.ErrorCode)
			}
			a.note("  %s  %-21s  %s from %s%s", r.Time.Format(time.RFC3339), plain(r.Name), plain(r.Actor.ARN), plain(r.Actor.SourceIP), outcome)
		}
		switch {
		case unknown[s.ARN.Region]:
			a.note("  by whom else is not known")
		case none:
			a.note("  by nobody")
		}
	}
}
