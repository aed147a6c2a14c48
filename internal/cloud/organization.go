package cloud

import (
	"context"
	"errors"
	"time"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// standing is how long an answer about the organization holds: AWS decides anew with every call that we make by it.
const standing = 15 * time.Minute

// introduction is how long the question may take.
const introduction = 5 * time.Second

// known is something that was asked, and when.
type known[T any] struct {
	value T
	at    time.Time
}

func (k known[T]) fresh(d time.Duration) bool { return !k.at.IsZero() && time.Since(k.at) < d }

// principal of CloudTrail, as the registration of a delegated administrator names it.
const principal = "cloudtrail.amazonaws.com"

// Caller says who makes the calls, and how the account stands in its organization. What a missing permission leaves open
// is said in Caller.Unknown: it is no error.
func (c *Client) Caller(ctx context.Context) (trail.Caller, error) {
	c.mu.Lock()
	last := c.caller
	c.mu.Unlock()
	if last.fresh(standing) {
		return last.value, nil
	}
	ctx, cancel := context.WithTimeout(ctx, introduction)
	defer cancel()
	self, err := c.Self(ctx)
	if err != nil {
		return trail.Caller{}, err
	}
	caller, err := c.inOrganization(ctx, trail.Caller{Account: AccountOf(self)})
	if err != nil {
		return trail.Caller{Account: caller.Account}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.caller = known[trail.Caller]{caller, time.Now()}
	return caller, nil
}

func (c *Client) inOrganization(ctx context.Context, caller trail.Caller) (trail.Caller, error) {
	var organization struct {
		Organization struct{ MasterAccountId string }
	}
	err := c.organizations(ctx, "DescribeOrganization", struct{}{}, &organization)
	switch trail.ClassOf(err) {
	case trail.ClassEmpty:
		return caller, nil // in no organization
	case trail.ClassDenied:
		caller.Unknown = "Which organization account " + caller.Account + " is in is not known: organizations:DescribeOrganization was refused."
		return caller, nil
	}
	if err != nil {
		return caller, err
	}
	caller.Management = organization.Organization.MasterAccountId
	if caller.Management == caller.Account {
		return caller, nil
	}
	var token *string
	for range 100 {
		var page struct {
			DelegatedAdministrators []struct{ Id string }
			NextToken               *string
		}
		err := c.organizations(ctx, "ListDelegatedAdministrators", map[string]any{"ServicePrincipal": principal, "NextToken": token}, &page)
		if trail.ClassOf(err) == trail.ClassDenied {
			// A member that is no delegated administrator of anything is refused too.
			caller.Unknown = "Whether account " + caller.Account + " is a delegated administrator of CloudTrail is not known: " +
				"organizations:ListDelegatedAdministrators was refused, as it always is in an account that is none."
			return caller, nil
		}
		if err != nil {
			return caller, err
		}
		for _, a := range page.DelegatedAdministrators {
			caller.Delegated = caller.Delegated || a.Id == caller.Account
		}
		if token = page.NextToken; token == nil || *token == "" || caller.Delegated {
			return caller, nil
		}
	}
	return caller, errors.New("list delegated administrators: the list does not come to an end")
}

func (c *Client) organizations(ctx context.Context, op string, in, out any) error {
	return c.retry(ctx, op, "of the organization", func(ctx context.Context) error {
		return c.lean().JSON(ctx, awscall.Organizations, "", "AWSOrganizationsV20161128."+op, in, out)
	})
}

var errNoRegions = errors.New("the answer names no Region")
