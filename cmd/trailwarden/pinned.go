package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/baseline/file"
	"github.com/trailwarden/trailwarden/internal/config"
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

// pinned reads the baseline.
func (a *app) pinned(cfg config.Config) (baseline.File, error) {
	path := baselinePath(cfg)
	f, err := file.Load(path, baseline.Used{})
	unusable, ok := errors.AsType[*baseline.Unusable](err)
	if !ok {
		return f, err
	}
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return f, problems
	}
	hint := unusable.Hint()
	if unusable.Why == baseline.Missing && cfg.Baseline == "" {
		hint = "make one: trailwarden baseline capture; or name one with --baseline"
	}
	return f, fail(exitUsage, hint, err)
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
