package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

func incidentsExport(a *app) *cobra.Command {
	var where cloud.Options
	var trail string
	c := &cobra.Command{
		Use:   "export",
		Short: "Write all entries of the ledger, one JSON document a line, for auditors and other machines",
		Long: `Writes every entry of every chain, in order, with its hash: what ` + "`incidents verify`" + ` follows, anybody can follow. The hash is
SHA-256 over the canonical JSON (RFC 8785) of the entry without its member "hash".`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStore(c, where, toRead, func(_ config.Config, store ledger.Store) error {
				heads, err := store.Heads(c.Context())
				if err != nil {
					return fail(exitError, hintOf(err), err)
				}
				lines := []any{}
				for _, h := range heads {
					if trail != "" && h.Chain != trail {
						continue
					}
					if err := store.Entries(c.Context(), h.Chain, 1, func(e ledger.Entry) error { lines = append(lines, e); return nil }); err != nil {
						return fail(exitError, hintOf(err), err)
					}
				}
				if !c.Flags().Changed("output") {
					a.format = formatLines
				}
				return a.write(c, result{Lines: lines})
			})
		},
	}
	c.Flags().StringVar(&trail, "trail", "", "Only the chain of the trail of this `ARN`")
	awsFlags(c, &where)
	return c
}

func incidentsVerify(a *app) *cobra.Command {
	var where cloud.Options
	var heads []string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Prove that nothing in the ledger was altered or taken away",
		Long: `Follows each chain of hashes from its first entry to its last, holds the list of incidents against it, and names the first
link that does not hold. Exit code 3 when one does not.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			outside, err := headsOf(heads)
			if err != nil {
				return err
			}
			return a.withStore(c, where, toRead, func(_ config.Config, store ledger.Store) error {
				verdicts, err := ledger.Verify(c.Context(), store, outside)
				if err != nil {
					return fail(exitError, hintOf(err), err)
				}
				bad := 0
				lines := []any{}
				for _, v := range verdicts {
					bad += len(v.Bad)
					lines = append(lines, v)
				}
				document := struct {
					head
					Chains []ledger.Verdict `json:"chains"`
				}{head{SchemaVersion: 1}, append([]ledger.Verdict{}, verdicts...)}
				if err := a.write(c, result{JSON: document, Lines: lines, Table: func(w io.Writer) { verdictsTable(w, verdicts) }}); err != nil {
					return err
				}
				if bad > 0 {
					return fail(exitFindings, "compare with an export or a backup, and find out who can write to the ledger", fmt.Errorf("%d links do not hold", bad))
				}
				return nil
			})
		},
	}
	c.Flags().StringArrayVar(&heads, "head", nil, "A `head` that was kept elsewhere, such as in a notification: CHAIN,SEQ,HASH")
	awsFlags(c, &where)
	return c
}

func incidentsPrune(a *app) *cobra.Command {
	var where cloud.Options
	var before string
	c := &cobra.Command{
		Use:   "prune --before TIME",
		Short: "Remove what is older than a time and well; each chain says what was removed",
		Long: `Removes incidents that are well and older than a time, with their entries and evidence. What is open, not confirmed, or waits to be
told stays, however old it is. The daemon does this by itself (` + "`retention`" + `); the Lambda function's role may remove nothing, so that
of a DynamoDB table a person does it.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := momentOrAge(before, time.Now())
			if err != nil {
				return err
			}
			if at.IsZero() {
				return usage("write --before 400d", "it is not said how old")
			}
			if err := a.printable(c, formatTable, formatJSON); err != nil {
				return err
			}
			if err := a.confirm(fmt.Sprintf("Remove what is older than %s from the ledger?", at.UTC().Format(time.RFC3339))); err != nil {
				return err
			}
			return a.withStore(c, where, toWrite, func(_ config.Config, store ledger.Store) error {
				n, err := store.Prune(c.Context(), at, time.Now())
				if err != nil {
					return fail(exitError, hintOf(err), err)
				}
				return a.write(c, result{JSON: map[string]any{"schema_version": 1, "partial": false, "removed": n}, Table: func(w io.Writer) {
					fmt.Fprintf(w, "%d entries were removed\n", n)
				}})
			})
		},
	}
	c.Flags().StringVar(&before, "before", "", "What is older than this `time`: 2026-01-02 or 400d")
	awsFlags(c, &where)
	return c
}

func headsOf(texts []string) (heads []ledger.Head, err error) {
	for _, text := range texts {
		part := strings.Split(text, ",")
		if len(part) != 3 {
			return nil, usage("write CHAIN,SEQ,HASH as the notification has them", "%q is no head", text)
		}
		seq, err := strconv.ParseInt(part[1], 10, 64)
		if err != nil || len(part[2]) != 64 {
			return nil, usage("write CHAIN,SEQ,HASH as the notification has them", "%q is no head", text)
		}
		heads = append(heads, ledger.Head{Chain: part[0], Seq: seq, Hash: part[2]})
	}
	return heads, nil
}

func verdictsTable(w io.Writer, verdicts []ledger.Verdict) {
	if len(verdicts) == 0 {
		fmt.Fprintln(w, "The ledger is empty.")
		return
	}
	t := newTable(w, "CHAIN", "ENTRIES", "HEAD", "VERDICT")
	for _, v := range verdicts {
		verdict := "holds"
		if len(v.Bad) > 0 {
			verdict = fmt.Sprintf("BROKEN at entry %d", v.Bad[0].Seq)
		}
		t.row(v.Chain, strconv.FormatInt(v.Entries, 10), v.Head.Hash, verdict)
	}
	t.end()
	for _, v := range verdicts {
		for _, b := range v.Bad {
			fmt.Fprintf(w, "\n%s entry %d: %s\n", plain(b.Chain), b.Seq, plain(b.Text))
		}
	}
}
