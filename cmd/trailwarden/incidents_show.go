package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/notify"
)

func incidentsShow(a *app) *cobra.Command {
	var where cloud.Options
	var quarantine, evidence string
	c := &cobra.Command{
		Use:   "show INCIDENT",
		Short: "Show an incident and its whole story: what was intended, called, verified, told",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			blob := quarantine + evidence
			if (len(args) == 1) == (blob != "") || quarantine != "" && evidence != "" {
				return usage("`trailwarden incidents list` shows the ids", "name one incident, or one --quarantine or --evidence")
			}
			return a.withStore(c, where, toRead, func(cfg config.Config, store ledger.Store) error {
				if blob != "" {
					return a.showBlob(c, store, quarantine, evidence)
				}
				inc, found, err := store.Incident(c.Context(), args[0])
				if err != nil {
					return fail(exitError, hintOf(err), err)
				}
				if !found {
					return fail(exitError, "`trailwarden incidents list` shows the ids", fmt.Errorf("the ledger does not hold incident %s", plain(args[0])))
				}
				story, err := storyOf(c.Context(), store, inc)
				if err != nil {
					return fail(exitError, hintOf(err), err)
				}
				location, err := time.LoadLocation(cfg.TimeZone)
				if err != nil {
					return err
				}
				document := struct {
					head
					Incident incident.Incident `json:"incident"`
					Story    []ledger.Entry    `json:"story"`
				}{head{SchemaVersion: 1, Partial: inc.Partial}, inc, story}
				return a.write(c, result{JSON: document, Lines: []any{document}, Table: func(w io.Writer) {
					fmt.Fprintln(w, notify.Prose(inc, location))
					storyTable(w, story)
				}})
			})
		},
	}
	c.Flags().StringVar(&quarantine, "quarantine", "", "Write out input that could not be decoded, by its `SHA-256`, as it came")
	c.Flags().StringVar(&evidence, "evidence", "", "Write out the records of a blind window, by their `SHA-256`, as Event history gave them")
	awsFlags(c, &where)
	return c
}

// storyOf lists the entries of the incident's chain that are about it.
func storyOf(ctx context.Context, store ledger.Store, inc incident.Incident) (story []ledger.Entry, err error) {
	chain := inc.Trail.ARN
	if chain == "" {
		chain = ledger.System
	}
	err = store.Entries(ctx, chain, 1, func(e ledger.Entry) error {
		var about struct{ ID, Incident string }
		// Of other shapes nothing is about an incident.
		if json.Unmarshal(e.Body, &about) == nil && (inc.Holds(about.Incident) || e.Kind == ledger.KindIncident && about.ID == inc.ID) {
			story = append(story, e)
		}
		return nil
	})
	return story, err
}

func storyTable(w io.Writer, story []ledger.Entry) {
	t := newTable(w, "ENTRY", "TIME", "WHAT", "")
	for _, e := range story {
		t.row(fmt.Sprint(e.Seq), e.Time.UTC().Format(time.RFC3339), string(e.Kind), told(e))
	}
	t.end()
}

// told is an entry in a few words.
func told(e ledger.Entry) string {
	var b struct {
		Stage, Outcome, Op, Error, Channel string
		RequestID                          string `json:"request_id"`
		Count, Serial                      int
		Hash                               string
	}
	if json.Unmarshal(e.Body, &b) != nil {
		return ""
	}
	switch e.Kind {
	case ledger.KindIncident:
		return b.Stage + ", " + b.Outcome
	case ledger.KindTampering:
		return fmt.Sprintf("happened again: %d times by now", b.Count)
	case ledger.KindIntent:
		return "is going to call " + b.Op
	case ledger.KindCall:
		if b.Error != "" {
			return b.Op + " failed: " + b.Error
		}
		return b.Op + " was called, request " + b.RequestID
	case ledger.KindSent:
		return b.Stage + " told by " + b.Channel
	case ledger.KindUnsent:
		return b.Stage + " not told by " + b.Channel + ": " + b.Error
	case ledger.KindBaseline:
		return fmt.Sprintf("baseline serial %d came into use, hash %s", b.Serial, b.Hash)
	}
	return ""
}

// showBlob writes out what the ledger keeps under a hash. What somebody sent to confuse us goes to no terminal.
func (a *app) showBlob(c *cobra.Command, store ledger.Store, quarantine, evidence string) error {
	sum := evidence
	if quarantine != "" {
		sum = quarantine
		err := store.Entries(c.Context(), ledger.System, 1, func(e ledger.Entry) error {
			var q ledger.Quarantine
			if e.Kind == ledger.KindQuarantine && json.Unmarshal(e.Body, &q) == nil && q.SHA256 == quarantine {
				sum = q.Input
			}
			return nil
		})
		if err != nil {
			return fail(exitError, hintOf(err), err)
		}
	}
	data, err := store.Blob(c.Context(), sum)
	if errors.Is(err, ledger.ErrNoBlob) {
		return fail(exitError, "it stands in the incident; retention may have removed it", err)
	}
	if err != nil {
		return fail(exitError, hintOf(err), err)
	}
	if a.outFile == "" && terminal(a.stdout) {
		return usage("say where to with --out FILE, or pipe it on", "what was received may hold escape sequences: it is not printed on a terminal")
	}
	return a.write(c, result{Text: data})
}
