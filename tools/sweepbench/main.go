// Command sweepbench measures a sweep over many accounts: 10,000 pinned trails in 1,000 simulated accounts, each call
// answered after 20 ms and within the documented call limits. It is run by `make bench`.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

func main() {
	accounts := flag.Int("accounts", 1000, "accounts, with ten trails each")
	together := flag.Int("together", 50, "accounts that are swept at the same time")
	delay := flag.Duration("delay", 20*time.Millisecond, "how long AWS takes for a call")
	flag.Parse()
	if err := run(*accounts, *together, *delay); err != nil {
		fmt.Fprintln(os.Stderr, "sweepbench:", err)
		os.Exit(1)
	}
}

var regions = []string{"eu-central-1", "us-east-1"} // a Region has room for five trails

func run(accounts, together int, delay time.Duration) error {
	world := sim.New(sim.Options{Clock: time.Now, ForgetReads: true})
	// The simulated AWS is in this process: without a tight collector its own garbage would be measured.
	debug.SetGCPercent(10)
	limits := &limited{world: world.Transport(), delay: delay, tokens: map[string]*bucket{}}
	engines := make([]*engine.Engine, accounts)
	for i := range engines {
		e, err := furnish(world, limits, fmt.Sprintf("%012d", 100000000000+i))
		if err != nil {
			return err
		}
		engines[i] = e
	}
	furnished := memory()
	limits.on.Store(true)
	stop := make(chan struct{})
	peak := watch(stop)
	begin, used := time.Now(), cpu()
	turn := make(chan struct{}, together)
	var wg sync.WaitGroup
	var drifts, failures atomic.Int64
	var why atomic.Value
	for _, e := range engines {
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			report := e.Sweep(context.Background())
			drifts.Add(int64(len(report.Incidents)))
			failures.Add(int64(len(report.Failures)))
			if len(report.Failures) > 0 {
				why.Store(report.Failures[0].Error())
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	used = cpu() - used
	close(stop)
	fmt.Printf("\n## Sweep (%s/%s, %d CPUs)\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	fmt.Println("| trails | accounts | wall time, s | processor time of this and the simulated AWS, s | calls | throttled | memory on top of the simulated AWS, MB | incidents | failures |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	fmt.Printf("| %d | %d | %.1f | %.1f | %d | %d | %.0f | %d | %d |\n", accounts*10, accounts, took.Seconds(), used.Seconds(), limits.calls.Load(), limits.throttled.Load(),
		float64(peak.Load()-int64(furnished))/1e6, drifts.Load(), failures.Load())
	if failures.Load() > 0 || drifts.Load() > 0 {
		return fmt.Errorf("%d failures and %d incidents in accounts where all is well; one of them: %v", failures.Load(), drifts.Load(), why.Load())
	}
	return nil
}

// furnish makes an account with ten trails, and the engine that has them pinned.
func furnish(world *sim.World, transport http.RoundTripper, id string) (*engine.Engine, error) {
	ctx := context.Background()
	c := world.Account(id).Role("trailwarden", "sweep")
	cfg := aws.Config{
		Region: regions[0], BaseEndpoint: aws.String("http://sim.invalid"), HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
	bucket := "logs-" + id
	buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle, o.Region = true, "us-east-1" })
	if _, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		return nil, err
	}
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:GetBucketAcl","Resource":"arn:aws:s3:::%[1]s"},
		{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::%[1]s/*"}]}`, bucket)
	if _, err := buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy}); err != nil {
		return nil, err
	}
	e, err := engine.New(cfg, engine.Options{Accounts: []string{id}, Version: "bench", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return nil, err
	}
	pinned := map[trail.ARN]trail.Baseline{}
	for _, region := range regions {
		api := cloudtrail.NewFromConfig(cfg, func(o *cloudtrail.Options) { o.Region = region })
		for n := range 5 {
			name := fmt.Sprintf("trail-%d", n)
			if _, err := api.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: &name, S3BucketName: &bucket}); err != nil {
				return nil, err
			}
			if _, err := api.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: &name}); err != nil {
				return nil, err
			}
			a := trail.ARN{Partition: "aws", Region: region, Account: id, Name: name}
			s, err := e.Guard.Cloud.(*cloud.Members).Home.Read(ctx, a)
			if err != nil {
				return nil, err
			}
			pinned[a] = trail.Baseline{ARN: a, Want: s.Settings, Repair: trail.Groups()}
			e.Pinned = append(e.Pinned, a)
		}
	}
	e.Guard.Baseline = func(a trail.ARN) (trail.Baseline, bool) { b, ok := pinned[a]; return b, ok }
	return e, nil
}

// limited answers after a delay, and holds each account to ten reads of an API a second in a Region, as AWS documented.
type limited struct {
	world            http.RoundTripper
	delay            time.Duration
	on               atomic.Bool
	calls, throttled atomic.Int64
	mu               sync.Mutex
	tokens           map[string]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func (l *limited) RoundTrip(r *http.Request) (*http.Response, error) {
	if !l.on.Load() {
		return l.world.RoundTrip(r)
	}
	l.calls.Add(1)
	time.Sleep(l.delay)
	// The credential scope names key, Region and service: what the limit is counted by.
	if !l.take(r.Header.Get("X-Amz-Target") + scope(r.Header.Get("Authorization"))) {
		l.throttled.Add(1)
		return throttled(r), nil
	}
	return l.world.RoundTrip(r)
}

func (l *limited) take(key string) bool {
	const rate, burst = 10, 10
	l.mu.Lock()
	defer l.mu.Unlock()
	b, now := l.tokens[key], time.Now()
	if b == nil {
		b = &bucket{left: burst, at: now}
		l.tokens[key] = b
	}
	b.left = min(burst, b.left+now.Sub(b.at).Seconds()*rate)
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// memory is what the heap holds now, in bytes.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// watch keeps the largest memory that the program had from the system until stop.
func watch(stop <-chan struct{}) *atomic.Int64 {
	var peak atomic.Int64
	go func() {
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if now := int64(m.HeapInuse + m.StackInuse); now > peak.Load() {
				peak.Store(now)
			}
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return &peak
}
