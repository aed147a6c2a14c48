package dynamo

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// item is a row of the table. Names in expressions always go by "#name", for DynamoDB reserves hundreds of words.
type item map[string]types.AttributeValue

// key is an item's partition key and sort key.
type key struct{ pk, sk string }

func (k key) item() item { return item{"pk": text(k.pk), "sk": text(k.sk)} }

func text(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }

func integer(v int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(v, 10)}
}

func (i item) text(name string) string {
	v, _ := i[name].(*types.AttributeValueMemberS)
	if v == nil {
		return ""
	}
	return v.Value
}

func (i item) integer(name string) int64 {
	v, _ := i[name].(*types.AttributeValueMemberN)
	if v == nil {
		return 0
	}
	n, _ := strconv.ParseInt(v.Value, 10, 64)
	return n
}

// sortable is a time whose texts sort as the times do.
func sortable(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

// size is about what DynamoDB counts.
func (i item) size() int {
	n := 0
	for name, v := range i {
		n += len(name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberB:
			n += len(v.Value)
		default:
			n += 16
		}
	}
	return n
}

// get reads one item; nil when it is not there.
func (s *Store) get(ctx context.Context, k key) (found item, err error) {
	err = s.call(ctx, "GetItem", func(ctx context.Context) error {
		out, err := s.dynamodb().GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: k.item(), ConsistentRead: aws.Bool(true)})
		if err == nil {
			found = out.Item
		}
		return err
	})
	return found, err
}

// getMany reads items, a hundred at a time, and hands them out in the order of their keys. Those that are not there are left out.
func (s *Store) getMany(ctx context.Context, keys []key, visit func(item) error) error {
	for len(keys) > 0 {
		some := keys[:min(100, len(keys))]
		keys = keys[len(some):]
		found := map[key]item{}
		wanted := make([]map[string]types.AttributeValue, len(some))
		for n, k := range some {
			wanted[n] = k.item()
		}
		for len(wanted) > 0 {
			// DynamoDB answers as much as it can at once, and says what is left.
			err := s.call(ctx, "BatchGetItem", func(ctx context.Context) error {
				out, err := s.dynamodb().BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
					s.table: {Keys: wanted, ConsistentRead: aws.Bool(true)},
				}})
				if err != nil {
					return err
				}
				for _, i := range out.Responses[s.table] {
					found[key{item(i).text("pk"), item(i).text("sk")}] = i
				}
				left := out.UnprocessedKeys[s.table].Keys
				if len(left) == len(wanted) {
					return errNothingDone
				}
				wanted = left
				return nil
			})
			if err != nil {
				return err
			}
		}
		for _, k := range some {
			if i := found[k]; i != nil {
				if err := visit(i); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// selection is what a query reads of a partition.
type selection struct {
	pk       string
	from, to string // sort keys, both included; "" for no bound
	prefix   string // of the sort key, in place of bounds
	only     []string
	filter   string // an expression; its values and names are in values ("due" is :due and #due)
	values   map[string]types.AttributeValue
	backward bool
	few      int32 // size of the first page: for whoever may have seen enough; 0 for as much as there is
}

// query visits the items of a selection in the order of their sort keys, page by page.
func (s *Store) query(ctx context.Context, q selection, visit func(item) error) error {
	in := q.input(s.table)
	for {
		var items []map[string]types.AttributeValue
		err := s.call(ctx, "Query", func(ctx context.Context) error {
			out, err := s.dynamodb().Query(ctx, in)
			if err != nil {
				return err
			}
			items, in.ExclusiveStartKey = out.Items, out.LastEvaluatedKey
			return nil
		})
		if err != nil {
			return err
		}
		for _, i := range items {
			if err := visit(i); err != nil {
				return err
			}
		}
		if in.ExclusiveStartKey == nil {
			return nil
		}
		in.Limit = nil
	}
}

func (q selection) input(table string) *dynamodb.QueryInput {
	in := &dynamodb.QueryInput{TableName: &table, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(!q.backward)}
	condition, names := "#pk = :pk", map[string]string{"#pk": "pk"}
	values := map[string]types.AttributeValue{":pk": text(q.pk)}
	bound := func(expression string) {
		condition += " AND " + expression
		names["#sk"] = "sk"
	}
	if q.prefix != "" {
		bound("begins_with(#sk, :prefix)")
		values[":prefix"] = text(q.prefix)
	}
	switch {
	case q.from != "" && q.to != "":
		bound("#sk BETWEEN :from AND :to")
	case q.from != "":
		bound("#sk >= :from")
	case q.to != "":
		bound("#sk <= :to")
	}
	if q.from != "" {
		values[":from"] = text(q.from)
	}
	if q.to != "" {
		values[":to"] = text(q.to)
	}
	for name, v := range q.values {
		names["#"+name], values[":"+name] = name, v
	}
	if q.filter != "" {
		in.FilterExpression = &q.filter
	}
	for n, name := range q.only {
		separator := ", "
		if n == 0 {
			in.ProjectionExpression, separator = new(string), ""
		}
		*in.ProjectionExpression += separator + "#" + name
		names["#"+name] = name
	}
	if q.few > 0 {
		in.Limit = &q.few
	}
	in.KeyConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues = &condition, names, values
	return in
}

// deleteMany deletes items, 25 at a time, in the order of their keys.
func (s *Store) deleteMany(ctx context.Context, keys []key) error {
	for len(keys) > 0 {
		some := keys[:min(25, len(keys))]
		keys = keys[len(some):]
		var requests []types.WriteRequest
		for _, k := range some {
			requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: k.item()}})
		}
		for len(requests) > 0 {
			err := s.call(ctx, "BatchWriteItem", func(ctx context.Context) error {
				out, err := s.dynamodb().BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{s.table: requests}})
				if err != nil {
					return err
				}
				left := out.UnprocessedItems[s.table]
				if len(left) == len(requests) {
					return errNothingDone
				}
				requests = left
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// with is the item with more in it.
func (i item) with(more item) item {
	maps.Copy(i, more)
	return i
}
