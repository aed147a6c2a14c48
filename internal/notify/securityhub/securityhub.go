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
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Timeout is how long telling may take: an import and, at some stages, an update of the workflow.
const Timeout = 8 * time.Second

// Channel is the Security Hub of one account and Region. It is safe for use by several goroutines.
type Channel struct {
	Caller  awscall.Caller
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
	return &Channel{Account: account, Region: cfg.Region, Version: version, Now: now, Caller: awscall.Caller{
		Config: cfg, Agent: "trailwarden/" + version,
		Retryer: retry.AddWithErrorCodes(retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = 3, time.Second
		}), "InternalException"),
	}}, nil
}

var errNoAnswer = errors.New("no answer within " + Timeout.String())

// Notify imports the finding. What Security Hub refuses of a call that went well is an error too.
func (c *Channel) Notify(ctx context.Context, inc incident.Incident) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, errNoAnswer)
	defer cancel()
	var in imported
	err := c.Caller.REST(ctx, awscall.SecurityHub, c.Region, http.MethodPost, "/findings/import", map[string][]Finding{"Findings": {c.finding(inc)}}, &in)
	if err != nil {
		return c.failure(ctx, "import finding into Security Hub", err)
	}
	if in.FailedCount > 0 || len(in.FailedFindings) > 0 {
		return c.refused(in.FailedFindings)
	}
	update := c.workflow(inc)
	if update == nil {
		return nil
	}
	var done updated
	const doing = "update workflow of finding in Security Hub"
	if err := c.Caller.REST(ctx, awscall.SecurityHub, c.Region, http.MethodPatch, "/findings/batchupdate", update, &done); err != nil {
		return c.failure(ctx, doing, err)
	}
	for _, f := range done.UnprocessedFindings {
		return c.coded(f.ErrorCode, doing, errors.New(f.ErrorCode+": "+f.ErrorMessage))
	}
	return nil
}

// workflow is what a provider may not set by importing: that a person has taken the finding on, and that it is
// resolved. Security Hub itself sets a resolved finding back to new when it becomes active again.
func (c *Channel) workflow(inc incident.Incident) *change {
	update := &change{FindingIdentifiers: []identifier{{c.id(inc), c.product(inc)}}}
	switch {
	case notify.Ended(inc):
		update.Workflow.Status = "RESOLVED"
	case notify.StageOf(inc) == incident.StageAcknowledged:
		a := inc.Acknowledged
		if a == nil {
			return nil
		}
		update.Workflow.Status = "NOTIFIED"
		text := "Taken on by " + notify.Plain(a.By, 100)
		if a.Note != "" {
			text += ": " + notify.Plain(a.Note, 380)
		}
		update.Note = &note{Text: text, UpdatedBy: "trailwarden"}
	default:
		return nil
	}
	return update
}
