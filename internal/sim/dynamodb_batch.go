package sim

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (t *tables) batchGet(c *call, in *struct {
	RequestItems map[string]struct {
		Keys                     []item
		ProjectionExpression     string
		ExpressionAttributeNames map[string]string
	}
}) (any, error) {
	out := struct {
		Responses       map[string][]item
		UnprocessedKeys map[string]any
	}{map[string][]item{}, map[string]any{}}
	keys := 0
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		of := in.RequestItems[name]
		x, err := t.find(c, name)
		if err != nil {
			return nil, err
		}
		out.Responses[name] = []item{}
		seen := map[[2]string]bool{}
		for _, key := range of.Keys {
			if keys++; keys > 100 {
				return nil, invalid("Too many items requested for the BatchGetItem call")
			}
			hash, sort, err := x.keyOf(key, true)
			if err != nil {
				return nil, err
			}
			if seen[[2]string{hash, sort}] {
				return nil, invalid("Provided list of item keys contains duplicates")
			}
			seen[[2]string{hash, sort}] = true
			one := getInput{Key: key, ProjectionExpression: of.ProjectionExpression, ExpressionAttributeNames: of.ExpressionAttributeNames}
			found, err := one.run(x)
			if err != nil {
				return nil, err
			}
			if found != nil {
				out.Responses[name] = append(out.Responses[name], found)
			}
		}
	}
	return out, nil
}

func (t *tables) batchWrite(c *call, in *struct {
	RequestItems map[string][]map[string]*write
}) (any, error) {
	var all []prepared
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		x, err := t.find(c, name)
		if err != nil {
			return nil, err
		}
		for _, one := range in.RequestItems[name] {
			w := cmp.Or(one["PutRequest"], one["DeleteRequest"])
			if w == nil || len(one) != 1 {
				return nil, invalid("Supplied AttributeValue is empty, must contain exactly one of PutRequest and DeleteRequest")
			}
			p, err := w.prepare(x)
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	if err := distinct(all, "Provided list of item keys contains duplicates"); err != nil {
		return nil, err
	}
	if len(all) == 0 || len(all) > 25 {
		return nil, invalid("Too many items requested for the BatchWriteItem call")
	}
	for _, p := range all {
		p.apply()
	}
	return struct{ UnprocessedItems map[string]any }{map[string]any{}}, nil
}

func distinct(all []prepared, text string) error {
	type key struct {
		table      *table
		hash, sort string
	}
	seen := map[key]bool{}
	for _, p := range all {
		k := key{p.table, p.hash, p.sort}
		if seen[k] {
			return invalid("%s", text)
		}
		seen[k] = true
	}
	return nil
}

// A transaction that was done is answered again, not done again, for ten minutes.
type transaction struct {
	content [sha256.Size]byte
	at      time.Time
}

const (
	maxTransaction = 100     // items
	maxTogether    = 4 << 20 // bytes of them
	tokenLasts     = 10 * time.Minute
)

// sameRequest is equal for requests that differ only in the order of members.
func sameRequest(body []byte) ([sha256.Size]byte, error) {
	var request any
	if err := json.Unmarshal(body, &request); err != nil {
		return [sha256.Size]byte{}, err
	}
	sorted, err := json.Marshal(request)
	return sha256.Sum256(sorted), err
}

// A reason says what became of one member of a transaction that was cancelled.
type reason struct {
	Code    string
	Message string `json:",omitempty"`
	Item    item   `json:",omitempty"`
}

func (t *tables) transact(c *call, in *struct {
	TransactItems      []map[string]*write
	ClientRequestToken string
}) (any, error) {
	if len(in.TransactItems) == 0 || len(in.TransactItems) > maxTransaction {
		return nil, invalid("1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to %d", maxTransaction)
	}
	var all []prepared
	reasons := make([]reason, len(in.TransactItems))
	cancelled, bytes := false, 0
	for n, one := range in.TransactItems {
		w := cmp.Or(one["Put"], one["Delete"], one["ConditionCheck"])
		if w == nil || len(one) != 1 {
			return nil, invalid("TransactItems can only contain one of Check, Put and Delete in this simulated AWS")
		}
		x, err := t.find(c, w.TableName)
		if err != nil {
			return nil, err
		}
		p, err := w.prepare(x)
		if err != nil {
			return nil, err
		}
		p.check = one["ConditionCheck"] != nil
		if p.check && w.ConditionExpression == "" {
			return nil, invalid("The expression can not be empty: ConditionExpression")
		}
		bytes += p.item.size()
		all = append(all, p)
		reasons[n].Code = "None"
		if !p.holds {
			cancelled = true
			reasons[n].Code, reasons[n].Message = "ConditionalCheckFailed", "The conditional request failed"
			if w.ReturnValuesOnConditionCheckFailure == "ALL_OLD" {
				reasons[n].Item = p.old
			}
		}
	}
	if err := distinct(all, "Transaction request cannot include multiple operations on one item"); err != nil {
		return nil, err
	}
	if bytes > maxTogether {
		return nil, invalid("Transaction request size has exceeded the maximum allowed size of 4 MB")
	}
	x := all[0].table
	content, err := sameRequest(c.body)
	if err != nil {
		return nil, err
	}
	if before, ok := x.done[in.ClientRequestToken]; ok && c.at.Sub(before.at) <= tokenLasts {
		if before.content != content {
			return nil, fail("IdempotentParameterMismatchException", "The request uses the same client token as a previous, but non-identical request")
		}
		return nil, nil
	}
	if cancelled {
		codes := make([]string, len(reasons))
		for n, r := range reasons {
			codes[n] = r.Code
		}
		e := fail("TransactionCanceledException", "Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", strings.Join(codes, ", "))
		e.members = map[string]any{"CancellationReasons": reasons}
		return nil, e.status(http.StatusBadRequest)
	}
	for _, p := range all {
		p.apply()
	}
	if in.ClientRequestToken != "" {
		maps.DeleteFunc(x.done, func(_ string, d transaction) bool { return c.at.Sub(d.at) > tokenLasts })
		x.done[in.ClientRequestToken] = transaction{content, c.at}
	}
	return nil, nil
}
