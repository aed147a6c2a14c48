package deploy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/trailwarden/trailwarden/internal/sim/runtimeapi"
)

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
	relay(w, out, func(answer []byte) []byte {
		if scope[3] == "sts" {
			b.given(answer)
		}
		return answer
	})
}

// relay makes a request of moto, and hands its answer on as look gives it back.
func relay(w http.ResponseWriter, out *http.Request, look func(answer []byte) []byte) {
	res, err := http.DefaultClient.Do(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	for name := range res.Header {
		w.Header().Set(name, res.Header.Get(name))
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(res.StatusCode)
	w.Write(look(answer))
}

// enforced is the function's answer while moto asks IAM.
func (s stack) enforced(t *testing.T, api *runtimeapi.Server, payload []byte) runtimeapi.Answer {
	t.Helper()
	s.enforce(t, true)
	defer s.enforce(t, false)
	return answerOf(t, api, payload)
}

// refused makes calls while moto asks IAM, and sees that each is refused.
func (s stack) refused(t *testing.T, who string, calls map[string]func() (any, error)) {
	t.Helper()
	s.enforce(t, true)
	defer s.enforce(t, false)
	for name, call := range calls {
		// moto's answer to a refusal is XML whatever the protocol, so that the SDK finds no code in it.
		if _, err := call(); err == nil || !strings.Contains(err.Error(), "StatusCode: 403") {
			t.Errorf("%s may %s: %v", who, name, err)
		}
	}
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
