package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/trail"
)

const (
	// keep is how long an assumed role is used for one trail: long enough for a plan, short enough that detaching the
	// permission to assume it, the kill switch, ends repairs at once.
	keep = time.Minute
	// session is the shortest that STS gives.
	session = 15 * time.Minute
)

// assumed is the restore role, narrowed to one trail.
type assumed struct {
	api   *cloudtrail.Client
	until time.Time
}

// restorer is the client that makes an action other than StartLogging: with the restore role, where there is one.
func (c *Client) restorer(ctx context.Context, action trail.Action) (*cloudtrail.Client, error) {
	if c.Restore == "" {
		return c.in(action.Target.Region), nil
	}
	now := time.Now()
	c.mu.Lock()
	known, ok := c.restorers[action.Target]
	c.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.api, nil
	}
	policy, err := sessionPolicy(action.Target)
	if err != nil {
		return nil, err
	}
	creds, err := c.assume(ctx, c.Restore, policy)
	if err != nil {
		return nil, err
	}
	cfg := c.Config.Copy()
	cfg.Credentials = credentials.StaticCredentialsProvider{Value: creds}
	made := assumed{c.client(cfg, action.Target.Region), now.Add(keep)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.restorers == nil {
		c.restorers = make(map[trail.ARN]assumed)
	}
	c.restorers[action.Target] = made
	return made.api, nil
}

// assumeRole is the operation's name in errors.
const assumeRole = "AssumeRole"

const versionOfSTS = "2011-06-15"

// assume takes on a role for the shortest time that STS gives; policy narrows what it may, and is "" for all that it may.
func (c *Client) assume(ctx context.Context, role, policy string) (aws.Credentials, error) {
	form := url.Values{
		"Action": {assumeRole}, "Version": {versionOfSTS}, "RoleArn": {role}, "RoleSessionName": {"trailwarden"},
		"DurationSeconds": {strconv.Itoa(int(session.Seconds()))},
	}
	if policy != "" {
		form.Set("Policy", policy)
	}
	var out struct {
		Given struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      time.Time
		} `xml:"AssumeRoleResult>Credentials"`
	}
	err := c.retry(ctx, assumeRole, role, func(ctx context.Context) error {
		err := c.lean().Query(ctx, awscall.STS, "", form, &out)
		if err == nil && (out.Given.AccessKeyID == "" || out.Given.SecretAccessKey == "") {
			err = errors.New("the answer holds no credentials")
		}
		return err
	})
	g := out.Given
	return aws.Credentials{
		AccessKeyID: g.AccessKeyID, SecretAccessKey: g.SecretAccessKey, SessionToken: g.SessionToken, CanExpire: true, Expires: g.Expiration,
	}, err
}

// sessionPolicy allows what restores, on one trail. What the role itself may not do it does not give.
func sessionPolicy(a trail.ARN) (string, error) {
	type statement struct {
		Effect    string
		Action    []string
		Resource  string
		Condition map[string]map[string]string `json:",omitempty"`
	}
	document, err := json.Marshal(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", []statement{
		{Effect: "Allow", Resource: a.String(), Action: []string{
			"cloudtrail:CreateTrail", "cloudtrail:UpdateTrail", "cloudtrail:PutEventSelectors", "cloudtrail:PutInsightSelectors",
			"cloudtrail:PutEventConfiguration", "cloudtrail:AddTags", "cloudtrail:RemoveTags"}},
		{Effect: "Allow", Resource: "*", Action: []string{"iam:PassRole"},
			Condition: map[string]map[string]string{"StringEquals": {"iam:PassedToService": "cloudtrail.amazonaws.com"}}},
	}})
	if err != nil {
		return "", fmt.Errorf("encode session policy: %w", err)
	}
	return string(document), nil
}
