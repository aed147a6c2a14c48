package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/baseline/file"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// usualBaseline is where the baseline is unless somebody says otherwise.
const usualBaseline = "trailwarden.baseline.yaml"

// baselinePath is the baseline file, whether or not it is there.
func baselinePath(cfg config.Config) string {
	if cfg.Baseline != "" {
		return cfg.Baseline
	}
	return usualBaseline
}

// pinned reads the baseline that is to be held against trails: not one that is older than the last one used, as far as a ledger
// is configured and can tell.
func (a *app) pinned(ctx context.Context, cfg config.Config, where cloud.Options) (baseline.File, error) {
	f, err := a.baseline(cfg)
	if err != nil || cfg.Ledger == "" {
		return f, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	last, err := a.lastUsed(ctx, cfg, where)
	if err != nil {
		a.note("which baseline was used last is not known: %s", plain(err.Error()))
	}
	return f, unusable(f.Follows(last), cfg)
}

// inForce reads the baseline that a guard is to use, if one is configured, and takes it into use: the guard's ledger, where it has
// one, remembers it.
func (a *app) inForce(ctx context.Context, cfg config.Config, where cloud.Options, store ledger.Store) (f baseline.File, configured bool, err error) {
	configured = cfg.Baseline != "" || exists(usualBaseline)
	switch {
	case configured && store == nil:
		f, err = a.pinned(ctx, cfg, where)
		return f, true, err
	case store == nil:
		return f, false, nil
	case !configured:
		if last, err := engine.LastUsed(ctx, store, time.Now()); err == nil && last != (baseline.Used{}) {
			return f, false, unusable(&baseline.Unusable{Path: usualBaseline, Why: baseline.Missing,
				Err: fmt.Errorf("there is no such file, and none is configured; serial %d was in use before", last.Serial)}, cfg)
		}
		return f, false, nil
	}
	if f, err = a.baseline(cfg); err != nil {
		return f, true, err
	}
	err = engine.Use(ctx, store, f, time.Now())
	if _, refused := errors.AsType[*baseline.Unusable](err); err != nil && !refused {
		a.logger(cfg).Warn("whether an older baseline was put in place is not known", "error", err.Error())
		return f, true, nil
	}
	return f, true, unusable(err, cfg)
}

// lastUsed is the baseline that the ledger's guard used last.
func (a *app) lastUsed(ctx context.Context, cfg config.Config, where cloud.Options) (baseline.Used, error) {
	if !strings.Contains(cfg.Ledger, "://") && !exists(cfg.Ledger) {
		return baseline.Used{}, nil // no guard has run yet
	}
	store, err := a.ledger(ctx, cfg, where, toRead)
	if err != nil {
		return baseline.Used{}, err
	}
	defer store.Close()
	return engine.LastUsed(ctx, store, time.Now())
}

// baseline reads the baseline file, whichever was used before.
func (a *app) baseline(cfg config.Config) (baseline.File, error) {
	f, err := file.Load(baselinePath(cfg), baseline.Used{})
	return f, unusable(err, cfg)
}

// unusable says what a person can do about a baseline that cannot be used.
func unusable(err error, cfg config.Config) error {
	unusable, ok := errors.AsType[*baseline.Unusable](err)
	if !ok {
		return err
	}
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return problems
	}
	hint := unusable.Hint()
	if unusable.Why == baseline.Missing && cfg.Baseline == "" {
		hint = "make one: trailwarden baseline capture; or name one with --baseline"
	}
	return fail(exitUsage, hint, err)
}

func arns(f baseline.File) []trail.ARN {
	var out []trail.ARN
	for _, t := range f.Trails {
		out = append(out, t.ARN)
	}
	return out
}

// confirm asks before something is changed: nothing is, without a yes from a person or --yes.
func (a *app) confirm(question string) error {
	if a.yes {
		return nil
	}
	if !terminal(a.stdin) {
		return usage("say --yes to do it without being asked", "nobody to ask: standard input is no terminal")
	}
	fmt.Fprintf(a.stderr, "%s Only yes will do: ", question)
	answer, err := bufio.NewReader(a.stdin).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return fail(exitError, "", errors.New("nothing was changed: the answer was not yes"))
	}
	return nil
}

// exists tells whether there is such a file.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
