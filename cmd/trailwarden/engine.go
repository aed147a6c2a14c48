package main

import (
	"context"
	"errors"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/baseline/file"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// engine builds the engine on the AWS of the environment, and finds out which account it is in.
func (a *app) engine(ctx context.Context, cfg config.Config, o cloud.Options) (*engine.Engine, error) {
	aws, err := cloud.Load(ctx, o)
	if err != nil {
		return nil, fail(exitError, "check the AWS profile and environment", err)
	}
	if aws.Region == "" {
		return nil, usage("use --region, or set AWS_REGION or `region` in the configuration", "no AWS Region is set")
	}
	log := a.logger(cfg)
	location, err := time.LoadLocation(cfg.TimeZone)
	if err != nil {
		return nil, err
	}
	pinned, alarm := a.guarded(cfg)
	if alarm != "" {
		log.Error("nothing is repaired: the baseline cannot be used", "error", alarm)
	}
	e, err := engine.New(aws, engine.Options{
		Baseline: pinned, Alarm: alarm,
		Accounts: cfg.Accounts, Observe: cfg.Observe, TopicARN: cfg.SNS.TopicARN, Compat2017: cfg.Compat == "2017",
		Location: location, Version: buildInfo().Version, Log: log,
	})
	if err != nil {
		return nil, fail(exitUsage, "see `trailwarden config show --origin` for where it comes from", err)
	}
	if cfg.SNS.TopicARN == "" && !cfg.Observe {
		log.Warn("nobody will be told: no topic is set", "hint", "set SNSARN, or sns.topic_arn in the configuration, to the ARN of an SNS topic")
	}
	if cfg.Baseline != "" || exists(usualBaseline) {
		f, err := a.pinned(cfg)
		if err != nil {
			// Configured and unusable is not the same as none: watch and tell, repair nothing.
			e.Guard.Alarm = "the baseline cannot be used: " + err.Error()
			log.Error("nothing is repaired", "reason", e.Guard.Alarm, "hint", hintOf(err))
		} else {
			e.Guard.Baseline, e.Pinned = f.Lookup, arns(f)
		}
	}
	if err := e.Learn(ctx); err != nil {
		return nil, fail(exitError, hintOf(err), err)
	}
	return e, nil
}

// guarded is how trails are pinned, or why the baseline that is configured cannot be used. Without one, nothing is pinned.
func (a *app) guarded(cfg config.Config) (lookup func(trail.ARN) (trail.Baseline, bool), alarm string) {
	if cfg.Baseline == "" && !exists(usualBaseline) {
		return nil, ""
	}
	f, err := file.Load(baselinePath(cfg), baseline.Used{})
	if err != nil {
		return nil, err.Error()
	}
	return f.Lookup, ""
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
