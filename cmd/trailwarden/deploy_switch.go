package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/deploy/doctor"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
)

// switchRepair is the kill switch: it takes the policy that repairs from both roles, or gives it back. Nothing else changes.
func (a *app) switchRepair(c *cobra.Command, f deployFlags) error {
	if f.repair != "off" && f.repair != "on" {
		return usage("--repair off, or --repair on", "--repair is %q", f.repair)
	}
	cfg, err := a.configuration(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), max(f.limit, time.Minute))
	defer cancel()
	at, err := a.open(ctx, cfg, f.reach)
	if err != nil {
		return err
	}
	d := &stack.Deployer{Config: at.client.Config, Account: cloud.AccountOf(at.self), Name: f.stack}
	view, found, err := d.Look(ctx)
	if err != nil {
		return err
	}
	policy := view.Outputs["RepairPolicyArn"]
	switch {
	case !found:
		return fail(exitError, "name it with --stack-name and --region", fmt.Errorf("there is no stack %s in %s", f.stack, at.region))
	case policy == "":
		return fail(exitError, "it is in mode observe: `trailwarden deploy --update --mode repair` lets it repair", fmt.Errorf("the stack %s has nothing to switch: it repairs nothing", f.stack))
	}
	question := "Switch all repairs off? Watching and telling go on, and people are told of this."
	if f.repair == "on" {
		question = "Switch repairs on again?"
	} else if more := membersRepair(view.Parameters); more != "" {
		a.note("%s", plain(more))
	}
	if err := a.confirm(question); err != nil {
		return err
	}
	api := iam.NewFromConfig(at.client.Config, func(o *iam.Options) { o.Retryer = retry.NewStandard() })
	var errs []error
	for _, output := range []string{"ReactRoleArn", "SweepRoleArn"} {
		role := view.Outputs[output]
		role = role[strings.LastIndexByte(role, '/')+1:]
		if f.repair == "on" {
			_, err = api.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &policy})
		} else {
			_, err = api.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &role, PolicyArn: &policy})
		}
		if gone, ok := errors.AsType[smithy.APIError](err); ok && f.repair == "off" && gone.ErrorCode() == "NoSuchEntity" {
			err = nil // it is off already
		}
		if err != nil {
			errs = append(errs, fail(exitError, "do it in the console: IAM, Roles, "+role+", Permissions, "+policy, fmt.Errorf("switch repairs %s for %s: %w", f.repair, role, err)))
			continue
		}
		a.note("%s: repairs are %s", plain(aws.ToString(&role)), f.repair)
	}
	if f.repair == "off" && len(errs) == 0 {
		command := "trailwarden deploy --repair on"
		if f.stack != usualStack {
			command += " --stack-name " + doctor.Quote(f.stack)
		}
		a.note("to switch them on again: %s", plain(a.reaching(command, f.reach, cfg)))
	}
	return errors.Join(errs...)
}

// membersRepair says what goes on in member accounts when the policy of the central account is detached: their repairs are made with roles of
// their own. Empty where there are none.
func membersRepair(parameters map[string]string) string {
	if parameters["OrganizationId"] == "" || parameters["MemberAccounts"] == "" {
		return ""
	}
	name := parameters["Name"]
	return fmt.Sprintf("trails of the members (%s) are repaired all the same: detach the policy %s-repair from the role %s-member in each, or `trailwarden deploy --update --mode observe` ends repairs everywhere",
		parameters["MemberAccounts"], name, name)
}
