package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/notify"
)

func incidentsCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "incidents",
		Short: "Look into the ledger: what happened, what was done about it, who was told",
		Long: `Reads the ledger that the daemon or the Lambda function keeps: a file, or a DynamoDB table, also from a laptop.

` + "`verify`" + ` follows each trail's chain of hashes and names the first link that does not hold. The head hash that stands in every
notification proves that nothing before it was altered: give it with --head.`,
		Example: `  trailwarden incidents list --open
  trailwarden incidents list --ledger dynamodb://trailwarden --region eu-west-1 -o csv --out incidents.csv
  trailwarden incidents show inc-0123456789abcdef
  trailwarden incidents ack inc-0123456789abcdef --note "on it"
  trailwarden incidents export --out ledger.jsonl
  trailwarden incidents verify --head arn:aws:cloudtrail:eu-west-1:111122223333:trail/main,17,9f86d0…`,
	}
	group(c)
	c.AddCommand(incidentsList(a), incidentsShow(a), incidentsAck(a), incidentsExport(a), incidentsVerify(a), incidentsPrune(a))
	keyFlags(c, "ledger")
	return c
}

// withStore runs do on the ledger.
func (a *app) withStore(c *cobra.Command, where cloud.Options, want access, do func(config.Config, ledger.Store) error) (err error) {
	cfg, err := a.configuration(c)
	if err != nil {
		return err
	}
	store, err := a.ledger(c.Context(), cfg, where, want)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(cfg, store)
}

func incidentsList(a *app) *cobra.Command {
	var where cloud.Options
	var q ledger.Query
	var since, until string
	c := &cobra.Command{
		Use:   "list",
		Short: "List incidents, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if q.Since, err = momentOrAge(since, time.Now()); err != nil {
				return err
			}
			if q.Until, err = momentOrAge(until, time.Now()); err != nil {
				return err
			}
			return a.withStore(c, where, toRead, func(_ config.Config, store ledger.Store) error {
				all, err := store.Incidents(c.Context(), q)
				if err != nil {
					return fail(exitError, hintOf(err), err)
				}
				return a.write(c, listed(all))
			})
		},
	}
	c.Flags().StringVar(&q.Trail, "trail", "", "Only those of the trail of this `ARN`")
	c.Flags().BoolVar(&q.Open, "open", false, "Only those that are not well")
	c.Flags().IntVar(&q.Limit, "limit", 100, "At most so many; 0 for all")
	c.Flags().StringVar(&since, "since", "", "Only those that began since this `time`: 2026-01-02, 2026-01-02T15:04:05Z or 7d ago as 7d")
	c.Flags().StringVar(&until, "until", "", "Only those that began before this `time`")
	awsFlags(c, &where)
	return c
}

// momentOrAge reads a time, or how long ago it was; zero for "".
func momentOrAge(text string, now time.Time) (time.Time, error) {
	if d, err := config.Duration(text); err == nil && text != "" {
		return now.Add(-d), nil
	}
	t, err := moment(text)
	if err != nil {
		return t, usage("write 2026-01-02, 2026-01-02T15:04:05Z or 7d", "%q is no time", text)
	}
	return t, nil
}

type incidentList struct {
	head
	Incidents []incident.Incident `json:"incidents"`
}

func listed(all []incident.Incident) result {
	lines := []any{}
	for _, inc := range all {
		lines = append(lines, inc)
	}
	return result{
		JSON:  incidentList{head{SchemaVersion: 1}, append([]incident.Incident{}, all...)},
		Lines: lines,
		Table: func(w io.Writer) {
			if len(all) == 0 {
				fmt.Fprintln(w, "No incident.")
				return
			}
			t := newTable(w, "OPENED", "INCIDENT", "RULE", "TRAIL", "OUTCOME", "SEVERITY", "COUNT", "BLIND", "BY")
			for _, inc := range all {
				r := rowOf(inc)
				t.row(r.opened, inc.ID, r.rule, inc.Trail.Name, string(inc.Outcome), string(inc.Severity), r.count, r.blind, r.by)
			}
			t.end()
		},
		More: []format{{"csv", func(w io.Writer) error { return incidentsCSV(w, all) }}},
	}
}

type incidentRow struct{ opened, rule, count, blind, by string }

func rowOf(inc incident.Incident) incidentRow {
	r := incidentRow{opened: inc.OpenedAt.UTC().Format(time.RFC3339), count: strconv.Itoa(max(inc.Count, 1))}
	if len(inc.Findings) > 0 {
		r.rule = inc.Findings[0].Rule
	}
	if w := blind(inc); w != nil {
		r.blind = (time.Duration(w.Seconds * float64(time.Second))).Round(100 * time.Millisecond).String()
		if w.Open {
			r.blind += " (open)"
		}
	}
	if inc.Actor != nil {
		r.by = inc.Actor.Principal()
	}
	return r
}

// blind is what an incident cost in all: the trail may have been stopped several times within it.
func blind(inc incident.Incident) *incident.BlindWindow {
	var sum *incident.BlindWindow
	seen := map[time.Time]bool{}
	for _, t := range inc.Tamperings {
		w := t.BlindWindow
		if w == nil || seen[w.From] {
			continue
		}
		seen[w.From] = true
		if sum == nil {
			sum = &incident.BlindWindow{}
		}
		sum.Seconds, sum.Open = sum.Seconds+w.Seconds, sum.Open || w.Open
	}
	if sum == nil {
		return inc.BlindWindow
	}
	return sum
}

func incidentsCSV(w io.Writer, all []incident.Incident) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"incident", "opened_at", "rule", "trail", "account", "region", "outcome", "severity", "count", "blind_seconds", "blind_open", "actor", "source_ip", "acknowledged_by", "ledger_seq", "ledger_hash"})
	for _, inc := range all {
		r := rowOf(inc)
		var seconds, open, ip, by, seq, hash string
		if b := blind(inc); b != nil {
			seconds, open = strconv.FormatFloat(b.Seconds, 'f', -1, 64), strconv.FormatBool(b.Open)
		}
		if inc.Actor != nil {
			ip = inc.Actor.SourceIP
		}
		if inc.Acknowledged != nil {
			by = inc.Acknowledged.By
		}
		if inc.Ledger != nil {
			seq, hash = strconv.FormatInt(inc.Ledger.Seq, 10), inc.Ledger.Hash
		}
		cells := []string{inc.ID, r.opened, r.rule, inc.Trail.ARN, inc.Trail.Account, inc.Trail.Region, string(inc.Outcome), string(inc.Severity), r.count, seconds, open, r.by, ip, by, seq, hash}
		for i := range cells {
			cells[i] = cell(cells[i])
		}
		_ = out.Write(cells)
	}
	out.Flush()
	return out.Error()
}

func incidentsAck(a *app) *cobra.Command {
	var where cloud.Options
	var by, note string
	c := &cobra.Command{
		Use:   "ack INCIDENT",
		Short: "Say that you have taken an incident on: nobody is alarmed about it any more",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if by == "" {
				if u, err := user.Current(); err == nil {
					by = u.Username
				}
			}
			if by = strings.TrimSpace(by); by == "" {
				return usage("say who with --by", "nobody is named")
			}
			if err := a.printable(c, formatTable, formatJSON, formatLines); err != nil {
				return err
			}
			return a.withStore(c, where, toWrite, func(_ config.Config, store ledger.Store) error {
				k := engine.Keeper{Store: store, Now: time.Now, Route: toldBefore(c, store)}
				inc, err := k.Acknowledge(c.Context(), args[0], incident.Ack{By: notify.Plain(by, 200), At: time.Now().UTC().Truncate(time.Second), Note: notify.Plain(note, 1000)})
				if err != nil {
					return fail(exitError, "`trailwarden incidents list` shows the ids", err)
				}
				return a.write(c, result{JSON: inc, Lines: []any{inc}, Table: func(w io.Writer) {
					fmt.Fprintf(w, "%s is acknowledged by %s\n", inc.ID, plain(inc.Acknowledged.By))
				}})
			})
		},
	}
	c.Flags().StringVar(&by, "by", "", "`Who` has taken it on (default: the user of this machine)")
	c.Flags().StringVar(&note, "note", "", "`What` there is to say")
	awsFlags(c, &where)
	return c
}

// toldBefore are the channels that were told of the incident before: they are told that somebody has taken it on, by the process
// that watches.
func toldBefore(c *cobra.Command, store ledger.Store) func(incident.Incident) []string {
	return func(inc incident.Incident) (channels []string) {
		seen := map[string]bool{}
		chain := inc.Trail.ARN
		if chain == "" {
			chain = ledger.System
		}
		_ = store.Entries(c.Context(), chain, 1, func(e ledger.Entry) error { // what cannot be read is told to nobody
			var d ledger.Delivery
			if e.Kind == ledger.KindSent && json.Unmarshal(e.Body, &d) == nil && d.Incident == inc.ID && !seen[d.Channel] {
				seen[d.Channel] = true
				channels = append(channels, d.Channel)
			}
			return nil
		})
		return channels
	}
}
