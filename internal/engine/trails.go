package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// lister lists the trails that a sweep looks at, in the own account and in each member: those of every Region that the account has enabled,
// as a trail for one Region is in the list of that Region alone.
type lister struct {
	members *cloud.Members
	own     string // the Region that this program is in
	pinned  []trail.ARN
	log     *slog.Logger

	said sync.Map // the accounts whose Regions are not known, and that this was said of
}

// meant is the trail that a refused call was about: a trail for all Regions can be named from each of them, and a call that is
// made elsewhere than in its home Region is refused. Only a pinned trail, and the only one of its name, is taken for it.
func (e *Engine) meant(a trail.ARN, r event.Record) trail.ARN {
	if r.Succeeded() || strings.HasPrefix(r.Trail, "arn:") || slices.Contains(e.Pinned, a) {
		return a
	}
	var same []trail.ARN
	for _, p := range e.Pinned {
		if p.Name == a.Name && p.Account == a.Account {
			same = append(same, p)
		}
	}
	if len(same) != 1 {
		return a
	}
	return same[0]
}

const (
	// asking is how long the question for an account's Regions may take.
	asking = 5 * time.Second
	// listing is how long all accounts together may take: those that hang keep no other trail waiting longer.
	listing = 15 * time.Second
	// accountsAtOnce is how many accounts are listed at a time.
	accountsAtOnce = 16
)

// errSome says that trails were listed, and that there may be others elsewhere.
var errSome = errors.New("which Regions are enabled is not known")

// trails lists what could be listed, and says in the error what could not.
func (l *lister) trails(ctx context.Context) ([]trail.ARN, error) {
	ctx, cancel := context.WithTimeout(ctx, listing)
	defer cancel()
	accounts := append([]string{""}, l.members.Accounts...) // "" is the own one
	lists, errs := make([][]trail.ARN, len(accounts)), make([]error, len(accounts))
	free := make(chan struct{}, accountsAtOnce)
	var wg sync.WaitGroup
	for i, account := range accounts {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			lists[i], errs[i] = l.account(ctx, account)
		})
	}
	wg.Wait()
	found := slices.Concat(lists...)
	slices.SortFunc(found, func(a, b trail.ARN) int { return strings.Compare(a.String(), b.String()) })
	// What could not be listed at all is not covered up by an account whose Regions are not known.
	if failed := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil || errors.Is(err, errSome) }); len(failed) > 0 {
		return slices.Compact(found), errors.Join(failed...)
	}
	return slices.Compact(found), errors.Join(errs...)
}

// account lists the trails of one account.
func (l *lister) account(ctx context.Context, account string) ([]trail.ARN, error) {
	in := trail.ARN{Partition: trail.PartitionOf(l.own), Region: l.own, Account: account}
	regions, all := l.regions(ctx, in)
	trails, err := l.members.Trails(ctx, in, regions...)
	switch {
	case err != nil && account != "":
		return trails, fmt.Errorf("account %s: %w", account, err)
	case err == nil && !all:
		return trails, errSome
	}
	return trails, err
}

// regions falls back, where the enabled ones may not be read, on this one and those of the pinned trails, and says so.
func (l *lister) regions(ctx context.Context, in trail.ARN) (regions []string, all bool) {
	bounded, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	regions, err := l.members.Regions(bounded, in)
	if err == nil {
		return regions, true
	}
	regions = []string{l.own}
	for _, a := range l.pinned {
		regions = append(regions, a.Region)
	}
	slices.Sort(regions)
	regions = slices.Compact(regions)
	if _, said := l.said.LoadOrStore(in.Account, true); !said {
		l.log.WarnContext(ctx, "which Regions are enabled is not known: new trails are looked for in some only", "regions", regions, "account", in.Account,
			"error", err.Error(), "hint", "allow ec2:DescribeRegions to trailwarden's role")
	}
	return regions, false
}
