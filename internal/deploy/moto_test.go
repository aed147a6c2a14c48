package deploy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/trailwarden/trailwarden/internal/sim"
)

// moto is an AWS that others simulate, as a server of this test, seen from one account and Region.
type moto struct {
	url             string
	account, region string
	admin           aws.Config // of an administrator
}

const (
	motoAccount   = "123456789012"
	iamRegion     = "us-east-1"     // where IAM's events appear
	administrator = "administrator" // role that in makes sessions of
)

func startMoto(t *testing.T) moto {
	t.Helper()
	if _, err := exec.LookPath("moto_server"); err != nil {
		t.Skip("NOT PROVEN HERE: that what is deployed works on an AWS that others simulate, for moto_server is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	server := exec.Command("moto_server", "-H", "127.0.0.1", "-p", fmt.Sprint(port))
	var output lockedBuffer
	server.Stdout, server.Stderr = &output, &output
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
		if t.Failed() {
			t.Logf("moto:\n%s", output.tail(4000))
		}
	})
	m := moto{url: fmt.Sprintf("http://127.0.0.1:%d", port), account: motoAccount, region: region}
	deadline := time.Now().Add(time.Minute)
	for up := false; !up; {
		if res, err := http.Get(m.url + "/moto-api/"); err == nil {
			res.Body.Close()
			up = true
		} else if time.Now().After(deadline) {
			t.Fatalf("moto_server does not answer:\n%s", output.tail(4000))
		}
	}
	m.admin = aws.Config{Region: region, BaseEndpoint: &m.url, HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""), Retryer: func() aws.Retryer { return aws.NopRetryer{} }}
	return m
}

// in is the same moto as an administrator of another account and Region sees it. moto has accounts without any being made: whoever has
// credentials of a role of one is in it.
func (m moto) in(t *testing.T, account, region string) moto {
	t.Helper()
	out, err := sts.NewFromConfig(m.admin).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/" + administrator), RoleSessionName: aws.String("test")})
	ok(t)(out, err)
	m.account, m.region, m.admin = account, region, m.admin.Copy()
	m.admin.Region = region
	m.admin.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	return m
}

// lockedBuffer is what a process writes while the test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) tail(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.b.String()
	return text[max(0, len(text)-n):]
}

// call makes a request as the AWS CLI would, as the administrator.
func (m moto) call(t *testing.T, service, method, path, body string, header ...string) []byte {
	t.Helper()
	req, err := http.NewRequest(method, m.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	who, err := m.admin.Credentials.Retrieve(t.Context())
	ok(t)(who, err)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+who.AccessKeyID+"/20260105/"+m.region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode > 299 {
		t.Fatalf("%s %s%s: %s\n%.2000s", service, m.url, path, res.Status, answer)
	}
	return answer
}

// query is a call in the query protocol.
func (m moto) query(t *testing.T, service, action string, form url.Values) []byte {
	t.Helper()
	form.Set("Action", action)
	return m.call(t, service, "POST", "/", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

// makeTrail makes trail main, which logs, and gives its ARN.
func (m moto) makeTrail(t *testing.T) string {
	t.Helper()
	arn, bucket := "arn:aws:cloudtrail:"+m.region+":"+m.account+":trail/main", aws.String("audit-logs-"+m.account+"-"+m.region)
	objects := s3.NewFromConfig(m.admin, func(o *s3.Options) { o.UsePathStyle = true })
	in := &s3.CreateBucketInput{Bucket: bucket}
	if m.region != "us-east-1" {
		in.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(m.region)}
	}
	ok(t)(objects.CreateBucket(t.Context(), in))
	ok(t)(objects.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(sim.CloudTrailBucketPolicy(*bucket, arn))}))
	trails := cloudtrail.NewFromConfig(m.admin)
	ok(t)(trails.CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: bucket}))
	ok(t)(trails.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: aws.String("main")}))
	return arn
}

// put puts an event on the default bus of the account and Region, as CloudTrail would when somebody calls an API there.
func (m moto) put(t *testing.T, source, name, trail string) {
	t.Helper()
	detail := fmt.Sprintf(`{"eventVersion":"1.11","eventID":"e-%[1]s-%[3]d","eventTime":%[2]q,"eventSource":"cloudtrail.amazonaws.com","eventName":%[1]q,"awsRegion":%[4]q,
		"recipientAccountId":%[5]q,"requestID":"r-%[3]d","eventType":"AwsApiCall","managementEvent":true,"sourceIPAddress":"203.0.113.9","userAgent":"x",
		"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%[5]s:user/mallory","accountId":%[5]q,"principalId":"AIDA1","userName":"mallory"},
		"requestParameters":{"name":%[6]q},"responseElements":null}`, name, time.Now().UTC().Format(time.RFC3339), time.Now().UnixNano(), m.region, m.account, trail)
	m.putEvents(t, types.PutEventsRequestEntry{Source: &source, DetailType: aws.String("AWS API Call via CloudTrail"), Detail: &detail})
}

func (m moto) putEvents(t *testing.T, events ...types.PutEventsRequestEntry) {
	t.Helper()
	for ten := range slices.Chunk(events, 10) {
		out, err := eventbridge.NewFromConfig(m.admin).PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: ten})
		ok(t)(out, err)
		if out.FailedEntryCount > 0 {
			t.Fatalf("PutEvents: %+v", out.Entries)
		}
	}
}

// received are the bodies of what waits in a queue.
func (m moto) received(t *testing.T, queue string) []string {
	t.Helper()
	var bodies []string
	for {
		out, err := sqs.NewFromConfig(m.admin).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10, VisibilityTimeout: 600})
		ok(t)(out, err)
		if len(out.Messages) == 0 {
			return bodies
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
		}
	}
}

// logging says whether trail main of the account and Region logs.
func (m moto) logging(t *testing.T) bool {
	t.Helper()
	out, err := cloudtrail.NewFromConfig(m.admin).GetTrailStatus(t.Context(), &cloudtrail.GetTrailStatusInput{Name: aws.String("main")})
	ok(t)(out, err)
	return aws.ToBool(out.IsLogging)
}
