package daemon

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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

	"github.com/trailwarden/trailwarden/internal/sim"
)

// TestSIGKILL kills the built binary at random moments, while somebody stops its trail again and again, and a simulated AWS in
// another process goes on. Then it may live: the trail is to be logging, the ledger whole, everything told, and the queue empty.
func TestSIGKILL(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the built daemon loses nothing under SIGKILL; it is killed twenty times")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "trailwarden")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/trailwarden").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	env := append(os.Environ(), "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION="+region, "TRAILWARDEN_NOTIFY_STDOUT=json",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	world := exec.Command(binary, "simulate", "--listen", "127.0.0.1:0")
	lines := must(world.StdoutPipe())
	if err := world.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Process.Kill(); world.Wait() })
	url := strings.TrimSpace(must(bufio.NewReader(lines).ReadString('\n')))
	cfg := aws.Config{Region: region, BaseEndpoint: &url, HTTPClient: http.DefaultClient, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")}
	ctx, bucket := t.Context(), aws.String("main-audit-logs")
	buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	must(buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	must(buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(sim.CloudTrailBucketPolicy(*bucket, arnOf("main").String()))}))
	trails, queues, rules := cloudtrail.NewFromConfig(cfg), sqs.NewFromConfig(cfg), eventbridge.NewFromConfig(cfg)
	name := aws.String("main")
	must(trails.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: name, S3BucketName: bucket}))
	must(trails.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: name}))
	queue := *must(queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("trailwarden"), Attributes: map[string]string{"VisibilityTimeout": "5"}})).QueueUrl
	must(rules.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("trailwarden"), EventPattern: aws.String(`{"source":["aws.cloudtrail"]}`)}))
	must(rules.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("trailwarden"),
		Targets: []eventtypes.Target{{Id: aws.String("queue"), Arn: aws.String("arn:aws:sqs:" + region + ":" + account + ":trailwarden")}}}))

	run := func(args ...string) *exec.Cmd {
		c := exec.Command(binary, append(args, "--ledger", filepath.Join(dir, "trailwarden.db"), "--baseline", filepath.Join(dir, "baseline.yaml"))...)
		c.Env, c.Dir = env, dir
		return c
	}
	capture := exec.Command(binary, "baseline", "capture", "--endpoint-url", url, "--out", filepath.Join(dir, "baseline.yaml"), "--history", "0", "--force")
	capture.Env, capture.Dir = env, dir
	if out, err := capture.CombinedOutput(); err != nil {
		t.Logf("baseline capture: %v\n%s", err, out)
	}
	var told, said bytes.Buffer
	watch := func() *exec.Cmd {
		c := run("watch", "--endpoint-url", url, "--queue-url", queue, "--sweep", "10s")
		c.Stdout, c.Stderr = &told, &said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0)) // the moments are chance in any case: they are of other processes
	const kills = 20
	for range kills {
		c := watch()
		must(trails.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: name}))
		time.Sleep(time.Duration(100+rng.IntN(1500)) * time.Millisecond)
		c.Process.Kill()
		c.Wait()
	}
	must(trails.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: name}))
	last := watch()
	defer func() { last.Process.Kill(); last.Wait() }()
	well := func() string {
		if !*must(trails.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: name})).IsLogging {
			return "the trail is not logging"
		}
		if n := depth(t, queues, queue); n > 0 {
			return fmt.Sprintf("%d messages are in the queue", n)
		}
		return ""
	}
	problem := "not looked at"
	for end := time.Now().Add(time.Minute); problem != "" && time.Now().Before(end); time.Sleep(time.Second) {
		problem = well()
	}
	if problem != "" {
		t.Errorf("%s after %d kills\n%s", problem, kills, tail(said.String()))
	}
	time.Sleep(10 * time.Second) // what waits to be told
	if err := last.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	last.Wait()
	offline := func(args ...string) []byte {
		c := exec.Command(binary, append(args, "--ledger", filepath.Join(dir, "trailwarden.db"))...)
		c.Env, c.Dir = env, dir
		var errs bytes.Buffer
		c.Stderr = &errs
		out, err := c.Output()
		if err != nil {
			t.Errorf("%v: %v\n%s%s", args, err, out, errs.String())
		}
		return out
	}
	offline("incidents", "verify")
	var listed []struct {
		ID      string `json:"id"`
		Outcome string `json:"outcome"`
	}
	list := offline("incidents", "list", "-o", "json")
	if err := json.Unmarshal(list, &listed); err != nil {
		var wrapped struct{ Incidents json.RawMessage }
		if json.Unmarshal(list, &wrapped) != nil || json.Unmarshal(wrapped.Incidents, &listed) != nil {
			t.Fatalf("list: %v in %s", err, list)
		}
	}
	if len(listed) == 0 {
		t.Error("the ledger holds no incident")
	}
	for _, inc := range listed {
		if slices.Contains([]string{"open", "failed"}, inc.Outcome) {
			t.Errorf("%s is still %s", inc.ID, inc.Outcome)
		}
		if !strings.Contains(told.String(), inc.ID) {
			t.Errorf("%s was never told", inc.ID)
		}
	}
	t.Logf("%d kills, %d incidents", kills, len(listed))
}

func depth(t *testing.T, api *sqs.Client, queue string) int {
	r := &rig{t: t, queues: api, queue: queue}
	return r.inQueue()
}

func tail(text string) string { return text[max(0, len(text)-3000):] }
