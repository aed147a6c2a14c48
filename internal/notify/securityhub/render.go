package securityhub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/aws/aws-sdk-go-v2/service/securityhub/types"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Render gives the finding as it is sent. It goes the way of a real import, up to where the network would begin.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	var wire capture
	client := securityhub.New(securityhub.Options{Region: c.Region, HTTPClient: &wire, Credentials: aws.AnonymousCredentials{}, Retryer: aws.NopRetryer{}})
	_, err := client.BatchImportFindings(context.Background(), &securityhub.BatchImportFindingsInput{Findings: []types.AwsSecurityFinding{c.finding(inc)}})
	if wire.body == nil {
		return nil, fmt.Errorf("render finding: %w", err)
	}
	var in struct{ Findings []any }
	if err := json.Unmarshal(wire.body, &in); err != nil {
		return nil, fmt.Errorf("render finding: %w", err)
	}
	return json.Marshal(in.Findings[0]) // in the order of the alphabet, which the SDK does not keep
}

// capture is a client that sends nothing and keeps what it was to send.
type capture struct{ body []byte }

func (c *capture) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c.body = body
	return nil, errors.New("not sent")
}
