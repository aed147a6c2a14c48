package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/guard"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/route"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Options are what an entrance decides about its engine.
type Options struct {
	Accounts   []string // guarded; none yet means that Learn is to be called
	Observe    bool
	Compat2017 bool // each record is an incident of its own, as the 2017 AWS sample told of them
	Version    string
	Now        func() time.Time // nil for time.Now
	Log        *slog.Logger
	// LogIncidents puts each incident as a whole into the log, as JSON: where the log is read by machines.
	LogIncidents bool

	// Channels opens the channels that are told, when everything else is there; nil for the log alone. With an error there may be channels all the same.
	Channels func(*Engine) ([]notify.Channel, error)

	// Baseline finds what a trail is pinned to be; nil where no baseline is configured.
	Baseline func(trail.ARN) (trail.Baseline, bool)
	// Pinned are the trails that it holds: a sweep looks at them even when they are in no list any more.
	Pinned []trail.ARN
	// OnlyStart repairs nothing but stopped trails; Budget is how many other calls are made in an hour, 0 for any number.
	OnlyStart bool
	Budget    int
	// Remediators are the ARNs of users and roles that other systems set trails with: a setting that one of them keeps writing over the repair is
	// left to it for a while.
	Remediators []string
	// RestoreRole is the ARN of the role that all other repairs are made with; MemberRole the name of the role that trails of
	// other accounts than the first are reached by. Empty for neither.
	RestoreRole, MemberRole string
	// Ledger keeps incidents and what is to be told of them; nil for none.
	Ledger ledger.Store
	// Routing says who is told of what; the zero Plan is every channel of everything. Its All is set to the channels that there are.
	Routing route.Plan
	// Canary proves that events arrive; it needs a ledger.
	Canary Canary
	// Regions are read for evidence besides the trail's own.
	Regions []string
	// Patience is that of Engine.
	Patience time.Duration
	// StartFirst writes the intent of a StartLogging while the call is made, not before: where the ledger is a network call away.
	StartFirst bool
	// Alarm says why the baseline that is configured cannot be used: all is watched and told, nothing repaired.
	Alarm string
}

// New builds the engine on AWS clients. With an error the engine repairs all the same, and a channel is missing.
func New(cfg aws.Config, o Options) (*Engine, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	client := &cloud.Client{Config: cfg, Version: o.Version, Restore: o.RestoreRole}
	members := &cloud.Members{Home: client, Role: o.MemberRole}
	if o.MemberRole != "" && len(o.Accounts) > 0 {
		members.Accounts = o.Accounts[1:]
	}
	e := &Engine{
		Guard: &guard.Guard{
			Cloud: members, Now: o.Now, Accounts: o.Accounts, Observe: o.Observe, Journal: &guard.Own{},
			Baseline: o.Baseline, Alarm: o.Alarm, Around: members,
		},
		Trails: (&lister{members: members, own: cfg.Region, pinned: o.Pinned, log: o.Log}).trails,
		Pinned: o.Pinned,
		Log:    o.Log, LogIncidents: o.LogIncidents,
		History: members, Regions: o.Regions, Patience: o.Patience,
	}
	e.Guard.OnlyStart, e.Guard.OwnRole = o.OnlyStart, o.RestoreRole
	e.Guard.Budget = &Budget{Store: o.Ledger, PerHour: o.Budget}
	e.Routing = o.Routing
	if o.Ledger != nil {
		e.keep(o)
	}
	if o.Channels == nil {
		return e, nil
	}
	var err error
	e.Channels, err = o.Channels(e)
	return e, err
}

// keep gives the engine its ledger.
func (e *Engine) keep(o Options) {
	e.Keeper = &Keeper{Store: o.Ledger, Now: o.Now, Route: e.toTell, Group: e.group, Separate: o.Compat2017}
	e.Guard.Journal = &Journal{Store: o.Ledger, Now: o.Now}
	e.Guard.Contests, e.Guard.Remediators = contests{o.Ledger, o.Now}, o.Remediators
	e.Guard.StartFirst, e.Guard.OwnTag = o.StartFirst, CanaryTag
	e.Canary = o.Canary
	e.Guard.Brake = &guard.Brake{Burst: 10, Every: time.Second}
}

// Learn guards the account that the credentials belong to, unless accounts were configured.
func (e *Engine) Learn(ctx context.Context) error {
	if len(e.Guard.Accounts) > 0 {
		return nil
	}
	account, err := e.Account(ctx)
	if err != nil {
		return fmt.Errorf("find out the account: %w", err)
	}
	e.Guard.Accounts = []string{account}
	return nil
}

// Account is the account that the credentials belong to.
func (e *Engine) Account(ctx context.Context) (string, error) {
	self, err := e.Guard.Cloud.Self(ctx)
	if err != nil {
		return "", err
	}
	account := cloud.AccountOf(self)
	if account == "" {
		return "", fmt.Errorf("%q names none", self)
	}
	return account, nil
}

// Warm opens the connection to CloudTrail before it is needed.
func (e *Engine) Warm(ctx context.Context, region string) {
	if members, ok := e.Guard.Cloud.(*cloud.Members); ok {
		members.Home.Warm(ctx, region)
	}
}
