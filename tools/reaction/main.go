// Command reaction measures how fast the Lambda function reacts: it runs the built binary under Lambda's Runtime API
// against a local AWS that answers at once, over HTTP and over TLS, and prints medians as a Markdown table. It is run by
// `make bench`.
package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/sim/runtimeapi"
)

const trailARN = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"

func main() {
	binary := flag.String("bootstrap", "", "the Lambda binary for this machine")
	runs := flag.Int("runs", 30, "processes to start for each medium")
	warm := flag.Int("warm", 8, "further events for each process")
	flag.Parse()
	if err := run(*binary, *runs, *warm); err != nil {
		fmt.Fprintln(os.Stderr, "reaction:", err)
		os.Exit(1)
	}
}

func run(binary string, runs, warm int) error {
	fmt.Printf("\n## Reaction of the Lambda function (%s/%s, %d CPUs, medians of %d processes, %d warm events each)\n\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runs, warm)
	fmt.Println("| medium | process start to StartLogging, ms | cold: event to StartLogging, ms | warm: event to StartLogging, ms | resident memory, MB |")
	fmt.Println("|---|---|---|---|---|")
	for _, medium := range []string{"HTTP", "TLS"} {
		var all samples
		for range runs {
			s, err := one(binary, medium == "TLS", warm)
			if err != nil {
				return fmt.Errorf("%s: %w", medium, err)
			}
			all.start = append(all.start, s.start...)
			all.cold = append(all.cold, s.cold...)
			all.warm = append(all.warm, s.warm...)
			all.memory = append(all.memory, s.memory...)
		}
		fmt.Printf("| %s | %.1f | %.2f | %.2f | %.1f |\n", medium, median(all.start), median(all.cold), median(all.warm), median(all.memory))
	}
	return nil
}

// samples are in milliseconds, memory in megabytes.
type samples struct{ start, cold, warm, memory []float64 }

func median(v []float64) float64 {
	slices.Sort(v)
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// one runs one process: an event that waits before it starts, then warm ones.
func one(binary string, tls bool, warm int) (samples, error) {
	var s samples
	aws := &stub{calls: make(chan time.Time, 100)}
	server, env, err := serve(aws, tls)
	if err != nil {
		return s, err
	}
	defer server.Close()
	api := &runtimeapi.Server{FunctionARN: "arn:aws:lambda:eu-central-1:111122223333:function:trailwarden"}
	lambda := httptest.NewServer(api)
	defer lambda.Close()

	cmd := exec.Command(binary)
	cmd.Env = append(env,
		"AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(lambda.URL, "http://"),
		"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret",
		"AWS_ENDPOINT_URL="+server.URL, "SNSARN=arn:aws:sns:eu-central-1:111122223333:alerts",
		"AWS_LAMBDA_FUNCTION_NAME=trailwarden", "_LAMBDA_SERVER_PORT=0", "GOMAXPROCS=1")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output

	answers := api.Invoke(aws.stop())
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return s, err
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()

	for i := range warm + 1 {
		if i > 0 {
			time.Sleep(5 * time.Millisecond) // the process rests between events, as it does in Lambda
			answers = api.Invoke(aws.stop())
		}
		var called time.Time
		select {
		case called = <-aws.calls:
		case <-time.After(10 * time.Second):
			return s, errors.New("no StartLogging within 10 s; the function says:\n" + output.String())
		}
		a := <-answers
		if a.Failed {
			return s, fmt.Errorf("the function failed: %s", a.Body)
		}
		if i == 0 {
			s.start = append(s.start, ms(called.Sub(begin)))
			s.cold = append(s.cold, ms(called.Sub(a.Handed)))
		} else {
			s.warm = append(s.warm, ms(called.Sub(a.Handed)))
		}
	}
	memory, err := resident(cmd.Process.Pid)
	s.memory = append(s.memory, memory)
	return s, err
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// serve starts the stub. For TLS the process trusts its certificate beside all of the system's, so that loading
// the roots costs what it costs in Lambda.
func serve(h http.Handler, secure bool) (*httptest.Server, []string, error) {
	if !secure {
		return httptest.NewServer(h), nil, nil
	}
	root, leaf, err := certify()
	if err != nil {
		return nil, nil, err
	}
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}}
	server.StartTLS()
	system, _ := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	bundle := append(system, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root})...)
	file := filepath.Join(os.TempDir(), fmt.Sprintf("reaction-%d.pem", os.Getpid()))
	if err := os.WriteFile(file, bundle, 0o600); err != nil {
		return nil, nil, err
	}
	return server, []string{"SSL_CERT_FILE=" + file}, nil
}

// certify makes a root with a name like those that AWS's certificates come from, and a certificate of it for this machine.
func certify() (root []byte, leaf tls.Certificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, leaf, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"Not Amazon"}, CommonName: "Root of tools/reaction"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	if root, err = x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key); err != nil {
		return nil, leaf, err
	}
	own := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, own, ca, key.Public(), key)
	return root, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// resident reads the resident memory of a process, in MB.
func resident(pid int) (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for scan := bufio.NewScanner(f); scan.Scan(); {
		var kb float64
		if n, _ := fmt.Sscanf(scan.Text(), "VmRSS: %f kB", &kb); n == 1 {
			return kb / 1024, nil
		}
	}
	return 0, errors.New("no VmRSS")
}

// stub is an AWS with one trail, answering at once.
type stub struct {
	calls chan time.Time // StartLogging was received

	mu      sync.Mutex
	logging bool
	stopped time.Time
	started time.Time
	count   int
}

// stop stops the trail and returns the event that tells of it.
func (s *stub) stop() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.logging, s.stopped = false, time.Now()
	detail := map[string]any{
		"eventVersion": "1.11", "eventID": fmt.Sprintf("00000000-0000-4000-8000-%012d", s.count), "eventName": "StopLogging",
		"eventSource": "cloudtrail.amazonaws.com", "eventTime": s.stopped.UTC().Format(time.RFC3339), "awsRegion": "eu-central-1",
		"recipientAccountId": "111122223333", "requestID": fmt.Sprint(s.count), "eventType": "AwsApiCall",
		"requestParameters": map[string]any{"name": trailARN}, "responseElements": nil, "readOnly": false, "managementEvent": true,
		"sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli/2.31",
		"userIdentity": map[string]any{"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/mallory", "accountId": "111122223333"},
	}
	payload, _ := json.Marshal(map[string]any{
		"version": "0", "id": fmt.Sprint(s.count), "detail-type": "AWS API Call via CloudTrail", "source": "aws.cloudtrail",
		"account": "111122223333", "time": s.stopped.UTC().Format(time.RFC3339), "region": "eu-central-1", "resources": []string{}, "detail": detail,
	})
	return payload
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	io.Copy(io.Discard, r.Body)
	w.Header().Set("X-Amzn-RequestId", "00000000-0000-4000-8000-000000000001")
	s.mu.Lock()
	defer s.mu.Unlock()
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch op {
	case "StartLogging":
		s.logging, s.started = true, now
		s.calls <- now
		io.WriteString(w, "{}")
	case "GetTrailStatus":
		fmt.Fprintf(w, `{"IsLogging":%t,"StopLoggingTime":%.3f,"StartLoggingTime":%.3f}`, s.logging, epoch(s.stopped), epoch(s.started))
	case "GetTrail":
		io.WriteString(w, `{"Trail":{"Name":"main","S3BucketName":"logs","TrailARN":"`+trailARN+`"}}`)
	case "":
		w.Header().Set("Content-Type", "text/xml")
		io.WriteString(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`)
	}
}

func epoch(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
