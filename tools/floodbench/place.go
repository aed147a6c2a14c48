package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

const role = "trailwarden"

var regions = []string{"eu-central-1", "us-east-1"} // a Region has room for five trails

// place is the simulated AWS with the trails in it, ten in an account, all pinned as they are. The first is the one that is flooded.
type place struct {
	world    *sim.World
	ours     aws.Config // the role in the first account
	accounts []string
	trails   []trail.ARN
	pinned   map[trail.ARN]trail.Baseline
	mallory  map[string]*cloudtrail.Client // by account and Region

	delay time.Duration
	on    atomic.Bool
	mu    sync.Mutex
	made  map[string][]time.Time      // StartLogging calls that AWS took, by trail
	wait  map[string]chan<- time.Time // who waits for a trail's next one
}

func furnish(ctx context.Context, n int, delay time.Duration) (*place, error) {
	p := &place{
		world: sim.New(sim.Options{Clock: time.Now, ForgetReads: true, Quotas: true}), delay: delay,
		pinned: map[trail.ARN]trail.Baseline{}, mallory: map[string]*cloudtrail.Client{},
		made: map[string][]time.Time{}, wait: map[string]chan<- time.Time{},
	}
	for i := range n {
		if i%10 == 0 {
			id := fmt.Sprintf("%012d", 100000000000+i/10)
			p.accounts = append(p.accounts, id)
			if err := p.bucket(ctx, id); err != nil {
				return nil, err
			}
		}
		account := p.accounts[len(p.accounts)-1]
		a := trail.ARN{Partition: "aws", Region: regions[i/5%2], Account: account, Name: fmt.Sprintf("trail-%d", i)}
		api := cloudtrail.NewFromConfig(p.config(p.world.Account(account).User("mallory"), a.Region))
		p.mallory[a.Account+a.Region] = api
		p.world.Advance(2 * time.Second) // the quotas of calls hold for furnishing too
		if _, err := api.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: &a.Name, S3BucketName: aws.String("logs-" + account)}); err != nil {
			return nil, err
		}
		if _, err := api.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: &a.Name}); err != nil {
			return nil, err
		}
		c := &cloud.Client{Config: p.config(p.world.Account(account).Role(role, "furnish"), a.Region)}
		s, err := c.Read(ctx, a)
		if err != nil {
			return nil, err
		}
		p.trails, p.pinned[a] = append(p.trails, a), trail.Baseline{ARN: a, Want: s.Settings, Repair: trail.Groups()}
	}
	p.ours = p.config(p.world.Account(p.accounts[0]).Role(role, "watch"), regions[0])
	p.on.Store(true)
	return p, nil
}

func (p *place) config(c sim.Credentials, region string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String("http://sim.invalid"), HTTPClient: &http.Client{Transport: p},
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
}

func (p *place) bucket(ctx context.Context, account string) error {
	api := s3.NewFromConfig(p.config(p.world.Account(account).User("mallory"), "us-east-1"), func(o *s3.Options) { o.UsePathStyle = true })
	name := "logs-" + account
	if _, err := api.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
		return err
	}
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:GetBucketAcl","Resource":"arn:aws:s3:::%[1]s"},
		{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::%[1]s/*"}]}`, name)
	_, err := api.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &name, Policy: &policy})
	return err
}

// RoundTrip is the way to AWS: it takes a while, and notes which trails were started.
func (p *place) RoundTrip(r *http.Request) (*http.Response, error) {
	if !p.on.Load() {
		return p.world.Transport().RoundTrip(r)
	}
	time.Sleep(p.delay)
	starting := ""
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".StartLogging") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		var in struct{ Name string }
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		starting, r.Body = in.Name, io.NopCloser(strings.NewReader(string(body)))
	}
	res, err := p.world.Transport().RoundTrip(r)
	if err == nil && starting != "" && res.StatusCode == http.StatusOK {
		p.started(starting, time.Now())
	}
	return res, err
}

func (p *place) started(name string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made[name] = append(p.made[name], at)
	if c := p.wait[name]; c != nil {
		c <- at
		delete(p.wait, name)
	}
}

// calls are how many times a trail was started, and how often within any ten seconds.
func (p *place) calls(a trail.ARN) (all, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	made := p.made[a.String()]
	for i, first := range made {
		n := 0
		for _, at := range made[i:] {
			if at.Sub(first) < 10*time.Second {
				n++
			}
		}
		most = max(most, n)
	}
	return len(made), most
}

// stopped is how many trails are not logging.
func (p *place) stopped() (n int) {
	for _, a := range p.trails {
		if t, ok := p.world.Trail(a.String()); !ok || !t.Logging {
			n++
		}
	}
	return n
}
