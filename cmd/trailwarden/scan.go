package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/incident"
)

// scanFlags is what scan is asked.
type scanFlags struct {
	from, to   string
	query      archive.Query
	severity   string
	failOn     string
	resume     string
	workers    int
	noActivity bool
	merge      bool
	around     []string
	athena     bool
	inventory  string
	aws        cloud.Options
}

func scanCommand(a *app) *cobra.Command {
	var f scanFlags
	c := &cobra.Command{
		Use:   "scan PATH|s3://BUCKET/PREFIX... | --inventory s3://BUCKET/KEY",
		Short: "Search log archives for tampering and for times in which nothing was recorded",
		Long: `Reads CloudTrail log files and tells who stopped, deleted or changed trails, when nothing was recorded and how sure
that is, and who did what in the hours around. PATH is a file, a folder, a pattern, a tar archive, a prefix of a bucket, or - for
standard input; files are gzip, zstd or plain; log files as CloudTrail writes them, JSON lines, or any other form that ` + "`handle`" + ` reads.

Blind windows come from StopLogging, DeleteTrail and StartLogging records, and from gaps in the files that were delivered:
their names say when. A gap alone is a weak sign, since a quiet hour looks the same; digest files, other Regions and records
make it a strong one.

A file that is damaged or holds something else is named at the end, and the rest is read. Interrupted with Ctrl-C, scan prints
what it knows and the command that goes on from there.

Exit codes: 3 there are findings of --fail-on or above, or blind windows that are more than likely; 5 a file could not be read
as a whole; 130 interrupted.`,
		Example: `  trailwarden scan AWSLogs/
  trailwarden scan s3://my-trail-bucket/AWSLogs/111122223333/CloudTrail/ --from 2026-01-01 -o html --out report.html
  trailwarden scan AWSLogs/ --from 2026-01-01 --to 2026-02-01 --severity high -o json
  trailwarden scan AWSLogs/ --principal mallory --rule trail.stop
  zcat log.json.gz | trailwarden scan - -o jsonl
  trailwarden scan 2025/ -o part --out a.json      # on one machine
  trailwarden scan 2026/ -o part --out b.json      # on another
  trailwarden scan --merge a.json b.json           # as if it had been one scan
  trailwarden scan --merge a.json b.json --around 2025/,2026/    # with who did what around blind windows
  trailwarden scan --inventory s3://my-inventories/logs/daily/2026-01-01T01-00Z/manifest.json
  trailwarden scan --athena-ddl s3://my-trail-bucket/ --account 111122223333`,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case f.inventory != "" && (len(args) > 0 || f.merge || f.athena):
				return usage("leave the PATHs out", "--inventory names all files that are scanned")
			case len(f.around) > 0 && !f.merge:
				return usage("leave it out", "--around is for --merge: a scan reads what is around blind windows by itself")
			case f.inventory == "" && len(args) == 0:
				return usage("name files or folders, or - for standard input", "scan needs at least one PATH")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if f.inventory != "" {
				args = []string{f.inventory}
			}
			return a.scan(c, args, f)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.from, "from", "", "Only what was at or after this `time`: 2026-01-02 or 2026-01-02T15:04:05Z")
	flags.StringVar(&f.to, "to", "", "Only what was before this `time`")
	flags.StringSliceVar(&f.query.Accounts, "account", nil, "Only these `accounts`")
	flags.StringSliceVar(&f.query.Principals, "principal", nil, "Only calls by these: `parts` of an ARN, a name or an address")
	flags.StringSliceVar(&f.query.Rules, "rule", nil, "Only these `rules`: ids, or families such as trail.tags")
	flags.StringVar(&f.severity, "severity", "", "Only findings of this `severity` or above")
	flags.StringVar(&f.failOn, "fail-on", string(incident.Low), "Exit with 3 from this `severity` on, or never")
	flags.StringVar(&f.resume, "resume", "", "Keep this progress `file`, and go on from it where there is one")
	flags.IntVar(&f.workers, "workers", 0, "Files to read at the same time (default: one for each processor; 16 from S3)")
	flags.StringVar(&f.aws.Profile, "profile", "", "AWS `profile` to use for s3://")
	flags.StringVar(&f.aws.Endpoint, "endpoint-url", "", "`URL` of another AWS, such as a simulated one")
	flags.StringVar(&f.inventory, "inventory", "", "Scan the log files that this S3 inventory lists, in place of PATHs: `s3://…/manifest.json`, in CSV")
	flags.BoolVar(&f.merge, "merge", false, "PATHs are what scans of parts printed with -o part: report of all of them together")
	flags.StringSliceVar(&f.around, "around", nil, "With --merge: `PATHs` of the log files, to tell who did what around blind windows")
	flags.BoolVar(&f.athena, "athena-ddl", false, "Print a table and queries for Amazon Athena over s3://BUCKET/PREFIX, and read nothing")
	flags.BoolVar(&f.noActivity, "no-activity", false, "Leave out who did what around blind windows: files around them are then read once only")
	var names []string
	for _, s := range incident.Severities {
		names = append(names, string(s))
	}
	complete(c, "severity", names...)
	complete(c, "fail-on", append(names, "never")...)
	return c
}

// check makes a query of the flags.
func (f *scanFlags) check(c *cobra.Command, args []string) error {
	var err error
	if f.query.From, err = moment(f.from); err != nil {
		return usage("write 2026-01-02 or 2026-01-02T15:04:05Z", "--from: %w", err)
	}
	if f.query.To, err = moment(f.to); err != nil {
		return usage("write 2026-01-02 or 2026-01-02T15:04:05Z", "--to: %w", err)
	}
	for name, value := range map[string]string{"severity": f.severity, "fail-on": f.failOn} {
		if value != "" && incident.Severity(value).Rank() < 0 && (name != "fail-on" || value != "never") {
			return usage("use info, low, medium, high or critical", "--%s: %q is no severity", name, value)
		}
	}
	for _, asked := range f.query.Rules {
		if !slices.ContainsFunc(incident.Rules, func(r incident.Rule) bool { return r.ID == asked || strings.HasPrefix(r.ID, asked+".") }) {
			return usage("rules are listed in docs/rules.md", "--rule: %q is neither a rule nor a family of rules", asked)
		}
	}
	f.query.Severity = incident.Severity(f.severity)
	if region := c.Flags().Lookup("region"); region != nil && region.Changed {
		f.query.Regions = strings.Split(region.Value.String(), ",")
	}
	if slices.Contains(args, "-") && f.resume != "" {
		return usage("leave --resume out", "standard input cannot be read again")
	}
	if f.workers < 0 || f.workers > 256 {
		return usage("use a number from 1 to 256", "--workers is %d", f.workers)
	}
	remote := slices.ContainsFunc(slices.Concat(args, f.around), func(arg string) bool { return strings.HasPrefix(arg, "s3://") })
	switch {
	case f.workers == 0 && remote:
		f.workers = 16
	case f.workers == 0:
		f.workers = runtime.GOMAXPROCS(0)
	}
	return nil
}

// moment reads a time; it is zero for "".
func moment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time", s)
}

func (a *app) scan(c *cobra.Command, args []string, f scanFlags) error {
	if err := f.check(c, args); err != nil {
		return err
	}
	if f.athena {
		return a.athena(c, args, f.query)
	}
	if err := a.printable(c, formatTable, formatJSON, formatLines, "csv", "html", "part", "ocsf"); err != nil {
		return err
	}
	if f.merge {
		return a.mergeParts(c, args, f)
	}
	if slices.Contains(args, "-") && terminal(a.stdin) {
		return usage("pipe records in, or name a file", "scan: standard input is a terminal")
	}
	from, err := a.sources(c.Context(), args, f)
	if err != nil {
		return err
	}
	progress, err := openProgress[archive.Checkpoint](f.resume, "scan", absolute(args), f.query.From)
	if err != nil {
		return err
	}
	began := time.Now()
	var meter archive.Meter
	s := archive.Scan{
		Workers: f.workers, Since: f.query.From, Meter: &meter,
		From: progress.file.Known, Save: progress.save, Every: 10 * time.Second, Now: time.Now,
	}
	bar := a.scanBar(c.Context(), &meter, from, !slices.Contains(args, "-"))
	known, runErr := s.Run(c.Context(), from)
	bar.end()
	if errors.Is(runErr, archive.ErrMoved) {
		return fail(exitUsage, "remove "+f.resume+" to begin again", fmt.Errorf("go on from %s: %w", f.resume, runErr))
	}
	interrupted := c.Context().Err() != nil
	if runErr != nil && !interrupted {
		return fmt.Errorf("scan: %w", runErr)
	}
	report := archive.NewReport(known, f.query)
	if !interrupted && !f.noActivity {
		err := a.around(c.Context(), s, from, &report)
		if interrupted = c.Context().Err() != nil; err != nil && !interrupted {
			return fmt.Errorf("scan around blind windows: %w", err)
		}
	}
	if err := a.write(c, scanResult(a, known, report, interrupted)); err != nil {
		return err
	}
	a.note("scanned %s files, %s records, %s in %s (%s/s)", thousands(known.Files), thousands(known.Records), size(known.Unpacked),
		time.Since(began).Round(time.Millisecond), size(int64(float64(meter.Unpacked.Load())/max(time.Since(began).Seconds(), 1e-3))))
	if interrupted {
		hint := "standard input cannot be read again"
		if !slices.Contains(args, "-") {
			path, err := progress.keep()
			if err != nil {
				return err
			}
			hint = "go on with: " + resumeCommand(c, args, path)
		}
		return fail(exitInterrupted, hint, errors.New("interrupted: what is printed is of the files that were read by then"))
	}
	if err := progress.done(); err != nil {
		return err
	}
	return scanOutcome(report, f.failOn)
}

// around adds who did what around blind windows.
func (a *app) around(ctx context.Context, s archive.Scan, from archive.Source, report *archive.Report) error {
	s.Meter = new(archive.Meter)
	bar := a.progressBar(ctx, func(_ context.Context, took time.Duration) string {
		return fmt.Sprintf("around blind windows: %s files, %s", thousands(s.Meter.Files.Load()), rate(s.Meter.Unpacked.Load(), took))
	})
	defer bar.end()
	return s.Activity(ctx, from, report)
}

// mergeParts reports of what scans of parts printed.
func (a *app) mergeParts(c *cobra.Command, args []string, f scanFlags) error {
	var all archive.Result
	for _, arg := range args {
		text, err := a.read(arg)
		if err != nil {
			return err
		}
		part, err := archive.DecodePart(text)
		if err != nil {
			return usage("print parts with: trailwarden scan PATH -o part", "merge: %s: %w", arg, err)
		}
		all = all.Merge(part.Result())
	}
	report := archive.NewReport(all, f.query)
	if len(f.around) > 0 {
		from, err := a.sources(c.Context(), f.around, f)
		if err != nil {
			return err
		}
		if err := a.around(c.Context(), archive.Scan{Workers: f.workers}, from, &report); err != nil {
			return fmt.Errorf("scan around blind windows: %w", err)
		}
	}
	if err := a.write(c, scanResult(a, all, report, all.Unfinished())); err != nil {
		return err
	}
	return scanOutcome(report, f.failOn)
}

// Large objects of S3 are read in pieces, several at the same time (docs/benchmarks.md).
const (
	piecesAhead = 6
	pieceSize   = 4 << 20
)

// sources makes a Source of the arguments.
func (a *app) sources(ctx context.Context, args []string, f scanFlags) (places, error) {
	var all places
	var store *s3Store
	ahead := archive.NewAhead(piecesAhead, pieceSize)
	for _, arg := range args {
		bucket, prefix, remote := s3Path(arg)
		if f.inventory != "" && (!remote || !strings.HasSuffix(prefix, ".json")) {
			return nil, usage("name the inventory's manifest.json in S3", "--inventory: %q is none", arg)
		}
		if !remote {
			local := archive.Paths{Args: []string{arg}, Stdin: a.stdin}
			if err := local.Check(); err != nil {
				return nil, usage("name files or folders that are there", "%w", err)
			}
			all = append(all, local)
			continue
		}
		if store == nil {
			var err error
			if store, err = newS3Store(ctx, f.aws, f.workers); err != nil {
				return nil, err
			}
		}
		if f.inventory != "" {
			all = append(all, archive.Inventory{Store: store, Bucket: bucket, Key: prefix, Ahead: ahead})
			continue
		}
		all = append(all, archive.Bucket{Store: store, Name: bucket, Prefix: prefix, Ahead: ahead})
	}
	return all, nil
}

// scanOutcome is the exit code of a scan that went to its end.
func scanOutcome(r archive.Report, failOn string) error {
	var all []error
	if failOn != "never" {
		least := incident.Severity(failOn).Rank()
		found := slices.ContainsFunc(r.Findings, func(f archive.Finding) bool { return f.Severity.Rank() >= least })
		blind := slices.ContainsFunc(r.Windows, func(w archive.Window) bool { return w.Sure != archive.Low })
		if found || blind {
			all = append(all, fail(exitFindings, "", nil))
		}
	}
	if len(r.Damaged) > 0 {
		all = append(all, fail(exitPartial, "", nil))
	}
	return errors.Join(all...)
}

// resumeCommand is the command line that goes on.
func resumeCommand(c *cobra.Command, args []string, file string) string {
	words := []string{"trailwarden", c.Name()}
	for _, arg := range args {
		if !c.Flags().Changed("inventory") {
			words = append(words, shellWord(arg))
		}
	}
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "resume" {
			words = append(words, "--"+f.Name+"="+shellWord(strings.Trim(f.Value.String(), "[]")))
		}
	})
	return strings.Join(append(words, "--resume="+shellWord(file)), " ")
}

// shellWord quotes a word for a shell where it must be.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:=,@+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
