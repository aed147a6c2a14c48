package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/baseline/file"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/trail"
)

func baselineAccept(a *app) *cobra.Command {
	var r reach
	var force bool
	c := &cobra.Command{
		Use:   "accept TRAIL [FIELD...]",
		Short: "Take a trail's settings as they are now into the baseline",
		Long: `Reads the trail and takes its settings into the baseline file, or only the fields that are named; a trail that is not
pinned yet is then pinned. Shows the difference first and asks. Comments in the file stay. TRAIL is its ARN, or its name where that says which.

A trail that is pinned and was deleted is taken out of the file: unpinned on purpose, and not created again. That it was deleted has
to be proven; without a record of the deletion that takes 15 seconds.

A trail that would then be pinned as stopped, or without all management events, is refused unless --force is given.`,
		Example: `  trailwarden baseline accept main
  trailwarden baseline accept main tags kms_key_id --yes
  trailwarden baseline accept arn:aws:cloudtrail:eu-central-1:111122223333:trail/main event_selectors`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("name it by its ARN, or its name; `trailwarden check` lists them", "accept needs a TRAIL")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return a.accept(c, args[0], args[1:], r, force) },
	}
	c.ValidArgsFunction = a.completeTrail
	r.flags(c)
	c.Flags().BoolVar(&force, "force", false, "Accept a trail that is stopped or narrowed too")
	return c
}

// completeTrail offers pinned trails in the shell, and then settings.
func (a *app) completeTrail(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var words []string
	if len(args) > 0 {
		for _, row := range trail.Table {
			words = append(words, string(row.Field))
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
	if cfg, err := a.configuration(c); err == nil {
		f, _ := file.Load(baselinePath(cfg), baseline.Used{})
		for _, t := range f.Trails {
			words = append(words, t.ARN.Name, t.ARN.String())
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) accept(c *cobra.Command, name string, names []string, r reach, force bool) error {
	if c.Flags().Changed("output") {
		return usage("leave -o out", "%s writes a baseline file, and prints no data", c.CommandPath())
	}
	cfg, err := a.configuration(c)
	if err != nil {
		return err
	}
	fields, err := fieldsOf(names)
	if err != nil {
		return err
	}
	pinned, err := a.pinned(c.Context(), cfg, r.aws)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), r.limit)
	defer cancel()
	f, err := a.open(ctx, cfg, r)
	if err != nil {
		return err
	}
	s := f.survey(ctx, r.regions, arns(pinned))
	state, err := choose(s.States, name)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(pinned.Trails, func(t baseline.Trail) bool { return t.ARN == state.ARN }); !state.Exists && i >= 0 {
		return a.unpin(ctx, f, pinned, state.ARN, len(fields) > 0)
	}
	i := slices.IndexFunc(pinned.Trails, func(t baseline.Trail) bool { return t.ARN == state.ARN })
	var ignored []trail.Field
	if i >= 0 {
		ignored = slices.DeleteFunc(slices.Clone(pinned.Trails[i].Ignore), func(f trail.Field) bool { return slices.Contains(fields, f) })
	}
	if !state.Exists || baseline.Incomplete(state, ignored...) && !(i < 0 && force) {
		return fail(exitError, "repair it with `trailwarden plan`, or take it out of the file by hand", fmt.Errorf("accept %s: %s", state.ARN, strings.Join(baseline.Doubts(state), "; ")))
	}
	if i < 0 && len(fields) > 0 {
		return usage("accept it as a whole, without fields", "%s is not pinned yet", state.ARN)
	}
	before, after := baseline.Trail{}, baseline.Of(state)
	if i >= 0 {
		before, after = pinned.Trails[i], pinned.Trails[i].Accept(state, fields...)
	}
	would := state
	would.Settings, would.Read = after.Settings(), trail.Groups() // what was not read is ignored
	if err := pinnable([]trail.State{would}, baseline.File{}, force); err != nil {
		return err
	}
	if i < 0 {
		a.note("%s is not pinned yet:", state.ARN)
	}
	if !a.showAccepted(before, after) {
		a.note("nothing to accept: %s is as it is pinned", state.ARN)
		return nil
	}
	if err := a.confirm(fmt.Sprintf("Accept this into %s?", pinned.Name)); err != nil {
		return err
	}
	return a.accepted(pinned, after, false)
}

// unpin takes a trail that was deleted on purpose out of the file, once it is proven that it was deleted.
func (a *app) unpin(ctx context.Context, f *field, pinned baseline.File, arn trail.ARN, fields bool) error {
	if fields {
		return usage("accept it as a whole, without fields", "%s does not exist", arn)
	}
	state, failures := f.read(ctx, arn, true)
	if len(failures) > 0 || !state.Deleted {
		return errors.Join(unread(failures), fail(exitError, "find out where it is: it was not found, and that alone is no proof", fmt.Errorf("accept that %s was deleted: it is not proven", arn)))
	}
	if len(pinned.Trails) == 1 && len(pinned.Requirements) == 0 {
		return fail(exitError, "a file that pins nothing is not used: take baseline out of the configuration instead, or add requirements", fmt.Errorf("accept that %s was deleted: it is the only trail that is pinned", arn))
	}
	fmt.Fprintln(a.stderr, a.paint(a.stderr, red, "- "+plain(arn.String())+": it was deleted, and will not be created again"))
	if err := a.confirm(fmt.Sprintf("Take it out of %s?", pinned.Name)); err != nil {
		return err
	}
	return a.accepted(pinned, baseline.Trail{ARN: arn}, true)
}

// showAccepted shows what would change in the file, and tells whether anything does.
func (a *app) showAccepted(before, after baseline.Trail) bool {
	differs := false
	for _, row := range trail.Table {
		was, is := row.Print(after.ARN, before.Settings()), row.Print(after.ARN, after.Settings())
		if was == is && before.ARN == after.ARN || before.ARN != after.ARN && value(is) == value("") {
			continue
		}
		differs = true
		if before.ARN == after.ARN {
			fmt.Fprintln(a.stderr, a.paint(a.stderr, red, "- "+plain(string(row.Field)+": "+value(was))))
		}
		fmt.Fprintln(a.stderr, a.paint(a.stderr, green, "+ "+plain(string(row.Field)+": "+value(is))))
	}
	return differs
}

// accepted writes the file with the trail in it, or without it when it is gone.
func (a *app) accepted(f baseline.File, t baseline.Trail, gone bool) error {
	path := f.Name
	if a.outFile != "" {
		path = a.outFile
	}
	text, err := os.ReadFile(f.Name)
	if err != nil {
		return fmt.Errorf("read baseline: %w", err)
	}
	f.Serial++
	f.Trails = slices.DeleteFunc(slices.Clone(f.Trails), func(old baseline.Trail) bool { return old.ARN == t.ARN })
	if !gone {
		f.Trails = append(f.Trails, t)
	}
	if err := replace(path, file.Update(text, f)); err != nil {
		return err
	}
	a.note("wrote %s, serial %d; next: review the change and commit it", path, f.Serial)
	return nil
}

// fieldsOf reads the names of settings.
func fieldsOf(names []string) ([]trail.Field, error) {
	var known []string
	for _, row := range trail.Table {
		known = append(known, string(row.Field))
	}
	var out []trail.Field
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, usage(config.Suggest(name, "use some of ", known), "%q is not a setting of a trail", name)
		}
		out = append(out, trail.Field(name))
	}
	return out, nil
}

// choose finds the one trail that a person means.
func choose(states []trail.State, name string) (trail.State, error) {
	var found []trail.State
	var known []string
	for _, s := range states {
		if s.ARN.String() == name || s.ARN.Name == name {
			found = append(found, s)
		}
		known = append(known, s.ARN.String())
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return trail.State{}, usage("name it by its ARN: "+strings.Join(known, ", "), "there are %d trails of the name %s", len(found), name)
	case len(known) == 0:
		return trail.State{}, usage("look elsewhere with --region", "there is no trail %s, nor any other", name)
	}
	return trail.State{}, usage("there are "+strings.Join(known, ", "), "there is no trail %s", name)
}
