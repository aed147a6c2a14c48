package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// usualStack is the stack's name unless somebody says otherwise.
const usualStack = "trailwarden"

// deployFlags is how deploy is asked to do it.
type deployFlags struct {
	reach
	stack, bucket, zip, zipSHA256 string
	template, repair              string
	update, dryRun, policy        bool
	nothingPinned, noConfig       bool
	revert                        bool
	history                       time.Duration
	groups                        []string // of settings that the captured baseline opens for repair
}

func deployCommand(a *app) *cobra.Command {
	var f deployFlags
	c := &cobra.Command{
		Use:   "deploy",
		Short: "Put trailwarden into an AWS account, or update it",
		Long: `Deploys trailwarden as a CloudFormation stack: pins the trails as they are (or takes --baseline), puts the function's zip
with the baseline and the configuration in it into a private bucket, makes a change set, shows what would exist, each permission
and what it costs, and does it after a yes. Then runs ` + "`trailwarden doctor`" + `. Deploy in the home Region of the trails.

Of the configuration file (-c, at the first time else trailwarden.yaml where there is one) travels what concerns a function:
channels, routing, evidence, anchors. The roles may then do what that needs, and no more. Secrets do not travel: they stay in
Secrets Manager or Parameter Store. What your environment sets is not deployed. An update without -c keeps what is deployed.

Nothing but the bucket with the zip is made before the yes, and that is said. A stack that fails is rolled back and removed,
and whatever stays is listed with the command that removes it. --dry-run makes nothing at all.

Each parameter of the template is a flag. --repair off is the kill switch: nothing is repaired until --repair on, and
watching and telling go on.`,
		Example: `  trailwarden deploy --email security@example.com
  trailwarden deploy --dry-run --email security@example.com       # show it, make nothing
  trailwarden deploy -c trailwarden.yaml --email security@example.com   # Slack, PagerDuty, routing, …
  trailwarden deploy --print-policy                               # what whoever deploys must be allowed
  trailwarden deploy --update --baseline trailwarden.baseline.yaml
  trailwarden deploy --update --restore-trail-arns ARN,ARN        # let them be put back in full
  trailwarden deploy --repair off                                 # the kill switch
  trailwarden deploy --print-template=member-role                 # the other templates`,
		Args: noArgs,
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case f.revert && !f.update:
			return usage("say --update --revert-drift", "--revert-drift is about a stack that stands")
		case f.template != "":
			return a.printTemplate(c, f.template)
		case f.policy:
			return a.printPolicy(c, f)
		case f.repair != "":
			return a.switchRepair(c, f)
		}
		return a.deploy(c, f)
	}
	f.login(c)
	c.Flags().StringVar(&f.stack, "stack-name", usualStack, "Name of the stack")
	c.Flags().StringVar(&f.bucket, "bucket", "", "`Bucket` for the zip (default: trailwarden-artifacts-ACCOUNT-REGION)")
	c.Flags().StringVar(&f.zip, "zip", "", "The function's zip, a `file` (default: the one built in, else "+usualZip+")")
	c.Flags().StringVar(&f.zipSHA256, "zip-sha256", "", "SHA-256 that the zip must have, in hex or base64")
	c.Flags().BoolVar(&f.update, "update", false, "Change a stack that stands; parameters that are not named keep their values")
	c.Flags().BoolVar(&f.revert, "revert-drift", false, "With --update: put back what somebody changed past CloudFormation, with the zip that is deployed")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "Show what would be done, and make nothing")
	c.Flags().BoolVar(&f.policy, "print-policy", false, "Print the IAM policy that whoever deploys needs")
	c.Flags().StringVar(&f.template, "print-template", "", "Print a template: "+strings.Join(deploy.Templates, ", "))
	c.Flags().Lookup("print-template").NoOptDefVal = deploy.Templates[0]
	c.Flags().StringVar(&f.repair, "repair", "", "`off|on`: the kill switch of a stack that stands")
	c.Flags().BoolVar(&f.nothingPinned, "no-baseline", false, "Pin no trail: stopped trails are started, everything else is only told")
	c.Flags().BoolVar(&f.noConfig, "no-config", false, "Deploy no configuration file: people are told by SNS alone")
	c.Flags().StringSliceVar(&f.groups, "pin-repair", nil, "`Groups` of settings that a captured baseline opens for repair, as in baseline capture --repair")
	c.Flags().DurationVar(&f.history, "history", historyKept, "How far to look back for who changed the trails that are captured; 0 for not at all")
	parameterFlags(c)
	return c
}

func (a *app) printTemplate(c *cobra.Command, name string) error {
	t, err := deploy.Load(strings.TrimSuffix(name, ".yaml"))
	if err != nil {
		return usage(config.Suggest(name, "there are ", deploy.Templates), "--print-template: there is no template %q", name)
	}
	return a.write(c, result{Text: []byte(t.Text)})
}

func (a *app) printPolicy(c *cobra.Command, f deployFlags) error {
	cfg, err := a.configuration(c)
	if err != nil {
		return err
	}
	// It is for somebody who has no credentials yet, too.
	account, region := "ACCOUNT", cmp.Or(cfg.Region, "REGION")
	ctx, cancel := context.WithTimeout(c.Context(), 20*time.Second)
	defer cancel()
	if at, err := a.open(ctx, cfg, f.reach); err == nil {
		account, region = cloud.AccountOf(at.self), at.region
	} else {
		a.note("no account is known (%s): put its number in place of ACCOUNT, and its Region in place of REGION", plain(err.Error()))
	}
	name := c.Flags().Lookup("name").Value.String()
	policy, err := deploy.Deployer{Partition: trail.PartitionOf(region), Account: account, Region: region, Stack: f.stack, Name: name,
		Bucket: cmp.Or(f.bucket, stack.BucketFor(account, region)), Boundary: c.Flags().Lookup("permissions-boundary-arn").Value.String()}.Policy()
	if err != nil {
		return err
	}
	return a.write(c, result{Text: policy})
}

// deployment is a deployment under way, and in JSON what came of it: schemas/deploy.v1.json.
type deployment struct {
	head
	Stack         string             `json:"stack"`          // its name
	Account       string             `json:"account"`        // 12 digits
	Region        string             `json:"region"`         // where
	Status        string             `json:"status"`         // deployed, updated, unchanged, dry-run
	Baseline      pinnedBy           `json:"baseline"`       // what the trails are held to
	Configuration configuredBy       `json:"configuration"`  // what travels of the configuration file
	Artifact      stack.Object       `json:"artifact"`       // where the functions' zip lies
	Resources     []deployedResource `json:"resources"`      // all that the stack has
	Changes       []stack.Change     `json:"changes"`        // what is done to them
	Grants        []deploy.Grant     `json:"permissions"`    // all that its roles may do
	Cost          []deploy.Charge    `json:"cost_per_month"` // an estimate
	Outputs       map[string]string  `json:"outputs"`        // the stack's outputs, by name
	Next          []string           `json:"next"`           // what a person has to do now
	Left          []stack.Leftover   `json:"left"`           // what was made and is no part of a stack that stands

	template   deploy.Template
	parameters map[string]string // that the command line names
	derived    map[string]string // that follow from the configuration
	before     stack.View
	old        artifact.Artifact // what is deployed, once it was read
	pinned     *baseline.File
	packed     []byte
	effective  map[string]string // before, given and computed together
	deployer   *stack.Deployer
}

// deployedResource is one of the stack's.
type deployedResource struct {
	ID   string `json:"id"`    // in the template
	Type string `json:"type"`  // as CloudFormation names it
	Stay bool   `json:"stays"` // when the stack is removed
}

// deploy is the verb. Everything that can be known before AWS is asked is checked first.
func (a *app) deploy(c *cobra.Command, f deployFlags) error {
	cfg, err := a.configuration(c)
	if err != nil {
		return err
	}
	if err := a.printable(c, formatTable, formatJSON); err != nil {
		return err
	}
	d := &deployment{head: head{SchemaVersion: 1}, Stack: f.stack, Outputs: map[string]string{}, Changes: []stack.Change{}, Next: []string{}, Left: []stack.Leftover{}}
	if d.template, err = deploy.Load(deploy.Templates[0]); err != nil {
		return err
	}
	d.parameters = given(c, d.template)
	if _, ok := d.parameters["NotificationEmail"]; !ok && !f.update {
		return usage("say who is told: --email security@example.com; or --email= to subscribe to the topic in another way", "nobody would be told of anything")
	}
	if err := d.valid(); err != nil {
		return err
	}
	if !f.dryRun && !a.yes && !terminal(a.stdin) {
		return usage("say --yes to do it without being asked, or --dry-run to see what would be done", "nobody to ask: standard input is no terminal")
	}
	settings, err := a.settled(d, f)
	if err != nil {
		return err
	}
	var given artifact.Artifact
	if f.zip != "" || !f.revert {
		if given, err = a.readZip(f); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(c.Context(), max(f.limit, 30*time.Minute))
	defer cancel()
	first, end := context.WithTimeout(ctx, f.limit) // CloudFormation takes its time, AWS's first answer does not
	defer end()
	at, err := a.open(first, cfg, f.reach)
	if err != nil {
		return err
	}
	d.Account, d.Region = cloud.AccountOf(at.self), at.region
	d.deployer = &stack.Deployer{Config: at.client.Config, Account: d.Account, Name: f.stack, Bucket: cmp.Or(f.bucket, stack.BucketFor(d.Account, d.Region)), Progress: a.stackProgress()}
	if err := d.stands(ctx, f.update); err != nil {
		return err
	}
	if f.zip == "" && f.revert {
		if given, err = d.zipBefore(ctx); err != nil {
			return err
		}
	}
	if err := a.configure(ctx, d, settings, f, &given); err != nil {
		return err
	}
	if err := a.pin(ctx, d, cfg, f, at, &given); err != nil {
		return err
	}
	if d.packed, err = given.Pack(); err != nil {
		return err
	}
	err = a.carryThrough(ctx, c, d, f)
	if err != nil {
		d.Left = d.deployer.Leftovers()
		for _, l := range d.Left {
			a.note("left: %s; to remove it: %s", plain(l.What), plain(l.Remove))
		}
		if len(d.Left) == 0 && !errors.Is(err, errDoctor) {
			a.note("nothing that was not there before is left")
		}
	}
	return err
}

// errDoctor marks errors of the examination after a deployment that stands.
var errDoctor = errors.New("deployed, and not all is well")

// stands sees whether the stack is there, and whether that is what was expected.
func (d *deployment) stands(ctx context.Context, update bool) error {
	view, found, err := d.deployer.Look(ctx)
	if err != nil {
		return err
	}
	d.before = view
	switch {
	case found && view.Underway():
		return fail(exitError, "wait until it is done, and do it again", fmt.Errorf("the stack %s is in state %s: somebody is at work on it", d.Stack, view.Status))
	case found && view.Status == "REVIEW_IN_PROGRESS":
		return fail(exitError, "if nobody is about to execute its change set, remove it: aws cloudformation delete-stack --stack-name "+d.Stack, fmt.Errorf("the stack %s is in review: a change set waits", d.Stack))
	case found && !view.Stands():
		return fail(exitError, "remove what is left of it first: trailwarden destroy --stack-name "+d.Stack, fmt.Errorf("the stack %s is in state %s: %s", d.Stack, view.Status, cmp.Or(view.Reason, "an earlier deployment failed")))
	case found && !update:
		return fail(exitError, "change it with --update, or choose another name with --stack-name and --name", fmt.Errorf("the stack %s is there already, in %s; nothing was changed", d.Stack, d.Region))
	case !found && update:
		return fail(exitError, "deploy it without --update, or name the Region or stack that it is in: --region, --stack-name", fmt.Errorf("there is no stack %s in %s to update", d.Stack, d.Region))
	}
	return nil
}

// deployed is where the stack's zip lies now.
func (d *deployment) deployed() stack.Object {
	p := d.before.Parameters
	return stack.Object{Bucket: p["ArtifactBucket"], Key: p["ArtifactKey"], Version: p["ArtifactVersion"], SHA256: p["ArtifactSha256"]}
}

var notInRelease = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// release is this program's version as the template takes it.
func release() string {
	v := strings.Trim(notInRelease.ReplaceAllString(buildInfo().Version, "-"), "-")
	return cmp.Or(v[:min(len(v), 64)], "devel")
}
