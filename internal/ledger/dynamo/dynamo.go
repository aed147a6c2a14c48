// Package dynamo keeps a ledger in a DynamoDB table: the function's, and that of many machines. A batch is one transaction
// on the condition that the chain's head has not moved, so that writers anywhere share a chain without a lock.
// What is too large for an item goes to an S3 bucket, or in pieces to the table.
//
// All reads are consistent and nothing scans the table. Opening calls nothing and builds no client, so
// that a cold start pays for the ledger after the repair.
package dynamo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/trailwarden/trailwarden/internal/awscall"
	"github.com/trailwarden/trailwarden/internal/ledger"
)

// Limit is how long a call may take, tries included, where Options say nothing.
const Limit = 2 * time.Second

// Options are what a store may have beside its table.
type Options struct {
	Bucket string        // S3 bucket, in the table's Region, for what is too large for an item; "" keeps it in pieces in the table
	Owner  string        // account that the bucket must belong to; "" asks nothing
	Limit  time.Duration // of one call, and of one Write; 0 for Limit
}

// Store is a ledger in a table. It is safe for use by several goroutines.
type Store struct {
	table string
	o     Options

	items   awscall.Caller
	objects func() *s3.Client // built when it is first asked for

	closed atomic.Bool
	mu     sync.Mutex
	heads  map[string]head // as they were last seen: another writer may have moved them since
}

var _ ledger.Store = (*Store)(nil)

// tableName is compiled when it is first used, and counts nothing: {3,255} takes half a millisecond of a cold start.
var tableName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`) })

// Open makes the store of a table, given by its name, or by its ARN, which tells account and Region. It calls nothing: whether the
// table is there, the first call finds out.
func Open(cfg aws.Config, table string, o Options) (*Store, error) {
	_, region, err := parse(table)
	if err != nil {
		return nil, err
	}
	if region != "" {
		cfg.Region = region
	}
	if o.Limit == 0 {
		o.Limit = Limit
	}
	return &Store{table: table, o: o, heads: map[string]head{}, items: caller(cfg), objects: sync.OnceValue(func() *s3.Client {
		return s3.NewFromConfig(cfg, func(o *s3.Options) {
			o.Retryer = aws.NopRetryer{} // retry does, and knows which failures leave a doubt
			o.UsePathStyle = cfg.BaseEndpoint != nil
		})
	})}, nil
}

func caller(cfg aws.Config) awscall.Caller { return awscall.Caller{Config: cfg, Agent: "trailwarden"} }

// parse finds the name and the Region in a table's ARN.
func parse(table string) (name, region string, err error) {
	name = table
	if a, err := arn.Parse(table); err == nil && a.Service == "dynamodb" && len(a.Resource) > len("table/") {
		name, region = a.Resource[len("table/"):], a.Region
	}
	if len(name) < 3 || len(name) > 255 || !tableName().MatchString(name) {
		return "", "", fmt.Errorf("open ledger: %q is no name of a DynamoDB table (3 to 255 letters, digits, _ . -), and no ARN of one", table)
	}
	return name, region, nil
}

// Close ends the store. Connections belong to the configuration's HTTP client, and stay.
func (s *Store) Close() error {
	s.closed.Store(true)
	return nil
}

var errClosed = errors.New("the ledger is closed")

// The table's layout: all items of a kind that are listed together are one partition.
//
//	pk                  sk                  item
//	heads               CHAIN               the chain's head, and which incident was written last
//	entries/CHAIN       00000000000000000001  an entry
//	incident/ID         incident            the incident as it stands
//	incidents/open      OPENED#ID           in the list of those that a person or a confirmation is waited for
//	incidents/closed    OPENED#ID           in the list of all others
//	messages            ID                  a message that waits
//	marks               KEY                 something remembered
//	leases              NAME                who holds it until when
//	blobs               SHA256              when it was kept, and where
//	blob/SHA256         00000               a piece of it
const (
	partitionHeads    = "heads"
	partitionOpen     = "incidents/open"
	partitionClosed   = "incidents/closed"
	partitionMessages = "messages"
	partitionMarks    = "marks"
	partitionLeases   = "leases"
	partitionBlobs    = "blobs"
)

func entriesOf(chain string) string { return "entries/" + short(chain) }

func incidentKey(id string) key { return key{"incident/" + short(id), "incident"} }

// maxName is how much of a name stands in a key as it is: a sort key has 1024 bytes, and strangers choose names.
const maxName = 900

// short is a name that fits into a key. One that is too long is cut, and told apart by its hash.
func short(name string) string {
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return cut(name) + "#" + hex.EncodeToString(sum[:])
}

// cut is the begin of a name, of at most maxName bytes and whole characters.
func cut(name string) string {
	if len(name) <= maxName {
		return name
	}
	end := maxName
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end]
}

func number(seq int64) string { return fmt.Sprintf("%020d", seq) }

// version is of this layout. It stands in every head, so that a table of a later one is refused and not spoilt.
const version = 1

// head is the item of a chain's head.
type head struct {
	ledger.Head
	latest string // id of the incident that was written last; "" for none
	at     place  // where that one stands
}

// place is where an incident stands: its entries, and its line in a list.
type place struct {
	first     int64 // number of its first entry
	list, key string
}

func (h head) item() item {
	i := item{"pk": text(partitionHeads), "sk": text(short(h.Chain)), "chain": text(h.Chain), "v": integer(version), "seq": integer(h.Seq), "hash": text(h.Hash)}
	if h.latest != "" {
		i["latest"] = text(h.latest)
		h.at.put(i)
	}
	return i
}

func headOf(chain string, i item) (head, error) {
	if i == nil {
		return head{Head: ledger.Head{Chain: chain}}, nil
	}
	if v := i.integer("v"); v != version {
		return head{}, fmt.Errorf("read from ledger: the table is written in version %d of its layout, and this trailwarden knows version %d: use the trailwarden that wrote it, or a later one", v, version)
	}
	return head{Head: ledger.Head{Chain: chain, Seq: i.integer("seq"), Hash: i.text("hash")}, latest: i.text("latest"), at: placeOf(i)}, nil
}

func (p place) put(i item) {
	i["first"], i["list"], i["listed"] = integer(p.first), text(p.list), text(p.key)
}

func placeOf(i item) place {
	return place{first: i.integer("first"), list: i.text("list"), key: i.text("listed")}
}

// seen remembers a head.
func (s *Store) seen(h head) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heads[h.Chain] = h
}

func (s *Store) remembered(chain string) (head, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.heads[chain]
	return h, ok
}

// readHead reads the head of a chain; its Seq is zero when there is none.
func (s *Store) readHead(ctx context.Context, chain string) (head, error) {
	if chain == "" {
		return head{}, nil
	}
	i, err := s.get(ctx, key{partitionHeads, short(chain)})
	if err != nil {
		return head{}, err
	}
	h, err := headOf(chain, i)
	if err == nil {
		s.seen(h)
	}
	return h, err
}
