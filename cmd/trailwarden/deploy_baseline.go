package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/baseline/file"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// pinnedBy says in a deployment's document what the trails are pinned by.
type pinnedBy struct {
	From   string      `json:"from"`   // a file, "captured now", "deployed before", or "" for none
	Hash   string      `json:"hash"`   // SHA-256 of what it says, hex; "" for none
	Serial int         `json:"serial"` // its serial number; 0 for none
	Trails []trail.ARN `json:"trails"` // that are pinned
}

// pin finds the baseline to deploy: the file that was named or lies here, that of the stack when it is updated, or one that is
// captured now and written to a file, because it is what people review.
func (a *app) pin(ctx context.Context, d *deployment, cfg config.Config, f deployFlags, at *field, zip *artifact.Artifact) error {
	d.Baseline.Trails = []trail.ARN{}
	switch {
	case f.nothingPinned:
		zip.Pinned = nil
		a.note("no trail is pinned: stopped trails are started again, everything else is only told")
		return nil
	case cfg.Baseline != "" || exists(usualBaseline):
		if d.before.ID != "" { // the functions would repair nothing by one that is older than the last that they used
			cfg.Ledger, cfg.Region = "dynamodb://"+cmp.Or(d.before.Outputs["LedgerName"], name(d.parameters, d.before)), d.Region
		}
		pinned, err := a.pinned(ctx, cfg, f.aws)
		if err != nil {
			return err
		}
		d.Baseline.From, zip.Pinned = baselinePath(cfg), &pinned
	case d.before.ID != "" && d.before.Parameters["Baseline"] == "":
		zip.Pinned = nil
		return nil
	case d.before.ID != "":
		old, err := d.zipBefore(ctx)
		if err != nil {
			return err
		}
		if old.Pinned == nil {
			return fail(exitError, "name the baseline with --baseline", errors.New("the deployed zip has no baseline"))
		}
		d.Baseline.From, zip.Pinned = "deployed before", old.Pinned
	default:
		made, err := a.captureNow(ctx, cfg, f, at)
		if err != nil {
			return err
		}
		d.Baseline.From, zip.Pinned = "captured now", made
	}
	d.pinned = zip.Pinned
	d.Baseline.Hash, d.Baseline.Serial, d.Baseline.Trails = d.pinned.Hash(), d.pinned.Serial, arns(*d.pinned)
	return homes(d)
}

// captureNow pins the trails of the Region as they are, and writes the file unless this is a dry run.
func (a *app) captureNow(ctx context.Context, cfg config.Config, f deployFlags, at *field) (*baseline.File, error) {
	repair, err := groups(f.groups)
	if err != nil {
		return nil, err
	}
	s := at.survey(ctx, nil, nil)
	s.States = slices.DeleteFunc(s.States, func(state trail.State) bool { return state.ARN.Account != state.Caller.Account })
	if len(s.States) == 0 {
		return nil, errors.Join(unread(s.Failures), fail(exitFindings, "make one (aws cloudtrail create-trail), name another Region with --region, or deploy with --no-baseline: then trails that come are watched too",
			fmt.Errorf("there is no trail of this account in %s: nothing to pin, and no event would come", strings.Join(s.Regions, ", "))))
	}
	if err := pinnable(s.States, baseline.File{}, false); err != nil {
		return nil, errors.Join(err, unread(s.Failures))
	}
	if len(s.Failures) > 0 {
		return nil, unread(s.Failures)
	}
	if f.history > 0 {
		a.changes(ctx, at, s.States, f.history)
	}
	made := baseline.File{Version: baseline.Version}.Capture(s.States, repair, s.At, at.self)
	at.owners(ctx, &made)
	made.Name = baselinePath(cfg)
	if !f.dryRun {
		if err := replace(made.Name, file.Update(nil, made)); err != nil {
			return nil, err
		}
		a.note("wrote %s: what the trails are held to from now on; keep it in version control", made.Name)
	}
	for _, t := range made.Trails {
		a.note("pinned %s: logs to %s, %s", plain(t.ARN.String()), plain(t.Bucket), reaches(t))
	}
	return &made, nil
}

// reaches says in a word what a trail records.
func reaches(t baseline.Trail) string {
	var list []string
	for _, one := range []struct {
		is   bool
		text string
	}{{t.MultiRegion, "all Regions"}, {!t.MultiRegion, "its Region only"}, {t.Organization, "the organization"}, {t.Validation, "digest files"}, {t.Key != "", "encrypted with a key"}} {
		if one.is {
			list = append(list, one.text)
		}
	}
	return strings.Join(list, ", ")
}

// homes refuses a Region to which no event of a pinned trail comes: CloudTrail sends those of a trail's changes to its home.
func homes(d *deployment) error {
	var elsewhere []string
	for _, t := range d.pinned.Trails {
		if t.ARN.Region == d.Region {
			return nil
		}
		elsewhere = append(elsewhere, t.ARN.Region)
	}
	slices.Sort(elsewhere)
	elsewhere = slices.Compact(elsewhere)
	if len(elsewhere) == 0 {
		return nil
	}
	return fail(exitUsage, "deploy there: --region "+elsewhere[0]+"; deploy/cloudformation/forwarder.yaml brings the events of other Regions",
		fmt.Errorf("%s is the wrong Region: no pinned trail has its home there, but in %s; nothing was deployed", d.Region, strings.Join(elsewhere, ", ")))
}
