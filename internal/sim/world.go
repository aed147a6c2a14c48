// Package sim is a simulated AWS: accounts, Regions, CloudTrail trails, S3 buckets, STS, SNS, SQS, EventBridge and DynamoDB, with the
// semantics and error codes of the real services as far as guarding trails needs them, on the real wire protocols.
//
// A World is an http.Handler, so the real SDK, the AWS CLI and Terraform can talk to it; World.Transport serves the same
// in process without sockets. One seed decides every id and delay, time is a field: the same seed and the same calls give
// the same bytes. Signatures are not verified: the access key id in the request says who calls.
package sim

// What is simpler than AWS: no signatures, no identity and trust policies but those that Account.Restrict gives a role (everybody
// else may do everything in his account, minus World.Deny), no event data stores, no API of AWS Organizations and CloudWatch Logs
// (an Organization, Account.LogGroup and Account.LogRole stand for what trails refer to), an organization's trail is in all accounts at once (AWS: up to 24 h),
// policies of keys are asked for CloudTrail only, log files are not written (only their times are kept),
// buckets are addressed by path only, policy conditions with numbers and dates are refused when put, and a denied action has the
// name of the operation (s3:HeadBucket).

// How a service plugs in: one constructor `func newXxx(w *World) *service` per service, listed in newServices (service.go).
// It names the service as the SigV4 scope does, its protocol, and its operations; state lives in a struct of its own that
// the operations' methods share (add a field to World only when another service must reach it).
//
//	func newSNS(w *World) *service {
//		t := &topics{w: w, byARN: map[string]*topic{}}
//		return &service{name: "sns", source: "sns.amazonaws.com", protocol: query, namespace: "http://sns.amazonaws.com/doc/2010-03-31/",
//			operations: []operation{queryOp("CreateTopic", writes, t.create), queryOp("Publish", dataWrites, t.publish)}}
//	}
//	func (t *topics) create(c *call, form url.Values) (any, error)          // query: answer is an XML struct, nil for an empty result
//	func (q *queues) send(c *call, in *sendInput) (any, error)              // jsonOp: answer is marshalled; nil is {}
//	return nil, fail("NotFound", "Topic does not exist").status(404)        // any error of the API
//
// Operations run with World.mu held: never wait, never call user code in them. Later work (deliveries) goes to
// w.schedule(at, func): that func runs WITHOUT the lock, inside Advance, Settle, Deliver or Run; it locks for itself. Long polls use
// c.wait. Ids come from w.uuid() and w.token(n), time from w.now(), ARNs from c.arn("sns", name). CloudTrail records
// offered to the bus arrive at w.bus, a func field that the EventBridge service sets: func(rec Record), called without the
// lock when the record is due. SNS sets w.topicLets so that CreateTrail can check SnsTopicName.
// Deliveries of log files are computed when somebody looks: a method outside of the APIs that makes them fail or work calls
// trails.catchUpAll first (perform does it for operations that write).

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Options say how a World behaves. The zero value is a world with seed 0 whose clock stands still at 2026-01-05 09:00 UTC.
type Options struct {
	Seed  uint64
	Start time.Time        // the first moment of the simulated clock; ignored with Clock
	Clock func() time.Time // nil: simulated time, moved only by Advance and Settle

	DefaultAccount string   // the account of unknown access keys; default 111122223333
	Partition      string   // of users and roles; default aws
	Regions        []string // enabled Regions of new accounts; default: the seventeen that every account has

	EventDelayMin time.Duration // until a record is on the event bus; defaults 1 s to 9 s
	EventDelayMax time.Duration
	EventLoss     float64 // share of records that never reach the bus (delivery is best effort)
	EventCopies   float64 // share of records that reach the bus twice
	SilentStart   bool    // the call that begins coverage of the bus (StartLogging) is not itself delivered

	OrganizationCover bool // an organization trail lets records onto the bus in member accounts too (AWS does not say)

	HistoryDelay time.Duration // until a record shows in Event history
	ForgetReads  bool          // calls that only read leave no record and no line in Calls, so that very many cost no memory

	ReadLag time.Duration // reads of trails answer the state of this long ago
	Quotas  bool          // token buckets of the CloudTrail API

	RolePropagation time.Duration // until CloudTrail can assume a new LogRole

	ConfirmedEmail bool // e-mail subscriptions need no confirmation

	TrailsPerPage int // of ListTrails; default 100
}

// A World is one simulated AWS. All its methods may be called from several goroutines.
// Inside a testing/synctest bubble make it inside the bubble.
type World struct {
	opts Options

	mu       sync.Mutex // never held over user code or waiting
	clock    time.Time  // simulated time, without Options.Clock
	skew     time.Duration
	random   *rand.Rand
	tasks    tasks
	taskSeq  int
	changed  chan struct{} // closed and replaced whenever something happened
	services []*service

	accounts   map[string]*Account
	principals map[string]principal // by access key id
	faults     []*Fault
	denials    []*denial
	identities identities
	quotas     map[quotaKey]*bucketOfTokens
	calls      []Call
	records    []Record

	busBroken  bool
	digestKeys map[string]*digestKey // by Region

	organizations []*Organization

	trails    *trails
	buckets   *buckets
	keys      *keys
	logs      *logs
	queues    *queues
	topics    *topics
	stacks    *stacks
	functions *functions   // Lambda, which has no API here
	bus       func(Record) // set by EventBridge; called without the lock

	topicLets func(arn string, x *trail) string // set by SNS: "", or the error that CloudTrail runs into; called with the lock

	readsReachBus func(account, region string) bool // set by EventBridge; called with the lock
}

// New makes a world. It starts no goroutines.
func New(o Options) *World {
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	}
	if o.DefaultAccount == "" {
		o.DefaultAccount = "111122223333"
	}
	if o.Partition == "" {
		o.Partition = "aws"
	}
	if o.Regions == nil {
		o.Regions = everyAccountRegions()
	}
	if o.EventDelayMin == 0 && o.EventDelayMax == 0 {
		o.EventDelayMin, o.EventDelayMax = time.Second, 9*time.Second
	}
	if o.TrailsPerPage == 0 {
		o.TrailsPerPage = 100
	}
	w := &World{
		opts:       o,
		clock:      o.Start.UTC(),
		random:     rand.New(rand.NewPCG(o.Seed, 0x74726169_6c776172)),
		changed:    make(chan struct{}),
		accounts:   map[string]*Account{},
		principals: map[string]principal{},
		quotas:     map[quotaKey]*bucketOfTokens{},
		digestKeys: map[string]*digestKey{},
	}
	w.logs = &logs{groups: map[string]bool{}, roles: map[string]*logRole{}}
	w.services = newServices(w)
	return w
}

// uuid draws a random id of the form that AWS gives requests and events.
func (w *World) uuid() string {
	a, b := w.random.Uint64(), w.random.Uint64()
	a = a&^0xf000 | 0x4000
	b = b&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&(1<<48-1))
}

// token draws n random letters and digits.
func (w *World) token(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[w.random.IntN(len(letters))]
	}
	return string(b)
}

// between draws a duration from min to max.
func (w *World) between(min, max time.Duration) time.Duration {
	if max <= min {
		return min
	}
	return min + time.Duration(w.random.Int64N(int64(max-min)+1))
}
