package sns

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

const (
	secretKey    = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	sessionToken = "IQoJb3JpZ2luX2VjEOz//////////wEaCXVzLWVhc3QtMSJHMEUCIQDcanaryCANARYcanaryCANARYcanaryCANARYcanaryCANARY=="
	accessKey    = "AKIAIOSFODNN7CANARY9"
)

// stub speaks SNS's query protocol as far as Publish goes, with the limits that SNS has.
type stub struct {
	answers []answer // for the first requests; then the stub behaves
	mu      sync.Mutex
	got     []publication
	calls   int
}

// answer is how one request goes wrong.
type answer struct {
	status  int
	code    string
	message string
	raw     string // the whole body
	hang    bool   // until the client gives up
}

// publication is what subscribers would get.
type publication struct {
	topic, subject, message, group, deduplication, structure string
	forms                                                    map[string]string
	attributes                                               map[string]string
	authorization                                            string
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	form, _ := url.ParseQuery(string(body))
	s.mu.Lock()
	s.calls++
	var a answer
	if len(s.answers) > 0 {
		a, s.answers = s.answers[0], s.answers[1:]
	}
	s.mu.Unlock()
	switch {
	case a.hang:
		<-r.Context().Done()
		return
	case a.raw != "":
		w.WriteHeader(a.status)
		fmt.Fprint(w, a.raw)
		return
	case a.code != "":
		refuse(w, a.status, a.code, a.message)
		return
	}
	p, wrong := accept(form)
	if wrong != "" {
		refuse(w, http.StatusBadRequest, "InvalidParameter", "Invalid parameter: "+wrong)
		return
	}
	p.authorization = r.Header.Get("Authorization")
	s.mu.Lock()
	s.got = append(s.got, p)
	s.mu.Unlock()
	fmt.Fprint(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>`+
		`567910cd-659e-55d4-8ccb-5aaf14679dc0</MessageId></PublishResult><ResponseMetadata><RequestId>`+
		`d74b8436-ae13-5ab4-a9ff-ce54dfea72a0</RequestId></ResponseMetadata></PublishResponse>`)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	var escaped bytes.Buffer
	for _, r := range message {
		if strings.ContainsRune("<>&", r) {
			fmt.Fprintf(&escaped, "&#%d;", r)
		} else {
			escaped.WriteRune(r)
		}
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>%s</Code>`+
		`<Message>%s</Message></Error><RequestId>9dd01905-5012-5f99-8663-4b3ecd0dfaef</RequestId></ErrorResponse>`, code, escaped.String())
}

var idForm = regexp.MustCompile("^[a-zA-Z0-9!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]{1,128}$")

// accept holds a publish against SNS's limits.
func accept(form url.Values) (p publication, wrong string) {
	if form.Get("Action") != "Publish" || form.Get("Version") != "2010-03-31" {
		return p, "Action"
	}
	p = publication{
		topic: form.Get("TopicArn"), subject: form.Get("Subject"), message: form.Get("Message"), structure: form.Get("MessageStructure"),
		group: form.Get("MessageGroupId"), deduplication: form.Get("MessageDeduplicationId"), attributes: map[string]string{},
	}
	// The stricter of what SNS says of subjects in two places.
	if len(p.subject) == 0 || len(p.subject) >= 100 || !regexp.MustCompile(`^[A-Za-z0-9][ -~]*$`).MatchString(p.subject) {
		return p, "Subject"
	}
	size := len(p.message)
	for i := 1; form.Has("MessageAttributes.entry." + strconv.Itoa(i) + ".Name"); i++ {
		entry := "MessageAttributes.entry." + strconv.Itoa(i)
		name, kind, value := form.Get(entry+".Name"), form.Get(entry+".Value.DataType"), form.Get(entry+".Value.StringValue")
		if value == "" || kind != "String" {
			return p, "The message attribute '" + name + "' must contain non-empty message attribute value"
		}
		p.attributes[name] = value
		size += len(name) + len(kind) + len(value)
	}
	if p.message == "" || !utf8.ValidString(p.message) {
		return p, "Empty message"
	}
	if size > 262144 {
		return p, "Message too long"
	}
	if strings.HasSuffix(p.topic, ".fifo") != (p.group != "") || strings.HasSuffix(p.topic, ".fifo") != (p.deduplication != "") {
		return p, "MessageGroupId"
	}
	if p.group != "" && (!idForm.MatchString(p.group) || !idForm.MatchString(p.deduplication)) {
		return p, "MessageDeduplicationId"
	}
	if p.structure == "json" {
		if err := json.Unmarshal([]byte(p.message), &p.forms); err != nil {
			return p, "Message Structure - JSON message body failed to parse"
		}
		if _, ok := p.forms["default"]; !ok {
			return p, "Message Structure - No default entry in JSON message body"
		}
	}
	return p, ""
}

// one is the only publication.
func (s *stub) one(t *testing.T) publication {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.got) != 1 {
		t.Fatalf("%d messages were published, want 1", len(s.got))
	}
	return s.got[0]
}

const topic = "arn:aws:sns:eu-central-1:123456789012:alarms"

// open starts a stub on loopback and opens a channel to it, with the real SDK.
func open(t *testing.T, topicARN string, answers ...answer) (*Channel, *stub) {
	t.Helper()
	s := &stub{answers: answers}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := Open(config(server.URL, nil), topicARN)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

func config(endpoint string, client aws.HTTPClient) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &endpoint, HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, sessionToken),
	}
}

// inProcess is a client whose requests never leave the process, so that time can be simulated.
type inProcess struct{ handler http.Handler }

func (c inProcess) Do(r *http.Request) (*http.Response, error) {
	done := make(chan *http.Response, 1)
	go func() {
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, r)
		done <- w.Result()
	}()
	select {
	case response := <-done:
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return response, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// refused is a client whom nobody answers.
type refused struct{}

func (refused) Do(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}
