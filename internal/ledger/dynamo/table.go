package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/trailwarden/trailwarden/internal/awscall"
)

// TTL is the attribute by which DynamoDB removes marks and leases some time after they expired. Nothing else has it.
const TTL = "expires"

// definition is that of the ledger's table: two string keys, paid by request, protected from deletion.
func definition(name string) any {
	type keyed struct{ AttributeName, KeyType string }
	type typed struct{ AttributeName, AttributeType string }
	return struct {
		TableName, BillingMode    string
		DeletionProtectionEnabled bool
		KeySchema                 []keyed
		AttributeDefinitions      []typed
	}{name, "PAY_PER_REQUEST", true, []keyed{{"pk", "HASH"}, {"sk", "RANGE"}}, []typed{{"pk", "S"}, {"sk", "S"}}}
}

// Create makes the table, waits until it can be used, and sets its time to live. A table that is there already is left as it is.
func Create(ctx context.Context, cfg aws.Config, table string) error {
	name, region, err := parse(table)
	if err != nil {
		return err
	}
	if region != "" {
		cfg.Region = region
	}
	c := caller(cfg)
	if err := ask(ctx, c, "CreateTable", definition(name), nil); err != nil {
		if refused, ok := errors.AsType[*awscall.Error](err); ok && refused.Code == "ResourceInUseException" {
			return nil
		}
		return fmt.Errorf("create table %s: %w", name, err)
	}
	if err := active(ctx, c, name); err != nil {
		return fmt.Errorf("create table %s: %w", name, err)
	}
	expiry := map[string]any{"TableName": name, "TimeToLiveSpecification": map[string]any{"AttributeName": TTL, "Enabled": true}}
	if err := ask(ctx, c, "UpdateTimeToLive", expiry, nil); err != nil {
		return fmt.Errorf("create table %s: set its time to live: %w", name, err)
	}
	return nil
}

// active waits until a table can be used, for two minutes at most.
func active(ctx context.Context, c awscall.Caller, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		var out struct{ Table struct{ TableStatus string } }
		err := ask(ctx, c, "DescribeTable", map[string]string{"TableName": name}, &out)
		refused, _ := errors.AsType[*awscall.Error](err)
		switch {
		case err == nil && out.Table.TableStatus == "ACTIVE":
			return nil
		case err != nil && (refused == nil || refused.Code != "ResourceNotFoundException"): // which it says at first
			return err
		}
		wait := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
			wait.Stop()
			return fmt.Errorf("it is not active yet: %w", ctx.Err())
		case <-wait.C:
		}
	}
}
