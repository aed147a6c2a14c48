package stack

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/trailwarden/trailwarden/internal/trail"
)

func retryer() aws.Retryer { return retry.AddWithMaxBackoffDelay(retry.NewStandard(), 5*time.Second) }

func partition(region string) string { return trail.PartitionOf(region) }

// Proposal is what a stack should become. The template is put beside the zip that ArtifactBucket and ArtifactKey of the
// parameters name: CloudFormation takes up to 51,200 bytes in a request, and up to 1 MB from a bucket.
type Proposal struct {
	Template   string
	Parameters map[string]string
	Previous   []string // names of parameters that keep their values
	Tags       map[string]string
	Create     bool
	// Revert compares with what there is, and not with what CloudFormation did last: what was changed past it is put back.
	Revert bool
}

// ChangeSet is a proposal that CloudFormation has worked out.
type ChangeSet struct {
	ID, StackID string
	Create      bool
	Changes     []Change
	Empty       bool // nothing would change
}

// Change is what happens to one resource.
type Change struct {
	Action      string `json:"action"`      // Add, Modify, Remove
	ID          string `json:"id"`          // of the resource in the template
	Type        string `json:"type"`        // of the resource, as CloudFormation names it
	Replacement bool   `json:"replacement"` // another one is made in its place
}

const look = 3 * time.Second

// Propose makes a change set. It changes nothing but that the template lies in the bucket, and a new stack's name is reserved.
func (d *Deployer) Propose(ctx context.Context, p Proposal) (ChangeSet, error) {
	template, err := d.template(ctx, p)
	if err != nil {
		return ChangeSet{}, err
	}
	in := &cloudformation.CreateChangeSetInput{StackName: &d.Name, ChangeSetName: aws.String(fmt.Sprintf("trailwarden-%d", time.Now().UnixMilli())),
		ChangeSetType: types.ChangeSetTypeUpdate, TemplateURL: &template, Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam}}
	if p.Create {
		in.ChangeSetType = types.ChangeSetTypeCreate
	}
	if p.Revert {
		in.DeploymentMode = types.DeploymentModeRevertDrift
	}
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: aws.String(name), ParameterValue: aws.String(p.Parameters[name])})
	}
	for _, name := range p.Previous {
		in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: aws.String(name), UsePreviousValue: aws.Bool(true)})
	}
	for _, name := range slices.Sorted(maps.Keys(p.Tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(name), Value: aws.String(p.Tags[name])})
	}
	calling, end := whole(ctx)
	defer end()
	made, err := d.formation().CreateChangeSet(calling, in)
	if err != nil {
		return ChangeSet{}, explain("make a change set", err)
	}
	set := ChangeSet{ID: aws.ToString(made.Id), StackID: aws.ToString(made.StackId), Create: p.Create}
	d.leave("the change set "+*in.ChangeSetName+", not executed", "aws cloudformation delete-change-set --change-set-name "+set.ID)
	if p.Create {
		d.leave("the stack "+d.Name+", empty, in review", "aws cloudformation delete-stack --stack-name "+d.Name)
	}
	for {
		out, err := d.formation().DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: &set.ID, StackName: &d.Name})
		if err != nil {
			return set, explain("read the change set", err)
		}
		switch out.Status {
		case types.ChangeSetStatusCreateComplete:
			set.Changes, err = d.changes(ctx, set.ID, out)
			return set, err
		case types.ChangeSetStatusFailed:
			// CloudFormation has no code for this; the AWS CLI goes by the text too.
			reason := aws.ToString(out.StatusReason)
			if strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates are to be performed") {
				set.Empty = true
				return set, nil
			}
			return set, &Error{Text: "CloudFormation cannot make the change set: " + reason, Tip: "nothing was changed"}
		}
		if err := d.pause(ctx, look); err != nil {
			return set, err
		}
	}
}

// changes reads all pages of a change set.
func (d *Deployer) changes(ctx context.Context, id string, page *cloudformation.DescribeChangeSetOutput) ([]Change, error) {
	var list []Change
	for {
		for _, c := range page.Changes {
			if r := c.ResourceChange; r != nil {
				list = append(list, Change{string(r.Action), aws.ToString(r.LogicalResourceId), aws.ToString(r.ResourceType), r.Replacement == types.ReplacementTrue})
			}
		}
		if aws.ToString(page.NextToken) == "" {
			return list, nil
		}
		var err error
		if page, err = d.formation().DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: &id, StackName: &d.Name, NextToken: page.NextToken}); err != nil {
			return list, explain("read the change set", err)
		}
	}
}

// Discard takes a change set back, and the empty stack of one that would have created it.
func (d *Deployer) Discard(ctx context.Context, set ChangeSet) error {
	if _, err := d.formation().DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: &set.ID, StackName: &d.Name}); err != nil {
		return explain("delete the change set", err)
	}
	d.forget("the change set ")
	if !set.Create {
		return nil
	}
	if _, err := d.formation().DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &d.Name}); err != nil {
		return explain("delete the empty stack", err)
	}
	d.forget("the stack ")
	return nil
}

// Execute carries a change set out and waits until the stack stands. A new stack that fails is removed again.
func (d *Deployer) Execute(ctx context.Context, set ChangeSet) (View, error) {
	calling, end := whole(ctx)
	defer end()
	// Without RetainExceptOnCreate a new stack that fails would leave behind what is kept as evidence, empty.
	if _, err := d.formation().ExecuteChangeSet(calling, &cloudformation.ExecuteChangeSetInput{ChangeSetName: &set.ID, StackName: &d.Name, RetainExceptOnCreate: aws.Bool(true)}); err != nil {
		return View{}, explain("execute the change set", err)
	}
	d.forget("the change set ")
	d.forget("the stack ")
	v, err := d.wait(ctx, set.StackID, len(set.Changes))
	if err != nil {
		if set.Create {
			d.leave("the stack "+d.Name+", on its way", "aws cloudformation describe-stack-events --stack-name "+d.Name+" shows it; `trailwarden destroy` removes it")
		} else {
			d.leave("the update of the stack "+d.Name+", on its way", "aws cloudformation cancel-update-stack --stack-name "+d.Name+" takes it back")
		}
		return v, err
	}
	if v.Stands() && v.Status != "UPDATE_ROLLBACK_COMPLETE" {
		d.made = nil // it all belongs to the stack now
		return v, nil
	}
	failed := d.why(ctx, set.StackID)
	switch v.Status {
	case "UPDATE_ROLLBACK_COMPLETE":
		failed.Text += "; the stack is what it was before"
	case "ROLLBACK_COMPLETE":
		if err := d.sweepUp(ctx, set.StackID); err != nil {
			d.leave("the stack "+d.Name+", rolled back", "aws cloudformation delete-stack --stack-name "+d.Name)
			failed.Text += "; it was rolled back, and could not be removed: " + err.Error()
			break
		}
		failed.Text += "; what had been made was rolled back, and the stack is removed"
	default:
		parts, err := d.Parts(ctx, set.StackID)
		if err != nil {
			failed.Text += "; what is left of it could not be read: " + err.Error()
		}
		var names []string
		for _, p := range parts {
			if p.Status != "DELETE_COMPLETE" && p.Physical != "" {
				names = append(names, p.Physical)
			}
		}
		d.leave(fmt.Sprintf("the stack %s in state %s, with %s", d.Name, v.Status, strings.Join(names, ", ")), "trailwarden destroy --stack-name "+d.Name)
	}
	return v, failed
}

// sweepUp deletes a stack that was rolled back.
func (d *Deployer) sweepUp(ctx context.Context, id string) error {
	if _, err := d.formation().DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &id}); err != nil {
		return explain("delete the stack", err)
	}
	v, err := d.wait(ctx, id, 0)
	if err == nil && v.Status != "DELETE_COMPLETE" && v.Status != "" {
		err = &Error{Text: "the stack is in state " + v.Status}
	}
	return err
}

// wait looks until CloudFormation has done. A stack that is gone has an empty status.
func (d *Deployer) wait(ctx context.Context, id string, all int) (View, error) {
	for {
		v, found, err := d.look(ctx, id)
		if err != nil {
			return v, err
		}
		if !found || !v.Underway() && v.Status != "REVIEW_IN_PROGRESS" {
			return v, nil
		}
		if d.Progress != nil {
			done, doing := d.progress(ctx, id)
			d.Progress(done, all, doing)
		}
		if err := d.pause(ctx, look); err != nil {
			return v, err
		}
	}
}

// progress is how many resources are done, and one that is not. It is only for show: errors do not matter.
func (d *Deployer) progress(ctx context.Context, id string) (done int, doing string) {
	parts, err := d.Parts(ctx, id)
	if err != nil {
		return 0, ""
	}
	for _, p := range parts {
		if strings.HasSuffix(p.Status, "_COMPLETE") || p.Status == "DELETE_SKIPPED" {
			done++
		} else if strings.HasSuffix(p.Status, "_IN_PROGRESS") {
			doing = p.ID
		}
	}
	return done, doing
}

// handlerCode is the code that a resource's handler gives, in the only place where CloudFormation shows it.
var handlerCode = regexp.MustCompile(`HandlerErrorCode: (\w+)\)`)

// why finds the first failure of the stack's last operation.
func (d *Deployer) why(ctx context.Context, id string) *Error {
	more := "aws cloudformation describe-stack-events --stack-name " + id + " says more"
	first := &Error{Text: "the stack " + d.Name + " did not come about", Tip: more}
	pages := cloudformation.NewDescribeStackEventsPaginator(d.formation(), &cloudformation.DescribeStackEventsInput{StackName: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			first.Text += ", and why could not be read: " + explain("read its events", err).Error()
			return first
		}
		// The newest comes first: what is read last failed first, and the rest mostly because of it.
		for _, e := range page.StackEvents {
			own := aws.ToString(e.PhysicalResourceId) == aws.ToString(e.StackId)
			status := string(e.ResourceStatus)
			if own && (status == "CREATE_IN_PROGRESS" || status == "UPDATE_IN_PROGRESS" || status == "DELETE_IN_PROGRESS") && aws.ToString(e.ResourceStatusReason) == "User Initiated" {
				return first
			}
			if own || !strings.HasSuffix(status, "_FAILED") {
				continue
			}
			reason := aws.ToString(e.ResourceStatusReason)
			first.Text = fmt.Sprintf("the stack %s did not come about: %s (%s): %s", d.Name, aws.ToString(e.LogicalResourceId), aws.ToString(e.ResourceType), reason)
			first.Code, first.Tip = "", more
			if m := handlerCode.FindStringSubmatch(reason); m != nil {
				first.Code, first.Tip = m[1], cmp.Or(tipFor(m[1]), more)
			}
		}
	}
	return first
}
