package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/archive/page"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/sim/runtimeapi"
)

const (
	region  = "eu-central-1"
	account = "111122223333"
)

// deployed is the built function under Lambda's Runtime API, with a simulated S3. Objects whose keys have "slow" in them
// come only when patience is closed.
type deployed struct {
	api      *runtimeapi.Server
	s3       *s3.Client
	patience chan struct{}
	output   *os.File
}

func deploy(t *testing.T, timeout time.Duration) *deployed {
	t.Helper()
	world := sim.New(sim.Options{Clock: time.Now})
	patience := make(chan struct{})
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "slow") {
			select {
			case <-patience:
			case <-r.Context().Done():
				return
			}
		}
		world.ServeHTTP(w, r)
	}))
	t.Cleanup(cloud.Close)
	owner := world.Account(account).Role("platform", "terraform")
	ours := world.Account(account).Role("trailwarden", "scan")
	if err := world.Account(account).Restrict("trailwarden", sim.Identity{Policies: []string{functionPolicy(t)}}); err != nil {
		t.Fatal(err)
	}
	d := deployAt(t, cloud.URL, timeout, owner, ours)
	d.patience = patience
	return d
}

// deployAt makes the buckets at an endpoint, as their owner, and starts the built function.
func deployAt(t *testing.T, endpoint string, timeout time.Duration, owner, ours sim.Credentials) *deployed {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	d := &deployed{api: &runtimeapi.Server{FunctionARN: "arn:aws:lambda:" + region + ":" + account + ":function:scan", Timeout: timeout}}
	lambda := httptest.NewServer(d.api)
	t.Cleanup(lambda.Close)
	d.s3 = s3.NewFromConfig(aws.Config{Region: region, BaseEndpoint: &endpoint, HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider(owner.AccessKeyID, owner.SecretAccessKey, owner.SessionToken)}, func(o *s3.Options) { o.UsePathStyle = true })
	for _, name := range []string{"logs", "results"} {
		if _, err := d.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name,
			CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if d.output, err = os.Create(filepath.Join(dir, "output")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(lambda.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=scan", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
		"AWS_REGION=" + region, "AWS_ENDPOINT_URL=" + endpoint, "AWS_ACCESS_KEY_ID=" + ours.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + ours.SecretAccessKey,
		"AWS_SESSION_TOKEN=" + ours.SessionToken, "TRAILWARDEN_SCAN_LOGS=logs", "TRAILWARDEN_SCAN_RESULTS=results",
	}
	cmd.Stdout, cmd.Stderr = d.output, d.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); d.output.Close() })
	return d
}

func (d *deployed) put(t *testing.T, bucket, key, text string) {
	t.Helper()
	if _, err := d.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(text)}); err != nil {
		t.Fatal(err)
	}
}

func (d *deployed) get(t *testing.T, key string) []byte {
	t.Helper()
	out, err := d.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("results"), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// invoke hands out an event, and reads the answer into a value.
func (d *deployed) invoke(t *testing.T, event string, answer any) {
	t.Helper()
	select {
	case a := <-d.api.Invoke([]byte(event)):
		if a.Failed {
			t.Fatalf("%s", a.Body)
		}
		if err := json.Unmarshal(a.Body, answer); err != nil {
			t.Fatal(err)
		}
	case <-time.After(60 * time.Second):
		text, _ := os.ReadFile(d.output.Name())
		t.Fatalf("no answer:\n%s", text)
	}
}

func record(id, name string, at string) string {
	return fmt.Sprintf(`{"Records":[{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/mallory"},"eventTime":%q,
		"eventSource":"cloudtrail.amazonaws.com","eventName":%q,"awsRegion":"eu-central-1","requestParameters":{"name":"main"},"eventID":%q,"recipientAccountId":"111122223333"}]}`, at, name, id)
}

// TestBuiltFunction plays a job through the built binary as the state machine does: two batches, a worker whose time is
// over and that is called again, a damaged and a missing object, and the merge.
func TestBuiltFunction(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the built scanner does a job under the Runtime API")
	}
	d := deploy(t, 5*time.Second)
	d.put(t, "logs", "AWSLogs/a.json", record("stop", "StopLogging", "2026-01-02T12:00:00Z"))
	d.put(t, "logs", "AWSLogs/b.slow.json", record("start", "StartLogging", "2026-01-02T12:10:00Z"))
	// Large enough to be read in pieces, and as large as the simulated S3 takes it.
	large := record("delete", "DeleteTrail", "2026-01-02T13:00:00Z")
	d.put(t, "logs", "AWSLogs/c.json", large+strings.Repeat(" ", 16<<20-len(large)))
	d.put(t, "logs", "AWSLogs/d.json", `{"Records":[{"eventVersion"`)
	first := `{"BatchInput":{"job":"run-1","since":""},"Items":[{"Key":"AWSLogs/a.json","Size":400,"Etag":"\"x\"","LastModified":1767355200,"StorageClass":"STANDARD"},{"Key":"AWSLogs/b.slow.json","Size":400}]}`
	second := `{"BatchInput":{"job":"run-1","since":""},"Items":[{"Key":"AWSLogs/c.json","Size":16777216},{"Key":"AWSLogs/d.json","Size":27},{"Key":"AWSLogs/gone.json","Size":9}]}`

	var a, again, b scanned
	d.invoke(t, first, &a)
	if a.Read != 1 || a.Left != 1 || a.Findings != 1 {
		t.Fatalf("the time was over with one object to go: %+v", a)
	}
	var part archive.Part
	if err := json.Unmarshal(d.get(t, a.Part), &part); err != nil || len(part.Left) != 1 || part.Left[0].File != "s3://logs/AWSLogs/b.slow.json" {
		t.Fatalf("%+v, %v", part.Left, err)
	}
	close(d.patience)
	d.invoke(t, first, &again)
	if again.Part != a.Part || again.Read != 1 || again.Left != 0 || again.Findings != 2 {
		t.Fatalf("the second attempt goes on, and replaces the result: %+v", again)
	}
	d.invoke(t, second, &b)
	if b.Left != 0 || b.Damaged != 2 || b.Findings != 1 {
		t.Fatalf("%+v", b)
	}
	d.put(t, "results", "runs/run-1/map/x/manifest.json", `{"DestinationBucket":"results","MapRunArn":"x","ResultFiles":{"FAILED":[],"PENDING":[],"SUCCEEDED":[]}}`)
	var m merged
	d.invoke(t, `{"merge":{"job":"run-1","map":{"MapRunArn":"x","ResultWriterDetails":{"Bucket":"results","Key":"runs/run-1/map/x/manifest.json"}}}}`, &m)
	if m.Findings != 3 || m.Windows != 2 || m.Damaged != 2 || m.Left != 0 || m.Report != "s3://results/runs/run-1/report.html" {
		t.Fatalf("%+v", m)
	}
	var document page.Document
	if err := json.Unmarshal(d.get(t, "runs/run-1/report.json"), &document); err != nil || len(document.Windows) != 2 || document.Windows[0].To == nil || document.Interrupted {
		t.Errorf("%+v, %v", document, err)
	}
	if lines := strings.Count(string(d.get(t, "runs/run-1/findings.jsonl")), "\n"); lines != 3+2+2 {
		t.Errorf("%d lines", lines)
	}
	if html := string(d.get(t, "runs/run-1/report.html")); !strings.Contains(html, "<svg") || strings.Contains(html, "did not come to its end") {
		t.Error("the page is not one of a whole scan")
	}
}
