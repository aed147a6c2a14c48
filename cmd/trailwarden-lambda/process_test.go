package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/sim/runtimeapi"
	"github.com/trailwarden/trailwarden/internal/trail"
)

const (
	region  = "eu-central-1"
	account = "111122223333"
	reader  = "security@example.com"
)

// deployed is the built function as a process, under Lambda's Runtime API, on a simulated AWS.
type deployed struct {
	world  *sim.World
	api    *runtimeapi.Server
	output *lockedBuffer
	exited chan struct{}
	admin  aws.Config
}

// deploy prepares an account and starts the binary in it.
func deploy(t *testing.T, binary string, environment ...string) *deployed {
	t.Helper()
	d := prepare(t)
	d.start(t, binary, environment...)
	return d
}

// prepare makes an account with a trail that is logging, and a topic that somebody reads.
func prepare(t *testing.T) *deployed {
	t.Helper()
	d := &deployed{
		world:  sim.New(sim.Options{Clock: time.Now, ConfirmedEmail: true}),
		api:    &runtimeapi.Server{FunctionARN: "arn:aws:lambda:" + region + ":" + account + ":function:trailwarden", Timeout: 20 * time.Second},
		output: &lockedBuffer{}, exited: make(chan struct{}),
	}
	cloud := httptest.NewServer(d.world)
	t.Cleanup(cloud.Close)
	admin := d.world.Account(account).Role("platform", "terraform")
	d.admin = aws.Config{
		Region: region, BaseEndpoint: &cloud.URL, HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider(admin.AccessKeyID, admin.SecretAccessKey, admin.SessionToken),
	}
	d.furnish(t)
	return d
}

// start starts the binary. The environment is what Lambda sets, and what the test adds.
func (d *deployed) start(t *testing.T, binary string, environment ...string) {
	t.Helper()
	lambda := httptest.NewServer(d.api)
	t.Cleanup(lambda.Close)
	ours := d.world.Account(account).Role("trailwarden", "react")
	cmd := exec.Command(binary)
	cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(lambda.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=trailwarden",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "AWS_REGION=" + region, "AWS_ENDPOINT_URL=" + *d.admin.BaseEndpoint,
		"AWS_ACCESS_KEY_ID=" + ours.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + ours.SecretAccessKey, "AWS_SESSION_TOKEN=" + ours.SessionToken,
		"SNSARN=arn:aws:sns:" + region + ":" + account + ":alerts",
	}, environment...)
	cmd.Stdout, cmd.Stderr = d.output, d.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { cmd.Wait(); close(d.exited) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-d.exited })
}

// another starts one more process of the function in the same account.
func (d *deployed) another(t *testing.T, binary string, environment ...string) *deployed {
	t.Helper()
	p := &deployed{world: d.world, admin: d.admin, output: &lockedBuffer{}, exited: make(chan struct{}),
		api: &runtimeapi.Server{FunctionARN: d.api.FunctionARN, Timeout: time.Minute}}
	p.start(t, binary, environment...)
	return p
}

// logged says whether the process has written a text. Its answer comes another way than its log, which may be the slower one.
func (d *deployed) logged(text string) bool {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if said := strings.Contains(d.output.String(), text); said || time.Now().After(end) {
			return said
		}
	}
}

// furnish makes a trail that is logging, and a topic that somebody reads.
func (d *deployed) furnish(t *testing.T) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	buckets := s3.NewFromConfig(d.admin, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("logs-of-main"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}})
	must(err)
	_, err = buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("logs-of-main"),
		Policy: aws.String(sim.CloudTrailBucketPolicy("logs-of-main", trailARN))})
	must(err)
	trails := cloudtrail.NewFromConfig(d.admin)
	_, err = trails.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs-of-main")})
	must(err)
	_, err = trails.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: aws.String("main")})
	must(err)
	topics := sns.NewFromConfig(d.admin)
	topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("alerts")})
	must(err)
	_, err = topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("email"), Endpoint: aws.String(reader)})
	must(err)
}

const trailARN = "arn:aws:cloudtrail:" + region + ":" + account + ":trail/main"

// stop stops the trail, and returns the event that tells of it.
func (d *deployed) stop(t *testing.T) string {
	t.Helper()
	if _, err := cloudtrail.NewFromConfig(d.admin).StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: aws.String("main")}); err != nil {
		t.Fatal(err)
	}
	return event("StopLogging", d.world.Now())
}

func event(name string, at time.Time) string {
	return fmt.Sprintf(`{"version":"0","id":"delivery-%[2]d","detail-type":"AWS API Call via CloudTrail","source":"aws.cloudtrail",
		"account":%[4]q,"region":%[5]q,"time":%[3]q,"resources":[],"detail":{"eventVersion":"1.11","eventID":"event-%[2]d",
		"eventName":%[1]q,"eventSource":"cloudtrail.amazonaws.com","eventTime":%[3]q,"awsRegion":%[5]q,"recipientAccountId":%[4]q,
		"requestID":"theirs","requestParameters":{"name":"main"},"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%[4]s:user/mallory"}}}`,
		name, at.UnixNano(), at.UTC().Format(time.RFC3339), account, region)
}

func sqsBatch(bodies ...string) string {
	var records []string
	for i, body := range bodies {
		record, _ := json.Marshal(map[string]string{"messageId": fmt.Sprintf("message-%d", i+1), "eventSource": "aws:sqs", "body": body})
		records = append(records, string(record))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

// invoke hands out an event and waits for the answer.
func (d *deployed) invoke(t *testing.T, payload string) runtimeapi.Answer {
	t.Helper()
	select {
	case a := <-d.api.Invoke([]byte(payload)):
		return a
	case <-d.exited:
		t.Fatalf("the process ended:\n%s", d.output)
	case <-time.After(30 * time.Second):
		t.Fatalf("no answer within 30 s:\n%s", d.output)
	}
	return runtimeapi.Answer{}
}

func (d *deployed) logging(t *testing.T) bool {
	t.Helper()
	v, ok := d.world.Trail(trailARN)
	return ok && v.Logging
}

// mailed waits for a mail to be delivered that has text in it: SNS delivers by itself.
func (d *deployed) mailed(text string) bool {
	for _, m := range d.mail() {
		if strings.Contains(m.Subject+m.Body, text) {
			return true
		}
	}
	return false
}

func (d *deployed) mail() []sim.Mail {
	d.world.Deliver()
	return d.world.Mailbox(reader)
}

// TestProcess runs the binary that is deployed, built as `make lambda` builds it.
func TestProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the built Lambda binary starts stopped trails and tells people")
	}
	binary := buildBinary(t)

	t.Run("cold start, event, and again warm", func(t *testing.T) {
		d := deploy(t, binary)
		for range 2 {
			if a := d.invoke(t, d.stop(t)); a.Failed {
				t.Fatalf("failed: %s\n%s", a.Body, d.output)
			}
			if !d.logging(t) {
				t.Fatal("the trail is not logging")
			}
			d.world.Advance(time.Second) // the next stop is another one
		}
		if len(d.mail()) != 2 || !d.mailed("repaired") {
			t.Errorf("mails %+v", d.mail())
		}
		first, second := d.logLine(t, "incident", 0), d.logLine(t, "incident", 1)
		for _, key := range []string{"level", "location", "message", "timestamp", "service", "cold_start", "function_name",
			"function_memory_size", "function_arn", "function_request_id", "xray_trace_id", "correlation_id"} {
			if _, ok := first[key]; !ok {
				t.Errorf("the log line has no %s: %v", key, first)
			}
		}
		if first["cold_start"] != true || second["cold_start"] != false {
			t.Errorf("cold_start is %v, then %v", first["cold_start"], second["cold_start"])
		}
	})
	t.Run("handler error", func(t *testing.T) {
		d := deploy(t, binary)
		allow := d.world.Deny("*trailwarden*", "cloudtrail:StartLogging")
		event := d.stop(t)
		a := d.invoke(t, event)
		if !a.Failed || !strings.Contains(string(a.Body), "AccessDenied") || !d.mailed("allow cloudtrail:StartLogging") {
			t.Errorf("answer %s, mails %+v", a.Body, d.mail())
		}
		allow()
		if a := d.invoke(t, event); a.Failed || !d.logging(t) || !d.mailed("repaired") {
			t.Errorf("invoked again: %s, logging %t", a.Body, d.logging(t))
		}
	})
	t.Run("SQS batch with one bad record", func(t *testing.T) {
		d := deploy(t, binary)
		a := d.invoke(t, sqsBatch(d.stop(t), "garbage", event("UpdateTrail", d.world.Now())))
		if got, want := string(a.Body), `{"batchItemFailures":[{"itemIdentifier":"message-2"}]}`; got != want || !d.logging(t) {
			t.Errorf("answer %s, want %s; logging %t", got, want, d.logging(t))
		}
	})
	t.Run("sweep", func(t *testing.T) {
		d := deploy(t, binary)
		d.stop(t)
		if a := d.invoke(t, `{"sweep":true}`); a.Failed || !d.mailed("stopped") || d.logging(t) {
			t.Errorf("answer %s, logging %t, mails %+v", a.Body, d.logging(t), d.mail())
		}
	})
	t.Run("pinned", func(t *testing.T) {
		d, root := prepare(t), t.TempDir()
		arn, err := trail.ParseARN(trailARN)
		if err != nil {
			t.Fatal(err)
		}
		state, err := (&cloud.Client{Config: d.admin}).Read(t.Context(), arn)
		if err != nil {
			t.Fatal(err)
		}
		pinned, _ := json.Marshal(baseline.File{Version: baseline.Version}.Capture([]trail.State{state}, trail.Groups(), time.Now(), "a test"))
		if err := os.WriteFile(filepath.Join(root, "trailwarden.baseline.json"), pinned, 0o600); err != nil {
			t.Fatal(err)
		}
		d.start(t, binary, "LAMBDA_TASK_ROOT="+root, "TRAILWARDEN_BASELINE=trailwarden.baseline.json")
		if _, err := cloudtrail.NewFromConfig(d.admin).UpdateTrail(t.Context(), &cloudtrail.UpdateTrailInput{
			Name: aws.String("main"), IncludeGlobalServiceEvents: aws.Bool(false)}); err != nil {
			t.Fatal(err)
		}
		d.stop(t)
		a := d.invoke(t, `{"sweep":true}`)
		if v, _ := d.world.Trail(trailARN); a.Failed || !v.Logging || !v.Global || !d.mailed("repaired") {
			t.Errorf("answer %s, trail %+v, mails %+v\n%s", a.Body, v, d.mail(), d.output)
		}
	})
	t.Run("pinned, and the baseline is gone", func(t *testing.T) {
		d := deploy(t, binary, "LAMBDA_TASK_ROOT="+t.TempDir(), "TRAILWARDEN_BASELINE=trailwarden.baseline.json")
		if a := d.invoke(t, `{"sweep":true}`); a.Failed || !d.mailed("baseline cannot be used") {
			t.Errorf("answer %s, mails %+v", a.Body, d.mail())
		}
		if a := d.invoke(t, d.stop(t)); a.Failed || d.logging(t) || !d.mailed("StopLogging") {
			t.Errorf("answer %s, logging %t: nothing is to be repaired, and everything told: %+v", a.Body, d.logging(t), d.mail())
		}
	})
	for name, environment := range map[string]string{"SNSARN missing": "SNSARN=", "SNSARN malformed": "SNSARN=my topic"} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t, binary, environment)
			if a := d.invoke(t, d.stop(t)); a.Failed || !d.logging(t) {
				t.Errorf("answer %s, logging %t", a.Body, d.logging(t))
			}
			if !d.logged("SNSARN") || !d.logged(`"level":"ERROR"`) {
				t.Errorf("the log does not say what to do:\n%s", d.output)
			}
		})
	}
	t.Run("no credentials", func(t *testing.T) {
		d := deploy(t, binary, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_EC2_METADATA_DISABLED=true")
		if a := d.invoke(t, d.stop(t)); !a.Failed || !d.logged("check the AWS credentials") {
			t.Errorf("answer %s\n%s", a.Body, d.output)
		}
	})
}

// TestPanic runs a binary that was built with a fault in it: it panics on one call.
func TestPanic(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that a panic in the built binary costs one message of a batch and not the process")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(root, "internal", "guard", "own.go")
	code, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	const where = "func sameRole(self string, a event.Actor) bool {\n"
	if !bytes.Contains(code, []byte(where)) {
		t.Fatal("the place for the fault is gone: put it elsewhere")
	}
	dir := t.TempDir()
	faulty := filepath.Join(dir, "own.go")
	if err := os.WriteFile(faulty, bytes.Replace(code, []byte(where), []byte(where+"\tpanic(\"a fault of the test\")\n"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, _ := json.Marshal(map[string]map[string]string{"Replace": {source: faulty}})
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	d := deploy(t, buildBinary(t, "-overlay", file))
	panics := event("StartLogging", d.world.Now())
	a := d.invoke(t, sqsBatch(panics, d.stop(t)))
	if got, want := string(a.Body), `{"batchItemFailures":[{"itemIdentifier":"message-1"}]}`; got != want || !d.logging(t) {
		t.Errorf("answer %s, want %s; logging %t\n%s", got, want, d.logging(t), d.output)
	}
	if a := d.invoke(t, d.stop(t)); a.Failed || !d.logging(t) {
		t.Errorf("after the panic: %s", a.Body)
	}
}

// buildBinary builds the function as `make lambda` does, for this machine.
func buildBinary(t *testing.T, flags ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.Command("go", append(append([]string{"build", "-tags", "lambda.norpc", "-trimpath", "-o", binary}, flags...), ".")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// TestNoStopInBinary: no call that stops or deletes a trail is in the Lambda binary: neither the SDK's methods, nor the names that
// requests have on the wire.
func TestNoStopInBinary(t *testing.T) {
	binary := buildBinary(t)
	symbols, err := exec.Command("go", "tool", "nm", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(symbols, []byte("cloudtrail.(*Client).UpdateTrail")) || !bytes.Contains(content, []byte("CloudTrail_20131101.StartLogging")) {
		t.Fatal("not even UpdateTrail and StartLogging are there: does this test read the binary rightly?")
	}
	for _, forbidden := range []string{"StopLogging", "DeleteTrail"} {
		for line := range strings.Lines(string(symbols)) {
			if strings.Contains(line, "service/cloudtrail.") && strings.Contains(line, forbidden) {
				t.Errorf("the binary holds %s", strings.TrimSpace(line))
			}
		}
		if bytes.Contains(content, []byte("CloudTrail_20131101."+forbidden)) {
			t.Errorf("the binary holds a request %s", forbidden)
		}
	}
}

// logLine is the n-th JSON log line with this message.
func (d *deployed) logLine(t *testing.T, message string, n int) map[string]any {
	t.Helper()
	for line := range strings.Lines(d.output.String()) {
		var l map[string]any
		if json.Unmarshal([]byte(line), &l) != nil {
			t.Fatalf("not a JSON line: %s", line)
		}
		if l["message"] != message {
			continue
		}
		if n == 0 {
			return l
		}
		n--
	}
	t.Fatalf("no line %q in\n%s", message, d.output)
	return nil
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
