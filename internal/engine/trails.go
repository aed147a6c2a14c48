package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// lister lists the trails that a sweep looks at: those of every Region that the account has enabled, as a trail for one
// Region is in the list of that Region alone.
type lister struct {
	client *cloud.Client
	own    string // the Region that this program is in
	pinned []trail.ARN
	log    *slog.Logger

	said sync.Once
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

// asking is how long the question for the Regions may take.
const asking = 5 * time.Second

// errSome says that trails were listed, and that there may be others elsewhere.
var errSome = errors.New("which Regions are enabled is not known")

func (l *lister) trails(ctx context.Context) ([]trail.ARN, error) {
	regions, all := l.regions(ctx)
	trails, err := l.client.Everywhere(ctx, regions)
	if err == nil && !all {
		err = errSome
	}
	return trails, err
}

// regions falls back, where the enabled ones may not be read, on this one and those of the pinned trails, and says so.
func (l *lister) regions(ctx context.Context) (regions []string, all bool) {
	bounded, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	regions, err := l.client.Regions(bounded)
	if err == nil {
		return regions, true
	}
	regions = []string{l.own}
	for _, a := range l.pinned {
		regions = append(regions, a.Region)
	}
	slices.Sort(regions)
	regions = slices.Compact(regions)
	l.said.Do(func() {
		l.log.WarnContext(ctx, "which Regions are enabled is not known: new trails are looked for in some only", "regions", regions,
			"error", err.Error(), "hint", "allow ec2:DescribeRegions to trailwarden's role")
	})
	return regions, false
}
