package daemon

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// elsewhere are Regions that have trails besides the first one's: a Region has room for five.
var elsewhere = []string{"eu-west-1", "us-east-1", "us-east-2", "us-west-2"}

// spread adds n trails in each of the Regions elsewhere, pinned as they are.
func (s *stage) spread(t *testing.T, n int) (trails []trail.ARN) {
	t.Helper()
	client := &cloud.Client{Config: s.ours}
	c := s.world.Account(account).User("mallory")
	cfg := s.ours.Copy()
	cfg.Region, cfg.Credentials = "us-east-1", credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	must(buckets.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("other-logs")}))
	must(buckets.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("other-logs"), Policy: aws.String(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:GetBucketAcl","Resource":"arn:aws:s3:::other-logs"},
		{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::other-logs/*"}]}`)}))
	for _, region := range elsewhere {
		api := s.attacker(region)
		for i := range n {
			a := trail.ARN{Partition: "aws", Region: region, Account: account, Name: fmt.Sprintf("other-%d", i)}
			must(api.CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: &a.Name, S3BucketName: aws.String("other-logs")}))
			must(api.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: &a.Name}))
			s.pinned[a] = trail.Baseline{ARN: a, Want: must(client.Read(t.Context(), a)).Settings, Repair: trail.Groups()}
			trails = append(trails, a)
		}
	}
	s.world.Advance(20 * time.Minute) // log files are delivered
	s.start(t)
	return trails
}

// attacker calls CloudTrail in a Region.
func (s *stage) attacker(region string) *cloudtrail.Client {
	c := s.world.Account(account).User("mallory")
	cfg := s.ours.Copy()
	cfg.Region, cfg.Credentials = region, credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	return cloudtrail.NewFromConfig(cfg)
}

// stopped is the event of a StopLogging, as EventBridge writes it.
func stopped(a trail.ARN, id string, at time.Time) string {
	stamp := at.UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"version":"0","id":"d-%[1]s","detail-type":"AWS API Call via CloudTrail","source":"aws.cloudtrail","account":"%[2]s","time":"%[3]s","region":"%[4]s","resources":[],
		"detail":{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%[2]s:user/mallory","accountId":"%[2]s","userName":"mallory"},
		"eventTime":"%[3]s","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":"%[4]s","sourceIPAddress":"198.51.100.7","userAgent":"aws-cli",
		"requestParameters":{"name":"%[5]s"},"responseElements":null,"requestID":"r-%[1]s","eventID":"%[1]s","readOnly":false,"eventType":"AwsApiCall","recipientAccountId":"%[2]s"}}`,
		id, a.Account, stamp, a.Region, a.Name)
}

// kept are the event ids that the chains of the ledger hold.
func (s *stage) kept(t *testing.T) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for _, head := range must(s.store.Heads(t.Context())) {
		err := s.store.Entries(t.Context(), head.Chain, 1, func(e ledger.Entry) error {
			var body struct {
				Tamperings []incident.Tampering `json:"tamperings"`
			}
			if e.Kind != ledger.KindIncident && e.Kind != ledger.KindTampering {
				return nil
			}
			for _, one := range body.Tamperings {
				ids[one.EventID] = true
			}
			err := json.Unmarshal(e.Body, &body)
			for _, one := range body.Tamperings {
				ids[one.EventID] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// size is how many bytes the chains of the ledger hold.
func (s *stage) size(t *testing.T) (n int) {
	t.Helper()
	for _, head := range must(s.store.Heads(t.Context())) {
		if err := s.store.Entries(t.Context(), head.Chain, 1, func(e ledger.Entry) error { n += len(e.Body); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// starts are the StartLogging calls that AWS took for a trail.
func (s *stage) starts(name string) (at []time.Time) {
	for _, c := range s.world.Calls() {
		if c.Op == "StartLogging" && c.Error == "" && strings.Contains(c.Principal, "trailwarden") && strings.Contains(string(c.Request), name) {
			at = append(at, c.Time)
		}
	}
	return at
}

// TestA3FloodThroughTheDaemon: five thousand events on one trail, which is stopped in truth again and again, while twenty others are stopped
// too. None is lost, none is counted twice, the others do not wait, and one incident says how often. (A3, F4)
func TestA3FloodThroughTheDaemon(t *testing.T) {
	// Fault F4.
	synctest.Test(t, func(t *testing.T) {
		const events = 5000
		s := newStage(t, "main")
		others := s.spread(t, 5)
		for n := range events {
			s.send(t, stopped(arnOf("main"), fmt.Sprintf("flood-%04d", n), s.world.Now()))
		}
		ended := make(chan struct{})
		began := s.world.Now()
		go func() { defer close(ended); s.run(t, time.Minute) }()
		for n, a := range others {
			s.stop(t, "main")
			must(s.attacker(a.Region).StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: &a.Name}))
			s.send(t, stopped(a, fmt.Sprintf("other-%02d", n), s.world.Now()))
			time.Sleep(time.Second)
		}
		<-ended
		for _, a := range append(others, arnOf("main")) {
			if at, _ := s.world.Trail(a.String()); !at.Logging {
				t.Errorf("%s is not logging", a)
			}
		}
		for i, a := range others {
			for _, c := range s.world.Calls() {
				if c.Op == "StartLogging" && c.Region == a.Region && c.Time.After(began) && strings.Contains(string(c.Request), a.String()) {
					if late := c.Time.Sub(began) - time.Duration(i)*time.Second; late > 5*time.Second {
						t.Errorf("%s was started after %s", a, late)
					}
				}
			}
		}
		kept := s.kept(t)
		for n := range events {
			if id := fmt.Sprintf("flood-%04d", n); !kept[id] {
				t.Fatalf("%s is not in the ledger", id)
			}
		}
		if n := s.waiting(t); n != 0 {
			t.Errorf("%d messages still wait in the queue", n)
		}
		var flooded []incident.Incident
		for _, inc := range s.incidents(t) {
			if inc.Trail.Name == "main" {
				flooded = append(flooded, inc)
			}
		}
		if len(flooded) != 1 || flooded[0].Count < events || flooded[0].Count > events+2*len(others) || flooded[0].Contested == "" {
			t.Errorf("%d incidents; the first: count %d, contested %q", len(flooded), flooded[0].Count, flooded[0].Contested)
		}
		if n := s.size(t); n > events*2000 {
			t.Errorf("the ledger has %d bytes for %d events", n, events)
		}
		// The brake: ten at once, then one a second.
		at := s.starts("trail/main")
		for i := range at {
			if j := i + 20; j < len(at) && at[j].Sub(at[i]) < 10*time.Second {
				t.Errorf("%d repairs within %s", 21, at[j].Sub(at[i]))
			}
		}
	})
}
