package deploy

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/selfwatch"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/sim/runtimeapi"
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
		t.Skip("NOT PROVEN HERE: moto_server is not installed, so that the template was deployed nowhere")
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

// stack is trailwarden.yaml on moto.
type stack struct {
	moto
	trail, queue, consumer string
}

// deployTemplate uploads the function's zip, makes the stack from the file itself and lists what there is.
func (m moto) deployTemplate(t *testing.T, binary string, parameters ...string) stack {
	t.Helper()
	objects := s3.NewFromConfig(m.admin, func(o *s3.Options) { o.UsePathStyle = true })
	bucket := aws.String("trailwarden-artifacts")
	ok(t)(objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	ok(t)(objects.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}))
	packed := zipped(t, binary)
	put, err := objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("trailwarden.zip"), Body: bytes.NewReader(packed)})
	ok(t)(put, err)
	sum := sha256.Sum256(packed)
	p := artifact(append([]string{"ArtifactBucket", *bucket, "ArtifactKey", "trailwarden.zip", "ArtifactVersion", *put.VersionId,
		"ArtifactSha256", base64.StdEncoding.EncodeToString(sum[:]), "NotificationEmail", ""}, parameters...)...)
	form := url.Values{"StackName": {"trailwarden"}, "TemplateBody": {forMoto(t, load(t, "trailwarden"), p)}, "Capabilities.member.1": {"CAPABILITY_NAMED_IAM"}}
	n := 0
	for key, value := range p {
		n++
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterKey", n), key)
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterValue", n), value)
	}
	m.query(t, "cloudformation", "CreateStack", form)
	m.judgeable(t, "trailwarden", p)
	return stack{moto: m, trail: "arn:aws:cloudtrail:" + region + ":" + motoAccount + ":trail/main", queue: m.queueURL(t, "trailwarden-events")}
}

// judgeable puts the roles' policies again, as they are but for the resources of what they allow: moto 5.2.1 asks for the resource "*"
// whatever a call is about, so that it judges actions only (resources are judged by sim, TestPoliciesSuffice); it keeps the inline
// policies of a stack in a shape that its own enforcement cannot read; it attaches no managed policies to a stack's roles; and it asks for
// dynamodb:TransactWriteItems, where AWS asks for what the transaction's parts do.
func (m moto) judgeable(t *testing.T, template string, parameters map[string]string) {
	t.Helper()
	made := mustMake(t, template, Stack{Account: m.account, Region: m.region, Parameters: parameters})
	for _, id := range slices.Sorted(maps.Keys(made.Resources)) {
		switch r := made.Resources[id]; r.Type {
		case "AWS::IAM::Role":
			inline, _ := r.Properties["Policies"].([]any)
			for _, p := range inline {
				p := p.(map[string]any)
				m.query(t, "iam", "PutRolePolicy", url.Values{"RoleName": {r.Properties["RoleName"].(string)}, "PolicyName": {p["PolicyName"].(string)}, "PolicyDocument": {anywhere(t, p["PolicyDocument"])}})
			}
			attached, _ := r.Properties["ManagedPolicyArns"].([]any)
			for _, arn := range attached {
				m.query(t, "iam", "AttachRolePolicy", url.Values{"RoleName": {r.Properties["RoleName"].(string)}, "PolicyArn": {arn.(string)}})
			}
		case "AWS::IAM::ManagedPolicy":
			m.query(t, "iam", "CreatePolicyVersion", url.Values{"PolicyArn": {"arn:aws:iam::" + m.account + ":policy/" + r.Properties["ManagedPolicyName"].(string)},
				"PolicyDocument": {anywhere(t, r.Properties["PolicyDocument"])}, "SetAsDefault": {"true"}})
		}
	}
}

func anywhere(t *testing.T, document any) string {
	t.Helper()
	var copied map[string]any
	ok(t)(nil, json.Unmarshal([]byte(encode(t, document)), &copied))
	for _, s := range copied["Statement"].([]any) {
		s := s.(map[string]any)
		if s["Effect"] == "Allow" {
			s["Resource"] = "*"
		}
		if s["Sid"] == "KeepLedger" {
			s["Action"] = append(s["Action"].([]any), "dynamodb:TransactWriteItems")
		}
	}
	return encode(t, copied)
}

func (m moto) queueURL(t *testing.T, name string) string {
	t.Helper()
	out, err := sqs.NewFromConfig(m.admin).GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	ok(t)(out, err)
	return *out.QueueUrl
}

// forMoto is the template as JSON, without two things that moto 5.2.1 does not do: it leaves null in a list where an item is
// AWS::NoValue, and makes no name of a reference to an event bus. All else is as in the file.
func forMoto(t *testing.T, template Template, parameters map[string]string) string {
	t.Helper()
	m := maker{template: template, stack: Stack{Partition: "aws", Account: motoAccount, Region: region, Parameters: parameters}, parameters: map[string]any{}}
	if err := m.take(); err != nil {
		t.Fatal(err)
	}
	void, resources := map[string]any{"Ref": "AWS::NoValue"}, section(template.Doc, "Resources")
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case []any:
			var list []any
			for _, item := range v {
				if name, args, is := asCall(item); is && name == "Fn::If" {
					if choice := args.([]any); encode(t, choice[1]) == encode(t, void) || encode(t, choice[2]) == encode(t, void) {
						item = choice[2]
						if m.condition(choice[0].(string)) {
							item = choice[1]
						}
						if encode(t, item) == encode(t, void) {
							continue
						}
					}
				}
				list = append(list, walk(item))
			}
			return list
		case map[string]any:
			if id, is := v["Ref"].(string); is && resources[id] != nil && resources[id].(map[string]any)["Type"] == "AWS::Events::EventBus" {
				return map[string]any{"Fn::GetAtt": []any{id, "Name"}}
			}
			out := map[string]any{}
			for key, item := range v {
				out[key] = item
				if !strings.HasPrefix(key, "Fn::") || key == "Fn::If" {
					out[key] = walkIf(key, item, walk)
				}
			}
			return out
		}
		return v
	}
	doc := map[string]any{}
	for key, part := range template.Doc {
		doc[key] = part
	}
	doc["Resources"] = walk(template.Doc["Resources"])
	return encode(t, doc)
}

// walkIf goes on into the choices of an If, whose own list has three items always.
func walkIf(key string, v any, walk func(any) any) any {
	if list, is := v.([]any); is && key == "Fn::If" {
		return []any{list[0], walk(list[1]), walk(list[2])}
	}
	return walk(v)
}

func asCall(v any) (string, any, bool) {
	m, is := v.(map[string]any)
	if !is {
		return "", nil, false
	}
	return call(m)
}

func zipped(t *testing.T, binary string) []byte {
	t.Helper()
	content, err := os.ReadFile(binary)
	ok(t)(content, err)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create("bootstrap")
	ok(t)(w, err)
	ok(t)(w.Write(content))
	ok(t)(nil, z.Close())
	return out.Bytes()
}

func ok(t *testing.T) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

var built struct {
	once   sync.Once
	binary string
	err    error
}

// lambdaBinary builds the function once for all tests.
func lambdaBinary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "trailwarden-deploy")
		if err != nil {
			built.err = err
			return
		}
		built.binary = filepath.Join(dir, "bootstrap")
		cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", built.binary, "../../cmd/trailwarden-lambda")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.binary
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.binary != "" {
		os.RemoveAll(filepath.Dir(built.binary))
	}
	os.Exit(code)
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

// furnish makes a trail that is logging, and somebody who reads the deployed topic.
func (s *stack) furnish(t *testing.T) {
	t.Helper()
	s.makeTrail(t)
	queue, err := sqs.NewFromConfig(s.admin).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("consumer")})
	ok(t)(queue, err)
	s.consumer = *queue.QueueUrl
	ok(t)(sns.NewFromConfig(s.admin).Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: aws.String("arn:aws:sns:" + region + ":" + motoAccount + ":trailwarden"),
		Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:" + region + ":" + motoAccount + ":consumer")}))
}

// mapped switches the deployed mapping on or off on moto, where the test takes its place: moto would run the function in Docker.
func (s stack) mapped(t *testing.T, on bool) {
	t.Helper()
	var out struct {
		EventSourceMappings []struct{ UUID, FunctionArn, EventSourceArn string }
	}
	ok(t)(nil, json.Unmarshal(s.call(t, "lambda", "GET", "/2015-03-31/event-source-mappings/", ""), &out))
	if len(out.EventSourceMappings) != 1 || !strings.HasSuffix(out.EventSourceMappings[0].FunctionArn, ":trailwarden-react") || !strings.HasSuffix(out.EventSourceMappings[0].EventSourceArn, ":trailwarden-events") {
		t.Fatalf("the deployed mappings are %+v", out.EventSourceMappings)
	}
	s.call(t, "lambda", "PUT", "/2015-03-31/event-source-mappings/"+out.EventSourceMappings[0].UUID, fmt.Sprintf(`{"Enabled":%t}`, on))
}

// put puts an event about the trail on the default bus.
func (s stack) put(t *testing.T, source, name string) { s.moto.put(t, source, name, s.trail) }

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

// batch is what Lambda's mapping makes of messages.
func batch(t *testing.T, bodies []string) []byte {
	return batchFrom(t, moto{account: motoAccount, region: region}, bodies)
}

// batchFrom is the same for what happened in another account or Region.
func batchFrom(t *testing.T, at moto, bodies []string) []byte {
	t.Helper()
	var records []map[string]any
	for i, b := range bodies {
		// moto 5.2.1 leaves the account out of what it hands to a queue, and puts the bus's own Region in place of the event's.
		b = strings.Replace(b, `"version": "0",`, `"version": "0", "account": "`+at.account+`",`, 1)
		b = strings.Replace(b, `"region": "`+region+`"`, `"region": "`+at.region+`"`, 1)
		records = append(records, map[string]any{"messageId": fmt.Sprintf("m%d", i), "receiptHandle": "h", "body": b, "eventSource": "aws:sqs",
			"eventSourceARN": "arn:aws:sqs:" + region + ":" + motoAccount + ":trailwarden-events", "awsRegion": region, "attributes": map[string]string{"ApproximateReceiveCount": "1"}})
	}
	return []byte(encode(t, map[string]any{"Records": records}))
}

// environment is that of a deployed function, as Lambda would give it to the process.
func (s stack) environment(t *testing.T, function string) []string {
	t.Helper()
	var out struct {
		Role        string
		Environment struct{ Variables map[string]string }
	}
	ok(t)(nil, json.Unmarshal(s.call(t, "lambda", "GET", "/2015-03-31/functions/"+function+"/configuration", ""), &out))
	if want := "arn:aws:iam::" + motoAccount + ":role/" + function; out.Role != want {
		t.Errorf("%s runs as %s, want %s", function, out.Role, want)
	}
	var env []string
	for key, value := range out.Environment.Variables {
		env = append(env, key+"="+value)
	}
	return env
}

// session is a session of a role of the stack.
func (s stack) session(t *testing.T, role string) aws.Credentials {
	t.Helper()
	out, err := sts.NewFromConfig(s.admin).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + motoAccount + ":role/" + role), RoleSessionName: aws.String("lambda")})
	ok(t)(out, err)
	return aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
}

// enforce has moto ask IAM from now on.
func (s stack) enforce(t *testing.T, on bool) {
	t.Helper()
	after := "0"
	if !on {
		after = "inf"
	}
	res, err := http.Post(s.url+"/moto-api/reset-auth", "text/plain", strings.NewReader(after))
	ok(t)(res, err)
	res.Body.Close()
}

// start runs the built binary as the function of a role.
func (s stack) start(t *testing.T, binary, function string, as aws.Credentials, environment []string) (*runtimeapi.Server, *lockedBuffer) {
	t.Helper()
	api := &runtimeapi.Server{FunctionARN: "arn:aws:lambda:" + region + ":" + motoAccount + ":function:" + function, Timeout: 30 * time.Second}
	runtime := httptest.NewServer(api)
	t.Cleanup(runtime.Close)
	front := httptest.NewServer(&byName{url: s.url, as: map[string]aws.Credentials{as.AccessKeyID: as}})
	t.Cleanup(front.Close)
	cmd := exec.Command(binary)
	cmd.Env = append(slices.Clone(environment), "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(runtime.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME="+function,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_REGION="+region, "AWS_ENDPOINT_URL="+front.URL,
		"AWS_ACCESS_KEY_ID="+as.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+as.SecretAccessKey, "AWS_SESSION_TOKEN="+as.SessionToken)
	output := new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = output, output
	ok(t)(nil, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", function, output.tail(6000))
		}
	})
	return api, output
}

// byName stands before moto and undoes one deviation of moto 5.2.1 from AWS: it answers 500 to StartLogging and StopLogging by ARN. As moto
// checks signatures when it asks IAM, each request is signed anew, with the credentials that it came with.
type byName struct {
	url string

	mu sync.Mutex
	as map[string]aws.Credentials // by access key: those of the function, and those that it was given by STS
}

// given keeps the credentials that an answer of STS hands out.
func (b *byName) given(answer []byte) {
	var out struct {
		AccessKeyID     string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		SecretAccessKey string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		SessionToken    string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	if xml.Unmarshal(answer, &out) == nil && out.AccessKeyID != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.as[out.AccessKeyID] = aws.Credentials{AccessKeyID: out.AccessKeyID, SecretAccessKey: out.SecretAccessKey, SessionToken: out.SessionToken}
	}
}

func (b *byName) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if target := r.Header.Get("X-Amz-Target"); strings.HasSuffix(target, ".StartLogging") || strings.HasSuffix(target, ".StopLogging") {
		var in struct{ Name string }
		if json.Unmarshal(body, &in) == nil {
			body, _ = json.Marshal(map[string]string{"Name": in.Name[strings.LastIndexByte(in.Name, '/')+1:]})
		}
	}
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	scope := strings.Split(credential, "/")
	out, err := http.NewRequestWithContext(r.Context(), r.Method, b.url+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil || len(scope) < 5 {
		http.Error(w, "not signed", http.StatusBadRequest)
		return
	}
	for _, name := range []string{"Content-Type", "X-Amz-Target", "User-Agent"} {
		if v := r.Header.Get(name); v != "" {
			out.Header.Set(name, v)
		}
	}
	sum := sha256.Sum256(body)
	b.mu.Lock()
	as := b.as[scope[0]]
	b.mu.Unlock()
	if err := v4.NewSigner().SignHTTP(context.Background(), as, out, hex.EncodeToString(sum[:]), scope[3], scope[2], time.Now()); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	res, err := http.DefaultClient.Do(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	for name := range res.Header {
		w.Header().Set(name, res.Header.Get(name))
	}
	w.WriteHeader(res.StatusCode)
	answer, err := io.ReadAll(res.Body)
	if err == nil && scope[3] == "sts" {
		b.given(answer)
	}
	w.Write(answer)
}

// logging says whether trail main of the account and Region logs.
func (m moto) logging(t *testing.T) bool {
	t.Helper()
	out, err := cloudtrail.NewFromConfig(m.admin).GetTrailStatus(t.Context(), &cloudtrail.GetTrailStatusInput{Name: aws.String("main")})
	ok(t)(out, err)
	return aws.ToBool(out.IsLogging)
}

func (s stack) stop(t *testing.T) {
	t.Helper()
	ok(t)(cloudtrail.NewFromConfig(s.admin).StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: aws.String("main")}))
	s.put(t, "aws.cloudtrail", "StopLogging")
}

func answerOf(t *testing.T, api *runtimeapi.Server, payload []byte) runtimeapi.Answer {
	t.Helper()
	select {
	case a := <-api.Invoke(payload):
		return a
	case <-time.After(40 * time.Second):
		t.Fatal("the function does not answer")
	}
	return runtimeapi.Answer{}
}

// TestDeployedOnMoto: a StopLogging that is put on the bus reaches the deployed queue by the deployed rule; the built function, with
// the deployed environment and the deployed role's policies enforced, starts the trail again and tells people.
func TestDeployedOnMoto(t *testing.T) {
	t.Parallel()
	binary := lambdaBinary(t)
	m := startMoto(t)
	s := m.deployTemplate(t, binary)
	s.furnish(t)
	s.mapped(t, false)

	for _, forged := range []string{"my.app", "aws.events.forged"} {
		s.put(t, forged, "StopLogging")
	}
	s.put(t, "aws.cloudtrail", "GetTrailStatus")
	if got := s.received(t, s.queue); len(got) != 0 {
		t.Fatalf("the deployed rule let %d events through that are forged or only read: %s", len(got), got)
	}
	s.stop(t)
	events := s.received(t, s.queue)
	if len(events) != 1 {
		t.Fatalf("%d events reached the deployed queue, want one", len(events))
	}
	environment, as := s.environment(t, "trailwarden-react"), s.session(t, "trailwarden-react")
	s.enforce(t, true)
	api, _ := s.start(t, binary, "trailwarden-react", as, environment)
	answer := answerOf(t, api, batch(t, events))
	s.enforce(t, false)
	if answer.Failed || !strings.Contains(string(answer.Body), `"batchItemFailures":[]`) {
		t.Errorf("the function answers %s", answer.Body)
	}
	if !s.logging(t) {
		t.Error("the trail does not log again")
	}
	sweep, _ := s.start(t, binary, "trailwarden-sweep", s.session(t, "trailwarden-sweep"), s.environment(t, "trailwarden-sweep"))
	told := s.told(t, sweep)
	if len(told) == 0 || !strings.Contains(told[0], "repaired") { // and perhaps that the repair is confirmed
		t.Errorf("people were told %d times: %.300s", len(told), told)
	}
	s.neighbours(t, as)
	s.killed(t, api, sweep)
	s.toldOfItself(t)
	s.mapped(t, true)
	s.watched(t)
	s.destroyed(t)
}

// told is what people have received at the next sweep. The sweep's answer says nothing here: it may not look at itself on moto (see watched).
func (s stack) told(t *testing.T, sweep *runtimeapi.Server) (list []string) {
	t.Helper()
	s.enforce(t, true)
	answerOf(t, sweep, []byte(`{"sweep":true}`))
	s.enforce(t, false)
	for _, m := range s.received(t, s.consumer) {
		if strings.Contains(m, "trail/main") { // and not of the mapping that the test switched off
			list = append(list, m)
		}
	}
	return list
}

// neighbours sees that the function's role may do nothing beside what it needs: one refusal for each neighbouring action.
func (s stack) neighbours(t *testing.T, as aws.Credentials) {
	t.Helper()
	cfg := s.admin.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(as.AccessKeyID, as.SecretAccessKey, as.SessionToken)
	trails, topics, queues, rules := cloudtrail.NewFromConfig(cfg), sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg), eventbridge.NewFromConfig(cfg)
	ctx, main := t.Context(), aws.String("main")
	topic, rule := aws.String("arn:aws:sns:"+region+":"+motoAccount+":trailwarden"), aws.String("trailwarden-watch")
	s.enforce(t, true)
	defer s.enforce(t, false)
	for name, call := range map[string]func() (any, error){
		"StopLogging": func() (any, error) { return trails.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: main}) },
		"DeleteTrail": func() (any, error) { return trails.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: main}) },
		"UpdateTrail": func() (any, error) { return trails.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: main}) },
		"CreateTrail": func() (any, error) {
			return trails.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: aws.String("more"), S3BucketName: aws.String("audit-logs-" + motoAccount + "-" + region)})
		},
		"PutEventSelectors": func() (any, error) {
			return trails.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{TrailName: main})
		},
		"AddTags": func() (any, error) {
			return trails.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: &s.trail, TagsList: []trailtypes.Tag{{Key: main}}})
		},
		"Subscribe": func() (any, error) {
			return topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:" + region + ":" + motoAccount + ":consumer")})
		},
		"DeleteTopic": func() (any, error) { return topics.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: topic}) },
		"SendMessage": func() (any, error) {
			return queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &s.queue, MessageBody: main})
		},
		"PurgeQueue":  func() (any, error) { return queues.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: &s.queue}) },
		"DisableRule": func() (any, error) { return rules.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: rule}) },
		"PutRule": func() (any, error) {
			return rules.PutRule(ctx, &eventbridge.PutRuleInput{Name: rule, EventPattern: aws.String(`{"source":["x"]}`)})
		},
		"AssumeRole (nobody)": func() (any, error) {
			return sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + motoAccount + ":role/trailwarden-sweep"), RoleSessionName: aws.String("xx")})
		},
	} {
		// moto's answer to a refusal is XML whatever the protocol, so that the SDK finds no code in it.
		if _, err := call(); err == nil || !strings.Contains(err.Error(), "StatusCode: 403") {
			t.Errorf("the function's role may %s: %v", name, err)
		}
	}
}

// killed uses the kill switch: nothing is repaired, watching and telling go on, and when it is undone repairs do too.
func (s stack) killed(t *testing.T, api, sweep *runtimeapi.Server) {
	t.Helper()
	policy := url.Values{"RoleName": {"trailwarden-react"}, "PolicyArn": {"arn:aws:iam::" + motoAccount + ":policy/trailwarden-repair"}}
	s.query(t, "iam", "DetachRolePolicy", policy)
	s.stop(t)
	events := s.received(t, s.queue)
	s.enforce(t, true)
	answerOf(t, api, batch(t, events))
	s.enforce(t, false)
	if s.logging(t) {
		t.Error("the kill switch was used, and the trail was started")
	}
	if told := s.told(t, sweep); len(told) == 0 {
		t.Error("the kill switch was used, and nobody was told of the stopped trail")
	}
	s.query(t, "iam", "AttachRolePolicy", policy)
	s.enforce(t, true)
	answerOf(t, api, batch(t, events))
	s.enforce(t, false)
	if !s.logging(t) {
		t.Error("the kill switch was undone, and the event that came again started nothing")
	}
}

// watched holds selfwatch against what was deployed, as it is and tampered with, under the sweep's own policies.
func (s stack) watched(t *testing.T) {
	t.Helper()
	var expect selfwatch.Expect
	for _, variable := range s.environment(t, "trailwarden-sweep") {
		if text, found := strings.CutPrefix(variable, selfwatch.Variable+"="); found {
			var err error
			expect, err = selfwatch.Parse(text)
			ok(t)(nil, err)
		}
	}
	cfg, as := s.admin.Copy(), s.session(t, "trailwarden-sweep")
	cfg.Credentials = credentials.NewStaticCredentialsProvider(as.AccessKeyID, as.SecretAccessKey, as.SessionToken)
	// moto 5.2.1 finds no signature of a REST call without a body good, the AWS CLI's neither: Lambda's and Scheduler's reads are not enforced.
	cfg.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		by := r.Header.Get("Authorization")
		s.enforce(t, !strings.Contains(by, "/lambda/") && !strings.Contains(by, "/scheduler/"))
		return http.DefaultTransport.RoundTrip(r)
	})}
	// moto 5.2.1 leaves a stack's timer and its queue's policy out: they are put by hand, as the template has them.
	made, err := load(t, "trailwarden").Make(Stack{Account: motoAccount, Region: region, Parameters: artifact()})
	ok(t)(made, err)
	ok(t)(sqs.NewFromConfig(s.admin).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &s.queue, Attributes: map[string]string{
		"Policy": encode(t, made.Resources["QueuePolicy"].Properties["PolicyDocument"])}}))
	s.call(t, "scheduler", "POST", "/schedule-groups/trailwarden", "{}")
	timer := maps.Clone(made.Resources["SweepTimer"].Properties)
	timer["GroupName"] = "trailwarden"
	s.call(t, "scheduler", "POST", "/schedules/trailwarden-sweep", encode(t, timer))
	look := func() []string {
		defer s.enforce(t, false)
		findings, err := (&selfwatch.Watch{Config: cfg, Expect: expect}).Look(t.Context())
		ok(t)(findings, err)
		got := []string{}
		for _, f := range findings {
			got = append(got, f.Rule)
		}
		return got
	}
	if got := look(); len(got) != 0 {
		t.Errorf("on what was deployed selfwatch finds %v", got)
	}
	rules := eventbridge.NewFromConfig(s.admin)
	ok(t)(rules.DisableRule(t.Context(), &eventbridge.DisableRuleInput{Name: aws.String("trailwarden-watch")}))
	ok(t)(rules.RemoveTargets(t.Context(), &eventbridge.RemoveTargetsInput{Rule: aws.String("trailwarden-watch"), Ids: []string{"queue"}}))
	s.query(t, "iam", "DetachRolePolicy", url.Values{"RoleName": {"trailwarden-sweep"}, "PolicyArn": {"arn:aws:iam::" + motoAccount + ":policy/trailwarden-repair"}})
	s.call(t, "lambda", "PUT", "/2017-10-31/functions/trailwarden-react/concurrency", `{"ReservedConcurrentExecutions":0}`)
	s.call(t, "lambda", "PUT", "/2015-03-31/functions/trailwarden-react/code", `{"ZipFile":"`+base64.StdEncoding.EncodeToString(zipped(t, os.Args[0]))+`"}`)
	want := []string{"lambda.code", "lambda.throttled", "bus.rule-disabled", "bus.targets-removed", "iam.policy-detached"}
	if diff := cmp.Diff(want, look()); diff != "" {
		t.Errorf("after tampering selfwatch finds (-want +got)\n%s", diff)
	}
}

// destroyed deletes the stack and sees that evidence is what stays.
func (s stack) destroyed(t *testing.T) {
	t.Helper()
	var before struct {
		Members []struct {
			ID   string `xml:"LogicalResourceId"`
			Type string `xml:"ResourceType"`
		} `xml:"DescribeStackResourcesResult>StackResources>member"`
	}
	ok(t)(nil, xml.Unmarshal(s.query(t, "cloudformation", "DescribeStackResources", url.Values{"StackName": {"trailwarden"}}), &before))
	if len(before.Members) < 15 {
		t.Errorf("moto made %d resources", len(before.Members))
	}
	for _, role := range []string{"trailwarden-react", "trailwarden-sweep"} { // which the test attached
		for _, policy := range []string{"watch", "self", "repair"} {
			if role != "trailwarden-sweep" || policy != "repair" {
				s.query(t, "iam", "DetachRolePolicy", url.Values{"RoleName": {role}, "PolicyArn": {"arn:aws:iam::" + motoAccount + ":policy/trailwarden-" + policy}})
			}
		}
	}
	s.query(t, "cloudformation", "DeleteStack", url.Values{"StackName": {"trailwarden"}})
	var functions struct {
		Functions []struct{ FunctionName string }
	}
	ok(t)(nil, json.Unmarshal(s.call(t, "lambda", "GET", "/2015-03-31/functions", ""), &functions))
	if len(functions.Functions) != 0 {
		t.Errorf("functions stay: %+v", functions)
	}
	rules, err := eventbridge.NewFromConfig(s.admin).ListRules(t.Context(), &eventbridge.ListRulesInput{})
	ok(t)(rules, err)
	if len(rules.Rules) != 0 {
		t.Errorf("rules stay: %d", len(rules.Rules))
	}
	tables := s.call(t, "dynamodb", "POST", "/", "{}", "X-Amz-Target", "DynamoDB_20120810.ListTables")
	if !strings.Contains(string(tables), `"trailwarden"`) {
		t.Errorf("the ledger is gone with the stack: %s", tables)
	}
	queues, err := sqs.NewFromConfig(s.admin).ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String("trailwarden")})
	ok(t)(queues, err)
	if len(queues.QueueUrls) != 1 || !strings.HasSuffix(queues.QueueUrls[0], "/trailwarden-dead-letters") {
		t.Errorf("of the queues there stay %v, want the dead letters, which are evidence", queues.QueueUrls)
	}
	groups := s.call(t, "logs", "POST", "/", "{}", "X-Amz-Target", "Logs_20140328.DescribeLogGroups")
	for _, name := range []string{"/aws/lambda/trailwarden-react", "/aws/lambda/trailwarden-sweep"} {
		if !strings.Contains(string(groups), name) {
			t.Errorf("the log %s is gone with the stack", name)
		}
	}
}
