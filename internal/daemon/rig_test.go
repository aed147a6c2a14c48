package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/source"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// rig runs the daemon's own code in an order that one seed decides. The daemon's steps run one after the other in a goroutine of
// their own; whatever they ask of AWS waits at a turnstile until nothing else moves, and is let through in an order of its own. So
// not even the calls that the daemon makes side by side come in an order of chance.
type rig struct {
	t       testing.TB
	rng     *rand.Rand
	world   *sim.World
	direct  http.RoundTripper
	mallory *cloudtrail.Client
	queues  *sqs.Client
	ours    aws.Config
	queue   string
	pinned  map[trail.ARN]trail.Baseline
	want    map[string]sim.Snapshot
	disk    *memory.Disk
	ears    []*ear
	gate    *gate
	stile   *turnstile
	daemon  *Daemon
	due     []time.Time // of the duties
	begun   time.Time

	unpinned   bool
	faults     float64 // share of calls and writes that go wrong
	storeDown  bool
	interlude  func() // what the attacker may do before a call of ours
	ledger     ledger.Store
	oracle     *oracle
	transcript []string
}

func (r *rig) say(format string, args ...any) {
	if os.Getenv("TW_LOUD") != "" {
		fmt.Fprintf(os.Stderr, "%9.3f "+format+"\n", append([]any{time.Since(r.begun).Seconds()}, args...)...)
	}
	r.transcript = append(r.transcript, fmt.Sprintf("%9.3f ", time.Since(r.begun).Seconds())+fmt.Sprintf(format, args...))
}

// gate counts the moments before and after each effect of one process, and kills it at one of them: from then on nothing that it does has
// any effect.
type gate struct {
	mu     sync.Mutex
	count  int
	dieAt  int // 0 for never
	dead   bool
	times  []time.Time
	cancel context.CancelFunc
}

var errDead = errors.New("the process is dead")

func (g *gate) pass(string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dead {
		return false
	}
	g.count++
	g.times = append(g.times, time.Now())
	if g.count == g.dieAt {
		g.dead = true
		g.cancel()
	}
	return !g.dead
}

// until is how many moments there were within a time of the first.
func (g *gate) until(d time.Duration) (n int) {
	for _, at := range g.times {
		if at.Sub(g.times[0]) <= d {
			n++
		}
	}
	return n
}

func (g *gate) isDead() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dead
}

// ear is a channel that keeps what it heard.
type ear struct {
	r    *rig
	name string
	down bool
	slow time.Duration
	told []heard
}

// turnstile holds back the daemon's requests.
type turnstile struct {
	mu      sync.Mutex
	waiting []*passage
	knock   chan struct{}
}

type passage struct {
	request *http.Request
	body    []byte
	op, key string
	answer  chan answer
}

type answer struct {
	response *http.Response
	err      error
	delay    time.Duration
	never    bool
}

// RoundTrip waits for its turn.
func (s *turnstile) RoundTrip(in *http.Request) (*http.Response, error) {
	var body []byte
	if in.Body != nil {
		body, _ = io.ReadAll(in.Body)
		in.Body.Close()
	}
	out := in.Clone(in.Context())
	out.Body = io.NopCloser(bytes.NewReader(body))
	op := in.Header.Get("X-Amz-Target")
	if op == "" {
		if op = in.Method + " " + in.URL.Path; len(body) > 0 && len(body) < 200 {
			op += " " + string(body)
		}
	}
	op = op[strings.LastIndex(op, ".")+1:]
	p := &passage{request: out, body: body, op: op, key: op + " " + scope(in) + " " + string(body), answer: make(chan answer, 1)}
	s.mu.Lock()
	s.waiting = append(s.waiting, p)
	s.mu.Unlock()
	select {
	case s.knock <- struct{}{}:
	default:
	}
	var a answer
	select {
	case a = <-p.answer:
	case <-in.Context().Done():
		s.leave(p)
		return nil, in.Context().Err()
	}
	if a.never {
		<-in.Context().Done()
		return nil, in.Context().Err()
	}
	if a.delay > 0 && !pause(in.Context(), a.delay) {
		return nil, in.Context().Err()
	}
	return a.response, a.err
}

// scope is the Region that a request is signed for.
func scope(r *http.Request) string {
	if part := strings.Split(r.Header.Get("Authorization"), "/"); len(part) > 3 {
		return part[2] + "/" + part[3]
	}
	return ""
}

func (s *turnstile) leave(p *passage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(q *passage) bool { return p == q })
}

// next is the first of those that wait, by what they ask.
func (s *turnstile) next() *passage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return nil
	}
	slices.SortStableFunc(s.waiting, func(a, b *passage) int { return strings.Compare(a.key, b.key) })
	p := s.waiting[0]
	s.waiting = s.waiting[1:]
	return p
}

// step runs one piece of the daemon's work to its end, while the world goes on.
func (r *rig) step(do func()) {
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	for {
		synctest.Wait()
		if p := r.stile.next(); p != nil {
			p.answer <- r.serve(p)
			continue
		}
		select {
		case <-done:
			return
		default:
		}
		tick := time.NewTimer(time.Second)
		select {
		case <-r.stile.knock:
		case <-done:
		case <-tick.C:
			synctest.Wait()
			r.world.Deliver()
		}
		tick.Stop()
	}
}

// effects are the calls of ours that change something.
func isEffect(op string) bool {
	for _, prefix := range []string{"Get", "List", "Describe", "Lookup", "Receive", "HEAD", "GET", "POST", "ChangeMessageVisibility"} {
		if strings.HasPrefix(op, prefix) {
			return false
		}
	}
	return true
}

// serve lets one request of ours through to AWS, or what goes wrong with it.
func (r *rig) serve(p *passage) answer {
	if r.gate.isDead() {
		return answer{err: errDead}
	}
	if r.interlude != nil {
		r.interlude()
	}
	r.oracle.request(p)
	effect := isEffect(p.op)
	if effect {
		r.say("call %s %.90s", p.op, p.body)
		if !r.gate.pass("before " + p.op) {
			r.say("killed before %s", p.op)
			return answer{err: errDead}
		}
	}
	a := answer{}
	lost := false
	if r.faults > 0 && r.rng.Float64() < r.faults {
		switch r.rng.IntN(4) {
		case 0:
			r.say("%s: no answer, and no effect", p.op)
			return answer{never: true}
		case 1:
			r.say("%s: reset", p.op)
			return answer{err: io.ErrUnexpectedEOF}
		case 2:
			lost = true
		case 3:
			a.delay = time.Duration(r.rng.IntN(3000)) * time.Millisecond
		}
	}
	a.response, a.err = r.direct.RoundTrip(p.request)
	r.oracle.answered(p, a.response)
	if effect && !r.gate.pass("after "+p.op) {
		r.say("killed after %s", p.op)
		return answer{err: errDead}
	}
	if lost {
		r.say("%s: the answer is lost", p.op)
		return answer{err: io.ErrUnexpectedEOF}
	}
	return a
}

// fault is what goes wrong with the ledger.
func (r *rig) fault(g *gate) func(memory.Step) error {
	return func(s memory.Step) error {
		if g.isDead() {
			return errDead
		}
		if s.Changes {
			when := "before "
			if s.Done {
				when = "after "
			}
			if !g.pass(when + "ledger " + s.Op) {
				r.say("killed %sledger %s", when, s.Op)
				return errDead
			}
		}
		if !s.Done && (r.storeDown || r.faults > 0 && r.rng.Float64() < r.faults) || s.Done && r.faults > 0 && r.rng.Float64() < r.faults/2 {
			r.say("ledger %s fails (done: %t)", s.Op, s.Done)
			r.oracle.ledgerFailed = true
			return errors.New("no space left on device")
		}
		return nil
	}
}

type rigOptions struct {
	world  sim.Options
	trails []string
	ledger ledger.Store // in place of one in memory
	// unpinned has no baseline: trails that were seen logging are to be logging, and that is all.
	unpinned bool
}

// newRig furnishes an account with trails and starts the daemon. Call it in a synctest bubble.
func newRig(t testing.TB, seed uint64, o rigOptions) *rig {
	t.Helper()
	o.world.Seed, o.world.Clock, o.world.ForgetReads = seed, time.Now, true
	o.world.Regions = []string{region, "us-east-1"}
	world := sim.New(o.world)
	r := &rig{
		t: t, rng: rand.New(rand.NewPCG(seed, 4)), world: world, direct: world.Transport(), begun: time.Now(),
		ledger: o.ledger, unpinned: o.unpinned, pinned: map[trail.ARN]trail.Baseline{}, disk: &memory.Disk{}, stile: &turnstile{knock: make(chan struct{}, 1)},
	}
	r.oracle = newOracle(r)
	r.ears = []*ear{{r: r, name: "pager"}, {r: r, name: "people"}}
	config := func(c sim.Credentials, through http.RoundTripper) aws.Config {
		return aws.Config{
			Region: region, HTTPClient: &http.Client{Transport: through}, BaseEndpoint: aws.String("http://sim.invalid"),
			Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
			Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
		}
	}
	person, role := world.Account(account).User("mallory"), world.Account(account).Role("trailwarden", "watch")
	r.oracle.secrets = []string{person.AccessKeyID, person.SecretAccessKey, role.AccessKeyID, role.SecretAccessKey, role.SessionToken}
	attacker := config(person, r.direct)
	r.ours = config(role, r.stile)
	r.mallory, r.queues = cloudtrail.NewFromConfig(attacker), sqs.NewFromConfig(attacker)
	ctx := t.Context()
	buckets := s3.NewFromConfig(attacker, func(o *s3.Options) { o.UsePathStyle = true })
	for _, name := range append([]string{"mallory"}, o.trails...) {
		bucket := name + "-audit-logs"
		must(buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
		policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:GetBucketAcl","Resource":"arn:aws:s3:::%[1]s"},
			{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::%[1]s/*"}]}`, bucket)
		must(buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy}))
	}
	for _, name := range o.trails {
		must(r.mallory.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: &name, S3BucketName: aws.String(name + "-audit-logs"),
			EnableLogFileValidation: aws.Bool(true), IsMultiRegionTrail: aws.Bool(name == "main"),
			TagsList: []types.Tag{{Key: aws.String("protected"), Value: aws.String("yes")}}}))
		must(r.mallory.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: &name}))
		time.Sleep(2 * time.Second) // quotas
	}
	r.queue = *must(r.queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("trailwarden")})).QueueUrl
	rules := eventbridge.NewFromConfig(attacker)
	must(rules.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("trailwarden"),
		EventPattern: aws.String(`{"source":["aws.cloudtrail"],"detail":{"eventSource":["cloudtrail.amazonaws.com"]}}`)}))
	time.Sleep(time.Hour) // the records of all that have gone by
	world.Deliver()
	must(rules.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("trailwarden"),
		Targets: []eventtypes.Target{{Id: aws.String("queue"), Arn: aws.String("arn:aws:sqs:" + region + ":" + account + ":trailwarden")}}}))
	client := &cloud.Client{Config: attacker}
	for _, name := range o.trails {
		arn := arnOf(name)
		r.pinned[arn] = trail.Baseline{ARN: arn, Want: must(client.Read(ctx, arn)).Settings, Repair: trail.Groups()}
	}
	time.Sleep(10 * time.Second)
	r.want = world.Snapshots()
	r.begun = time.Now()
	r.start()
	return r
}

// start is a new process on the same disk.
func (r *rig) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.gate = &gate{cancel: cancel}
	log := slog.New(panics{r})
	o := engine.Options{
		Accounts: []string{account}, Version: "test", Log: log, Now: r.world.Now, Ledger: &memory.Store{Disk: r.disk, Fault: r.fault(r.gate)},
		Baseline: func(a trail.ARN) (trail.Baseline, bool) { b, ok := r.pinned[a]; return b, ok },
	}
	if r.ledger != nil {
		o.Ledger = r.ledger
	}
	for a := range r.pinned {
		o.Pinned = append(o.Pinned, a)
	}
	if r.unpinned {
		o.Baseline, o.Pinned = nil, nil
	}
	slices.SortFunc(o.Pinned, func(a, b trail.ARN) int { return strings.Compare(a.String(), b.String()) })
	e := must(engine.New(r.ours, o))
	e.Workers = 1
	e.Guard.Cloud.(*cloud.Members).Home.Jitter = func(d time.Duration) time.Duration { return d / 2 }
	for _, ear := range r.ears {
		e.Channels = append(e.Channels, notify.Channel{Name: ear.name, Notifier: ear})
	}
	r.daemon = &Daemon{
		Engine: e, Queue: &source.Queue{API: sqs.NewFromConfig(r.ours), URL: r.queue, Hidden: time.Minute}, Log: log, Now: r.world.Now,
		Sweep: time.Minute, Hidden: time.Minute, Heartbeat: 24 * time.Hour, Keep: 90 * 24 * time.Hour,
		Anchor: func(ctx context.Context) error { _, err := e.Anchor(ctx); return err },
	}
	r.due = make([]time.Time, len(r.daemon.Duties()))
	r.say("started")
	go func() { <-ctx.Done() }()
	r.t.Cleanup(cancel)
	r.oracle.ctx = ctx
}

// turn does what is due, in the order that chance gives it: receiving, and the duties.
func (r *rig) turn(receive bool) {
	ctx := r.oracle.ctx
	duties := r.daemon.Duties()
	for _, i := range r.rng.Perm(len(duties) + 1) {
		if r.gate.isDead() {
			return
		}
		if i == len(duties) {
			if receive {
				r.step(func() {
					switch _, err := r.daemon.Receive(ctx); {
					case errors.Is(err, context.DeadlineExceeded): // in words that the SDK chooses by which goroutine is first
						r.say("receive: out of time")
					case err != nil:
						r.say("receive: %v", err)
					}
				})
			}
			continue
		}
		if time.Now().Before(r.due[i]) {
			continue
		}
		r.step(func() {
			if err := duties[i].Do(ctx); err != nil {
				r.say("%s: %.200v", duties[i].Name, err)
			}
		})
		r.due[i] = time.Now().Add(duties[i].Every)
	}
}

// rest lets time go by.
func (r *rig) rest(d time.Duration) {
	for end := time.Now().Add(d); ; {
		left := time.Until(end)
		if left <= 0 {
			return
		}
		time.Sleep(min(left, max(time.Second, d/4)))
		r.world.Deliver()
	}
}

// panics is a log in which nothing matters but panics.
type panics struct{ r *rig }

func (p panics) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (p panics) Handle(_ context.Context, rec slog.Record) error {
	if strings.HasPrefix(rec.Message, "panic") {
		rec.Attrs(func(a slog.Attr) bool { p.r.oracle.fail("O9: %s %s", a.Key, a.Value); return true })
	}
	return nil
}
func (p panics) WithAttrs([]slog.Attr) slog.Handler { return p }
func (p panics) WithGroup(string) slog.Handler      { return p }
