package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// verifyFlags is what verify is asked.
type verifyFlags struct {
	from, to          string
	dir, keys         string
	bucket, prefix    string
	organization      string
	account           string
	workers           int
	resume            string
	profile, endpoint string
}

func verifyCommand(a *app) *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify TRAIL",
		Short: "Prove that log files are the ones that CloudTrail wrote",
		Long: `Holds log files against CloudTrail's signed digest files: the signature of each digest file, the chain from the newest
back to the oldest, and the hash of each log file. TRAIL is an ARN.

It reads from S3, or from a local copy with --dir, and takes public keys from CloudTrail, or from a file with --keys. A local
copy lacks the metadata in which S3 keeps signatures: each digest file names the signature of the one before, so only the
newest stays unproven, unless KEY.metadata.json beside it holds {"signature": "…"}.

It gives the verdicts of ` + "`aws cloudtrail validate-logs`" + `, and sees what that does not: something appended behind the gzip
member of a log file, missing newest digest files, log files that no digest file lists, log files behind an invalid digest
file, several missing digest files in a row, and a previous digest file that was replaced.

Interrupted with Ctrl-C, verify prints what it knows and the command that goes on from there. Digest files are then read
again, log files that were verified are not.

Exit codes: 3 something is not as CloudTrail wrote it, or is missing, or the digest files prove a blind window;
5 a file could not be read: nothing is known of it; 130 interrupted.`,
		Example: `  trailwarden verify arn:aws:cloudtrail:eu-central-1:111122223333:trail/main --from 2026-01-01
  trailwarden verify arn:aws:cloudtrail:eu-central-1:111122223333:trail/main --region us-east-1,eu-west-1 -o json
  aws cloudtrail list-public-keys --start-time 2026-01-01 --end-time 2026-02-01 > keys.json
  trailwarden verify arn:aws:cloudtrail:eu-central-1:111122223333:trail/main --dir copy-of-bucket --keys keys.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.verify(c, args[0], f) },
	}
	flags := c.Flags()
	flags.StringVar(&f.from, "from", "", "Digest files from this `time` on: 2026-01-02 or 2026-01-02T15:04:05Z (default: all that is there)")
	flags.StringVar(&f.to, "to", "", "Digest files up to this `time`; that they reach it is checked too")
	flags.StringVar(&f.dir, "dir", "", "Local copy of the bucket: the `folder` that holds AWSLogs, or the prefix before it")
	flags.StringVar(&f.keys, "keys", "", "`File` that aws cloudtrail list-public-keys printed")
	flags.StringVar(&f.bucket, "bucket", "", "`Bucket` of the files (default: the trail's, as CloudTrail says)")
	flags.StringVar(&f.prefix, "prefix", "", "`Prefix` of the keys before AWSLogs")
	flags.StringVar(&f.organization, "organization", "", "`Id` of the organization, for its trails: o-…")
	flags.StringVar(&f.account, "account", "", "`Account` whose files to verify (default: that of the trail)")
	flags.StringVar(&f.resume, "resume", "", "Keep this progress `file`, and go on from it where there is one")
	flags.IntVar(&f.workers, "workers", 0, "Files to read at the same time (default: one for each processor; 64 from S3)")
	flags.StringVar(&f.profile, "profile", "", "AWS `profile` to use")
	flags.StringVar(&f.endpoint, "endpoint-url", "", "`URL` of another AWS, such as a simulated one")
	return c
}

func (a *app) verify(c *cobra.Command, name string, f verifyFlags) error {
	arn, err := trail.ParseARN(name)
	if err != nil {
		return usage("write arn:aws:cloudtrail:REGION:ACCOUNT:trail/NAME", "%w", err)
	}
	if err := a.printable(c, formatTable, formatJSON, formatLines, "csv"); err != nil {
		return err
	}
	v, err := f.plan(c.Context(), arn)
	if err != nil {
		return err
	}
	regions := []string{arn.Region}
	if flag := c.Flags().Lookup("region"); flag != nil && flag.Changed {
		regions = strings.Split(flag.Value.String(), ",")
	}
	progress, err := openProgress[map[string]archive.Checked](f.resume, "verify", f.files(v, arn), time.Time{})
	if err != nil {
		return err
	}
	known := maps.Clone(progress.file.Known)
	if known == nil {
		known = map[string]archive.Checked{}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200) // what a request leaves behind is small: a twelfth of the time for 10 MB
	}
	began := time.Now()
	v.Every, v.Now = 10*time.Second, time.Now
	var files, bytes int64
	var all []archive.Verdict
	var failed error
	for _, region := range regions {
		v.Region, v.Before = region, known[region]
		v.Save = func(c archive.Checked) error {
			known[region] = c
			return progress.save(known)
		}
		v.Meter = new(archive.Meter)
		bar := a.progressBar(c.Context(), func(_ context.Context, took time.Duration) string { return region + ": " + verifyLine(v.Meter, took) })
		verdict, err := v.Run(c.Context())
		bar.end()
		files, bytes = files+v.Meter.Files.Load(), bytes+v.Meter.Unpacked.Load()
		all = append(all, verdict)
		if c.Context().Err() != nil {
			break
		}
		if errors.Is(err, archive.ErrNoDigests) {
			err = fail(exitError, "look at --region, --account, --prefix, --from and --to; validation may never have been on", fmt.Errorf("%s: %w", region, err))
		}
		failed = errors.Join(failed, err)
	}
	interrupted := c.Context().Err() != nil
	unread := slices.ContainsFunc(all, func(v archive.Verdict) bool { return v.Unread() > 0 })
	if err := a.write(c, verifyResult(a, all, failed != nil || unread || interrupted)); err != nil {
		return err
	}
	a.note("checked %s log files, %s in %s", thousands(files), size(bytes), time.Since(began).Round(time.Millisecond))
	if interrupted {
		path, err := progress.keep()
		if err != nil {
			return err
		}
		return fail(exitInterrupted, "go on with: "+resumeCommand(c, []string{name}, path), errors.New("interrupted: what is printed is of the files that were read by then"))
	}
	if failed != nil {
		return failed
	}
	if err := progress.done(); err != nil {
		return err
	}
	return verifyOutcome(all)
}

// files says in a progress file what was verified.
func (f verifyFlags) files(v archive.Verify, arn trail.ARN) []string {
	from := "s3://" + v.Bucket + "/" + v.Prefix
	if f.dir != "" {
		from = absolute([]string{f.dir})[0]
	}
	return []string{arn.String(), from, "account " + v.Account, "organization " + v.Organization}
}

// verifyOutcome is the exit code of a verification that went to its end.
func verifyOutcome(all []archive.Verdict) error {
	var codes []error
	for _, v := range all {
		if v.Unread() > 0 {
			codes = append(codes, fail(exitPartial, "", nil))
		}
		if len(v.Checks) > v.Unread() || len(v.Windows) > 0 {
			codes = append(codes, fail(exitFindings, "", nil))
		}
	}
	return errors.Join(codes...)
}

// plan says where files and keys are.
func (f verifyFlags) plan(ctx context.Context, arn trail.ARN) (archive.Verify, error) {
	v := archive.Verify{Bucket: f.bucket, Prefix: strings.Trim(f.prefix, "/"), Organization: f.organization, Account: cmp.Or(f.account, arn.Account),
		Trail: arn.Name, HomeRegion: arn.Region, Workers: f.workers}
	var err error
	if v.From, err = moment(f.from); err != nil {
		return v, usage("write 2026-01-02 or 2026-01-02T15:04:05Z", "--from: %w", err)
	}
	if v.To, err = moment(f.to); err != nil {
		return v, usage("write 2026-01-02 or 2026-01-02T15:04:05Z", "--to: %w", err)
	}
	if v.Workers < 0 || v.Workers > 256 {
		return v, usage("use a number from 1 to 256", "--workers is %d", v.Workers)
	}
	if f.keys != "" {
		text, err := os.ReadFile(f.keys)
		if err != nil {
			return v, usage("name the file that aws cloudtrail list-public-keys printed", "read public keys: %w", err)
		}
		v.Keys = archive.KeyFile(text)
	}
	if f.dir != "" {
		if info, err := os.Stat(f.dir); err != nil || !info.IsDir() {
			return v, usage("name the folder that holds AWSLogs", "--dir: %q is no folder", f.dir)
		}
		v.Store, v.Workers = archive.Folder{Root: f.dir}, cmp.Or(v.Workers, runtime.GOMAXPROCS(0))
	}
	if v.Store != nil && v.Keys != nil {
		return v, nil
	}
	options := cloud.Options{Region: arn.Region, Profile: f.profile, Endpoint: f.endpoint}
	v.Workers = cmp.Or(v.Workers, 64)
	store, err := newS3Store(ctx, options, v.Workers)
	if err != nil {
		return v, err
	}
	client := cloudtrail.NewFromConfig(store.config)
	if v.Keys == nil {
		v.Keys = trailKeys{client}
	}
	if v.Store == nil {
		v.Store = store
		if v.Bucket == "" {
			name := arn.String()
			out, err := client.GetTrail(ctx, &cloudtrail.GetTrailInput{Name: &name})
			if err != nil {
				return v, fail(exitError, "name the bucket with --bucket if the trail is gone", fmt.Errorf("find the trail's bucket: %w", err))
			}
			v.Bucket, v.Prefix = aws.ToString(out.Trail.S3BucketName), cmp.Or(v.Prefix, aws.ToString(out.Trail.S3KeyPrefix))
			if aws.ToBool(out.Trail.IsOrganizationTrail) && v.Organization == "" {
				return v, usage("give its id: --organization o-…", "the trail is of an organization")
			}
		}
	}
	return v, nil
}

func verifyResult(a *app, all []archive.Verdict, partial bool) result {
	lines := []any{}
	for _, v := range all {
		for _, c := range v.Checks {
			lines = append(lines, struct {
				Region string `json:"region"`
				archive.Check
			}{v.Region, c})
		}
	}
	return result{
		JSON: struct {
			head
			Verdicts []archive.Verdict `json:"verdicts"`
		}{head{SchemaVersion: 1, Partial: partial}, all},
		Lines: lines,
		Table: func(w io.Writer) {
			for _, v := range all {
				verifyTable(a, w, v)
			}
		},
		More: []format{{"csv", func(w io.Writer) error { return verifyCSV(w, all) }}},
	}
}

func verifyTable(a *app, w io.Writer, v archive.Verdict) {
	if len(v.Hours) == 0 {
		return
	}
	fmt.Fprintf(w, "%s\n", a.paint(w, bold, fmt.Sprintf("%s, files of %s, %s to %s", plain(v.Trail.Name), plain(v.Region), short(v.From), short(v.To))))
	t := newTable(w, "FILES", "VALID", "INVALID", "MISSING", "UNPROVEN", "UNLISTED", "UNREAD")
	for _, kind := range []string{archive.DigestFile, archive.BackfillFile, archive.LogFile} {
		n := v.Counts[kind]
		if n == nil {
			continue
		}
		t.row(kind, fmt.Sprint(n[archive.Valid]), fmt.Sprint(n[archive.Invalid]), fmt.Sprint(n[archive.Missing]), fmt.Sprint(n[archive.Unproven]), fmt.Sprint(n[archive.Unlisted]),
			fmt.Sprint(n[archive.Unread]))
	}
	t.end()
	if len(v.Checks) > 0 {
		fmt.Fprintln(w)
		t := newTable(w, "HOUR", "FILE", "STATE", "WHY", "KEY")
		for _, c := range v.Checks {
			t.row(short(c.Hour), c.Kind, c.State, c.Why, cmp.Or(c.Key, "-"))
		}
		t.end()
	}
	for _, note := range v.Notes {
		fmt.Fprintf(w, "\nodd, but valid: %s: %s\n", plain(note.Key), plain(note.Why))
	}
	if v.Unchecked > 0 {
		fmt.Fprintf(w, "\n%s log files were not looked at yet\n", thousands(int64(v.Unchecked)))
	}
	for _, win := range v.Windows {
		fmt.Fprintf(w, "\nblind from %s to %s (%s), %s: %s\n", short(win.From), short(*win.To), length(win.Seconds), win.Sure, plain(strings.Join(win.Why, "; ")))
	}
	fmt.Fprintln(w)
}

func verifyCSV(w io.Writer, all []archive.Verdict) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"region", "hour", "kind", "state", "why", "key"}}
	for _, v := range all {
		for _, c := range v.Checks {
			rows = append(rows, []string{cell(v.Region), stampOf(c.Hour), c.Kind, c.State, cell(c.Why), cell(c.Key)})
		}
	}
	return errors.Join(out.WriteAll(rows), out.Error())
}
