package main

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/channels/heavy"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/cloud/chain"
	"github.com/trailwarden/trailwarden/internal/cloud/vault"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// engine builds the engine on the AWS of the environment, and finds out which account it is in.
func (a *app) engine(ctx context.Context, cfg config.Config, where cloud.Options, with ...func(*engine.Options)) (*engine.Engine, error) {
	aws, err := chain.Load(ctx, where)
	if err != nil {
		return nil, fail(exitError, "check the AWS profile and environment", err)
	}
	if aws.Region == "" {
		return nil, usage("use --region, or set AWS_REGION or `region` in the configuration", "no AWS Region is set")
	}
	log := a.logger(cfg)
	o := engine.Options{
		Accounts: cfg.Accounts, Observe: cfg.Observe, Compat2017: cfg.Compat == "2017", Version: buildInfo().Version, Log: log,
		Routing:  channels.Routing(cfg),
		Channels: func(e *engine.Engine) ([]notify.Channel, error) { return a.channels(cfg, aws, e) },
	}
	o.OnlyStart, o.Budget = cfg.Repair == "start", cfg.RepairBudget
	o.RestoreRole, o.MemberRole, o.Remediators = cfg.RestoreRoleARN, cfg.MemberRole, cfg.Remediators
	for _, change := range with {
		change(&o)
	}
	switch f, configured, err := a.inForce(ctx, cfg, where, o.Ledger); {
	case err != nil:
		// Configured and unusable is not the same as none: watch and tell, repair nothing.
		first, _, _ := strings.Cut(err.Error(), "\n")
		o.Alarm = "the baseline cannot be used: " + first
		log.Error("nothing is repaired: the baseline cannot be used", "error", err.Error(), "hint", cmp.Or(hintOf(err), "see `trailwarden baseline check`"))
	case configured:
		o.Baseline, o.Pinned = f.Lookup, arns(f)
	}
	e, err := engine.New(aws, o)
	if err != nil {
		return nil, fail(exitUsage, "see `trailwarden config show --origin` for where it comes from", err)
	}
	if len(channels.Configured(cfg)) == 0 && !cfg.Observe {
		log.Warn("nobody will be told: no channel is set", "hint", "set SNSARN, or sns.topic_arn in the configuration, to the ARN of an SNS topic; other channels are below notify")
	}
	if err := e.Learn(ctx); err != nil {
		return nil, fail(exitError, hintOf(err), err)
	}
	return e, nil
}

// channels opens the channels that are configured.
func (a *app) channels(cfg config.Config, aws aws.Config, e *engine.Engine) ([]notify.Channel, error) {
	o, err := channelsOn(cfg, aws)
	if err != nil {
		return nil, err
	}
	o.Memory, o.Account = e.Memory(), e.Account
	if e.Keeper != nil {
		o.Output = a.stdout // the other verbs write data of their own there
	}
	return channels.Open(o)
}

// channelsOn are what channels are made of, but for the account, and for what was told before.
func channelsOn(cfg config.Config, aws aws.Config) (channels.Options, error) {
	location, err := time.LoadLocation(cfg.TimeZone)
	if err != nil {
		return channels.Options{}, err
	}
	return channels.Options{
		Config: cfg, AWS: aws, Vault: &vault.Vault{Config: aws}, Version: buildInfo().Version, Location: location, Now: time.Now,
		Heavy: heavy.Channels(),
	}, nil
}

// hintOf is what a failed call says that can be done about it.
func hintOf(err error) string {
	if call, ok := errors.AsType[*trail.CallError](err); ok {
		return call.Hint
	}
	if hinted, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return hinted.Hint()
	}
	return ""
}
