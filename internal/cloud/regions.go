package cloud

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// regionsHold is how long the list of enabled Regions holds.
const regionsHold = time.Hour

// Regions lists the Regions that the account has enabled, in the order of their names.
func (c *Client) Regions(ctx context.Context) ([]string, error) {
	c.mu.Lock()
	last := c.regions
	c.mu.Unlock()
	if last.fresh(regionsHold) {
		return slices.Clone(last.value), nil
	}
	var regions []string
	err := c.retry(ctx, "DescribeRegions", c.Config.Region, func(ctx context.Context) error {
		var out struct {
			Names []string `xml:"regionInfo>item>regionName"`
		}
		err := c.lean().Query(ctx, awscall.EC2, "", url.Values{"Action": {"DescribeRegions"}, "Version": {"2016-11-15"}}, &out)
		if regions = out.Names; err == nil && len(regions) == 0 {
			return errNoRegions
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(regions)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.regions = known[[]string]{slices.Clone(regions), time.Now()}
	return regions, nil
}

// listing is how long the list of one Region may take: one that hangs keeps no trail of another waiting.
const listing = 10 * time.Second

// Everywhere lists the trails that Regions know, each once: a multi-Region trail is in the list of every Region, with its
// home Region in its ARN. What could not be listed is in the error, and what could is returned all the same.
func (c *Client) Everywhere(ctx context.Context, regions []string) ([]trail.ARN, error) {
	lists, errs := make([][]trail.ARN, len(regions)), make([]error, len(regions))
	var wg sync.WaitGroup
	free := make(chan struct{}, 8)
	for i, region := range regions {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			bounded, cancel := context.WithTimeout(ctx, listing)
			defer cancel()
			lists[i], errs[i] = c.Trails(bounded, region)
		})
	}
	wg.Wait()
	found := slices.Concat(lists...)
	slices.SortFunc(found, func(a, b trail.ARN) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(found), errors.Join(errs...)
}
