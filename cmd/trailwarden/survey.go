package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/cloud/chain"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// atOnce bounds the calls that are under way: GetTrail and its like have a quota of ten a second for a Region.
const atOnce = 8

// reach is which AWS a verb reads, and how long it tries.
type reach struct {
	aws     cloud.Options
	regions regionList
	limit   time.Duration
}

// flags gives a verb that looks for trails the flags of its reach. Its --region takes several, and "all".
func (r *reach) flags(c *cobra.Command) {
	r.login(c)
	c.Flags().Var(&r.regions, "region", "`Region` to look for trails in, several times or with commas, or all (default: that of the AWS environment, and the home Regions of pinned trails)")
}

// login gives a verb the flags that say which AWS it is about.
func (r *reach) login(c *cobra.Command) {
	c.Flags().StringVar(&r.aws.Profile, "profile", "", "AWS `profile` to use")
	c.Flags().StringVar(&r.aws.Endpoint, "endpoint-url", "", "`URL` of another AWS, such as a simulated one")
	c.Flags().DurationVar(&r.limit, "timeout", 2*time.Minute, "How long to go on trying")
}

// regionList is the value of a --region that takes several. It is not the key region of the configuration.
type regionList []string

func (l *regionList) String() string { return strings.Join(*l, ",") }
func (l *regionList) Type() string   { return "regions" }

func (l *regionList) Set(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		region, _ := config.KeyNamed("region")
		if problem := region.Verify(name); name != "all" && (problem != nil || name == "") {
			return fmt.Errorf("%q is not the name of an AWS Region: it looks like eu-west-1; all is every Region", name)
		}
		*l = append(*l, name)
	}
	return nil
}

// field is a survey in the making.
type field struct {
	client *cloud.Client
	self   string        // ARN of the principal
	region string        // of the AWS environment
	file   baseline.File // what trails are pinned to be; empty where that does not matter
	note   func(format string, args ...any)
	log    func(msg string, args ...any)
}

// open finds out who reads, and where.
func (a *app) open(ctx context.Context, cfg config.Config, r reach) (*field, error) {
	o := r.aws
	o.Region = cfg.Region
	if len(r.regions) > 0 && r.regions[0] != "all" {
		o.Region = r.regions[0]
	}
	aws, err := chain.Load(ctx, o)
	if err != nil {
		return nil, fail(exitError, "check the AWS profile and environment", err)
	}
	if aws.Region == "" {
		return nil, usage("use --region, or set AWS_REGION or `region` in the configuration", "no AWS Region is set")
	}
	f := &field{client: &cloud.Client{Config: aws, Version: buildInfo().Version}, region: aws.Region, log: a.logger(cfg).Debug, note: a.note}
	if f.self, err = f.client.Self(ctx); err != nil {
		return nil, fail(exitError, hintOf(err), fmt.Errorf("find out the account: %w", err))
	}
	return f, nil
}

// baseline is what a trail is pinned to be.
func (f *field) baseline(a trail.ARN) (trail.Baseline, bool) { return f.file.Lookup(a) }

// enabled lists the Regions that the account has enabled; where that cannot be asked those that AWS had when this program
// was made, and says so.
func (f *field) enabled(ctx context.Context) []string {
	regions, err := f.client.Regions(ctx)
	if err == nil {
		return regions
	}
	f.note("which Regions are enabled is not known, so that those of a built-in list are read, and newer ones are not: %s", plain(err.Error()))
	return everyRegion(trail.PartitionOf(f.region))
}

// survey reads every trail of the Regions, and the pinned ones wherever they are.
func (f *field) survey(ctx context.Context, regions []string, pinned []trail.ARN) baseline.Survey {
	s := baseline.Survey{Accounts: []string{cloud.AccountOf(f.self)}}
	every := slices.Contains(regions, "all")
	switch {
	case every:
		regions = f.enabled(ctx)
	case len(regions) == 0:
		regions = []string{f.region}
		for _, a := range pinned {
			regions = append(regions, a.Region)
		}
	}
	regions = slices.Compact(slices.Sorted(slices.Values(regions)))

	found := slices.Clone(pinned)
	var mu sync.Mutex
	each(regions, func(region string) {
		trails, err := f.client.Trails(ctx, region)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			s.Regions = append(s.Regions, region)
			found = append(found, trails...)
		case every && optIn(region) && trail.ClassOf(err) == trail.ClassLogin:
			f.log("the Region is not enabled", "region", region)
		default:
			s.Failures = append(s.Failures, baseline.Failure{Where: region, Error: err.Error(), Hint: hintOf(err), Whole: true})
		}
	})
	slices.Sort(s.Regions)
	f.gather(ctx, &s, found, false)
	return s
}

// gather reads trails, each once, and adds them to the survey. With prove it is found out whether trails that are not there
// were deleted, which may take a while.
func (f *field) gather(ctx context.Context, s *baseline.Survey, trails []trail.ARN, prove bool) {
	byARN := func(a, b trail.ARN) int { return strings.Compare(a.String(), b.String()) }
	trails = slices.Compact(slices.SortedFunc(slices.Values(trails), byARN))
	var mu sync.Mutex
	each(trails, func(a trail.ARN) {
		state, failures := f.read(ctx, a, prove)
		mu.Lock()
		defer mu.Unlock()
		s.Failures = append(s.Failures, failures...)
		if len(failures) == 0 || state.Exists {
			s.States = append(s.States, state)
		}
	})
	s.At = time.Now().UTC()
	slices.SortFunc(s.States, func(a, b trail.State) int { return byARN(a.ARN, b.ARN) })
	slices.SortFunc(s.Failures, func(a, b baseline.Failure) int { return strings.Compare(a.Where+a.Error, b.Where+b.Error) })
}

// read reads one trail, and what of it could not be read.
func (f *field) read(ctx context.Context, a trail.ARN, prove bool) (trail.State, []baseline.Failure) {
	var failures []baseline.Failure
	var groups []trail.Group
	if b, ok := f.baseline(a); ok {
		groups = b.Compares()
	}
	state, err := f.client.Read(ctx, a, groups...)
	for _, part := range parts(err) {
		if part != nil {
			failures = append(failures, baseline.Failure{Where: a.String(), Error: part.Error(), Hint: hintOf(part), Whole: !state.Exists})
		}
	}
	state.ARN, state.Caller = a, trail.Caller{Account: cloud.AccountOf(f.self)}
	if a.Account != state.Caller.Account {
		caller, asked := f.client.Caller(ctx)
		if state.Caller = caller; asked != nil {
			state.Caller.Unknown = "How this account stands in its organization could not be found out: " + asked.Error() + "."
		}
	}
	if p, ok := f.baseline(a); ok && p.BucketOwner != "" {
		var asked error
		if state.PinnedBucket, asked = f.client.BucketOwner(ctx, p.Want.Bucket, p.BucketOwner); asked != nil {
			state.BucketUnknown = "whether the bucket " + p.Want.Bucket + " belongs to account " + p.BucketOwner + " could not be found out: " + asked.Error()
		}
	}
	if own := state.Caller.Account; err == nil && !state.Exists && a.Account != own && !(state.Caller.Delegated && state.Caller.Management == a.Account) {
		return state, []baseline.Failure{{
			Where: a.String(), Error: "not found, which says nothing: account " + own + " does not see all trails of account " + a.Account,
			Hint: "use credentials of account " + a.Account + " (--profile)", Whole: true,
		}}
	}
	if err != nil || state.Exists || !prove {
		return state, failures
	}
	if state.Deleted, err = f.client.Deleted(ctx, a, f.explained(ctx, a)); err != nil {
		// It stays unproven: the trail is reported, and not created again.
		failures = append(failures, baseline.Failure{Where: a.String(), Error: err.Error(), Hint: hintOf(err)})
	}
	return state, failures
}

// explained tells whether Event history has a record of the trail's deletion.
func (f *field) explained(ctx context.Context, a trail.ARN) bool {
	changes, err := f.history(ctx, a.Region, []string{"DeleteTrail"}, time.Now().Add(-historyKept))
	if err != nil {
		f.log("cannot read Event history", "error", err)
	}
	return slices.ContainsFunc(changes, func(r event.Record) bool { return concerns(r, a) && r.Succeeded() })
}

// historyKept is how far Event history goes back.
const historyKept = 90 * 24 * time.Hour

// history reads records of calls from Event history, the oldest first.
func (f *field) history(ctx context.Context, region string, calls []string, since time.Time) ([]event.Record, error) {
	raw, err := f.client.History(ctx, region, calls, since)
	var out []event.Record
	for _, one := range raw {
		records, bad := event.Decode(one)
		out = append(out, records...)
		for _, b := range bad {
			err = errors.Join(err, b)
		}
	}
	slices.SortStableFunc(out, func(a, b event.Record) int { return a.Time.Compare(b.Time) })
	return out, err
}

// concerns tells whether a record is about a trail.
func concerns(r event.Record, a trail.ARN) bool {
	named, err := trail.Resolve(r.Trail, r.Region, r.Account)
	return err == nil && named == a && r.Source == "cloudtrail.amazonaws.com"
}

// each does something with every item, several at once.
func each[T any](items []T, do func(T)) {
	var wg sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for _, item := range items {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			do(item)
		})
	}
	wg.Wait()
}

// unread makes errors of what could not be read, so that the exit code tells.
func unread(failures []baseline.Failure) error {
	var errs []error
	for _, f := range failures {
		text := f.Error
		if !strings.Contains(text, f.Where) {
			text = f.Where + ": " + text
		}
		errs = append(errs, fail(exitPartial, f.Hint, errors.New(text)))
	}
	return errors.Join(errs...)
}
