package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
)

func destroyCommand(a *app) *cobra.Command {
	var r reach
	var name string
	c := &cobra.Command{
		Use:   "destroy",
		Short: "Take trailwarden out of an AWS account; the evidence stays",
		Long: `Deletes the stack. The ledger, the logs, events that could not be handled and the bucket with the zips stay, as evidence; each
is printed with the command that removes it. The trails stay as they are, and are no longer guarded.

Asks first, and only then switches the stack's termination protection off. Ended half way, do it again: it goes on where
CloudFormation is. JSON: schemas/destroy.v1.json.`,
		Example: `  trailwarden destroy
  trailwarden destroy --stack-name trailwarden-test --yes`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.destroy(c, r, name) },
	}
	r.login(c)
	c.Flags().StringVar(&name, "stack-name", usualStack, "Name of the stack")
	return c
}

// destroyed is what destroy prints: schemas/destroy.v1.json.
type destroyed struct {
	head
	Stack   string           `json:"stack"`   // its name
	Removed []string         `json:"removed"` // ids of resources
	Left    []stack.Leftover `json:"left"`    // what stays, as evidence
}

func (a *app) destroy(c *cobra.Command, r reach, name string) error {
	cfg, err := a.configuration(c)
	if err != nil {
		return err
	}
	if err := a.printable(c, formatTable, formatJSON); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), max(r.limit, 30*time.Minute))
	defer cancel()
	first, end := context.WithTimeout(ctx, r.limit)
	defer end()
	at, err := a.open(first, cfg, r)
	if err != nil {
		return err
	}
	d := &stack.Deployer{Config: at.client.Config, Account: cloud.AccountOf(at.self), Name: name, Progress: a.stackProgress()}
	view, found, err := d.Look(ctx)
	switch {
	case err != nil:
		return err
	case !found:
		return fail(exitError, "name it with --stack-name and --region", fmt.Errorf("there is no stack %s in %s of account %s", name, at.region, d.Account))
	case view.Underway() && !view.Going():
		return fail(exitError, "wait until it is done, and do it again", fmt.Errorf("the stack %s is in state %s", name, view.Status))
	}
	parts, err := d.Parts(ctx, view.ID)
	if err != nil {
		return err
	}
	template, err := deploy.Load(deploy.Templates[0])
	if err != nil {
		return err
	}
	kept := d.Kept(view, parts, template.Retains)
	for i := range kept {
		kept[i].Remove = a.reaching(kept[i].Remove, r, cfg)
	}
	out := destroyed{head: head{SchemaVersion: 1}, Stack: name, Removed: []string{}, Left: append([]stack.Leftover{}, kept...)}
	types := map[string]int{}
	for _, p := range parts {
		if !template.Retains(p.ID) {
			out.Removed = append(out.Removed, p.ID)
			types[cmp.Or(strings.TrimPrefix(p.Type, "AWS::"), "other")]++
		}
	}
	slices.Sort(out.Removed)
	a.note("The stack %s in account %s, %s: these go (%d):", a.paint(a.stderr, bold, plain(name)), d.Account, at.region, len(out.Removed))
	var going []string
	for _, kind := range slices.Sorted(maps.Keys(types)) {
		going = append(going, fmt.Sprintf("%d %s", types[kind], kind))
	}
	for _, line := range wrapped(plain(strings.Join(going, ", ")), columns(a.stderr)-2, columns(a.stderr) > 20) {
		a.note("  %s", line)
	}
	if view.Going() {
		a.note("CloudFormation is at it already")
	} else {
		if !a.yes { // it is said once, before the question or at the end
			leftTable(a.stderr, "These stay, as evidence:", kept)
		}
		if err := a.confirm("Remove the stack? The trails are not guarded any more then."); err != nil {
			return err
		}
	}
	if err := d.Delete(ctx, view); err != nil {
		a.clearLine()
		return errors.Join(err, a.whatIsThere(ctx, d))
	}
	a.clearLine()
	return a.write(c, result{JSON: out, Table: func(w io.Writer) {
		leftTable(w, "The stack "+plain(name)+" is gone, and nobody guards the trails any more. These stay, as evidence:", kept)
	}})
}

// whatIsThere tells how a stack is that could not be removed, or whose removal nobody waited for.
func (a *app) whatIsThere(ctx context.Context, d *stack.Deployer) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	view, found, err := d.Look(ctx)
	if err != nil || !found {
		return err
	}
	a.note("the stack %s is in state %s, protected against deletion: %t", plain(d.Name), view.Status, view.Protected)
	if view.Going() {
		a.note("CloudFormation goes on by itself; `trailwarden destroy` waits for it, and says what stays")
	}
	return nil
}

// leftTable lists what stays, each with the command that removes it, on a line of its own so that it can be copied.
func leftTable(w io.Writer, heading string, left []stack.Leftover) {
	fmt.Fprintln(w, heading)
	for _, l := range left {
		fmt.Fprintf(w, "  %s\n    to remove it for good: %s\n", plain(l.What), plain(l.Remove))
	}
}
