package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/trailwarden/trailwarden/internal/notify"
	notifysns "github.com/trailwarden/trailwarden/internal/notify/sns"
	"github.com/trailwarden/trailwarden/internal/sim"
)

// account is an AWS account that the tests work in, simulated by us or by moto: a trail that is logging, and a topic with
// a queue behind it.
type account struct {
	id       string
	attacker aws.Config
	ours     aws.Config
	topic    string
	queue    string
	world    *sim.World // nil on moto
}

const region = "eu-central-1"

func (a account) trail() string {
	return "arn:aws:cloudtrail:" + region + ":" + a.id + ":trail/main"
}

// onSim is an account of a simulated AWS on a clock that stands still but for what the test does.
func onSim(t *testing.T, o sim.Options) account {
	t.Helper()
	if o.Start.IsZero() {
		o.Start = time.Now().Add(-10 * time.Minute)
	}
	world := sim.New(o)
	config := func(c sim.Credentials) aws.Config {
		return aws.Config{
			Region: region, HTTPClient: &http.Client{Transport: world.Transport()}, BaseEndpoint: aws.String("http://sim.invalid"),
			Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
			Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
		}
	}
	a := account{
		id: "111122223333", world: world,
		attacker: config(world.Account("111122223333").User("mallory")),
		ours:     config(world.Account("111122223333").Role("trailwarden", "react")),
	}
	a.furnish(t)
	world.Advance(time.Minute)
	return a
}

// onMoto is an account of a moto server, or skips the test where there is none.
func onMoto(t *testing.T) account {
	t.Helper()
	if _, err := exec.LookPath("moto_server"); err != nil {
		t.Skip("NOT PROVEN HERE: that the engine repairs on an AWS that others simulate, for moto_server is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	server := exec.Command("moto_server", "-H", "127.0.0.1", "-p", fmt.Sprint(port))
	var output bytes.Buffer
	server.Stdout, server.Stderr = &output, &output
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	for up := false; !up; {
		if res, err := http.Get(url + "/moto-api/"); err == nil {
			res.Body.Close()
			up = true
		} else if server.ProcessState != nil {
			t.Fatalf("moto_server ended:\n%s", output.String())
		}
	}
	cfg := aws.Config{
		Region: region, BaseEndpoint: &url, HTTPClient: &http.Client{Transport: byName{http.DefaultTransport}},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
	a := account{id: "123456789012", attacker: cfg, ours: cfg}
	a.furnish(t)
	return a
}

// byName undoes one deviation of moto 5.2.1 from AWS: it answers 500 to StartLogging and StopLogging by ARN.
type byName struct{ http.RoundTripper }

func (b byName) RoundTrip(r *http.Request) (*http.Response, error) {
	if target := r.Header.Get("X-Amz-Target"); strings.HasSuffix(target, ".StartLogging") || strings.HasSuffix(target, ".StopLogging") {
		var in struct{ Name string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			return nil, err
		}
		in.Name = in.Name[strings.LastIndex(in.Name, "/")+1:]
		body, _ := json.Marshal(in)
		r = r.Clone(r.Context())
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	return b.RoundTripper.RoundTrip(r)
}

// furnish makes bucket, trail, topic and queue.
func (a *account) furnish(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a.addTrail(t, "main")

	topics, queues := sns.NewFromConfig(a.attacker), sqs.NewFromConfig(a.attacker)
	topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("alerts")})
	must(err)
	queue, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("consumer")})
	must(err)
	a.topic, a.queue = *topic.TopicArn, *queue.QueueUrl
	_, err = topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"),
		Endpoint: aws.String("arn:aws:sqs:" + region + ":" + a.id + ":consumer")})
	must(err)
}

// addTrail makes a trail with a bucket of its own, and starts it.
func (a account) addTrail(t *testing.T, name string) {
	t.Helper()
	ctx, bucket := t.Context(), aws.String(name+"-audit-logs")
	arn := strings.Replace(a.trail(), "trail/main", "trail/"+name, 1)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	buckets := s3.NewFromConfig(a.attacker, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}})
	must(err)
	_, err = buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(sim.CloudTrailBucketPolicy(*bucket, arn))})
	must(err)
	trails := cloudtrail.NewFromConfig(a.attacker)
	_, err = trails.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: &name, S3BucketName: bucket})
	must(err)
	_, err = trails.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: &name})
	must(err)
}

// engine is ours, on this account.
func (a account) engine(t *testing.T, change ...func(*Options)) *Engine {
	t.Helper()
	o := Options{Accounts: []string{a.id}, Channels: toldBy(a.ours, a.topic), Version: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if a.world != nil {
		o.Now = a.world.Now
	}
	for _, c := range change {
		c(&o)
	}
	e, err := New(a.ours, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// toldBy opens a topic.
func toldBy(cfg aws.Config, topic string) func(*Engine) ([]notify.Channel, error) {
	return func(*Engine) ([]notify.Channel, error) {
		c, err := notifysns.Open(cfg, topic)
		if err != nil {
			return nil, err
		}
		return []notify.Channel{{Name: "sns", Notifier: c}}, nil
	}
}

// stop stops the trail as the attacker would, named as given, and returns the event that tells of it.
func (a account) stop(t *testing.T, named string) []byte {
	t.Helper()
	if _, err := cloudtrail.NewFromConfig(a.attacker).StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: &named}); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	if a.world != nil {
		at = a.world.Now()
	}
	return a.event("StopLogging", named, at)
}

// event is the EventBridge event of a call on a trail.
func (a account) event(name, trail string, at time.Time, change ...func(envelope, record map[string]any)) []byte {
	record := map[string]any{
		"eventVersion": "1.11", "eventID": fmt.Sprintf("event-%s-%s-%d", name, trail, at.UnixNano()), "eventName": name,
		"eventSource": "cloudtrail.amazonaws.com", "eventTime": at.UTC().Format(time.RFC3339), "awsRegion": region,
		"recipientAccountId": a.id, "requestID": "theirs", "requestParameters": map[string]any{"name": trail},
		"userIdentity": map[string]any{"type": "IAMUser", "arn": "arn:aws:iam::" + a.id + ":user/mallory", "accountId": a.id},
	}
	envelope := map[string]any{
		"version": "0", "id": "delivery", "detail-type": "AWS API Call via CloudTrail", "source": "aws.cloudtrail",
		"account": a.id, "region": region, "time": at.UTC().Format(time.RFC3339), "detail": record,
	}
	for _, c := range change {
		c(envelope, record)
	}
	data, err := json.Marshal(envelope)
	if err != nil {
		panic(err)
	}
	return data
}

// logging asks AWS whether the trail is logging.
func (a account) logging(t *testing.T) bool {
	t.Helper()
	out, err := cloudtrail.NewFromConfig(a.attacker).GetTrailStatus(t.Context(), &cloudtrail.GetTrailStatusInput{Name: aws.String(a.trail())})
	if err != nil {
		t.Fatal(err)
	}
	return *out.IsLogging
}

// message is what a consumer of the topic receives.
type message struct {
	Subject string
	Machine struct {
		Detail struct {
			EventName string `json:"eventName"`
		} `json:"detail"`
		Incident struct {
			ID       string `json:"id"`
			Outcome  string `json:"outcome"`
			Reason   string `json:"reason"`
			Severity string `json:"severity"`
		} `json:"trailwarden"`
	}
}

// received empties the queue.
func (a account) received(t *testing.T) []message {
	t.Helper()
	api := sqs.NewFromConfig(a.attacker)
	var all []message
	for {
		out, err := api.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &a.queue, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			all = append(all, parse(t, m))
			if _, err := api.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &a.queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func parse(t *testing.T, m sqstypes.Message) message {
	t.Helper()
	var envelope struct{ Subject, Message string }
	var out message
	if err := json.Unmarshal([]byte(*m.Body), &envelope); err != nil {
		t.Fatal(err)
	}
	out.Subject = envelope.Subject
	if err := json.Unmarshal([]byte(envelope.Message), &out.Machine); err != nil {
		t.Fatalf("%v in %s", err, envelope.Message)
	}
	return out
}

// only wants exactly one message, with this outcome.
func (a account) only(t *testing.T, outcome string) message {
	t.Helper()
	got := a.received(t)
	if len(got) != 1 || got[0].Machine.Incident.Outcome != outcome {
		t.Fatalf("got %d messages %+v, want one with outcome %s", len(got), got, outcome)
	}
	return got[0]
}
