package dynamo

import (
	"context"
	"maps"
	"strconv"
	"time"
)

// item is a row of the table. Names in expressions always go by "#name", for DynamoDB reserves hundreds of words.
type item map[string]value

// key is an item's partition key and sort key.
type key struct{ pk, sk string }

func (k key) item() item { return item{"pk": text(k.pk), "sk": text(k.sk)} }

func (i item) text(name string) string {
	if v := i[name].S; v != nil {
		return *v
	}
	return ""
}

func (i item) integer(name string) int64 {
	n, _ := strconv.ParseInt(i[name].N, 10, 64)
	return n
}

// sortable is a time whose texts sort as the times do.
func sortable(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

// size is about what DynamoDB counts.
func (i item) size() int {
	n := 0
	for name, v := range i {
		n += len(name) + len(v.B)
		switch {
		case v.S != nil:
			n += len(*v.S)
		case v.N != "":
			n += 16
		}
	}
	return n
}

// get reads one item; nil when it is not there.
func (s *Store) get(ctx context.Context, k key) (found item, err error) {
	err = s.call(ctx, "GetItem", func(ctx context.Context) error {
		var out struct{ Item item }
		err := s.ask(ctx, "GetItem", one{TableName: s.table, Key: k.item(), ConsistentRead: true}, &out)
		found = out.Item
		return err
	})
	return found, err
}

// getMany reads items, a hundred at a time, and hands them out in the order of their keys. Those that are not there are left out.
func (s *Store) getMany(ctx context.Context, all []key, visit func(item) error) error {
	for len(all) > 0 {
		some := all[:min(100, len(all))]
		all = all[len(some):]
		found := map[key]item{}
		wanted := make([]item, len(some))
		for n, k := range some {
			wanted[n] = k.item()
		}
		for len(wanted) > 0 {
			// DynamoDB answers as much as it can at once, and says what is left.
			err := s.call(ctx, "BatchGetItem", func(ctx context.Context) error {
				var out struct {
					Responses       map[string][]item
					UnprocessedKeys map[string]keys
				}
				if err := s.ask(ctx, "BatchGetItem", map[string]any{"RequestItems": map[string]keys{s.table: {Keys: wanted, ConsistentRead: true}}}, &out); err != nil {
					return err
				}
				for _, i := range out.Responses[s.table] {
					found[key{i.text("pk"), i.text("sk")}] = i
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
	values   item
	backward bool
	few      int32 // size of the first page: for whoever may have seen enough; 0 for as much as there is
}

// query visits the items of a selection in the order of their sort keys, page by page.
func (s *Store) query(ctx context.Context, q selection, visit func(item) error) error {
	in := q.input(s.table)
	for {
		var out page
		err := s.call(ctx, "Query", func(ctx context.Context) error {
			out = page{}
			return s.ask(ctx, "Query", in, &out)
		})
		if err != nil {
			return err
		}
		for _, i := range out.Items {
			if err := visit(i); err != nil {
				return err
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey, in.Limit = out.LastEvaluatedKey, 0
	}
}

func (q selection) input(table string) queryRequest {
	in := queryRequest{TableName: table, ConsistentRead: true, ScanIndexForward: !q.backward, FilterExpression: q.filter, Limit: q.few}
	condition, names := "#pk = :pk", map[string]string{"#pk": "pk"}
	values := item{":pk": text(q.pk)}
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
	for n, name := range q.only {
		if n > 0 {
			in.ProjectionExpression += ", "
		}
		in.ProjectionExpression += "#" + name
		names["#"+name] = name
	}
	in.KeyConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues = condition, names, values
	return in
}

// deleteMany deletes items, 25 at a time, in the order of their keys.
func (s *Store) deleteMany(ctx context.Context, all []key) error {
	for len(all) > 0 {
		some := all[:min(25, len(all))]
		all = all[len(some):]
		requests := make([]removal, len(some))
		for n, k := range some {
			requests[n].DeleteRequest.Key = k.item()
		}
		for len(requests) > 0 {
			err := s.call(ctx, "BatchWriteItem", func(ctx context.Context) error {
				var out struct{ UnprocessedItems map[string][]removal }
				if err := s.ask(ctx, "BatchWriteItem", map[string]any{"RequestItems": map[string][]removal{s.table: requests}}, &out); err != nil {
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
