package sim

import (
	"encoding/json"
	"slices"
	"sort"
	"strings"
)

const (
	maxItem = 400 << 10 // bytes of an item, names included
	maxPage = 1 << 20   // bytes that a query reads at a time, before it filters
)

// An item is a row of a table.
type item map[string]typed

// A typed value is an attribute's. It is kept as it came; kind and text are for comparing: text is the string, the number, or
// the base64 of a binary.
type typed struct {
	kind, text string
	raw        json.RawMessage
}

func (a *typed) UnmarshalJSON(b []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return err
	}
	if len(members) != 1 {
		return invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	*a = typed{raw: slices.Clone(b)}
	for kind, value := range members {
		a.kind = kind
		switch kind {
		case "S", "N", "B":
			return json.Unmarshal(value, &a.text)
		}
		a.text = string(value)
	}
	return nil
}

func (a typed) MarshalJSON() ([]byte, error) { return a.raw, nil }

// size is about what AWS counts.
func (i item) size() int {
	n := 0
	for name, a := range i {
		n += len(name) + len(a.text)
		if a.kind == "B" {
			n -= len(a.text) / 4 // it is base64
		}
	}
	return n
}

// keyOf reads the key attributes. Whole says that nothing else may be there.
func (x *table) keyOf(i item, whole bool) (hash, sort string, err error) {
	want := 1
	if x.sort != "" {
		want = 2
	}
	if whole && len(i) != want {
		return "", "", invalid("The provided key element does not match the schema")
	}
	read := func(name string, limit int) (string, error) {
		a, ok := i[name]
		switch {
		case name == "":
			return "", nil
		case !ok && whole, ok && a.kind != "S" && whole:
			return "", invalid("The provided key element does not match the schema")
		case !ok:
			return "", invalid("One or more parameter values were invalid: Missing the key %s in the item", name)
		case a.kind != "S":
			return "", invalid("One or more parameter values were invalid: Type mismatch for key %s expected: S actual: %s", name, a.kind)
		case a.text == "":
			return "", invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", name)
		case len(a.text) > limit:
			return "", invalid("One or more parameter values were invalid: Size of key %s has exceeded the maximum size limit of %d bytes", name, limit)
		}
		return a.text, nil
	}
	if hash, err = read(x.hash, 2048); err == nil {
		sort, err = read(x.sort, 1024)
	}
	return hash, sort, err
}

func (x *table) at(hash, sort string) item {
	if p := x.partitions[hash]; p != nil {
		return p.items[sort]
	}
	return nil
}

func (x *table) set(hash, sort string, i item) {
	p := x.partitions[hash]
	if p == nil {
		p = &partition{items: map[string]item{}}
		x.partitions[hash] = p
	}
	if _, there := p.items[sort]; !there {
		n, _ := slices.BinarySearch(p.keys, sort)
		p.keys = slices.Insert(p.keys, n, sort)
	}
	p.items[sort] = i
}

func (x *table) remove(hash, sort string) {
	p := x.partitions[hash]
	if p == nil || p.items[sort] == nil {
		return
	}
	n, _ := slices.BinarySearch(p.keys, sort)
	p.keys = slices.Delete(p.keys, n, n+1)
	delete(p.items, sort)
	if len(p.keys) == 0 {
		delete(x.partitions, hash)
	}
}

// A write is what PutItem, DeleteItem and the members of a transaction have in common.
type write struct {
	onTable
	Item, Key                           item
	ConditionExpression                 string
	ExpressionAttributeNames            map[string]string
	ExpressionAttributeValues           map[string]typed
	ReturnValuesOnConditionCheckFailure string
	ReturnValues                        string
	UpdateExpression                    string
}

// prepared is a write that was held against the rules, but for its condition.
type prepared struct {
	table      *table
	hash, sort string
	old        item
	item       item // nil deletes
	holds      bool
	check      bool // changes nothing
}

func (w *write) prepare(x *table) (prepared, error) {
	p := prepared{table: x, item: w.Item, holds: true}
	var err error
	if w.Item != nil {
		p.hash, p.sort, err = x.keyOf(w.Item, false)
		if err == nil && w.Item.size() > maxItem {
			err = invalid("Item size has exceeded the maximum allowed size")
		}
	} else {
		p.hash, p.sort, err = x.keyOf(w.Key, true)
	}
	if err != nil {
		return p, err
	}
	p.old = x.at(p.hash, p.sort)
	e := expressions{names: w.ExpressionAttributeNames, values: w.ExpressionAttributeValues}
	if w.ConditionExpression != "" {
		condition, err := e.parse("ConditionExpression", w.ConditionExpression)
		if err != nil {
			return p, err
		}
		p.holds = condition.holds(p.old)
	}
	return p, e.unused()
}

func (p prepared) apply() {
	switch {
	case p.check:
	case p.item != nil:
		p.table.set(p.hash, p.sort, p.item)
	default:
		p.table.remove(p.hash, p.sort)
	}
}

func conditionFailed(w *write, old item) *apiError {
	e := fail("ConditionalCheckFailedException", "The conditional request failed")
	if w.ReturnValuesOnConditionCheckFailure == "ALL_OLD" && old != nil {
		e.members = map[string]any{"Item": old}
	}
	return e
}

func (t *tables) put(c *call, x *table, in *write) (any, error) {
	if in.Item == nil {
		in.Item = item{}
	}
	return in.run(x)
}

func (t *tables) deleteItem(c *call, x *table, in *write) (any, error) {
	in.Item = nil
	return in.run(x)
}

func (w *write) run(x *table) (any, error) {
	p, err := w.prepare(x)
	if err != nil {
		return nil, err
	}
	if !p.holds {
		return nil, conditionFailed(w, p.old)
	}
	p.apply()
	out := struct {
		Attributes item `json:",omitempty"`
	}{}
	if w.ReturnValues == "ALL_OLD" {
		out.Attributes = p.old
	}
	return out, nil
}

type getInput struct {
	onTable
	Key                      item
	ProjectionExpression     string
	ExpressionAttributeNames map[string]string
}

func (t *tables) get(c *call, x *table, in *getInput) (any, error) {
	found, err := in.run(x)
	return struct {
		Item item `json:",omitempty"`
	}{found}, err
}

func (in *getInput) run(x *table) (item, error) {
	hash, sort, err := x.keyOf(in.Key, true)
	if err != nil {
		return nil, err
	}
	e := expressions{names: in.ExpressionAttributeNames}
	project, err := e.projection(in.ProjectionExpression)
	if err != nil {
		return nil, err
	}
	return project(x.at(hash, sort)), e.unused()
}

type queryInput struct {
	onTable
	KeyConditionExpression, FilterExpression, ProjectionExpression string
	ExpressionAttributeNames                                       map[string]string
	ExpressionAttributeValues                                      map[string]typed
	ExclusiveStartKey                                              item
	ScanIndexForward                                               *bool
	Limit                                                          int
	IndexName                                                      string
}

func (t *tables) query(c *call, x *table, in *queryInput) (any, error) {
	if in.IndexName != "" {
		return nil, invalid("The table does not have the specified index: %s", in.IndexName)
	}
	e := expressions{names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues}
	key, err := e.parse("KeyConditionExpression", in.KeyConditionExpression)
	if err != nil {
		return nil, err
	}
	hash, ok := key.equals(x.hash)
	if !ok {
		return nil, invalid("Query condition missed key schema element: %s", x.hash)
	}
	filter := node{op: "true"}
	if in.FilterExpression != "" {
		if filter, err = e.parse("FilterExpression", in.FilterExpression); err != nil {
			return nil, err
		}
	}
	project, err := e.projection(in.ProjectionExpression)
	if err != nil {
		return nil, err
	}
	if err := e.unused(); err != nil {
		return nil, err
	}
	out := struct {
		Items               []item
		Count, ScannedCount int
		LastEvaluatedKey    item `json:",omitempty"`
	}{Items: []item{}}
	p := x.partitions[hash]
	if p == nil {
		return out, nil
	}
	keys := slices.Clone(p.keys)
	backward := in.ScanIndexForward != nil && !*in.ScanIndexForward
	if backward {
		slices.Reverse(keys)
	}
	if in.ExclusiveStartKey != nil {
		_, after, err := x.keyOf(in.ExclusiveStartKey, true)
		if err != nil {
			return nil, err
		}
		keys = keys[sort.Search(len(keys), func(i int) bool { return strings.Compare(keys[i], after) > 0 != backward && keys[i] != after }):]
	}
	read := 0
	for n, k := range keys {
		i := p.items[k]
		if !key.holds(i) {
			continue
		}
		read += i.size()
		out.ScannedCount++
		if filter.holds(i) {
			out.Items = append(out.Items, project(i))
		}
		if (in.Limit > 0 && out.ScannedCount == in.Limit || read >= maxPage) && n < len(keys)-1 {
			out.LastEvaluatedKey = item{x.hash: i[x.hash], x.sort: i[x.sort]}
			break
		}
	}
	out.Count = len(out.Items)
	return out, nil
}
