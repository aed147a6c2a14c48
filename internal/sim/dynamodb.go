package sim

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
)

// newDynamoDB is DynamoDB as far as a store of plain items needs it. Left out: secondary indexes, streams, updates by
// expression, scans, resource policies, nested paths, keys that are no strings, provisioned capacity. Reads are always
// consistent, and what has expired stays until somebody deletes it (AWS takes days).
func newDynamoDB(w *World) *service {
	t := &tables{world: w, byARN: map[string]*table{}}
	return &service{
		name: "dynamodb", source: "dynamodb.amazonaws.com", protocol: json10, targets: []string{"DynamoDB_20120810"},
		resource: t.denialResource,
		operations: []operation{
			jsonOp("CreateTable", writes, t.create),
			jsonOp("ListTables", reads, t.list),
			tableOp(t, "DescribeTable", reads, t.describe),
			tableOp(t, "DeleteTable", writes, t.delete),
			tableOp(t, "UpdateTimeToLive", writes, t.updateTTL),
			tableOp(t, "DescribeTimeToLive", reads, t.describeTTL),
			tableOp(t, "PutItem", dataWrites, t.put),
			tableOp(t, "DeleteItem", dataWrites, t.deleteItem),
			tableOp(t, "GetItem", dataReads, t.get),
			tableOp(t, "Query", dataReads, t.query),
			jsonOp("BatchGetItem", dataReads, t.batchGet),
			jsonOp("BatchWriteItem", dataWrites, t.batchWrite),
			jsonOp("TransactWriteItems", dataWrites, t.transact),
		},
	}
}

// tables are all DynamoDB tables of the world.
type tables struct {
	world *World
	byARN map[string]*table
}

type table struct {
	name, arn  string
	made       time.Time
	hash, sort string // names of the key attributes; sort is "" without
	ttl        string // attribute with the time of expiry; "" when off
	billing    string
	protected  bool
	partitions map[string]*partition
	done       map[string]transaction // by ClientRequestToken
}

// A partition has the items of one partition key, by sort key.
type partition struct {
	keys  []string // sorted
	items map[string]item
}

var tableName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)

// invalid is what DynamoDB answers to a request that breaks its rules.
func invalid(format string, args ...any) *apiError {
	return fail("ValidationException", format, args...)
}

// onTable is part of every input that names a table.
type onTable struct{ TableName string }

func (o *onTable) table() string { return o.TableName }

func tableOp[In any, P interface {
	*In
	table() string
}](t *tables, name string, e effect, run func(*call, *table, *In) (any, error)) operation {
	return jsonOp(name, e, func(c *call, in *In) (any, error) {
		x, err := t.find(c, P(in).table())
		if err != nil {
			return nil, err
		}
		return run(c, x, in)
	})
}

// find looks a table up by name or ARN, in the caller's account and Region.
func (t *tables) find(c *call, name string) (*table, error) {
	arn := name
	if !strings.HasPrefix(name, "arn:") {
		arn = c.arn("dynamodb", "table/"+name)
	}
	x := t.byARN[arn]
	if x == nil || arn != c.arn("dynamodb", "table/"+x.name) {
		return nil, fail("ResourceNotFoundException", "Requested resource not found")
	}
	c.resources = append(c.resources, recordResource{"AWS::DynamoDB::Table", x.arn})
	return x, nil
}

// denialResource is the ARN of the table of a request, or of the first where there are several.
func (t *tables) denialResource(c *call) string {
	var in struct {
		TableName     string
		RequestItems  map[string]json.RawMessage
		TransactItems []map[string]onTable
	}
	if json.Unmarshal(c.body, &in) != nil {
		return ""
	}
	for name := range in.RequestItems {
		in.TableName = name
	}
	for _, i := range in.TransactItems {
		for _, on := range i {
			in.TableName = on.TableName
		}
	}
	if in.TableName == "" || strings.HasPrefix(in.TableName, "arn:") {
		return in.TableName
	}
	return c.arn("dynamodb", "table/"+in.TableName)
}

type keyElement struct{ AttributeName, KeyType string }

type attributeDefinition struct{ AttributeName, AttributeType string }

type createTableInput struct {
	onTable
	KeySchema                 []keyElement
	AttributeDefinitions      []attributeDefinition
	BillingMode               string
	DeletionProtectionEnabled bool
	GlobalSecondaryIndexes    []json.RawMessage
	LocalSecondaryIndexes     []json.RawMessage
}

func (t *tables) create(c *call, in *createTableInput) (any, error) {
	if !tableName.MatchString(in.TableName) {
		return nil, invalid("TableName must match %s", tableName)
	}
	if in.BillingMode != "PAY_PER_REQUEST" || len(in.GlobalSecondaryIndexes)+len(in.LocalSecondaryIndexes) > 0 {
		return nil, invalid("only tables on demand and without indexes are part of this simulated AWS")
	}
	x := &table{
		name: in.TableName, arn: c.arn("dynamodb", "table/"+in.TableName), made: c.at, billing: in.BillingMode, protected: in.DeletionProtectionEnabled,
		partitions: map[string]*partition{}, done: map[string]transaction{},
	}
	for _, k := range in.KeySchema {
		if !slices.Contains(in.AttributeDefinitions, attributeDefinition{k.AttributeName, "S"}) {
			return nil, invalid("key %s has no definition; in this simulated AWS keys are strings", k.AttributeName)
		}
		switch k.KeyType {
		case "HASH":
			x.hash = k.AttributeName
		case "RANGE":
			x.sort = k.AttributeName
		}
	}
	if x.hash == "" || len(in.AttributeDefinitions) != len(in.KeySchema) {
		return nil, invalid("One or more parameter values were invalid: the attributes of KeySchema and AttributeDefinitions differ")
	}
	if t.byARN[x.arn] != nil {
		return nil, fail("ResourceInUseException", "Table already exists: %s", in.TableName)
	}
	t.byARN[x.arn] = x
	c.resources = append(c.resources, recordResource{"AWS::DynamoDB::Table", x.arn})
	return struct{ TableDescription any }{x.description()}, nil
}

func (x *table) description() any {
	keys, names := []keyElement{{x.hash, "HASH"}}, []attributeDefinition{{x.hash, "S"}}
	if x.sort != "" {
		keys, names = append(keys, keyElement{x.sort, "RANGE"}), append(names, attributeDefinition{x.sort, "S"})
	}
	count := 0
	for _, p := range x.partitions {
		count += len(p.keys)
	}
	return struct {
		TableName, TableArn, TableStatus string
		CreationDateTime                 *epoch
		KeySchema                        []keyElement
		AttributeDefinitions             []attributeDefinition
		BillingModeSummary               struct{ BillingMode string }
		DeletionProtectionEnabled        bool
		ItemCount                        int
	}{x.name, x.arn, "ACTIVE", epochOf(x.made), keys, names, struct{ BillingMode string }{x.billing}, x.protected, count}
}

func (t *tables) list(c *call, _ *struct{}) (any, error) {
	out := struct{ TableNames []string }{[]string{}}
	for arn, x := range t.byARN {
		if arn == c.arn("dynamodb", "table/"+x.name) {
			out.TableNames = append(out.TableNames, x.name)
		}
	}
	slices.Sort(out.TableNames)
	return out, nil
}

func (t *tables) describe(c *call, x *table, _ *onTable) (any, error) {
	return struct{ Table any }{x.description()}, nil
}

func (t *tables) delete(c *call, x *table, _ *onTable) (any, error) {
	if x.protected {
		return nil, invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	delete(t.byARN, x.arn)
	return struct{ TableDescription any }{x.description()}, nil
}

type ttlSpecification struct {
	AttributeName string
	Enabled       bool
}

func (t *tables) updateTTL(c *call, x *table, in *struct {
	onTable
	TimeToLiveSpecification ttlSpecification
}) (any, error) {
	s := in.TimeToLiveSpecification
	if s.AttributeName == "" || s.Enabled == (x.ttl != "") {
		return nil, invalid("TimeToLive is already %s", map[bool]string{true: "enabled", false: "disabled"}[s.Enabled])
	}
	x.ttl = ""
	if s.Enabled {
		x.ttl = s.AttributeName
	}
	return struct{ TimeToLiveSpecification ttlSpecification }{s}, nil
}

func (t *tables) describeTTL(c *call, x *table, _ *onTable) (any, error) {
	type description struct {
		AttributeName    string `json:",omitempty"`
		TimeToLiveStatus string
	}
	d := description{x.ttl, "ENABLED"}
	if x.ttl == "" {
		d.TimeToLiveStatus = "DISABLED"
	}
	return struct{ TimeToLiveDescription description }{d}, nil
}
