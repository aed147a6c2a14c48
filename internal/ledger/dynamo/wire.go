package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"

	"github.com/trailwarden/trailwarden/internal/awscall"
)

// What the ledger says to DynamoDB and hears of it, in DynamoDB's own JSON. The SDK's client makes tables of every operation and type
// when a process starts, a millisecond of each cold start of the function (decision 014).

// value is an attribute's value: a text, a number or bytes.
type value struct {
	S *string `json:",omitempty"`
	N string  `json:",omitempty"`
	B []byte  `json:",omitempty"`
}

func text(v string) value { return value{S: &v} }

func integer(v int64) value { return value{N: strconv.FormatInt(v, 10)} }

// one is a request about one item, alone or in a transaction.
type one struct {
	TableName                 string
	Item                      item              `json:",omitempty"`
	Key                       item              `json:",omitempty"`
	ConsistentRead            bool              `json:",omitempty"`
	ConditionExpression       string            `json:",omitempty"`
	ExpressionAttributeNames  map[string]string `json:",omitempty"`
	ExpressionAttributeValues item              `json:",omitempty"`
}

// on is the request on a condition.
func (o one) on(c condition) one {
	o.ConditionExpression, o.ExpressionAttributeNames, o.ExpressionAttributeValues = c.expression, c.names, c.values
	return o
}

// member is a part of a transaction: one of the three.
type member struct {
	ConditionCheck *one `json:",omitempty"`
	Put            *one `json:",omitempty"`
	Delete         *one `json:",omitempty"`
}

type transactRequest struct {
	TransactItems      []member
	ClientRequestToken string `json:",omitempty"`
}

// reason is why a part of a transaction was not done; "None" where another part is to blame.
type reason struct{ Code string }

type queryRequest struct {
	TableName                 string
	KeyConditionExpression    string
	FilterExpression          string `json:",omitempty"`
	ProjectionExpression      string `json:",omitempty"`
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues item
	ConsistentRead            bool
	ScanIndexForward          bool
	Limit                     int32 `json:",omitempty"`
	ExclusiveStartKey         item  `json:",omitempty"`
}

type page struct {
	Items            []item
	LastEvaluatedKey item
}

// keys are those of one table that a batch reads.
type keys struct {
	Keys           []item
	ConsistentRead bool
}

// removal is a part of a batch that deletes.
type removal struct{ DeleteRequest struct{ Key item } }

// mostAnswer bounds an answer. A batch that is read has up to 16 MB, and JSON writes some characters as six.
const mostAnswer = 100 << 20

// errGarbled is an answer that did not arrive as DynamoDB sent it, or that it did not send.
var errGarbled = errors.New("the answer is not what DynamoDB sent")

// ask makes one call. The answer is held against its checksum.
func ask(ctx context.Context, c awscall.Caller, op string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	answer, err := c.Do(ctx, awscall.Request{
		Service: awscall.DynamoDB, Method: http.MethodPost, Body: body, Most: mostAnswer,
		Header: http.Header{
			"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"DynamoDB_20120810." + op},
			"Accept-Encoding": {"identity"}, // the checksum is of what is sent
		},
	})
	if err != nil {
		return err
	}
	if sum := answer.Header.Get("X-Amz-Crc32"); sum != "" && sum != strconv.FormatUint(uint64(crc32.ChecksumIEEE(answer.Body)), 10) {
		return errGarbled
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		return fmt.Errorf("%w: %w", errGarbled, err)
	}
	return nil
}

// ask makes one call of the store's table.
func (s *Store) ask(ctx context.Context, op string, in, out any) error {
	return ask(ctx, s.items, op, in, out)
}
