package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/config/file"
	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
	"github.com/trailwarden/trailwarden/internal/deploy/doctor"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// stackChecks examine a stack, and what its zip holds against the files here.
func (a *app) stackChecks(ctx context.Context, cfg config.Config, r reach, at *field, d *stack.Deployer, view stack.View) ([]doctor.Check, error) {
	parts, err := d.Parts(ctx, view.ID)
	if err != nil {
		return nil, err
	}
	made, checks := a.deployedTemplate(ctx, d, view, at.region)
	checks = append(checks, doctor.Deployment{Config: at.client.Config, View: view, Name: d.Name, Parts: parts, Made: made, Now: time.Now()}.Examine(ctx)...)
	if table := view.Outputs["LedgerName"]; table != "" {
		store, err := openTable(at.client.Config, table, cfg)
		checks = append(checks, ledgerCheck(ctx, store, err, "dynamodb://"+table))
	}
	zip, inZip := a.deployedZip(ctx, cfg, r, d, view)
	checks = append(checks, inZip...)
	var pinned baseline.File
	if zip.Pinned != nil {
		pinned = *zip.Pinned
	}
	return append(checks, trailChecks(ctx, at, pinned, time.Duration(deploy.SweepMinutes(view.Parameters["SweepSchedule"]))*time.Minute)...), nil
}

// deployedTemplate is what CloudFormation was told to make, and whether that is what this program would tell it. Without the permission
// to read it this program's own has to do, where it is of the same release.
func (a *app) deployedTemplate(ctx context.Context, d *stack.Deployer, view stack.View, region string) (deploy.Made, []doctor.Check) {
	own, err := deploy.Load(deploy.Templates[0])
	if err != nil {
		return deploy.Made{}, nil
	}
	const name = "template"
	of := view.Parameters["Release"]
	makes := func(t deploy.Template) (deploy.Made, error) {
		return t.Make(deploy.Stack{Partition: trail.PartitionOf(region), Account: d.Account, Region: region, Name: d.Name, Parameters: view.Parameters})
	}
	text, err := d.Template(ctx, view.ID)
	if err != nil {
		made, failed := makes(own)
		if failed != nil || of != release() {
			return deploy.Made{}, []doctor.Check{{Name: name, Status: doctor.Unknown, Text: err.Error(), Mend: cmp.Or(hintOf(err), "look again: trailwarden doctor")}}
		}
		return made, nil
	}
	deployed, err := deploy.Parse(name, text)
	var made deploy.Made
	if err == nil {
		made, err = makes(deployed)
	}
	switch {
	case err != nil:
		return deploy.Made{}, []doctor.Check{{Name: name, Status: doctor.Wrong, Text: "the stack's template is none of ours: " + err.Error(), Mend: "trailwarden deploy --update"}}
	case of == release() && !reflect.DeepEqual(deployed.Doc, own.Doc):
		return made, []doctor.Check{{Name: name, Status: doctor.Waiting, Text: "the stack's template is not the one of this program, though both are of release " + of + ": somebody changed one of them", Mend: "trailwarden deploy --update --dry-run"}}
	case of != release():
		return made, []doctor.Check{{Name: name, Status: doctor.OK, Text: "of release " + of + ", and this program is " + release() + ": `trailwarden deploy --update` brings it up to date"}}
	}
	return made, []doctor.Check{{Name: name, Status: doctor.OK, Text: "the one of this program"}}
}

// deployedZip reads baseline and configuration out of the zip that runs, and holds them against the files here.
func (a *app) deployedZip(ctx context.Context, cfg config.Config, r reach, d *stack.Deployer, view stack.View) (artifact.Artifact, []doctor.Check) {
	p := view.Parameters
	packed, err := d.Download(ctx, stack.Object{Bucket: p["ArtifactBucket"], Key: p["ArtifactKey"], Version: p["ArtifactVersion"], SHA256: p["ArtifactSha256"]})
	var zip artifact.Artifact
	if err == nil {
		zip, err = artifact.Open(packed)
	}
	if err != nil {
		return zip, []doctor.Check{{Name: "zip", Status: doctor.Unknown, Text: "baseline and configuration could not be read: " + err.Error(), Mend: cmp.Or(hintOf(err), "look again: trailwarden doctor")}}
	}
	return zip, append(a.baselineChecks(ctx, cfg, r, zip, p["Baseline"] != ""), a.configChecks(ctx, r, zip.Config, view)...)
}

func (a *app) baselineChecks(ctx context.Context, cfg config.Config, r reach, zip artifact.Artifact, asked bool) []doctor.Check {
	const name = "baseline"
	if zip.Pinned == nil && asked {
		return []doctor.Check{{Name: name, Status: doctor.Wrong, Text: "there is none in the zip, though the functions are told to read one: nothing is repaired", Mend: "trailwarden deploy --update --baseline " + usualBaseline}}
	}
	if zip.Pinned == nil {
		return []doctor.Check{{Name: name, Status: doctor.Waiting, Text: "no trail is pinned: only stopped trails are started again", Mend: "trailwarden baseline capture; review the file, then: trailwarden deploy --update --baseline " + usualBaseline}}
	}
	checks := []doctor.Check{age(*zip.Pinned, time.Now())}
	if here, err := a.pinned(ctx, cfg, r.aws); err == nil && here.Hash() != zip.Pinned.Hash() {
		checks = append(checks, doctor.Check{Name: name, Status: doctor.Wrong, Text: fmt.Sprintf("%s (serial %d) is not the one that is deployed (serial %d)", here.Name, here.Serial, zip.Pinned.Serial),
			Mend: "trailwarden deploy --update --baseline " + doctor.Quote(here.Name)})
	}
	return checks
}

// configChecks hold the configuration that is deployed against the file here, and ask its channels.
func (a *app) configChecks(ctx context.Context, r reach, deployed []byte, view stack.View) []doctor.Check {
	const name = "configuration"
	var checks []doctor.Check
	if path := a.configPath(); path != "" {
		if s, err := artifact.Configure(file.Read(path)); err == nil && deployed == nil && s.Document != nil {
			checks = append(checks, doctor.Check{Name: name, Status: doctor.Waiting, Text: path + " is not deployed: what it says of channels, routing, evidence and anchors does not hold there", Mend: "trailwarden deploy --update -c " + doctor.Quote(path)})
		} else if err == nil && !bytes.Equal(s.Document, deployed) {
			checks = append(checks, doctor.Check{Name: name, Status: doctor.Wrong, Text: path + " is not what is deployed: what it says of channels, routing, evidence and anchors does not hold there", Mend: "trailwarden deploy --update -c " + doctor.Quote(path)})
		}
	}
	if deployed == nil {
		return checks
	}
	cfg, err := artifact.Configuration(artifact.Config, deployed)
	if err != nil {
		return append(checks, doctor.Check{Name: name, Status: doctor.Wrong, Text: "the functions cannot read theirs: " + err.Error(), Mend: "trailwarden deploy --update -c trailwarden.yaml"})
	}
	if len(checks) == 0 {
		checks = append(checks, doctor.Check{Name: name, Status: doctor.OK, Text: "travels in the zip: " + cmp.Or(words(channels.Configured(cfg)), "no channel besides the topic")})
	}
	if len(channels.Configured(cfg)) > 0 {
		cfg.Region = strings.Split(view.ID+":::", ":")[3]
		checks = append(checks, a.channelChecks(ctx, cfg, r.aws, true)...)
	}
	return checks
}
