package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/baseline"
)

func checkCommand(a *app) *cobra.Command {
	var r reach
	c := &cobra.Command{
		Use:   "check",
		Short: "Read everything now and compare it with the baseline",
		Long: `Reads every trail with all its settings and compares them with what is pinned; says in words what is no longer recorded,
whether what is recorded arrives, which trails nobody pinned, and which requirements are not met. Changes nothing.

Exit codes: 0 all is well; 2 the baseline cannot be used; 3 something is not as it should be; 5 a Region, an account or a
trail could not be read. JSON: schemas/check.v1.json.`,
		Example: `  trailwarden check
  trailwarden check --region all
  trailwarden check -o json | jq '.trails[].lost[].text'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			report, err := a.assess(c, r)
			if err != nil {
				return err
			}
			lines := []any{}
			for _, t := range report.Trails {
				lines = append(lines, t)
			}
			if err := a.write(c, result{JSON: report, Lines: lines, Table: func(w io.Writer) { checkTable(a, w, report) }}); err != nil {
				return err
			}
			err = unread(report.Failures)
			if report.Drifted() {
				err = errors.Join(err, fail(exitFindings, "", nil))
			}
			return err
		},
	}
	r.flags(c)
	return c
}

func checkTable(a *app, w io.Writer, r baseline.Report) {
	t := newTable(w, "TRAIL", "STATE", "WHAT")
	for _, one := range r.Trails {
		state, what := checkState(one)
		t.row(one.ARN.String(), state, what)
	}
	for _, u := range r.Unpinned {
		t.row(u.ARN.String(), "not pinned", "logs to "+u.Bucket)
	}
	for _, f := range r.Failures {
		if f.Whole {
			t.row(f.Where, "not read", f.Error)
		}
	}
	t.end()
	for _, one := range r.Trails {
		checkTrail(a, w, one)
	}
	for _, u := range r.Unpinned {
		fmt.Fprintf(w, "\n%s\n  is not pinned: nobody has reviewed it. If it is wanted: trailwarden baseline accept %s\n", plain(u.ARN.String()), plain(u.ARN.Name))
		for _, doubt := range u.Doubts {
			fmt.Fprintf(w, "  But %s.\n", plain(doubt))
		}
	}
	for _, u := range r.Unmet {
		fmt.Fprintf(w, "\nRequirement %q is not met in account %s, %s:\n  %s\n", plain(u.Requirement), u.Account, strings.Join(u.Regions, ", "), plain(u.Text))
	}
	fmt.Fprintf(w, "\n%s\n", checkSummary(r))
}

// checkState is a trail's state in a word, and what it is about.
func checkState(t baseline.TrailReport) (state, what string) {
	var fields []string
	for _, d := range t.Drifts {
		fields = append(fields, string(d.Field))
	}
	switch {
	case len(fields) == 1 && fields[0] == "exists":
		return "gone", "it does not exist"
	case len(fields) > 0:
		return "drifted", strings.Join(fields, ", ")
	case t.Bucket != "":
		return "bucket", "its bucket is another account's"
	case t.Delivery != "":
		return "not delivering", "as pinned, but nothing arrives"
	case len(t.Unread) > 0:
		return "partly read", "not known: " + words(t.Unread)
	case len(t.Approved) > 0:
		return "approved", count(len(t.Approved), "approved change")
	}
	return "as pinned", ""
}

func checkTrail(a *app, w io.Writer, t baseline.TrailReport) {
	if len(t.Drifts)+len(t.Approved)+len(t.Unread) == 0 && t.Delivery+t.Bucket+t.Unasked == "" {
		return
	}
	fmt.Fprintf(w, "\n%s\n", a.paint(w, bold, plain(t.ARN.String())))
	for _, d := range t.Drifts {
		fmt.Fprintf(w, "  %s is %s; pinned is %s\n", d.Field, plain(value(d.Got)), plain(value(d.Want)))
		if len(d.Lost) == 0 {
			fmt.Fprintf(w, "    (nothing is lost by it)\n")
		}
	}
	for _, l := range t.Lost {
		fmt.Fprintf(w, "  %s %s\n", a.paint(w, red, "lost:"), plain(l.Text))
	}
	for _, e := range t.Approved {
		fmt.Fprintf(w, "  approved: %s is %s; agreed by %s until %s: %s\n", e.Drift.Field, plain(value(e.Drift.Got)), plain(e.Who), e.Until.Format(time.RFC3339), plain(e.Why))
	}
	if t.Bucket != "" {
		fmt.Fprintf(w, "  %s %s\n", a.paint(w, red, "not to be trusted:"), plain(t.Bucket))
	}
	if t.Delivery != "" {
		fmt.Fprintf(w, "  %s %s\n", a.paint(w, red, "not delivered:"), plain(t.Delivery))
	}
	if t.Unasked != "" {
		fmt.Fprintf(w, "  not known: %s\n", plain(t.Unasked))
	}
	if len(t.Unread) > 0 {
		fmt.Fprintf(w, "  could not be read: %s\n", words(t.Unread))
	}
}

// words lists words for a sentence.
func words[T ~string](list []T) string {
	var out []string
	for _, w := range list {
		out = append(out, string(w))
	}
	return strings.Join(out, ", ")
}

func checkSummary(r baseline.Report) string {
	drifted, silent := 0, 0
	for _, t := range r.Trails {
		switch {
		case len(t.Drifts) > 0:
			drifted++
		case t.Delivery != "":
			silent++
		}
	}
	if !r.Drifted() && !r.Partial {
		return fmt.Sprintf("All is as pinned in %s (serial %d): %s.", plain(r.Baseline.File), r.Baseline.Serial, count(len(r.Trails), "trail"))
	}
	text := fmt.Sprintf("Pinned and read: %s, %d drifted, %d not delivering. Not pinned: %s. Requirements not met: %d.",
		count(len(r.Trails), "trail"), drifted, silent, count(len(r.Unpinned), "trail"), len(r.Unmet))
	if r.Partial {
		text += " Not all could be read."
	}
	if drifted > 0 {
		text += " Next: trailwarden plan"
	}
	return text
}
