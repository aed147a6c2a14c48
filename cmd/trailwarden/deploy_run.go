package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// carryThrough uploads, proposes, asks and executes.
func (a *app) carryThrough(ctx context.Context, c *cobra.Command, d *deployment, f deployFlags) error {
	zipHash := artifact.SHA256(d.packed)
	same := d.deployed().SHA256 == zipHash
	next, rel := stack.Object{Bucket: d.deployer.Bucket, Key: name(d.parameters, d.before) + "/" + release() + "/trailwarden-lambda-arm64.zip", Version: "(known when it is uploaded)", SHA256: zipHash}, release()
	if same {
		next, rel = d.deployed(), d.before.Parameters["Release"]
	}
	d.compute(next, rel)
	made, err := d.template.Make(deploy.Stack{Partition: trail.PartitionOf(d.Region), Account: d.Account, Region: d.Region, Name: d.Stack, Parameters: d.effective})
	if err != nil {
		return usage("see `trailwarden deploy --help`", "%s", err)
	}
	if err := d.deployer.Reserve(ctx, d.before.Parameters, d.effective); err != nil {
		return err
	}
	if err := d.describe(made); err != nil {
		return err
	}
	if f.dryRun {
		d.Status = "dry-run"
		d.changed(made)
		return a.writeDeployment(c, d, true)
	}
	if !same {
		a.note("uploading the zip to s3://%s …", next.Bucket)
		if next, err = d.deployer.Upload(ctx, next.Key, d.packed); err != nil {
			return err
		}
		d.compute(next, rel)
	}
	set, err := d.deployer.Propose(ctx, stack.Proposal{Template: d.template.Text, Parameters: d.effective, Tags: map[string]string{"app": name(d.parameters, d.before)}, Create: d.before.ID == "", Revert: f.revert})
	if err != nil {
		return err
	}
	d.Changes = append(d.Changes, set.Changes...)
	if set.Empty {
		if err := d.deployer.Discard(ctx, set); err != nil {
			return err
		}
		if set.Create {
			return fail(exitError, "please report this", errors.New("CloudFormation finds nothing to make in the template"))
		}
		a.note("nothing to change: the stack %s is as you ask for it", d.Stack)
		d.Status, d.Outputs = "unchanged", d.before.Outputs
		return a.finish(ctx, c, d, f)
	}
	deploymentTable(a, a.stderr, d)
	if err := a.confirm("Do this?"); err != nil {
		return errors.Join(err, d.deployer.Discard(ctx, set))
	}
	began := time.Now()
	view, err := d.deployer.Execute(ctx, set)
	a.clearLine()
	if err != nil {
		return err
	}
	d.Outputs = view.Outputs
	d.Status = "updated"
	if set.Create {
		d.Status = "deployed"
	}
	a.note("the stack %s is %s, after %s", d.Stack, d.Status, time.Since(began).Round(time.Second))
	if err := d.deployer.Protect(ctx, true); err != nil {
		d.Next = append(d.Next, "the stack is not protected against deletion ("+err.Error()+"): aws cloudformation update-termination-protection --enable-termination-protection --stack-name "+d.Stack)
	}
	return a.finish(ctx, c, d, f)
}

// name is the template's parameter Name.
func name(parameters map[string]string, before stack.View) string {
	return cmp.Or(parameters["Name"], before.Parameters["Name"], "trailwarden")
}

// finish prints what there is, what people have to do, and how it all is.
func (a *app) finish(ctx context.Context, c *cobra.Command, d *deployment, f deployFlags) error {
	if mail := d.effective["NotificationEmail"]; mail != "" && mail != d.before.Parameters["NotificationEmail"] {
		d.Next = append(d.Next, "click \"Confirm subscription\" in the mail from AWS Notifications to "+mail+": until then nobody is told of anything")
	}
	if others := strings.Join(d.Configuration.Channels[1:], ", "); others != "" && d.effective["Config"] != "" && d.Status != "unchanged" {
		sign := "the welcome"
		if d.Status == "updated" {
			sign = "the next sign of life (watch.heartbeat)"
		}
		d.Next = append(d.Next, "see that "+sign+" comes on "+others+", too: it proves that the functions reach them")
	}
	d.Next = append(d.Next, "see that it works: stop a trail that nothing depends on, and wait for the mail (docs/operations.md)")
	if err := a.writeDeployment(c, d, false); err != nil {
		return err
	}
	checks, err := a.examine(ctx, c, f.reach, f.stack)
	if err != nil {
		return errors.Join(errDoctor, err)
	}
	checksTable(a, a.stderr, checks)
	if err := verdict(checks, true); err != nil {
		return fail(codeOf(err), "the table above says what to do; look again with `trailwarden doctor`", errDoctor)
	}
	return nil
}

// stackProgress shows how far CloudFormation is, on a terminal only.
func (a *app) stackProgress() func(done, all int, doing string) {
	if a.quiet || !terminal(a.stderr) {
		return nil
	}
	return func(done, all int, doing string) {
		fmt.Fprintf(a.stderr, "\r\x1b[K%s", plain(fmt.Sprintf("%d of %d resources, %s …", done, max(all, done), cmp.Or(doing, "waiting"))))
	}
}

func (a *app) clearLine() {
	if !a.quiet && terminal(a.stderr) {
		fmt.Fprint(a.stderr, "\r\x1b[K")
	}
}
