package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/trail"
)

func baselineCheck(a *app) *cobra.Command {
	var r reach
	var live bool
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Say whether the baseline file is valid, and what in it is weak",
		Long: `Reads the file alone, without AWS, and lists all that is wrong with it, or that people had better look at: a stopped trail,
validation off, one Region only, management events missing, an approval that has ended. Each with its place and what to do.
With --live S3 is asked, too, whether each bucket belongs to the account that the file says.

Exit codes: 0 nothing; 2 the file is not valid, and would not be used; 3 it is weak.`,
		Example: `  trailwarden baseline check
  trailwarden baseline check staging.baseline.yaml
  trailwarden baseline check -o json               # for editors and pipelines`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := a.configuration(c)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				cfg.Baseline = args[0]
			}
			f, invalid := a.baseline(cfg)
			var problems config.Problems
			if errors.As(invalid, &problems); invalid != nil && problems == nil {
				return invalid
			}
			document := struct {
				head
				Subject  string            `json:"subject"`
				Valid    bool              `json:"valid"`
				Serial   int               `json:"serial"`
				Hash     string            `json:"hash,omitempty"`
				Problems config.Problems   `json:"problems"`
				Advice   []baseline.Advice `json:"advice"`
			}{head{SchemaVersion: 1}, baselinePath(cfg), invalid == nil, f.Serial, "", append(config.Problems{}, problems...), []baseline.Advice{}}
			if invalid == nil {
				document.Hash = f.Hash()
				document.Advice = append(document.Advice, f.Check(time.Now())...)
			}
			if invalid == nil && live {
				advice, err := a.owners(c, cfg, r, f)
				if err != nil {
					return err
				}
				document.Advice = append(document.Advice, advice...)
			}
			if err := a.write(c, result{JSON: document, Table: func(w io.Writer) {
				for _, advice := range document.Advice {
					fmt.Fprintf(w, "%s %s\n", a.paint(w, bold, advice.Rule), plainLines(advice.Problem.Error()))
				}
				if invalid == nil {
					fmt.Fprintf(w, "%s: valid, serial %d, %s pinned, %s to look at\n", plain(document.Subject), f.Serial, count(len(f.Trails), "trail"), count(len(document.Advice), "thing"))
				}
			}}); err != nil || invalid != nil {
				return errors.Join(err, invalid)
			}
			if len(document.Advice) > 0 {
				return fail(exitFindings, "", nil)
			}
			return nil
		},
	}
	r.login(c)
	c.Flags().BoolVar(&live, "live", false, "Ask S3 whose the buckets are")
	return c
}

// owners holds the pinned owners of buckets against what S3 says.
func (a *app) owners(c *cobra.Command, cfg config.Config, r reach, f baseline.File) ([]baseline.Advice, error) {
	ctx, cancel := context.WithTimeout(c.Context(), r.limit)
	defer cancel()
	field, err := a.open(ctx, cfg, r)
	if err != nil {
		return nil, err
	}
	return f.Owners(func(bucket, account string) trail.Ownership {
		owner, err := field.client.BucketOwner(ctx, bucket, account)
		if err != nil {
			a.note("whose the bucket %s is could not be asked: %s", plain(bucket), plain(err.Error()))
		}
		return owner
	}), nil
}
