// Package securityhub tells of incidents as findings of AWS Security Hub. One incident is one finding over its whole
// life: each stage updates it, and when the repair is confirmed it is archived and its workflow resolved. Findings
// go in as ASFF; package ocsf writes the same incident for consumers of the OCSF.
//
// Security Hub takes a finding only from the account that the finding belongs to. Findings on trails of other accounts
// therefore belong to the account that trailwarden runs in, and name the trail's own among their fields.
package securityhub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/aws/aws-sdk-go-v2/service/securityhub/types"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Timeout is how long telling may take: an import and, at some stages, an update of the workflow.
const Timeout = 8 * time.Second

// API is what of Security Hub is called.
type API interface {
	BatchImportFindings(context.Context, *securityhub.BatchImportFindingsInput, ...func(*securityhub.Options)) (*securityhub.BatchImportFindingsOutput, error)
	BatchUpdateFindings(context.Context, *securityhub.BatchUpdateFindingsInput, ...func(*securityhub.Options)) (*securityhub.BatchUpdateFindingsOutput, error)
}

// Channel is the Security Hub of one account and Region. It is safe for use by several goroutines.
type Channel struct {
	API     API
	Account string // 12 digits: the account of the credentials
	Region  string // where findings go
	Version string // trailwarden's own
	Now     func() time.Time
}

var _ notify.Notifier = (*Channel)(nil)

// Open makes the channel of an account's Security Hub, in the Region of cfg. An organization's Security Hub gathers
// findings of all Regions by itself.
func Open(cfg aws.Config, account, version string, now func() time.Time) (*Channel, error) {
	if len(account) != 12 || strings.Trim(account, "0123456789") != "" {
		return nil, fmt.Errorf("open Security Hub: %q is no account id", account)
	}
	if cfg.Region == "" {
		return nil, errors.New("open Security Hub: no Region is set: set region in the configuration, or AWS_REGION")
	}
	client := securityhub.NewFromConfig(cfg, func(o *securityhub.Options) {
		o.Retryer = retry.AddWithErrorCodes(retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = 3, time.Second
		}), "InternalException")
	})
	return &Channel{API: client, Account: account, Region: cfg.Region, Version: version, Now: now}, nil
}

var errNoAnswer = errors.New("no answer within " + Timeout.String())

// Notify imports the finding. What Security Hub refuses of a call that went well is an error too.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, errNoAnswer)
	defer cancel()
	finding := c.finding(inc)
	out, err := c.API.BatchImportFindings(ctx, &securityhub.BatchImportFindingsInput{Findings: []types.AwsSecurityFinding{finding}})
	if err != nil {
		return c.failure(ctx, "import finding into Security Hub", err)
	}
	if aws.ToInt32(out.FailedCount) > 0 || len(out.FailedFindings) > 0 {
		return c.refused(out.FailedFindings)
	}
	update := c.workflow(inc)
	if update == nil {
		return nil
	}
	done, err := c.API.BatchUpdateFindings(ctx, update)
	if err != nil {
		return c.failure(ctx, "update workflow of finding in Security Hub", err)
	}
	for _, u := range done.UnprocessedFindings {
		return c.coded(aws.ToString(u.ErrorCode), "update workflow of finding in Security Hub",
			errors.New(aws.ToString(u.ErrorCode)+": "+aws.ToString(u.ErrorMessage)))
	}
	return nil
}

// workflow is what a provider may not set by importing: that a person has taken the finding on, and that it is
// resolved. Security Hub itself sets a resolved finding back to new when it becomes active again.
func (c *Channel) workflow(inc incident.Incident) *securityhub.BatchUpdateFindingsInput {
	in := &securityhub.BatchUpdateFindingsInput{
		FindingIdentifiers: []types.AwsSecurityFindingIdentifier{{Id: aws.String(c.id(inc)), ProductArn: aws.String(c.product(inc))}},
	}
	switch notify.StageOf(inc) {
	case incident.StageConfirmed:
		in.Workflow = &types.WorkflowUpdate{Status: types.WorkflowStatusResolved}
	case incident.StageAcknowledged:
		a := inc.Acknowledged
		if a == nil {
			return nil
		}
		in.Workflow = &types.WorkflowUpdate{Status: types.WorkflowStatusNotified}
		note := "Taken on by " + notify.Plain(a.By, 100)
		if a.Note != "" {
			note += ": " + notify.Plain(a.Note, 380)
		}
		in.Note = &types.NoteUpdate{Text: aws.String(note), UpdatedBy: aws.String("trailwarden")}
	default:
		return nil
	}
	return in
}
