package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/engine"
)

// function is one Lambda instance: what lasts over its invocations.
type function struct {
	engine *engine.Engine
}

// build makes everything before the first event, where Lambda gives a full processor: configuration, certificate
// roots, clients, and the connection to CloudTrail.
func build(ctx context.Context, log *slog.Logger, environ []string) (*function, error) {
	cfg, problems := config.FromEnv(environ)
	if problems != nil {
		// A trail that nobody can be told of is still started again.
		log.Error("configuration: what is wrong in it is left out", "error", problems.Error())
	}
	if cfg.SNS.TopicARN == "" {
		log.Error("nobody will be told: no topic is set", "hint", "set SNSARN, or TRAILWARDEN_SNS_TOPIC_ARN, to the ARN of an SNS topic")
	}
	location, err := time.LoadLocation(cfg.TimeZone)
	if err != nil {
		log.Error("local times are left out of messages", "error", err.Error())
	}
	aws, err := cloud.Load(ctx, cloud.Options{Region: cfg.Region})
	if err != nil {
		return nil, err
	}
	if aws.Region == "" {
		return nil, errors.New("no Region is set: set AWS_REGION, as Lambda does")
	}
	o := engine.Options{
		Accounts: cfg.Accounts, Observe: cfg.Observe, TopicARN: cfg.SNS.TopicARN, Compat2017: cfg.Compat == "2017",
		Location: location, Version: version, Log: log, LogIncidents: true,
	}
	if cfg.Baseline != "" {
		pin(&o, filepath.Join(os.Getenv("LAMBDA_TASK_ROOT"), cfg.Baseline))
	}
	e, err := engine.New(aws, o)
	if err != nil {
		log.Error("nobody will be told", "error", err.Error())
	}
	e.Warm(ctx, aws.Region)
	return &function{e}, nil
}

// pin takes the baseline out of the function's own zip: to change it is to deploy. One that is configured and cannot be
// used is not the same as none: then everything is watched and told, and nothing repaired.
func pin(o *engine.Options, path string) {
	f, err := readBaseline(path)
	if err != nil {
		o.Alarm = "the baseline cannot be used: " + err.Error()
		o.Log.Error("nothing is repaired", "reason", o.Alarm,
			"hint", "deploy the zip again: make lambda BASELINE=trailwarden.baseline.yaml, and TRAILWARDEN_BASELINE=trailwarden.baseline.json")
		return
	}
	o.Baseline = f.Lookup
	for _, t := range f.Trails {
		o.Pinned = append(o.Pinned, t.ARN)
	}
	o.Log.Info("trails are pinned", "baseline", path, "trails", len(f.Trails), "serial", f.Serial, "hash", f.Hash())
}

func readBaseline(path string) (baseline.File, error) {
	document, err := os.ReadFile(path)
	if err != nil {
		return baseline.File{}, err
	}
	return baseline.Decode(document)
}

// Invoke handles one event, batch or sweep.
func (f *function) Invoke(ctx context.Context, payload json.RawMessage) (json.RawMessage, error) {
	if len(f.engine.Guard.Accounts) == 0 {
		// The function's own ARN tells its account without a call.
		if lc, ok := lambdacontext.FromContext(ctx); ok && cloud.AccountOf(lc.InvokedFunctionArn) != "" {
			f.engine.Guard.Accounts = []string{cloud.AccountOf(lc.InvokedFunctionArn)}
		} else if err := f.engine.Learn(ctx); err != nil {
			return nil, err
		}
	}
	return f.engine.Invoke(ctx, payload)
}
