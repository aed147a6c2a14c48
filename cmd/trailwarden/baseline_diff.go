package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/baseline"
)

func baselineDiff(a *app) *cobra.Command {
	var r reach
	c := &cobra.Command{
		Use:   "diff",
		Short: "Show what of the trails is no longer as pinned",
		Long: `Reads the trails now and prints every setting that differs: - as pinned, + as it is. Changes that people have agreed
to (approvals) are not shown. Trails that are not pinned are listed with +.

Exit codes: 0 all is as pinned; 3 something differs; 5 something could not be read.`,
		Example: `  trailwarden baseline diff
  trailwarden baseline diff --region all -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			report, err := a.assess(c, r)
			if err != nil {
				return err
			}
			if err := a.write(c, result{JSON: report, Table: func(w io.Writer) { diffTable(a, w, report) }}); err != nil {
				return err
			}
			drifted := len(report.Unpinned) > 0
			for _, t := range report.Trails {
				drifted = drifted || len(t.Drifts) > 0
			}
			err = unread(report.Failures)
			if drifted {
				err = errors.Join(err, fail(exitFindings, "", nil))
			}
			return err
		},
	}
	r.flags(c)
	return c
}

// assess reads the trails and holds them against the baseline.
func (a *app) assess(c *cobra.Command, r reach) (baseline.Report, error) {
	cfg, err := a.configuration(c)
	if err != nil {
		return baseline.Report{}, err
	}
	pinned, err := a.pinned(c.Context(), cfg, r.aws)
	if err != nil {
		return baseline.Report{}, err
	}
	ctx, cancel := context.WithTimeout(c.Context(), r.limit)
	defer cancel()
	f, err := a.open(ctx, cfg, r)
	if err != nil {
		return baseline.Report{}, err
	}
	if advice := pinned.Check(time.Now()); len(advice) > 0 {
		a.note("what is pinned has %s to look at: trailwarden baseline check", count(len(advice), "thing"))
	}
	f.file = pinned
	return pinned.Assess(f.survey(ctx, r.regions, arns(pinned))), nil
}

func diffTable(a *app, w io.Writer, r baseline.Report) {
	same := 0
	for _, t := range r.Trails {
		if len(t.Drifts) == 0 {
			same++
			continue
		}
		fmt.Fprintf(w, "%s\n", plain(t.ARN.String()))
		for _, d := range t.Drifts {
			fmt.Fprintf(w, "  %s\n", a.paint(w, red, "- "+plain(string(d.Field)+": "+value(d.Want))))
			fmt.Fprintf(w, "  %s\n", a.paint(w, green, "+ "+plain(string(d.Field)+": "+value(d.Got))))
		}
	}
	for _, u := range r.Unpinned {
		fmt.Fprintln(w, a.paint(w, green, "+ "+plain(u.ARN.String())+" (not pinned)"))
	}
	fmt.Fprintf(w, "As pinned in %[3]s (serial %[4]d): %[1]d of %[2]s\n", same, count(len(r.Trails), "trail"), plain(r.Baseline.File), r.Baseline.Serial)
}

// value shows a setting's value; that there is none is a word.
func value(s string) string {
	if s == "" || s == "[]" {
		return "(none)"
	}
	return s
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
