package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/cloud/vault"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/anchor"
	"github.com/trailwarden/trailwarden/internal/ledger/dynamo"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/selfwatch"
)

// function is one Lambda instance: what lasts over its invocations.
type function struct {
	engine    *engine.Engine
	self      *watcher // nil where nothing says how the deployment should be
	heartbeat time.Duration
	metrics   io.Writer
	vault     *anchor.Bucket // where the sweep anchors the ledger's heads; nil where nothing says so
	faults    []engine.Fault // what was wrong with the deployment when this instance began
	pinned    *baseline.File // not yet held against the one that was used last; nil when it is, or when there is none
}

// build makes everything before the first event, where Lambda gives a full processor: configuration, certificate
// roots, clients, and the connection to CloudTrail.
func build(ctx context.Context, log *slog.Logger, environ []string) (*function, error) {
	cfg, problems := configuration(environ)
	if problems != nil {
		// A trail that nobody can be told of is still started again.
		log.Error("configuration: what is wrong in it is left out", "error", problems.Error())
	}
	if len(channels.Configured(cfg)) == 0 {
		log.Error("nobody will be told: no topic is set", "hint", "set SNSARN, or TRAILWARDEN_SNS_TOPIC_ARN, to the ARN of an SNS topic")
	}
	location, err := time.LoadLocation(cfg.TimeZone)
	if err != nil {
		log.Error("local times are left out of messages", "error", err.Error())
	}
	aws := cloud.FromEnv(cfg.Region)
	if aws.Region == "" {
		return nil, errors.New("no Region is set: set AWS_REGION, as Lambda does")
	}
	o := engine.Options{
		Accounts: cfg.Accounts, Observe: cfg.Observe, Compat2017: cfg.Compat == "2017", Version: version, Log: log, LogIncidents: true,
		Routing: channels.Routing(cfg),
		Channels: func(e *engine.Engine) ([]notify.Channel, error) {
			return channels.Open(channels.Options{
				Config: cfg, AWS: aws, Vault: &vault.Vault{Config: aws}, Memory: e.Memory(), Version: version, Location: location, Output: os.Stdout,
				Account: e.Account,
			})
		},
	}
	o.OnlyStart, o.Budget = cfg.Repair == "start", cfg.RepairBudget
	o.RestoreRole, o.MemberRole, o.Remediators = cfg.RestoreRoleARN, cfg.MemberRole, cfg.Remediators
	o.Regions = cfg.Evidence.Regions
	o.Ledger = openLedger(aws, cfg, log)
	o.StartFirst = true
	f := &function{metrics: os.Stdout, heartbeat: config.Checked(cfg.Watch.Heartbeat), vault: openVault(aws, cfg, log), faults: misconfigured(problems)}
	if cfg.Baseline != "" {
		f.pinned = pin(&o, filepath.Join(os.Getenv("LAMBDA_TASK_ROOT"), cfg.Baseline))
	}
	used := make(chan error, 1)
	go func() { used <- f.use(ctx, o.Ledger) }() // while the connection to CloudTrail is opened
	e, err := engine.New(aws, o)
	if err != nil {
		log.Error("somebody will not be told", "error", err.Error())
	}
	e.Owner = os.Getenv("AWS_LAMBDA_LOG_STREAM_NAME")
	f.engine = e
	e.Warm(ctx, aws.Region)
	f.judge(<-used)
	if e.Keeper != nil {
		// Before it knows what earlier processes left, a channel sends nothing new. It finds out beside the first event, whose
		// repair does not wait for it.
		go func() {
			if err := e.Flush(context.WithoutCancel(ctx)); err != nil {
				log.Error("what was left to be sent is not known", "error", err.Error())
			}
		}()
	}
	if expected := os.Getenv(selfwatch.Variable); expected != "" {
		expect, err := selfwatch.Parse(expected)
		if err != nil {
			log.Error("the deployment is not watched", "error", err.Error())
		} else {
			f.self = &watcher{Watch: &selfwatch.Watch{Config: aws, Expect: expect, Settle: settleTime}}
		}
	}
	return f, nil
}

// configuration is what the environment says, and under it the file in the function's zip that the environment names: to change that is
// to deploy. What is wrong in either is left out.
func configuration(environ []string) (config.Config, error) {
	var layer config.Layer
	if name := os.Getenv("TRAILWARDEN_CONFIG"); name != "" {
		layer = config.ReadJSON(filepath.Join(os.Getenv("LAMBDA_TASK_ROOT"), name), name)
	}
	return config.Load(layer, config.Env(environ))
}

// bothConfigured is what a wrong configuration is found on.
const bothConfigured = "the functions' configuration"

// misconfigured is what people are told of a configuration that is wrong: a channel that was left out cannot tell them itself.
func misconfigured(problems error) []engine.Fault {
	if problems == nil {
		return nil
	}
	text := problems.Error()
	if len(text) > 2000 {
		text = strings.ToValidUTF8(text[:2000], "") + "…"
	}
	return []engine.Fault{{
		Rule: "lambda.config", Severity: incident.High, Resource: bothConfigured,
		Text: "part of the functions' configuration is wrong and left out: perhaps not everybody is told, or not of everything",
		Want: "a configuration without mistakes", Got: text, Mend: "deploy one without mistakes: trailwarden deploy --update -c trailwarden.yaml",
	}}
}

// openVault opens the bucket that the ledger's heads are anchored in; nil where there is none, or none that can be used.
func openVault(aws aws.Config, cfg config.Config, log *slog.Logger) *anchor.Bucket {
	if cfg.Anchor.Bucket == "" {
		return nil
	}
	vault, err := anchor.Open(aws, anchor.Options{Bucket: cfg.Anchor.Bucket, Owner: cfg.Anchor.Owner})
	if err != nil {
		log.Error("the ledger's heads are not anchored", "error", err.Error(), "hint", "set anchor.bucket and anchor.bucket_owner")
		return nil
	}
	return vault
}

// openLedger opens the table that is configured; nil where there is none, or none that can be used: the repair is made and told all the same.
func openLedger(aws aws.Config, cfg config.Config, log *slog.Logger) ledger.Store {
	if cfg.Ledger == "" {
		return nil
	}
	table, ok := strings.CutPrefix(cfg.Ledger, "dynamodb://")
	if !ok {
		log.Error("nothing is kept", "reason", "a Lambda function has no file that lasts", "hint", "set TRAILWARDEN_LEDGER to dynamodb://TABLE")
		return nil
	}
	store, err := dynamo.Open(aws, table, dynamo.Options{Bucket: cfg.Evidence.Bucket, Owner: cfg.Evidence.Owner})
	if err != nil {
		log.Error("nothing is kept", "error", err.Error(), "hint", "set TRAILWARDEN_LEDGER to dynamodb://TABLE")
		return nil
	}
	return store
}

// pin takes the baseline out of the function's own zip: to change it is to deploy. One that is configured and cannot be
// used is not the same as none: then everything is watched and told, and nothing repaired.
func pin(o *engine.Options, path string) *baseline.File {
	f, err := readBaseline(path)
	if err != nil {
		o.Alarm = "the baseline cannot be used: " + err.Error()
		o.Log.Error("nothing is repaired", "reason", o.Alarm,
			"hint", "deploy the zip again: make lambda BASELINE=trailwarden.baseline.yaml, and TRAILWARDEN_BASELINE=trailwarden.baseline.json")
		return nil
	}
	f.Name = path
	o.Baseline = f.Lookup
	for _, t := range f.Trails {
		o.Pinned = append(o.Pinned, t.ARN)
	}
	o.Log.Info("trails are pinned", "baseline", path, "trails", len(f.Trails), "serial", f.Serial, "hash", f.Hash())
	return &f
}

// use takes the baseline into use, if that was not done yet. The first repair does not wait long for it.
func (f *function) use(ctx context.Context, store ledger.Store) error {
	if f.pinned == nil || store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return engine.Use(ctx, store, *f.pinned, time.Now())
}

// judge goes by what the ledger says of the baseline. Where it says nothing the sweep asks again.
func (f *function) judge(err error) {
	if err == nil {
		f.pinned = nil
		return
	}
	guard, log := f.engine.Guard, f.engine.Log
	unusable, refused := errors.AsType[*baseline.Unusable](err)
	if !refused {
		log.Warn("whether an older baseline was put in place is not known", "error", err.Error())
		return
	}
	f.pinned, guard.Baseline, guard.Alarm = nil, nil, "the baseline cannot be used: "+err.Error()
	log.Error("nothing is repaired", "reason", guard.Alarm, "hint", unusable.Hint())
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
	if !engine.IsSweep(payload) {
		answer, err := f.engine.Invoke(ctx, payload)
		f.afterwards(ctx)
		return answer, err
	}
	return f.sweep(ctx)
}

// sweep looks at every trail, and afterwards at what else is due. What was not done before the deadline is done by the next sweep.
func (f *function) sweep(ctx context.Context) (json.RawMessage, error) {
	if f.pinned != nil && f.engine.Keeper != nil {
		f.judge(f.use(ctx, f.engine.Keeper.Store))
	}
	report := f.engine.Sweep(ctx)
	// The function's role may remove nothing from the ledger: `trailwarden incidents prune` does, with a person's.
	errs := []error{report.Err(), f.engine.Tend(ctx, f.heartbeat, 0)}
	if f.vault != nil && f.engine.Keeper != nil {
		errs = append(errs, f.engine.DepositDue(ctx, f.vault.Deposit))
	}
	if f.self != nil && f.engine.Keeper != nil {
		errs = append(errs, f.look(ctx))
	}
	writeMetrics(f.metrics, report, time.Now())
	return json.RawMessage(`{"handled":true}`), errors.Join(errs...)
}
