package daemon

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/source"
	"github.com/trailwarden/trailwarden/internal/trail"
)

const (
	account = "111122223333"
	region  = "eu-central-1"
)

// stage is an account with trails, an EventBridge rule that fills a queue, an attacker, and a daemon on a ledger that outlives
// it. All of it is on one clock.
type stage struct {
	world   *sim.World
	mallory *cloudtrail.Client
	ours    aws.Config
	queues  *sqs.Client
	queue   string
	pinned  map[trail.ARN]trail.Baseline
	disk    *memory.Disk
	store   *memory.Store
	people  *people
	daemon  *Daemon
}

// people are a channel that keeps what it was told.
type people struct {
	mu   sync.Mutex
	down error
	told []incident.Incident
}

func (p *people) Notify(_ context.Context, inc incident.Incident) error {
	if rule("own.welcome")(inc) {
		return nil // the greeting of a daemon that begins
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down != nil {
		return p.down
	}
	p.told = append(p.told, inc)
	return nil
}

func (p *people) heard(match func(incident.Incident) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.told, match)
}

func arnOf(name string) trail.ARN {
	return trail.ARN{Partition: "aws", Region: region, Account: account, Name: name}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newStage furnishes the account and starts the daemon's first process.
func newStage(t *testing.T, trails ...string) *stage {
	t.Helper()
	world := sim.New(sim.Options{Start: time.Now().Add(-time.Hour), Clock: time.Now, Seed: 7})
	config := func(c sim.Credentials) aws.Config {
		return aws.Config{
			Region: region, HTTPClient: &http.Client{Transport: world.Transport()}, BaseEndpoint: aws.String("http://sim.invalid"),
			Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
			Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
		}
	}
	attacker := config(world.Account(account).User("mallory"))
	s := &stage{
		world: world, mallory: cloudtrail.NewFromConfig(attacker), ours: config(world.Account(account).Role("trailwarden", "watch")),
		queues: sqs.NewFromConfig(attacker), pinned: map[trail.ARN]trail.Baseline{}, disk: &memory.Disk{}, people: &people{},
	}
	ctx := t.Context()
	for _, name := range trails {
		bucket := aws.String(name + "-audit-logs")
		buckets := s3.NewFromConfig(attacker, func(o *s3.Options) { o.UsePathStyle = true })
		must(buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket,
			CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
		must(buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(sim.CloudTrailBucketPolicy(*bucket, arnOf(name).String()))}))
		must(s.mallory.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: &name, S3BucketName: bucket}))
		must(s.mallory.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: &name}))
	}
	world.Advance(20 * time.Minute) // the records of all that have gone by
	s.queue = *must(s.queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("trailwarden")})).QueueUrl
	rules := eventbridge.NewFromConfig(attacker)
	must(rules.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("trailwarden"),
		EventPattern: aws.String(`{"source":["aws.cloudtrail"],"detail":{"eventSource":["cloudtrail.amazonaws.com"]}}`)}))
	must(rules.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("trailwarden"),
		Targets: []eventtypes.Target{{Id: aws.String("queue"), Arn: aws.String("arn:aws:sqs:" + region + ":" + account + ":trailwarden")}}}))
	client := &cloud.Client{Config: s.ours}
	for _, name := range trails {
		arn := arnOf(name)
		s.pinned[arn] = trail.Baseline{ARN: arn, Want: must(client.Read(ctx, arn)).Settings, Repair: trail.Groups()}
	}
	s.start(t)
	return s
}

// start is a new process on the same disk.
func (s *stage) start(t *testing.T) {
	t.Helper()
	s.store = &memory.Store{Disk: s.disk}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	o := engine.Options{
		Accounts: []string{account}, Version: "test", Log: log, Now: s.world.Now, Ledger: s.store, Patience: 3 * time.Second,
		Baseline: func(a trail.ARN) (trail.Baseline, bool) { b, ok := s.pinned[a]; return b, ok },
	}
	for a := range s.pinned {
		o.Pinned = append(o.Pinned, a)
	}
	slices.SortFunc(o.Pinned, func(a, b trail.ARN) int { return slices.Compare([]byte(a.String()), []byte(b.String())) })
	e := must(engine.New(s.ours, o))
	e.Channels = []notify.Channel{{Name: "people", Notifier: s.people}}
	s.daemon = &Daemon{
		Engine: e, Queue: &source.Queue{API: sqs.NewFromConfig(s.ours), URL: s.queue, Hidden: time.Minute}, Log: log, Now: s.world.Now,
		Sweep: time.Minute, Hidden: time.Minute, Pollers: 2, Grace: 20 * time.Second,
	}
}

func (s *stage) stop(t *testing.T, name string) {
	t.Helper()
	must(s.mallory.StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: &name}))
}

func (s *stage) logging(t *testing.T, name string) bool {
	t.Helper()
	return *must(s.mallory.GetTrailStatus(t.Context(), &cloudtrail.GetTrailStatusInput{Name: &name})).IsLogging
}

// send puts a message into the queue, as anybody might who may.
func (s *stage) send(t *testing.T, body string) {
	t.Helper()
	must(s.queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &s.queue, MessageBody: &body}))
}

// waiting is how many messages the queue holds, hidden ones too.
func (s *stage) waiting(t *testing.T) int {
	t.Helper()
	out := must(s.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &s.queue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}}))
	n := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		var v int
		if err := json.Unmarshal([]byte(out.Attributes[name]), &v); err == nil {
			n += v
		}
	}
	return n
}

// incidents are those in the ledger, but for the greeting of a daemon that begins.
func (s *stage) incidents(t *testing.T) []incident.Incident {
	t.Helper()
	return slices.DeleteFunc(must(s.store.Incidents(t.Context(), ledger.Query{})), rule("own.welcome"))
}
