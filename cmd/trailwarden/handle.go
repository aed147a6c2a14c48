package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/incident"
)

// handleLimit is the largest input in bytes.
const handleLimit = 256 << 20

func handleCommand(a *app) *cobra.Command {
	var aws cloud.Options
	var limit time.Duration
	c := &cobra.Command{
		Use:   "handle FILE|-",
		Short: "Decode records, look at their trails, repair what is to be repaired, tell people",
		Long: `Does with records in a file, or on standard input, what the Lambda function does with the events that it gets. Takes every
form in which CloudTrail records travel: EventBridge events, SQS and SNS envelopes, log files, answers of LookupEvents,
CloudWatch Logs subscriptions, JSON lines; gzip or plain.

Without a pinned baseline only a StopLogging that the trail's state confirms is undone. With --observe nothing is changed.

Exit codes: 0 everything is well, or well again; 3 something is not as it should be and was not repaired; 4 a repair failed;
5 a record could not be decoded, or somebody could not be told.`,
		Example: `  trailwarden handle --observe event.json
  aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=StopLogging | trailwarden handle -
  trailwarden handle -o json 111122223333_CloudTrail_eu-central-1_20261123T1205Z_x.json.gz`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := a.configuration(c)
			if err != nil {
				return err
			}
			if err := a.printable(c, formatTable, formatJSON, formatLines); err != nil {
				return err
			}
			input, err := a.read(args[0])
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), limit)
			defer cancel()
			aws.Region = cfg.Region
			e, err := a.engine(ctx, cfg, aws)
			if err != nil {
				return err
			}
			report := e.Handle(ctx, input)
			return errors.Join(a.write(c, handled(report)), outcome(report))
		},
	}
	keyFlags(c, "observe")
	c.Flags().StringVar(&aws.Profile, "profile", "", "AWS `profile` to use")
	c.Flags().StringVar(&aws.Endpoint, "endpoint-url", "", "`URL` of another AWS, such as a simulated one")
	c.Flags().DurationVar(&limit, "timeout", 2*time.Minute, "How long to go on trying")
	return c
}

// read reads a file, or standard input for "-".
func (a *app) read(name string) ([]byte, error) {
	in := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fail(exitError, "name a file that you may read, or - for standard input", fmt.Errorf("read input: %w", err))
		}
		defer f.Close()
		in = f
	} else if terminal(in) {
		return nil, usage("pipe records in, or name a file", "read input: standard input is a terminal")
	}
	data, err := io.ReadAll(io.LimitReader(in, handleLimit+1))
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if len(data) > handleLimit {
		return nil, fail(exitError, "split it", fmt.Errorf("read input: more than %d MiB", handleLimit>>20))
	}
	return data, nil
}

// handledReport is the data that handle prints.
type handledReport struct {
	head
	Incidents []incident.Incident `json:"incidents"`
	Ignored   int                 `json:"ignored"` // records of other services, and of calls that only read
	Bad       []badInput          `json:"bad"`
	Failures  []string            `json:"failures"`
}

// badInput is a piece of input that could not be decoded.
type badInput struct {
	Where   string `json:"where"`
	Why     string `json:"why"`
	SHA256  string `json:"sha256"`
	Size    int    `json:"size"`
	Excerpt string `json:"excerpt"`
}

func handled(r engine.Report) result {
	out := handledReport{
		head:      head{SchemaVersion: 1, Partial: len(r.Bad) > 0 || len(r.Failures) > 0},
		Incidents: append([]incident.Incident{}, r.Incidents...), Ignored: r.Ignored,
		Bad: []badInput{}, Failures: []string{},
	}
	for _, b := range r.Bad {
		out.Bad = append(out.Bad, badInput{b.Where, b.Why, b.SHA256, b.Size, b.Excerpt})
	}
	for _, f := range r.Failures {
		out.Failures = append(out.Failures, f.Error())
	}
	lines := []any{}
	for _, inc := range out.Incidents {
		lines = append(lines, inc)
	}
	return result{JSON: out, Lines: lines, Table: func(w io.Writer) { handledTable(w, r) }}
}

func handledTable(w io.Writer, r engine.Report) {
	if len(r.Incidents) == 0 {
		fmt.Fprintf(w, "No incident. %d records are of other services or only read.\n", r.Ignored)
	} else {
		t := newTable(w, "TIME", "CALL", "TRAIL", "BY", "OUTCOME", "SEVERITY", "INCIDENT")
		for _, inc := range r.Incidents {
			call, by := "", ""
			if inc.Record != nil {
				call = inc.Record.EventName
			}
			if inc.Actor != nil {
				by = inc.Actor.Principal()
			}
			t.row(inc.OpenedAt.Format(time.RFC3339), call, inc.Trail.ARN, by, string(inc.Outcome), string(inc.Severity), inc.ID)
		}
		t.end()
	}
	for _, inc := range r.Incidents {
		if inc.Reason != "" {
			fmt.Fprintf(w, "\n%s %s: %s\n", inc.ID, inc.Outcome, plain(inc.Reason))
		}
		for _, action := range inc.Actions {
			if action.At == nil {
				fmt.Fprintf(w, "  would call %s on %s\n", action.Op, action.Target)
			}
		}
	}
}

// outcome makes errors of what did not go well, so that the exit code tells.
func outcome(r engine.Report) error {
	var errs []error
	for _, b := range r.Bad {
		errs = append(errs, fail(exitPartial, "the other records were handled; mend this piece and hand it in again", fmt.Errorf("decode: %w", b)))
	}
	for _, f := range r.Failures {
		code := exitUnrepaired
		if f.Notify {
			code = exitPartial
		}
		errs = append(errs, fail(code, hintOf(f.Err), f.Err))
	}
	for _, inc := range r.Incidents {
		// Also a trail that is logging again, and of which something else is not as pinned and not open for repair.
		if inc.Outcome == incident.Open || inc.Outcome == incident.Rejected || len(inc.Drifts) > 0 {
			errs = append(errs, fail(exitFindings, "", nil))
			break
		}
	}
	return errors.Join(errs...)
}
