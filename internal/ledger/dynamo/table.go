package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TTL is the attribute by which DynamoDB removes marks and leases some time after they expired. Nothing else has it.
const TTL = "expires"

// Table is the definition of the ledger's table: two string keys, paid by request, protected from deletion.
func Table(name string) *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest, DeletionProtectionEnabled: aws.Bool(true),
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange}},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS}},
	}
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
	client := itemClient(cfg)
	if _, err := client.CreateTable(ctx, Table(name)); err != nil {
		if _, there := errors.AsType[*types.ResourceInUseException](err); there {
			return nil
		}
		return fmt.Errorf("create table %s: %w", name, err)
	}
	waiter := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, 5*time.Second })
	if err := waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &name}, 2*time.Minute); err != nil {
		return fmt.Errorf("create table %s: %w", name, err)
	}
	if _, err := client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: &name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(TTL), Enabled: aws.Bool(true)}}); err != nil {
		return fmt.Errorf("create table %s: set its time to live: %w", name, err)
	}
	return nil
}
