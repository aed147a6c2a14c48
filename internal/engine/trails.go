package engine

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/cloud"
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

// asking is how long the question for the Regions may take.
const asking = 5 * time.Second

func (l *lister) trails(ctx context.Context) ([]trail.ARN, error) {
	return l.client.Everywhere(ctx, l.regions(ctx))
}

// regions falls back, where the enabled ones may not be read, on this one and those of the pinned trails, and says so.
func (l *lister) regions(ctx context.Context) []string {
	bounded, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	regions, err := l.client.Regions(bounded)
	if err == nil {
		return regions
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
	return regions
}
