package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// The demo's account.
const (
	demoAccount = "111122223333"
	demoRegion  = "eu-central-1"
	demoReader  = "security@example.com" // reads e-mail
	demoMachine = "siem@example.com"     // subscribed to Email-JSON
)

// mainTrail is the trail that is watched.
var mainTrail = trail.ARN{Partition: "aws", Region: demoRegion, Account: demoAccount, Name: "main"}

// watched is the event pattern of the 2017 AWS sample, with what keeps forged events out: source and account.
const watched = `{
  "source": ["aws.cloudtrail"],
  "account": ["` + demoAccount + `"],
  "detail-type": ["AWS API Call via CloudTrail"],
  "detail": {
    "eventSource": ["cloudtrail.amazonaws.com"],
    "eventName": ["StopLogging", "StartLogging", "UpdateTrail", "DeleteTrail", "CreateTrail", "RemoveTags", "AddTags", "PutEventSelectors"]
  }
}`

// stage is a simulated AWS with trailwarden deployed in it: rule, function, topic, two subscribers and a trail.
type stage struct {
	world *sim.World
	// heard are the incidents that trailwarden told of, in order.
	heard []heard
}

type heard struct {
	at       time.Time
	incident incident.Incident
}

// setStage builds the stage with the real SDK, as an administrator of the account would.
func setStage(ctx context.Context, seed uint64, clock func() time.Time) (*stage, error) {
	world := sim.New(sim.Options{Seed: seed, Clock: clock, DefaultAccount: demoAccount, ConfirmedEmail: true})
	s := &stage{world: world}
	admin := s.config(world.Account(demoAccount).Role("platform", "terraform"), "198.51.100.10")

	if err := s.trail(ctx, admin, "main", "example-audit-logs"); err != nil {
		return nil, err
	}
	topic, err := s.topic(ctx, admin)
	if err != nil {
		return nil, err
	}
	if err := s.deploy(ctx, admin, topic); err != nil {
		return nil, err
	}
	return s, nil
}

// Notify makes the stage one more channel, so that the viewer sees what people are told.
func (s *stage) Notify(_ context.Context, inc incident.Incident) error {
	s.heard = append(s.heard, heard{s.world.Now(), inc})
	return nil
}

// config is the AWS configuration of a principal on the stage.
func (s *stage) config(c sim.Credentials, ip string) aws.Config {
	return aws.Config{
		Region:       demoRegion,
		Credentials:  credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
		HTTPClient:   &http.Client{Transport: s.world.TransportFrom(ip)},
		BaseEndpoint: aws.String("http://aws.simulated"),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// trail makes a bucket and a trail that logs into it.
func (s *stage) trail(ctx context.Context, cfg aws.Config, name, bucket string) error {
	arn := trail.ARN{Partition: "aws", Region: demoRegion, Account: demoAccount, Name: name}.String()
	buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: demoRegion,
	}}); err != nil {
		return fmt.Errorf("create bucket: %w", err)
	}
	if _, err := buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: aws.String(sim.CloudTrailBucketPolicy(bucket, arn))}); err != nil {
		return fmt.Errorf("put bucket policy: %w", err)
	}
	trails := cloudtrail.NewFromConfig(cfg)
	if _, err := trails.CreateTrail(ctx, &cloudtrail.CreateTrailInput{
		Name: &name, S3BucketName: &bucket, IsMultiRegionTrail: aws.Bool(true), IncludeGlobalServiceEvents: aws.Bool(true),
		EnableLogFileValidation: aws.Bool(true),
		TagsList:                []trailtypes.Tag{{Key: aws.String("protected"), Value: aws.String("yes")}},
	}); err != nil {
		return fmt.Errorf("create trail: %w", err)
	}
	if _, err := trails.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: &name}); err != nil {
		return fmt.Errorf("start logging: %w", err)
	}
	s.world.Advance(10 * time.Minute) // until all of this has gone by and the trail delivers
	return nil
}

// topic makes the SNS topic with its two readers.
func (s *stage) topic(ctx context.Context, cfg aws.Config) (string, error) {
	api := sns.NewFromConfig(cfg)
	made, err := api.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("trailwarden")})
	if err != nil {
		return "", fmt.Errorf("create topic: %w", err)
	}
	for _, reader := range []struct{ protocol, address string }{{"email", demoReader}, {"email-json", demoMachine}} {
		if _, err := api.Subscribe(ctx, &sns.SubscribeInput{TopicArn: made.TopicArn, Protocol: &reader.protocol, Endpoint: &reader.address}); err != nil {
			return "", fmt.Errorf("subscribe: %w", err)
		}
	}
	return *made.TopicArn, nil
}

// deploy puts trailwarden behind a rule, as its Lambda function would be.
func (s *stage) deploy(ctx context.Context, cfg aws.Config, topic string) error {
	ours := s.config(s.world.Account(demoAccount).Role("trailwarden", "react"), "lambda.amazonaws.com")
	e, err := engine.New(ours, engine.Options{
		Accounts: []string{demoAccount}, Version: version, Now: s.world.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return err
	}
	told, err := channels.Open(channels.Options{Config: config.Config{SNS: config.SNS{TopicARN: topic}}, AWS: ours, Version: version, Now: s.world.Now})
	if err != nil {
		return err
	}
	e.Channels = append(told, notify.Channel{Name: "demo", Notifier: s})
	function := s.world.Function(demoAccount, demoRegion, "trailwarden", func(ctx context.Context, payload []byte) ([]byte, error) {
		return e.Invoke(ctx, payload)
	})
	rules := eventbridge.NewFromConfig(cfg)
	if _, err := rules.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("trailwarden"), EventPattern: aws.String(watched)}); err != nil {
		return fmt.Errorf("put rule: %w", err)
	}
	if _, err := rules.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("trailwarden"), Targets: []eventtypes.Target{
		{Id: aws.String("function"), Arn: &function},
	}}); err != nil {
		return fmt.Errorf("put targets: %w", err)
	}
	return nil
}

// mallorysBucket is where the decoy trail delivers to: another account's bucket, open to any trail.
func (s *stage) mallorysBucket(ctx context.Context) error {
	const bucket = "mallory-drop"
	api := s3.NewFromConfig(s.config(s.world.Account("666666666666").User("mallory"), "203.0.113.66"), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := api.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: demoRegion,
	}}); err != nil {
		return fmt.Errorf("create bucket: %w", err)
	}
	decoy := mainTrail
	decoy.Name = "decoy"
	_, err := api.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{
		Bucket: aws.String(bucket), Policy: aws.String(sim.CloudTrailBucketPolicy(bucket, decoy.String())),
	})
	return err
}
