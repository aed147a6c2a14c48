package cloud

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// Members makes the calls for trails of several accounts: for those of other accounts with a role in them, which the home
// account's role may assume. Each account is a Client of its own, so that one that is out of order keeps no other waiting.
type Members struct {
	Home     *Client
	Accounts []string // those with the role; for trails of all others Home's credentials are used
	Role     string   // the role's name

	mu      sync.Mutex
	members map[string]*Client // by account
}

// of is the client for a trail. That its role cannot be assumed is a *trail.CallError.
func (o *Members) of(ctx context.Context, a trail.ARN) (*Client, error) {
	if !slices.Contains(o.Accounts, a.Account) {
		return o.Home, nil
	}
	o.mu.Lock()
	if o.members == nil {
		o.members = make(map[string]*Client)
	}
	c := o.members[a.Account]
	if c == nil {
		c = o.member(a)
		o.members[a.Account] = c
	}
	o.mu.Unlock()
	if _, err := c.Config.Credentials.Retrieve(ctx); err != nil {
		if failed, ok := errors.AsType[*trail.CallError](err); ok {
			return nil, failed
		}
		return nil, o.Home.classify(ctx, assumeRole, roleIn(a, o.Role), err, 1)
	}
	return c, nil
}

// member is the client of another account. Its restore role has the name that Home's has.
func (o *Members) member(a trail.ARN) *Client {
	role := roleIn(a, o.Role)
	cfg := o.Home.Config.Copy()
	cfg.Credentials = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		return o.Home.assume(ctx, role, "")
	}), func(c *aws.CredentialsCacheOptions) { c.ExpiryWindow = time.Minute })
	c := &Client{Config: cfg, Version: o.Home.Version}
	if o.Home.Restore != "" {
		c.Restore = roleIn(a, o.Home.Restore[strings.LastIndexByte(o.Home.Restore, '/')+1:])
	}
	return c
}

func roleIn(a trail.ARN, name string) string {
	return "arn:" + a.Partition + ":iam::" + a.Account + ":role/" + name
}

// Status asks once whether the trail is logging.
func (o *Members) Status(ctx context.Context, a trail.ARN) (trail.Status, error) {
	c, err := o.of(ctx, a)
	if err != nil {
		return trail.Status{}, err
	}
	return c.Status(ctx, a)
}

// Read reads groups of the trail's settings.
func (o *Members) Read(ctx context.Context, a trail.ARN, groups ...trail.Group) (trail.State, error) {
	c, err := o.of(ctx, a)
	if err != nil {
		return trail.State{}, err
	}
	return c.Read(ctx, a, groups...)
}

// Do makes the call of an action.
func (o *Members) Do(ctx context.Context, action trail.Action, incidentID string) (string, error) {
	c, err := o.of(ctx, action.Target)
	if err != nil {
		return "", err
	}
	return c.Do(ctx, action, incidentID)
}

// Deleted proves that a trail was deleted.
func (o *Members) Deleted(ctx context.Context, a trail.ARN, explained bool) (bool, error) {
	c, err := o.of(ctx, a)
	if err != nil {
		return false, err
	}
	return c.Deleted(ctx, a, explained)
}

// Self is the ARN of the principal at home.
func (o *Members) Self(ctx context.Context) (string, error) { return o.Home.Self(ctx) }

// Caller is how the home account stands in its organization.
func (o *Members) Caller(ctx context.Context) (trail.Caller, error) { return o.Home.Caller(ctx) }

// BucketOwner says whether a bucket belongs to an account, as far as the home account is told.
func (o *Members) BucketOwner(ctx context.Context, bucket, account string) (trail.Ownership, error) {
	return o.Home.BucketOwner(ctx, bucket, account)
}

// Regions lists the Regions that the account of a has enabled.
func (o *Members) Regions(ctx context.Context, a trail.ARN) ([]string, error) {
	c, err := o.of(ctx, a)
	if err != nil {
		return nil, err
	}
	return c.Regions(ctx)
}

// Trails lists the trails that the account of a knows in some Regions, each once. What could not be listed is in the error, and what
// could is returned all the same.
func (o *Members) Trails(ctx context.Context, a trail.ARN, regions ...string) ([]trail.ARN, error) {
	c, err := o.of(ctx, a)
	if err != nil {
		return nil, err
	}
	return c.Everywhere(ctx, regions)
}

// History reads the records of the named calls from the Event history of the account of a.
func (o *Members) History(ctx context.Context, a trail.ARN, region string, calls []string, since time.Time) ([][]byte, error) {
	c, err := o.of(ctx, a)
	if err != nil {
		return nil, err
	}
	return c.History(ctx, region, calls, since)
}

// Window reads what the Event history of the account of a has of a stretch of time.
func (o *Members) Window(ctx context.Context, a trail.ARN, region string, from, to time.Time, most int) (records [][]byte, whole bool, err error) {
	c, err := o.of(ctx, a)
	if err != nil {
		return nil, false, err
	}
	return c.Window(ctx, region, from, to, most)
}
